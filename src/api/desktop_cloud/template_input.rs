//! What clients send about templates, and how it is read.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::api::{input, time};
use crate::desktops::templates::{
    Change, Classify, CopyTemplate, DiskChange, MEMORY_LIMIT_GIB, NewDisk, NewSystem, NewTemplate,
    Place, SIZE_LIMIT, VCPU_LIMIT,
};
use crate::error::{Error, Result};
use crate::images::os_type;

const GIB: u64 = 1 << 30;

#[derive(Debug, Deserialize, JsonSchema)]
pub struct CreateInput {
    pub name: String,
    #[serde(default, deserialize_with = "input::optional_text")]
    desc: Option<String>,
    /// As people write it: win7, Windows 7 bit 64, …
    os_type: String,
    /// 1 education, 2 personal
    #[serde(deserialize_with = "input::integer")]
    classify: i64,
    pool_uuid: Uuid,
    network_uuid: Uuid,
    subnet_uuid: Uuid,
    /// The system chooses one when it is left out.
    #[serde(default, deserialize_with = "optional_address")]
    bind_ip: Option<Ipv4Addr>,
    #[serde(deserialize_with = "input::integer")]
    vcpu: i64,
    /// GB
    #[serde(deserialize_with = "input::number")]
    ram: f64,
    system_disk: SystemDisk,
    /// Instead of `system_disk.image_id`: the system disk is empty, and the machine boots from this ISO, to be installed.
    #[serde(default)]
    iso_uuid: Option<Uuid>,
    #[serde(default)]
    data_disks: Vec<DataDisk>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct SystemDisk {
    /// Uuid of the base image, unless there is an `iso_uuid`.
    #[serde(default)]
    image_id: Option<Uuid>,
    /// GB
    #[serde(deserialize_with = "input::number")]
    size: f64,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DataDisk {
    /// Order among the data disks.
    #[serde(default, deserialize_with = "input::optional_integer")]
    inx: Option<i64>,
    /// Another name of `inx`.
    #[serde(default, deserialize_with = "input::optional_integer")]
    boot_index: Option<i64>,
    /// GB
    #[serde(deserialize_with = "input::number")]
    size: f64,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct CopyInput {
    template_uuid: Uuid,
    pub name: String,
    #[serde(default, deserialize_with = "input::optional_text")]
    desc: Option<String>,
    pool_uuid: Uuid,
    network_uuid: Uuid,
    subnet_uuid: Uuid,
    #[serde(default, deserialize_with = "optional_address")]
    bind_ip: Option<Ipv4Addr>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct SaveInput {
    pub name: String,
    pub uuid: Uuid,
    /// Save then instead of now; replaces a time set before.
    #[serde(default, deserialize_with = "input::optional_text")]
    run_date: Option<String>,
    /// What was changed, for the history.
    #[serde(default, deserialize_with = "input::optional_text")]
    note: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct UpdateInput {
    pub uuid: Uuid,
    pub name: String,
    pub value: UpdateValue,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct UpdateValue {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    desc: Option<String>,
    #[serde(default)]
    network_uuid: Option<Uuid>,
    #[serde(default)]
    subnet_uuid: Option<Uuid>,
    /// Empty: the system chooses one.
    #[serde(default)]
    bind_ip: Option<String>,
    #[serde(default, deserialize_with = "input::optional_integer")]
    vcpu: Option<i64>,
    /// GB
    #[serde(default, deserialize_with = "input::optional_number")]
    ram: Option<f64>,
    #[serde(default)]
    devices: Vec<Device>,
}

/// A disk that exists (`uuid`), or one to be added (`inx`).
#[derive(Debug, Deserialize, JsonSchema)]
struct Device {
    #[serde(default)]
    uuid: Option<Uuid>,
    #[serde(default, deserialize_with = "input::optional_integer")]
    inx: Option<i64>,
    /// Another name of `inx`.
    #[serde(default, deserialize_with = "input::optional_integer")]
    boot_index: Option<i64>,
    /// GB; disks only grow.
    #[serde(deserialize_with = "input::number")]
    size: f64,
}

impl CreateInput {
    pub fn checked(self) -> Result<NewTemplate> {
        let place = Place {
            pool: self.pool_uuid,
            network: self.network_uuid,
            subnet: self.subnet_uuid,
            address: self.bind_ip,
        };
        let disk = |disk: DataDisk| {
            let index =
                disk.inx.or(disk.boot_index).ok_or_else(|| input::missing("data_disks.inx"))?;
            Ok(NewDisk { index, size: bytes("data_disks.size", disk.size)? })
        };
        let system = match (self.system_disk.image_id, self.iso_uuid) {
            (Some(image), None) => NewSystem::Image(image),
            (None, Some(iso)) => NewSystem::Iso(iso),
            (None, None) => return Err(input::missing("system_disk.image_id")),
            (Some(_), Some(_)) => {
                return Err(Error::bad_input("image-and-iso").arg("field", "iso_uuid"));
            }
        };
        Ok(NewTemplate {
            name: input::name("name", &self.name)?,
            desc: input::text("desc", &self.desc.unwrap_or_default())?,
            os_type: os_type::documented(&input::name("os_type", &self.os_type)?),
            classify: Classify::parse(self.classify)?,
            place,
            vcpu: vcpu(self.vcpu)?,
            memory_mib: mebibytes(self.ram)?,
            hardware: None,
            system,
            system_size: bytes("system_disk.size", self.system_disk.size)?,
            data_disks: self.data_disks.into_iter().map(disk).collect::<Result<_>>()?,
        })
    }
}

impl CopyInput {
    pub fn checked(self) -> Result<CopyTemplate> {
        Ok(CopyTemplate {
            source: self.template_uuid,
            name: input::name("name", &self.name)?,
            desc: input::text("desc", &self.desc.unwrap_or_default())?,
            place: Place {
                pool: self.pool_uuid,
                network: self.network_uuid,
                subnet: self.subnet_uuid,
                address: self.bind_ip,
            },
        })
    }
}

impl SaveInput {
    pub fn time(&self) -> Result<Option<i64>> {
        self.run_date.as_deref().map(|text| time::parse("run_date", text)).transpose()
    }

    pub fn note(&self) -> Result<String> {
        input::text("note", self.note.as_deref().unwrap_or_default())
    }
}

impl UpdateValue {
    pub fn checked(self) -> Result<Change> {
        let subnet = match (self.network_uuid, self.subnet_uuid) {
            (Some(network), Some(subnet)) => Some((network, subnet)),
            (None, None) => None,
            (None, Some(_)) => return Err(input::missing("value.network_uuid")),
            (Some(_), None) => return Err(input::missing("value.subnet_uuid")),
        };
        let address = self.bind_ip.map(|text| match text.trim() {
            "" => Ok(None),
            text => address("value.bind_ip", text).map(Some),
        });
        let disks = self.devices.into_iter().map(|device| {
            let size = bytes("devices.size", device.size)?;
            match (device.uuid, device.inx.or(device.boot_index)) {
                (Some(disk), _) => Ok(DiskChange::Size { disk, size }),
                (None, Some(index)) => Ok(DiskChange::Add { index, size }),
                (None, None) => Err(input::missing("value.devices.inx")),
            }
        });
        Ok(Change {
            name: self.name.map(|name| input::name("name", &name)).transpose()?,
            desc: self.desc.map(|desc| input::text("desc", &desc)).transpose()?,
            subnet,
            address: address.transpose()?,
            vcpu: self.vcpu.map(vcpu).transpose()?,
            memory_mib: self.ram.map(mebibytes).transpose()?,
            hardware: None,
            disks: disks.collect::<Result<_>>()?,
        })
    }
}

/// GB to bytes, whole MiB.
fn bytes(field: &'static str, gigabytes: f64) -> Result<u64> {
    if !(gigabytes > 0.0 && gigabytes <= (SIZE_LIMIT / GIB) as f64) {
        return Err(Error::bad_input("disk-size-out-of-range")
            .arg("field", field)
            .arg("limit", SIZE_LIMIT / GIB));
    }
    Ok(((gigabytes * 1024.0).round() as u64) * (GIB / 1024))
}

/// GB to MiB.
fn mebibytes(gigabytes: f64) -> Result<u64> {
    if !(gigabytes > 0.0 && gigabytes <= f64::from(MEMORY_LIMIT_GIB)) {
        let error = Error::bad_input("memory-out-of-range").arg("field", "ram");
        return Err(error.arg("value", gigabytes).arg("limit", MEMORY_LIMIT_GIB));
    }
    Ok((gigabytes * 1024.0).round() as u64)
}

fn vcpu(count: i64) -> Result<u32> {
    u32::try_from(count).map_err(|_| {
        let error = Error::bad_input("vcpu-out-of-range").arg("field", "vcpu");
        error.arg("limit", VCPU_LIMIT)
    })
}

fn address(field: &'static str, text: &str) -> Result<Ipv4Addr> {
    text.parse().map_err(|cause: std::net::AddrParseError| {
        let error = Error::bad_input("address-malformed").arg("field", field);
        error.arg("value", text).because(cause)
    })
}

/// An address, where null and empty mean "not given".
fn optional_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Ipv4Addr>, D::Error> {
    let text = input::optional_text(deserializer)?;
    let wrong = || serde::de::Error::custom("expected an IPv4 address such as 172.16.1.20");
    text.map(|text| text.parse().map_err(|_| wrong())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_update_is_read() {
        let given: UpdateInput = serde_json::from_value(serde_json::json!({
            "uuid": "27aef634-6daa-11ea-81c5-000c29e84b9c",
            "name": "old",
            "value": {
                "name": "template", "desc": "", "bind_ip": "", "ram": "2", "vcpu": 2,
                "devices": [
                    {"uuid": "27aef7ce-6daa-11ea-81c5-000c29e84b9c", "type": "system",
                     "device_name": "vda", "boot_index": 0, "inx": 0, "size": 150},
                    {"inx": 0, "size": 50}
                ]
            }
        }))
        .expect("read");
        let change = given.value.checked().expect("check");
        assert_eq!(change.memory_mib, Some(2048));
        assert_eq!(change.address, Some(None));
        assert!(matches!(change.disks[0], DiskChange::Size { size, .. } if size == 150 * GIB));
        assert!(matches!(change.disks[1], DiskChange::Add { index: 0, size } if size == 50 * GIB));
    }

    #[test]
    fn sizes_that_are_none_are_refused() {
        for size in [0.0, -1.0, f64::INFINITY, 1e300] {
            assert!(bytes("size", size).is_err(), "{size}");
        }
        assert_eq!(mebibytes(0.125).expect("read"), 128);
    }
}
