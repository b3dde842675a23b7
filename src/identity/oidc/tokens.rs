//! What a provider signs: whether it is its own word, for this client and for now.
//!
//! Only what decides that is read, and what is about the person is left to [`super::claims`]: providers differ in the
//! types of all the rest, and a claim that nobody needs keeps nobody out.

use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::claims::{Said, text};

/// Clocks may differ by so much, in seconds.
const LEEWAY: u64 = 60;

/// Signatures that are believed: those with a key that the provider alone has.
const ALGORITHMS: [(Algorithm, &str); 9] = [
    (Algorithm::RS256, "RS256"),
    (Algorithm::RS384, "RS384"),
    (Algorithm::RS512, "RS512"),
    (Algorithm::PS256, "PS256"),
    (Algorithm::PS384, "PS384"),
    (Algorithm::PS512, "PS512"),
    (Algorithm::ES256, "ES256"),
    (Algorithm::ES384, "ES384"),
    (Algorithm::EdDSA, "EdDSA"),
];

/// The keys that a provider signs with.
pub struct Keys(Vec<Key>);

struct Key {
    id: Option<String>,
    /// The only one that it is for, when it says so.
    algorithm: Option<String>,
    key: DecodingKey,
}

/// Whose token it has to be.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client: &'a str,
    /// Who else it may be for.
    pub audiences: &'a [String],
}

impl Keys {
    /// Those of a set (RFC 7517) that can be used; others may be for other things.
    pub fn read(set: &Said) -> Self {
        let listed = set.get("keys").and_then(Value::as_array).into_iter().flatten();
        Self(listed.filter_map(Value::as_object).filter_map(Key::read).collect())
    }

    /// What an ID token says.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn id_token(&self, token: &str, nonce: &str, who: Expected<'_>) -> Result<Said, String> {
        let mut rules = rules(who);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        let said = self.open(token, rules)?;
        if text(&said, "iss").as_deref() != Some(who.issuer) {
            return Err("another provider's".into());
        }
        for_this_client(&said, who)?;
        match said.get("nonce").and_then(Value::as_str) == Some(nonce) {
            true => Ok(said),
            false => Err("of another sign-in: the nonce differs".into()),
        }
    }

    /// What a claims endpoint says that signs it (OpenID Connect Core, 5.3.2).
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn signed_claims(&self, token: &str, who: Expected<'_>) -> Result<Said, String> {
        let mut rules = rules(who);
        rules.required_spec_claims.clear();
        self.open(token, rules)
    }

    /// The content of a token that one of these keys signed.
    fn open(&self, token: &str, mut rules: Validation) -> Result<Said, String> {
        let header = decode_header(token).map_err(|cause| cause.to_string())?;
        let believed = ALGORITHMS.iter().find(|(known, _)| *known == header.alg);
        let (algorithm, name) = believed.ok_or("signed in a way that is not believed")?;
        if header.crit.is_some() {
            return Err("asks for something that is not known here".into());
        }
        rules.algorithms = vec![*algorithm];
        let mut reason: Option<JwtError> = None;
        for key in self.fitting(header.kid.as_deref(), *algorithm, name) {
            match decode::<Map<String, Value>>(token, key, &rules) {
                Ok(known) => return Ok(known.claims),
                // What is wrong with the content says more than that it is another key's.
                Err(cause) => match cause.kind() {
                    ErrorKind::InvalidSignature if reason.is_some() => {}
                    _ => reason = Some(cause),
                },
            }
        }
        Err(reason.map_or_else(|| "signed with an unknown key".into(), |cause| cause.to_string()))
    }

    /// The key that a token names; when none has that name, or it names none, all those without one or all.
    fn fitting(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        name: &str,
    ) -> impl Iterator<Item = &DecodingKey> {
        let is_known = self.0.iter().any(|key| id.is_some() && key.id.as_deref() == id);
        let fits = move |key: &&Key| {
            let is_it = match (id, is_known) {
                (None, _) => true,
                (Some(_), true) => key.id.as_deref() == id,
                (Some(_), false) => key.id.is_none(),
            };
            let is_for_it = key.algorithm.as_deref().is_none_or(|only| only == name);
            is_it && is_for_it && key.key.family().algorithms().contains(&algorithm)
        };
        self.0.iter().filter(fits).map(|key| &key.key)
    }
}

impl Key {
    /// Only what makes the key is read of it.
    fn read(said: &Said) -> Option<Self> {
        if text(said, "use").is_some_and(|used| used != "sig") {
            return None;
        }
        let parts = ["kty", "crv", "n", "e", "x", "y"];
        let bare: Said = said
            .iter()
            .filter(|(name, _)| parts.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let jwk: Jwk = serde_json::from_value(Value::Object(bare)).ok()?;
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: text(said, "kid"), algorithm: text(said, "alg"), key })
    }
}

/// What the library is to look at.
fn rules(who: Expected<'_>) -> Validation {
    let mut rules = Validation::new(Algorithm::RS256);
    rules.leeway = LEEWAY;
    rules.validate_nbf = true;
    rules.set_issuer(&[who.issuer]);
    rules.set_audience(&[who.client]);
    rules
}

/// OpenID Connect Core, 3.1.3.7: a token that is for others too has to be made for this client, or the settings
/// have to know the others.
fn for_this_client(said: &Said, who: Expected<'_>) -> Result<(), String> {
    let maker = said.get("azp").filter(|maker| !maker.is_null());
    if maker.is_some_and(|maker| maker != who.client) {
        return Err("made for another client: azp differs".into());
    }
    let listed = said.get("aud").and_then(Value::as_array).into_iter().flatten();
    let is_known = |audience: &Value| {
        let name = audience.as_str().unwrap_or_default();
        name == who.client || who.audiences.iter().any(|known| known == name)
    };
    match listed.into_iter().find(|audience| !is_known(audience)) {
        Some(other) if maker.is_none() => {
            Err(format!("also for {other}, which neither azp nor the settings explain"))
        }
        _ => Ok(()),
    }
}
