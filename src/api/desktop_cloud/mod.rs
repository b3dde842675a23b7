//! Document 002, the desktop cloud: `/api/v1.0/…`.

mod base_images;
mod consoles;
mod dialect;
mod edu_desktops;
mod edu_groups;
mod edu_instances;
mod image_upload;
mod index;
mod named;
mod networks;
mod node_view;
mod nodes;
mod pools;
mod subnets;
mod switches;
mod template_download;
mod template_input;
mod template_view;
mod templates;

pub use dialect::{DIALECT, OWN};

use super::endpoint::Endpoint;

pub fn endpoints() -> Vec<Endpoint> {
    let parts = [
        index::endpoints(),
        pools::endpoints(),
        nodes::endpoints(),
        base_images::endpoints(),
        vec![image_upload::endpoint()],
        networks::endpoints(),
        subnets::endpoints(),
        switches::endpoints(),
        edu_groups::endpoints(),
        templates::endpoints(),
        vec![template_download::endpoint()],
        edu_desktops::endpoints(),
        edu_instances::endpoints(),
        consoles::endpoints(),
    ];
    parts.into_iter().flatten().collect()
}

/// Sockets, pictures and files, which no document has: they are no `{code, msg, data}` when all is well.
pub fn own_endpoints() -> Vec<Endpoint> {
    let mut endpoints = consoles::own_endpoints();
    endpoints.push(template_download::own_endpoint());
    endpoints
}
