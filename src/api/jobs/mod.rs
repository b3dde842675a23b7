//! Document 003, jobs on nodes: none of its operations is served yet, and what says so speaks its form.

mod dialect;

pub use dialect::DIALECT;
