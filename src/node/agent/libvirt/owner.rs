//! Disks belong to QEMU's user, and the layers below them to root.
//!
//! Left to itself libvirt gives the whole chain of a disk to QEMU's user when a guest starts, and never takes the layers
//! back: whoever breaks out of one guest could then write into what every desktop of the template stands on,
//! and no restore would help. So libvirt is told to leave the disks' owner alone, and they are handed over here.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, chown};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use virt::connect::Connect;

use super::Inner;
use super::errors::Libvirt;
use crate::error::{Context, Result};
use crate::node::protocol::DomainSpec;

/// User and group.
pub type Ids = (u32, u32);

/// As whom libvirt runs QEMU: found out once.
#[derive(Default)]
pub struct QemuUser(Mutex<Option<Option<Ids>>>);

impl QemuUser {
    /// `None` where owners cannot be changed: without root, or when libvirt starts QEMU as whoever it runs as.
    pub fn get(&self, connect: &Connect) -> Result<Option<Ids>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ids) = *known {
            return Ok(ids);
        }
        let ids = if nix::unistd::geteuid().is_root() {
            let text = connect.capabilities().libvirt("ask for the capabilities of", "libvirt")?;
            ids(&text)?
        } else {
            None
        };
        *known = Some(ids);
        Ok(ids)
    }
}

impl Inner {
    /// Gives a domain's disks to QEMU's user.
    pub(super) fn hand_over(&self, spec: &DomainSpec) -> Result<()> {
        let Some((user, group)) = self.qemu_user.get(&self.connect()?)? else { return Ok(()) };
        let disks = spec.disks.iter().map(|disk| self.disks.overlay_path(disk, spec.uuid));
        let drivers = spec.driver_disk.map(|_| self.disks.driver_disk_path(spec));
        for path in disks.chain(drivers) {
            let path = path?;
            let doing = || format!("hand {} over to QEMU", path.display());
            let now = match fs::symlink_metadata(&path) {
                Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
                found => found.context(doing())?,
            };
            if (now.uid(), now.gid()) != (user, group) {
                chown(&path, Some(user), Some(group)).context(doing())?;
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Capabilities {
    host: Host,
}

#[derive(Deserialize)]
struct Host {
    #[serde(default)]
    secmodel: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    model: String,
    #[serde(default)]
    baselabel: Vec<String>,
}

/// Out of `<baselabel type="kvm">+64055:+64055</baselabel>`; the same for every type.
fn ids(capabilities: &str) -> Result<Option<Ids>> {
    let Capabilities { host } =
        quick_xml::de::from_str(capabilities).context("read libvirt's capabilities")?;
    let labels = host.secmodel.iter().filter(|model| model.model == "dac");
    let number = |text: &str| text.strip_prefix('+').unwrap_or(text).parse().ok();
    let pair = |label: &String| {
        let (user, group) = label.split_once(':')?;
        Some((number(user)?, number(group)?))
    };
    Ok(labels.flat_map(|model| &model.baselabel).find_map(pair))
}

#[cfg(test)]
mod tests {
    use super::ids;

    #[test]
    fn the_user_is_read_from_the_capabilities() {
        let of = |models: &str| {
            ids(&format!("<capabilities><host><uuid>x</uuid>{models}</host></capabilities>"))
        };
        let dac = "<secmodel><model>dac</model><doi>0</doi>\
                   <baselabel type='kvm'>+64055:+109</baselabel>\
                   <baselabel type='qemu'>+64055:+109</baselabel></secmodel>";
        let none = "<secmodel><model>none</model><doi>0</doi></secmodel>";
        assert_eq!(of(&format!("{none}{dac}")).unwrap(), Some((64055, 109)));
        assert_eq!(of(none).unwrap(), None);
        assert_eq!(of("").unwrap(), None);
    }
}
