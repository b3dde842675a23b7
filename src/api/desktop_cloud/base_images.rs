//! 基础镜像: base images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::named;
use crate::api::answer::{Data, Done};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post, put};
use crate::api::input::NoInput;
use crate::api::input::{List, Listed};
use crate::api::listing::listed;
use crate::api::{App, input, time, words};
use crate::error::{Error, Fault, Result};
use crate::identity::Permission;
use crate::images::{CopyLine, CopyState, Image, ImageLine, ImageState, os_type};
use crate::node::protocol::Boots;
use crate::operations::{BatchSubmission, SubmittedOperation};
use crate::store::list::Page;

pub const PATH: &str = "/api/v1.0/resource_mgr/resource_pools/{resource_pool_uuid}/base_images";
const ONE: &str =
    "/api/v1.0/resource_mgr/resource_pools/{resource_pool_uuid}/base_images/{base_image_uuid}";
const RESYNC: &str = "/api/v1.0/resource_mgr/resource_pools/{resource_pool_uuid}/base_images/{base_image_uuid}/resync";
pub const MODULE: &str = "images";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("vdi.base-images.list", PATH, list)
            .needs(Permission::ImagesView)
            .summary("The base images of a pool, with their copies on the nodes"),
        delete("vdi.base-images.delete", PATH, remove)
            .needs(Permission::ImagesManage)
            .audited(MODULE, "log-image-delete")
            .summary("Delete base images that no template uses"),
        get("vdi.base-images.detail", ONE, detail)
            .needs(Permission::ImagesView)
            .summary("One base image"),
        put("vdi.base-images.edit", ONE, edit)
            .needs(Permission::ImagesManage)
            .audited(MODULE, "log-image-edit")
            .summary("Change name and operating system of a base image"),
        post("vdi.base-images.resync", RESYNC, resync)
            .needs(Permission::ImagesManage)
            .audited(MODULE, "log-image-resync")
            .summary("Verify a node's copy of a base image and copy it again when it is not whole"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    os_type: Option<Listed<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DeleteInput {
    uuids: Vec<Uuid>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    name: String,
    os_type: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ResyncInput {
    node_uuid: Uuid,
}

/// A base image.
#[derive(Debug, Serialize, JsonSchema)]
struct ImageView {
    id: i64,
    uuid: Uuid,
    name: String,
    os_type: String,
    /// winxp, win7, win10, linux, …
    os_type_simple: String,
    /// Of the file as it was uploaded.
    md5_sum: String,
    sha256_sum: String,
    /// On the first node that has it.
    path: String,
    /// GB on disk, as text with two digits.
    size: String,
    /// Bytes on disk.
    size_bytes: u64,
    /// GB that a guest sees.
    virtual_size: f64,
    /// Which firmware it starts with; null where that is unknown.
    #[schemars(with = "Option<words::Boots>")]
    boots: Option<Boots>,
    /// Processors of the machine that it was taken from; null where it does not say.
    vcpu: Option<u32>,
    /// GB of memory of that machine.
    ram: Option<f64>,
    /// Whether the Windows on it has a driver for virtio disks; null for other systems, and where that was not looked for.
    virtio: Option<bool>,
    /// Nodes that shall have it.
    count: usize,
    /// Nodes that have it.
    publish_count: usize,
    /// 0 good, 1 on its way, 2 faulty.
    status: u8,
    /// The same under another name, which some clients read.
    image_status: u8,
    /// Why the status is not 0.
    reason: Option<String>,
    /// Uuid of its pool.
    resource_pool: Uuid,
    detail: Vec<CopyView>,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    updated_at: Option<String>,
}

/// An image on a node.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CopyView {
    host_name: String,
    ipaddr: String,
    host_uuid: Uuid,
    /// 0 to 100.
    progress: u8,
    /// 0 good, 1 on its way, 2 faulty.
    status: u8,
    reason: Option<String>,
    path: String,
}

/// Bytes as GB with two digits.
pub fn gigabytes(bytes: u64) -> f64 {
    (bytes as f64 / f64::from(1 << 30) * 100.0).round() / 100.0
}

const GOOD: u8 = 0;
const UNDER_WAY: u8 = 1;
const FAULTY: u8 = 2;

/// Number of a copy's state on the wire, and why it is not good.
pub fn copy_status(app: &App, call: &Call, state: &CopyState) -> (u8, Option<String>) {
    match state {
        CopyState::Ready => (GOOD, None),
        CopyState::Copying(_) => {
            (UNDER_WAY, Some(app.language.text(call.language, "image-copy-under-way", &[])))
        }
        CopyState::Failed(fault) => (FAULTY, Some(sentence(app, call, fault))),
    }
}

fn sentence(app: &App, call: &Call, fault: &Fault) -> String {
    app.language.error(call.language, &Error::from(fault.clone()))
}

impl CopyView {
    pub fn of(app: &App, call: &Call, line: CopyLine) -> Self {
        let (status, reason) = copy_status(app, call, &line.copy.state);
        Self {
            host_name: line.node_name,
            ipaddr: line.node_ip,
            host_uuid: line.node_uuid,
            progress: line.copy.state.progress(),
            status,
            reason,
            path: line.copy.path,
        }
    }
}

/// Number of an image's state on the wire, that of its worst copy once it is made, and why it is not good.
pub fn status(app: &App, call: &Call, image: &Image, copies: &[CopyView]) -> (u8, Option<String>) {
    let word = |key| Some(app.language.text(call.language, key, &[]));
    let worst = copies.iter().max_by_key(|copy| copy.status);
    match image.state {
        ImageState::Checking => (UNDER_WAY, word("image-checking")),
        ImageState::Deleting => (UNDER_WAY, word("image-deleting")),
        ImageState::Ready => worst.map_or((FAULTY, word("image-without-copy")), |copy| {
            let on = copy.reason.as_ref().map(|reason| format!("{}: {reason}", copy.host_name));
            (copy.status, on)
        }),
    }
}

/// Where its file is, on the first node that has it.
pub fn path_of(copies: &[CopyView]) -> String {
    let path = copies.iter().map(|copy| copy.path.as_str()).find(|path| !path.is_empty());
    path.unwrap_or_default().to_owned()
}

fn view(app: &App, call: &Call, pool: Uuid, line: ImageLine) -> ImageView {
    let ImageLine { image, copies } = line;
    let ready = copies.iter().filter(|line| line.copy.state == CopyState::Ready).count();
    let detail: Vec<CopyView> =
        copies.into_iter().map(|line| CopyView::of(app, call, line)).collect();
    let (status, reason) = status(app, call, &image, &detail);
    ImageView {
        id: image.id,
        uuid: image.uuid,
        os_type_simple: os_type::simple(&image.os_type),
        name: image.name,
        os_type: image.os_type,
        md5_sum: image.md5,
        sha256_sum: image.sha256,
        path: path_of(&detail),
        size: format!("{:.2}", gigabytes(image.disk_size)),
        size_bytes: image.disk_size,
        virtual_size: gigabytes(image.virtual_size),
        boots: image.boots,
        vcpu: image.hints.vcpu,
        ram: image.hints.memory_mib.map(|memory| memory as f64 / 1024.0),
        virtio: image.hints.virtio,
        count: detail.len(),
        publish_count: ready,
        status,
        image_status: status,
        reason,
        resource_pool: pool,
        detail,
        deleted: 0,
        deleted_at: None,
        created_at: time::text(image.created_at),
        updated_at: time::optional(image.updated_at),
    }
}

fn list(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<ImageView>> {
    let pool = call.uuid("resource_pool_uuid")?;
    listed(named::os_query(call)?, |query| {
        Ok(app.images.list(pool, query)?.map(|line| view(app, call, pool, line)))
    })
}

fn detail(app: &App, call: &mut Call, _: NoInput) -> Result<Data<ImageView>> {
    let (pool, image) = (call.uuid("resource_pool_uuid")?, call.uuid("base_image_uuid")?);
    let line = app.images.line(pool, image)?;
    Ok(Data(view(app, call, pool, line)))
}

fn edit(app: &App, call: &mut Call, given: EditInput) -> Result<Done> {
    call.about(given.name.clone());
    let (pool, image) = (call.uuid("resource_pool_uuid")?, call.uuid("base_image_uuid")?);
    let name = input::name("name", &given.name)?;
    let os_type = os_type::documented(&input::name("os_type", &given.os_type)?);
    app.images.edit(pool, image, &name, &os_type)?;
    Ok(Done)
}

fn remove(app: &App, call: &mut Call, given: DeleteInput) -> Result<BatchSubmission> {
    let names = app.images.names(&given.uuids)?;
    call.about(names.join(", "));
    app.images.delete(&call.actor, call.uuid("resource_pool_uuid")?, &given.uuids)
}

fn resync(app: &App, call: &mut Call, given: ResyncInput) -> Result<SubmittedOperation> {
    let (pool, image) = (call.uuid("resource_pool_uuid")?, call.uuid("base_image_uuid")?);
    call.about(image.to_string());
    let (name, operation) = app.images.resync(&call.actor, pool, image, given.node_uuid)?;
    call.about(name);
    Ok(operation)
}
