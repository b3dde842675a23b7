//! A package's life on a fresh machine: installed, booted, worked with, restarted, removed, purged, installed again.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::machine::{ADDRESS, Machine, NAME};
use super::packages;
use crate::support::{
    Client, Console, PASSWORD, Site, guest_image, rows, uuid_of, wait_for, wait_until,
};

/// A guest boots in 5 s alone, and in several times that beside other work.
pub const GUEST: Duration = Duration::from_secs(240);
/// Services are there again within this, however busy the machine is.
pub const SERVICE: Duration = Duration::from_secs(120);

/// A minute until it is missed, and half of one for a stopped process, which hears nothing, to be killed.
const WATCHDOG: Duration = Duration::from_secs(240);

/// What `systemd-analyze security` may rate the two at most.
const WEB_EXPOSURE: f64 = 1.5;
const AGENT_EXPOSURE: f64 = 5.0;

const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB2c0sE3KzU0QbV1F7h8e5M2v0mJ2Yk6Yb2l0W3kq9aX";

#[test]
fn a_package_works_from_installation_to_purge() {
    guest_image(); // made now, with this machine's network
    let deb = packages::deb();
    let mut machine = Machine::fresh(&deb);
    let file = machine.bring(&deb);
    machine.offline(&["apt-get", "install", "--yes", "--quiet", &file]);
    machine.boot();
    wait_until("both services", SERVICE, || {
        machine.unit("carrel.service", "ActiveState") == "active"
    });
    machine.assert_both_run();
    settings_are_closed(&machine);

    machine.enter_network();
    let admin = set_up(&machine);
    let site = Site::of_default_as(admin);
    let address = main_job(&machine, &site);
    keys_reach_people(&machine, &site.admin);
    exposure(&machine);
    nothing_bad_in_the_journal(&machine);
    doctor(&machine);
    machine.assert_both_run();

    restarts(&machine, &address);
    watchdog(&machine, &address);
    removal(&machine, &address);
    purge_and_again(&machine, &file);
}

/// Each link opens by the certificate that was made, and the best makes the first administrator.
fn set_up(machine: &Machine) -> Client {
    let links = machine.setup_links();
    let bases: Vec<&str> = links.iter().filter_map(|link| link.split("/setup?").next()).collect();
    let wanted = [ADDRESS, NAME, "localhost"].map(|name| format!("https://{name}:50004"));
    assert_eq!(bases, wanted, "{}", machine.journal());
    let chain = "/var/lib/carrel/tls-certificate.pem";
    for link in &links {
        let page = machine.exec(&["curl", "-sS", "--fail", "--cacert", chain, link]);
        assert!(page.contains("<title>"), "{link}: {page}");
    }
    let (base, token) = links[0].split_once("/setup?token=").expect("a token");
    let client = Client::new(base);
    let body = json!({"token": token, "username": "admin", "password": PASSWORD});
    client.post("/api/v1.0/setup").json(&body).send().data();
    client.sign_in("admin", PASSWORD)
}

/// An administrator whom the command line makes.
pub fn admin_by_command(machine: &Machine) -> Client {
    let command = format!("echo {PASSWORD} | runuser -u carrel -- carrel admin set-password admin");
    machine.exec(&["sh", "-c", &command]);
    Client::new(&format!("https://{ADDRESS}:50004")).sign_in("admin", PASSWORD)
}

/// From an image to a running guest and its screen. Gives the guest's address.
fn main_job(machine: &Machine, site: &Site) -> String {
    let address = classroom(site);
    wait_until("the guest", GUEST, || ask(&address, "status").is_some());
    let group = uuid_of(&site.admin, "/api/v1.0/education/desktop/", "lab");
    let desktop = site.desktops(&group).remove(0);
    screen(machine, &site.admin, &desktop);
    address
}

/// An image, a template, a classroom and a desktop that is started. Gives its address.
pub fn classroom(site: &Site) -> String {
    let image = site.upload("tiny", &guest_image());
    let template = site.template("tiny", &image);
    let room = site.classroom("room");
    let group = site.deploy("lab", &room, &template, 1);
    site.group_action("start", &group, "lab");
    site.desktops(&group)[0]["ipaddr"].as_str().expect("an address").to_owned()
}

/// What the tests' guest answers; `None` while it does not.
pub fn ask(address: &str, path: &str) -> Option<String> {
    let answer =
        Client::new(&format!("http://{address}")).get(&format!("/cgi-bin/{path}")).try_send();
    answer.ok().filter(|answer| answer.status == 200).map(|answer| answer.body)
}

fn boots(address: &str) -> Option<String> {
    let status = ask(address, "status")?;
    status.lines().find_map(|line| line.strip_prefix("boots=")).map(str::to_owned)
}

/// The console's handshake, through TLS by the certificate's own names.
fn screen(machine: &Machine, admin: &Client, desktop: &Value) {
    let param = json!({"name": desktop["name"], "uuid": desktop["uuid"]});
    let answer = admin.action("/api/v1.0/education/instance/", "get_console", param).send();
    let url = answer.data()["websockify_url"].as_str().expect("a URL").to_owned();
    assert!(url.starts_with(&format!("wss://{ADDRESS}:50004/")), "{url}");
    let (width, height) =
        Console::open_through(&url, Box::new(tls(machine))).expect("opens").handshake();
    assert!(width >= 640 && height >= 400, "{width}×{height}");
}

fn tls(machine: &Machine) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let chain = machine.root().join("var/lib/carrel/tls-certificate.pem");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(chain).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ADDRESS.try_into().expect("a name");
    let connection = rustls::ClientConnection::new(Arc::new(config), name).expect("TLS");
    let stream = TcpStream::connect((ADDRESS, 50004)).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    rustls::StreamOwned::new(connection, stream)
}

/// The hardened agent still writes into homes.
fn keys_reach_people(machine: &Machine, admin: &Client) {
    machine.exec(&["useradd", "--create-home", "--shell", "/bin/bash", "lee"]);
    let body = json!({"name": "lee", "password": PASSWORD, "roles": ["normal"]});
    let made = admin.post("/api/v1.0/identity/user").json(&body).send().data();
    let user = made["uuid"].as_str().expect("a uuid");
    let key = json!({"key": format!("ssh-ed25519 {KEY} lee@desk")});
    admin.post(&format!("/api/v1.0/identity/user/{user}/ssh_key")).json(&key).send().data();
    let node = &rows(&admin.get("/api/v1.0/resource_mgr/controller_nodes").send())[0]["uuid"];
    for account in ["lee", "root"] {
        let body = json!({"user_uuid": user, "node_uuid": node, "system_user": account});
        let granted = admin.post("/api/v1.0/identity/ssh_grant").json(&body).send().data();
        assert_eq!(granted["reason"], Value::Null, "{granted}");
    }
    for (account, home) in [("lee", "/home/lee"), ("root", "/root")] {
        let file = format!("{home}/.ssh/authorized_keys");
        machine.exec(&["grep", "-q", KEY, &file]);
        assert_eq!(machine.exec(&["stat", "-c", "%U %a", &file]).trim(), format!("{account} 600"));
    }
}

fn exposure(machine: &Machine) {
    for (unit, most) in [("carrel.service", WEB_EXPOSURE), ("carrel-agent.service", AGENT_EXPOSURE)]
    {
        let text = machine.exec(&["systemd-analyze", "security", "--no-pager", unit]);
        let line =
            text.lines().find(|line| line.contains("Overall exposure level")).expect("a level");
        let level = line.split(": ").nth(1).and_then(|rest| rest.split(' ').next());
        let level: f64 = level.and_then(|text| text.parse().ok()).expect("a number");
        assert!(level <= most, "{unit}: {level} is more than {most}\n{text}");
    }
}

fn settings_are_closed(machine: &Machine) {
    let rights = machine.exec(&["stat", "-c", "%U %G %a", "/etc/carrel/carrel.toml"]);
    assert_eq!(rights.trim(), "root carrel 640");
    let stranger = ["runuser", "-u", "nobody", "--", "cat", "/etc/carrel/carrel.toml"];
    assert!(!machine.run(&stranger).status.success());
}

fn nothing_bad_in_the_journal(machine: &Machine) {
    let text = machine.journal();
    let is_bad = |line: &&str| {
        [" WARN ", " ERROR ", "panicked", "Failed", "code=killed"]
            .iter()
            .any(|bad| line.contains(bad))
    };
    let bad: Vec<&str> = text.lines().filter(is_bad).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

/// Nothing is in the way, and no log lines stand between the findings.
fn doctor(machine: &Machine) {
    let output = machine.run(&["carrel", "doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    // What a container cannot have: KVM, a clock and a disk of its own.
    let poor: Vec<&str> = text.lines().filter(|line| line.starts_with("[ !! ]")).collect();
    let is_the_containers =
        |line: &&str| ["/dev/kvm", "clock", "/storage has"].iter().any(|what| line.contains(what));
    assert!(poor.iter().all(is_the_containers), "{text}");
    assert!(text.trim_end().ends_with("Nothing is in the way."), "{text}");
}

/// Guests run on while each service is started anew.
fn restarts(machine: &Machine, address: &str) {
    let before = boots(address).expect("the guest answers");
    for unit in ["carrel-agent.service", "carrel.service"] {
        machine.exec(&["systemctl", "restart", unit]);
        assert_eq!(boots(address).as_ref(), Some(&before), "after a restart of {unit}");
    }
    machine.exec(&["systemctl", "restart", "carrel.service", "carrel-agent.service"]);
    assert_eq!(boots(address), Some(before));
    machine.assert_both_run();
    // the administrator is there, and the new processes know the desktop
    let admin = Client::new(&format!("https://{ADDRESS}:50004")).sign_in("admin", PASSWORD);
    wait_for("the desktop is shown as running", SERVICE, || {
        let found =
            rows(&admin.get("/api/v1.0/education/instance/").query("searchtype", "all").send());
        (found.first()?["status"] == "active").then_some(())
    });
}

/// A process that stands still is killed and started again; guests run on.
fn watchdog(machine: &Machine, address: &str) {
    assert_eq!(machine.unit("carrel-agent.service", "MemoryMax"), (2_u64 << 30).to_string());
    let guest = boots(address);
    for unit in ["carrel-agent.service", "carrel.service"] {
        let before = machine.unit(unit, "MainPID");
        machine.exec(&["kill", "-STOP", &before]);
        wait_until("another process", WATCHDOG, || {
            let now = machine.unit(unit, "MainPID");
            now != before && now != "0" && machine.unit(unit, "ActiveState") == "active"
        });
    }
    assert_eq!(boots(address), guest);
    assert!(machine.journal().contains("Watchdog timeout"), "{}", machine.journal());
    Client::new(&format!("https://{ADDRESS}:50004")).sign_in("admin", PASSWORD);
}

/// Guests and data stay, and it is said.
fn removal(machine: &Machine, address: &str) {
    let said = machine.exec(&["apt-get", "remove", "--yes", "--quiet", "carrel"]);
    assert!(said.contains("desktops that run go on running"), "{said}");
    assert!(said.contains("stay in /var/lib/carrel"), "{said}");
    assert!(ask(address, "status").is_some(), "the guest ended");
    machine.exec(&["test", "-s", "/var/lib/carrel/carrel.db"]);
    machine.exec(&["test", "-s", "/etc/carrel/carrel.toml"]);
    assert!(!machine.run(&["pgrep", "-x", "carrel"]).status.success(), "a process is left");
}

/// A purge takes the settings and leaves the data; the next installation finds them.
fn purge_and_again(machine: &Machine, file: &str) {
    let said = machine.exec(&["apt-get", "purge", "--yes", "--quiet", "carrel"]);
    assert!(said.contains("/var/lib/carrel is left"), "{said}");
    assert!(!machine.root().join("etc/carrel").exists());
    assert!(!machine.root().join("var/lib/carrel-agent").exists());
    machine.exec(&["test", "-s", "/var/lib/carrel/carrel.db"]);
    let wanted = machine.root().join("etc/systemd/system/multi-user.target.wants");
    for unit in ["carrel.service", "carrel-agent.service"] {
        assert!(std::fs::symlink_metadata(wanted.join(unit)).is_err(), "{unit} is left");
    }

    machine.exec(&["apt-get", "install", "--yes", "--quiet", file]);
    wait_until("both services", SERVICE, || {
        machine.unit("carrel.service", "ActiveState") == "active"
    });
    machine.assert_both_run();
    settings_are_closed(machine);
    assert!(machine.setup_links().is_empty(), "there is an administrator");
    let admin = Client::new(&format!("https://{ADDRESS}:50004")).sign_in("admin", PASSWORD);
    let found = rows(&admin.get("/api/v1.0/education/instance/").query("searchtype", "all").send());
    assert_eq!(found.len(), 1);
}
