//! What Carrel keeps in a domain's own metadata: nothing else is kept on a node.
//!
//! Two elements. One, written with the definition, holds the spec as JSON and the same in attributes that people can
//! read. The other lives only while the domain runs and says since when.

use serde::Deserialize;
use uuid::Uuid;
use virt::domain::Domain;
use virt::error::ErrorNumber;
use virt::sys;

use super::errors::optional;
use crate::error::{Context, Error, Result};
use crate::node::agent::stored;
use crate::node::protocol::DomainSpec;

pub const SPEC_NAMESPACE: &str = "urn:carrel:domain:1";
const RUN_NAMESPACE: &str = "urn:carrel:run:1";
const RUN_PREFIX: &str = "carrelrun";

/// Which of a domain's two definitions: what runs, or what starts next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What runs, or the stored one when it is off.
    Current,
    Stored,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    pub spec: DomainSpec,
    /// The template version that the disks with restore stand on.
    pub version: Option<u32>,
    /// Never started: what it keeps is empty yet, and may be made again when a loss of power swallowed it.
    pub fresh: bool,
    /// Unix seconds of the first start of a system disk that is kept; `None` also for what an older release started.
    pub life: Option<i64>,
    /// QEMU's name of its machine type, with its number; `None` for what a release wrote that did not fix it.
    pub machine_type: Option<String>,
    pub fingerprint: String,
}

/// Carrel's mark in a domain, whether or not this release can read what it says.
pub struct Marked {
    /// `None` when not even that can be read.
    pub installation: Option<Uuid>,
    /// The error is `stored-damaged` or `stored-newer`: the domain is to be left as it is.
    pub metadata: Result<Metadata>,
}

#[derive(Deserialize)]
struct SpecElement {
    #[serde(rename = "@installation")]
    installation: Option<Uuid>,
    #[serde(rename = "@version")]
    version: Option<u32>,
    #[serde(rename = "@fresh")]
    fresh: Option<String>,
    #[serde(rename = "@life")]
    life: Option<i64>,
    #[serde(rename = "@machine")]
    machine_type: Option<String>,
    #[serde(rename = "@fingerprint", default)]
    fingerprint: String,
    #[serde(rename = "$text", default)]
    spec: String,
}

#[derive(Deserialize)]
struct RunElement {
    #[serde(rename = "@started")]
    started: i64,
}

/// `None` for a domain that is not Carrel's.
///
/// # Errors
/// When libvirt does not give the metadata.
pub fn read(domain: &Domain, which: Which) -> Result<Option<Marked>> {
    let flags = match which {
        Which::Current => sys::VIR_DOMAIN_AFFECT_CURRENT,
        Which::Stored => sys::VIR_DOMAIN_AFFECT_CONFIG,
    };
    let Some(xml) = element(domain, SPEC_NAMESPACE, flags)? else { return Ok(None) };
    let object = domain.name().unwrap_or_default();
    Ok(Some(parse(&xml, &object)))
}

/// `object`: the domain's name, for people.
fn parse(xml: &str, object: &str) -> Marked {
    match quick_xml::de::from_str(xml) {
        Ok(SpecElement { installation, version, fresh, life, machine_type, fingerprint, spec }) => {
            let (spec, fresh) = (stored::read_spec(&spec, &object), fresh.is_some());
            let with = |spec| Metadata { spec, version, fresh, life, machine_type, fingerprint };
            let metadata = spec.map(with);
            Marked { installation, metadata }
        }
        Err(cause) => {
            let error: Error = stored::damaged(&object).because(cause);
            Marked { installation: None, metadata: Err(error) }
        }
    }
}

/// Unix seconds of the start of a running domain, if it was written down.
pub fn read_started(domain: &Domain) -> Result<Option<i64>> {
    let Some(xml) = element(domain, RUN_NAMESPACE, sys::VIR_DOMAIN_AFFECT_LIVE)? else {
        return Ok(None);
    };
    let RunElement { started } =
        quick_xml::de::from_str(&xml).context("read a domain's run metadata")?;
    Ok(Some(started))
}

/// Writes down since when a domain runs. It is forgotten when the domain stops.
pub fn write_started(domain: &Domain, at: i64) -> std::result::Result<(), virt::error::Error> {
    domain.set_metadata(
        sys::VIR_DOMAIN_METADATA_ELEMENT as i32,
        Some(&format!("<run started=\"{at}\"/>")),
        Some(RUN_PREFIX),
        Some(RUN_NAMESPACE),
        sys::VIR_DOMAIN_AFFECT_LIVE,
    )
}

fn element(
    domain: &Domain,
    namespace: &str,
    flags: sys::virDomainModificationImpact,
) -> Result<Option<String>> {
    let kind = sys::VIR_DOMAIN_METADATA_ELEMENT as i32;
    match domain.metadata(kind, Some(namespace), flags) {
        // It went off in between: what lives only while it runs is gone.
        Err(cause)
            if flags == sys::VIR_DOMAIN_AFFECT_LIVE
                && cause.code().is(ErrorNumber::OperationInvalid) =>
        {
            Ok(None)
        }
        found => optional(found, ErrorNumber::NoDomainMetadata, "read the metadata of", "a domain"),
    }
}
