//! The rules of signing in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MODULE;
use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get, put};
use crate::api::input::NoInput;
use crate::error::Result;
use crate::identity::{Permission, Policy};

const PATH: &str = "/api/v1.0/identity/policy";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.policy.get", PATH, read)
            .needs(Permission::SettingsManage)
            .summary("The rules of signing in"),
        put("carrel.policy.edit", PATH, edit)
            .needs(Permission::SettingsManage)
            .audited(MODULE, "log-policy-edit")
            .summary("Change rules of signing in; what is left out stays"),
    ]
}

/// The rules of signing in.
#[derive(Debug, Serialize, JsonSchema)]
struct PolicyView {
    /// Characters.
    password_min_length: u32,
    /// 0 (any) to 4 (hard to guess).
    password_strength: u8,
    session_minutes: u32,
    remembered_days: u32,
    /// Wrong passwords without a wait.
    free_failures: u32,
    longest_wait_minutes: u32,
    /// People may register by themselves.
    registration: bool,
    /// Administrators can do nothing before they have set up a second factor.
    admin_second_factor: bool,
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        let Policy {
            password_min_length,
            password_strength,
            session_minutes,
            remembered_days,
            free_failures,
            longest_wait_minutes,
            registration,
            admin_second_factor,
        } = policy;
        Self {
            password_min_length,
            password_strength,
            session_minutes,
            remembered_days,
            free_failures,
            longest_wait_minutes,
            registration,
            admin_second_factor,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    /// 8 to 64.
    password_min_length: Option<u32>,
    /// 0 to 4.
    password_strength: Option<u8>,
    /// 5 to 1,440.
    session_minutes: Option<u32>,
    /// 1 to 365.
    remembered_days: Option<u32>,
    /// 1 to 20.
    free_failures: Option<u32>,
    /// 1 to 1,440.
    longest_wait_minutes: Option<u32>,
    registration: Option<bool>,
    /// Who manages users, roles, settings, ssh keys or nodes and has no second factor can do nothing before they have set
    /// one up; API keys go on, and so does who signs in at an identity provider.
    admin_second_factor: Option<bool>,
}

fn read(app: &App, _: &mut Call, _: NoInput) -> Result<Data<PolicyView>> {
    Ok(Data(app.identity.policy()?.into()))
}

fn edit(app: &App, _: &mut Call, input: EditInput) -> Result<Data<PolicyView>> {
    let old = app.identity.policy()?;
    let new = Policy {
        password_min_length: input.password_min_length.unwrap_or(old.password_min_length),
        password_strength: input.password_strength.unwrap_or(old.password_strength),
        session_minutes: input.session_minutes.unwrap_or(old.session_minutes),
        remembered_days: input.remembered_days.unwrap_or(old.remembered_days),
        free_failures: input.free_failures.unwrap_or(old.free_failures),
        longest_wait_minutes: input.longest_wait_minutes.unwrap_or(old.longest_wait_minutes),
        registration: input.registration.unwrap_or(old.registration),
        admin_second_factor: input.admin_second_factor.unwrap_or(old.admin_second_factor),
    };
    app.identity.set_policy(&new)?;
    Ok(Data(new.into()))
}
