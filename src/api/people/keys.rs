//! API keys: one's own, and everybody's for who watches over them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MODULE, permission_words, permissions};
use crate::api::answer::{Data, Done};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post, put};
use crate::api::input::NoInput;
use crate::api::input::{Listed, Paged};
use crate::api::listing::listed;
use crate::api::{App, time, words};
use crate::error::Result;
use crate::identity::{ApiKey, NewApiKey, Permission};
use crate::store::UserId;
use crate::store::list::Page;

const ALL: &str = "/api/v1.0/identity/key";
const OWN: &str = "/api/v1.0/identity/own/key";
const OWN_ONE: &str = "/api/v1.0/identity/own/key/{key_id}";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.own-keys.list", OWN, list_own).signed_in().summary("One's own API keys"),
        post("carrel.own-keys.create", OWN, create)
            .in_person()
            .audited(MODULE, "log-key-create")
            .summary(
                "Make an API key with some of one's permissions; it is shown in this answer only",
            ),
        put("carrel.own-keys.edit", OWN_ONE, edit)
            .in_person()
            .audited(MODULE, "log-key-edit")
            .summary("Give an API key of one's own other permissions"),
        delete("carrel.own-keys.delete", OWN_ONE, remove_own)
            .in_person()
            .audited(MODULE, "log-key-delete")
            .summary("Delete an API key of one's own"),
        get("carrel.keys.list", ALL, list)
            .needs(Permission::UsersView)
            .summary("API keys of all users"),
        delete("carrel.keys.delete", "/api/v1.0/identity/key/{key_id}", revoke)
            .needs(Permission::UsersManage)
            .audited(MODULE, "log-key-delete")
            .summary("Delete a user's API key"),
    ]
}

/// An API key, without what signs in with it.
#[derive(Debug, Serialize, JsonSchema)]
struct KeyView {
    id: String,
    name: String,
    user_id: UserId,
    user_name: String,
    /// What it was made for.
    #[schemars(with = "Vec<words::Permission>")]
    granted: Vec<&'static str>,
    /// What it can do now: no more than its owner.
    #[schemars(with = "Vec<words::Permission>")]
    permissions: Vec<&'static str>,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    last_used_ip: Option<String>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            user_id: key.user_id,
            user_name: key.user_name,
            granted: permission_words(&key.granted),
            permissions: permission_words(&key.permissions),
            created_at: time::text(key.created_at),
            expires_at: time::optional(key.expires_at),
            last_used_at: time::optional(key.last_used_at),
            last_used_ip: key.last_used_ip,
        }
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
    name: String,
    #[serde(default)]
    #[schemars(with = "Vec<words::Permission>")]
    permissions: Vec<String>,
    /// `2026-02-26 18:58:22` in the server's time; without one it does not expire.
    expires_at: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    #[schemars(with = "Vec<words::Permission>")]
    permissions: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    name: Option<Listed<String>>,
    user_name: Option<Listed<String>>,
}

fn list_own(app: &App, call: &mut Call, _: NoInput) -> Result<Data<Vec<KeyView>>> {
    let keys = app.identity.keys_of(call.caller()?.user_id)?;
    Ok(Data(keys.into_iter().map(Into::into).collect()))
}

fn create(app: &App, call: &mut Call, input: CreateInput) -> Result<Data<NewKeyView>> {
    call.about(&input.name);
    let given = input.expires_at.filter(|text| !text.trim().is_empty());
    let new = NewApiKey {
        name: input.name,
        permissions: permissions(&input.permissions)?,
        expires_at: given.map(|text| time::parse("expires_at", &text)).transpose()?,
    };
    let (key, token) = app.identity.add_key(call.caller()?, &new)?;
    call.about(&key.id);
    Ok(Data(NewKeyView { view: key.into(), key: token.text().to_owned() }))
}

fn edit(app: &App, call: &mut Call, input: EditInput) -> Result<Data<KeyView>> {
    let id = call.param("key_id")?.to_owned();
    call.about(&id);
    let granted = permissions(&input.permissions)?;
    Ok(Data(app.identity.change_key(call.caller()?, &id, &granted)?.into()))
}

fn remove_own(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    let id = call.param("key_id")?.to_owned();
    call.about(&id);
    app.identity.delete_key(call.caller()?, &id)?;
    Ok(Done)
}

fn list(app: &App, call: &mut Call, _: Paged<Filters>) -> Result<Page<KeyView>> {
    listed(call.list_query()?, |query| Ok(app.identity.keys_page(&query)?.map(Into::into)))
}

fn revoke(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    let id = call.param("key_id")?.to_owned();
    call.about(&id);
    app.identity.revoke_key(call.authority()?, &id)?;
    Ok(Done)
}
