//! `make bench`: Carrel side by side with what one would use otherwise, on this machine, in one run.

#[path = "../browser/page.rs"]
#[expect(dead_code, reason = "the browser tests use the rest")]
mod page;
#[path = "../support/mod.rs"]
mod support;

mod measure;
mod peer;
mod rows;

use measure::{Table, load};

/// A row's name and what measures it.
type Row = (&'static str, fn(&mut Table));

const ROWS: [Row; 8] = [
    ("clones", rows::clones::measure),
    ("start", rows::start::measure),
    ("lanes", rows::lanes::measure),
    ("waiting", rows::waiting::measure),
    ("pages", rows::pages::measure),
    ("console", rows::console::measure),
    ("memory", rows::memory::measure),
    ("answer", rows::answer::measure),
];

fn main() {
    // cargo adds --bench
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    for name in &asked {
        assert!(ROWS.iter().any(|(known, _)| known == name), "no row is called {name}");
    }
    let mut table = Table::default();
    for (name, measure) in ROWS {
        if asked.is_empty() || asked.iter().any(|wanted| wanted == name) {
            eprintln!("measuring {name} (load {})", load());
            measure(&mut table);
        }
    }
    println!("{table}");
}
