//! Words of the wire: unions that several rows share. Each is a component of that name in the OpenAPI document
//! and a type of the console, which is made from it.
//!
//! `#[schemars(with = "words::NodeStatus")]` says it of a field that holds such a word.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::node::protocol;
use crate::{desktops, identity, inventory, networks, operations, store};

macro_rules! words {
    ($($(#[doc = $doc:literal])* $name:ident = $all:expr;)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug)]
            pub struct $name;

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    let words: Vec<&str> = $all.iter().map(|one| one.word()).collect();
                    let about = [$($doc.trim(),)*].join("\n");
                    json_schema!({"description": about, "type": "string", "enum": words})
                }
            }
        )*

        /// Their names as components.
        pub const NAMES: &[&str] = &[$(stringify!($name),)*];
    };
}

words! {
    /// One right.
    Permission = identity::Permission::ALL;
    /// What news are about.
    Topic = store::Topic::ALL;
    /// How far an operation is, or a node's part of it.
    OperationState = operations::State::ALL;
    /// What the progress of an operation counts; none: only its percentage means something.
    OperationUnit = operations::Unit::ALL;
    /// How a node is; error: libvirt does not answer; shutdown: the node does not answer.
    NodeStatus = inventory::NodeStatus::ALL;
    /// How a switch reaches the world.
    SwitchType = networks::SwitchKind::ALL;
    /// What a machine does.
    Power = desktops::templates::Power::ALL;
    /// Which firmware a disk starts with.
    Boots = protocol::Boots::ALL;
    /// Between a machine and its disks.
    DiskBus = protocol::DiskBus::ALL;
    /// How far a machine is on its way to another disk bus.
    BusSwitchPhase = desktops::templates::BusSwitchPhase::ALL;
    /// Whether viewers may show a machine's screens by SPICE; usb: with USB devices.
    Spice = protocol::Spice::ALL;
    /// How a desktop's first start went.
    FirstStartState = desktops::Outcome::ALL;
    /// How a desktop is.
    DesktopStatus = desktops::SeatStatus::ALL;
    /// What is being done to a desktop or group as a whole.
    Stage = desktops::Stage::ALL;
    /// Who checks a password.
    UserSource = identity::Source::ALL;
    /// What a registered account waits for.
    Awaits = identity::Awaits::ALL;
    /// A column of a list of users.
    ImportColumn = identity::ImportColumn::ALL;
}
