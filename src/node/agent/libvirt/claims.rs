//! Who works on which domain now.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// At most one holds a domain: two never start, restore or remove the same at once.
#[derive(Default)]
pub struct Claims {
    held: Mutex<HashSet<Uuid>>,
    released: Condvar,
}

pub struct Claim<'a> {
    claims: &'a Claims,
    domain: Uuid,
}

impl Claims {
    /// Waits until nobody else holds the domain.
    pub fn hold(&self, domain: Uuid) -> Claim<'_> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = self
            .released
            .wait_while(held, |held| held.contains(&domain))
            .unwrap_or_else(PoisonError::into_inner);
        held.insert(domain);
        Claim { claims: self, domain }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut held = self.claims.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&self.domain);
        self.claims.released.notify_all();
    }
}

/// Domains of which something is so for the time being, by how many say it. Clones are the same.
#[derive(Clone, Default)]
pub struct Marks(Arc<Mutex<HashMap<Uuid, usize>>>);

/// Takes its mark away when dropped.
pub struct Mark {
    marks: Marks,
    domains: Vec<Uuid>,
}

impl Marks {
    pub fn set(&self, domains: &[Uuid]) -> Mark {
        let mut counts = self.lock();
        for domain in domains {
            *counts.entry(*domain).or_default() += 1;
        }
        Mark { marks: self.clone(), domains: domains.to_vec() }
    }

    pub fn has(&self, domain: Uuid) -> bool {
        self.lock().contains_key(&domain)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mark {
    pub fn is_of(&self, domain: Uuid) -> bool {
        self.domains.contains(&domain)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut counts = self.marks.lock();
        for domain in &self.domains {
            match counts.get_mut(domain) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    counts.remove(domain);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_lasts_until_the_last_who_set_it_is_done() {
        let marks = Marks::default();
        let domain = Uuid::new_v4();
        let first = marks.set(&[domain]);
        let second = marks.set(&[domain]);
        drop(first);
        assert!(marks.has(domain));
        drop(second);
        assert!(!marks.has(domain));
    }
}
