//! What a desktop's cloud-init, or cloudbase-init, reads of it: the data source NoCloud, on a small CD labelled `cidata`.
//!
//! It is made at each start, of what the desktop starts with, so that there is none without its desktop and none that is
//! older than its name. cloud-init does again what it does once for each instance when the instance's id is another one:
//!
//! ```text
//!   a system that is made anew   another id at each start
//!   one that is kept             the same as long as it lives
//! ```

use serde::Serialize;

use super::{Inner, xml};
use crate::error::{Context, Result};
use crate::node::agent::iso9660::{self, File};
use crate::node::protocol::DomainSpec;

/// By which cloud-init finds it.
const LABEL: &str = "cidata";

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct MetaData<'a> {
    instance_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_hostname: Option<&'a str>,
    /// For scripts in the guest: cloud-init itself has no words for these.
    carrel: About,
}

#[derive(Serialize)]
struct About {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

impl Inner {
    /// Before a start: makes the CD of a machine that has one, and removes that of one that had. `born`: when its system
    /// disk began as its template's.
    ///
    /// # Errors
    /// `storage-ran-full`
    pub(super) fn prepare_seed(&self, spec: &DomainSpec, born: Option<i64>) -> Result<()> {
        let image = spec.has_seed().then(|| image(spec, born)).transpose()?;
        self.disks.set_seed(spec, image.as_deref())
    }
}

fn image(spec: &DomainSpec, born: Option<i64>) -> Result<Vec<u8>> {
    let meta = meta_data(spec, born)?;
    let file = |name, short, content| File { name, short, content };
    // cloud-init does not take the CD without user data, and asks nothing of them.
    let files =
        [file("meta-data", "METADATA.", meta.as_bytes()), file("user-data", "USERDATA.", b"")];
    Ok(iso9660::image(LABEL, &files))
}

/// JSON, which is YAML but for the line ends that YAML alone knows.
fn meta_data(spec: &DomainSpec, born: Option<i64>) -> Result<String> {
    let identity = spec.identity.as_ref();
    let address = spec.nics.first().and_then(|nic| nic.address);
    let meta = MetaData {
        instance_id: match born {
            Some(born) => format!("carrel-{}-{born}", spec.uuid),
            None => format!("carrel-{}", spec.uuid),
        },
        local_hostname: identity.and_then(|identity| identity.host_name.as_deref()),
        carrel: About {
            name: xml::printable(&spec.owner.name),
            number: identity.map(|identity| identity.number),
            group: identity.map(|identity| xml::printable(&identity.group)),
            address: address.map(|address| address.to_string()),
        },
    };
    let text = serde_json::to_string_pretty(&meta).context("write what a guest is told")?;
    Ok(text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029") + "\n")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::node::protocol::{Identity, NicSpec, OwnerKind};

    fn spec(name: &str, identity: Option<Identity>) -> DomainSpec {
        let nic = NicSpec {
            mac: "52:54:00:00:00:01".to_owned(),
            network: Uuid::nil(),
            address: "10.0.0.5".parse().ok(),
        };
        let mut spec = DomainSpec { nics: vec![nic], identity, ..DomainSpec::sample(Vec::new()) };
        spec.owner.name = name.to_owned();
        spec.hardware.seed = true;
        spec
    }

    fn told(spec: &DomainSpec, born: Option<i64>) -> serde_json::Value {
        serde_json::from_str(&meta_data(spec, born).unwrap()).unwrap()
    }

    #[test]
    fn a_guest_is_told_who_it_is() {
        let identity = Identity {
            number: 7,
            group: "高一 \"3\"".to_owned(),
            host_name: Some("pc007".to_owned()),
        };
        let desktop = spec("pc-7", Some(identity));
        let wanted = serde_json::json!({
            "instance-id": "carrel-00000000-0000-0000-0000-000000000000-1700000000",
            "local-hostname": "pc007",
            "carrel": {"name": "pc-7", "number": 7, "group": "高一 \"3\"", "address": "10.0.0.5"},
        });
        assert_eq!(told(&desktop, Some(1_700_000_000)), wanted);
        assert_ne!(told(&desktop, Some(1_700_000_001)), wanted);
    }

    #[test]
    fn no_name_becomes_a_word_of_yaml() {
        let name = "a\": 'b'\nuser: root\u{7f}\u{85}\u{2028}\u{fffe}# {x} & *y !z 机房😀";
        let identity = Identity { number: 1, group: name.to_owned(), host_name: None };
        let desktop = spec(name, Some(identity));
        let text = meta_data(&desktop, None).unwrap();
        // What YAML refuses, or takes for the end of a line.
        for odd in ['\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{fffe}'] {
            assert!(!text.contains(odd), "{text:?}");
        }
        let shown = "a\": 'b'user: root\u{2028}# {x} & *y !z 机房😀";
        let meta = told(&desktop, None);
        assert_eq!(meta["carrel"]["name"], shown);
        assert_eq!(meta["carrel"]["group"], shown);
        assert_eq!(meta.as_object().unwrap().len(), 2, "{text}");
    }

    #[test]
    fn a_template_has_none() {
        let mut template = spec("t", None);
        assert!(template.has_seed());
        template.owner.kind = OwnerKind::Template;
        assert!(!template.has_seed());
    }
}
