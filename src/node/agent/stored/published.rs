//! `<template>.current`: which layers desktops of a template get.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::layer::StoredLayerV1;
use super::{form, newer, parse};
use crate::error::{Context, Result};
use crate::node::protocol::{LayerRef, TemplateLayers};

const FORM: u32 = 1;

/// `version` is the template's.
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
        FORM => parse::<StoredPublishedV1>(content, object).map(TemplateLayers::from),
        other => Err(newer(object, other, FORM)),
    }
}

/// # Errors
/// A defect.
pub fn write_published(current: &TemplateLayers) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(&StoredPublishedV1::from(current))
        .context("write a published template")
}

impl From<StoredPublishedV1> for TemplateLayers {
    fn from(StoredPublishedV1 { form: _, version, disks }: StoredPublishedV1) -> Self {
        let disks = disks.into_iter().map(|(disk, layer)| (disk, LayerRef::from(layer)));
        Self { version, disks: disks.collect() }
    }
}

impl From<&TemplateLayers> for StoredPublishedV1 {
    fn from(TemplateLayers { version, disks }: &TemplateLayers) -> Self {
        let disks = disks.iter().map(|(disk, layer)| (*disk, StoredLayerV1::from(layer)));
        Self { form: FORM, version: *version, disks: disks.collect() }
    }
}
