//! Whose connections they are that come from this machine itself: where TLS ends before the web server, every
//! connection does.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use rocket::Request;

/// Clients by the address that the web server sees. None is forgotten before its port is another's: a client that is
/// gone may have left requests behind, which are still its own. There are no more than ports.
#[derive(Debug, Default)]
pub struct Peers(Mutex<HashMap<SocketAddr, SocketAddr>>);

impl Peers {
    /// Notes that what is seen as `seen` is this client.
    pub fn know(&self, seen: SocketAddr, client: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(seen, client);
    }

    fn behind(&self, seen: SocketAddr) -> Option<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&seen).copied()
    }
}

/// The address that a request's connection comes from.
pub fn client_ip(request: &Request<'_>) -> Option<IpAddr> {
    let seen = request.remote()?;
    let peers = request.rocket().state::<Arc<Peers>>();
    Some(peers.and_then(|peers| peers.behind(seen)).unwrap_or(seen).ip())
}
