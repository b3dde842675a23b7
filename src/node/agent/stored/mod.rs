//! What is kept on a node, in forms of its own: what crosses the wire and what the controller thinks in may change
//! from release to release, but what an earlier release wrote down is read as long as there are nodes with it.
//!
//! ```text
//!   domain.rs     the spec in a domain's metadata          network.rs   the spec in a network's metadata
//!   published.rs  `<template>.current` beside the layers   layer.rs     how all of them name a layer
//!   config.rs     what the controller told last         hardware.rs  the hardware of a domain
//! ```
//!
//! Each says its form by a number, `form`; the first release wrote none, which is form 1. A field that older agents
//! may overlook is added without a new number: they skip what they do not know. A field that they must
//! not overlook needs the next number, and they then leave the whole thing alone (`stored-newer`). The folder
//! `tests/golden` has what each release wrote.
//!
//! Nothing else on a node has a form that could change: disks are qcow2, whose storage it is says the name of a
//! folder, and what was set aside in `lost` is libvirt's own definition, which nobody reads back.

mod config;
mod domain;
mod hardware;
mod layer;
mod network;
mod published;

use std::fmt::Display;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

pub use config::{read_config, write_config};
pub use domain::{read_spec, write_spec};
pub use network::{read_network, write_network};
pub use published::{read_published, write_published};

/// Key of the error for what a newer release wrote: to be left as it is.
pub const NEWER: &str = "stored-newer";

#[derive(Deserialize)]
struct Form {
    #[serde(default = "first")]
    form: u32,
}

const fn first() -> u32 {
    1
}

/// Which form it is. `object` names the thing for people.
fn form(content: &str, object: &impl Display) -> Result<u32> {
    parse::<Form>(content, object).map(|Form { form }| form)
}

fn parse<T: DeserializeOwned>(content: &str, object: &impl Display) -> Result<T> {
    serde_json::from_str(content).map_err(|cause| damaged(object).because(cause))
}

/// What cannot be read at all.
pub fn damaged(object: &impl Display) -> Error {
    Error::conflict("stored-damaged").arg("object", object)
}

fn newer(object: &impl Display, form: u32, known: u32) -> Error {
    Error::conflict(NEWER).arg("object", object).arg("form", form).arg("known", known)
}

#[cfg(test)]
mod tests;
