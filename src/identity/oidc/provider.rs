//! The provider's protocol: what it is, where it is asked, and whether an ID token is from it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreTokenResponse,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
};
use serde_json::{Map, Value};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::error::{Error, Result};
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

/// Signatures that are believed: those with a key that the provider alone has.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

pub struct Provider {
    settings: Oidc,
    agent: OnceLock<ureq::Agent>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Instant, Arc<CoreProviderMetadata>)>,
    failed_at: Option<Instant>,
}

/// A browser on its way to the provider.
pub struct Started {
    pub url: String,
    pub state: CsrfToken,
    pub nonce: Nonce,
    pub verifier: PkceCodeVerifier,
}

/// What the provider says about somebody.
pub struct Claims {
    pub subject: String,
    all: Map<String, Value>,
}

impl Claims {
    /// A claim that is text and not empty.
    pub fn text(&self, name: &str) -> Option<String> {
        let text = self.all.get(name).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A claim that is one text or a list of them.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.all.get(name) {
            Some(Value::Array(list)) => {
                list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(Value::String(text)) => vec![text.clone()],
            _ => Vec::new(),
        }
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.all.get(name).and_then(Value::as_bool)
    }
}

impl Provider {
    pub fn new(settings: Oidc) -> Self {
        Self { settings, agent: OnceLock::new(), known: Mutex::default() }
    }

    /// Where somebody signs in who comes back to `redirect`.
    pub fn start(&self, redirect: &str) -> Result<Started> {
        let metadata = self.metadata()?;
        let client = self.client(&metadata)?.set_redirect_uri(redirect_url(redirect)?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let asked = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(self.settings.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        let (url, state, nonce) = asked.url();
        Ok(Started { url: url.into(), state, nonce, verifier })
    }

    /// Exchanges a code for what the provider says about somebody.
    ///
    /// # Errors
    /// `oidc-refused` for a code that is not good, `oidc-token-wrong` for an ID token that is not from
    /// this provider, for this client, for this sign-in and for now; `oidc-unreachable`
    pub fn redeem(
        &self,
        code: String,
        verifier: PkceCodeVerifier,
        nonce: &Nonce,
        redirect: &str,
    ) -> Result<Claims> {
        let metadata = self.metadata()?;
        let client = self.client(&metadata)?.set_redirect_uri(redirect_url(redirect)?);
        let asked = client.exchange_code(AuthorizationCode::new(code));
        let asked = asked.map_err(|cause| self.unreachable(&cause))?.set_pkce_verifier(verifier);
        let agent = self.agent()?;
        let answer: CoreTokenResponse =
            asked.request(&|request| send(agent, request)).map_err(|cause| match cause {
                openidconnect::RequestTokenError::Request(_) => self.unreachable(&cause),
                refusal => {
                    let cause = chain(&refusal);
                    tracing::warn!(cause, "the identity provider refuses a code");
                    Error::bad_input("oidc-refused").because(cause)
                }
            })?;
        let token = answer.extra_fields().id_token();
        let token = token.ok_or_else(|| wrong_token("no ID token in the answer".into()))?;
        let mut claims = self.verified(&metadata, token, nonce)?;
        self.complete(&metadata, &mut claims, answer.access_token().secret())?;
        Ok(claims)
    }

    /// The claims of a token. Once more with fresh keys when they do not fit: the provider may have
    /// changed them since.
    fn verified(
        &self,
        metadata: &CoreProviderMetadata,
        token: &CoreIdToken,
        nonce: &Nonce,
    ) -> Result<Claims> {
        match self.verify(metadata, token, nonce) {
            Err(_) if self.may_ask_again() => self.verify(&*self.discover()?, token, nonce),
            known => known,
        }
    }

    fn verify(
        &self,
        metadata: &CoreProviderMetadata,
        token: &CoreIdToken,
        nonce: &Nonce,
    ) -> Result<Claims> {
        let client = self.client(metadata)?;
        let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
        let known = token.claims(&verifier, nonce);
        let known = known.map_err(|cause| wrong_token(chain(&cause)))?;
        let subject = known.subject().to_string();
        Ok(Claims { subject, all: payload(&token.to_string())? })
    }

    /// Adds what stands in the answer about the person and not in the token.
    fn complete(
        &self,
        metadata: &CoreProviderMetadata,
        claims: &mut Claims,
        access_token: &str,
    ) -> Result<()> {
        let Oidc { name_claim, group_claim, .. } = &self.settings;
        let wanted = [name_claim.as_str(), group_claim, "email", "name"];
        let Some(endpoint) = metadata.userinfo_endpoint() else { return Ok(()) };
        if wanted.iter().all(|name| claims.all.contains_key(*name)) {
            return Ok(());
        }
        let request = http::Request::get(endpoint.url().as_str())
            .header("Authorization", format!("Bearer {access_token}"))
            .header("Accept", "application/json")
            .body(Vec::new());
        let request = request.map_err(|cause| self.unreachable(&cause))?;
        let answer = send(self.agent()?, request).map_err(|cause| self.unreachable(&cause))?;
        let status = answer.status();
        let told: Map<String, Value> = match serde_json::from_slice(answer.body()) {
            Ok(told) if status.is_success() => told,
            _ => return Err(wrong_token(format!("the claims endpoint answers {status}"))),
        };
        // OpenID Connect Core, 5.3.2: else it may be about somebody else.
        if told.get("sub").and_then(Value::as_str) != Some(&claims.subject) {
            return Err(wrong_token("the claims are another subject's".into()));
        }
        for (name, value) in told {
            claims.all.entry(name).or_insert(value);
        }
        Ok(())
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> Result<Client> {
        let Oidc { client_id, client_secret, .. } = &self.settings;
        let secret = Some(client_secret.text()).filter(|secret| !secret.is_empty());
        let secret = secret.map(|secret| ClientSecret::new(secret.to_owned()));
        let id = ClientId::new(client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata.clone(), id, secret);
        let ways = metadata.token_endpoint_auth_methods_supported();
        let in_body_only = ways.is_some_and(|ways| {
            !ways.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && ways.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        let way = if in_body_only { AuthType::RequestBody } else { AuthType::BasicAuth };
        Ok(client.set_auth_type(way))
    }

    /// What is known of the provider, asked again when it is old.
    fn metadata(&self) -> Result<Arc<CoreProviderMetadata>> {
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
    /// `oidc-unreachable`
    pub fn discover(&self) -> Result<Arc<CoreProviderMetadata>> {
        let issuer = IssuerUrl::new(self.settings.issuer.clone());
        let issuer = issuer.map_err(|cause| self.unreachable(&cause))?;
        let agent = self.agent()?;
        let found = CoreProviderMetadata::discover(&issuer, &|request| send(agent, request));
        let found = Arc::new(found.map_err(|cause| self.unreachable(&cause))?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.metadata = Some((Instant::now(), Arc::clone(&found)));
        known.failed_at = None;
        Ok(found)
    }

    fn may_ask_again(&self) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.metadata.as_ref().is_some_and(|(at, _)| at.elapsed() > PAUSE)
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

    fn unreachable(&self, cause: &(dyn std::error::Error + 'static)) -> Error {
        let (issuer, cause) = (&self.settings.issuer, chain(cause));
        tracing::warn!(issuer, cause, "the identity provider does not answer");
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.failed_at = Some(Instant::now());
        Error::unreachable("oidc-unreachable").because(cause)
    }
}

/// With the endpoints that discovery gives.
type Client = CoreClient<
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointMaybeSet,
    openidconnect::EndpointMaybeSet,
>;

fn send(agent: &ureq::Agent, request: HttpRequest) -> Result<HttpResponse, ureq::Error> {
    let (parts, body) = request.into_parts();
    let response = match parts.method == http::Method::GET {
        true => agent.run(http::Request::from_parts(parts, ())),
        false => agent.run(http::Request::from_parts(parts, body)),
    };
    let (parts, mut body) = response?.into_parts();
    let bytes = body.with_config().limit(SIZE_LIMIT).read_to_vec()?;
    Ok(http::Response::from_parts(parts, bytes))
}

fn redirect_url(text: &str) -> Result<RedirectUrl> {
    RedirectUrl::new(text.to_owned())
        .map_err(|cause| Error::bad_input("request-malformed").because(cause))
}

/// All claims of a token that was verified.
fn payload(token: &str) -> Result<Map<String, Value>> {
    let part = token.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|cause| wrong_token(cause.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|cause| wrong_token(cause.to_string()))
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
