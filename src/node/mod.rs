//! What runs on a node: the protocol, the links that carry it, and the agent that does the work.

pub mod agent;
pub mod cancel;
pub mod client;
pub mod iso;
pub mod link;
pub mod local;
pub mod names;
pub mod protocol;
pub mod stream;
pub mod units;
pub mod watchdog;

#[cfg(test)]
mod tests;
