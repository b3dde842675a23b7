//! Roles and the permissions that they are made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MODULE, permission_words, permissions};
use crate::api::answer::{Data, Done};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post, put};
use crate::api::input::NoInput;
use crate::api::input::{Listed, Paged};
use crate::api::listing::listed;
use crate::api::{App, words};
use crate::error::Result;
use crate::identity::{Permission, Role, RoleChange};
use crate::store::RoleId;
use crate::store::list::Page;

const PATH: &str = "/api/v1.0/identity/role";
const ONE: &str = "/api/v1.0/identity/role/{role_id}";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.permissions.list", "/api/v1.0/identity/permission", list_permissions)
            .signed_in()
            .summary("All permissions, with what they mean"),
        get("carrel.roles.list", PATH, list)
            .needs(Permission::UsersView)
            .summary("Roles with their permissions"),
        post("carrel.roles.create", PATH, create)
            .needs(Permission::RolesManage)
            .audited(MODULE, "log-role-create")
            .summary("Make a role"),
        put("carrel.roles.edit", ONE, edit)
            .needs(Permission::RolesManage)
            .audited(MODULE, "log-role-edit")
            .summary("Change a role; built-in ones are fixed"),
        delete("carrel.roles.delete", ONE, remove)
            .needs(Permission::RolesManage)
            .audited(MODULE, "log-role-delete")
            .summary("Delete a role that nobody has"),
    ]
}

/// A permission.
#[derive(Debug, Serialize, JsonSchema)]
struct PermissionView {
    #[schemars(with = "words::Permission")]
    name: &'static str,
    /// Document 004's number.
    code: u32,
    /// Document 001's name, of those that it knows.
    document_001: Option<&'static str>,
    /// In the reader's language.
    description: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct Filters {
    code: Option<Listed<String>>,
}

/// A role.
#[derive(Debug, Serialize, JsonSchema)]
struct RoleView {
    id: RoleId,
    code: String,
    description: String,
    /// Fixed and never deleted.
    builtin: bool,
    #[schemars(with = "Vec<words::Permission>")]
    permissions: Vec<&'static str>,
    /// How many users have it.
    users: u32,
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        let Role { id, code, description, builtin, permissions, users } = role;
        Self { id, code, description, builtin, permissions: permission_words(&permissions), users }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CreateInput {
    /// Letters, digits, `-` and `_`.
    code: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    #[schemars(with = "Vec<words::Permission>")]
    permissions: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    code: Option<String>,
    description: Option<String>,
    #[schemars(with = "Option<Vec<words::Permission>>")]
    permissions: Option<Vec<String>>,
}

fn list_permissions(app: &App, call: &mut Call, _: NoInput) -> Result<Data<Vec<PermissionView>>> {
    let view = |permission: &Permission| PermissionView {
        name: permission.word(),
        code: permission.code(),
        document_001: permission.document_001(),
        description: description(app, call, *permission),
    };
    Ok(Data(Permission::ALL.iter().map(view).collect()))
}

/// What a permission means, in the reader's language.
pub fn description(app: &App, call: &Call, permission: Permission) -> String {
    let key = format!("permission-{}", permission.word().replace('.', "-"));
    app.language.text(call.language, &key, &[])
}

fn list(app: &App, call: &mut Call, _: Paged<Filters>) -> Result<Page<RoleView>> {
    listed(call.list_query()?, |query| Ok(app.identity.roles(&query)?.map(Into::into)))
}

fn create(app: &App, call: &mut Call, input: CreateInput) -> Result<Data<RoleView>> {
    call.about(&input.code);
    let new = RoleChange {
        code: Some(input.code),
        description: Some(crate::api::input::text("description", &input.description)?),
        permissions: Some(permissions(&input.permissions)?),
    };
    Ok(Data(app.identity.add_role(call.authority()?, new)?.into()))
}

fn edit(app: &App, call: &mut Call, input: EditInput) -> Result<Data<RoleView>> {
    let id = RoleId::new(call.number("role_id")?);
    call.about(app.identity.role(id)?.code);
    let description = input.description.map(|text| crate::api::input::text("description", &text));
    let change = RoleChange {
        code: input.code,
        description: description.transpose()?,
        permissions: input.permissions.as_deref().map(permissions).transpose()?,
    };
    Ok(Data(app.identity.change_role(call.authority()?, id, change)?.into()))
}

fn remove(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    let id = RoleId::new(call.number("role_id")?);
    call.about(app.identity.role(id)?.code);
    app.identity.delete_role(call.authority()?, id)?;
    Ok(Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::language::{Catalogues, Language};

    #[test]
    fn every_permission_is_explained_in_both_languages() {
        let catalogues = Catalogues::load().expect("catalogues");
        for permission in Permission::ALL {
            let key = format!("permission-{}", permission.word().replace('.', "-"));
            for language in [Language::Chinese, Language::English] {
                assert_ne!(catalogues.text(language, &key, &[]), key);
            }
        }
    }
}
