//! Templates, desktop groups, desktops, who gets which.

pub mod spec;
pub mod templates;
