//! The packages on fresh machines: a Debian that really boots, in a container with systemd, and the files and
//! scripts of the RPM. They need root.

#[path = "../support/mod.rs"]
mod support;

mod machine;
mod packages;
mod rpm;
mod story;
mod upgrade;
