//! The packages under test, of the debug binary, packed as `make deb` and `make rpm` do.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the package of this tree is.
pub fn deb() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| pack("deb")).clone()
}

pub fn rpm() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| pack("rpm")).clone()
}

/// The DEB of the commit before this one.
///
/// # Panics
/// When there is none, as in a shallow clone.
pub fn previous_deb() -> PathBuf {
    let printed = run(&mut Command::new(script("tests/package/previous.sh")));
    PathBuf::from(printed.lines().last().expect("the file"))
}

/// What the DEB asks for, as apt's names.
pub fn dependencies(deb: &Path) -> Vec<String> {
    let printed = run(Command::new("dpkg-deb").arg("-f").arg(deb).arg("Depends"));
    let names = printed.split(',').filter_map(|one| one.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// Revision 2: the previous commit's is 1.
fn pack(kind: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
    let printed = run(Command::new(script("packaging/package.sh"))
        .arg(kind)
        .env("BINARY", env!("CARGO_BIN_EXE_carrel"))
        .env("OUT", &folder)
        .env("REVISION", "2")
        .env("FAST", "1"));
    let file = printed.lines().last().and_then(|line| line.split_whitespace().last());
    PathBuf::from(file.expect("the file"))
}

/// A path of this tree.
pub fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a command and gives what it printed.
///
/// # Panics
/// When it fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}{said}", output.status);
    text
}
