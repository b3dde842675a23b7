//! Tickets: the right to fetch one thing once, by a URL, because what a browser opens by itself sends no credentials.
//!
//! A ticket is random, good once and for a limited time. URLs end up in logs and memory in dumps: only hashes are kept.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use crate::error::{Context, Result};

/// Bytes of a ticket. SPICE takes passwords of up to 60 characters.
const TICKET_BYTES: usize = 24;
/// Tickets that may wait; beyond it the oldest goes.
const LIMIT: usize = 10_000;

/// Tickets that were given and not taken yet, and what each is for. They end with the server.
pub struct Tickets<T>(HashMap<[u8; 32], Waiting<T>>);

struct Waiting<T> {
    until: Instant,
    right: T,
}

impl<T> Default for Tickets<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Tickets<T> {
    /// Gives the word for a right that is void after `life`.
    pub fn give(&mut self, right: T, life: Duration) -> Result<String> {
        let mut random = [0; TICKET_BYTES];
        OsRng.try_fill_bytes(&mut random).context("draw a ticket")?;
        let word = hex::encode(random);
        self.drop_old();
        if self.0.len() >= LIMIT {
            let oldest = self.0.iter().min_by_key(|(_, waiting)| waiting.until);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.0.remove(&key);
            }
        }
        self.0.insert(key(&word), Waiting { until: Instant::now() + life, right });
        Ok(word)
    }

    /// Takes the right: a ticket is good once. `None` for one that was never given, was taken, or is void.
    pub fn take(&mut self, word: &str) -> Option<T> {
        let Waiting { until, right } = self.0.remove(&key(word))?;
        (until > Instant::now()).then_some(right)
    }

    /// The right, which stays.
    pub fn look(&self, word: &str) -> Option<&T> {
        let waiting = self.0.get(&key(word))?;
        (waiting.until > Instant::now()).then_some(&waiting.right)
    }

    /// Rights that may still be taken.
    pub fn waiting(&mut self) -> impl Iterator<Item = &T> {
        self.drop_old();
        self.0.values().map(|waiting| &waiting.right)
    }

    fn drop_old(&mut self) {
        let now = Instant::now();
        self.0.retain(|_, waiting| waiting.until > now);
    }
}

fn key(word: &str) -> [u8; 32] {
    Sha256::digest(word.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_ticket_is_good_once() {
        let mut tickets = Tickets::default();
        let word = tickets.give("pc1", LONG).expect("a ticket");
        assert_eq!(word.len(), 2 * TICKET_BYTES);
        assert_eq!(tickets.take("somebody's guess"), None);
        assert_eq!(tickets.waiting().collect::<Vec<_>>(), [&"pc1"]);
        assert_eq!((tickets.look(&word), tickets.look("guess")), (Some(&"pc1"), None));
        assert_eq!(tickets.take(&word), Some("pc1"));
        assert_eq!(tickets.look(&word), None);
        assert_eq!(tickets.take(&word), None);
    }

    #[test]
    fn an_old_ticket_is_good_for_nothing() {
        let mut tickets = Tickets::default();
        let word = tickets.give("pc1", Duration::ZERO).expect("a ticket");
        assert_eq!(tickets.waiting().count(), 0);
        assert_eq!(tickets.take(&word), None);
        let word = tickets.give("pc1", Duration::ZERO).expect("a ticket");
        assert_eq!(tickets.take(&word), None);
    }

    #[test]
    fn only_a_hash_is_kept() {
        let mut tickets = Tickets::default();
        let word = tickets.give((), LONG).expect("a ticket");
        assert!(!tickets.0.keys().any(|key| hex::encode(key) == word));
    }

    #[test]
    fn of_too_many_the_oldest_goes() {
        let mut tickets = Tickets::default();
        let words: Vec<String> =
            (0..=LIMIT).map(|right| tickets.give(right, LONG).expect("a ticket")).collect();
        assert_eq!(tickets.take(&words[0]), None);
        assert_eq!(tickets.take(&words[LIMIT]), Some(LIMIT));
    }
}
