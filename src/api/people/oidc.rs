//! Sign-in at an identity provider: the browser goes there and comes back. Both are pages and no calls:
//! they answer with redirects, also when they fail.

use std::sync::Arc;

use rocket::futures::future::BoxFuture;
use rocket::http::{Cookie, Header, Method, SameSite, Status};
use rocket::time::Duration;
use rocket::{Data, Request, Response};
use schemars::JsonSchema;

use super::MODULE;
use crate::api::App;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Streamed, streaming};
use crate::api::origin::Origin;
use crate::api::session;
use crate::api::work::blocking;
use crate::error::{Error, Result};
use crate::identity::{NewSession, PATIENCE, ProviderAnswer, mark};

const CALLBACK: &str = "/api/v1.0/identity/oidc/callback";
/// Both paths begin with it: the cookie goes nowhere else.
const PATHS: &str = "/api/v1.0/identity/oidc";
/// Begins the names of what the browser has to remember on its way: each tab has its own.
const COOKIE: &str = "carrel_oidc_";
const SIGNED_IN: &str = "log-sign-in";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        streaming(Method::Get, "carrel.oidc.begin", session::AT_PROVIDER, begin)
            .public()
            .summary("Send the browser to the identity provider (OpenID Connect) to sign in there"),
        streaming(Method::Get, "carrel.oidc.callback", CALLBACK, callback)
            .public()
            .takes::<CallbackInput>()
            .audited(MODULE, SIGNED_IN)
            .summary(
                "Where the identity provider sends the browser back; it is signed in and sent to the \
                 console, or to /signin?error=… with the key of what went wrong",
            ),
    ]
}

#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which come in the query")]
struct CallbackInput {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

fn begin<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    _: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    let memories = request.cookies().iter().filter_map(|cookie| {
        let mark = cookie.name().strip_prefix(COOKIE)?;
        Some((mark.to_owned(), cookie.value().to_owned()))
    });
    let kept: Vec<_> = memories.collect();
    Box::pin(async move {
        let (there, back) = (Arc::clone(&app), call.origin.url(CALLBACK));
        match blocking(move || there.identity.begin_at_provider(&back, kept)).await {
            Ok(begun) => {
                let mut cookies: Vec<_> =
                    begun.stale.iter().map(|mark| forgotten(&call.origin, mark)).collect();
                let mut cookie = memory(&call.origin, &begun.mark, begun.cookie);
                cookie.set_max_age(Duration::seconds(PATIENCE));
                cookies.push(cookie);
                Ok(go(&begun.url, cookies))
            }
            // There is no page that would offer this way.
            Err(error) if error.key() == "oidc-off" => Err(error),
            Err(error) => Ok(go(&sorry(&error), Vec::new())),
        }
    })
}

fn callback<'r>(
    app: Arc<App>,
    mut call: Call,
    request: &'r Request<'_>,
    _: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    let mark = call.query("state").map(mark);
    let kept = mark.as_ref().and_then(|mark| request.cookies().get(&format!("{COOKIE}{mark}")));
    let cookie = kept.map(|cookie| cookie.value().to_owned());
    Box::pin(async move {
        let forget = mark.filter(|_| cookie.is_some()).map(|mark| forgotten(&call.origin, &mark));
        let (there, query) = (Arc::clone(&app), |name| call.query(name).map(str::to_owned));
        let answer = ProviderAnswer {
            code: query("code"),
            state: query("state"),
            error: query("error"),
            issuer: query("iss"),
            cookie,
        };
        let (to, mut cookies) = blocking(move || {
            let signed_in = there.identity.finish_at_provider(answer, &call.visitor());
            note(&mut call, &signed_in);
            match signed_in {
                Ok(session) => {
                    // Sessions are replaced, not changed: the one that came along ends.
                    if let (Some(_), Some(token)) = (&call.caller, &call.token) {
                        there.identity.sign_out(token)?;
                    }
                    session::welcome(&mut call, &session);
                    Ok(("/".to_owned(), std::mem::take(&mut call.cookies)))
                }
                Err(error) if error.key() == "oidc-off" => Err(error),
                Err(error) => Ok((sorry(&error), Vec::new())),
            }
        })
        .await?;
        cookies.extend(forget);
        Ok(go(&to, cookies))
    })
}

/// In the audit log stands who signed in, and who was known and not let in. Anybody can come here with
/// something else.
fn note(call: &mut Call, signed_in: &Result<NewSession>) {
    let named = match signed_in {
        Ok(session) => Some(session.user.name.clone()),
        Err(error) => {
            let mut args = error.args();
            args.find(|(name, _)| *name == "name").map(|(_, value)| value.to_owned())
        }
    };
    let Some(name) = named else { return };
    session::name_caller(call, &name);
    call.actor.user_id = signed_in.as_ref().ok().map(|session| session.user.id);
    call.note.by(call.actor.clone());
    if let Err(error) = signed_in {
        call.note.failed(error);
    }
}

/// The sign-in page with the reason: a key, no text that somebody else could have written.
fn sorry(error: &Error) -> String {
    tracing::info!(error = error.detail(), "no sign-in by the identity provider");
    format!("/signin?error={}", error.key())
}

/// Lax and not strict: the browser comes back from the provider's site with it.
fn memory(origin: &Origin, mark: &str, value: String) -> Cookie<'static> {
    Cookie::build((format!("{COOKIE}{mark}"), value))
        .path(PATHS)
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(origin.is_secure())
        .build()
}

fn forgotten(origin: &Origin, mark: &str) -> Cookie<'static> {
    let mut cookie = memory(origin, mark, String::new());
    cookie.set_max_age(Duration::ZERO);
    cookie
}

fn go<'r>(to: &str, cookies: Vec<Cookie<'static>>) -> Streamed<'r> {
    let mut response = Response::build();
    response.status(Status::SeeOther).raw_header("Location", to.to_owned());
    response.raw_header("Cache-Control", "no-store");
    // The address holds the code.
    response.raw_header("Referrer-Policy", "no-referrer");
    for cookie in cookies {
        response.header_adjoin(Header::new("Set-Cookie", cookie.to_string()));
    }
    Streamed::Response(response.finalize())
}
