//! Finds the bridge on an uplink. Bridges are made when an uplink is given to a virtual switch, not here.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

const INTERFACES: &str = "/sys/class/net";

/// The bridge that the uplink, or its VLAN interface, is a port of; the uplink itself when it is a bridge.
///
/// # Errors
/// `bridge-missing` naming the uplink.
pub fn on(uplink: &str, vlan: Option<u16>) -> Result<String> {
    find(Path::new(INTERFACES), uplink, vlan).ok_or_else(|| {
        let port = vlan.map_or_else(|| uplink.to_owned(), |vlan| format!("{uplink}.{vlan}"));
        Error::conflict("bridge-missing").arg("uplink", port)
    })
}

fn find(interfaces: &Path, uplink: &str, vlan: Option<u16>) -> Option<String> {
    // A name from outside becomes part of a path.
    let is_name = |name: &str| {
        !name.is_empty() && name.len() < 16 && !name.contains('/') && !name.starts_with('.')
    };
    if !is_name(uplink) {
        return None;
    }
    let Some(vlan) = vlan else {
        if interfaces.join(uplink).join("bridge").is_dir() {
            return Some(uplink.to_owned());
        }
        return master(interfaces, uplink);
    };
    let port = format!("{uplink}.{vlan}");
    let on_uplink = interfaces.join(&port).join(format!("lower_{uplink}")).exists();
    if on_uplink { master(interfaces, &port) } else { None }
}

fn master(interfaces: &Path, port: &str) -> Option<String> {
    let bridge = fs::read_link(interfaces.join(port).join("brport").join("bridge")).ok()?;
    Some(bridge.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_bridge_of_an_uplink_or_of_its_vlan_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let interfaces = folder.path();
        for path in ["br0/bridge", "eth0/brport", "eth0.7/brport", "eth0.7/lower_eth0", "eth1"] {
            fs::create_dir_all(interfaces.join(path)).unwrap();
        }
        symlink("../../br0", interfaces.join("eth0/brport/bridge")).unwrap();
        symlink("../../br7", interfaces.join("eth0.7/brport/bridge")).unwrap();
        let find = |uplink, vlan| find(interfaces, uplink, vlan);
        assert_eq!(find("eth0", None).as_deref(), Some("br0"));
        assert_eq!(find("br0", None).as_deref(), Some("br0"));
        assert_eq!(find("eth0", Some(7)).as_deref(), Some("br7"));
        assert_eq!(find("eth0", Some(8)), None);
        assert_eq!(find("eth1", None), None);
        assert_eq!(find("../eth0", None), None);
    }
}
