//! Document 002, the desktop cloud: `/api/v1.0/…`.

mod index;

use super::endpoint::Endpoint;

pub fn endpoints() -> Vec<Endpoint> {
    [index::endpoints()].into_iter().flatten().collect()
}
