//! Tests of the HTTP API: the real binary, a real SQLite file, libvirt's own simulator.

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod backup;
mod cli;
mod console;
mod contract;
mod desktop_groups;
mod desktops;
mod edu_groups;
mod guard;
mod harness;
mod images;
mod index;
mod login;
mod networks;
mod nodes;
mod pools;
mod query;
mod reconcile;
mod refused;
mod room;
mod setup;
mod templates;
mod tls;
