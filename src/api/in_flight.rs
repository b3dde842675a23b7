//! How many requests of one connection are answered at the same time.
//!
//! HTTP/2 carries any number of them side by side, and the web server names no limit to its clients. What is answered
//! waits in memory until the client takes it: one that takes nothing must not fill it. A request beyond the limit is
//! refused without a body, which needs no room that the client would have to give.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Status;
use rocket::{Data, Request, Response};

/// As many as HTTP/2 recommends that a server takes; a page of the console asks for fewer.
pub const LIMIT: usize = 100;

/// Counts the requests of each connection. Clones are the same.
#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<HashMap<SocketAddr, usize>>>);

/// A request that is being answered; Rocket drops it with the request, when the answer was taken or nobody is there
/// any more to take it.
struct Counted {
    all: InFlight,
    connection: SocketAddr,
    is_beyond: bool,
}

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, connection: SocketAddr) -> Counted {
        let mut counts = self.lock();
        let count = counts.entry(connection).or_default();
        *count += 1;
        Counted { all: self.clone(), connection, is_beyond: *count > LIMIT }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.all.lock();
        if let Some(count) = counts.get_mut(&self.connection) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.connection);
            }
        }
    }
}

#[rocket::async_trait]
impl Fairing for InFlight {
    fn info(&self) -> Info {
        Info { name: "requests in flight", kind: Kind::Request }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        if let Some(connection) = request.remote() {
            request.local_cache(|| Some(self.begin(connection)));
        }
    }
}

/// The refusal of a request that is one too many of its connection.
pub fn refusal<'r>(request: &Request<'_>) -> Option<Response<'r>> {
    let counted: &Option<Counted> = request.local_cache(|| None);
    let is_beyond = counted.as_ref().is_some_and(|counted| counted.is_beyond);
    is_beyond.then(|| {
        let mut response = Response::build();
        response.status(Status::TooManyRequests).raw_header("Retry-After", "1");
        response.finalize()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_its_own_and_gives_back_what_it_took() {
        let all = InFlight::default();
        let [one, other] = ["192.0.2.1:1000", "192.0.2.1:1001"].map(|at| at.parse().expect("one"));
        let mut taken: Vec<Counted> = (0..LIMIT).map(|_| all.begin(one)).collect();
        assert!(taken.iter().all(|counted| !counted.is_beyond));
        assert!(all.begin(one).is_beyond && !all.begin(other).is_beyond);
        taken.pop();
        assert!(!all.begin(one).is_beyond);
        drop(taken);
        assert!(all.lock().is_empty());
    }
}
