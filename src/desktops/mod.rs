//! Templates, education groups, desktop groups, desktops, and who gets which.

mod education;
mod group;
mod seat;
pub mod spec;
mod spread;
mod store;
pub mod templates;

pub use education::{EducationGroup, EducationGroupChange, NewEducationGroup};
pub use group::{Counts, DesktopGroup, GroupDisk, GroupKind, Stage};
pub use seat::{Desktop, SeatStatus};

use crate::store::Store;

/// The desktops of this installation and what they are made of. Cheap to clone.
#[derive(Clone)]
pub struct Desktops {
    store: Store,
}

impl Desktops {
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}
