//! The hardware, the CD drives and the limits of a domain, since form 2 of its spec.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::damaged;
use super::layer::StoredLayerV1;
use crate::error::Result;
use crate::node::protocol::{
    BootDevice, CdSpec, Chipset, Clock, CpuFeature, CpuModel, DiskBus, Firmware, Hardware,
    LayerRef, Limits, NicModel, Sound, Topology, UsbController, Video, VideoModel,
};

#[derive(Serialize, Deserialize)]
pub(super) struct StoredHardwareV2 {
    firmware: String,
    tpm: bool,
    chipset: String,
    disk_bus: String,
    nic_model: String,
    video: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    video_memory_mib: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolution: Option<(u32, u32)>,
    sound: String,
    /// Since the clipboard; machines of before have none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    clipboard: bool,
    /// Since there is one; machines of before have none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    seed: bool,
    clock: String,
    hyperv: bool,
    topology: String,
    /// Without: as much as the node's own has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu: Option<String>,
    /// Such as `+aes` and `-hle`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cpu_features: Vec<String>,
    usb: String,
    boot: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredCdV2 {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iso: Option<StoredLayerV1>,
}

/// 0 is none.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StoredLimitsV2 {
    disk_mb: u32,
    disk_iops: u32,
    receive_mbit: u32,
    send_mbit: u32,
}

impl StoredHardwareV2 {
    /// # Errors
    /// `stored-damaged` for a word that no release wrote.
    pub fn read(self, object: &impl Display) -> Result<Hardware> {
        let unknown = || damaged(object);
        let boot = self.boot.iter().map(|word| BootDevice::parse(word));
        Ok(Hardware {
            firmware: Firmware::parse(&self.firmware).ok_or_else(unknown)?,
            tpm: self.tpm,
            chipset: Chipset::parse(&self.chipset).ok_or_else(unknown)?,
            disk_bus: DiskBus::parse(&self.disk_bus).ok_or_else(unknown)?,
            nic_model: NicModel::parse(&self.nic_model).ok_or_else(unknown)?,
            video: Video {
                model: VideoModel::parse(&self.video).ok_or_else(unknown)?,
                memory_mib: self.video_memory_mib,
                resolution: self.resolution,
            },
            sound: Sound::parse(&self.sound).ok_or_else(unknown)?,
            clipboard: self.clipboard,
            seed: self.seed,
            clock: Clock::parse(&self.clock).ok_or_else(unknown)?,
            hyperv: self.hyperv,
            topology: Topology::parse(&self.topology).ok_or_else(unknown)?,
            cpu: match self.cpu {
                None => CpuModel::Host,
                Some(name) => {
                    let features = self.cpu_features.iter().map(|text| CpuFeature::parse(text));
                    let features = features.collect::<Option<_>>().ok_or_else(unknown)?;
                    CpuModel::Named { name, features }
                }
            },
            usb: UsbController::parse(&self.usb).ok_or_else(unknown)?,
            boot: boot.collect::<Option<_>>().ok_or_else(unknown)?,
        })
    }
}

impl From<&Hardware> for StoredHardwareV2 {
    fn from(hardware: &Hardware) -> Self {
        let Hardware {
            firmware,
            tpm,
            chipset,
            disk_bus,
            nic_model,
            video,
            sound,
            clipboard,
            seed,
            clock,
            hyperv,
            topology,
            cpu,
            usb,
            boot,
        } = hardware;
        let Video { model, memory_mib, resolution } = video;
        Self {
            firmware: firmware.word().to_owned(),
            tpm: *tpm,
            chipset: chipset.word().to_owned(),
            disk_bus: disk_bus.word().to_owned(),
            nic_model: nic_model.word().to_owned(),
            video: model.word().to_owned(),
            video_memory_mib: *memory_mib,
            resolution: *resolution,
            sound: sound.word().to_owned(),
            clipboard: *clipboard,
            seed: *seed,
            clock: clock.word().to_owned(),
            hyperv: *hyperv,
            topology: topology.word().to_owned(),
            cpu: match cpu {
                CpuModel::Host => None,
                CpuModel::Named { name, .. } => Some(name.clone()),
            },
            cpu_features: match cpu {
                CpuModel::Host => Vec::new(),
                CpuModel::Named { features, .. } => {
                    features.iter().map(ToString::to_string).collect()
                }
            },
            usb: usb.word().to_owned(),
            boot: boot.iter().map(|device| device.word().to_owned()).collect(),
        }
    }
}

impl From<StoredCdV2> for CdSpec {
    fn from(StoredCdV2 { iso }: StoredCdV2) -> Self {
        Self { iso: iso.map(LayerRef::from) }
    }
}

impl From<&CdSpec> for StoredCdV2 {
    fn from(CdSpec { iso }: &CdSpec) -> Self {
        Self { iso: iso.as_ref().map(StoredLayerV1::from) }
    }
}

impl From<StoredLimitsV2> for Limits {
    fn from(stored: StoredLimitsV2) -> Self {
        let StoredLimitsV2 { disk_mb, disk_iops, receive_mbit, send_mbit } = stored;
        Self { disk_mb, disk_iops, receive_mbit, send_mbit }
    }
}

impl From<Limits> for StoredLimitsV2 {
    fn from(limits: Limits) -> Self {
        let Limits { disk_mb, disk_iops, receive_mbit, send_mbit } = limits;
        Self { disk_mb, disk_iops, receive_mbit, send_mbit }
    }
}
