//! The one door through which an agent starts other programs.
//!
//! Arguments are a vector, never a line for a shell. Every program has a deadline, dies with the
//! agent, reads nothing from the terminal, and leaves the last lines of its error output in the error.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Kind, Result};
use crate::node::cancel::CancelFlag;

/// How often a wish to stop is looked for.
const CANCEL_POLL: Duration = Duration::from_millis(50);

/// More output than this is no answer to anything that an agent asks.
const OUTPUT_LIMIT: usize = 16 << 20;

/// Bytes of error output kept for the error: the last lines say what was wrong.
const STDERR_KEPT: usize = 2048;

/// A program about to be started.
pub struct Program<'a> {
    program: OsString,
    args: Vec<OsString>,
    environment: Vec<(&'static str, &'static str)>,
    deadline: Duration,
    memory_limit: Option<u64>,
    cpu_limit: Option<u64>,
    cancel: Option<&'a CancelFlag>,
}

/// How a program ended, whatever its exit code.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    /// The last lines of its error output.
    pub stderr: String,
}

impl<'a> Program<'a> {
    /// `deadline`: the program is killed when it takes longer.
    pub fn new(program: impl AsRef<OsStr>, deadline: Duration) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            environment: Vec::new(),
            deadline,
            memory_limit: None,
            cpu_limit: None,
            cancel: None,
        }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Beside what it has of the agent.
    pub fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Bounds address space in bytes and CPU time in seconds: for programs that look at what a stranger uploaded.
    pub fn limits(mut self, memory: u64, cpu_seconds: u64) -> Self {
        self.memory_limit = Some(memory);
        self.cpu_limit = Some(cpu_seconds);
        self
    }

    /// Kills the program when the flag is set.
    pub fn cancel(mut self, cancel: &'a CancelFlag) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// `program-missing` when there is no such program, `program-too-slow` after the deadline, `cancelled`,
    /// and `program-failed` with its last words when it ended with anything but 0.
    pub fn output(self) -> Result<Vec<u8>> {
        self.output_watched(&mut |_| ())
    }

    /// As [`Program::output`]; every piece of standard output is also handed over as it comes.
    pub fn output_watched(self, watch: &mut dyn FnMut(&[u8])) -> Result<Vec<u8>> {
        let shown = self.shown();
        let program = self.program.to_string_lossy().into_owned();
        let ended = self.finish(watch)?;
        if ended.status.success() {
            return Ok(ended.stdout);
        }
        let last = ended.stderr.lines().last().unwrap_or_default().to_owned();
        Err(Error::new(Kind::Internal, "program-failed")
            .arg("program", program)
            .arg("message", last)
            .because(format!("{shown}: {}: {}", ended.status, ended.stderr)))
    }

    /// Runs the program to its end and tells how it ended, whatever its exit code.
    ///
    /// # Errors
    /// As [`Program::output`] without `program-failed`.
    pub fn finish(self, watch: &mut dyn FnMut(&[u8])) -> Result<Ended> {
        let mut child = self.spawn()?;
        let pieces = collect(&mut child);
        let outcome = self.follow(&mut child, &pieces, watch);
        if outcome.is_err() {
            kill(&mut child);
        }
        outcome
    }

    fn spawn(&self) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Messages are parsed and shown to the administrator in the catalogue's words, not in the locale's.
        command.env("LC_ALL", "C").env("PATH", search_path()).process_group(0);
        command.envs(self.environment.iter().copied());
        let (memory, cpu) = (self.memory_limit, self.cpu_limit);
        // SAFETY: between fork and exec only prctl and setrlimit are called, both async-signal-safe.
        unsafe {
            command.pre_exec(move || before_exec(memory, cpu));
        }
        command.spawn().map_err(|cause| {
            let key = if cause.kind() == ErrorKind::NotFound {
                "program-missing"
            } else {
                "program-failed"
            };
            Error::new(Kind::Internal, key)
                .arg("program", self.program.to_string_lossy())
                .arg("message", &cause)
                .because(cause)
        })
    }

    fn follow(
        &self,
        child: &mut Child,
        pieces: &Receiver<Piece>,
        watch: &mut dyn FnMut(&[u8]),
    ) -> Result<Ended> {
        let until = Instant::now() + self.deadline;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match pieces
                .recv_timeout(CANCEL_POLL.min(until.saturating_duration_since(Instant::now())))
            {
                Ok(Piece::Out(bytes)) => {
                    watch(&bytes);
                    stdout.extend_from_slice(&bytes);
                    if stdout.len() > OUTPUT_LIMIT {
                        return Err(Error::internal(format!(
                            "{} prints without end",
                            self.shown()
                        )));
                    }
                }
                Ok(Piece::Err(bytes)) => keep_last(&mut stderr, &bytes),
                Err(RecvTimeoutError::Timeout) => self.check(until)?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // It has closed its output and is about to end; one that lingers is still bound by the deadline.
        let status = loop {
            if let Some(status) = child.try_wait().context("wait for a program")? {
                break status;
            }
            self.check(until)?;
            thread::sleep(Duration::from_millis(1));
        };
        Ok(Ended { status, stdout, stderr: String::from_utf8_lossy(&stderr).trim().to_owned() })
    }

    fn check(&self, until: Instant) -> Result<()> {
        if let Some(cancel) = self.cancel {
            cancel.check()?;
        }
        if Instant::now() < until {
            return Ok(());
        }
        Err(Error::new(Kind::Internal, "program-too-slow")
            .arg("program", self.program.to_string_lossy())
            .arg("seconds", self.deadline.as_secs())
            .because(self.shown()))
    }

    /// The command for the log.
    fn shown(&self) -> String {
        let mut words = vec![self.program.to_string_lossy()];
        words.extend(self.args.iter().map(|arg| arg.to_string_lossy()));
        words.join(" ")
    }
}

enum Piece {
    Out(Vec<u8>),
    Err(Vec<u8>),
}

/// Reads both outputs on threads of their own, so that neither can block the program.
fn collect(child: &mut Child) -> Receiver<Piece> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        read_on_thread(stdout, sender.clone(), Piece::Out);
    }
    if let Some(stderr) = child.stderr.take() {
        read_on_thread(stderr, sender, Piece::Err);
    }
    receiver
}

fn read_on_thread(
    mut from: impl Read + Send + 'static,
    to: Sender<Piece>,
    piece: fn(Vec<u8>) -> Piece,
) {
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        // A read error on a pipe means the same as its end: nothing more comes.
        while let Ok(count) = from.read(&mut buffer)
            && count > 0
            && to.send(piece(buffer[..count].to_vec())).is_ok()
        {}
    });
}

fn keep_last(kept: &mut Vec<u8>, bytes: &[u8]) {
    kept.extend_from_slice(bytes);
    let surplus = kept.len().saturating_sub(STDERR_KEPT);
    kept.drain(..surplus);
}

/// Ends the program with whatever it has started.
fn kill(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        let group = nix::unistd::Pid::from_raw(group);
        if let Err(cause) = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL) {
            tracing::debug!(%cause, "a program to be killed had ended");
        }
    }
    if let Err(cause) = child.wait() {
        tracing::warn!(%cause, "cannot collect a killed program");
    }
}

/// The search path with the administrator's folders, which services and ssh sessions often lack.
fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}

fn before_exec(memory: Option<u64>, cpu: Option<u64>) -> std::io::Result<()> {
    // Nothing may go on working on a node's disks after its agent was killed.
    // SAFETY: prctl with these arguments changes only this process.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    if let Some(bytes) = memory {
        set_limit(libc::RLIMIT_AS, bytes)?;
    }
    if let Some(seconds) = cpu {
        set_limit(libc::RLIMIT_CPU, seconds)?;
    }
    Ok(())
}

fn set_limit(resource: libc::__rlimit_resource_t, value: u64) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: `limit` is a valid rlimit that outlives the call.
    if unsafe { libc::setrlimit(resource, &limit) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn output_comes_back() {
        assert_eq!(Program::new("echo", SOON).arg("a b").output().unwrap(), b"a b\n");
    }

    #[test]
    fn a_failure_keeps_the_last_words() {
        let error = Program::new("ls", SOON).arg("/no/such/path").output().unwrap_err();
        assert_eq!(error.key(), "program-failed");
        assert!(error.detail().contains("No such file"), "{}", error.detail());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Program::new("no-such-program-here", SOON).output().unwrap_err();
        assert_eq!(error.key(), "program-missing");
    }

    #[test]
    fn a_slow_program_is_killed() {
        let began = Instant::now();
        let error =
            Program::new("sleep", Duration::from_millis(200)).arg("30").output().unwrap_err();
        assert_eq!(error.key(), "program-too-slow");
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_wish_to_stop_kills() {
        let flag = CancelFlag::new();
        let other = flag.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            other.cancel();
        });
        let error = Program::new("sleep", SOON).arg("30").cancel(&flag).output().unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled);
    }
}
