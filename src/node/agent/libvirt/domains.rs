//! Lists domains and reads what they use.

use std::collections::HashMap;
use std::ffi::CStr;
use std::ptr;
use std::sync::PoisonError;
use std::time::Instant;

use uuid::Uuid;
use virt::connect::Connect;
use virt::sys;

use super::Hypervisor;
use super::errors::Libvirt;
use crate::error::Result;
use crate::node::protocol::{DomainState, DomainUse};

impl Hypervisor {
    /// All domains that belong to this installation.
    pub fn list_domains(&self) -> Result<Vec<DomainState>> {
        self.inner.all_states()
    }

    /// What the running domains of this installation use. Processor use is that since the previous call; a domain that
    /// the previous call did not see has 0.
    pub fn domain_use(&self) -> Result<Vec<DomainUse>> {
        let figures = figures(&self.inner.connect()?)?;
        let now = Instant::now();
        let mut used = self.inner.used.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *used);
        let mut uses = Vec::with_capacity(figures.len());
        for figure in figures.into_iter().filter(|figure| self.inner.known.has(figure.uuid)) {
            used.insert(figure.uuid, (figure.cpu_time, now));
            let cpu_percent = before.get(&figure.uuid).map_or(0.0, |(time, at)| {
                percent(figure.cpu_time.saturating_sub(*time), now - *at)
            });
            uses.push(DomainUse { uuid: figure.uuid, cpu_percent, memory: figure.memory });
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
struct Records {
    list: *mut sys::virDomainStatsRecordPtr,
    count: usize,
}

impl Drop for Records {
    fn drop(&mut self) {
        // SAFETY: `list` is what libvirt gave, freed once, and no record outlives it.
        unsafe { sys::virDomainStatsRecordListFree(self.list) };
    }
}

/// Of all running domains, in one call. The `virt` crate has the call, but never frees what it gets.
fn figures(connect: &Connect) -> Result<Vec<Figures>> {
    let mut list = ptr::null_mut();
    let stats = sys::VIR_DOMAIN_STATS_CPU_TOTAL | sys::VIR_DOMAIN_STATS_BALLOON;
    // A domain that is just being started or saved is told without what would mean to wait for it.
    let flags = sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
        | sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
    // SAFETY: the connection is alive; libvirt sets `list` when it answers 0 or more.
    let count =
        unsafe { sys::virConnectGetAllDomainStats(connect.as_ptr(), stats, &mut list, flags) };
    let Ok(count) = usize::try_from(count) else {
        return Err(virt::error::Error::last_error()).libvirt("read the figures of", "the domains");
    };
    let records = Records { list, count };
    let mut figures = Vec::with_capacity(records.count);
    for index in 0..records.count {
        // SAFETY: the list has `count` pointers to records, valid until `records` is dropped.
        figures.extend(unsafe { read_record(&**records.list.add(index)) });
    }
    Ok(figures)
}

/// # Safety
/// `record` is one that libvirt gave and was not yet freed.
unsafe fn read_record(record: &sys::virDomainStatsRecord) -> Option<Figures> {
    let mut uuid = [0_u8; 16];
    // SAFETY: libvirt writes 16 bytes; the domain belongs to the record.
    if unsafe { sys::virDomainGetUUID(record.dom, uuid.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the record's parameters are valid as long as the record is.
    let (cpu_time, resident, current) = unsafe {
        (
            number(record, c"cpu.time"),
            number(record, c"balloon.rss"),
            number(record, c"balloon.current"),
        )
    };
    Some(Figures {
        uuid: Uuid::from_bytes(uuid),
        cpu_time: cpu_time.unwrap_or(0),
        memory: resident.or(current).unwrap_or(0) * 1024,
    })
}

/// # Safety
/// As [`read_record`].
unsafe fn number(record: &sys::virDomainStatsRecord, name: &CStr) -> Option<u64> {
    let mut value = 0;
    // SAFETY: parameters and their count belong together; the name is a C string.
    let found = unsafe {
        sys::virTypedParamsGetULLong(record.params, record.nparams, name.as_ptr(), &mut value)
    };
    (found == 1).then_some(value)
}

/// Processor time of each domain when it was last asked, in nanoseconds.
pub type UsedBefore = HashMap<Uuid, (u64, Instant)>;
