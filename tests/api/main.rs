//! Tests of the HTTP API: the real binary, a real SQLite file, libvirt's own simulator.

#[path = "../support/mod.rs"]
mod support;

mod account;
mod agent;
mod analysis_accounts;
mod audit;
mod backup;
mod cli;
mod console;
mod contract;
mod desktop_groups;
mod desktops;
mod directory;
mod edu_groups;
mod full_disk;
mod guard;
mod harness;
mod images;
mod index;
mod lockout;
mod login;
mod matrix;
mod networks;
mod news;
mod nodes;
mod ops_users;
mod origin;
mod people;
mod pools;
mod presence;
mod provider;
mod query;
mod reconcile;
mod refused;
mod register;
mod room;
mod save;
mod scopes;
mod second_factor;
mod setup;
mod templates;
mod three_nodes;
mod tls;
mod transfers;
mod undo;
