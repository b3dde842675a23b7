//! Public ssh keys of users, and where they let them in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::MODULE;
use crate::api::answer::{Data, Done};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post};
use crate::api::input::{Listed, NoInput, Paged, optional_text};
use crate::api::listing::listed;
use crate::api::{App, time};
use crate::error::{Error, Result};
use crate::identity::{Permission, SshKey};
use crate::inventory::{FoundKey, FoundKeys, SshGrant};
use crate::store::UserId;
use crate::store::list::Page;

const OWN: &str = "/api/v1.0/identity/own/ssh_key";
const OF_USER: &str = "/api/v1.0/identity/user/{user_uuid}/ssh_key";
const GRANTS: &str = "/api/v1.0/identity/ssh_grant";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.own-ssh-keys.list", OWN, list_own)
            .signed_in()
            .summary("One's own public ssh keys"),
        post("carrel.own-ssh-keys.create", OWN, add_own)
            .in_person()
            .audited(MODULE, "log-ssh-key-create")
            .summary(
                "Add a public ssh key of one's own; it lets in wherever one is granted access",
            ),
        delete(
            "carrel.own-ssh-keys.delete",
            "/api/v1.0/identity/own/ssh_key/{key_uuid}",
            delete_own,
        )
        .in_person()
        .audited(MODULE, "log-ssh-key-delete")
        .summary("Delete a public ssh key of one's own; it is removed from all nodes"),
        get("carrel.ssh-keys.list", OF_USER, list_of_user)
            .needs(Permission::SshKeysView)
            .summary("A user's public ssh keys"),
        post("carrel.ssh-keys.create", OF_USER, add_to_user)
            .needs(Permission::SshKeysManage)
            .audited(MODULE, "log-ssh-key-create")
            .summary("Add a public ssh key to a user"),
        delete(
            "carrel.ssh-keys.delete",
            "/api/v1.0/identity/user/{user_uuid}/ssh_key/{key_uuid}",
            delete_of_user,
        )
        .needs(Permission::SshKeysManage)
        .audited(MODULE, "log-ssh-key-delete")
        .summary("Delete a user's public ssh key; it is removed from all nodes"),
        get("carrel.ssh-grants.list", GRANTS, list_grants)
            .needs(Permission::SshKeysView)
            .summary("Which users sign in to which nodes by ssh, and as whom"),
        post("carrel.ssh-grants.create", GRANTS, grant)
            .needs(Permission::SshKeysManage)
            .audited(MODULE, "log-ssh-grant")
            .summary("Let a user sign in to a node as a system user, with each of their keys"),
        delete("carrel.ssh-grants.delete", "/api/v1.0/identity/ssh_grant/{grant_uuid}", revoke)
            .needs(Permission::SshKeysManage)
            .audited(MODULE, "log-ssh-revoke")
            .summary("Take a user's way into a node back; their keys are removed there"),
        get("carrel.ssh-keys.found", "/api/v1.0/identity/ssh_key", found)
            .needs(Permission::SshKeysView)
            .summary("ssh keys that stand on nodes now, also those that Carrel did not put there"),
    ]
}

/// A public ssh key.
#[derive(Debug, Serialize, JsonSchema)]
struct KeyView {
    uuid: Uuid,
    name: String,
    /// Type and base64 body.
    key: String,
    /// `SHA256:…`
    fingerprint: String,
    created_at: String,
}

impl From<SshKey> for KeyView {
    fn from(key: SshKey) -> Self {
        let SshKey { uuid, name, key, fingerprint, created_at } = key;
        Self { uuid, name, key, fingerprint, created_at: time::text(created_at) }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct KeyInput {
    /// Left out: the key's comment.
    #[serde(default)]
    name: String,
    /// A line as in `~/.ssh/id_ed25519.pub`.
    key: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    node_uuid: Option<Listed<String>>,
    user_uuid: Option<Listed<String>>,
    user_name: Option<Listed<String>>,
    system_user: Option<Listed<String>>,
}

/// A user's way into a node.
#[derive(Debug, Serialize, JsonSchema)]
struct GrantView {
    uuid: Uuid,
    node_uuid: Uuid,
    node_name: String,
    node_ip: String,
    system_user: String,
    user_name: String,
    user_uuid: String,
    /// Keys that the user has; without one they cannot sign in.
    keys: u32,
    /// Why the node does not have the keys; null when it has them.
    reason: Option<String>,
    created_at: String,
}

fn grant_view(app: &App, call: &Call, grant: SshGrant) -> GrantView {
    let down =
        app.inventory.why_down(grant.node_id).filter(|_| !app.inventory.is_linked(grant.node_id));
    let fault = app.inventory.ssh_problem(grant.node_id, &grant.system_user).or(down);
    let reason = match fault {
        Some(fault) => Some(app.language.error(call.language, &Error::from(fault))),
        None if grant.keys == 0 => {
            Some(app.language.text(call.language, "ssh-grant-without-key", &[]))
        }
        None => None,
    };
    GrantView {
        uuid: grant.uuid,
        node_uuid: grant.node_uuid,
        node_name: grant.node_name,
        node_ip: grant.node_ip,
        system_user: grant.system_user,
        user_name: grant.user_name,
        user_uuid: grant.user_uuid,
        keys: grant.keys,
        reason,
        created_at: time::text(grant.created_at),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct GrantInput {
    user_uuid: Uuid,
    node_uuid: Uuid,
    /// An account of the node, for instance `root`.
    system_user: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct FoundInput {
    /// Left out: all nodes.
    #[serde(default, deserialize_with = "optional_text")]
    node_uuid: Option<String>,
}

/// What stands on nodes now.
#[derive(Debug, Serialize, JsonSchema)]
struct FoundView {
    keys: Vec<FoundKeyView>,
    /// Nodes that did not answer.
    silent: Vec<SilentNode>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FoundKeyView {
    node_name: String,
    node_ip: String,
    system_user: String,
    /// null for a key that Carrel did not put there
    user_name: Option<String>,
    key: String,
    comment: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct SilentNode {
    node_name: String,
    reason: String,
}

fn list_own(app: &App, call: &mut Call, _: NoInput) -> Result<Data<Vec<KeyView>>> {
    keys_of(app, call.caller()?.user_id)
}

fn list_of_user(app: &App, call: &mut Call, _: NoInput) -> Result<Data<Vec<KeyView>>> {
    keys_of(app, app.identity.user_by_uuid(&call.uuid("user_uuid")?.to_string())?.id)
}

fn keys_of(app: &App, user: UserId) -> Result<Data<Vec<KeyView>>> {
    Ok(Data(app.identity.ssh_keys(user)?.into_iter().map(Into::into).collect()))
}

fn add_own(app: &App, call: &mut Call, input: KeyInput) -> Result<Data<KeyView>> {
    let user = call.caller()?.user_id;
    add(app, call, user, &input)
}

fn add_to_user(app: &App, call: &mut Call, input: KeyInput) -> Result<Data<KeyView>> {
    let uuid = call.uuid("user_uuid")?.to_string();
    call.about(&uuid);
    let user = app.identity.touchable_user(call.authority()?, &uuid)?;
    call.about(&user.name);
    add(app, call, user.id, &input)
}

fn add(app: &App, call: &mut Call, user: UserId, input: &KeyInput) -> Result<Data<KeyView>> {
    let key = app.identity.add_ssh_key(user, &input.name, &input.key)?;
    call.about(format!("{} {}", app.identity.user(user)?.name, key.fingerprint));
    Ok(Data(key.into()))
}

fn delete_own(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    let user = call.caller()?.user_id;
    remove(app, call, user)
}

fn delete_of_user(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    let uuid = call.uuid("user_uuid")?.to_string();
    call.about(&uuid);
    let user = app.identity.touchable_user(call.authority()?, &uuid)?;
    remove(app, call, user.id)
}

fn remove(app: &App, call: &mut Call, user: UserId) -> Result<Done> {
    let uuid = call.uuid("key_uuid")?;
    call.about(uuid.to_string());
    let key = app.identity.delete_ssh_key(user, uuid)?;
    call.about(format!("{} {}", app.identity.user(user)?.name, key.fingerprint));
    Ok(Done)
}

fn list_grants(app: &App, call: &mut Call, _: Paged<Filters>) -> Result<Page<GrantView>> {
    listed(call.list_query()?, |query| {
        let page = app.inventory.ssh_grants(&query)?;
        Ok(page.map(|grant| grant_view(app, call, grant)))
    })
}

fn grant(app: &App, call: &mut Call, input: GrantInput) -> Result<Data<GrantView>> {
    let user = app.identity.user_by_uuid(&input.user_uuid.to_string())?;
    call.about(format!("{}, {}", user.name, input.system_user));
    let grant = app.inventory.grant_ssh(input.node_uuid, &input.system_user, user.id)?;
    call.about(format!("{}, {}@{}", grant.user_name, grant.system_user, grant.node_name));
    Ok(Data(grant_view(app, call, grant)))
}

fn revoke(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    let uuid = call.uuid("grant_uuid")?;
    call.about(uuid.to_string());
    let grant = app.inventory.revoke_ssh(uuid)?;
    call.about(format!("{}, {}@{}", grant.user_name, grant.system_user, grant.node_name));
    Ok(Done)
}

fn found(app: &App, call: &mut Call, input: FoundInput) -> Result<Data<FoundView>> {
    let nodes = match input.node_uuid {
        Some(text) => vec![app.inventory.node(crate::api::call::parse_uuid(&text)?)?],
        None => app.inventory.nodes()?,
    };
    let FoundKeys { keys, silent } = app.inventory.found_ssh_keys(&nodes)?;
    let silent = silent.into_iter().map(|(node_name, fault)| SilentNode {
        node_name,
        reason: app.language.error(call.language, &Error::from(fault)),
    });
    let keys = keys.into_iter().map(|key| {
        let FoundKey { node_name, node_ip, system_user, user_name, key, comment } = key;
        FoundKeyView { node_name, node_ip, system_user, user_name, key, comment }
    });
    Ok(Data(FoundView { keys: keys.collect(), silent: silent.collect() }))
}
