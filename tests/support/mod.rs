//! What the whole-program tests share: the real binary on a temporary data directory, a client that
//! speaks its HTTP, assertions on JSON, waiting for conditions, and nodes of the lab.
//!
//! Every test crate (`tests/api`, `tests/lab`, `tests/faults`) includes this folder with
//! `#[path = "../support/mod.rs"] mod support;` and uses a part of it.
#![allow(dead_code, unused_imports)] // each crate uses only a part

mod agent;
mod authority;
mod client;
mod console;
mod controller;
mod desktop;
mod documented;
mod expect;
mod foreign;
mod from;
mod lab;
mod log;
mod mail;
mod provider;
mod proxy;
mod server;
mod site;
mod small_disk;
mod tus;
mod wait;

pub use agent::Agent;
pub use authority::Authority;
pub use client::{Answer, Client, Part, Request};
pub use console::Console;
pub use desktop::DebianDesktop;
pub use documented::{assert_documented, documented_ids};
pub use expect::{assert_json, differences};
pub use foreign::{Guestfish, ova, windows_disk};
pub use from::{connect, post_from, post_with};
pub use lab::{
    LabNode, debian_desktop, empty_image, guest_image, guest_iso, hardware_image, installer_iso,
};
pub use log::Log;
pub use mail::{Letter, MailServer};
pub use provider::Provider;
pub use proxy::Proxy;
pub use server::{ADMIN, PASSWORD, Server, Setup};
pub use site::{ISOS, LARGE, Range, SMALL, Site, iso, rows, small_image, uuid_of};
pub use small_disk::{SmallDisk, unmount};
pub use tus::{UPLOADS, Upload, create_iso, metadata, tus};
pub use wait::{wait_for, wait_until};
