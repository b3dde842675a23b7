//! A real slapd on free ports, with its own configuration and data.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ldap3::{LdapConn, Mod};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::{Authority, Log, Setup, wait_for};

pub const BASE: &str = "dc=school,dc=example";
const MANAGER: &str = "cn=manager,dc=school,dc=example";
const MANAGER_PASSWORD: &str = "manages everything";
/// Who looks people up.
const READER: &str = "cn=carrel,dc=school,dc=example";
const READER_PASSWORD: &str = "looks people up";
/// Beside other tests.
const LIMIT: Duration = Duration::from_secs(30);

/// The directory of a school.
pub struct Slapd {
    folder: TempDir,
    pub authority: Authority,
    port: u16,
    tls_port: u16,
    process: Option<Child>,
}

impl Slapd {
    /// Starts it with the people anna and bert, and the group of teachers, which has none.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("slapd-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a folder");
        let authority = Authority::make(folder.path());
        fs::create_dir(folder.path().join("data")).expect("a folder");
        // Distributions confine the program at its own path to the system's own directory.
        let program = ["/usr/sbin/slapd", "/usr/libexec/slapd"].map(Path::new);
        let program = program.into_iter().find(|path| path.exists());
        let program = program.expect("slapd is installed: packaging/prepare.sh test");
        // By another process: one that this process starts meanwhile would hold the file open for writing.
        let copied = Command::new("cp").arg(program).arg(folder.path().join("slapd")).status();
        assert!(copied.expect("start cp").success(), "copy slapd");
        let (port, tls_port) = (free_port(), free_port());
        let mut slapd = Self { folder, authority, port, tls_port, process: None };
        slapd.write_settings();
        slapd.start_again();
        slapd.fill();
        slapd
    }

    fn write_settings(&self) {
        let first = |paths: &[&str]| {
            let found = paths.iter().find(|path| Path::new(path).exists());
            (*found.unwrap_or_else(|| panic!("none of {paths:?}"))).to_owned()
        };
        let schema = first(&["/etc/ldap/schema", "/etc/openldap/schema"]);
        let modules = first(&["/usr/lib/ldap", "/usr/lib64/openldap"]);
        let folder = self.folder.path().display();
        let Authority { ca, certificate, key } = &self.authority;
        let (ca, certificate, key) = (ca.display(), certificate.display(), key.display());
        // As Active Directory does, it takes a bind without a password for one of nobody.
        let text = format!(
            "include {schema}/core.schema\ninclude {schema}/cosine.schema\n\
             include {schema}/inetorgperson.schema\n\
             include {schema}/nis.schema\n\
             modulepath {modules}\nmoduleload back_mdb\nmoduleload memberof\n\
             allow bind_anon_dn\npidfile {folder}/slapd.pid\n\
             TLSCACertificateFile {ca}\nTLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\n\
             database mdb\nsuffix \"{BASE}\"\nrootdn \"{MANAGER}\"\nrootpw \"{MANAGER_PASSWORD}\"\n\
             directory {folder}/data\noverlay memberof\n\
             access to attrs=userPassword by anonymous auth by * none\n\
             access to * by dn.exact=\"{READER}\" read by * none\n"
        );
        fs::write(self.folder.path().join("slapd.conf"), text).expect("write");
    }

    /// As after a stop.
    pub fn start_again(&mut self) {
        let urls = format!("ldap://127.0.0.1:{}/ ldaps://127.0.0.1:{}/", self.port, self.tls_port);
        let mut child = Command::new(self.folder.path().join("slapd"))
            .arg("-f")
            .arg(self.folder.path().join("slapd.conf"))
            .args(["-h", &urls, "-d", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start slapd");
        let log = Log::default();
        log.follow(child.stdout.take().expect("piped"));
        log.follow(child.stderr.take().expect("piped"));
        wait_for("slapd", LIMIT, || {
            let ended = child.try_wait().expect("wait for slapd");
            assert!(ended.is_none(), "slapd ended: {}", log.tail(20));
            LdapConn::new(&self.url()).ok()
        });
        self.process = Some(child);
    }

    pub fn stop(&mut self) {
        let mut child = self.process.take().expect("slapd runs");
        self.signal_to(&child, Signal::SIGTERM);
        child.wait().expect("wait for slapd");
    }

    /// Stands still: connections are taken and nothing is answered.
    pub fn freeze(&self) {
        self.signal_to(self.process.as_ref().expect("slapd runs"), Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal_to(self.process.as_ref().expect("slapd runs"), Signal::SIGCONT);
    }

    fn signal_to(&self, child: &Child, signal: Signal) {
        kill(Pid::from_raw(child.id().cast_signed()), signal).expect("signal slapd");
    }

    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    pub fn tls_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    /// A server whose settings name this directory.
    pub fn asked_by(&self, setup: Setup) -> Setup {
        setup
            .env("CARREL_LDAP_URL", self.url())
            .env("CARREL_LDAP_BASE_DN", BASE)
            .env("CARREL_LDAP_BIND_DN", READER)
            .env("CARREL_LDAP_BIND_PASSWORD", READER_PASSWORD)
            .env(
                "CARREL_LDAP_GROUP_ROLES",
                format!(r#"{{ "CN=Teachers, ou=groups,{BASE}" = ["teacher"] }}"#),
            )
    }

    fn connection(&self) -> LdapConn {
        let mut conn = LdapConn::new(&self.url()).expect("connect");
        let bound = conn.simple_bind(MANAGER, MANAGER_PASSWORD).expect("bind");
        bound.success().expect("the manager");
        conn
    }

    #[track_caller]
    pub fn add(&self, dn: &str, attributes: &[(&str, &str)]) {
        let mut by_name: Vec<(&str, std::collections::HashSet<&str>)> = Vec::new();
        for (name, value) in attributes {
            match by_name.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => drop(values.insert(value)),
                None => by_name.push((name, [*value].into())),
            }
        }
        let added = self.connection().add(dn, by_name).expect("add");
        added.success().unwrap_or_else(|error| panic!("{dn}: {error}"));
    }

    #[track_caller]
    pub fn person(&self, uid: &str, mail: &str, password: &str) {
        let cn = format!("{uid} of the school");
        let attributes = [
            ("objectClass", "inetOrgPerson"),
            ("uid", uid),
            ("cn", &cn),
            ("sn", uid),
            ("mail", mail),
            ("userPassword", password),
        ];
        self.add(&person_dn(uid), &attributes);
    }

    /// A group; its name as in a DN.
    #[track_caller]
    pub fn group(&self, name: &str) {
        // It has at least one member.
        let nobody = format!("cn=nobody,{BASE}");
        // The directory adds the name itself, without what it is written with.
        self.add(&group_dn(name), &[("objectClass", "groupOfNames"), ("member", &nobody)]);
    }

    #[track_caller]
    pub fn change(&self, dn: &str, change: Mod<&str>) {
        let changed = self.connection().modify(dn, vec![change]).expect("modify");
        changed.success().unwrap_or_else(|error| panic!("{dn}: {error}"));
    }

    /// `uid` is another one from now on.
    #[track_caller]
    pub fn rename(&self, uid: &str, new: &str) {
        let renamed =
            self.connection().modifydn(&person_dn(uid), &format!("uid={new}"), true, None);
        renamed.expect("rename").success().expect("rename");
    }

    #[track_caller]
    pub fn join(&self, uid: &str, group: &str) {
        let dn = person_dn(uid);
        self.change(&group_dn(group), Mod::Add("member", [dn.as_str()].into()));
    }

    #[track_caller]
    pub fn leave(&self, uid: &str, group: &str) {
        let dn = person_dn(uid);
        self.change(&group_dn(group), Mod::Delete("member", [dn.as_str()].into()));
    }

    fn fill(&self) {
        self.add(
            BASE,
            &[
                ("objectClass", "dcObject"),
                ("objectClass", "organization"),
                ("o", "School"),
                ("dc", "school"),
            ],
        );
        for unit in ["people", "groups"] {
            self.add(
                &format!("ou={unit},{BASE}"),
                &[("objectClass", "organizationalUnit"), ("ou", unit)],
            );
        }
        self.add(
            READER,
            &[
                ("objectClass", "applicationProcess"),
                ("objectClass", "simpleSecurityObject"),
                ("cn", "carrel"),
                ("userPassword", READER_PASSWORD),
            ],
        );
        self.person("anna", "anna@school.example", "annas password");
        self.person("bert", "bert@school.example", "berts password");
        for group in ["teachers", "heads"] {
            self.group(group);
        }
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            // Also one that stands still; it may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub fn person_dn(uid: &str) -> String {
    format!("uid={uid},ou=people,{BASE}")
}

fn group_dn(cn: &str) -> String {
    format!("cn={cn},ou=groups,{BASE}")
}

/// Free a moment ago; slapd cannot be told to choose one.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
