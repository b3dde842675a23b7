//! How many connections and requests there may be at one time, in all and of one address: what one client takes must
//! leave others room, and all of them together must leave the operations files to open.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::settings::TrustedProxies;

/// As many as are ever let in, however many files may be open.
const MOST: usize = 8192;
/// Files that operations, the store and nodes keep for themselves.
const KEPT: usize = 512;
/// A whole school may stand behind one address.
const SHARE: usize = 8;
/// Fewer than this are no limit against anybody, but one against the tabs of a few browsers.
const LEAST: usize = 64;
/// Who is refused is told about this often: an attack must not fill the log.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// Takes one file, and two for the link to the web server that is kept.
    Connection,
    /// Takes two more.
    Request,
}

/// Counts what is there.
pub struct Doors {
    /// Of each kind.
    most: usize,
    proxies: TrustedProxies,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: [usize; 2],
    by_address: HashMap<IpAddr, [usize; 2]>,
    told: Option<Instant>,
}

/// Counts until it is dropped.
pub struct Held {
    doors: Arc<Doors>,
    address: IpAddr,
    what: What,
}

impl Doors {
    /// `files`: how many the process may have open. Behind a proxy of `proxies` are many clients.
    pub fn new(files: u64, proxies: TrustedProxies) -> Arc<Self> {
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        // A connection takes three, a request beside its first two more.
        let most = (files.saturating_sub(KEPT).max(files / 2) / 5).min(MOST);
        Arc::new(Self { most, proxies, counts: Mutex::default() })
    }

    /// `None`: there are as many as may be.
    pub fn enter(self: &Arc<Self>, address: IpAddr, what: What) -> Option<Held> {
        // The settings name a proxy by its whole address.
        let share = self.share_of(address);
        let address = whose(address);
        let place = what as usize;
        let mut counts = self.lock();
        let own = counts.by_address.get(&address).map_or(0, |own| own[place]);
        let full = counts.all[place] >= self.most;
        if full || own >= share {
            let is_news = counts.told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
            if is_news {
                counts.told = Some(Instant::now());
                tracing::warn!(%address, own, all = counts.all[place], ?what, "too many at a time: refused");
            }
            return None;
        }
        counts.all[place] += 1;
        counts.by_address.entry(address).or_default()[place] += 1;
        Some(Held { doors: Arc::clone(self), address, what })
    }

    fn share_of(&self, address: IpAddr) -> usize {
        if self.proxies.has(address) { self.most } else { (self.most / SHARE).max(LEAST) }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever has one address of IPv6 has its whole network of 64 bits.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let place = self.what as usize;
        let mut counts = self.doors.lock();
        counts.all[place] -= 1;
        if let Some(own) = counts.by_address.get_mut(&self.address) {
            own[place] -= 1;
            if *own == [0, 0] {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_takes_its_share_and_leaves_the_rest_to_others() {
        let doors = Doors::new(1_000_000, TrustedProxies::default());
        let enter = |from: &str, what| doors.enter(address(from), what);
        let held: Vec<_> = (0..MOST / SHARE)
            .map(|_| enter("192.0.2.1", What::Connection).expect("room"))
            .collect();
        assert!(enter("192.0.2.1", What::Connection).is_none());
        assert!(enter("::ffff:192.0.2.1", What::Connection).is_none(), "the same one");
        assert!(enter("192.0.2.1", What::Request).is_some() && held.len() == 1024);
        assert!(enter("192.0.2.2", What::Connection).is_some());
        drop(held);
        assert!(enter("192.0.2.1", What::Connection).is_some());
        assert!(doors.lock().by_address.is_empty() && doors.lock().all == [0, 0]);
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one() {
        let doors = Doors::new(1_000_000, TrustedProxies::default());
        let held: Vec<_> = (0..MOST / SHARE)
            .map(|number| doors.enter(address(&format!("2001:db8::{number:x}")), What::Request))
            .collect();
        assert!(held.iter().all(Option::is_some));
        assert!(doors.enter(address("2001:db8::ffff"), What::Request).is_none());
        assert!(doors.enter(address("2001:db8:0:1::1"), What::Request).is_some());
    }

    #[test]
    fn a_proxy_is_named_by_its_whole_address() {
        let proxies = TrustedProxies::parse(&["2001:db8::5".to_owned()]).expect("proxies");
        let doors = Doors::new(1_000_000, proxies);
        let enter = |from: &str| doors.enter(address(from), What::Connection);
        let held: Vec<_> = (0..=MOST / SHARE).map(|_| enter("2001:db8::5")).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(enter("2001:db8::6").is_none(), "its neighbour is none");
    }

    #[test]
    fn behind_a_proxy_that_is_named_are_many_and_files_are_kept_for_the_operations() {
        let proxies = TrustedProxies::parse(&["192.0.2.9".to_owned()]).expect("proxies");
        let doors = Doors::new(1024, proxies);
        let mut held = Vec::new();
        while let Some(one) = doors.enter(address("192.0.2.9"), What::Connection) {
            held.push(one);
        }
        assert!(held.len() > LEAST && held.len() * 3 + KEPT <= 1024, "{}", held.len());
        assert!(doors.enter(address("192.0.2.1"), What::Connection).is_none(), "in all");
    }
}
