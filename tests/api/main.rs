//! Tests of the HTTP API: the real binary, a real SQLite file, libvirt's own simulator.

#[path = "../support/mod.rs"]
mod support;

mod backup;
mod cli;
mod contract;
mod guard;
mod harness;
mod login;
mod setup;
mod tls;
