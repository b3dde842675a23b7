//! Processors: what guests can have here, what several nodes can have in common, and whether one is possible here.

use std::ffi::{CStr, CString, c_char, c_uint};
use std::ptr;

use serde::Deserialize;
use virt::connect::Connect;
use virt::sys;

use super::errors::{Libvirt, is_connection_lost};
use super::{Hypervisor, Inner};
use crate::error::{Context, Error, Result};
use crate::node::protocol::{CpuFeature, CpuModel, CpuPolicy, DomainSpec};

const ARCH: &str = "x86_64";

impl Hypervisor {
    /// The processor that guests get here when nothing is said of it, in libvirt's XML.
    ///
    /// # Errors
    /// `cpu-untold`
    pub fn host_cpu(&self) -> Result<String> {
        let inner = &self.inner;
        let virt_type = inner.virt_type.get(&inner.link)?;
        let connect = inner.connect()?;
        let told = connect.domain_capabilities(None, Some(ARCH), None, Some(&virt_type), 0);
        host_model(&told.libvirt("ask for the processors of", "libvirt")?)?
            .ok_or_else(|| Error::conflict("cpu-untold"))
    }

    /// The largest processor that is in all of these, each as [`Hypervisor::host_cpu`] gives it.
    ///
    /// # Errors
    /// `cpu-untold`; libvirt's own where they have nothing in common.
    pub fn baseline_cpu(&self, cpus: &[String]) -> Result<CpuModel> {
        let inner = &self.inner;
        let virt_type = inner.virt_type.get(&inner.link)?;
        let common = baseline(&inner.connect()?, &virt_type, cpus)
            .libvirt("ask for what processors have in common of", "libvirt")?;
        model(&common)
    }
}

impl Inner {
    /// Under emulation processors are QEMU's own, whatever is asked for.
    ///
    /// # Errors
    /// `cpu-impossible-here`
    pub(super) fn require_cpu(&self, spec: &DomainSpec, virt_type: &str) -> Result<()> {
        let CpuModel::Named { name, features } = &spec.hardware.cpu else { return Ok(()) };
        if virt_type != "kvm" {
            return Ok(());
        }
        match fits(&self.connect()?, virt_type, name, features) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::conflict("cpu-impossible-here").arg("model", name)),
            // libvirt does not know a processor of that name.
            Err(cause) if !is_connection_lost(&cause) => {
                Err(Error::conflict("cpu-impossible-here").arg("model", name).because(cause))
            }
            lost => lost.libvirt("compare processors of", "libvirt").map(drop),
        }
    }
}

type Told<T> = std::result::Result<T, virt::error::Error>;

fn baseline(connect: &Connect, virt_type: &str, cpus: &[String]) -> Told<String> {
    let (arch, virt_type) = (CString::new(ARCH)?, CString::new(virt_type)?);
    let cpus = cpus
        .iter()
        .map(|cpu| CString::new(cpu.as_str()))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let mut pointers: Vec<*const c_char> = cpus.iter().map(|cpu| cpu.as_ptr()).collect();
    let count = c_uint::try_from(pointers.len()).unwrap_or(c_uint::MAX);
    // SAFETY: all texts live until the call is over; the list has `count` of them.
    let answer = unsafe {
        sys::virConnectBaselineHypervisorCPU(
            connect.as_ptr(),
            ptr::null(),
            arch.as_ptr(),
            ptr::null(),
            virt_type.as_ptr(),
            pointers.as_mut_ptr(),
            count,
            sys::VIR_CONNECT_BASELINE_CPU_MIGRATABLE,
        )
    };
    if answer.is_null() {
        return Err(virt::error::Error::last_error());
    }
    // SAFETY: libvirt gave a C string, which is ours to free, once.
    let text = unsafe {
        let text = CStr::from_ptr(answer).to_string_lossy().into_owned();
        libc::free(answer.cast());
        text
    };
    Ok(text)
}

fn fits(connect: &Connect, virt_type: &str, name: &str, features: &[CpuFeature]) -> Told<bool> {
    let (arch, virt_type) = (CString::new(ARCH)?, CString::new(virt_type)?);
    let cpu = CString::new(wanted(name, None, features))?;
    // SAFETY: all texts live until the call is over.
    let answer = unsafe {
        sys::virConnectCompareHypervisorCPU(
            connect.as_ptr(),
            ptr::null(),
            arch.as_ptr(),
            ptr::null(),
            virt_type.as_ptr(),
            cpu.as_ptr(),
            0,
        )
    };
    match answer {
        answer if answer < 0 => Err(virt::error::Error::last_error()),
        answer => Ok(answer != sys::VIR_CPU_COMPARE_INCOMPATIBLE),
    }
}

#[derive(Deserialize)]
struct Cpu {
    #[serde(default)]
    model: Vec<Text>,
    vendor: Option<Text>,
    #[serde(default)]
    feature: Vec<Feature>,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "$text", default)]
    text: String,
}

#[derive(Deserialize)]
struct Feature {
    #[serde(rename = "@name")]
    name: String,
    #[serde(rename = "@policy")]
    policy: Option<String>,
}

impl Cpu {
    fn named(self) -> Option<CpuModel> {
        let name = self.model.into_iter().next()?.text;
        let feature = |Feature { name, policy }: Feature| {
            let policy = match policy.as_deref() {
                Some("disable" | "forbid") => CpuPolicy::Disable,
                _ => CpuPolicy::Require,
            };
            CpuFeature { name, policy }
        };
        Some(CpuModel::Named { name, features: self.feature.into_iter().map(feature).collect() })
    }
}

/// What stands in `<mode name='host-model' supported='yes'>` of the capabilities.
fn host_model(capabilities: &str) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Capabilities {
        cpu: Option<Modes>,
    }
    #[derive(Deserialize)]
    struct Modes {
        #[serde(default)]
        mode: Vec<Mode>,
    }
    #[derive(Deserialize)]
    struct Mode {
        #[serde(rename = "@name")]
        name: String,
        #[serde(rename = "@supported")]
        supported: String,
        #[serde(default)]
        model: Vec<Text>,
        vendor: Option<Text>,
        #[serde(default)]
        feature: Vec<Feature>,
    }
    let Capabilities { cpu } =
        quick_xml::de::from_str(capabilities).context("read libvirt's domain capabilities")?;
    let mut modes = cpu.into_iter().flat_map(|modes| modes.mode);
    let host = modes.find(|mode| mode.name == "host-model" && mode.supported == "yes");
    let cpu = host.map(|Mode { model, vendor, feature, .. }| Cpu { model, vendor, feature });
    let vendor = cpu.as_ref().and_then(|cpu| cpu.vendor.as_ref()).map(|vendor| vendor.text.clone());
    Ok(cpu.and_then(Cpu::named).and_then(|model| match model {
        CpuModel::Named { name, features } => Some(wanted(&name, vendor.as_deref(), &features)),
        CpuModel::Host => None,
    }))
}

fn model(cpu: &str) -> Result<CpuModel> {
    let cpu: Cpu = quick_xml::de::from_str(cpu).context("read a processor")?;
    cpu.named().ok_or_else(|| Error::conflict("cpu-untold"))
}

/// libvirt's names are letters, digits, `-`, `_` and `.`.
fn wanted(name: &str, vendor: Option<&str>, features: &[CpuFeature]) -> String {
    let feature = |CpuFeature { name, policy }: &CpuFeature| {
        format!("<feature policy=\"{}\" name=\"{name}\"/>", policy.word())
    };
    let features: String = features.iter().map(feature).collect();
    let vendor = vendor.map(|vendor| format!("<vendor>{vendor}</vendor>")).unwrap_or_default();
    format!("<cpu mode=\"custom\" match=\"exact\"><model>{name}</model>{vendor}{features}</cpu>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_read_out_of_what_libvirt_tells() {
        let told = "<domainCapabilities><path>/q</path><cpu><mode name='host-passthrough' supported='yes'/>\
             <mode name='host-model' supported='yes'><model fallback='forbid'>EPYC</model><vendor>AMD</vendor>\
             <feature policy='require' name='aes'/><feature policy='disable' name='svm'/></mode>\
             <mode name='custom' supported='yes'><model usable='yes'>qemu64</model><model>kvm64</model></mode>\
             </cpu><memoryBacking/></domainCapabilities>";
        let cpu = host_model(told).unwrap().unwrap();
        assert!(cpu.contains("<model>EPYC</model><vendor>AMD</vendor><feature policy=\"require\""));
        let feature = |name: &str, policy| CpuFeature { name: name.to_owned(), policy };
        let features = vec![feature("aes", CpuPolicy::Require), feature("svm", CpuPolicy::Disable)];
        let named = CpuModel::Named { name: "EPYC".to_owned(), features };
        assert_eq!(model(&cpu).unwrap(), named);
        let without = told.replace("'host-model' supported='yes'", "'host-model' supported='no'");
        assert_eq!(host_model(&without).unwrap(), None);
        assert_eq!(model("<cpu/>").unwrap_err().key(), "cpu-untold");
    }
}
