//! Document 002, the desktop cloud: `/api/v1.0/…`.

mod base_images;
mod edu_groups;
mod image_upload;
mod index;
mod named;

use super::endpoint::Endpoint;

pub fn endpoints() -> Vec<Endpoint> {
    [index::endpoints(), base_images::endpoints(), edu_groups::endpoints()]
        .into_iter()
        .flatten()
        .collect()
}
