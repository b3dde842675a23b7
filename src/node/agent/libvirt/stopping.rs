//! Asks guests to shut themselves down and waits for them together.
//!
//! A guest agent that is there is asked first: Windows with somebody at its sign-in screen does not hear the power
//! button. The button is pressed where no agent answers, and again and again: a guest that was still booting did not
//! feel it. Who does not obey in time goes on, unless the plug was asked for.

use std::collections::HashSet;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;
use virt::domain::Domain;
use virt::sys;

use super::agent_channel::has_agent;
use super::claims::Mark;
use super::departures::{Departure, Watching};
use super::errors::Libvirt;
use super::states::{self, says_not_running};
use super::{Inner, batch};
use crate::error::{Error, Kind, Result};
use crate::node::agent::call::Call;
use crate::node::protocol::{DISABLED, DISOBEYED, ItemResult, PowerState};

/// Pause between two times that the power button is pressed.
const PRESS_AGAIN: Duration = Duration::from_secs(15);

/// How often a wish to stop waiting is looked for.
const CANCEL_POLL: Duration = Duration::from_millis(200);

/// What comes after the patience with a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterStop {
    Nothing,
    /// The plug of those that did not obey is pulled.
    CutOff,
    /// Those that obeyed are started.
    Start,
}

/// Whether a domain is off already, or what waits for it to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Off,
    Waits,
}

impl Inner {
    /// Asks all to shut themselves down and waits for them together. What comes after is done with each as soon as it
    /// is off.
    ///
    /// # Errors
    /// Of one domain: `guest-does-not-obey`, `guest-cannot-obey`; it goes on as it is.
    pub(super) fn stop_all(
        &self,
        domains: &[Uuid],
        patience: Duration,
        after: AfterStop,
        call: &Call,
    ) -> Vec<ItemResult> {
        let results = batch::Results::new(domains.len(), call);
        let watching = self.departures.watch(domains);
        let (off, gone_off) = mpsc::channel();
        let finishing = Finishing {
            inner: self,
            marks: Mutex::new(
                domains.iter().map(|uuid| self.switching_off.set(&[*uuid])).collect(),
            ),
            gone_off: Mutex::new(gone_off),
            results: &results,
            after,
        };
        let (deaf, deaf_agents) = mpsc::channel();
        let still_on = thread::scope(|scope| {
            for _ in 0..batch::width().min(domains.len()) {
                scope.spawn(|| finishing.work());
            }
            let mut stopping = Stopping {
                inner: self,
                call,
                patience,
                cuts: after == AfterStop::CutOff,
                results: &results,
                waiting: HashSet::new(),
                still_on: HashSet::new(),
                off,
                deaf,
                deaf_agents,
            };
            stopping.ask_all(domains);
            stopping.wait(&watching);
            // With the channel's end, here, the threads finish.
            let Stopping { waiting, mut still_on, .. } = stopping;
            still_on.extend(waiting);
            still_on
        });
        drop(finishing);
        for uuid in still_on {
            if let Err(error) = self.tell(uuid) {
                tracing::warn!(%uuid, error = error.detail(), "not told that it goes on");
            }
        }
        results.in_order(domains.iter().copied())
    }

    fn press(&self, domain: &Domain) -> std::result::Result<(), virt::error::Error> {
        if self.link.is_simulator() {
            return domain.shutdown().map(drop);
        }
        domain.shutdown_flags(sys::VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
    }
}

/// What is done with domains that went off, by several threads.
struct Finishing<'a> {
    inner: &'a Inner,
    marks: Mutex<Vec<Mark>>,
    gone_off: Mutex<Receiver<Uuid>>,
    results: &'a batch::Results<'a>,
    after: AfterStop,
}

impl Finishing<'_> {
    fn work(&self) {
        loop {
            let next = self.gone_off.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(uuid) = next else { return };
            self.results.put(uuid, self.finish(uuid));
        }
    }

    fn finish(&self, uuid: Uuid) -> Result<()> {
        match self.after {
            AfterStop::Nothing | AfterStop::CutOff => Ok(()),
            AfterStop::Start => {
                // From here on a reset by the guest is one to start anew after.
                let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
                marks.retain(|mark| !mark.is_of(uuid));
                drop(marks);
                self.inner.start(uuid)
            }
        }
    }
}

/// The wait for domains to go off after they were asked to.
struct Stopping<'a> {
    inner: &'a Inner,
    call: &'a Call,
    patience: Duration,
    /// Whether the plug of those that do not obey is pulled.
    cuts: bool,
    results: &'a batch::Results<'a>,
    waiting: HashSet<Uuid>,
    /// Those that go on.
    still_on: HashSet<Uuid>,
    off: Sender<Uuid>,
    deaf: Sender<Uuid>,
    /// Domains whose agent did not do as it was asked.
    deaf_agents: Receiver<Uuid>,
}

impl Stopping<'_> {
    fn ask_all(&mut self, domains: &[Uuid]) {
        self.waiting = domains.iter().copied().collect();
        for uuid in domains {
            if self.call.check().is_err() {
                return;
            }
            match self.ask(*uuid, Self::ask_agent) {
                Ok(Asked::Off) => self.went_off(*uuid),
                Ok(Asked::Waits) => {}
                Err(error) => self.failed(*uuid, error),
            }
        }
    }

    fn wait(&mut self, watching: &Watching<'_>) {
        let end = Instant::now() + self.patience;
        let mut press_again = Instant::now() + PRESS_AGAIN;
        while !self.waiting.is_empty() && self.call.check().is_ok() {
            let now = Instant::now();
            if now >= end {
                return self.give_up();
            }
            if now >= press_again {
                press_again = now + PRESS_AGAIN;
                self.press_again(self.waiting.clone());
            }
            match watching.next(CANCEL_POLL.min(end - now)) {
                Some(Departure::Off(uuid)) => self.went_off(uuid),
                Some(Departure::Reconnected) => self.press_again(self.waiting.clone()),
                None => {}
            }
            let deaf = self.deaf_agents.try_iter().filter(|uuid| self.waiting.contains(uuid));
            let deaf = deaf.collect();
            self.press_again(deaf);
        }
    }

    /// Asks a guest that runs in this way; what is paused goes on first.
    fn ask(&self, uuid: Uuid, way: fn(&Self, Uuid, &Domain) -> Result<bool>) -> Result<Asked> {
        let inner = self.inner;
        let _claim = inner.claims.hold(uuid);
        let (domain, metadata) = inner.domain(uuid)?;
        let name = &metadata.spec.owner.name;
        let power = states::power(&domain)?;
        if !power.has_process() {
            return Ok(Asked::Off);
        }
        if power.state == PowerState::Crashed {
            if !self.cuts {
                return Err(Error::conflict(DISABLED).arg("object", name));
            }
            inner.destroy(&domain, name)?;
            return Ok(Asked::Off);
        }
        if power.state == PowerState::Paused {
            inner.go_on(&domain, &metadata)?;
        }
        // When it ends unseen, it did as it was asked.
        if let Err(cause) = inner.disks.forget_run(uuid) {
            // No reason to leave it on where nothing can be written.
            tracing::warn!(%uuid, %cause, "it may be started again after a restart of the agent");
        }
        if way(self, uuid, &domain)? {
            return Ok(Asked::Waits);
        }
        match inner.press(&domain) {
            Err(cause) if says_not_running(&cause) => Ok(Asked::Off),
            pressed => {
                pressed.libvirt("shut down", name)?;
                // libvirt's simulator is off at once.
                let is_off = !states::power(&domain)?.has_process();
                Ok(if is_off { Asked::Off } else { Asked::Waits })
            }
        }
    }

    /// Whether there is an agent to ask. libvirt waits for a minute for one that hangs, so it is asked beside.
    fn ask_agent(&self, uuid: Uuid, domain: &Domain) -> Result<bool> {
        if self.inner.link.is_simulator() || !has_agent(domain)? {
            return Ok(false);
        }
        let (domain, deaf) = (domain.clone(), self.deaf.clone());
        let ask = move || {
            if let Err(cause) = domain.shutdown_flags(sys::VIR_DOMAIN_SHUTDOWN_GUEST_AGENT) {
                tracing::debug!(%uuid, %cause, "the guest agent did not shut its guest down");
                // Nobody waits any more when this fails.
                let _ = deaf.send(uuid);
            }
        };
        Ok(thread::Builder::new().name("guest-agent".to_owned()).spawn(ask).is_ok())
    }

    /// Without libvirt there is nothing to ask: it is done when libvirt is back.
    fn press_again(&mut self, domains: HashSet<Uuid>) {
        if domains.is_empty() || self.inner.connect().is_err() {
            return;
        }
        for uuid in domains {
            match self.ask(uuid, |_, _, _| Ok(false)) {
                Ok(Asked::Off) => self.went_off(uuid),
                Ok(Asked::Waits) => {}
                Err(error) if error.kind() == Kind::Conflict => self.failed(uuid, error),
                Err(error) => {
                    tracing::warn!(%uuid, error = error.detail(), "power button not pressed again");
                }
            }
        }
    }

    fn give_up(&mut self) {
        let stubborn: Vec<Uuid> = self.waiting.iter().copied().collect();
        if self.cuts {
            return self.pull_plugs(&stubborn);
        }
        for uuid in stubborn {
            let disobeyed = self.disobeyed(uuid);
            self.failed(uuid, disobeyed);
        }
    }

    fn disobeyed(&self, uuid: Uuid) -> Error {
        let named = self.inner.domain(uuid).map(|(_, metadata)| metadata.spec.owner.name);
        Error::conflict(DISOBEYED)
            .arg("object", named.unwrap_or_else(|_| uuid.to_string()))
            .arg("seconds", self.patience.as_secs())
    }

    fn pull_plugs(&mut self, stubborn: &[Uuid]) {
        tracing::warn!(domains = ?stubborn, "guests that do not obey are cut off");
        let pulled = batch::run(
            stubborn,
            batch::width(),
            &Call::unwatched(),
            |uuid| *uuid,
            |uuid| self.inner.hard_stop(*uuid),
        );
        for item in pulled {
            match item.result {
                Ok(()) => self.went_off(item.uuid),
                Err(fault) => self.failed(item.uuid, fault.into()),
            }
        }
    }

    fn went_off(&mut self, uuid: Uuid) {
        if self.waiting.remove(&uuid) && self.off.send(uuid).is_err() {
            tracing::error!(%uuid, "nobody goes on with a domain that is off");
        }
    }

    fn failed(&mut self, uuid: Uuid, error: Error) {
        if self.waiting.remove(&uuid) {
            self.still_on.insert(uuid);
            self.results.put(uuid, Err(error));
        }
    }
}
