//! What `carrel doctor` says of libvirt.

use virt::error::ErrorNumber;

use super::errors::is_code;
use super::probe::Finding;
use super::versions::dotted;
use super::{Hypervisor, Inner};
use crate::node::agent::libvirt::errors::Libvirt;
use crate::node::protocol::{Check, Verdict};

impl Hypervisor {
    /// Whether libvirt answers, guests run at full speed, and networks can be made.
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = vec![self.inner.check_libvirt()];
        if checks[0].verdict == Verdict::Bad {
            return checks;
        }
        checks.extend(self.inner.check_kvm());
        checks.extend(self.inner.check_networks());
        checks
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

    /// `None` where no guest is ever run.
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
