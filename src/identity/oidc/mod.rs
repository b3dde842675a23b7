//! Sign-in at an identity provider (OpenID Connect): authorization code flow with PKCE.
//!
//! ```text
//!   browser ── begin ──> provider        what Carrel has to remember goes along in a cookie, sealed
//!   browser <── code ── provider         state: the answer belongs to this browser's begin
//!   browser ── finish ──> Carrel ── code, verifier ──> provider
//!                         Carrel <── ID token ──────── nonce: made for this begin
//! ```

mod claims;
mod provider;
mod tokens;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::gate::{Gate, Pass};
use super::outsiders::{Outsider, mapped};
use super::sign_in::may_enter;
use super::token;
use super::users::without_backslash;
use super::{Identity, Lifetime, NewSession, Source, Visitor};
use crate::error::{Context, Error, Result};
use crate::settings::Oidc;
use crate::store::now;
use claims::Claims;
use provider::Provider;

/// A sign-in that was begun has to end within this time, in seconds.
pub const PATIENCE: i64 = 600;
/// What the cookie is sealed for.
const PURPOSE: &str = "sign-in at an identity provider";
/// Sign-ins that ask the provider at the same time, and that wait for it.
const AT_ONCE: usize = 8;
const WAITING: usize = 40;
/// Sign-ins of one browser that are on their way at the same time; of more the oldest are forgotten. What a browser
/// sends along with a request is limited by what stands before Carrel.
const TABS: usize = 5;

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
    /// The name that its memory has: each tab has one of its own.
    pub mark: String,
    /// What the browser brings back.
    pub cookie: String,
    /// Names of memories that the browser need not keep.
    pub stale: Vec<String>,
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
    state: String,
    nonce: String,
    verifier: String,
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
        answered.insert(token::hash(&memory.state), memory.expires_at).is_none()
    }

    fn outsider(&self, claims: &Claims) -> Result<Outsider> {
        let Oidc { name_claim, group_claim, roles, .. } = &self.settings;
        let unnamed = || Error::bad_input("oidc-without-name").arg("claim", name_claim);
        let name = claims.text(name_claim).or_else(|| claims.email()).ok_or_else(unnamed)?;
        Ok(Outsider {
            source: Source::Oidc,
            // Another provider may give the same subject to somebody else.
            external_id: format!("{} {}", claims.issuer, claims.subject),
            name: without_backslash(&name),
            email: claims.email(),
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
    /// settings say otherwise; `kept` are marks and memories of what it began before.
    ///
    /// # Errors
    /// `oidc-off`, `oidc-unreachable`, `oidc-issuer-wrong`
    pub fn begin_at_provider(&self, callback: &str, kept: Vec<(String, String)>) -> Result<Begun> {
        let door = self.door()?;
        let _turn = door.turn()?;
        let redirect = door.settings.redirect_url.as_deref().unwrap_or(callback).to_owned();
        let started = door.provider.start(&redirect)?;
        let mark = mark(&started.state);
        let memory = Memory {
            state: started.state,
            nonce: started.nonce,
            verifier: started.verifier,
            redirect,
            expires_at: now() + PATIENCE,
        };
        let text = serde_json::to_vec(&memory).context("write what a browser keeps")?;
        let sealed = self.vault.seal(PURPOSE, &text)?;
        let cookie = URL_SAFE_NO_PAD.encode(sealed);
        Ok(Begun { url: started.url, mark, cookie, stale: self.stale(kept) })
    }

    /// The marks of memories that cannot be used any more, and of the oldest of too many.
    fn stale(&self, kept: Vec<(String, String)>) -> Vec<String> {
        let end = |cookie: &str| self.unsealed(cookie).map_or(0, |memory| memory.expires_at);
        let mut kept: Vec<_> =
            kept.into_iter().map(|(mark, cookie)| (end(&cookie), mark)).collect();
        kept.sort_unstable_by(|one, other| other.cmp(one));
        let now = now();
        let is_stale = |(at, (end, _)): &(usize, (i64, String))| *at >= TABS - 1 || *end <= now;
        kept.into_iter().enumerate().filter(is_stale).map(|(_, (_, mark))| mark).collect()
    }

    fn unsealed(&self, cookie: &str) -> Result<Memory> {
        let wrong = || Error::bad_input("oidc-state-wrong");
        let sealed = URL_SAFE_NO_PAD.decode(cookie).map_err(|cause| wrong().because(cause))?;
        let text = self.vault.open(PURPOSE, &sealed).map_err(|cause| wrong().because(cause))?;
        serde_json::from_slice(&text).map_err(|cause| wrong().because(cause))
    }

    /// Signs in whom the provider vouches for.
    ///
    /// # Errors
    /// `oidc-state-wrong` when the browser did not begin this, too long ago, or came before;
    /// `oidc-denied`, `oidc-refused`, `oidc-token-wrong`, `oidc-without-name`, `oidc-unreachable`,
    /// `outsider-name-taken`, `outsider-name-unusable`, `outsider-without-role`, `account-disabled`
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
            door.provider.redeem(&code, &memory.verifier, &memory.nonce, &memory.redirect)?
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
        let memory = self.unsealed(cookie)?;
        let is_same = answer.state.as_ref().is_some_and(|state| *state == memory.state);
        if !is_same || memory.expires_at <= now() {
            return Err(wrong());
        }
        if let Some(issuer) = &answer.issuer
            && *issuer != door.provider.metadata()?.issuer
        {
            return Err(wrong());
        }
        match door.is_first_answer(&memory) {
            true => Ok(memory),
            false => Err(wrong()),
        }
    }
}

/// What the memory of a sign-in is called at the browser.
pub fn mark(state: &str) -> String {
    hex::encode(&token::hash(state)[..8])
}
