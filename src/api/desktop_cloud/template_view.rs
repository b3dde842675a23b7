//! Templates as clients see them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Number;
use uuid::Uuid;

use super::base_images::gigabytes;
use crate::api::call::Call;
use crate::api::{App, time, words};
use crate::desktops::UNREADABLE;
use crate::desktops::templates::{
    BusSwitch, Disc, NodeImages, Power, TemplateDisk, TemplateLine, TemplateState, VersionCopy,
    device_name,
};
use crate::error::{Error, Fault};
use crate::images::os_type;
use crate::node::protocol::{DiskRole, PowerState};
use crate::store::TemplateId;

/// A template.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TemplateView {
    id: TemplateId,
    uuid: Uuid,
    name: String,
    desc: String,
    /// 1 education, 2 personal
    classify: u8,
    os_type: String,
    os_type_simple: String,
    host_uuid: Uuid,
    host_ip: String,
    host_name: String,
    pool_uuid: Uuid,
    pool_name: String,
    network_uuid: Uuid,
    network_name: String,
    subnet_uuid: Uuid,
    subnet_name: String,
    subnet_start_ip: String,
    subnet_end_ip: String,
    bind_ip: String,
    vcpu: u32,
    /// GB
    ram: f64,
    /// Uuid of the base image; null when it was installed from an ISO.
    image_id: Option<Uuid>,
    image_name: Option<String>,
    devices: Vec<DeviceView>,
    /// What is in the CD drives of its own machine.
    discs: Vec<DiscView>,
    /// While its own machine goes over to another disk bus.
    bus_switch: Option<BusSwitchView>,
    owner: String,
    /// Desktop groups made of it.
    desktop_count: u32,
    /// Desktops made of it.
    instance_count: u32,
    /// Newest saved version.
    version: u32,
    /// Desktops that are made of an older one.
    outdated_count: u32,
    status: TemplateStatus,
    #[schemars(with = "words::Power")]
    power: &'static str,
    /// Why it is neither active nor simply off, or what its last change failed of.
    reason: Option<String>,
    /// What will keep its machine from starting: a firmware with which its image does not start.
    warning: Option<String>,
    /// Started for editing and not saved since.
    editing: bool,
    /// Started since the last save, for whatever reason.
    changed: bool,
    started_at: Option<String>,
    /// Of the last save, or when it was made.
    updated_time: String,
    created_at: String,
    updated_at: Option<String>,
    deleted: u8,
    deleted_at: Option<String>,
}

/// How a template is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TemplateStatus {
    /// Its own machine runs.
    Active,
    Inactive,
    /// It is made, saved, changed or deleted.
    Updating,
    Error,
}

impl TemplateStatus {
    /// Of a template in this state, whose own machine does this. `cannot_be_used`: its node is down, or lacks a disk.
    pub fn of(state: TemplateState, power: Power, cannot_be_used: bool) -> Self {
        match (state, power.0) {
            (TemplateState::Creating | TemplateState::Updating | TemplateState::Deleting, _) => {
                Self::Updating
            }
            (TemplateState::Failed, _) => Self::Error,
            (TemplateState::Ready, _) if cannot_be_used => Self::Error,
            (TemplateState::Ready, PowerState::Running) => Self::Active,
            (TemplateState::Ready, PowerState::Off) => Self::Inactive,
            // As with desktops: on, but of no use to anybody.
            (TemplateState::Ready, PowerState::Paused | PowerState::Crashed) => Self::Error,
        }
    }
}

/// An ISO in a CD drive.
#[derive(Debug, Serialize, JsonSchema)]
struct DiscView {
    /// 0 or 1
    drive: u32,
    iso_uuid: Uuid,
    name: String,
}

impl DiscView {
    fn of(disc: Disc) -> Self {
        Self { drive: disc.drive, iso_uuid: disc.iso, name: disc.name }
    }
}

/// A disk of a template.
#[derive(Debug, Serialize, JsonSchema)]
struct DeviceView {
    uuid: Uuid,
    /// system or data
    #[serde(rename = "type")]
    kind: &'static str,
    device_name: String,
    boot_index: u32,
    inx: u32,
    /// GB
    size: Number,
    /// GB on disk of all its versions, as of the last save.
    used: f64,
}

impl DeviceView {
    fn of(disk: TemplateDisk) -> Self {
        Self {
            uuid: disk.uuid,
            kind: disk.role.word(),
            device_name: device_name(disk.position),
            boot_index: disk.position,
            inx: disk.position.saturating_sub(1),
            size: whole_if_possible(gigabytes(disk.size)),
            used: gigabytes(disk.used),
        }
    }
}

/// `50` rather than `50.0`: the document's sizes are whole numbers.
fn whole_if_possible(number: f64) -> Number {
    match Number::from_f64(number) {
        Some(fraction) if number.fract() != 0.0 => fraction,
        _ => Number::from(number as u64),
    }
}

impl TemplateView {
    pub fn of(app: &App, call: &Call, line: TemplateLine) -> Self {
        let reason = reason(app, call, &line);
        let warning = warning(app, call, &line);
        let cannot_be_used = line.node_fault.is_some() || line.version_fault.is_some();
        let template = line.template;
        let status = TemplateStatus::of(template.state, template.power, cannot_be_used);
        Self {
            id: template.id,
            uuid: template.uuid,
            os_type_simple: os_type::simple(&template.os_type),
            name: template.name,
            desc: template.desc,
            classify: template.classify.number(),
            os_type: template.os_type,
            host_uuid: line.node_uuid,
            host_ip: line.node_ip,
            host_name: line.node_name,
            pool_uuid: line.pool_uuid,
            pool_name: line.pool_name,
            network_uuid: line.network_uuid,
            network_name: line.network_name,
            subnet_uuid: line.subnet_uuid,
            subnet_name: line.subnet_name,
            subnet_start_ip: line.subnet_start.to_string(),
            subnet_end_ip: line.subnet_end.to_string(),
            bind_ip: line.address.map_or_else(String::new, |address| address.to_string()),
            vcpu: template.vcpu,
            ram: (template.memory_mib as f64 / 1024.0 * 1000.0).round() / 1000.0,
            image_id: template.base_image,
            image_name: line.image_name,
            devices: line.disks.into_iter().map(DeviceView::of).collect(),
            discs: line.discs.into_iter().map(DiscView::of).collect(),
            bus_switch: line.bus_switch.as_ref().map(BusSwitchView::of),
            owner: template.owner_name,
            desktop_count: line.group_count,
            instance_count: line.desktop_count,
            version: template.version,
            outdated_count: line.outdated_count,
            status,
            power: template.power.word(),
            reason,
            warning,
            editing: template.editing,
            changed: template.changed,
            started_at: time::optional(line.started_at),
            updated_time: time::text(template.saved_at.unwrap_or(template.created_at)),
            created_at: time::text(template.created_at),
            updated_at: time::optional(template.updated_at),
            deleted: 0,
            deleted_at: None,
        }
    }
}

/// Why it is neither active nor simply off, or what its last change failed of.
fn reason(app: &App, call: &Call, line: &TemplateLine) -> Option<String> {
    let template = &line.template;
    let word = |key| Some(app.language.text(call.language, key, &[]));
    let sentence = |fault: &Fault| app.language.error(call.language, &Error::from(fault.clone()));
    let last = template.fault.as_ref().map(sentence);
    match template.state {
        TemplateState::Creating => return word("template-being-created"),
        TemplateState::Updating => return word("template-being-updated"),
        TemplateState::Deleting => return word("template-being-deleted"),
        TemplateState::Failed => return last.or_else(|| word("template-state-failed")),
        TemplateState::Ready => {}
    }
    if let Some(fault) = &line.node_fault {
        let args = [("name", line.node_name.as_str()), ("reason", &sentence(fault))];
        return Some(app.language.text(call.language, "template-node-down", &args));
    }
    if let Some(fault) = &line.version_fault {
        return Some(sentence(fault));
    }
    match template.power.0 {
        PowerState::Paused if is_full_disk(&template.power_reason) => {
            word("template-paused-disk-full")
        }
        PowerState::Paused => word("template-paused"),
        PowerState::Off if template.power_reason == CUT_OFF => {
            last.or_else(|| word("template-cut"))
        }
        PowerState::Running | PowerState::Off => last,
        PowerState::Crashed if template.power_reason == UNREADABLE => word("template-unreadable"),
        PowerState::Crashed => word("template-crashed"),
    }
}

/// What its image starts with, and its machine does not have.
fn warning(app: &App, call: &Call, line: &TemplateLine) -> Option<String> {
    let boots = line.boots.filter(|boots| !boots.fits(line.template.hardware.firmware))?;
    let args = [("boots", boots.word()), ("image", line.image_name.as_deref().unwrap_or_default())];
    Some(app.language.text(call.language, "template-firmware-misfit", &args))
}

/// libvirt's word for a guest whose plug was pulled, by whomever.
const CUT_OFF: &str = "destroyed";

/// libvirt's word for a guest that was stopped because its disk could not be written.
fn is_full_disk(reason: &str) -> bool {
    reason == "ioerror"
}

/// A node with a template's newest version.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NodeView {
    name: String,
    uuid: Uuid,
    ip: String,
    storages: Vec<StorageView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StorageView {
    /// 1 system disk, 2 data disk
    role: u8,
    path: String,
    /// The template's disk.
    image_id: Uuid,
    /// Whether desktops on this node use it.
    bind_desktop: bool,
    /// 0 good, 1 on its way, 2 faulty
    status: u8,
    reason: Option<String>,
}

impl NodeView {
    pub fn of(app: &App, call: &Call, images: NodeImages) -> Self {
        let NodeImages { node, copies, has_desktops } = images;
        let storage = |copy: VersionCopy| {
            let (status, reason) = super::base_images::copy_status(app, call, &copy.state);
            StorageView {
                role: match copy.role {
                    DiskRole::System => 1,
                    DiskRole::Data => 2,
                },
                path: copy.storage,
                image_id: copy.disk,
                bind_desktop: has_desktops,
                status,
                reason,
            }
        };
        let storages = copies.into_iter().map(storage).collect();
        Self { name: node.name, uuid: node.uuid, ip: node.ip, storages }
    }
}

/// A template's machine on its way to another disk bus.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BusSwitch")]
pub struct BusSwitchView {
    /// preparing: a small disk is on the new bus; trying: all disks are, and nobody has said yet that the system came up
    #[schemars(with = "words::BusSwitchPhase")]
    phase: &'static str,
    #[schemars(with = "words::DiskBus")]
    from: &'static str,
    #[schemars(with = "words::DiskBus")]
    to: &'static str,
    /// What was not confirmed by then is undone.
    deadline: String,
}

impl BusSwitchView {
    pub fn of(switch: &BusSwitch) -> Self {
        Self {
            phase: switch.phase.word(),
            from: switch.from.word(),
            to: switch.to.word(),
            deadline: time::text(switch.deadline),
        }
    }
}
