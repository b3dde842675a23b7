//! Starts domains anew whose guest was reset, each on a thread of its own, some at a time.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use uuid::Uuid;

use super::claims::Mark;
use super::{Inner, batch, spawn, states, xml};
use crate::error::{Error, Kind, Result};

/// What is under way, and what waits for libvirt to come back.
#[derive(Default)]
pub struct Restorer {
    running: Mutex<usize>,
    ended: Condvar,
    unfinished: Mutex<HashSet<Uuid>>,
}

struct Permit<'a>(&'a Restorer);

impl Restorer {
    fn permit(&self) -> Permit<'_> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = self
            .ended
            .wait_while(running, |running| *running >= batch::width())
            .unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.ended.notify_one();
    }
}

/// The guest was reset and its QEMU has ended for it.
pub fn start_anew(inner: &Arc<Inner>, domain: Uuid) {
    // Set before anybody is told of its being off.
    let mark = inner.restoring.set(&[domain]);
    on_own_thread(inner, domain, mark);
}

/// The guest was reset and QEMU goes on: right for disks that keep what is written, but this domain's spec may have
/// changed since it was started.
pub fn rebooted(inner: &Arc<Inner>, domain: Uuid) {
    let restores = || -> Result<bool> {
        let found = inner.find_domain(domain)?;
        Ok(found.is_some_and(|(_, metadata)| xml::restores(&metadata.spec)))
    };
    match restores() {
        Ok(true) => start_anew(inner, domain),
        Ok(false) => {}
        // Someone else's domains reboot, too.
        Err(error) if error.key() == "domain-foreign" => {}
        Err(error) => {
            tracing::error!(%domain, error = error.detail(), "a reboot was not looked at");
        }
    }
}

/// Goes on with what was cut off when libvirt went away.
pub fn resume(inner: &Arc<Inner>) {
    let unfinished: Vec<Uuid> = {
        let mut waiting = inner.restorer.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.drain().collect()
    };
    for domain in unfinished {
        start_anew(inner, domain);
    }
}

fn on_own_thread(inner: &Arc<Inner>, domain: Uuid, mark: Mark) {
    let inner = inner.clone();
    spawn("libvirt-restore", move || {
        let _permit = inner.restorer.permit();
        let result = restart(&inner, domain);
        drop(mark);
        report(&inner, domain, result);
    });
}

/// Nothing for a domain that is none of ours or was taken away meanwhile.
fn restart(inner: &Inner, uuid: Uuid) -> Result<()> {
    let _claim = inner.claims.hold(uuid);
    if inner.switching_off.has(uuid) {
        return Ok(());
    }
    let (domain, metadata) = match inner.find_domain(uuid) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(()),
        Err(error) if error.key() == "domain-foreign" => return Ok(()),
        Err(error) => return Err(error),
    };
    if states::power(&domain)?.has_process() {
        inner.destroy(&domain, &metadata.spec.owner.name)?;
    }
    inner.start_stopped(&domain, &metadata)
}

fn report(inner: &Inner, uuid: Uuid, result: Result<()>) {
    match result {
        Ok(()) => {}
        Err(error) if error.kind() == Kind::NodeUnreachable => {
            let mut waiting =
                inner.restorer.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.insert(uuid);
            return;
        }
        Err(error) => log(uuid, &error),
    }
    if let Err(error) = inner.tell(uuid) {
        log(uuid, &error);
    }
}

fn log(domain: Uuid, error: &Error) {
    tracing::error!(%domain, error = error.detail(), "not started anew after its reboot");
}
