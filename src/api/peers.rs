//! Whose connections they are that come from this machine itself: every connection does, as clients come in before the
//! web server.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocket::http::Status;
use rocket::{Request, Response};

/// Clients by the address that the web server sees, for as long as they are connected.
#[derive(Debug, Default)]
pub struct Peers {
    clients: Mutex<HashMap<SocketAddr, SocketAddr>>,
}

/// A client that is connected; known until this is dropped.
pub struct Known {
    peers: Arc<Peers>,
    seen: SocketAddr,
}

/// Kept for the whole of a request, which its client may not wait for.
struct Client(Option<IpAddr>);

impl Peers {
    /// Every client comes through what calls [`Peers::know`]; whoever does not is none.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Notes that what is seen as `seen` is this client.
    pub fn know(self: &Arc<Self>, seen: SocketAddr, client: SocketAddr) -> Known {
        self.lock().insert(seen, client);
        Known { peers: Arc::clone(self), seen }
    }

    fn behind(&self, seen: SocketAddr) -> Option<SocketAddr> {
        self.lock().get(&seen).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, SocketAddr>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.peers.lock().remove(&self.seen);
    }
}

/// The address that a request's connection comes from.
pub fn client_ip(request: &Request<'_>) -> Option<IpAddr> {
    let client = request.local_cache(|| {
        let peers = request.rocket().state::<Arc<Peers>>();
        let client = peers.and_then(|peers| peers.behind(request.remote()?));
        Client(client.map(|client| client.ip()))
    });
    client.0
}

/// The refusal of a request that did not come through the front: of somebody on this machine, without TLS and limits,
/// who could be taken for another.
pub fn refusal<'r>(request: &Request<'_>) -> Option<Response<'r>> {
    client_ip(request)
        .is_none()
        .then(|| Response::build().status(Status::MisdirectedRequest).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_known_while_it_is_connected() {
        let [seen, client] =
            ["127.0.0.1:4000", "192.0.2.7:5000"].map(|at| at.parse().expect("one"));
        let peers = Peers::new();
        assert_eq!(peers.behind(seen), None);
        let known = peers.know(seen, client);
        assert_eq!(peers.behind(seen), Some(client));
        drop(known);
        assert_eq!(peers.behind(seen), None);
    }
}
