//! `<template>.current`: which layers desktops of a template get.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::hardware::StoredHardwareV2;
use super::layer::StoredLayerV1;
use super::{form, newer, parse};
use crate::error::{Context, Result};
use crate::node::protocol::{Hardware, LayerRef, TemplateLayers};

/// The newest. See [`super::domain`] for when the first is written.
const FORM: u32 = 2;
const FIRST: u32 = 1;

/// `version` is the template's.
#[derive(Serialize, Deserialize)]
struct StoredPublishedV2 {
    #[serde(flatten)]
    first: StoredPublishedV1,
    hardware: StoredHardwareV2,
}

#[derive(Serialize, Deserialize)]
struct StoredPublishedV1 {
    #[serde(default = "super::first")]
    form: u32,
    version: u32,
    disks: BTreeMap<Uuid, StoredLayerV1>,
}

/// # Errors
/// `stored-damaged`, `stored-newer`.
pub fn read_published(content: &str, object: &impl Display) -> Result<TemplateLayers> {
    match form(content, object)? {
        FIRST => parse::<StoredPublishedV1>(content, object).map(TemplateLayers::from),
        FORM => {
            let StoredPublishedV2 { first, hardware } = parse(content, object)?;
            Ok(TemplateLayers { hardware: hardware.read(object)?, ..TemplateLayers::from(first) })
        }
        other => Err(newer(object, other, FORM)),
    }
}

/// # Errors
/// A defect.
pub fn write_published(current: &TemplateLayers) -> Result<Vec<u8>> {
    let first = StoredPublishedV1::from(current);
    let text = if first.form == FIRST {
        serde_json::to_vec_pretty(&first)
    } else {
        let hardware = (&current.hardware).into();
        serde_json::to_vec_pretty(&StoredPublishedV2 { first, hardware })
    };
    text.context("write a published template")
}

impl From<StoredPublishedV1> for TemplateLayers {
    fn from(StoredPublishedV1 { form: _, version, disks }: StoredPublishedV1) -> Self {
        let disks = disks.into_iter().map(|(disk, layer)| (disk, LayerRef::from(layer)));
        Self { version, disks: disks.collect(), hardware: Hardware::first() }
    }
}

impl From<&TemplateLayers> for StoredPublishedV1 {
    fn from(TemplateLayers { version, disks, hardware }: &TemplateLayers) -> Self {
        let disks = disks.iter().map(|(disk, layer)| (*disk, StoredLayerV1::from(layer)));
        let form = if *hardware == Hardware::first() { FIRST } else { FORM };
        Self { form, version: *version, disks: disks.collect() }
    }
}
