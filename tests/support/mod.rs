//! What the whole-program tests share: the real binary on a temporary data directory, a client that
//! speaks its HTTP, assertions on JSON, waiting for conditions, and nodes of the lab.
//!
//! Every test crate (`tests/api`, `tests/lab`, `tests/faults`) includes this folder with
//! `#[path = "../support/mod.rs"] mod support;` and uses a part of it.
#![allow(dead_code, unused_imports)] // each crate uses only a part

mod authority;
mod client;
mod console;
mod documented;
mod expect;
mod lab;
mod log;
mod provider;
mod server;
mod site;
mod wait;

pub use authority::Authority;
pub use client::{Answer, Client, Part, Request};
pub use console::Console;
pub use documented::{assert_documented, documented_ids};
pub use expect::{assert_json, differences};
pub use lab::{LabNode, empty_image, guest_image};
pub use log::Log;
pub use provider::Provider;
pub use server::{ADMIN, PASSWORD, Server, Setup};
pub use site::{LARGE, Range, SMALL, Site, rows, uuid_of};
pub use wait::{wait_for, wait_until};
