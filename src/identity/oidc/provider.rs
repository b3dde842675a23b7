//! The provider's protocol: what it is, where it is asked, and what it answers.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use form_urlencoded::{Serializer, byte_serialize};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response};
use serde_json::Value;
use sha2::{Digest, Sha256};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::claims::{Claims, Said, text};
use super::tokens::{Expected, Keys};
use crate::error::{Error, Result};
use crate::identity::token::Token;
use crate::identity::trust;
use crate::settings::Oidc;

/// Longest answer that is waited for.
const LIMIT: Duration = Duration::from_secs(5);
/// Largest answer, in bytes.
const SIZE_LIMIT: u64 = 1 << 20;
/// What a provider said about itself and its keys is asked again after so long.
const KEPT: Duration = Duration::from_secs(60 * 60);
/// A provider that did not answer is not asked again for so long, nor are its keys for a wrong token.
const PAUSE: Duration = Duration::from_secs(5);

pub struct Provider {
    settings: Oidc,
    agent: OnceLock<ureq::Agent>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Instant, Arc<Metadata>)>,
    failed_at: Option<Instant>,
}

/// What a provider says about itself (OpenID Connect Discovery), as far as it is needed.
pub struct Metadata {
    /// As it names itself in all that it signs.
    pub issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    /// It takes the client's secret in the body and not in a header.
    takes_secret_in_body: bool,
    keys: Keys,
}

/// A browser on its way to the provider.
pub struct Started {
    pub url: String,
    pub state: String,
    pub nonce: String,
    pub verifier: String,
}

/// What came back for a code.
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

impl Provider {
    pub fn new(settings: Oidc) -> Self {
        Self { settings, agent: OnceLock::new(), known: Mutex::default() }
    }

    /// Where somebody signs in who comes back to `redirect`.
    pub fn start(&self, redirect: &str) -> Result<Started> {
        let metadata = self.metadata()?;
        let random = || Token::random().map(|token| token.text().to_owned());
        let (state, nonce, verifier) = (random()?, random()?, random()?);
        let scopes =
            std::iter::once("openid").chain(self.settings.scopes.iter().map(String::as_str));
        let query = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", redirect)
            .append_pair("scope", &scopes.collect::<Vec<_>>().join(" "))
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier)))
            .append_pair("code_challenge_method", "S256")
            .finish();
        let endpoint = &metadata.authorization_endpoint;
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        Ok(Started { url: format!("{endpoint}{joint}{query}"), state, nonce, verifier })
    }

    /// Exchanges a code for what the provider says about somebody.
    ///
    /// # Errors
    /// `oidc-refused` for a code that is not good, `oidc-token-wrong` for an ID token that is not from
    /// this provider, for this client, for this sign-in and for now; `oidc-unreachable`, `oidc-issuer-wrong`
    pub fn redeem(
        &self,
        code: &str,
        verifier: &str,
        nonce: &str,
        redirect: &str,
    ) -> Result<Claims> {
        let metadata = self.metadata()?;
        let tokens = self.exchange(&metadata, code, verifier, redirect)?;
        let said = self.verified(&metadata, |known| {
            known.keys.id_token(&tokens.id_token, nonce, self.expected(known))
        })?;
        let claims = Claims::new(&metadata.issuer, said);
        let mut claims = claims.ok_or_else(|| wrong_token("nobody is named in it".into()))?;
        self.complete(&metadata, &mut claims, tokens.access_token.as_deref())?;
        Ok(claims)
    }

    fn exchange(
        &self,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
        redirect: &str,
    ) -> Result<Tokens> {
        let Oidc { client_id, client_secret, .. } = &self.settings;
        let secret = client_secret.text();
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", redirect)
            .append_pair("code_verifier", verifier);
        let mut request = Request::post(&metadata.token_endpoint)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        match (secret.is_empty(), metadata.takes_secret_in_body) {
            (true, _) => drop(form.append_pair("client_id", client_id)),
            (false, true) => {
                form.append_pair("client_id", client_id).append_pair("client_secret", secret);
            }
            (false, false) => request = request.header(AUTHORIZATION, basic(client_id, secret)),
        }
        let answer = self.send(request.body(form.finish().into_bytes()))?;
        let status = answer.status();
        if status.is_server_error() {
            return Err(self.unreachable(format!("{}: {status}", metadata.token_endpoint)));
        }
        let said: Said = serde_json::from_slice(answer.body()).unwrap_or_default();
        if !status.is_success() {
            let part = |name| text(&said, name).unwrap_or_default();
            return Err(refused(format!(
                "{status} {} {}",
                part("error"),
                part("error_description")
            )));
        }
        let id_token = text(&said, "id_token");
        let id_token = id_token.ok_or_else(|| wrong_token("no ID token in the answer".into()))?;
        Ok(Tokens { id_token, access_token: text(&said, "access_token") })
    }

    fn expected<'a>(&'a self, metadata: &'a Metadata) -> Expected<'a> {
        let Oidc { client_id, audiences, .. } = &self.settings;
        Expected { issuer: &metadata.issuer, client: client_id, audiences }
    }

    /// What a token says. Once more with fresh keys when it is not believed: the provider may have changed
    /// them since.
    fn verified(
        &self,
        metadata: &Metadata,
        open: impl Fn(&Metadata) -> Result<Said, String>,
    ) -> Result<Said> {
        match open(metadata) {
            Err(_) if self.may_ask_again() => open(&*self.discover()?).map_err(wrong_token),
            known => known.map_err(wrong_token),
        }
    }

    /// Adds what stands in the answer about the person and not in the token.
    fn complete(
        &self,
        metadata: &Metadata,
        claims: &mut Claims,
        access_token: Option<&str>,
    ) -> Result<()> {
        let Oidc { name_claim, group_claim, .. } = &self.settings;
        let wanted = [name_claim.as_str(), group_claim, "email", "name"];
        let Some(endpoint) = &metadata.userinfo_endpoint else { return Ok(()) };
        if wanted.iter().all(|name| claims.all.contains_key(*name)) {
            return Ok(());
        }
        let pass =
            access_token.ok_or_else(|| wrong_token("no access token in the answer".into()))?;
        let request = Request::get(endpoint)
            .header(AUTHORIZATION, format!("Bearer {pass}"))
            .header(ACCEPT, "application/json, application/jwt;q=0.5");
        let answer = self.send(request.body(Vec::new()))?;
        let status = answer.status();
        let unlike = || wrong_token(format!("the claims endpoint answers {status}"));
        if !status.is_success() {
            return Err(unlike());
        }
        let told = match serde_json::from_slice(answer.body()) {
            Ok(told) => told,
            Err(_) => {
                let token = std::str::from_utf8(answer.body()).map_err(|_| unlike())?.trim();
                self.verified(metadata, |known| {
                    known.keys.signed_claims(token, self.expected(known))
                })?
            }
        };
        // OpenID Connect Core, 5.3.2: else it may be about somebody else.
        if text(&told, "sub").as_ref() != Some(&claims.subject) {
            return Err(wrong_token("the claims are another subject's".into()));
        }
        for (name, value) in told {
            claims.all.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// What is known of the provider, asked again when it is old.
    ///
    /// # Errors
    /// `oidc-unreachable`, `oidc-issuer-wrong`
    pub fn metadata(&self) -> Result<Arc<Metadata>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, metadata)) = &known.metadata
            && at.elapsed() < KEPT
        {
            return Ok(Arc::clone(metadata));
        }
        if known.failed_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(Error::unreachable("oidc-unreachable"));
        }
        drop(known);
        self.discover()
    }

    /// Asks the provider what it is and for its keys.
    ///
    /// # Errors
    /// `oidc-unreachable`; `oidc-issuer-wrong` when it names itself otherwise than the settings do
    pub fn discover(&self) -> Result<Arc<Metadata>> {
        let written = without_slash(&self.settings.issuer);
        let said = self.document(&format!("{written}/.well-known/openid-configuration"))?;
        let issuer = text(&said, "issuer").unwrap_or_default();
        // With and without a slash at its end the address of what was read is the same.
        if without_slash(&issuer) != written {
            return Err(self.misnamed(&issuer));
        }
        let needed = |name: &str| {
            let found = text(&said, name);
            found.ok_or_else(|| self.unreachable(format!("what it says about itself lacks {name}")))
        };
        let found = Arc::new(Metadata {
            authorization_endpoint: needed("authorization_endpoint")?,
            token_endpoint: needed("token_endpoint")?,
            userinfo_endpoint: text(&said, "userinfo_endpoint"),
            takes_secret_in_body: takes_secret_in_body(&said),
            keys: Keys::read(&self.document(&needed("jwks_uri")?)?),
            issuer,
        });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.metadata = Some((Instant::now(), Arc::clone(&found)));
        known.failed_at = None;
        Ok(found)
    }

    fn document(&self, url: &str) -> Result<Said> {
        let answer =
            self.send(Request::get(url).header(ACCEPT, "application/json").body(Vec::new()))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(self.unreachable(format!("{url}: {status}")));
        }
        let read = serde_json::from_slice(answer.body());
        read.map_err(|cause| self.unreachable(format!("{url}: {cause}")))
    }

    fn may_ask_again(&self) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.metadata.as_ref().is_some_and(|(at, _)| at.elapsed() > PAUSE)
    }

    fn send(&self, request: http::Result<Request<Vec<u8>>>) -> Result<Response<Vec<u8>>> {
        let request = request.map_err(|cause| self.unreachable(cause.to_string()))?;
        let answer = run(self.agent()?, request);
        answer.map_err(|cause| self.unreachable(chain(&cause)))
    }

    fn agent(&self) -> Result<&ureq::Agent> {
        if let Some(agent) = self.agent.get() {
            return Ok(agent);
        }
        let certificates = trust::certificates(self.settings.ca_file.as_deref())?;
        let certificates =
            certificates.iter().map(|known| Certificate::from_der(known).to_owned()).collect();
        let roots = RootCerts::Specific(Arc::new(certificates));
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .http_status_as_error(false)
            // A redirect would be followed to wherever it leads.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        Ok(self.agent.get_or_init(|| config.into()))
    }

    fn unreachable(&self, cause: String) -> Error {
        let issuer = &self.settings.issuer;
        tracing::warn!(issuer, cause, "the identity provider does not answer");
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.failed_at = Some(Instant::now());
        Error::unreachable("oidc-unreachable").because(cause)
    }

    fn misnamed(&self, said: &str) -> Error {
        let issuer = &self.settings.issuer;
        tracing::warn!(
            issuer,
            said,
            "the identity provider names itself otherwise than the settings"
        );
        Error::conflict("oidc-issuer-wrong").arg("said", said).arg("issuer", issuer)
    }
}

fn run(agent: &ureq::Agent, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ureq::Error> {
    let (parts, body) = request.into_parts();
    let response = match parts.method == http::Method::GET {
        true => agent.run(Request::from_parts(parts, ())),
        false => agent.run(Request::from_parts(parts, body)),
    };
    let (parts, mut body) = response?.into_parts();
    let bytes = body.with_config().limit(SIZE_LIMIT).read_to_vec()?;
    Ok(Response::from_parts(parts, bytes))
}

/// RFC 6749, 2.3.1: both are written as in a form.
fn basic(client: &str, secret: &str) -> String {
    let form = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", form(client), form(secret))))
}

/// The header is the usual way, also where nothing is said.
fn takes_secret_in_body(said: &Said) -> bool {
    let ways = said.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
    ways.is_some_and(|ways| {
        let takes = |way: &str| ways.iter().any(|known| known == way);
        takes("client_secret_post") && !takes("client_secret_basic")
    })
}

fn without_slash(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

fn refused(cause: String) -> Error {
    tracing::warn!(cause, "the identity provider refuses a code");
    Error::bad_input("oidc-refused").because(cause)
}

fn wrong_token(cause: String) -> Error {
    tracing::warn!(cause, "the identity provider's answer is not believed");
    Error::bad_input("oidc-token-wrong").because(cause)
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(inner) = below {
        text = format!("{text}: {inner}");
        below = inner.source();
    }
    text
}
