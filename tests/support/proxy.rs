//! A real nginx in front of a server, as `docs/proxy.md` says.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use super::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(20);

/// Ends TLS, also of HTTP/2, and hands on to a server. It goes when it is dropped.
pub struct Proxy {
    process: Child,
    base: String,
    _folder: TempDir,
}

impl Proxy {
    /// Starts one in front of the server at `server` (scheme, host and port).
    ///
    /// # Panics
    /// When nginx is not to be had, or does not begin to serve.
    #[track_caller]
    pub fn start(server: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("proxy-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        let port = free_port();
        fs::write(folder.path().join("nginx.conf"), config(folder.path(), port, server))
            .expect("write the configuration");
        let process = Command::new(nginx())
            .arg("-p")
            .arg(folder.path())
            .args(["-e", "stderr", "-c", "nginx.conf"])
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx");
        let proxy = Self { process, base: format!("https://127.0.0.1:{port}"), _folder: folder };
        let is_up = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        wait_until("nginx to serve", LIMIT, is_up);
        proxy
    }

    /// Scheme, host and port at which it is reached.
    pub fn base(&self) -> &str {
        &self.base
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Free again when this returns.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// What the administrator is told to write, with the places of this test.
fn config(folder: &Path, port: u16, server: &str) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["carrel.test".to_owned()]);
    let made = made.expect("a certificate");
    fs::write(folder.join("carrel.crt"), made.cert.pem()).expect("write");
    fs::write(folder.join("carrel.key"), made.signing_key.serialize_pem()).expect("write");
    let guide = include_str!("../../docs/proxy.md");
    let (_, block) = guide.split_once("```nginx\n").expect("nginx's part of the guide");
    let (block, _) = block.split_once("```").expect("its end");
    let block = [
        ("http://127.0.0.1:50004", server),
        ("listen 443", &format!("listen 127.0.0.1:{port}")),
        ("/etc/ssl", &folder.display().to_string()),
    ]
    .into_iter()
    .fold(block.to_owned(), |text, (told, here)| {
        assert!(text.contains(told), "the guide says {told}");
        text.replace(told, here)
    });
    let scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", folder.display()));
    format!(
        "daemon off; master_process off; pid {}/pid; error_log stderr;\n\
         events {{}}\nhttp {{\naccess_log off;\n{}{block}}}\n",
        folder.display(),
        scratch.concat()
    )
}

fn nginx() -> &'static str {
    static NGINX: OnceLock<String> = OnceLock::new();
    NGINX.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proxy/install.sh");
        let output = Command::new(script).stderr(Stdio::inherit()).output().expect("install.sh");
        assert!(output.status.success(), "tests/proxy/install.sh: {}", output.status);
        String::from_utf8(output.stdout).expect("a path").trim().to_owned()
    })
}
