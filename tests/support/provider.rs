//! A real identity provider (OpenID Connect), run by Node: see `tests/oidc`.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use super::log::Log;
use super::server::Setup;

/// Node starts slowly on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A provider with the people anna, a teacher, and bert. It ends when dropped.
pub struct Provider {
    pub issuer: String,
    settings: Value,
    /// Keeps its port for it until it starts.
    port: Option<TcpListener>,
    process: Option<Child>,
}

impl Provider {
    /// Carrel's password there.
    pub const SECRET: &str = "the secret of carrel";

    /// One to be started; `origin` is scheme and host of this machine, `more` goes to its settings.
    pub fn new(origin: &str, more: &Value) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let issuer = format!("{origin}:{}", port.local_addr().expect("a free port").port());
        let mut settings = json!({"issuer": issuer});
        let more = more.as_object().cloned().unwrap_or_default();
        settings.as_object_mut().expect("an object").extend(more);
        Self { issuer, settings, port: Some(port), process: None }
    }

    /// A server whose settings name this provider.
    pub fn known_to(&self, setup: Setup) -> Setup {
        setup
            .env("CARREL_OIDC_ISSUER", &self.issuer)
            .env("CARREL_OIDC_CLIENT_ID", "carrel")
            .env("CARREL_OIDC_CLIENT_SECRET", Self::SECRET)
            .env("CARREL_OIDC_DISPLAY_NAME", "School account")
            .env("CARREL_OIDC_GROUP_ROLES", r#"{ teachers = ["teacher"] }"#)
    }

    /// Starts it; the server is at `base`.
    pub fn start(&mut self, base: &str) {
        let back = format!("{base}/api/v1.0/identity/oidc/callback");
        self.settings["redirectUris"] = json!([back]);
        self.start_again();
    }

    /// As after a stop; it has other keys then.
    pub fn start_again(&mut self) {
        let place = concat!(env!("CARGO_MANIFEST_DIR"), "/target/oidc/provider.mjs");
        let node = node();
        drop(self.port.take());
        let mut child = Command::new(node)
            .arg(place)
            .arg(self.settings.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the provider");
        let log = Log::default();
        log.follow(child.stdout.take().expect("piped"));
        log.follow(child.stderr.take().expect("piped"));
        let ready = log.wait_for(LIMIT, |line| line.contains("ready at").then_some(()));
        assert!(ready.is_some(), "the provider did not start: {}", log.tail(20));
        self.process = Some(child);
    }

    pub fn stop(&mut self) {
        let mut child = self.process.take().expect("the provider runs");
        child.kill().expect("stop the provider");
        child.wait().expect("wait for the provider");
    }

    /// Changes its people, or how it spoils its tokens.
    #[track_caller]
    pub fn set(&self, change: &Value) {
        let sent = ureq::post(format!("{}/test", self.issuer)).send(change.to_string());
        assert!(sent.expect("the provider answers").status().is_success());
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The node that runs it, with its packages in place.
fn node() -> &'static str {
    static NODE: OnceLock<String> = OnceLock::new();
    NODE.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oidc/install.sh");
        let output = Command::new(script).stderr(Stdio::inherit()).output().expect("install.sh");
        assert!(output.status.success(), "tests/oidc/install.sh: {}", output.status);
        String::from_utf8(output.stdout).expect("a path").trim().to_owned()
    })
}
