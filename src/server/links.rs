//! Where a person's browser finds this server.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::certificate::is_host_name;
use crate::node::names::{LocalNames, local_names};

/// Beginnings of links that open, best first: what the administrator calls the server, addresses (IPv4 first),
/// the machine's name, and loopback for who sits at the machine. Never empty. May ask a name server.
pub fn bases(scheme: &str, address: SocketAddr, public_url: Option<&str>) -> Vec<String> {
    let mut found: Vec<String> = public_url.map(str::to_owned).into_iter().collect();
    match address.ip().is_unspecified() {
        true => {
            let names = local_names();
            let is_known = is_host_name(&names.host) && leads_here(&names.host, address);
            found.extend(of_machine(scheme, address, &names, is_known));
        }
        false => found.push(format!("{scheme}://{address}")),
    }
    found
}

/// All names of a machine that listens everywhere; `is_known`: its name leads to it.
fn of_machine(
    scheme: &str,
    address: SocketAddr,
    names: &LocalNames,
    is_known: bool,
) -> Vec<String> {
    let port = address.port();
    let open = |ip: &IpAddr| is_open(address, *ip);
    let addresses = names.addresses.iter().copied().filter(open);
    let mut found: Vec<String> =
        addresses.map(|ip| format!("{scheme}://{}", SocketAddr::new(ip, port))).collect();
    let host = is_known.then_some(names.host.as_str()).filter(|host| *host != "localhost");
    found.extend(host.map(|host| format!("{scheme}://{host}:{port}")));
    found.push(format!("{scheme}://localhost:{port}"));
    found
}

/// A socket on 0.0.0.0 knows nothing of IPv6; one on :: knows both.
fn is_open(address: SocketAddr, ip: IpAddr) -> bool {
    address.is_ipv6() || ip.is_ipv4()
}

/// Whether this machine itself finds the name, and at an address that is listened on.
fn leads_here(host: &str, address: SocketAddr) -> bool {
    let own = local_names().addresses;
    let mut found = match (host, address.port()).to_socket_addrs() {
        Ok(found) => found,
        Err(cause) => {
            tracing::debug!(host, %cause, "the machine's name is no link");
            return false;
        }
    };
    found.any(|at| (at.ip().is_loopback() || own.contains(&at.ip())) && is_open(address, at.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        address.parse().expect("an address")
    }

    fn machine() -> LocalNames {
        let addresses = ["192.0.2.7", "2001:db8::7"].map(|one| one.parse().expect("an address"));
        LocalNames { host: "carrel".into(), addresses: addresses.into() }
    }

    #[test]
    fn a_machine_that_listens_everywhere_has_a_link_for_each_name() {
        let found = of_machine("https", at("[::]:50004"), &machine(), true);
        let wanted = [
            "https://192.0.2.7:50004",
            "https://[2001:db8::7]:50004",
            "https://carrel:50004",
            "https://localhost:50004",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn no_link_leads_to_where_nobody_listens() {
        let found = of_machine("https", at("0.0.0.0:50004"), &machine(), false);
        assert_eq!(found, ["https://192.0.2.7:50004", "https://localhost:50004"]);
    }

    #[test]
    fn what_the_administrator_calls_it_is_best() {
        let found = bases("http", at("127.0.0.1:80"), Some("https://desks.example"));
        assert_eq!(found, ["https://desks.example", "http://127.0.0.1:80"]);
        for listen in ["0.0.0.0:1", "[::]:1"] {
            let found = bases("https", at(listen), None);
            assert!(found.iter().all(|base| !base.contains("0.0.0.0") && !base.contains("[::]")));
            assert!(!found.is_empty());
        }
    }
}
