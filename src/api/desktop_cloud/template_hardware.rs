//! The hardware of a template's machine, for the console: what it is, what would fit its system, and its change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::templates::MODULE;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get, put};
use crate::api::input::NoInput;
use crate::api::{App, words};
use crate::desktops::hardware;
use crate::desktops::templates::Change;
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::images::os_type;
use crate::node::protocol::{
    BootDevice, Boots, Chipset, Clock, CpuFeature, CpuModel, DiskBus, Firmware, Hardware, NicModel,
    Sound, Topology, UsbController, Video, VideoModel, is_cpu_word,
};
use crate::operations::SubmittedOperation;

/// libvirt knows some hundreds.
const MOST_FEATURES: usize = 512;

const PATH: &str = "/api/v1.0/templates/{template_uuid}/hardware";
const POOL_CPU: &str = "/api/v1.0/templates/{template_uuid}/hardware/pool-cpu";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.template-hardware.detail", PATH, detail)
            .needs(Permission::TemplatesView)
            .summary("The hardware of a template's machine, and what would fit its system"),
        put("carrel.template-hardware.change", PATH, change)
            .needs(Permission::TemplatesManage)
            .audited(MODULE, "log-template-hardware")
            .summary("Change the hardware of a template's machine, which is off"),
        get("carrel.template-hardware.pool-cpu", POOL_CPU, pool_cpu)
            .needs(Permission::TemplatesManage)
            .summary("The largest processor that all nodes of a template's pool have, asked now"),
    ]
}

/// The hardware of a machine besides processors, memory, disks and cards.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Hardware")]
struct HardwareView {
    #[schemars(with = "String", extend("enum" = Firmware::WORDS))]
    firmware: Firmware,
    /// A TPM 2.0.
    tpm: bool,
    #[schemars(with = "String", extend("enum" = Chipset::WORDS))]
    chipset: Chipset,
    #[schemars(with = "String", extend("enum" = DiskBus::WORDS))]
    disk_bus: DiskBus,
    #[schemars(with = "String", extend("enum" = NicModel::WORDS))]
    nic_model: NicModel,
    #[schemars(with = "String", extend("enum" = VideoModel::WORDS))]
    video: VideoModel,
    /// MiB; null for QEMU's own choice.
    video_memory: Option<u32>,
    /// Pixels of the first screen, across and down; null for the firmware's own choice.
    resolution: Option<(u32, u32)>,
    #[schemars(with = "String", extend("enum" = Sound::WORDS))]
    sound: Sound,
    /// Text is copied into the guest and out of it, when its system has spice-vdagent.
    clipboard: bool,
    /// Each desktop has a CD that tells its cloud-init, or cloudbase-init, who it is.
    #[serde(default)]
    seed: bool,
    #[schemars(with = "String", extend("enum" = Clock::WORDS))]
    clock: Clock,
    /// What Windows knows of hypervisors.
    hyperv: bool,
    #[schemars(with = "String", extend("enum" = Topology::WORDS))]
    topology: Topology,
    /// libvirt's name of a processor; null for what the node's own has.
    cpu_model: Option<String>,
    /// What the processor has beyond its model, or has not: `+aes`, `-hle`.
    #[serde(default)]
    cpu_features: Vec<String>,
    #[schemars(with = "String", extend("enum" = UsbController::WORDS))]
    usb: UsbController,
    /// What it boots from, first to last.
    #[schemars(
        with = "Vec<String>",
        extend("items" = serde_json::json!({"type": "string", "enum": BootDevice::WORDS}))
    )]
    boot: Vec<BootDevice>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TemplateHardware")]
struct TemplateHardware {
    /// Of the template's own machine; desktops get it with the next version that is saved.
    hardware: HardwareView,
    /// Of the newest version, which desktops get.
    saved: HardwareView,
    /// What would fit its system and its image.
    fitting: HardwareView,
    /// Which firmware its image starts with; null where that is unknown.
    #[schemars(with = "Option<words::Boots>")]
    boots: Option<Boots>,
    /// Whether the Windows on its image has a driver for virtio disks; null for other systems, and where that was not
    /// looked for.
    virtio: Option<bool>,
}

impl From<Hardware> for HardwareView {
    fn from(hardware: Hardware) -> Self {
        let cpu = CpuView::from(hardware.cpu);
        Self {
            firmware: hardware.firmware,
            tpm: hardware.tpm,
            chipset: hardware.chipset,
            disk_bus: hardware.disk_bus,
            nic_model: hardware.nic_model,
            video: hardware.video.model,
            video_memory: hardware.video.memory_mib,
            resolution: hardware.video.resolution,
            sound: hardware.sound,
            clipboard: hardware.clipboard,
            seed: hardware.seed,
            clock: hardware.clock,
            hyperv: hardware.hyperv,
            topology: hardware.topology,
            cpu_model: cpu.cpu_model,
            cpu_features: cpu.cpu_features,
            usb: hardware.usb,
            boot: hardware.boot,
        }
    }
}

impl HardwareView {
    fn checked(self) -> Result<Hardware> {
        Ok(Hardware {
            firmware: self.firmware,
            tpm: self.tpm,
            chipset: self.chipset,
            disk_bus: self.disk_bus,
            nic_model: self.nic_model,
            video: Video {
                model: self.video,
                memory_mib: self.video_memory,
                resolution: self.resolution,
            },
            sound: self.sound,
            clipboard: self.clipboard,
            seed: self.seed,
            clock: self.clock,
            hyperv: self.hyperv,
            topology: self.topology,
            cpu: cpu(self.cpu_model, &self.cpu_features)?,
            usb: self.usb,
            boot: self.boot,
        })
    }
}

/// A processor.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Cpu")]
struct CpuView {
    cpu_model: Option<String>,
    cpu_features: Vec<String>,
}

impl From<CpuModel> for CpuView {
    fn from(cpu: CpuModel) -> Self {
        match cpu {
            CpuModel::Host => Self { cpu_model: None, cpu_features: Vec::new() },
            CpuModel::Named { name, features } => Self {
                cpu_model: Some(name),
                cpu_features: features.iter().map(ToString::to_string).collect(),
            },
        }
    }
}

fn cpu(model: Option<String>, features: &[String]) -> Result<CpuModel> {
    let wrong = |field: &str| Error::bad_input("hardware-cpu-name").arg("field", field);
    let Some(name) = model else {
        return if features.is_empty() { Ok(CpuModel::Host) } else { Err(wrong("cpu_features")) };
    };
    if !is_cpu_word(&name) {
        return Err(wrong("cpu_model"));
    }
    let known = features.iter().map(|text| CpuFeature::parse(text)).collect::<Option<Vec<_>>>();
    let features = known.filter(|features| features.len() <= MOST_FEATURES);
    Ok(CpuModel::Named { name, features: features.ok_or_else(|| wrong("cpu_features"))? })
}

fn pool_cpu(app: &App, call: &mut Call, _: NoInput) -> Result<Data<CpuView>> {
    let template = app.templates.find(call.uuid("template_uuid")?)?;
    Ok(Data(app.templates.pool_cpu(&template)?.into()))
}

fn detail(app: &App, call: &mut Call, _: NoInput) -> Result<Data<TemplateHardware>> {
    let template = app.templates.find(call.uuid("template_uuid")?)?;
    let saved = app.templates.saved_hardware(&template)?;
    let image = template.base_image.map(|image| app.images.base_image(image)).transpose()?;
    let (boots, virtio) = image.map_or((None, None), |image| (image.boots, image.hints.virtio));
    let fitting = hardware::fitting_disk(&os_type::simple(&template.os_type), boots, virtio);
    Ok(Data(TemplateHardware {
        hardware: template.hardware.into(),
        saved: saved.into(),
        fitting: fitting.into(),
        boots,
        virtio,
    }))
}

fn change(app: &App, call: &mut Call, given: HardwareView) -> Result<SubmittedOperation> {
    let uuid = call.uuid("template_uuid")?;
    call.about(uuid);
    call.about(app.templates.find(uuid)?.name);
    let change = Change { hardware: Some(given.checked()?), ..Change::default() };
    app.templates.change(&call.actor, uuid, &change)
}
