//! One's own API keys. The document knows eight permissions; others that a key was given elsewhere stay.

use std::collections::BTreeMap;

use rocket::http::RawStr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::current::GroupView;
use super::{Flags, MODULE, fields, flags, utc};
use crate::api::App;
use crate::api::answer::{Created, Data, NoContent};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, patch, post};
use crate::api::input::NoInput;
use crate::error::{Error, Result};
use crate::identity::{ApiKey, NewApiKey, Permission, Permissions};

const PATH: &str = "/api/account/keys";
const ONE: &str = "/api/account/keys/{key_id}";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("virtool.keys.list", PATH, list).signed_in().summary("One's own API keys"),
        post("virtool.keys.create", PATH, create)
            .in_person()
            .audited(MODULE, "log-key-create")
            .summary(
                "Make an API key with some of one's permissions; it is shown in this answer only",
            ),
        delete("virtool.keys.purge", PATH, purge)
            .in_person()
            .audited(MODULE, "log-key-purge")
            .summary("Delete all API keys of one's own"),
        get("virtool.keys.get", ONE, read).signed_in().summary("An API key of one's own"),
        patch("virtool.keys.update", ONE, edit)
            .in_person()
            .audited(MODULE, "log-key-edit")
            .summary("Give or take permissions of an API key of one's own; what is left out stays"),
        delete("virtool.keys.delete", ONE, remove)
            .in_person()
            .audited(MODULE, "log-key-delete")
            .summary("Delete an API key of one's own"),
    ]
}

/// An API key, without what signs in with it.
#[derive(Debug, Serialize, JsonSchema)]
struct KeyView {
    created_at: String,
    /// The owner's when it was made.
    groups: Vec<GroupView>,
    id: String,
    name: String,
    /// What it can do now: no more than its owner.
    permissions: Flags,
}

impl KeyView {
    fn of(key: ApiKey) -> Result<Self> {
        Ok(Self {
            created_at: utc(key.created_at)?,
            groups: key.groups.into_iter().map(|(id, name)| GroupView { id, name }).collect(),
            id: key.id,
            name: key.name,
            permissions: flags(&key.permissions),
        })
    }
}

/// A new key. `key` is never shown again.
#[derive(Debug, Serialize, JsonSchema)]
struct NewKeyView {
    #[serde(flatten)]
    view: KeyView,
    key: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CreateInput {
    #[serde(deserialize_with = "fields::needed_text")]
    name: String,
    #[serde(default, deserialize_with = "fields::flags")]
    permissions: Option<BTreeMap<String, bool>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    #[serde(default, deserialize_with = "fields::flags")]
    permissions: Option<BTreeMap<String, bool>>,
}

fn list(app: &App, call: &mut Call, _: NoInput) -> Result<Data<Vec<KeyView>>> {
    let keys = app.identity.keys_of(call.caller()?.user_id)?;
    Ok(Data(keys.into_iter().map(KeyView::of).collect::<Result<_>>()?))
}

fn read(app: &App, call: &mut Call, _: NoInput) -> Result<Data<KeyView>> {
    KeyView::of(app.identity.key(call.caller()?, call.param("key_id")?)?).map(Data)
}

fn create(app: &App, call: &mut Call, input: CreateInput) -> Result<Created<NewKeyView>> {
    call.about(&input.name);
    let permissions = merged(Permissions::new(), &input.permissions.unwrap_or_default());
    let new = NewApiKey { name: input.name, permissions, expires_at: None };
    let (key, token) = app.identity.add_key(call.caller()?, &new).map_err(invalid)?;
    call.about(&key.id);
    let place = format!("{PATH}/{}", RawStr::new(&key.id).percent_encode());
    Ok(Created(place, NewKeyView { view: KeyView::of(key)?, key: token.text().to_owned() }))
}

fn edit(app: &App, call: &mut Call, input: EditInput) -> Result<Data<KeyView>> {
    let id = call.param("key_id")?.to_owned();
    call.about(&id);
    let key = app.identity.key(call.caller()?, &id)?;
    let granted = merged(key.granted, &input.permissions.unwrap_or_default());
    KeyView::of(app.identity.change_key(call.caller()?, &id, &granted).map_err(invalid)?).map(Data)
}

fn remove(app: &App, call: &mut Call, _: NoInput) -> Result<NoContent> {
    let id = call.param("key_id")?.to_owned();
    call.about(&id);
    app.identity.delete_key(call.caller()?, &id)?;
    Ok(NoContent)
}

fn purge(app: &App, call: &mut Call, _: NoInput) -> Result<NoContent> {
    call.about(call.caller()?.name.clone());
    app.identity.purge_keys(call.caller()?)?;
    Ok(NoContent)
}

/// What a key has after permissions were given and taken by the document's names.
fn merged(mut permissions: Permissions, given: &BTreeMap<String, bool>) -> Permissions {
    for (permission, name) in Permission::ALL.iter().filter_map(|p| Some((p, p.document_001()?))) {
        match given.get(name) {
            Some(true) => permissions.insert(*permission),
            Some(false) => permissions.remove(permission),
            None => false,
        };
    }
    permissions
}

/// A permission that the owner has not is wrong input in this document, which knows no 403 here.
fn invalid(error: Error) -> Error {
    if error.key() != "grant-beyond-own" {
        return error;
    }
    let word = error.args().find(|(name, _)| *name == "permission").map_or("", |(_, word)| word);
    let name = Permission::parse(word).and_then(Permission::document_001).unwrap_or(word);
    let refused = Error::bad_input("grant-beyond-own").arg("permission", name);
    refused.arg("field", format!("permissions.{name}")).because(error)
}
