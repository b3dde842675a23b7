//! One file per row of the table.

pub mod answer;
pub mod clones;
pub mod memory;
pub mod pages;
pub mod start;
