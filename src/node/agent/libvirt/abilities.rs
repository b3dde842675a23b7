//! What this node's libvirt and QEMU can do for who looks at a guest in a browser; older ones run the same guests
//! without it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use virt::connect::Connect;

use super::Inner;
use super::versions::{dotted, numbers};
use crate::error::Result;
use crate::node::protocol::{Hardware, Sound};

/// Versions as libvirt writes them: 9.0.2 is 9000002.
type Version = u32;

/// The sound of a guest in its VNC connection: libvirt and QEMU.
const SOUND: (Version, Version) = (9_000_000, 7_002_000);
/// The clipboard in the VNC connection, by the protocol of SPICE's agent in the guest: libvirt and QEMU.
const CLIPBOARD: (Version, Version) = (8_004_000, 6_001_000);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    pub sound: bool,
    pub clipboard: bool,
}

impl Abilities {
    /// Of the simulator, whose machines nobody hears.
    pub const NONE: Self = Self { sound: false, clipboard: false };

    const fn of(libvirt: Version, qemu: Version) -> Self {
        Self {
            sound: libvirt >= SOUND.0 && qemu >= SOUND.1,
            clipboard: libvirt >= CLIPBOARD.0 && qemu >= CLIPBOARD.1,
        }
    }

    pub const fn has_all(self) -> bool {
        self.sound && self.clipboard
    }

    pub const fn lacks_sound(self, hardware: &Hardware) -> bool {
        !self.sound && !matches!(hardware.sound, Sound::None)
    }

    pub const fn lacks_clipboard(self, hardware: &Hardware) -> bool {
        !self.clipboard && hardware.clipboard
    }
}

/// What was told last, for a moment: a batch of domains asks once, and an upgrade is seen all the same.
#[derive(Default)]
pub struct Programs(Mutex<Option<(Instant, Version, Version)>>);

const A_MOMENT: Duration = Duration::from_secs(1);

impl Programs {
    /// The versions of libvirt and QEMU.
    pub fn versions(&self, connect: &Connect) -> Result<(Version, Version)> {
        let told = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, libvirt, qemu)) = told
            && at.elapsed() < A_MOMENT
        {
            return Ok((libvirt, qemu));
        }
        // Not under the lock: a daemon that hangs holds up those that ask it, and nobody else.
        let (libvirt, qemu) = numbers(connect)?;
        let now = Some((Instant::now(), libvirt, qemu));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok((libvirt, qemu))
    }
}

impl Inner {
    pub(super) fn abilities(&self, connect: &Connect) -> Result<Abilities> {
        if self.link.is_simulator() {
            return Ok(Abilities::NONE);
        }
        let (libvirt, qemu) = self.programs.versions(connect)?;
        Ok(Abilities::of(libvirt, qemu))
    }
}

/// Of libvirt and QEMU, for people.
pub fn written_versions(connect: &Connect) -> Result<(String, String)> {
    let (libvirt, qemu) = numbers(connect)?;
    Ok((dotted(libvirt), dotted(qemu)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ability_needs_both_programs() {
        let all = Abilities { sound: true, clipboard: true };
        assert_eq!(Abilities::of(9_000_000, 7_002_000), all);
        assert_eq!(Abilities::of(11_003_000, 10_000_002), all);
        let clipboard = Abilities { sound: false, clipboard: true };
        assert_eq!(Abilities::of(8_999_000, 7_002_000), clipboard);
        assert_eq!(Abilities::of(9_000_000, 7_001_090), clipboard);
        assert_eq!(Abilities::of(8_003_000, 10_000_000), Abilities::NONE);
        assert_eq!(Abilities::of(10_000_000, 6_000_000), Abilities::NONE);
    }

    #[test]
    fn only_machines_that_have_it_lack_it() {
        let plain = Hardware::first();
        let rich = Hardware { sound: Sound::Ich9, clipboard: true, ..Hardware::first() };
        let lacks = |abilities: Abilities, hardware: &Hardware| {
            (abilities.lacks_sound(hardware), abilities.lacks_clipboard(hardware))
        };
        assert_eq!(lacks(Abilities::NONE, &rich), (true, true));
        assert_eq!(lacks(Abilities::NONE, &plain), (false, false));
        assert_eq!(lacks(Abilities { sound: true, clipboard: true }, &rich), (false, false));
    }
}
