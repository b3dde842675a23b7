//! What `carrel doctor` says of libvirt.

use std::time::Duration;

use virt::domain::Domain;
use virt::error::ErrorNumber;

use super::abilities;
use super::errors::{Libvirt, is_code};
use super::metadata::Which;
use super::probe::Finding;
use super::versions::dotted;
use super::{Hypervisor, Inner, states};
use crate::error::Result;
use crate::node::agent::firmware;
use crate::node::agent::look::Look;
use crate::node::protocol::{Check, DomainSpec, Hardware, Spice, Verdict};

/// libvirt looks at a QEMU that it does not know, then a guest gets its time to speak.
const PROBING: Duration = Duration::from_secs(30);

impl Hypervisor {
    /// Whether libvirt answers, guests run at full speed, and networks can be made.
    pub fn looks(&self) -> Vec<Look> {
        let inner = || self.inner.clone();
        let (libvirt, kvm, networks, firmware) = (inner(), inner(), inner(), inner());
        let abilities = inner();
        let traffic = inner();
        vec![
            Look::new("libvirt", move || [libvirt.check_libvirt()]),
            Look::new("kvm", move || kvm.check_kvm()).patient(PROBING),
            Look::new("networks", move || networks.check_networks()),
            Look::new("firmware", move || firmware.check_firmware()),
            Look::new("abilities", move || abilities.check_abilities()).patient(PROBING),
            Look::new("traffic", move || traffic.check_traffic()),
        ]
    }
}

fn check(key: &str, args: &[(&str, &str)], verdict: Verdict) -> Check {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Check { key: key.to_owned(), args, verdict }
}

/// How many machines lack something, and the name of the first.
fn lacking(specs: &[DomainSpec], lacks: impl Fn(&DomainSpec) -> bool) -> Option<(String, &str)> {
    let mut names = specs.iter().filter(|spec| lacks(spec)).map(|spec| &spec.owner.name);
    let first = names.next()?;
    Some(((names.count() + 1).to_string(), first))
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

    /// What machines here need and this node lacks: nothing when all is well or libvirt is away.
    fn check_firmware(&self) -> Vec<Check> {
        if self.link.is_simulator() {
            return Vec::new();
        }
        let specs = self.specs();
        let missing = |key, lacks: fn(&DomainSpec) -> bool| {
            let (count, first) = lacking(&specs, lacks)?;
            Some(check(key, &[("count", &count), ("name", first)], Verdict::Bad))
        };
        let firmware =
            missing("check-firmware-missing", |spec| firmware::lacks_firmware(&spec.hardware));
        let tpm = missing("check-tpm-missing", |spec| firmware::lacks_tpm(&spec.hardware));
        let spice = || missing("check-spice-missing", |spec| spec.spice != Spice::Off);
        // Unknown while libvirt is away.
        let spice = matches!(self.has_spice(), Ok(false)).then(spice).flatten();
        firmware.into_iter().chain(tpm).chain(spice).collect()
    }

    /// What machines here have and this node is too old for; nothing when libvirt is away.
    fn check_abilities(&self) -> Vec<Check> {
        let found = self.connect().and_then(|connect| {
            Ok((self.abilities(&connect)?, abilities::written_versions(&connect)?))
        });
        let Ok((able, (libvirt, qemu))) = found else { return Vec::new() };
        if self.link.is_simulator() || able.has_all() {
            return Vec::new();
        }
        let specs = self.specs();
        let too_old = |key, lacks: &dyn Fn(&Hardware) -> bool| {
            let (count, first) = lacking(&specs, |spec| lacks(&spec.hardware))?;
            let versions = [("libvirt", libvirt.as_str()), ("qemu", qemu.as_str())];
            let [its, other] = versions;
            let args = [("count", count.as_str()), ("name", first), its, other];
            Some(check(key, &args, Verdict::Poor))
        };
        let sound = too_old("check-sound-old", &|hardware| able.lacks_sound(hardware));
        let clipboard = too_old("check-clipboard-old", &|hardware| able.lacks_clipboard(hardware));
        sound.into_iter().chain(clipboard).collect()
    }

    /// Whether traffic can be limited, where that is wanted of a machine.
    fn check_traffic(&self) -> Option<Check> {
        if self.link.is_simulator() {
            return None;
        }
        let specs = self.specs();
        let limited = specs.iter().filter(|spec| spec.limits.of_cards().is_some()).count();
        let reason = (limited > 0).then(|| self.traffic_control.obstacle())??;
        let args = [("count", limited.to_string()), ("reason", reason)];
        let args = args.each_ref().map(|(name, value)| (*name, value.as_str()));
        Some(check("check-traffic-limits", &args, Verdict::Bad))
    }

    /// Of every domain of this installation that can be read; of any, for an agent that only looks.
    fn specs(&self) -> Vec<DomainSpec> {
        self.read_specs().unwrap_or_else(|error| {
            tracing::warn!(error = error.detail(), "machines not looked at");
            Vec::new()
        })
    }

    fn read_specs(&self) -> Result<Vec<DomainSpec>> {
        let domains =
            self.connect()?.list_all_domains(0).libvirt("list the domains of", "libvirt")?;
        let only_looks = self.config.installation.is_nil();
        let spec = |domain: &Domain| {
            let marked = states::read(domain, Which::Stored).ok().flatten();
            let marked = marked.filter(|marked| only_looks || self.may_be_ours(marked));
            marked.and_then(|marked| marked.metadata.ok()).map(|metadata| metadata.spec)
        };
        Ok(domains.iter().filter_map(spec).collect())
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
