//! What firmware keeps: the variables of UEFI beside a machine's disks, and its TPM.
//!
//! ```text
//!   a template that is saved     both are read and go with its version to whoever makes desktops of it
//!   a desktop that is made anew  begins with them at every start; without them, with new ones
//!   one that keeps its system    keeps its own; new ones in their place begin as the version's
//! ```

use uuid::Uuid;

use super::{Hypervisor, Inner, states, tpm};
use crate::error::{Error, Result};
use crate::node::agent::{files, firmware};
use crate::node::protocol::{DomainSpec, FirmwareState, OwnerKind, StateFile, TemplateLayers};

impl Hypervisor {
    /// What the firmware of a machine that is off keeps; nothing of one that has none, or never ran.
    ///
    /// # Errors
    /// `domain-running`, `domain-missing`
    pub fn read_firmware(&self, uuid: Uuid) -> Result<FirmwareState> {
        let inner = &self.inner;
        let _claim = inner.claims.hold(uuid);
        let (domain, metadata) = inner.domain(uuid)?;
        if states::power(&domain)?.has_process() {
            return Err(Error::conflict("domain-running").arg("object", metadata.spec.owner.name));
        }
        let spec = &metadata.spec;
        let path = inner.disks.nvram_path(spec)?;
        let mut state = FirmwareState::default();
        let pack =
            |content: Option<Vec<u8>>| content.map(|content| StateFile::pack(&content)).transpose();
        if spec.hardware.firmware.is_uefi() {
            state.nvram = pack(files::read_small(&path, NVRAM_LIMIT)?)?;
        }
        if spec.hardware.tpm && !inner.link.is_simulator() {
            state.tpm = pack(tpm::read(uuid)?)?;
        }
        Ok(state)
    }
}

impl Inner {
    /// Before a start: what the firmware begins with. The caller holds the domain, which is off.
    pub(super) fn prepare_firmware(
        &self,
        spec: &DomainSpec,
        published: Option<&TemplateLayers>,
        fresh: bool,
    ) -> Result<()> {
        let firmware = spec.hardware.firmware;
        // Keys of secure boot are in the variables: those of one firmware are not those of another.
        let is_same = |published: &&TemplateLayers| published.hardware.firmware == firmware;
        let state = published.filter(is_same).map(|published| &published.state);
        let begin = Begin { spec, anew: spec.is_made_anew(), fresh };
        if firmware.is_uefi() {
            begin.nvram(self, state.and_then(|state| state.nvram.as_ref()))?;
        }
        if spec.hardware.tpm && !self.link.is_simulator() {
            begin.tpm(state.and_then(|state| state.tpm.as_ref()))?;
        }
        Ok(())
    }
}

/// Bytes: many times what OVMF has.
const NVRAM_LIMIT: u64 = 16 << 20;

/// What is known of a machine that is about to start.
struct Begin<'a> {
    spec: &'a DomainSpec,
    /// Whether its system is made anew.
    anew: bool,
    /// Whether it never ran.
    fresh: bool,
}

impl Begin<'_> {
    fn nvram(&self, inner: &Inner, saved: Option<&StateFile>) -> Result<()> {
        let path = inner.disks.nvram_path(self.spec)?;
        let usual = firmware::variables(&self.spec.hardware);
        let usual = usual.map(|path| firmware::shape(&path)).transpose()?;
        let fits = || usual.is_none_or(|usual| firmware::shape(&path).is_ok_and(|it| it == usual));
        if !self.anew && files::exists(&path)? {
            if fits() {
                return Ok(());
            }
            self.warn("the variables of UEFI are of another build of the firmware: made anew");
        } else if self.has_lost() {
            self.warn("the variables of UEFI are gone: made anew");
        }
        files::remove_if_there(&path)?;
        let Some(content) = self.unpacked(saved) else { return Ok(()) };
        inner.disks.write_nvram(self.spec, &content)?;
        if !fits() {
            self.warn(
                "the template's variables of UEFI are of another build of the firmware: left out",
            );
            files::remove_if_there(&path)?;
        }
        Ok(())
    }

    fn tpm(&self, saved: Option<&StateFile>) -> Result<()> {
        let uuid = self.spec.uuid;
        if !self.anew {
            if tpm::read(uuid)?.is_some() {
                return Ok(());
            }
            if self.has_lost() {
                self.warn("the state of the TPM is gone: made anew");
            }
        }
        match self.unpacked(saved) {
            Some(content) => tpm::write(uuid, &content),
            None => tpm::remove(uuid),
        }
    }

    /// What is damaged is left out: a machine with new variables is better than none.
    fn unpacked(&self, saved: Option<&StateFile>) -> Option<Vec<u8>> {
        match saved?.unpack() {
            Ok(content) => Some(content),
            Err(error) => {
                self.warn(&format!("what the firmware kept is left out: {}", error.detail()));
                None
            }
        }
    }

    /// Whether what is not there should be: of templates nobody knows whether they ever ran.
    fn has_lost(&self) -> bool {
        !self.anew && !self.fresh && self.spec.owner.kind == OwnerKind::Desktop
    }

    fn warn(&self, what: &str) {
        tracing::warn!(domain = self.spec.owner.name, uuid = %self.spec.uuid, "{what}");
    }
}
