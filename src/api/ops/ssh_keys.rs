//! Where ssh keys let people in, as it stands on the nodes now.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get};
use crate::api::input;
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::inventory::{FoundKey, FoundKeys, Node};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("ops.ssh-key-manage.list", "/api/ssh_key_manage", list)
            .needs(Permission::SshKeysView)
            .summary("As whom a user signs in to which nodes (mode=user), or who signs in to a node (mode=ip)"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ListInput {
    /// `ip` or `user`.
    mode: String,
    /// With mode=user.
    #[serde(default, deserialize_with = "input::optional_text")]
    username: Option<String>,
    /// With mode=ip: a node's address.
    #[serde(default, deserialize_with = "input::optional_text")]
    ip: Option<String>,
}

#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
struct EntryView {
    /// Empty for keys that Carrel did not put there.
    username: String,
    ip: String,
    system_user: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct EntriesView {
    data: Vec<EntryView>,
    count: usize,
    /// Names of nodes that did not answer: what stands there is not in the list.
    silent: Vec<String>,
}

fn list(app: &App, _: &mut Call, input: ListInput) -> Result<Data<EntriesView>> {
    match input.mode.as_str() {
        "user" => {
            let name = input.username.ok_or_else(|| input::missing("username"))?;
            let user = app.identity.user_named(&name)?;
            entries(app, &app.inventory.nodes()?, |key| key.user_name.as_ref() == Some(&user.name))
        }
        "ip" => {
            let ip = input.ip.ok_or_else(|| input::missing("ip"))?;
            let nodes = app.inventory.nodes()?.into_iter().filter(|node| node.ip == ip.trim());
            let nodes: Vec<Node> = nodes.collect();
            if nodes.is_empty() {
                return Err(Error::not_found("node-unknown").arg("uuid", ip));
            }
            entries(app, &nodes, |_| true)
        }
        other => {
            Err(Error::bad_input("ssh-key-mode-unknown").arg("field", "mode").arg("value", other))
        }
    }
}

/// A user with several keys in one place stands there once.
fn entries(
    app: &App,
    nodes: &[Node],
    wanted: impl Fn(&FoundKey) -> bool,
) -> Result<Data<EntriesView>> {
    let FoundKeys { keys: found, silent } = app.inventory.found_ssh_keys(nodes)?;
    let views = found.into_iter().filter(wanted).map(|key| EntryView {
        username: key.user_name.unwrap_or_default(),
        ip: key.node_ip,
        system_user: key.system_user,
    });
    let mut data: Vec<EntryView> = views.collect();
    data.sort_unstable();
    data.dedup();
    let silent = silent.into_iter().map(|(name, _)| name).collect();
    Ok(Data(EntriesView { count: data.len(), data, silent }))
}
