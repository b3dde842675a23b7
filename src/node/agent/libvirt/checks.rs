//! What `carrel doctor` says of libvirt, and which versions are here.

use virt::error::ErrorNumber;

use super::errors::is_code;
use super::probe::Finding;
use super::{Hypervisor, Inner};
use crate::error::Result;
use crate::node::agent::libvirt::errors::Libvirt;
use crate::node::protocol::{Check, Verdict};

/// Versions for people, and how guests are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    pub libvirt: String,
    /// Of QEMU; for the simulator libvirt's own number for it.
    pub qemu: String,
    /// `kvm`, `qemu` or `test`.
    pub virt_type: String,
}

impl Hypervisor {
    /// # Errors
    /// `libvirt-down`.
    pub fn versions(&self) -> Result<Versions> {
        let connect = self.inner.connect()?;
        let libvirt = connect.lib_version().libvirt("ask for the version of", "libvirt")?;
        let qemu = connect.hyp_version().libvirt("ask for the version of", "QEMU")?;
        Ok(Versions {
            libvirt: dotted(libvirt),
            qemu: dotted(qemu),
            virt_type: self.inner.virt_type.get(&self.inner.link)?,
        })
    }

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

/// libvirt writes 9.0.2 as 9000002.
fn dotted(number: u32) -> String {
    format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_with_dots() {
        assert_eq!(dotted(9_000_000), "9.0.0");
        assert_eq!(dotted(7_002_022), "7.2.22");
    }
}
