//! What a running process prints, line by line.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The lines that a process printed so far on standard output and standard error.
#[derive(Clone, Default)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    all: Vec<String>,
    /// Pipes that are still open; none when the process and its children are gone.
    open: usize,
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Collects what comes out of `pipe` on a thread of its own.
    pub fn follow(&self, pipe: impl Read + Send + 'static) {
        self.lines().open += 1;
        let log = self.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut bytes = Vec::new();
            while matches!(reader.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
                let line = without_colours(String::from_utf8_lossy(&bytes).trim_end());
                log.lines().all.push(line);
                log.shared.changed.notify_all();
                bytes.clear();
            }
            log.lines().open -= 1;
            log.shared.changed.notify_all();
        });
    }

    /// The first line, of all printed until now and of those to come, for which `pick` answers.
    /// `None` when the process ends or `limit` passes before.
    pub fn wait_for<T>(&self, limit: Duration, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.wait_from(0, limit, pick)
    }

    /// Like [`Log::wait_for`], but only lines from number `from` on (see [`Log::len`]).
    pub fn wait_from<T>(
        &self,
        from: usize,
        limit: Duration,
        pick: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + limit;
        let mut seen = from;
        let mut lines = self.lines();
        loop {
            while let Some(line) = lines.all.get(seen) {
                if let Some(found) = pick(line) {
                    return Some(found);
                }
                seen += 1;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.open == 0 {
                return None;
            }
            lines = self
                .shared
                .changed
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until every pipe is closed, so that the last words are in.
    pub fn wait_end(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let mut lines = self.lines();
        while lines.open > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            lines = self
                .shared
                .changed
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Whether every pipe is closed.
    pub fn has_ended(&self) -> bool {
        self.lines().open == 0
    }

    /// Number of lines until now.
    pub fn len(&self) -> usize {
        self.lines().all.len()
    }

    /// Whether any line contains `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.lines().all.iter().any(|line| line.contains(text))
    }

    /// The lines that contain `text`.
    pub fn matching(&self, text: &str) -> Vec<String> {
        self.lines().all.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// The last `count` lines in one text.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.lines();
        let from = lines.all.len().saturating_sub(count);
        lines.all[from..].join("\n")
    }
}

/// Removes the escape sequences that colour a log line.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..start]);
        rest = rest[start + 2..].split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}
