//! Whether QEMU on this node has SPICE: distributions put it into a package of its own, or leave it out.

use serde::Deserialize;

use super::Inner;
use super::errors::Libvirt;
use crate::error::{Context, Error, Result};
use crate::node::protocol::{DomainSpec, Spice};

#[derive(Deserialize)]
struct Capabilities {
    devices: Devices,
}

#[derive(Deserialize)]
struct Devices {
    graphics: Graphics,
}

#[derive(Deserialize)]
struct Graphics {
    #[serde(default, rename = "enum")]
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(rename = "@name")]
    name: String,
    #[serde(default)]
    value: Vec<String>,
}

impl Inner {
    /// # Errors
    /// `spice-missing` when the machine is to have SPICE and QEMU here has none.
    pub(super) fn require_spice(&self, spec: &DomainSpec) -> Result<()> {
        match spec.spice == Spice::Off || self.has_spice()? {
            true => Ok(()),
            false => Err(Error::conflict("spice-missing")),
        }
    }

    pub(super) fn has_spice(&self) -> Result<bool> {
        let virt_type = self.virt_type.get(&self.link)?;
        let text = self
            .connect()?
            .domain_capabilities(None, Some("x86_64"), None, Some(&virt_type), 0)
            .libvirt("ask for the capabilities of", "QEMU")?;
        knows_spice(&text)
    }
}

fn knows_spice(capabilities: &str) -> Result<bool> {
    let Capabilities { devices } =
        quick_xml::de::from_str(capabilities).context("read QEMU's capabilities")?;
    let types = devices.graphics.choices.iter().filter(|choice| choice.name == "type");
    Ok(types.flat_map(|choice| &choice.value).any(|value| value == "spice"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spice_is_one_of_the_screens_that_qemu_has() {
        let text = |types: &str| {
            format!(
                "<domainCapabilities><path>/usr/bin/qemu-system-x86_64</path><devices>\
                 <graphics supported='yes'><enum name='type'>{types}</enum></graphics>\
                 <video supported='yes'><enum name='modelType'><value>qxl</value></enum></video>\
                 </devices></domainCapabilities>"
            )
        };
        let vnc = "<value>sdl</value><value>vnc</value>";
        assert!(!knows_spice(&text(vnc)).unwrap());
        assert!(knows_spice(&text(&format!("{vnc}<value>spice</value>"))).unwrap());
        assert!(!knows_spice(&text("")).unwrap());
    }
}
