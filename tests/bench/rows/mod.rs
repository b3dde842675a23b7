//! One file per row of the table.

pub mod answer;
pub mod clones;
pub mod console;
pub mod lanes;
pub mod memory;
pub mod pages;
pub mod start;
pub mod waiting;
