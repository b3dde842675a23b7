//! The XML that libvirt is given: templates with everything from outside escaped.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::OnceLock;

use ipnet::Ipv4Net;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::abilities::Abilities;
use super::hardware::{self, HardwareView};
use super::{limits, metadata};
use crate::error::{Context, Result};
use crate::node::agent::stored;
use crate::node::protocol::{
    CardLimits, DiskLimits, DomainSpec, Hardware, Identity, OwnerKind, Spice,
};

/// Of the element that holds a network's spec.
pub const NETWORK_NAMESPACE: &str = "urn:carrel:network:1";

/// What the domain's XML depends on besides its spec.
pub struct Setting<'a> {
    /// `kvm`, `qemu` or `test`.
    pub virt_type: &'a str,
    /// libvirt's name of the domain; [`domain_name`] for a new one.
    pub name: &'a str,
    /// QEMU's name of the machine type, with its number; none in the simulator.
    pub machine_type: Option<&'a str>,
    /// Paths of the overlays, in the order of the spec's disks.
    pub paths: &'a [String],
    /// Paths of what is in the CD drives, in their order.
    pub isos: &'a [Option<String>],
    /// Path of the CD for cloud-init; it is there only where the spec has one.
    pub seed: &'a str,
    /// Path of the small disk that makes the system load a driver, where there is one.
    pub driver_disk: Option<&'a str>,
    /// Where the variables of UEFI are kept.
    pub nvram: &'a str,
    /// The template version that the disks with restore stand on, when one is published.
    pub version: Option<u32>,
    /// See [`metadata::Metadata::fresh`].
    pub fresh: bool,
    /// See [`metadata::Metadata::life`].
    pub life: Option<i64>,
    /// Whether the disks have the owner that QEMU needs, and libvirt is to leave it.
    pub own_disks: bool,
    pub abilities: Abilities,
}

/// The domain's XML, which carries its own fingerprint.
pub struct Rendered {
    pub xml: String,
    /// Of everything in the XML but itself: two with the same are the same.
    pub fingerprint: String,
}

#[derive(Serialize)]
struct View<'a> {
    setting: SettingView<'a>,
    spec: &'a DomainSpec,
    hardware: HardwareView<'a>,
    is_simulated: bool,
    spice: bool,
    /// Devices of a viewer's machine may be plugged in.
    usb_devices: bool,
    title: String,
    description: String,
    /// What the guest is told of itself. Of machines as all were in the first release nothing, that their guests find
    /// them unchanged.
    identity: Option<IdentityView>,
    kind: &'static str,
    disks: Vec<DiskView<'a>>,
    cds: Vec<CdView<'a>>,
    driver_disk: Option<DriverDiskView<'a>>,
    nics: Vec<NicView<'a>>,
    addresses: String,
    restores: bool,
    /// libvirt asks for no limit by not naming it.
    disk_limits: Option<DiskLimits>,
    disks_group: &'static str,
    card_limits: Option<CardLimits>,
    metadata: MetadataView<'a>,
}

#[derive(Serialize)]
struct SettingView<'a> {
    virt_type: &'a str,
    name: &'a str,
    machine_type: Option<&'a str>,
    nvram: &'a str,
    own_disks: bool,
}

#[derive(Serialize)]
struct IdentityView {
    number: u32,
    group: String,
}

#[derive(Serialize)]
struct CdView<'a> {
    path: Option<&'a str>,
    target: String,
}

#[derive(Serialize)]
struct DiskView<'a> {
    path: &'a str,
    target: String,
    /// What is thrown away at the next start need not survive a loss of power.
    cache: &'static str,
    /// What its guest frees, or fills with zeroes, is given back to the node: that is worth a look at each write only where
    /// the next start does not do it.
    keeps: bool,
}

/// A small disk that makes a system load the driver of its bus.
#[derive(Serialize)]
pub struct DriverDiskView<'a> {
    pub path: &'a str,
    pub target: String,
    pub bus: &'static str,
}

#[derive(Serialize)]
struct NicView<'a> {
    mac: &'a str,
    network: String,
}

#[derive(Serialize)]
struct MetadataView<'a> {
    namespace: &'static str,
    version: Option<u32>,
    fresh: bool,
    life: Option<i64>,
    json: &'a str,
    fingerprint: String,
}

/// Renders a domain.
///
/// # Errors
/// When the spec cannot be written as JSON, or a template is broken: defects.
pub fn domain(spec: &DomainSpec, setting: &Setting<'_>) -> Result<Rendered> {
    let json = stored::write_spec(spec)?;
    let mut view = view(spec, setting, &json);
    let body = render("domain.xml", &view)?;
    view.metadata.fingerprint = hex::encode(&Sha256::digest(body)[..16]);
    Ok(Rendered {
        xml: render("domain.xml", &view)?,
        fingerprint: std::mem::take(&mut view.metadata.fingerprint),
    })
}

fn view<'a>(spec: &'a DomainSpec, setting: &Setting<'a>, json: &'a str) -> View<'a> {
    let name = printable(&spec.owner.name);
    let kind = match spec.owner.kind {
        OwnerKind::Template => "template",
        OwnerKind::Desktop => "desktop",
    };
    let (targets, cd_targets) = hardware::targets(spec);
    let placed = spec.disks.iter().zip(targets).zip(setting.paths);
    let disks = placed.map(|((disk, target), path)| DiskView {
        path,
        target,
        cache: if disk.restore { "unsafe" } else { "writeback" },
        keeps: !disk.restore,
    });
    let seed = spec.has_seed().then_some(Some(setting.seed));
    let discs = setting.isos.iter().map(Option::as_deref).chain(seed);
    let cds = cd_targets.into_iter().zip(discs).map(|(target, path)| CdView { path, target });
    let nics = spec.nics.iter().map(|nic| NicView {
        mac: &nic.mac,
        network: network_name(spec.owner.installation, nic.network),
    });
    let addresses: Vec<String> =
        spec.nics.iter().filter_map(|nic| nic.address).map(|address| address.to_string()).collect();
    View {
        setting: SettingView {
            virt_type: setting.virt_type,
            name: setting.name,
            machine_type: setting.machine_type,
            nvram: setting.nvram,
            own_disks: setting.own_disks,
        },
        spec,
        hardware: hardware::view(&spec.hardware, spec.spice, setting.abilities),
        spice: spec.spice != Spice::Off,
        usb_devices: spec.spice == Spice::Usb,
        is_simulated: setting.virt_type == "test",
        description: format!("Carrel {kind} {name}"),
        identity: spec.identity.as_ref().filter(|_| spec.hardware != Hardware::first()).map(
            |Identity { number, group, .. }| IdentityView {
                number: *number,
                group: printable(group),
            },
        ),
        title: name,
        kind,
        disks: disks.collect(),
        cds: cds.collect(),
        driver_disk: setting.driver_disk.and_then(|path| driver_disk_view(spec, path)),
        nics: nics.collect(),
        addresses: addresses.join(" "),
        restores: restores(spec),
        disk_limits: spec.limits.of_disks(),
        disks_group: limits::DISKS,
        card_limits: spec.limits.of_cards(),
        metadata: MetadataView {
            namespace: metadata::SPEC_NAMESPACE,
            version: setting.version,
            fresh: setting.fresh,
            life: setting.life,
            json,
            fingerprint: String::new(),
        },
    }
}

/// A CD drive of a domain, with what is at `path` in it.
pub fn drive(path: Option<&str>, target: &str, bus: &str, own_disks: bool) -> Result<String> {
    #[derive(Serialize)]
    struct DriveView<'a> {
        cd: CdView<'a>,
        hardware: Bus<'a>,
        setting: Owner,
    }
    #[derive(Serialize)]
    struct Bus<'a> {
        cd_bus: &'a str,
    }
    #[derive(Serialize)]
    struct Owner {
        own_disks: bool,
    }
    let cd = CdView { path, target: target.to_owned() };
    let (hardware, setting) = (Bus { cd_bus: bus }, Owner { own_disks });
    render("drive.xml", DriveView { cd, hardware, setting })
}

/// The small disk of a domain that makes its system load a driver; `None` when it is to have none.
pub fn driver_disk_view<'a>(spec: &DomainSpec, path: &'a str) -> Option<DriverDiskView<'a>> {
    let bus = spec.driver_disk?;
    let target = hardware::driver_target(spec, bus);
    Some(DriverDiskView { path, target, bus: hardware::bus_word(bus) })
}

/// The small disk for a running domain.
pub fn driver_disk(disk: &DriverDiskView<'_>, own_disks: bool) -> Result<String> {
    #[derive(Serialize)]
    struct PluggedView<'a> {
        driver_disk: &'a DriverDiskView<'a>,
        setting: Owner,
    }
    #[derive(Serialize)]
    struct Owner {
        own_disks: bool,
    }
    render("driver-disk.xml", PluggedView { driver_disk: disk, setting: Owner { own_disks } })
}

/// Whether any disk is made anew at every start.
pub fn restores(spec: &DomainSpec) -> bool {
    spec.disks.iter().any(|disk| disk.restore)
}

#[derive(Serialize)]
pub struct NetworkView {
    pub name: String,
    pub uuid: Uuid,
    pub installation: Uuid,
    pub title: String,
    /// The spec, for reading it back.
    pub json: String,
    /// The bridge that libvirt makes, or the one that it shall use.
    pub bridge: String,
    pub nat: Option<NatView>,
}

/// A network with addresses of the node's own.
#[derive(Serialize)]
pub struct NatView {
    /// Of the bridge; belongs to the first gateway's own reservation.
    pub mac: String,
    pub gateways: Vec<GatewayView>,
    /// dnsmasq's lines that libvirt has no words for.
    pub options: Vec<String>,
}

#[derive(Serialize)]
pub struct GatewayView {
    pub address: Ipv4Addr,
    pub prefix: u8,
    /// Empty for all but the first: libvirt serves DHCP on one IPv4 address of a network.
    pub hosts: Vec<HostView>,
}

impl GatewayView {
    /// Whether an address is in the subnet of this gateway.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        Ipv4Net::new(self.address, self.prefix).is_ok_and(|subnet| subnet.contains(&address))
    }
}

#[derive(Serialize)]
pub struct HostView {
    pub mac: String,
    pub address: Ipv4Addr,
    pub name: String,
    /// dnsmasq's mark of the guest, for options that not all get. libvirt has no word for it.
    #[serde(skip)]
    pub tag: Option<String>,
}

/// Renders a network.
pub fn network(view: &NetworkView) -> Result<String> {
    #[derive(Serialize)]
    struct Whole<'a> {
        namespace: &'static str,
        #[serde(flatten)]
        view: &'a NetworkView,
    }
    render("network.xml", Whole { namespace: NETWORK_NAMESPACE, view })
}

/// The entry of one reservation, for an update of a network.
pub fn host(view: &HostView) -> Result<String> {
    render("host.xml", view)
}

/// A guest that boots the disk at `path` and does nothing else.
pub fn probe(name: &str, virt_type: &str, path: &Path) -> Result<String> {
    #[derive(Serialize)]
    struct ProbeView<'a> {
        name: &'a str,
        virt_type: &'a str,
        path: &'a Path,
    }
    render("probe.xml", ProbeView { name, virt_type, path })
}

/// libvirt's name of a domain: to be read in `virsh list`, unique by its end.
pub fn domain_name(spec: &DomainSpec) -> String {
    const LONGEST: usize = 40;
    let mut slug = String::new();
    for character in spec.owner.name.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == LONGEST {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    let unique = short(spec.uuid);
    if slug.is_empty() { format!("carrel-{unique}") } else { format!("carrel-{slug}-{unique}") }
}

/// libvirt's name of a network; two installations on one machine do not meet.
pub fn network_name(installation: Uuid, network: Uuid) -> String {
    format!("{}{}", network_name_start(installation), short(network))
}

/// What the names of all networks of an installation begin with.
pub fn network_name_start(installation: Uuid) -> String {
    format!("carrel-{}-", short(installation))
}

fn short(uuid: Uuid) -> String {
    uuid.simple().to_string()[..8].to_owned()
}

/// Without what XML cannot carry, nor line breaks, which libvirt refuses in a title.
pub fn printable(text: &str) -> String {
    let allowed =
        |character: &char| !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(allowed).collect()
}

fn render(template: &str, view: impl Serialize) -> Result<String> {
    environment()
        .get_template(template)
        .and_then(|template| template.render(Serde(view)))
        .context(format_args!("render {template}"))
}

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        environment.set_syntax(syntax.build().expect("the standard delimiters"));
        for (name, source) in [
            ("domain.xml", include_str!("../../../../assets/xml/domain.xml")),
            ("drive.xml", include_str!("../../../../assets/xml/drive.xml")),
            ("driver-disk.xml", include_str!("../../../../assets/xml/driver-disk.xml")),
            ("network.xml", include_str!("../../../../assets/xml/network.xml")),
            ("host.xml", include_str!("../../../../assets/xml/host.xml")),
            ("probe.xml", include_str!("../../../../assets/xml/probe.xml")),
        ] {
            environment.add_template(name, source).expect("templates are tested");
        }
        environment
    })
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
