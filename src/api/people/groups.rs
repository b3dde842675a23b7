//! User groups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MODULE, permission_words, permissions};
use crate::api::answer::{Data, Done};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post, put};
use crate::api::input::List;
use crate::api::input::NoInput;
use crate::api::listing::listed;
use crate::api::{App, words};
use crate::error::Result;
use crate::identity::{Group, GroupChange, Permission};
use crate::store::UserGroupId;
use crate::store::list::Page;

const PATH: &str = "/api/v1.0/identity/group";
const ONE: &str = "/api/v1.0/identity/group/{group_id}";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.user-groups.list", PATH, list)
            .needs(Permission::UsersView)
            .summary("User groups with what their members may do"),
        post("carrel.user-groups.create", PATH, create)
            .needs(Permission::UsersManage)
            .audited(MODULE, "log-user-group-create")
            .summary("Make a user group"),
        put("carrel.user-groups.edit", ONE, edit)
            .needs(Permission::UsersManage)
            .audited(MODULE, "log-user-group-edit")
            .summary("Change a user group"),
        delete("carrel.user-groups.delete", ONE, remove)
            .needs(Permission::UsersManage)
            .audited(MODULE, "log-user-group-delete")
            .summary("Delete a user group; its members stay"),
    ]
}

/// A user group.
#[derive(Debug, Serialize, JsonSchema)]
struct GroupView {
    id: UserGroupId,
    uuid: String,
    name: String,
    description: String,
    #[schemars(with = "Vec<words::Permission>")]
    permissions: Vec<&'static str>,
    members: u32,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        let Group { id, uuid, name, description, permissions, members } = group;
        Self { id, uuid, name, description, permissions: permission_words(&permissions), members }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CreateInput {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    #[schemars(with = "Vec<words::Permission>")]
    permissions: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    name: Option<String>,
    description: Option<String>,
    #[schemars(with = "Option<Vec<words::Permission>>")]
    permissions: Option<Vec<String>>,
}

fn list(app: &App, call: &mut Call, _: List) -> Result<Page<GroupView>> {
    listed(call.list_query()?, |query| Ok(app.identity.groups(&query)?.map(Into::into)))
}

fn create(app: &App, call: &mut Call, input: CreateInput) -> Result<Data<GroupView>> {
    call.about(&input.name);
    let new = GroupChange {
        name: Some(input.name),
        description: Some(input.description),
        permissions: Some(permissions(&input.permissions)?),
    };
    Ok(Data(app.identity.add_group(call.authority()?, new)?.into()))
}

fn edit(app: &App, call: &mut Call, input: EditInput) -> Result<Data<GroupView>> {
    let id = UserGroupId::new(call.number("group_id")?);
    call.about(app.identity.group(id)?.name);
    let change = GroupChange {
        name: input.name,
        description: input.description,
        permissions: input.permissions.as_deref().map(permissions).transpose()?,
    };
    Ok(Data(app.identity.change_group(call.authority()?, id, change)?.into()))
}

fn remove(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    let id = UserGroupId::new(call.number("group_id")?);
    call.about(app.identity.group(id)?.name);
    app.identity.delete_group(call.authority()?, id)?;
    Ok(Done)
}
