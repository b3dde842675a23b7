//! Random tokens: of sessions and of the set-up link.

use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Context, Result};

/// 256 random bits, as 64 hex digits. Shown once; the store keeps the hash.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    pub fn random() -> Result<Self> {
        Ok(Self(Zeroizing::new(hex::encode(random_bytes()?))))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    pub fn hash(&self) -> Vec<u8> {
        hash(&self.0)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// Tokens are random and long: one round of SHA-256 keeps a copy of the database useless.
pub fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// 256 bits from the operating system.
pub fn random_bytes() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).context("read random bytes")?;
    Ok(bytes)
}
