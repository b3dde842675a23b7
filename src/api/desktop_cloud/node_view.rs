//! A node on the wire.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::api::call::Call;
use crate::api::{App, time, words};
use crate::error::Error;
use crate::inventory::{
    Address, Nic, Node, NodeDetail, NodeStatus, Problem, StorageRole, StorageUse,
};
use crate::networks::netmask_of;
use crate::store::NodeId;

const GIB: f64 = (1u64 << 30) as f64;
const NIC_UP: u8 = 2;
const NIC_DOWN: u8 = 1;

/// A node.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NodeView {
    id: NodeId,
    uuid: Uuid,
    name: String,
    hostname: String,
    ip: String,
    /// GiB.
    total_mem: u64,
    /// GiB that running templates and desktops may use.
    running_mem: u64,
    total_vcpus: u32,
    /// Those of running templates and desktops.
    running_vcpus: u32,
    /// Operating system, libvirt and QEMU.
    server_version_info: Option<String>,
    cpu_info: Option<String>,
    mem_info: Option<String>,
    gpu_info: Option<String>,
    /// `kvm`, `qemu` or `test`
    virt_type: String,
    #[schemars(with = "words::NodeStatus")]
    status: &'static str,
    /// Why the status is not active, or what an active node is still busy with.
    reason: Option<String>,
    /// What Carrel could not do on it and tries again.
    problems: Vec<ProblemView>,
    /// 1 controller and compute, 2 standby and compute, 3 controller, 4 standby, 5 compute
    r#type: i64,
    network_interfaces: Vec<NicView>,
    storages: Vec<StorageView>,
    #[serde(rename = "TEMPLATE_SYS")]
    template_sys: Option<StorageView>,
    #[serde(rename = "TEMPLATE_DATA")]
    template_data: Option<StorageView>,
    #[serde(rename = "INSTANCE_SYS")]
    instance_sys: Option<StorageView>,
    #[serde(rename = "INSTANCE_DATA")]
    instance_data: Option<StorageView>,
    /// The four under their names in small letters, which some clients read.
    #[serde(rename = "template_sys")]
    template_sys_too: Option<StorageView>,
    #[serde(rename = "template_data")]
    template_data_too: Option<StorageView>,
    #[serde(rename = "instance_sys")]
    instance_sys_too: Option<StorageView>,
    #[serde(rename = "instance_data")]
    instance_data_too: Option<StorageView>,
    /// Percent, as text.
    usage_sys: String,
    /// Percent, as text.
    usage_data: String,
    /// Bytes of the storages for systems.
    total_sys: u64,
    used_sys: u64,
    /// Percent now.
    usage_mem: f64,
    /// Percent now.
    usage_vcpu: f64,
    /// The same under the name of the document's table.
    usage_vcpus: f64,
    /// Templates and desktops.
    total_vm: u32,
    running_vm: u32,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    updated_at: Option<String>,
}

/// Something that could not be done on a node.
#[derive(Debug, Serialize, JsonSchema)]
struct ProblemView {
    /// networks, domains, ssh-keys, left-uploads, left-saves, ejected-discs, bus-switches, unused-layers
    duty: &'static str,
    /// What that is, in the caller's language.
    name: String,
    /// Why the last attempt failed.
    reason: String,
    /// When it failed first.
    since: String,
}

/// A network card.
#[derive(Debug, Serialize, JsonSchema)]
struct NicView {
    id: i64,
    uuid: Uuid,
    nic: String,
    mac: String,
    /// Mbit/s, 0 when unknown.
    speed: u32,
    /// 2 up, 1 down
    status: u8,
    /// 0 hardware, 1 made by software
    r#type: u8,
    ip_info: Vec<IpView>,
    /// Where its packets go; nothing in it when it leads nowhere.
    gate_info: GateView,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    updated_at: Option<String>,
}

/// Gateway and name servers of a network card.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct GateView {
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns2: Option<String>,
}

/// An address of a network card.
#[derive(Debug, Serialize, JsonSchema)]
struct IpView {
    uuid: Uuid,
    ip: String,
    netmask: String,
    /// Empty when it has none, as the two below.
    gateway: String,
    dns1: String,
    dns2: String,
    is_manage: u8,
    is_image: u8,
}

/// A storage; sizes in bytes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct StorageView {
    uuid: Uuid,
    path: String,
    used: u64,
    total: u64,
    available: u64,
    /// Percent, as text.
    usage: String,
    /// 1 template system, 2 template data, 3 desktop system, 4 desktop data
    role: String,
}

impl NodeView {
    pub fn of(app: &App, call: &Call, detail: NodeDetail) -> Self {
        let NodeDetail { node, usage, nics, storages, sample, problems } = detail;
        let systems = [StorageRole::TemplateSystem, StorageRole::DesktopSystem];
        let data = [StorageRole::TemplateData, StorageRole::DesktopData];
        let (total_sys, used_sys) = sum(&storages, &systems);
        let (total_data, used_data) = sum(&storages, &data);
        let holder = |role| storages.iter().find(|s| s.has(role)).map(StorageView::of);
        let cpu = sample.as_ref().map_or(0.0, |s| round(f64::from(s.cpu_percent)));
        let memory = sample.as_ref().map_or(0.0, |s| percent(s.memory_used, s.memory_total));
        let learning = node.status == NodeStatus::Active && node.virt_type.is_empty();
        let reason = match node.fault {
            Some(fault) => Some(app.language.error(call.language, &Error::from(fault))),
            None if learning => Some(app.language.text(call.language, "node-learning", &[])),
            None => None,
        };
        let Node { id, uuid, name, hostname, ip, role, cpu_model, cpu_count, memory: ram, .. } =
            node;
        Self {
            id,
            uuid,
            name,
            hostname,
            ip,
            total_mem: gib(ram),
            running_mem: gib(usage.running_memory_mib << 20),
            total_vcpus: cpu_count,
            running_vcpus: usage.running_vcpus,
            server_version_info: filled(node.versions),
            cpu_info: filled(cpu_model).map(|model| format!("{cpu_count} × {model}")),
            mem_info: (ram > 0).then(|| format!("{:.1} GiB", ram as f64 / GIB)),
            gpu_info: filled(node.gpu),
            virt_type: node.virt_type,
            status: node.status.word(),
            reason,
            problems: problems.into_iter().map(|p| ProblemView::of(app, call, p)).collect(),
            r#type: role.number(),
            network_interfaces: nics.into_iter().map(NicView::of).collect(),
            template_sys: holder(StorageRole::TemplateSystem),
            template_data: holder(StorageRole::TemplateData),
            instance_sys: holder(StorageRole::DesktopSystem),
            instance_data: holder(StorageRole::DesktopData),
            template_sys_too: holder(StorageRole::TemplateSystem),
            template_data_too: holder(StorageRole::TemplateData),
            instance_sys_too: holder(StorageRole::DesktopSystem),
            instance_data_too: holder(StorageRole::DesktopData),
            storages: storages.iter().map(StorageView::of).collect(),
            usage_sys: two_digits(percent(used_sys, total_sys)),
            usage_data: two_digits(percent(used_data, total_data)),
            total_sys,
            used_sys,
            usage_mem: memory,
            usage_vcpu: cpu,
            usage_vcpus: cpu,
            total_vm: usage.machines,
            running_vm: usage.running,
            deleted: 0,
            deleted_at: None,
            created_at: time::text(node.created_at),
            updated_at: time::optional(node.updated_at),
        }
    }
}

impl ProblemView {
    fn of(app: &App, call: &Call, problem: Problem) -> Self {
        let Problem { duty, fault, since } = problem;
        Self {
            duty: duty.word(),
            name: app.language.text(call.language, &format!("duty-{}", duty.word()), &[]),
            reason: app.language.error(call.language, &Error::from(fault)),
            since: time::text(since),
        }
    }
}

impl NicView {
    fn of(nic: Nic) -> Self {
        let Nic { id, uuid, name, mac, speed, is_up, is_physical, addresses, .. } = nic;
        let mut dns = nic.dns.into_iter();
        let (gateway, dns1, dns2) = (nic.gateway, dns.next(), dns.next());
        let ip = |address: Address| {
            let Address { uuid, address, prefix, is_manage, is_image } = address;
            IpView {
                uuid,
                ip: address,
                netmask: netmask_of(prefix).to_string(),
                gateway: gateway.clone().unwrap_or_default(),
                dns1: dns1.clone().unwrap_or_default(),
                dns2: dns2.clone().unwrap_or_default(),
                is_manage: is_manage.into(),
                is_image: is_image.into(),
            }
        };
        Self {
            id,
            uuid,
            nic: name,
            mac,
            speed,
            status: if is_up { NIC_UP } else { NIC_DOWN },
            r#type: (!is_physical).into(),
            ip_info: addresses.into_iter().map(ip).collect(),
            gate_info: match gateway {
                Some(_) => GateView { gateway, dns1, dns2 },
                None => GateView::default(),
            },
            deleted: 0,
            deleted_at: None,
            created_at: time::text(nic.created_at),
            updated_at: time::optional(nic.updated_at),
        }
    }
}

impl StorageView {
    fn of(storage: &StorageUse) -> Self {
        let StorageUse { uuid, path, roles, total, used, .. } = storage.clone();
        let roles: Vec<String> = roles.iter().map(u8::to_string).collect();
        let usage = two_digits(percent(used, total));
        let available = total.saturating_sub(used);
        Self { uuid, path, used, total, available, usage, role: roles.join(",") }
    }
}

/// Total and used of the storages that have one of these roles; each counts once.
fn sum(storages: &[StorageUse], roles: &[StorageRole]) -> (u64, u64) {
    let chosen = storages.iter().filter(|s| roles.iter().any(|role| s.has(*role)));
    chosen.fold((0, 0), |(total, used), s| (total + s.total, used + s.used))
}

/// 0 to 100 with two digits.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { round(part as f64 * 100.0 / whole as f64) }
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// The documents write percentages as text like "7.89".
pub fn two_digits(number: f64) -> String {
    format!("{number:.2}")
}

fn gib(bytes: u64) -> u64 {
    (bytes as f64 / GIB).round() as u64
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
