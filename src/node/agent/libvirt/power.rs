//! Switches domains on and off.

use std::collections::HashSet;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;
use virt::domain::Domain;
use virt::error::ErrorNumber;
use virt::sys;

use super::batch::Results;
use super::claims::Mark;
use super::departures::{Departure, Watching};
use super::errors::{Libvirt, is_code};
use super::metadata::{self, Metadata};
use super::states::{self, says_not_running};
use super::{Hypervisor, Inner, batch, define, watcher, xml};
use crate::error::Result;
use crate::node::agent::call::Call;
use crate::node::protocol::{ItemResult, PowerAction, PowerState, SHUTDOWN_PATIENCE};

/// A guest that was still booting did not feel its power button: it is pressed again after this time.
const PRESS_AGAIN: Duration = Duration::from_secs(15);

/// How often a wish to stop waiting is looked for.
const CANCEL_POLL: Duration = Duration::from_millis(200);

impl Hypervisor {
    /// Carries out an action on each domain. What is already so counts as done.
    pub fn power(&self, action: PowerAction, domains: &[Uuid], call: &Call) -> Vec<ItemResult> {
        let inner = &*self.inner;
        let each = |work: &(dyn Fn(Uuid) -> Result<()> + Sync)| {
            batch::run(domains, batch::width(), call, |uuid| *uuid, |uuid| work(*uuid))
        };
        match action {
            PowerAction::Start => each(&|uuid| inner.start(uuid)),
            PowerAction::Stop => inner.stop_all(domains, call, AfterStop::Nothing),
            PowerAction::HardStop => each(&|uuid| inner.hard_stop(uuid)),
            PowerAction::Reboot => inner.stop_all(domains, call, AfterStop::Start),
            PowerAction::HardReboot => each(&|uuid| inner.hard_reboot(uuid)),
            PowerAction::Reset => each(&|uuid| inner.reset(uuid)),
            PowerAction::Pause => each(&|uuid| inner.pause(uuid)),
            PowerAction::Resume => each(&|uuid| inner.resume(uuid)),
        }
    }
}

impl Inner {
    fn start(&self, uuid: Uuid) -> Result<()> {
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        let power = states::power(&domain)?;
        match power.state {
            PowerState::Paused => resume_domain(&domain, &metadata),
            _ if power.reason == states::IO_ERROR => resume_domain(&domain, &metadata),
            _ if power.has_process() => Ok(()),
            _ => self.start_stopped(&domain, &metadata),
        }
    }

    /// Restores what is to be restored, brings the definition up to date, starts. The caller holds the domain.
    pub(super) fn start_stopped(&self, domain: &Domain, metadata: &Metadata) -> Result<()> {
        let spec = &metadata.spec;
        let name = &spec.owner.name;
        let _promise = self.memory.promise(name, spec.memory_mib)?;
        let published = self.disks.published(spec.owner.template)?;
        for disk in &spec.disks {
            let below = define::below(disk, published.as_ref());
            if disk.restore {
                self.disks.fresh_overlay(disk, spec.uuid, below)?;
            } else {
                self.disks.ensure_overlay(disk, spec.uuid, below)?;
            }
        }
        self.hand_over(spec)?;
        let restores = xml::restores(spec);
        let version =
            if restores { define::version(spec, published.as_ref()) } else { metadata.version };
        self.redefine(domain, metadata, spec, version)?;
        // A saved state of the memory does not belong to new disks. The simulator knows no such state.
        let forget_memory = restores && !self.link.is_simulator();
        let flags =
            if forget_memory { sys::VIR_DOMAIN_START_FORCE_BOOT } else { sys::VIR_DOMAIN_NONE };
        match domain.create_with_flags(flags) {
            // Someone was faster.
            Err(cause) if says_not_running(&cause) && domain.is_active().unwrap_or(false) => {}
            created => created.libvirt("start", name)?,
        }
        match metadata::write_started(domain, watcher::now()) {
            // It is already off again.
            Err(cause) if says_not_running(&cause) => Ok(()),
            written => written.libvirt("note the start of", name),
        }
    }

    fn hard_stop(&self, uuid: Uuid) -> Result<()> {
        let _off = self.switching_off.set(&[uuid]);
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        self.destroy(&domain, &metadata.spec.owner.name)
    }

    fn hard_reboot(&self, uuid: Uuid) -> Result<()> {
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        self.destroy(&domain, &metadata.spec.owner.name)?;
        self.start_stopped(&domain, &metadata)
    }

    fn reset(&self, uuid: Uuid) -> Result<()> {
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        let name = &metadata.spec.owner.name;
        if xml::restores(&metadata.spec) || !states::power(&domain)?.has_process() {
            self.destroy(&domain, name)?;
            return self.start_stopped(&domain, &metadata);
        }
        domain.reset().libvirt("reset", name)
    }

    fn pause(&self, uuid: Uuid) -> Result<()> {
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        if states::power(&domain)?.state == PowerState::Paused {
            return Ok(());
        }
        domain.suspend().libvirt("pause", &metadata.spec.owner.name).map(drop)
    }

    fn resume(&self, uuid: Uuid) -> Result<()> {
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        if states::power(&domain)?.state == PowerState::Running {
            return Ok(());
        }
        resume_domain(&domain, &metadata)
    }

    /// Pulls the plug; nothing when it is off.
    pub(super) fn destroy(&self, domain: &Domain, name: &str) -> Result<()> {
        match domain.destroy() {
            Err(cause) if says_not_running(&cause) || is_code(&cause, ErrorNumber::NoDomain) => {
                Ok(())
            }
            destroyed => destroyed.libvirt("switch off", name),
        }
    }

    /// Presses the power button of all, waits for them together, pulls the plug of those who do not obey. What comes
    /// after is done with each as soon as it is off.
    fn stop_all(&self, domains: &[Uuid], call: &Call, after: AfterStop) -> Vec<ItemResult> {
        let results = Results::new(domains.len(), call);
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
        thread::scope(|scope| {
            for _ in 0..batch::width().min(domains.len()) {
                scope.spawn(|| finishing.work());
            }
            let results = &results;
            let mut stopping =
                Stopping { inner: self, call, results, waiting: HashSet::new(), off };
            stopping.press_all(domains);
            stopping.wait(&watching);
            // Dropped here, the channel's end lets the threads finish.
            drop(stopping);
        });
        drop(finishing);
        results.in_order(domains.iter().copied())
    }

    /// By ACPI only: a guest agent that hangs would keep libvirt waiting for a minute.
    fn press(&self, domain: &Domain) -> std::result::Result<(), virt::error::Error> {
        if self.link.is_simulator() {
            return domain.shutdown().map(drop);
        }
        domain.shutdown_flags(sys::VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
    }

    /// Whether the domain is off already.
    fn press_power_button(&self, uuid: Uuid) -> Result<bool> {
        let _claim = self.claims.hold(uuid);
        let (domain, metadata) = self.domain(uuid)?;
        let name = &metadata.spec.owner.name;
        let power = states::power(&domain)?;
        if !power.has_process() {
            return Ok(true);
        }
        if power.state == PowerState::Crashed {
            // Its disk fails: it cannot shut itself down.
            self.destroy(&domain, name)?;
            return Ok(true);
        }
        if power.state == PowerState::Paused {
            resume_domain(&domain, &metadata)?;
        }
        match self.press(&domain) {
            Err(cause) if says_not_running(&cause) => Ok(true),
            pressed => {
                pressed.libvirt("shut down", name)?;
                // libvirt's simulator is off at once.
                Ok(!states::power(&domain)?.has_process())
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterStop {
    Nothing,
    Start,
}

/// What is done with domains that went off, by several threads.
struct Finishing<'a> {
    inner: &'a Inner,
    marks: Mutex<Vec<Mark>>,
    gone_off: Mutex<Receiver<Uuid>>,
    results: &'a Results<'a>,
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
            AfterStop::Nothing => Ok(()),
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

/// The wait for domains to go off after their power buttons were pressed.
struct Stopping<'a> {
    inner: &'a Inner,
    call: &'a Call,
    results: &'a Results<'a>,
    waiting: HashSet<Uuid>,
    off: mpsc::Sender<Uuid>,
}

impl Stopping<'_> {
    fn press_all(&mut self, domains: &[Uuid]) {
        self.waiting = domains.iter().copied().collect();
        for uuid in domains {
            if self.call.check().is_err() {
                return;
            }
            match self.inner.press_power_button(*uuid) {
                Ok(true) => self.went_off(*uuid),
                Ok(false) => {}
                Err(error) => self.failed(*uuid, error),
            }
        }
    }

    fn wait(&mut self, watching: &Watching<'_>) {
        let end = Instant::now() + Duration::from_secs(SHUTDOWN_PATIENCE);
        let mut press_again = Instant::now() + PRESS_AGAIN;
        while !self.waiting.is_empty() && self.call.check().is_ok() {
            let now = Instant::now();
            if now >= end {
                return self.pull_plugs();
            }
            if now >= press_again {
                press_again = now + PRESS_AGAIN;
                self.ask_again();
            }
            match watching.next(CANCEL_POLL.min(end - now)) {
                Some(Departure::Off(uuid)) => self.went_off(uuid),
                Some(Departure::Reconnected) => self.ask_again(),
                None => {}
            }
        }
    }

    /// Without libvirt there is nothing to ask: it is done when libvirt is back.
    fn ask_again(&mut self) {
        if self.inner.connect().is_err() {
            return;
        }
        for uuid in self.waiting.clone() {
            match self.inner.press_power_button(uuid) {
                Ok(true) => self.went_off(uuid),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%uuid, error = error.detail(), "power button not pressed again");
                }
            }
        }
    }

    fn pull_plugs(&mut self) {
        let stubborn: Vec<Uuid> = self.waiting.iter().copied().collect();
        let pulled = batch::run(
            &stubborn,
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

    fn failed(&mut self, uuid: Uuid, error: crate::error::Error) {
        if self.waiting.remove(&uuid) {
            self.results.put(uuid, Err(error));
        }
    }
}

fn resume_domain(domain: &Domain, metadata: &Metadata) -> Result<()> {
    domain.resume().libvirt("resume", &metadata.spec.owner.name).map(drop)
}
