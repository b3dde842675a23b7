//! Keys pressed on a domain's keyboard.

use uuid::Uuid;
use virt::sys;

use super::Hypervisor;
use super::errors::Libvirt;
use crate::error::Result;

/// Linux key codes of Ctrl, Alt and Delete, on the left where there are two.
const CTRL_ALT_DEL: [u32; 3] = [29, 56, 111];

/// How long keys are held, in milliseconds: some guests overlook shorter ones.
const HOLD: u32 = 100;

impl Hypervisor {
    /// # Errors
    /// `domain-not-running`.
    pub fn send_ctrl_alt_del(&self, uuid: Uuid) -> Result<()> {
        let (domain, metadata) = self.inner.running_domain(uuid)?;
        let mut keys = CTRL_ALT_DEL;
        domain
            .send_key(sys::VIR_KEYCODE_SET_LINUX, HOLD, keys.as_mut_ptr(), keys.len() as i32, 0)
            .libvirt("press keys of", metadata.spec.owner.name)
    }
}
