//! Figures of the moment; rates come from the differences to the sample before.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sysinfo::{
    CpuRefreshKind, MINIMUM_CPU_UPDATE_INTERVAL, MemoryRefreshKind, Networks, RefreshKind, System,
};

use super::Agent;
use super::facts::storages;
use crate::error::{Context, Error, Result};
use crate::node::protocol::{Event, NicRate, Sample};

/// Seconds between the samples that are sent unasked.
const PAUSE: Duration = Duration::from_secs(5);

/// Asked again within this time, the last sample is still the current one.
const FRESH: Duration = Duration::from_secs(1);

/// Unit of `/proc/diskstats`, whatever the disk's own sectors are.
const SECTOR: u64 = 512;

/// Keeps what the next sample is compared with.
pub struct Sampler(Mutex<State>);

struct State {
    system: System,
    networks: Networks,
    blocks: Blocks,
    at: Instant,
    last: Option<Sample>,
}

/// Bytes that the node's disks have read and written since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Blocks {
    read: u64,
    written: u64,
}

/// Ends the thread that samples, when dropped.
pub struct Sampling {
    _stop: Sender<()>,
}

impl Sampler {
    /// Takes the figures that the first sample is compared with.
    pub fn new() -> Result<Self> {
        let failed = |cause| Error::internal(format!("ask for figures: {cause}"));
        let mut system = System::new_with_specifics(figures()).map_err(failed)?;
        system.refresh_cpu_usage();
        let networks = Networks::new_with_refreshed_list().map_err(failed)?;
        let state = State { system, networks, blocks: blocks()?, at: Instant::now(), last: None };
        Ok(Self(Mutex::new(state)))
    }

    /// The current figures of the agent's node. May wait for a fifth of a second, the least time of which a rate can be
    /// told.
    pub fn sample(&self, agent: &Agent) -> Result<Sample> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = state.last.as_ref().filter(|_| state.at.elapsed() < FRESH) {
            return Ok(last.clone());
        }
        thread::sleep(MINIMUM_CPU_UPDATE_INTERVAL.saturating_sub(state.at.elapsed()));
        let mut sample = state.take()?;
        sample.storages = storages(agent.disks());
        sample.domains = agent.domain_use();
        state.last = Some(sample.clone());
        Ok(sample)
    }
}

fn figures() -> RefreshKind {
    RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing().with_usage())
        .with_memory(MemoryRefreshKind::nothing().with_ram())
}

impl State {
    fn take(&mut self) -> Result<Sample> {
        self.system.refresh_specifics(figures());
        self.networks.refresh(true);
        let blocks = blocks()?;
        let now = Instant::now();
        let elapsed = now - self.at;
        let total = self.system.total_memory();
        let mut nics: Vec<_> = self
            .networks
            .iter()
            .filter(|(name, _)| *name != "lo")
            .map(|(name, data)| NicRate {
                name: name.to_string_lossy().into_owned(),
                received: per_second(data.received(), elapsed),
                sent: per_second(data.transmitted(), elapsed),
            })
            .collect();
        nics.sort_by(|one, other| one.name.cmp(&other.name));
        let sample = Sample {
            at: unix_now(),
            cpu_percent: self.system.global_cpu_usage(),
            memory_total: total,
            // What programs could still have counts as free, as in `free`'s column "available".
            memory_used: total.saturating_sub(self.system.available_memory()),
            nics,
            disk_read: per_second(blocks.read.saturating_sub(self.blocks.read), elapsed),
            disk_written: per_second(blocks.written.saturating_sub(self.blocks.written), elapsed),
            ..Sample::default()
        };
        self.blocks = blocks;
        self.at = now;
        Ok(sample)
    }
}

/// Samples every few seconds for whoever listens to the agent's events, until it is dropped.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(agent: Weak<Agent>) -> Result<Sampling> {
    let (stop, stopped) = mpsc::channel();
    let work = move || {
        while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
            let Some(agent) = agent.upgrade() else { return };
            tell(&agent);
        }
    };
    thread::Builder::new().name("sampler".to_owned()).spawn(work).context("start the sampler")?;
    Ok(Sampling { _stop: stop })
}

fn tell(agent: &Arc<Agent>) {
    if !agent.events().is_heard() {
        return;
    }
    match agent.sample() {
        Ok(sample) => agent.events().send(Event::Sample(Arc::new(sample))),
        Err(error) => tracing::warn!(error = error.detail(), "no sample"),
    }
}

fn per_second(count: u64, elapsed: Duration) -> u64 {
    (count as f64 / elapsed.as_secs_f64().max(0.001)) as u64
}

fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// Of whole disks: what stands on them (partitions, LVM, RAID) would be counted twice.
fn blocks() -> Result<Blocks> {
    match fs::read_to_string("/proc/diskstats") {
        Ok(table) => {
            Ok(sum(&table, |name| Path::new("/sys/block").join(name).join("device").exists()))
        }
        // Some containers have none.
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Blocks::default()),
        Err(cause) => Err(cause).context("read what the disks did"),
    }
}

fn sum(table: &str, is_disk: impl Fn(&str) -> bool) -> Blocks {
    let mut sum = Blocks::default();
    for line in table.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let sectors =
            |index: usize| words.get(index).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        if words.get(2).is_some_and(|name| is_disk(name)) {
            sum.read += sectors(5) * SECTOR;
            sum.written += sectors(9) * SECTOR;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_disks_are_summed() {
        let table = " 254 0 vda 100 0 2000 5 50 0 4000 9 0 0 0\n 254 1 vda1 90 0 1900 5 40 0 3900 9 0 0 0\n\
                     8 0 sda 1 0 8 0 1 0 16 0 0 0 0\n";
        let blocks = sum(table, |name| !name.ends_with('1'));
        assert_eq!(blocks, Blocks { read: 2008 * 512, written: 4016 * 512 });
    }

    #[test]
    fn rates_are_per_second() {
        assert_eq!(per_second(1000, Duration::from_secs(5)), 200);
        assert_eq!(per_second(0, Duration::ZERO), 0);
    }
}
