//! A domain's screen and keyboard as a stream of bytes.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use uuid::Uuid;
use virt::sys;

use super::Hypervisor;
use super::errors::Libvirt;
use crate::error::{Error, Result};

impl Hypervisor {
    /// A connection to the domain's VNC server, made by libvirt itself: no port, no path, no password, and only for who
    /// may use libvirt.
    ///
    /// # Errors
    /// `domain-not-running`.
    pub fn console(&self, uuid: Uuid) -> Result<UnixStream> {
        let (domain, metadata) = self.inner.running_domain(uuid)?;
        let descriptor = domain
            .open_graphics_fd(0, sys::VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)
            .libvirt("open the screen of", metadata.spec.owner.name)?;
        let descriptor = RawFd::try_from(descriptor)
            .map_err(|cause| Error::internal(format_args!("a file descriptor: {cause}")))?;
        // SAFETY: libvirt hands over a new descriptor, which nobody else owns.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(UnixStream::from(descriptor))
    }
}
