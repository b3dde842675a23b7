//! ISO库: the library of ISOs.

use std::sync::Arc;

use rocket::Request;
use rocket::data::Data as Body;
use rocket::futures::future::BoxFuture;
use rocket::http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::base_images::{CopyView, gigabytes, path_of, status};
use super::named;
use crate::api::answer::{Data, Done};
use crate::api::call::Call;
use crate::api::download::{Wanted, answer};
use crate::api::endpoint::{Endpoint, Streamed, delete, get, post, put, streaming};
use crate::api::input::{List, Listed, NoInput};
use crate::api::listing::listed;
use crate::api::work::blocking;
use crate::api::{App, input, time};
use crate::error::Result;
use crate::identity::Permission;
use crate::images::{ImageLine, IsoEdit, IsoType, os_type};
use crate::operations::BatchSubmission;
use crate::store::list::Page;

pub const PATH: &str = "/api/v1.0/resource_mgr/isos";
const ONE: &str = "/api/v1.0/resource_mgr/isos/{iso_uuid}";
const TICKET: &str = "/api/v1.0/isos/{iso_uuid}/download";
const FILE: &str = "/api/v1.0/downloads/isos/{ticket}";
pub const MODULE: &str = "isos";
const MEDIA: &str = "application/octet-stream";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("vdi.isos.list", PATH, list)
            .needs(Permission::ImagesView)
            .summary("The library of ISOs, with their copies on the nodes"),
        put("vdi.isos.edit", ONE, edit)
            .needs(Permission::ImagesManage)
            .audited(MODULE, "log-iso-edit")
            .summary("Change what is said of an ISO; what is left out stays"),
        streaming(Method::Get, "vdi.isos.download", ONE, download)
            .needs(Permission::ImagesView)
            .sends(MEDIA)
            .summary("Download an ISO, whole or a range of it"),
        delete("vdi.isos.delete", PATH, remove)
            .needs(Permission::ImagesManage)
            .audited(MODULE, "log-iso-delete")
            .summary("Delete ISOs that are in no drive"),
    ]
}

/// For browsers, which send no credentials with what they download by themselves.
pub fn own_endpoints() -> Vec<Endpoint> {
    vec![
        post("carrel.isos.download", TICKET, issue)
            .needs(Permission::ImagesView)
            .audited(MODULE, "log-iso-download")
            .summary("Get a URL that downloads an ISO once"),
        streaming(Method::Get, "carrel.isos.download-file", FILE, file)
            .public()
            .sends(MEDIA)
            .summary("The file behind a download URL: an ISO"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    os_type: Option<Listed<String>>,
    /// 1 software, 2 tools, 3 operating system
    r#type: Option<Listed<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    desc: Option<String>,
    #[serde(default)]
    os_type: Option<String>,
    /// 1 software, 2 tools, 3 operating system
    #[serde(default, alias = "iso_type", deserialize_with = "input::optional_integer")]
    r#type: Option<i64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DeleteInput {
    uuids: Vec<Uuid>,
}

/// An image of a CD or DVD.
#[derive(Debug, Serialize, JsonSchema)]
struct IsoView {
    id: i64,
    uuid: Uuid,
    name: String,
    desc: String,
    /// 1 software, 2 tools, 3 operating system
    r#type: u8,
    os_type: String,
    /// winxp, win7, win10, linux, …
    os_type_simple: String,
    md5_sum: String,
    sha256_sum: String,
    /// On the first node that has it.
    path: String,
    /// GB
    size: f64,
    size_bytes: u64,
    /// 0 good, 1 on its way, 2 faulty.
    status: u8,
    /// Why the status is not 0.
    reason: Option<String>,
    detail: Vec<CopyView>,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    updated_at: Option<String>,
}

/// Where to fetch the file.
#[derive(Debug, Serialize, JsonSchema)]
struct IsoDownloadView {
    /// Good for one download within an hour, which may break and go on (`Range`); needs no other credential.
    url: String,
}

fn view(app: &App, call: &Call, line: ImageLine) -> IsoView {
    let ImageLine { image, copies } = line;
    let detail: Vec<CopyView> =
        copies.into_iter().map(|line| CopyView::of(app, call, line)).collect();
    let (status, reason) = status(app, call, &image, &detail);
    IsoView {
        id: image.id,
        uuid: image.uuid,
        os_type_simple: os_type::simple(&image.os_type),
        r#type: image.kind.iso_type().map_or(0, IsoType::number),
        name: image.name,
        desc: image.desc,
        os_type: image.os_type,
        md5_sum: image.md5,
        sha256_sum: image.sha256,
        path: path_of(&detail),
        size: gigabytes(image.disk_size),
        size_bytes: image.disk_size,
        status,
        reason,
        detail,
        deleted: 0,
        deleted_at: None,
        created_at: time::text(image.created_at),
        updated_at: time::optional(image.updated_at),
    }
}

fn list(app: &App, call: &mut Call, _: List<Filters>) -> Result<Page<IsoView>> {
    listed(named::os_query(call)?, |query| {
        Ok(app.images.list_isos(&query)?.map(|line| view(app, call, line)))
    })
}

fn edit(app: &App, call: &mut Call, given: EditInput) -> Result<Done> {
    let uuid = call.uuid("iso_uuid")?;
    call.about(given.name.clone().unwrap_or_else(|| uuid.to_string()));
    let edit = IsoEdit {
        name: given.name.map(|name| input::name("name", &name)).transpose()?,
        desc: given.desc.map(|desc| input::text("desc", &desc)).transpose()?,
        os_type: given
            .os_type
            .map(|text| input::name("os_type", &text).map(|name| os_type::documented(&name)))
            .transpose()?,
        of: given.r#type.map(IsoType::parse).transpose()?,
    };
    let name = app.images.edit_iso(uuid, edit)?;
    call.about(name);
    Ok(Done)
}

fn remove(app: &App, call: &mut Call, given: DeleteInput) -> Result<BatchSubmission> {
    let names = app.images.names(&given.uuids)?;
    call.about(names.join(", "));
    app.images.delete_isos(&call.actor, &given.uuids)
}

fn issue(app: &App, call: &mut Call, _: NoInput) -> Result<Data<IsoDownloadView>> {
    let uuid = call.uuid("iso_uuid")?;
    call.about(uuid.to_string());
    let (name, ticket) = app.images.issue_download(uuid)?;
    call.about(name);
    Ok(Data(IsoDownloadView { url: call.origin.url(&FILE.replace("{ticket}", &ticket)) }))
}

fn download<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    _: Body<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    let wanted = Wanted::of(request);
    Box::pin(async move {
        let (images, iso) = (app.images.clone(), call.uuid("iso_uuid")?);
        answer(blocking(move || images.download(iso)).await?, wanted).await
    })
}

fn file<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    _: Body<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    let wanted = Wanted::of(request);
    Box::pin(async move {
        let (images, ticket) = (app.images.clone(), call.param("ticket")?.to_owned());
        answer(blocking(move || images.redeem(&ticket)).await?, wanted).await
    })
}
