//! Document 002, the desktop cloud: `/api/v1.0/…`.

mod all_desktops;
mod base_images;
mod consoles;
mod dialect;
mod edu_capacity;
mod edu_desktops;
mod edu_groups;
mod edu_instances;
mod first_starts;
mod group_limits;
mod guests;
mod image_upload;
mod index;
mod isos;
mod named;
mod networks;
mod node_view;
mod nodes;
mod pools;
mod resumable;
mod subnets;
mod switches;
mod template_bus_switch;
mod template_download;
mod template_hardware;
mod template_history;
mod template_input;
mod template_view;
mod templates;
mod upload_fields;
mod viewers;
mod viewing;

pub use dialect::{DIALECT, OWN};
pub use viewing::{Viewing, let_in};

use super::endpoint::Endpoint;

pub fn endpoints() -> Vec<Endpoint> {
    let parts = [
        index::endpoints(),
        pools::endpoints(),
        nodes::endpoints(),
        base_images::endpoints(),
        image_upload::endpoints(),
        isos::endpoints(),
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

/// What no document has: sockets, pictures and files, which are no `{code, msg, data}` when all is well, and what the
/// console needs beyond document 002.
pub fn own_endpoints() -> Vec<Endpoint> {
    let parts = [
        consoles::own_endpoints(),
        isos::own_endpoints(),
        vec![template_download::own_endpoint()],
        nodes::own_endpoints(),
        resumable::endpoints(),
        template_bus_switch::endpoints(),
        template_hardware::endpoints(),
        template_history::endpoints(),
        all_desktops::endpoints(),
        first_starts::endpoints(),
        group_limits::endpoints(),
        vec![guests::endpoint(), viewers::own_endpoint()],
    ];
    parts.into_iter().flatten().collect()
}
