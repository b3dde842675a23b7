//! Tests of the HTTP API: the real binary, a real SQLite file, libvirt's own simulator.

#[path = "../support/mod.rs"]
mod support;

mod cli;
mod contract;
mod harness;
mod login;
mod setup;
