//! Looks of `carrel doctor`: all at once, each with a limit of its own, so that what hangs is named and hides nothing.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::node::protocol::{Check, Verdict};

/// Longer than anything takes that works, and than requests wait for libvirt.
const PATIENCE: Duration = Duration::from_secs(12);

type Run = Box<dyn FnOnce() -> Vec<Check> + Send>;

/// One thing to look at.
pub struct Look {
    /// As `check-slow` names it.
    what: &'static str,
    /// Which of several such things.
    object: String,
    patience: Duration,
    run: Run,
}

impl Look {
    pub fn new<C: IntoIterator<Item = Check>>(
        what: &'static str,
        run: impl FnOnce() -> C + Send + 'static,
    ) -> Self {
        let run: Run = Box::new(move || run().into_iter().collect());
        Self { what, object: String::new(), patience: PATIENCE, run }
    }

    pub fn of(mut self, object: String) -> Self {
        self.object = object;
        self
    }

    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn too_slow(what: &str, object: &str, patience: Duration) -> Check {
        let seconds = patience.as_secs().to_string();
        let args = [("what", what), ("object", object), ("seconds", &seconds)];
        let args = args.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Check { key: "check-slow".to_owned(), args: args.into(), verdict: Verdict::Poor }
    }
}

/// What was found, in the order of the looks. A look that takes too long is left behind.
pub fn all(looks: Vec<Look>) -> Vec<Check> {
    let began = Instant::now();
    let begin = |Look { what, object, patience, run }| {
        let (found, answer) = mpsc::channel();
        let begun = thread::Builder::new().name(format!("look-{what}")).spawn(move || {
            // Nobody listens any more when it took too long.
            let _ = found.send(run());
        });
        if let Err(cause) = begun {
            tracing::warn!(%cause, what, "no thread for a look");
        }
        (what, object, patience, answer)
    };
    let begun: Vec<_> = looks.into_iter().map(begin).collect();
    let end = |(what, object, patience, answer): (_, String, Duration, mpsc::Receiver<_>)| {
        let left = patience.saturating_sub(began.elapsed());
        answer.recv_timeout(left).unwrap_or_else(|_| vec![Look::too_slow(what, &object, patience)])
    };
    begun.into_iter().flat_map(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(key: &str) -> Check {
        Check { key: key.to_owned(), args: Vec::new(), verdict: Verdict::Good }
    }

    #[test]
    fn what_hangs_is_named_and_hides_nothing() {
        let (hold, held) = mpsc::channel::<()>();
        let hangs = move || {
            let _ = held.recv();
            [good("late")]
        };
        let found = all(vec![
            Look::new("libvirt", || [good("first")]),
            Look::new("storage", hangs).of("/srv".to_owned()).patient(Duration::from_millis(50)),
            Look::new("clock", || vec![good("last"), good("more")]),
        ]);
        drop(hold);
        let keys: Vec<&str> = found.iter().map(|check| check.key.as_str()).collect();
        assert_eq!(keys, ["first", "check-slow", "last", "more"]);
        assert_eq!(found[1].verdict, Verdict::Poor);
        let arg = |wanted: &str| found[1].args.iter().find(|(name, _)| name == wanted);
        assert_eq!(arg("what").map(|(_, value)| value.as_str()), Some("storage"));
        assert_eq!(arg("object").map(|(_, value)| value.as_str()), Some("/srv"));
    }
}
