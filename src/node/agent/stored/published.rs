//! `<template>.current`: which layers desktops of a template get.

use std::collections::BTreeMap;
use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::hardware::StoredHardwareV2;
use super::layer::StoredLayerV1;
use super::{damaged, form, newer, parse};
use crate::error::{Context, Result};
use crate::node::protocol::{FirmwareState, Hardware, LayerRef, StateFile, TemplateLayers};

/// The newest. See [`super::domain`] for when the first is written.
const FORM: u32 = 2;
const FIRST: u32 = 1;

/// `version` is the template's.
#[derive(Serialize, Deserialize)]
struct StoredPublishedV2 {
    #[serde(flatten)]
    first: StoredPublishedV1,
    hardware: StoredHardwareV2,
    #[serde(default, skip_serializing_if = "StoredStateV2::is_empty")]
    state: StoredStateV2,
}

/// What firmware keeps, packed by zlib, in base64.
#[derive(Default, Serialize, Deserialize)]
struct StoredStateV2 {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nvram: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tpm: Option<String>,
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
            let StoredPublishedV2 { first, hardware, state } = parse(content, object)?;
            let (hardware, state) = (hardware.read(object)?, state.read(object)?);
            Ok(TemplateLayers { hardware, state, ..TemplateLayers::from(first) })
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
        let state = (&current.state).into();
        serde_json::to_vec_pretty(&StoredPublishedV2 { first, hardware, state })
    };
    text.context("write a published template")
}

impl StoredStateV2 {
    fn is_empty(&self) -> bool {
        self.nvram.is_none() && self.tpm.is_none()
    }

    /// # Errors
    /// `stored-damaged`
    fn read(self, object: &impl Display) -> Result<FirmwareState> {
        let file = |text: Option<String>| {
            let packed = text.map(|text| STANDARD.decode(text)).transpose();
            packed.map(|packed| packed.map(StateFile::of_packed))
        };
        let damaged = |cause| damaged(object).because(cause);
        Ok(FirmwareState {
            nvram: file(self.nvram).map_err(damaged)?,
            tpm: file(self.tpm).map_err(damaged)?,
        })
    }
}

impl From<&FirmwareState> for StoredStateV2 {
    fn from(FirmwareState { nvram, tpm }: &FirmwareState) -> Self {
        let text =
            |file: &Option<StateFile>| file.as_ref().map(|file| STANDARD.encode(file.packed()));
        Self { nvram: text(nvram), tpm: text(tpm) }
    }
}

impl From<StoredPublishedV1> for TemplateLayers {
    fn from(StoredPublishedV1 { form: _, version, disks }: StoredPublishedV1) -> Self {
        let disks = disks.into_iter().map(|(disk, layer)| (disk, LayerRef::from(layer)));
        let (hardware, state) = (Hardware::first(), FirmwareState::default());
        Self { version, disks: disks.collect(), hardware, state }
    }
}

impl From<&TemplateLayers> for StoredPublishedV1 {
    fn from(TemplateLayers { version, disks, hardware, state }: &TemplateLayers) -> Self {
        let disks = disks.iter().map(|(disk, layer)| (*disk, StoredLayerV1::from(layer)));
        let is_first = *hardware == Hardware::first() && *state == FirmwareState::default();
        let form = if is_first { FIRST } else { FORM };
        Self { form, version: *version, disks: disks.collect() }
    }
}
