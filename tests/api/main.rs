//! Tests of the HTTP API: the real binary, a real SQLite file, libvirt's own simulator.

#[path = "../support/mod.rs"]
mod support;

mod backup;
mod cli;
mod console;
mod contract;
mod desktop_groups;
mod desktops;
mod directory;
mod edu_groups;
mod guard;
mod harness;
mod images;
mod index;
mod login;
mod networks;
mod nodes;
mod pools;
mod presence;
mod provider;
mod query;
mod reconcile;
mod refused;
mod room;
mod second_factor;
mod setup;
mod templates;
mod tls;
