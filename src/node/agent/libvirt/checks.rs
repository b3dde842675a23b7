//! What `carrel doctor` says of libvirt.

use std::time::Duration;

use virt::error::ErrorNumber;

use super::errors::is_code;
use super::probe::Finding;
use super::versions::dotted;
use super::{Hypervisor, Inner};
use crate::node::agent::libvirt::errors::Libvirt;
use crate::node::agent::look::Look;
use crate::node::protocol::{Check, Verdict};

/// libvirt looks at a QEMU that it does not know, then a guest gets its time to speak.
const PROBING: Duration = Duration::from_secs(30);

impl Hypervisor {
    /// Whether libvirt answers, guests run at full speed, and networks can be made.
    pub fn looks(&self) -> Vec<Look> {
        let inner = || self.inner.clone();
        let (libvirt, kvm, networks) = (inner(), inner(), inner());
        vec![
            Look::new("libvirt", move || [libvirt.check_libvirt()]),
            Look::new("kvm", move || kvm.check_kvm()).patient(PROBING),
            Look::new("networks", move || networks.check_networks()),
        ]
    }
}

fn check(key: &str, args: &[(&str, &str)], verdict: Verdict) -> Check {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Check { key: key.to_owned(), args, verdict }
}

impl Inner {
    fn check_libvirt(&self) -> Check {
        let uri = self.config.libvirt_uri.as_str();
        let version = self
            .connect()
            .and_then(|connect| connect.lib_version().libvirt("ask for the version of", "libvirt"));
        match version {
            Ok(version) => {
                let version = dotted(version);
                check(
                    "check-libvirt",
                    &[("uri", uri), ("version", version.as_str())],
                    Verdict::Good,
                )
            }
            Err(error) => {
                let reason = error.args().map(|(_, value)| value).next().unwrap_or_default();
                check("check-libvirt-down", &[("uri", uri), ("reason", reason)], Verdict::Bad)
            }
        }
    }

    /// `None` where no guest is ever run, or libvirt is away.
    fn check_kvm(&self) -> Option<Check> {
        if self.virt_type.is_simulator() {
            return None;
        }
        Some(match self.virt_type.finding(&self.link) {
            Ok(Finding::Works) => check("check-kvm", &[], Verdict::Good),
            Ok(Finding::Absent) => check("check-kvm-absent", &[], Verdict::Poor),
            Ok(Finding::Hangs) => check("check-kvm-hangs", &[], Verdict::Poor),
            Ok(Finding::Refused { message }) => {
                check("check-kvm-refused", &[("message", message.as_str())], Verdict::Poor)
            }
            Ok(Finding::Closed { user }) => {
                check("check-kvm-closed", &[("user", user.as_str())], Verdict::Poor)
            }
            Err(error) if error.key() == "libvirt-down" => return None,
            Err(error) => {
                let message = error.to_string();
                check("check-kvm-unknown", &[("message", message.as_str())], Verdict::Poor)
            }
        })
    }

    /// `None` when all is well or libvirt is away.
    fn check_networks(&self) -> Option<Check> {
        let cause = self.connect().ok()?.list_all_networks(0).err()?;
        if is_code(&cause, ErrorNumber::NoSupport) || is_code(&cause, ErrorNumber::NoConnect) {
            return Some(check("check-networks-missing", &[], Verdict::Bad));
        }
        Some(check("check-networks-failed", &[("message", cause.message())], Verdict::Bad))
    }
}
