//! Sign-in at an identity provider (OpenID Connect): authorization code flow with PKCE.
//!
//! ```text
//!   browser ── begin ──> provider        what Carrel has to remember goes along in a cookie, sealed
//!   browser <── code ── provider         state: the answer belongs to this browser's begin
//!   browser ── finish ──> Carrel ── code, verifier ──> provider
//!                         Carrel <── ID token ──────── nonce: made for this begin
//! ```

mod provider;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::{CsrfToken, Nonce, PkceCodeVerifier};
use serde::{Deserialize, Serialize};

use super::gate::{Gate, Pass};
use super::outsiders::{Outsider, mapped};
use super::sign_in::may_enter;
use super::token;
use super::users::user_name;
use super::{Identity, Lifetime, NewSession, Source, Visitor};
use crate::error::{Context, Error, Result};
use crate::settings::Oidc;
use crate::store::now;
use provider::{Claims, Provider};

/// A sign-in that was begun has to end within this time, in seconds.
pub const PATIENCE: i64 = 600;
/// What the cookie is sealed for.
const PURPOSE: &str = "sign-in at an identity provider";
/// Sign-ins that ask the provider at the same time, and that wait for it.
const AT_ONCE: usize = 8;
const WAITING: usize = 40;

/// Sign-in at the provider of the settings.
pub struct Door {
    settings: Oidc,
    provider: Provider,
    gate: Gate,
    /// Begins that were answered, and when they would have been too old: an answer is good once.
    answered: Mutex<HashMap<Vec<u8>, i64>>,
}

/// A sign-in that begins.
pub struct Begun {
    /// Where the browser goes.
    pub url: String,
    /// What the browser brings back.
    pub cookie: String,
}

/// What the provider sent the browser back with.
#[derive(Debug, Default)]
pub struct ProviderAnswer {
    pub code: Option<String>,
    pub state: Option<String>,
    pub error: Option<String>,
    /// Of who answers (RFC 9207).
    pub issuer: Option<String>,
    /// What `begin` gave the browser.
    pub cookie: Option<String>,
}

/// Kept by the browser, sealed.
#[derive(Serialize, Deserialize)]
struct Memory {
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    redirect: String,
    expires_at: i64,
}

impl Door {
    pub fn new(settings: Oidc) -> Self {
        Self {
            provider: Provider::new(settings.clone()),
            settings,
            gate: Gate::new(AT_ONCE, WAITING),
            answered: Mutex::default(),
        }
    }

    fn turn(&self) -> Result<Pass> {
        self.gate.pass()
    }

    /// Whether the provider answers. On a thread that may block.
    ///
    /// # Errors
    /// `oidc-unreachable`
    pub fn probe(&self) -> Result<()> {
        self.provider.discover().map(drop)
    }

    /// Notes that the answer to this begin came; `false` when it came before.
    fn is_first_answer(&self, memory: &Memory) -> bool {
        let now = now();
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.retain(|_, until| *until > now);
        answered.insert(token::hash(memory.state.secret()), memory.expires_at).is_none()
    }

    fn outsider(&self, claims: &Claims) -> Result<Outsider> {
        let Oidc { issuer, name_claim, group_claim, roles, .. } = &self.settings;
        let unnamed = || Error::bad_input("oidc-without-name").arg("claim", name_claim);
        let name = claims.text(name_claim).or_else(|| claims.text("email")).ok_or_else(unnamed)?;
        let is_verified = claims.flag("email_verified") != Some(false);
        Ok(Outsider {
            source: Source::Oidc,
            // Another provider may give the same subject to somebody else.
            external_id: format!("{issuer} {}", claims.subject),
            name: user_name(&name).map_err(|cause| unnamed().because(cause))?,
            email: claims.text("email").filter(|_| is_verified),
            full_name: claims.text("name").unwrap_or_default(),
            roles: mapped(roles, &claims.texts(group_claim), str::to_owned),
        })
    }
}

impl Identity {
    /// Name of the identity provider for the sign-in page; `None` when there is none.
    pub fn provider_name(&self) -> Option<&str> {
        self.door.as_ref().map(|door| door.settings.display_name.as_str())
    }

    /// Where a browser goes to sign in at the provider. `callback` is where it comes back to, unless the
    /// settings say otherwise.
    ///
    /// # Errors
    /// `oidc-off`, `oidc-unreachable`
    pub fn begin_at_provider(&self, callback: &str) -> Result<Begun> {
        let door = self.door()?;
        let _turn = door.turn()?;
        let redirect = door.settings.redirect_url.as_deref().unwrap_or(callback).to_owned();
        let started = door.provider.start(&redirect)?;
        let memory = Memory {
            state: started.state,
            nonce: started.nonce,
            verifier: started.verifier,
            redirect,
            expires_at: now() + PATIENCE,
        };
        let text = serde_json::to_vec(&memory).context("write what a browser keeps")?;
        let sealed = self.vault.seal(PURPOSE, &text)?;
        Ok(Begun { url: started.url, cookie: URL_SAFE_NO_PAD.encode(sealed) })
    }

    /// Signs in whom the provider vouches for.
    ///
    /// # Errors
    /// `oidc-state-wrong` when the browser did not begin this, too long ago, or came before;
    /// `oidc-denied`, `oidc-refused`, `oidc-token-wrong`, `oidc-without-name`, `oidc-unreachable`,
    /// `outsider-name-taken`, `outsider-without-role`, `account-disabled`
    pub fn finish_at_provider(
        &self,
        answer: ProviderAnswer,
        visitor: &Visitor,
    ) -> Result<NewSession> {
        let door = self.door()?;
        let memory = self.remembered(door, &answer)?;
        if let Some(error) = answer.error {
            tracing::info!(error, "the identity provider let nobody in");
            let key = if error == "access_denied" { "oidc-denied" } else { "oidc-refused" };
            return Err(Error::bad_input(key));
        }
        let code = answer.code.ok_or_else(|| Error::bad_input("oidc-refused"))?;
        let claims = {
            let _turn = door.turn()?;
            door.provider.redeem(code, memory.verifier, &memory.nonce, &memory.redirect)?
        };
        let user = self.admit(&door.outsider(&claims)?)?;
        may_enter(&user)?;
        self.begin(user, Lifetime::Short, visitor)
    }

    fn door(&self) -> Result<&Door> {
        self.door.as_deref().ok_or_else(|| Error::not_found("oidc-off"))
    }

    /// What the browser kept, if this is the answer to it, and the first.
    fn remembered(&self, door: &Door, answer: &ProviderAnswer) -> Result<Memory> {
        let wrong = || Error::bad_input("oidc-state-wrong");
        let cookie = answer.cookie.as_deref().ok_or_else(wrong)?;
        let sealed = URL_SAFE_NO_PAD.decode(cookie).map_err(|cause| wrong().because(cause))?;
        let text = self.vault.open(PURPOSE, &sealed).map_err(|cause| wrong().because(cause))?;
        let memory = serde_json::from_slice::<Memory>(&text);
        let memory = memory.map_err(|cause| wrong().because(cause))?;
        let is_same = answer.state.as_ref().is_some_and(|state| state == memory.state.secret());
        let is_from_it = answer.issuer.as_ref().is_none_or(|from| *from == door.settings.issuer);
        match is_same && is_from_it && memory.expires_at > now() && door.is_first_answer(&memory) {
            true => Ok(memory),
            false => Err(wrong()),
        }
    }
}
