//! Gives back the lease of a guest that is no more.
//!
//! dnsmasq refuses a reserved address to its new owner as long as the lease of the former one lasts, an hour
//! that is. A guest that was deleted does not give its lease back. So the agent does, in the words in
//! which the guest would have: a DHCPRELEASE (RFC 2131).

use std::ffi::OsString;
use std::net::{Ipv4Addr, UdpSocket};

use nix::sys::socket::{setsockopt, sockopt};

use crate::error::{Context, Error, Result};
use crate::node::protocol::DhcpHost;

const SERVER_PORT: u16 = 67;

/// Shorter ones some servers throw away, as BOOTP had it.
const LENGTH: usize = 300;

const BOOT_REQUEST: u8 = 1;
const ETHERNET: u8 = 1;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
const MESSAGE_TYPE: [u8; 3] = [53, 1, 7];
const SERVER_IDENTIFIER: [u8; 2] = [54, 4];
const END: u8 = 255;

/// `bridge`: of the network; `gateway`: the server's address on it.
pub fn give_back(bridge: &str, gateway: Ipv4Addr, host: &DhcpHost) -> Result<()> {
    let message = message(&host.mac, host.address, gateway)?;
    let doing = || format!("give back the lease of {} on {bridge}", host.address);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context(doing())?;
    setsockopt(&socket, sockopt::BindToDevice, &OsString::from(bridge)).context(doing())?;
    socket.send_to(&message, (gateway, SERVER_PORT)).context(doing())?;
    Ok(())
}

fn message(mac: &str, client: Ipv4Addr, server: Ipv4Addr) -> Result<Vec<u8>> {
    let mac = parse_mac(mac)
        .ok_or_else(|| Error::internal(format_args!("a reservation's MAC address: {mac}")))?;
    let mut message = vec![BOOT_REQUEST, ETHERNET, mac.len() as u8, 0];
    // Transaction id, seconds, flags.
    message.extend(rand::random::<[u8; 4]>());
    message.extend([0; 4]);
    message.extend(client.octets());
    // Your, next server's, relay's address.
    message.extend([0; 12]);
    message.extend(mac);
    // The rest of the hardware address, server name, file name.
    message.extend([0; 10 + 64 + 128]);
    message.extend(MAGIC);
    message.extend(MESSAGE_TYPE);
    message.extend(SERVER_IDENTIFIER);
    message.extend(server.octets());
    message.push(END);
    message.resize(LENGTH, 0);
    Ok(message)
}

fn parse_mac(mac: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = mac.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_laid_out_as_the_protocol_says() {
        let (client, server) = (Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::new(10, 1, 0, 1));
        let message = message("52:54:00:0a:0b:0c", client, server).unwrap();
        assert_eq!(message.len(), 300);
        assert_eq!(message[12..16], [10, 1, 2, 3]);
        assert_eq!(message[28..34], [0x52, 0x54, 0, 10, 11, 12]);
        assert_eq!(message[236..251], [99, 130, 83, 99, 53, 1, 7, 54, 4, 10, 1, 0, 1, 255, 0]);
        assert!(super::message("52:54", client, server).is_err());
    }
}
