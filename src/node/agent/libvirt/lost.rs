//! Sets domains aside that a restored database does not know.

use uuid::Uuid;
use virt::sys;

use super::errors::Libvirt;
use super::{Hypervisor, Inner, batch, remove, tpm};
use crate::error::{Error, Fault, Result};
use crate::node::agent::call::Call;

impl Hypervisor {
    /// Switches domains off and undefines them; their disks and definitions go to the storages' `lost` folders. An
    /// absent domain counts as undefined.
    ///
    /// # Errors
    /// Of the first that was not set aside; the others are.
    pub fn set_aside(&self, at: i64, domains: &[Uuid], call: &Call) -> Result<()> {
        let inner = &self.inner;
        let each = |uuid: &Uuid| inner.set_aside(at, *uuid);
        let results = batch::run(domains, batch::width(), call, |uuid| *uuid, each);
        let refused: Option<Fault> = results.into_iter().find_map(|item| item.result.err());
        refused.map_or(Ok(()), |fault| Err(Error::from(fault)))
    }
}

impl Inner {
    /// The definition is written beside the disks first: after a kill the files alone are left to be moved.
    fn set_aside(&self, at: i64, uuid: Uuid) -> Result<()> {
        let _off = self.switching_off.set(&[uuid]);
        let _claim = self.claims.hold(uuid);
        if let Some((domain, metadata)) = self.find_domain(uuid)? {
            let name = &metadata.spec.owner.name;
            self.destroy(&domain, name)?;
            let xml = domain
                .xml_desc(sys::VIR_DOMAIN_XML_INACTIVE)
                .libvirt("read the definition of", name)?;
            self.disks.keep_definition(at, uuid, &without_metadata(&xml))?;
            if metadata.spec.hardware.tpm
                && !self.link.is_simulator()
                && let Some(content) = tpm::read(uuid)?
            {
                // libvirt removes it with the definition.
                self.disks.keep_tpm(uuid, &content)?;
            }
            remove::undefine(&domain, name)?;
        }
        self.disks.forget_run(uuid)?;
        self.disks.set_aside_overlays(at, uuid)
    }
}

/// Defined again with Carrel's mark, it would again be a domain of Carrel that no row knows.
fn without_metadata(xml: &str) -> String {
    const END: &str = "</metadata>";
    match (xml.find("<metadata>"), xml.find(END)) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{}", xml[..from].trim_end(), &xml[to + END.len()..])
        }
        _ => xml.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_metadata;

    #[test]
    fn the_mark_is_cut_out() {
        let xml =
            "<domain>\n  <metadata>\n    <a>1</a>\n  </metadata>\n  <name>n</name>\n</domain>";
        assert_eq!(without_metadata(xml), "<domain>\n  <name>n</name>\n</domain>");
        assert_eq!(without_metadata("<domain/>"), "<domain/>");
    }
}
