//! A real SMTP server (aiosmtpd) that keeps what it gets in a Maildir.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::wait::{wait_for, wait_until};

/// The server; ended when dropped.
pub struct MailServer {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl MailServer {
    /// # Panics
    /// When it does not start: the package python3-aiosmtpd is missing.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_on(free_port())
    }

    /// As [`MailServer::start`], on a given port of this machine.
    #[track_caller]
    pub fn start_on(port: u16) -> Self {
        Self::with(port, &[])
    }

    /// As [`MailServer::start`], taking mail after STARTTLS only, with the certificate and key in
    /// `cert.pem` and `key.pem` of a folder.
    #[track_caller]
    pub fn with_starttls(files: &Path) -> Self {
        let name = |file| files.join(file).to_string_lossy().into_owned();
        let (chain, key) = (name("cert.pem"), name("key.pem"));
        Self::with(free_port(), &["--tlscert", &chain, "--tlskey", &key])
    }

    #[track_caller]
    fn with(port: u16, more: &[&str]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let process = Command::new("/usr/bin/python3")
            .args(["-m", "aiosmtpd", "--nosetuid", "--listen", &format!("127.0.0.1:{port}")])
            .args(more)
            .args(["--class", "aiosmtpd.handlers.Mailbox"])
            .arg(folder.path().join("mail"))
            .stderr(Stdio::null())
            .spawn()
            .expect("start python3");
        wait_until("the mail server", Duration::from_secs(30), || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { folder, port, process }
    }

    /// Settings of a server that sends its mail here.
    pub fn settings(port: u16) -> [(&'static str, String); 4] {
        [
            ("CARREL_SMTP_HOST", "127.0.0.1".into()),
            ("CARREL_SMTP_PORT", port.to_string()),
            ("CARREL_SMTP_TLS", "none".into()),
            ("CARREL_SMTP_FROM", "Carrel <carrel@school.example>".into()),
        ]
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// All letters to an address, as they came.
    pub fn letters(&self, to: &str) -> Vec<Letter> {
        let Ok(entries) = fs::read_dir(self.folder.path().join("mail/new")) else {
            return Vec::new();
        };
        let texts = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
        let letters = texts.map(|text| Letter { text });
        letters.filter(|letter| letter.header("To") == Some(to)).collect()
    }

    /// Waits for the first letter to an address.
    #[track_caller]
    pub fn letter(&self, to: &str) -> Letter {
        wait_for("a letter", Duration::from_secs(20), || self.letters(to).pop())
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("an address").port()
}

/// A letter as it came over the wire.
#[derive(Debug)]
pub struct Letter {
    text: String,
}

impl Letter {
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\n\n").next()?;
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Its body as the reader sees it.
    #[track_caller]
    pub fn body(&self) -> String {
        // what is beyond ASCII or long is encoded; Python knows how
        let program = "import sys, email, email.policy as p; \
            m = email.message_from_string(sys.stdin.read(), policy=p.default); \
            print(m['Subject']); print(m.get_content())";
        let mut python = Command::new("/usr/bin/python3")
            .args(["-X", "utf8", "-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start python3");
        let mut input = python.stdin.take().expect("piped");
        std::io::Write::write_all(&mut input, self.text.as_bytes()).expect("write");
        drop(input);
        let output = python.wait_with_output().expect("wait");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The token of the link in it.
    #[track_caller]
    pub fn token(&self) -> String {
        let body = self.body();
        let (_, rest) = body.split_once("/account/confirm?token=").expect("a link");
        rest.chars().take_while(char::is_ascii_hexdigit).collect()
    }
}
