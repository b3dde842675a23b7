//! From what a guest agent says to facts. Whoever rules the guest may say anything: what has another form than the
//! reference gives it is left out, and nothing is longer than a page can show.

use std::net::IpAddr;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::node::protocol::{GuestFilesystem, GuestNic, GuestUser};

/// Characters of a text, and things of a list.
const LONGEST: usize = 255;
const MOST: usize = 64;

/// What stands behind `return`.
pub fn returned(answer: &str, limit: usize) -> Option<Value> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "return")]
        value: Value,
    }
    if answer.len() > limit {
        return None;
    }
    serde_json::from_str::<Answer>(answer).ok().map(|answer| answer.value)
}

/// A text that says something.
pub fn text(answer: &Value, field: &str) -> Option<String> {
    answer.get(field)?.as_str().map(line).filter(|text| !text.is_empty())
}

/// Windows and Linux both have a pretty name; some systems have only the others.
pub fn system(answer: &Value) -> Option<String> {
    text(answer, "pretty-name").or_else(|| {
        let name = text(answer, "name")?;
        Some(match text(answer, "version-id") {
            Some(version) => format!("{name} {version}"),
            None => name,
        })
    })
}

pub fn nics(answer: Option<Value>) -> Vec<GuestNic> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Nic {
        name: String,
        hardware_address: Option<String>,
        #[serde(default)]
        ip_addresses: Vec<Value>,
    }
    let nics = each::<Nic>(answer).map(|nic| GuestNic {
        name: line(&nic.name),
        mac: nic.hardware_address.map(|mac| line(&mac)),
        addresses: nic.ip_addresses.into_iter().filter_map(address).take(MOST).collect(),
    });
    nics.filter(|nic| !nic.addresses.is_empty()).take(MOST).collect()
}

/// `None` for those by which nobody else reaches the guest.
fn address(given: Value) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Address {
        ip_address: IpAddr,
        prefix: u8,
    }
    let Address { ip_address, prefix } = serde_json::from_value(given).ok()?;
    let stays = ip_address.is_loopback()
        || match ip_address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
    (!stays).then(|| format!("{ip_address}/{prefix}"))
}

pub fn users(answer: Option<Value>) -> Vec<GuestUser> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct User {
        user: String,
        domain: Option<String>,
        login_time: Option<f64>,
    }
    let users = each::<User>(answer).map(|user| GuestUser {
        name: line(&user.user),
        domain: user.domain.map(|domain| line(&domain)),
        since: user.login_time.filter(|time| (0.0..4e9).contains(time)).map(|time| time as i64),
    });
    users.filter(|user| !user.name.is_empty()).take(MOST).collect()
}

/// An agent that does not say how large a file system is says nothing worth showing of it.
pub fn filesystems(answer: Option<Value>) -> Vec<GuestFilesystem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Filesystem {
        mountpoint: String,
        #[serde(rename = "type")]
        kind: String,
        total_bytes: u64,
        used_bytes: u64,
    }
    let found = each::<Filesystem>(answer).map(|found| GuestFilesystem {
        mountpoint: line(&found.mountpoint),
        kind: line(&found.kind),
        size: found.total_bytes,
        used: found.used_bytes.min(found.total_bytes),
    });
    let mut found: Vec<_> = found.filter(|found| found.size > 0).take(MOST).collect();
    found.sort_by(|one, other| one.mountpoint.cmp(&other.mountpoint));
    // A system that mounts one disk at many places says so many times.
    found.dedup_by(|one, other| one.mountpoint == other.mountpoint);
    found
}

/// Those elements of a list that have this form.
fn each<T: DeserializeOwned>(answer: Option<Value>) -> impl Iterator<Item = T> {
    let list = match answer {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    list.into_iter().filter_map(|element| serde_json::from_value(element).ok())
}

/// As it is shown.
fn line(text: &str) -> String {
    shown(text, LONGEST)
}

/// Without what would break a line, and cut.
pub fn shown(text: &str, longest: usize) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(longest)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As qemu-ga 7.2 on Debian 12 and 8.2 on Windows 10 say it.
    #[test]
    fn what_real_agents_say_is_understood() {
        let debian = json!({
            "name": "Debian GNU/Linux", "kernel-release": "6.1.0-18-amd64", "version": "12 (bookworm)",
            "pretty-name": "Debian GNU/Linux 12 (bookworm)", "version-id": "12", "kernel-version": "#1 SMP",
            "machine": "x86_64", "id": "debian",
        });
        assert_eq!(system(&debian).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        let interfaces = json!([
            {"name": "lo", "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "127.0.0.1", "prefix": 8}],
             "hardware-address": "00:00:00:00:00:00"},
            {"name": "ens3", "hardware-address": "52:54:00:12:34:56", "statistics": {"tx-packets": 1},
             "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "192.0.2.7", "prefix": 24},
                              {"ip-address-type": "ipv6", "ip-address": "fe80::5054:ff:fe12:3456", "prefix": 64}]},
        ]);
        let nic = GuestNic {
            name: "ens3".to_owned(),
            mac: Some("52:54:00:12:34:56".to_owned()),
            addresses: vec!["192.0.2.7/24".to_owned()],
        };
        assert_eq!(nics(Some(interfaces)), [nic]);
        let signed_in = json!([{"login-time": 1_700_000_000.5, "user": "ana"},
                               {"login-time": 1_700_000_001.0, "domain": "SCHOOL", "user": "bo"}]);
        let signed_in = users(Some(signed_in));
        assert_eq!((signed_in[0].since, signed_in[0].name.as_str()), (Some(1_700_000_000), "ana"));
        assert_eq!(signed_in[1].domain.as_deref(), Some("SCHOOL"));
        let disks = json!([
            {"name": "vda1", "total-bytes": 1000, "mountpoint": "/", "disk": [], "used-bytes": 400, "type": "ext4"},
            {"name": "\\\\?\\Volume{1}", "mountpoint": "System Reserved", "disk": [], "type": "NTFS"},
        ]);
        let root = GuestFilesystem {
            mountpoint: "/".to_owned(),
            kind: "ext4".to_owned(),
            size: 1000,
            used: 400,
        };
        assert_eq!(filesystems(Some(disks)), [root]);
    }

    #[test]
    fn lies_and_noise_are_left_out() {
        assert_eq!(returned("", 100), None);
        assert_eq!(returned("no JSON", 100), None);
        assert_eq!(returned(r#"{"other": 1}"#, 100), None);
        assert_eq!(returned(r#"{"return": "longer than allowed"}"#, 10), None);
        let long = "x".repeat(9000) + "\u{7}\n";
        assert_eq!(
            text(&json!({"version": long}), "version").map(|text| text.len()),
            Some(LONGEST)
        );
        assert_eq!(text(&json!({"version": 7}), "version"), None);
        let nic = json!({"name": "e\u{1b}[31m", "ip-addresses": [
            {"ip-address": "<script>", "prefix": 24}, {"ip-address": "192.0.2.1", "prefix": 9000}, 7,
            {"ip-address": "192.0.2.1", "prefix": 24}]});
        let told = nics(Some(json!([nic, 7, {"name": {}}, null])));
        assert_eq!((told.len(), told[0].name.as_str(), told[0].addresses.len()), (1, "e[31m", 1));
        assert_eq!(nics(Some(json!({"name": "none"}))), []);
        assert_eq!(nics(Some(Value::Array(vec![nic; 5000]))).len(), MOST);
        assert_eq!(users(Some(json!([{"user": "a", "login-time": 1e300}])))[0].since, None);
        let full = json!([{"mountpoint": "/", "type": "ext4", "total-bytes": 10, "used-bytes": 1_000_000}]);
        assert_eq!(filesystems(Some(full))[0].used, 10);
        assert_eq!(
            filesystems(Some(
                json!([{"mountpoint": "/", "type": "x", "total-bytes": -1, "used-bytes": 0}])
            )),
            []
        );
    }
}
