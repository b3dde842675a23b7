//! A domain's screen and keyboard as a stream of bytes.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use uuid::Uuid;
use virt::domain::Domain;
use virt::sys;

use super::errors::Libvirt;
use super::metadata::{Metadata, Which};
use super::{Hypervisor, Inner, states};
use crate::error::{Error, Result};
use crate::node::protocol::{DomainSpec, ScreenProtocol, Spice};

/// Places of the screens in a domain's definition.
const VNC: u32 = 0;
const SPICE: u32 = 1;
/// Where a system that has RDP listens.
const RDP: u16 = 3389;
/// What each message of it begins with, and how X.224 answers a request for a connection.
const TPKT: u8 = 3;
const CONNECTION_CONFIRM: u8 = 0xd0;
/// A request for a connection, by TLS with or without a sign-in before it ([MS-RDPBCGR] 2.2.1.1).
const CONNECTION_REQUEST: [u8; 19] =
    [TPKT, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0];
/// A guest on a network of this node answers at once, or is not there.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to a screen.
#[derive(Debug)]
pub enum Opened {
    /// Of QEMU.
    Local(UnixStream),
    /// Of the guest.
    Network(TcpStream),
}

impl Opened {
    pub fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Local(socket) => socket.set_nonblocking(true),
            Self::Network(socket) => {
                socket.set_nodelay(true)?;
                socket.set_nonblocking(true)
            }
        }
    }
}

impl Hypervisor {
    /// A connection to one of the domain's screens. Those of QEMU are made by libvirt itself: no port, no path, no password,
    /// and only for who may use libvirt. That of the guest goes to the address that it was given, to no other and to no other
    /// port.
    ///
    /// # Errors
    /// `domain-not-running`, `spice-at-next-start`, `rdp-silent`, `rdp-without-address`.
    pub fn console(&self, uuid: Uuid, by: ScreenProtocol) -> Result<Opened> {
        let (domain, metadata) = self.inner.running_domain(uuid)?;
        let name = metadata.spec.owner.name.clone();
        match by {
            ScreenProtocol::Vnc => open(&domain, VNC, &name).map(Opened::Local),
            ScreenProtocol::Spice => {
                require_spice(&running(&domain, metadata)?)?;
                open(&domain, SPICE, &name).map(Opened::Local)
            }
            ScreenProtocol::Rdp => {
                let address = address(&running(&domain, metadata)?)?;
                let opened = self.inner.open_rdp(address);
                opened.map(Opened::Network).map_err(|cause| silent(&name, address, cause))
            }
        }
    }

    /// Whether [`Self::console`] would find what answers it.
    ///
    /// # Errors
    /// As there.
    pub fn probe_console(&self, uuid: Uuid, by: ScreenProtocol) -> Result<()> {
        let (domain, metadata) = self.inner.running_domain(uuid)?;
        match by {
            ScreenProtocol::Vnc => Ok(()),
            ScreenProtocol::Spice => require_spice(&running(&domain, metadata)?),
            ScreenProtocol::Rdp => {
                let name = metadata.spec.owner.name.clone();
                let address = address(&running(&domain, metadata)?)?;
                let greeted = self.inner.open_rdp(address).and_then(greet_rdp);
                greeted.map_err(|cause| silent(&name, address, cause))
            }
        }
    }
}

impl Inner {
    fn open_rdp(&self, address: Ipv4Addr) -> io::Result<TcpStream> {
        if self.link.is_simulator() {
            return Err(io::Error::other("guests of the simulator are in no network"));
        }
        TcpStream::connect_timeout(&SocketAddr::new(address.into(), RDP), PATIENCE)
    }
}

fn silent(name: &str, address: Ipv4Addr, cause: io::Error) -> Error {
    let error = Error::unreachable("rdp-silent").arg("name", name);
    error.arg("address", address).because(cause)
}

/// Something may listen there that is no RDP: what is answers a request for a connection.
fn greet_rdp(mut guest: TcpStream) -> io::Result<()> {
    guest.set_read_timeout(Some(PATIENCE))?;
    guest.set_write_timeout(Some(PATIENCE))?;
    guest.write_all(&CONNECTION_REQUEST)?;
    let mut answer = [0; 6];
    guest.read_exact(&mut answer)?;
    match (answer[0], answer[5] & 0xf0) {
        (TPKT, CONNECTION_CONFIRM) => Ok(()),
        _ => Err(io::Error::other("what answers there is no RDP")),
    }
}

/// The spec of what runs, which may have been changed for the next start.
fn running(domain: &Domain, stored: Metadata) -> Result<DomainSpec> {
    let current =
        states::read(domain, Which::Current)?.map(|marked| marked.metadata).transpose()?;
    Ok(current.unwrap_or(stored).spec)
}

fn require_spice(spec: &DomainSpec) -> Result<()> {
    match spec.spice {
        Spice::Off => Err(Error::conflict("spice-at-next-start").arg("name", &spec.owner.name)),
        Spice::On | Spice::Usb => Ok(()),
    }
}

fn address(spec: &DomainSpec) -> Result<Ipv4Addr> {
    let none = || Error::conflict("rdp-without-address").arg("name", &spec.owner.name);
    spec.nics.iter().find_map(|nic| nic.address).ok_or_else(none)
}

fn open(domain: &Domain, place: u32, name: &str) -> Result<UnixStream> {
    let descriptor = domain
        .open_graphics_fd(place, sys::VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)
        .libvirt("open the screen of", name)?;
    let descriptor = RawFd::try_from(descriptor)
        .map_err(|cause| Error::internal(format_args!("a file descriptor: {cause}")))?;
    // SAFETY: libvirt hands over a new descriptor, which nobody else owns.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    Ok(UnixStream::from(descriptor))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// How the greeting of one who says this ends.
    fn greeted(says: &'static [u8]) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let guest = thread::spawn(move || {
            let (mut met, _) = listener.accept().unwrap();
            let mut request = [0; CONNECTION_REQUEST.len()];
            met.read_exact(&mut request).unwrap();
            met.write_all(says).unwrap();
            request
        });
        let ended = greet_rdp(TcpStream::connect(at).unwrap());
        assert_eq!(guest.join().unwrap(), CONNECTION_REQUEST);
        ended
    }

    #[test]
    fn only_what_speaks_rdp_is_a_desktop() {
        greeted(&[3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 1, 0, 0, 0]).unwrap();
        for other in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"SSH-2.0-x\r\n", b"", b"\x03\0\0"] {
            greeted(other).unwrap_err();
        }
    }
}
