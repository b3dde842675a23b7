//! The second factor: one's own, and taking it off somebody who lost it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MODULE;
use super::users::asked;
use crate::api::App;
use crate::api::answer::{Data, Done};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post};
use crate::api::input::NoInput;
use crate::error::Result;
use crate::identity::{Password, Permission};

const OWN: &str = "/api/v1.0/identity/own/second_factor";
const OF_USER: &str = "/api/v1.0/identity/user/{user_uuid}/second_factor";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.own-second-factor.get", OWN, read)
            .in_person()
            .before_factor()
            .summary("Whether one has a second factor"),
        post("carrel.own-second-factor.start", OWN, start)
            .in_person()
            .before_factor()
            .action("start")
            .audited(MODULE, "log-second-factor-start")
            .summary("Begin to set up an authenticator app (TOTP); it counts when confirmed"),
        post("carrel.own-second-factor.confirm", OWN, confirm)
            .in_person()
            .before_factor()
            .action("confirm")
            .audited(MODULE, "log-second-factor-on")
            .summary(
                "Switch the second factor on with a code of the app; the recovery codes are shown in this \
                 answer only",
            ),
        post("carrel.own-second-factor.recovery", OWN, renew)
            .in_person()
            .action("recovery")
            .audited(MODULE, "log-second-factor-recovery")
            .summary("New recovery codes in the place of all earlier ones, for a code"),
        post("carrel.own-second-factor.off", OWN, end)
            .in_person()
            .action("off")
            .audited(MODULE, "log-second-factor-off")
            .summary("Switch the second factor off, with password and code"),
        delete("carrel.users.remove-second-factor", OF_USER, remove)
            .needs(Permission::UsersManage)
            .audited(MODULE, "log-user-second-factor")
            .summary("Take the second factor off a user who lost it; not off oneself"),
    ]
}

/// One's own second factor.
#[derive(Debug, Serialize, JsonSchema)]
struct FactorView {
    enabled: bool,
    /// Begun and not confirmed.
    pending: bool,
    /// Recovery codes that are not used yet.
    recovery_left: u32,
}

/// What the authenticator app has to know.
#[derive(Serialize, JsonSchema)]
struct EnrolmentView {
    /// Base 32, to be typed.
    secret: String,
    /// `otpauth://…`, for a QR code.
    uri: String,
}

#[derive(Serialize, JsonSchema)]
struct RecoveryView {
    /// Each is good once in the place of a code.
    recovery_codes: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
struct CodeInput {
    /// Six digits of the app; for new recovery codes also one of the old ones.
    code: String,
}

#[derive(Deserialize, JsonSchema)]
struct EndInput {
    password: String,
    /// Six digits of the app, or a recovery code.
    code: String,
}

fn read(app: &App, call: &mut Call, _: NoInput) -> Result<Data<FactorView>> {
    let factor = app.identity.second_factor(call.caller()?)?;
    let recovery_left = factor.recovery_left;
    Ok(Data(FactorView { enabled: factor.enabled, pending: factor.pending, recovery_left }))
}

fn start(app: &App, call: &mut Call, _: NoInput) -> Result<Data<EnrolmentView>> {
    about_oneself(call)?;
    let enrolment = app.identity.begin_second_factor(call.caller()?)?;
    let (secret, uri) = (enrolment.secret.to_string(), enrolment.uri.to_string());
    Ok(Data(EnrolmentView { secret, uri }))
}

fn confirm(app: &App, call: &mut Call, input: CodeInput) -> Result<Data<RecoveryView>> {
    about_oneself(call)?;
    let visitor = call.visitor();
    let recovery_codes =
        app.identity.confirm_second_factor(call.caller()?, &input.code, &visitor)?;
    Ok(Data(RecoveryView { recovery_codes }))
}

fn renew(app: &App, call: &mut Call, input: CodeInput) -> Result<Data<RecoveryView>> {
    about_oneself(call)?;
    let visitor = call.visitor();
    let recovery_codes =
        app.identity.renew_recovery_codes(call.caller()?, &input.code, &visitor)?;
    Ok(Data(RecoveryView { recovery_codes }))
}

fn end(app: &App, call: &mut Call, input: EndInput) -> Result<Done> {
    about_oneself(call)?;
    let password = Password::new(input.password);
    let visitor = call.visitor();
    app.identity.end_second_factor(call.caller()?, &password, &input.code, &visitor)?;
    Ok(Done)
}

fn about_oneself(call: &mut Call) -> Result<()> {
    let name = call.caller()?.name.clone();
    call.about(name);
    Ok(())
}

fn remove(app: &App, call: &mut Call, _: NoInput) -> Result<Done> {
    let user = asked(app, call)?;
    app.identity.remove_second_factor(call.authority()?, user.id)?;
    Ok(Done)
}
