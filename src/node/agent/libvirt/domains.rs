//! Lists domains and reads what they use.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs;
use std::path::Path;
use std::ptr;
use std::sync::PoisonError;
use std::time::Instant;

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::sys;

use super::Hypervisor;
use super::errors::Libvirt;
use crate::error::Result;
use crate::node::protocol::{DomainList, DomainUse};

/// Where libvirt's system daemon writes down its QEMU processes.
const PID_FILES: &str = "/run/libvirt/qemu";
const PAGE: u64 = 4096;

impl Hypervisor {
    /// All domains that belong to this installation.
    pub fn list_domains(&self) -> Result<DomainList> {
        self.inner.all_states()
    }

    /// What the running domains of this installation use. Processor use is that since the previous call; a domain that
    /// the previous call did not see has 0.
    pub fn domain_use(&self) -> Result<Vec<DomainUse>> {
        let figures = figures(&self.inner.connect()?)?;
        let mut told = self.inner.guest_memory.now(&self.inner);
        let now = Instant::now();
        let mut used = self.inner.used.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *used);
        let mut uses = Vec::with_capacity(figures.len());
        for figure in figures.into_iter().filter(|figure| self.inner.known.has(figure.uuid)) {
            used.insert(figure.uuid, (figure.cpu_time, now));
            let cpu_percent = before.get(&figure.uuid).map_or(0.0, |(time, at)| {
                percent(figure.cpu_time.saturating_sub(*time), now - *at)
            });
            let guest = told.remove(&figure.uuid);
            uses.push(DomainUse { uuid: figure.uuid, cpu_percent, memory: figure.memory, guest });
        }
        Ok(uses)
    }
}

fn percent(nanoseconds: u64, passed: std::time::Duration) -> f32 {
    if passed.is_zero() {
        return 0.0;
    }
    (nanoseconds as f64 / passed.as_nanos() as f64 * 100.0) as f32
}

struct Figures {
    uuid: Uuid,
    /// Nanoseconds since its start.
    cpu_time: u64,
    /// Bytes of the machine's memory.
    memory: u64,
}

/// The list that libvirt gives, freed as a whole.
pub(super) struct Records {
    list: *mut sys::virDomainStatsRecordPtr,
    count: usize,
}

impl Drop for Records {
    fn drop(&mut self) {
        // SAFETY: `list` is what libvirt gave, freed once, and no record outlives it.
        unsafe { sys::virDomainStatsRecordListFree(self.list) };
    }
}

impl Records {
    /// What is made of each; those of which nothing can be made are left out.
    pub fn read<T>(&self, mut of: impl FnMut(&Record<'_>) -> Option<T>) -> Vec<T> {
        let mut all = Vec::with_capacity(self.count);
        for index in 0..self.count {
            // SAFETY: the list has `count` pointers to records, valid until `self` is dropped.
            let record = unsafe { &**self.list.add(index) };
            // SAFETY: the record holds its domain alive; the reference taken here is given back by `Domain`.
            let domain = unsafe {
                sys::virDomainRef(record.dom);
                Domain::from_ptr(record.dom)
            };
            all.extend(of(&Record { record, domain }));
        }
        all
    }
}

/// What libvirt tells of one domain.
pub(super) struct Record<'a> {
    record: &'a sys::virDomainStatsRecord,
    domain: Domain,
}

impl Record<'_> {
    /// Does not ask the daemon.
    pub fn uuid(&self) -> Option<Uuid> {
        self.domain.uuid().ok()
    }

    /// `None` where libvirt did not tell it.
    pub fn number(&self, name: &CStr) -> Option<u64> {
        let mut number = 0;
        // SAFETY: parameters and their count belong together; the name is a C string.
        let found = unsafe {
            let sys::virDomainStatsRecord { params, nparams, .. } = *self.record;
            sys::virTypedParamsGetULLong(params, nparams, name.as_ptr(), &mut number)
        };
        (found == 1).then_some(number)
    }
}

/// Of all running domains, in one call. The `virt` crate has the call, but never frees what it gets.
pub(super) fn stats(connect: &Connect, which: sys::virDomainStatsTypes) -> Result<Records> {
    let mut list = ptr::null_mut();
    // A domain that is just being started or saved is told without what would mean to wait for it.
    let flags = sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
        | sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
    // SAFETY: the connection is alive; libvirt sets `list` when it answers 0 or more.
    let count =
        unsafe { sys::virConnectGetAllDomainStats(connect.as_ptr(), which, &mut list, flags) };
    let Ok(count) = usize::try_from(count) else {
        return Err(virt::error::Error::last_error()).libvirt("read the figures of", "the domains");
    };
    Ok(Records { list, count })
}

fn figures(connect: &Connect) -> Result<Vec<Figures>> {
    // Not the balloon's, which wait for each QEMU: see `guest_memory.rs`.
    let records = stats(connect, sys::VIR_DOMAIN_STATS_CPU_TOTAL)?;
    Ok(records.read(|record| {
        Some(Figures {
            uuid: record.uuid()?,
            cpu_time: record.number(c"cpu.time").unwrap_or(0),
            memory: resident(&record.domain.name().ok()?)
                .or_else(|| Some(record.domain.info().ok()?.memory * 1024))
                .unwrap_or(0),
        })
    }))
}

/// Bytes of memory that a domain's QEMU holds; `None` where libvirt keeps its files elsewhere than the system's.
fn resident(name: &str) -> Option<u64> {
    let pid = fs::read_to_string(Path::new(PID_FILES).join(format!("{name}.pid"))).ok()?;
    let pages = fs::read_to_string(format!("/proc/{}/statm", pid.trim())).ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}

/// Processor time of each domain when it was last asked, in nanoseconds.
pub type UsedBefore = HashMap<Uuid, (u64, Instant)>;
