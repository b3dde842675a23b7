//! Document 002, the desktop cloud: `/api/v1.0/…`.

mod edu_groups;
mod index;
mod named;

use super::endpoint::Endpoint;

pub fn endpoints() -> Vec<Endpoint> {
    [index::endpoints(), edu_groups::endpoints()].into_iter().flatten().collect()
}
