//! Document 002, the desktop cloud: `/api/v1.0/…`.

mod base_images;
mod consoles;
mod edu_desktops;
mod edu_groups;
mod edu_instances;
mod image_upload;
mod index;
mod named;
mod template_download;
mod template_input;
mod template_view;
mod templates;

use super::endpoint::Endpoint;

pub fn endpoints() -> Vec<Endpoint> {
    [
        index::endpoints(),
        base_images::endpoints(),
        edu_groups::endpoints(),
        templates::endpoints(),
        edu_desktops::endpoints(),
        edu_instances::endpoints(),
        consoles::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
