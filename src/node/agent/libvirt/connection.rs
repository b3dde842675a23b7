//! The connection to libvirt: opened, watched, opened again.
//!
//! ```text
//!   Trying ──opened──► Up ──closed──► Down ──opened──► Up …
//!      └────failed───► Down ──(pause, longer each time)──┘
//! ```

use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt::error::ErrorNumber;

use super::errors::{Libvirt, is_code};
use super::events::{Signal, Subscription, start_loop};
use crate::error::{Error, Result};

/// libvirt's daemon is asked for a sign of life this often, and may leave this many questions open: a
/// hanging one is noticed after 20 seconds, a dead one at once.
const KEEP_ALIVE_SECONDS: i32 = 5;
const KEEP_ALIVE_COUNT: u32 = 3;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A daemon that came back is found within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a request waits for the first attempt to connect, which an agent makes as it starts.
const FIRST_ATTEMPT: Duration = Duration::from_secs(10);

/// The controller, which is no root, says what to connect to. Some of libvirt's transports start a program that the URI
/// names, and the agent would as root; what it manages is this machine.
///
/// # Errors
/// `libvirt-uri-not-local`
pub fn require_local(uri: &str) -> Result<()> {
    let is_local = uri.split_once(':').is_some_and(|(scheme, rest)| {
        let transport = scheme.split_once('+').map(|(_, transport)| transport);
        rest.starts_with("///") && matches!(transport, None | Some("unix"))
    });
    if is_local { Ok(()) } else { Err(Error::bad_input("libvirt-uri-not-local").arg("uri", uri)) }
}

pub struct Link {
    uri: String,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    Trying,
    Up(Connect),
    Down { reason: String },
    Stopped,
}

/// What became of a connection, told to whom [`Link::keep`] was given.
pub enum Turn {
    Up,
    Down { reason: String },
}

impl Link {
    pub fn new(uri: &str) -> Self {
        Self { uri: uri.to_owned(), state: Mutex::new(State::Trying), changed: Condvar::new() }
    }

    /// libvirt's own simulator, which has no QEMU, no dnsmasq and no real networks.
    pub fn is_simulator(&self) -> bool {
        self.uri.starts_with("test:")
    }

    /// This machine's own daemon, as distributions set it up: its guests run as the user in `qemu.conf`.
    pub fn is_system(&self) -> bool {
        self.uri == "qemu:///system"
    }

    /// # Errors
    /// `libvirt-down` when there is no connection.
    pub fn get(&self) -> Result<Connect> {
        let state = self.lock();
        let trying = |state: &mut State| matches!(state, State::Trying);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, FIRST_ATTEMPT, trying)
            .unwrap_or_else(PoisonError::into_inner);
        if let State::Up(connect) = &*state {
            // A question to the connection object only, not to the daemon.
            if connect.is_alive().unwrap_or(false) {
                return Ok(connect.clone());
            }
            *state = State::Down { reason: "the connection was closed".to_owned() };
            self.changed.notify_all();
        }
        let reason = match &*state {
            State::Down { reason } => reason.clone(),
            _ => "not connected yet".to_owned(),
        };
        Err(Error::unreachable("libvirt-down").arg("reason", reason))
    }

    /// The connection is known to be broken.
    pub fn lost(&self) {
        let mut state = self.lock();
        if matches!(*state, State::Up(_)) {
            *state = State::Down { reason: "the connection was closed".to_owned() };
            self.changed.notify_all();
        }
    }

    pub fn stop(&self) {
        *self.lock() = State::Stopped;
        self.changed.notify_all();
    }

    /// Keeps a connection until [`Link::stop`]. Signals of each go to `sink`, which also hears of its end.
    pub fn keep(&self, sink: &Sender<Signal>, mut tell: impl FnMut(Turn)) {
        let mut pause = FIRST_PAUSE;
        let mut told = None;
        while !self.is_stopped() {
            match self.open(sink) {
                Ok((connect, subscription)) => {
                    pause = FIRST_PAUSE;
                    if self.set_up(connect) {
                        tell(Turn::Up);
                        let reason = self.wait_until_lost();
                        tell(Turn::Down { reason: reason.clone() });
                        told = Some(reason);
                    }
                    drop(subscription);
                }
                Err(error) => {
                    let reason = reason_of(&error);
                    self.set_down(&reason);
                    if told.as_ref() != Some(&reason) {
                        tracing::warn!(uri = self.uri, error = error.detail(), "no libvirt");
                        tell(Turn::Down { reason: reason.clone() });
                        told = Some(reason);
                    }
                }
            }
            self.pause(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn open(&self, sink: &Sender<Signal>) -> Result<(Connect, Subscription)> {
        start_loop()?;
        let connect = Connect::open(Some(&self.uri)).libvirt("connect to", &self.uri)?;
        match connect.set_keep_alive(KEEP_ALIVE_SECONDS, KEEP_ALIVE_COUNT) {
            // The simulator is in our own process.
            Err(cause) if !is_code(&cause, ErrorNumber::NoSupport) => {
                return Err(cause).libvirt("keep alive", &self.uri);
            }
            _ => {}
        }
        let mut subscription = Subscription::new(&connect, sink)?;
        if connect.driver_type().libvirt("ask for the driver of", &self.uri)? == "QEMU" {
            subscription.watch_qemu(sink)?;
        }
        Ok((connect, subscription))
    }

    fn set_up(&self, connect: Connect) -> bool {
        let mut state = self.lock();
        if matches!(*state, State::Stopped) {
            return false;
        }
        *state = State::Up(connect);
        self.changed.notify_all();
        true
    }

    fn set_down(&self, reason: &str) {
        let mut state = self.lock();
        if !matches!(*state, State::Stopped) {
            *state = State::Down { reason: reason.to_owned() };
            self.changed.notify_all();
        }
    }

    fn wait_until_lost(&self) -> String {
        let state = self
            .changed
            .wait_while(self.lock(), |state| matches!(state, State::Up(_)))
            .unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Down { reason } => reason.clone(),
            _ => String::new(),
        }
    }

    fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        while !matches!(*state, State::Stopped) {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            let (next, _) =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state = next;
        }
    }

    fn is_stopped(&self) -> bool {
        matches!(*self.lock(), State::Stopped)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// libvirt's own words: they name the socket that is missing, or the daemon.
fn reason_of(error: &Error) -> String {
    let said = error.args().find(|(name, _)| matches!(*name, "reason" | "message"));
    said.map_or_else(|| error.to_string(), |(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::require_local;

    #[test]
    fn what_starts_a_program_or_leads_to_another_machine_is_refused() {
        for uri in ["qemu:///system", "qemu+unix:///system?socket=/run/x", "test:///default"] {
            assert!(require_local(uri).is_ok(), "{uri}");
        }
        let refused = [
            "qemu+ext:///system?command=/tmp/x",
            "qemu+ext:/system?command=/tmp/x",
            "qemu+ssh:///system?command=/tmp/x",
            "qemu+ssh://node7/system",
            "qemu+UNIX+ext:///system",
            "qemu://node7/system",
            "an-alias",
            "",
        ];
        for uri in refused {
            assert_eq!(require_local(uri).unwrap_err().key(), "libvirt-uri-not-local", "{uri}");
        }
    }
}
