//! How the controller and its nodes are.

pub mod doctor;
