//! Limits of disks and cards: of what runs, at once, and whether this node can hold traffic back at all.

use std::ffi::CString;
use std::ptr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use virt::domain::Domain;
use virt::sys;

use super::Inner;
use super::errors::Libvirt;
use crate::error::{Context, Error, Result};
use crate::node::agent::program::Program;
use crate::node::protocol::{CardLimits, DiskLimits, DomainSpec};

/// QEMU's name of what the disks of a machine share.
pub const DISKS: &str = "disks";

const PATIENCE: Duration = Duration::from_secs(10);
/// What was missing may have been installed since.
const KEPT: Duration = Duration::from_secs(60);

/// What libvirt has `tc` do for a card, in words that every kernel knows that can do it.
const RULES: [&str; 6] = [
    "qdisc add dev {} root handle 1: htb default 1",
    "class add dev {} parent 1: classid 1:1 htb rate 1000kbps",
    "qdisc add dev {} parent 1:1 handle 2: sfq perturb 10",
    "filter add dev {} parent 1:0 protocol all prio 1 handle 1 fw flowid 1",
    "qdisc add dev {} ingress",
    "filter add dev {} parent ffff: protocol all u32 match u32 0 0 police rate 1000kbps burst 1024kb \
     mtu 64kb drop flowid :1",
];

/// Why this node's kernel cannot hold traffic back, as it was found out last; `None` when it can.
#[derive(Default)]
pub struct TrafficControl(Mutex<Option<(Instant, Option<String>)>>);

impl TrafficControl {
    /// What stands in the way; it is tried on a device made for that.
    pub fn obstacle(&self) -> Option<String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((_, None)) => return None,
            Some((at, why)) if at.elapsed() < KEPT => return why.clone(),
            _ => {}
        }
        let why = try_rules().err().map(|error| reason(&error));
        *known = Some((Instant::now(), why.clone()));
        why
    }
}

/// The last words of the program that failed.
fn reason(error: &Error) -> String {
    let message = error.args().find(|(name, _)| *name == "message");
    message.map_or_else(|| error.to_string(), |(_, message)| message.to_owned())
}

fn try_rules() -> Result<()> {
    // Of this process only: two agents may try at the same time.
    let device = format!("carreltc{}", std::process::id());
    let ip = |verb: &str, more: &[&str]| {
        Program::new("ip", PATIENCE).args(["link", verb, &device]).args(more).output().map(drop)
    };
    ip("add", &["type", "bridge"])?;
    let tried = RULES.iter().try_for_each(|rule| {
        let words = rule.split_whitespace().map(|word| if word == "{}" { &device } else { word });
        Program::new("tc", PATIENCE).args(words).output().map(drop)
    });
    tried.and(ip("del", &[]))
}

impl Inner {
    /// # Errors
    /// `traffic-limits-impossible`
    pub(super) fn require_traffic_control(&self, spec: &DomainSpec) -> Result<()> {
        if self.link.is_simulator() || spec.limits.of_cards().is_none() {
            return Ok(());
        }
        match self.traffic_control.obstacle() {
            None => Ok(()),
            Some(reason) => Err(Error::conflict("traffic-limits-impossible").arg("reason", reason)),
        }
    }
}

/// Gives a running domain the limits of the spec where it has others.
pub(super) fn apply(domain: &Domain, spec: &DomainSpec) -> Result<()> {
    let name = &spec.owner.name;
    let text = domain.xml_desc(sys::VIR_DOMAIN_NONE).libvirt("read the definition of", name)?;
    let devices = parse(&text)?;
    let wanted = spec.limits.of_disks();
    for disk in devices.disks().filter(|disk| disk.limits() != wanted) {
        limit_disk(domain, &disk.target.dev, wanted).libvirt("limit a disk of", name)?;
    }
    let wanted = spec.limits.of_cards();
    for card in devices.interface.iter().filter(|card| card.limits() != wanted) {
        limit_card(domain, &card.mac.address, wanted).libvirt("limit a card of", name)?;
    }
    Ok(())
}

type Done = std::result::Result<(), virt::error::Error>;

fn limit_disk(domain: &Domain, target: &str, limits: Option<DiskLimits>) -> Done {
    let DiskLimits { bytes, operations } = limits.unwrap_or(DiskLimits { bytes: 0, operations: 0 });
    let mut params = Params::default();
    // A disk without limits belongs to no group.
    if limits.is_some() {
        params.text("group_name", DISKS)?;
    }
    // What was left of the last second may be used at once.
    for name in ["total_bytes_sec", "total_bytes_sec_max"] {
        params.long(name, bytes)?;
    }
    for name in ["total_iops_sec", "total_iops_sec_max"] {
        params.long(name, operations)?;
    }
    params.set(domain, target, sys::virDomainSetBlockIoTune)
}

fn limit_card(domain: &Domain, mac: &str, limits: Option<CardLimits>) -> Done {
    let CardLimits { receive, send } = limits.unwrap_or(CardLimits { receive: 0, send: 0 });
    let mut params = Params::default();
    params.number("inbound.average", receive)?;
    params.number("outbound.average", send)?;
    params.set(domain, mac, sys::virDomainSetInterfaceParameters)
}

/// libvirt's list of named values, which the `virt` crate has no words for here.
struct Params {
    list: sys::virTypedParameterPtr,
    count: i32,
    room: i32,
}

impl Default for Params {
    fn default() -> Self {
        Self { list: ptr::null_mut(), count: 0, room: 0 }
    }
}

type Setter = unsafe extern "C" fn(
    sys::virDomainPtr,
    *const std::ffi::c_char,
    sys::virTypedParameterPtr,
    std::ffi::c_int,
    std::ffi::c_uint,
) -> std::ffi::c_int;

impl Params {
    fn text(&mut self, name: &str, value: &str) -> Done {
        let (name, value) = (CString::new(name)?, CString::new(value)?);
        // SAFETY: list, count and room belong together; both texts are C strings, which libvirt copies.
        let answer = unsafe {
            let Self { list, count, room } = self;
            sys::virTypedParamsAddString(list, count, room, name.as_ptr(), value.as_ptr())
        };
        done(answer)
    }

    fn long(&mut self, name: &str, value: u64) -> Done {
        let name = CString::new(name)?;
        // SAFETY: as above.
        let answer = unsafe {
            let Self { list, count, room } = self;
            sys::virTypedParamsAddULLong(list, count, room, name.as_ptr(), value)
        };
        done(answer)
    }

    fn number(&mut self, name: &str, value: u32) -> Done {
        let name = CString::new(name)?;
        // SAFETY: as above.
        let answer = unsafe {
            let Self { list, count, room } = self;
            sys::virTypedParamsAddUInt(list, count, room, name.as_ptr(), value)
        };
        done(answer)
    }

    fn set(self, domain: &Domain, device: &str, setter: Setter) -> Done {
        let device = CString::new(device)?;
        let live = sys::VIR_DOMAIN_AFFECT_LIVE;
        // SAFETY: the domain is alive, the list has `count` values, and libvirt keeps neither.
        done(unsafe { setter(domain.as_ptr(), device.as_ptr(), self.list, self.count, live) })
    }
}

impl Drop for Params {
    fn drop(&mut self) {
        // SAFETY: what libvirt made, freed once with what is in it.
        unsafe { sys::virTypedParamsFree(self.list, self.count) };
    }
}

fn done(answer: i32) -> Done {
    if answer < 0 { Err(virt::error::Error::last_error()) } else { Ok(()) }
}

#[derive(Deserialize)]
struct Definition {
    devices: Devices,
}

#[derive(Deserialize)]
struct Devices {
    #[serde(default)]
    disk: Vec<Disk>,
    #[serde(default)]
    interface: Vec<Card>,
}

#[derive(Deserialize)]
struct Disk {
    #[serde(rename = "@device")]
    device: Option<String>,
    target: Target,
    iotune: Option<IoTune>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(rename = "@dev")]
    dev: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IoTune {
    total_bytes_sec: u64,
    total_iops_sec: u64,
}

#[derive(Deserialize)]
struct Card {
    mac: Mac,
    bandwidth: Option<Bandwidth>,
}

#[derive(Deserialize)]
struct Mac {
    #[serde(rename = "@address")]
    address: String,
}

#[derive(Deserialize)]
struct Bandwidth {
    inbound: Option<Rate>,
    outbound: Option<Rate>,
}

#[derive(Deserialize)]
struct Rate {
    #[serde(rename = "@average", default)]
    average: u32,
}

impl Devices {
    /// Without CD drives.
    fn disks(&self) -> impl Iterator<Item = &Disk> {
        self.disk.iter().filter(|disk| disk.device.as_deref() != Some("cdrom"))
    }
}

impl Disk {
    fn limits(&self) -> Option<DiskLimits> {
        let IoTune { total_bytes_sec: bytes, total_iops_sec: operations } =
            *self.iotune.as_ref()?;
        (bytes != 0 || operations != 0).then_some(DiskLimits { bytes, operations })
    }
}

impl Card {
    fn limits(&self) -> Option<CardLimits> {
        let Bandwidth { inbound, outbound } = self.bandwidth.as_ref()?;
        let average = |rate: &Option<Rate>| rate.as_ref().map_or(0, |rate| rate.average);
        let (receive, send) = (average(inbound), average(outbound));
        (receive != 0 || send != 0).then_some(CardLimits { receive, send })
    }
}

fn parse(text: &str) -> Result<Devices> {
    let Definition { devices } = quick_xml::de::from_str(text).context("read a definition")?;
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_out_of_a_running_domain() {
        let text = "<domain><devices><emulator>/q</emulator>\
             <disk type='file' device='disk'><source file='/d'/><target dev='vda' bus='virtio'/><iotune>\
             <total_bytes_sec>5000000</total_bytes_sec><group_name>disks</group_name></iotune></disk>\
             <disk type='file' device='disk'><target dev='vdb'/></disk>\
             <disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>\
             <interface type='bridge'><mac address='52:54:00:00:00:01'/><bandwidth>\
             <inbound average='125'/></bandwidth></interface>\
             <interface type='bridge'><mac address='52:54:00:00:00:02'/></interface>\
             </devices></domain>";
        let devices = parse(text).expect("read");
        let disks: Vec<_> = devices.disks().map(Disk::limits).collect();
        assert_eq!(disks, [Some(DiskLimits { bytes: 5_000_000, operations: 0 }), None]);
        let cards: Vec<_> = devices.interface.iter().map(Card::limits).collect();
        assert_eq!(cards, [Some(CardLimits { receive: 125, send: 0 }), None]);
    }
}
