//! Times, medians and the table.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

/// The middle of `rounds` runs of `work`, which gives what it measured.
pub fn median(rounds: usize, mut work: impl FnMut(usize) -> f64) -> f64 {
    let mut all: Vec<f64> = (0..rounds).map(&mut work).collect();
    eprintln!("  {all:.3?}");
    all.sort_by(f64::total_cmp);
    all[rounds / 2]
}

/// The middles of `rounds` runs of both, in turns.
pub fn medians(
    rounds: usize,
    mut one: impl FnMut() -> f64,
    mut other: impl FnMut() -> f64,
) -> (f64, f64) {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ones.push(one());
        others.push(other());
    }
    let middle = |all: Vec<f64>| median(rounds, |round| all[round]);
    (middle(ones), middle(others))
}

/// Seconds that `work` takes.
pub fn seconds(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

/// The machine's load, which a reader of the table wants to know.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Waits until the machine is quiet, at most a minute: the work before leaves some behind.
pub fn settle() {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until && busy_share() > 0.15 {}
}

/// Share of the cores' time that is used during half a second.
fn busy_share() -> f64 {
    let read = || -> Option<(f64, f64)> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let fields: Vec<f64> = text
            .lines()
            .next()?
            .split_whitespace()
            .skip(1)
            .filter_map(|word| word.parse().ok())
            .collect();
        // idle and waiting for disks
        Some((fields.iter().sum(), fields.get(3)? + fields.get(4)?))
    };
    let before = read();
    std::thread::sleep(Duration::from_millis(500));
    match (before, read()) {
        (Some((all0, idle0)), Some((all1, idle1))) if all1 > all0 => {
            1.0 - (idle1 - idle0) / (all1 - all0)
        }
        _ => 0.0,
    }
}

/// Lines of the table as they are measured.
#[derive(Default)]
pub struct Table(Vec<[String; 6]>);

impl Table {
    /// `carrel` against `other`, both in seconds; `ratio` is what the bound speaks of.
    pub fn compare(&mut self, what: &str, against: &str, carrel: f64, other: f64, bound: Bound) {
        let ratio = match bound {
            Bound::TimesFaster(_) => other / carrel,
            Bound::TimesAsLong(_) => carrel / other,
        };
        let (shown, met) = match bound {
            Bound::TimesFaster(least) => (format!("at least {least}"), ratio >= least),
            Bound::TimesAsLong(most) => (format!("at most {most}"), ratio <= most),
        };
        self.line(what, against, time(carrel), time(other), format!("{ratio:.2}"), shown, met);
    }

    /// A figure of Carrel alone.
    pub fn figure(&mut self, what: &str, value: f64, unit: &str, most: f64) {
        let (shown, bound) = (format!("{value:.3} {unit}"), format!("at most {most} {unit}"));
        self.line(what, "–", shown, "–".to_owned(), "–".to_owned(), bound, value <= most);
    }

    #[expect(clippy::too_many_arguments, reason = "the columns of a line")]
    fn line(
        &mut self,
        what: &str,
        against: &str,
        carrel: String,
        other: String,
        ratio: String,
        wanted: String,
        met: bool,
    ) {
        let wanted = format!("{wanted}{}", if met { "" } else { "  MISSED" });
        self.0.push([what.to_owned(), against.to_owned(), carrel, other, ratio, wanted]);
    }
}

/// What a comparison should show.
#[derive(Clone, Copy)]
pub enum Bound {
    /// The other takes at least so many times as long.
    TimesFaster(f64),
    /// Carrel takes at most so many times as long.
    TimesAsLong(f64),
}

fn time(seconds: f64) -> String {
    if seconds < 0.1 { format!("{:.2} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        writeln!(f, "make bench, {cores} cores, load {} at the end\n", load())?;
        let head = ["what", "against", "Carrel", "other", "ratio", "wanted"].map(str::to_owned);
        let all: Vec<&[String; 6]> = std::iter::once(&head).chain(&self.0).collect();
        let width =
            |column: usize| all.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 6] = std::array::from_fn(width);
        for line in all {
            for (cell, width) in line.iter().zip(widths) {
                write!(f, "{cell:width$}  ")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
