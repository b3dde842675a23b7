//! Templates: the machines that desktops are made like.
//!
//! ```text
//!   base image ◄─ version 1 ◄─ version 2 ◄─ … ◄─ the template's own working disk
//!                                  ▲
//!                                  └── overlays of desktops
//! ```
//!
//! Saving freezes the working disks as the next version's layers and publishes them on the node; desktops
//! get them at their next restore. When a chain has become long it is copied into one layer that stands
//! alone; old layers stay until nothing stands on them.

pub mod store;
mod template;

pub use template::{
    Classify, Power, Template, TemplateDisk, TemplateState, device_name, parse_role, role_word,
};
