//! What happens when a desktop's system disk begins as its template's, at its first start and after each restore: the clock
//! is set, the host name where its group asks for one, and the template's script runs, all by the agent in the guest.
//!
//! ```text
//!   start.rs  what it is                   asks.rs   what people ask of it
//!   names.rs  host names by a pattern      steps.rs  what comes next, by what is written
//!   sights.rs what is heard of desktops
//!   engine.rs who is to be asked when      round.rs  asks the guests of one node, and writes what they said
//! ```

pub mod asks;
mod engine;
pub mod names;
mod round;
pub mod sights;
pub mod start;
pub mod steps;
