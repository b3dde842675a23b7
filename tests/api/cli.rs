//! The command line, without a server and beside one.

use std::os::unix::fs::{MetadataExt, chown};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{ADMIN, PASSWORD, Server, SmallDisk, wait_until};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn passwords_come_from_standard_input_and_have_rules() {
    let server = Server::start();
    let set = |input: &str| server.run(&["admin", "set-password", "boss"], input);
    for (input, why) in [
        ("", "No password"),
        ("\n", "No password"),
        ("short\n", "8 characters"),
        (&"x".repeat(2_000), "1024 bytes"),
    ] {
        let output = set(input);
        assert_eq!(output.status.code(), Some(1), "{input:?}");
        assert!(complained(&output).contains(why), "{}", complained(&output));
    }
    assert!(
        said(&set("a first password\r\nsecond line\n")).contains("administrator boss was made")
    );
    let old = server.client().sign_in("boss", "a first password");
    assert!(said(&set("a second password")).contains("password of boss was set"));
    old.get("/api/account").send().expect_status(401);
    server.client().sign_in("boss", "a second password");
}

#[test]
fn users_are_added_listed_and_switched_off_but_not_the_last_administrator() {
    let server = Server::start();
    let run = |arguments: &[&str], input: &str| server.run(arguments, input);
    assert!(run(&["admin", "add", "lee", "--role", "normal"], "a good password").status.success());
    let again = run(&["admin", "add", "LEE", "--role", "normal"], "a good password");
    assert!(complained(&again).contains("lee already"), "{}", complained(&again));
    let list = said(&run(&["admin", "list"], ""));
    assert!(list.contains("admin") && list.contains("lee") && list.contains("normal"), "{list}");
    assert!(!list.contains("argon2"), "{list}");

    let last = run(&["admin", "disable", ADMIN], "");
    assert_eq!(last.status.code(), Some(1));
    assert!(complained(&last).contains("last administrator"), "{}", complained(&last));
    server.client().sign_in(ADMIN, PASSWORD);
    server.set_password("second", "a good password");
    assert!(run(&["admin", "disable", ADMIN], "").status.success());
    assert!(said(&run(&["admin", "list"], "")).contains("disabled"));
    assert_eq!(run(&["admin", "disable", "second"], "").status.code(), Some(1));
    for command in ["disable", "enable", "unlock"] {
        let output = run(&["admin", command, "ghost"], "");
        assert_eq!(output.status.code(), Some(1));
        assert!(complained(&output).contains("no user ghost"), "{}", complained(&output));
    }

    let client = server.client().sign_in("second", "a good password");
    let log = client.get("/api/v1.0/index/get_operation_log/").query("user_name", "carrel admin");
    let rows = log.header("Accept-Language", "en").send().data()["results"].take();
    let has = |content: &str, succeeded: bool| {
        let matches = |row: &&Value| row["content"] == content && row["succeeded"] == succeeded;
        rows.as_array().is_some_and(|rows| rows.iter().any(|row| matches(&row)))
    };
    assert!(has("Create the user \"lee\"", true), "{rows:#}");
    assert!(has("Disable the user \"admin\"", true) && has("Disable the user \"admin\"", false));
}

#[test]
fn wrong_usage_is_2_and_a_wrong_directory_makes_nothing() {
    let server = Server::start();
    for arguments in [
        &["admin"][..],
        &["admin", "list", "too", "much"],
        &["admin", "add", "x"],
        &["frobnicate"],
        &["agent"],
    ] {
        assert_eq!(server.run(arguments, "").status.code(), Some(2), "{arguments:?}");
    }
    // Roles are made in the console, so that only the database knows them.
    let output = server.run(&["admin", "add", "x", "--role", "emperor"], "a good password");
    assert_eq!(output.status.code(), Some(1));
    assert!(complained(&output).contains("no role emperor"), "{}", complained(&output));
    assert!(!said(&server.run(&["admin", "list"], "")).contains("x  "));
    let missing = server.data_here().join("not-there");
    let path = missing.to_string_lossy().into_owned();
    let output = server.run(&["admin", "list", "--data-dir", &path], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(complained(&output).contains("no database"), "{}", complained(&output));
    assert!(!missing.exists());
}

#[test]
fn the_terminals_language_is_spoken() {
    let server = Server::with().env("LC_ALL", "zh_CN.UTF-8").start();
    let output = server.run(&["admin", "disable", "ghost"], "");
    assert!(complained(&output).contains("用户 ghost 不存在"), "{}", complained(&output));
}

#[test]
fn the_doctor_names_what_is_in_the_way_and_its_repair() {
    let server = Server::start();
    let address = server.base().trim_start_matches("http://").to_owned();
    let doctor = |more: &[&str]| {
        let arguments = [&["doctor", "--listen", &address], more].concat();
        let output = server.run(&arguments, "");
        assert_eq!(complained(&output), "", "log lines between the findings");
        (said(&output), output.status.code())
    };
    let (text, _) = doctor(&[]);
    assert!(text.contains(&format!("[ ok ]  Carrel is serving on {address}.")), "{text}");
    assert!(text.contains("[ ok ]  The database") && text.contains("qemu-img"), "{text}");

    let other = server.data_here().join("other").to_string_lossy().into_owned();
    let (text, code) = doctor(&["--data-dir", &other]);
    assert!(text.contains("[FAIL]  Another program uses the address"), "{text}");
    assert!(text.contains("Choose another port") && text.contains("carrel doctor"), "{text}");
    assert_eq!(code, Some(1));
}

#[test]
fn the_doctor_only_looks() {
    let mut server = Server::start();
    let storage = server.data_here().join("storage");
    server.kill();
    // What an agent goes on with perhaps, and a folder that none has made.
    let work = storage.join("tmp").join(uuid::Uuid::new_v4().to_string());
    std::fs::write(&work, b"in progress").expect("work");
    let new = server.data_here().join("further");
    let config = server.data_here().join("looked-at.toml");
    let text = format!("storage = [{storage:?}, {new:?}]\n");
    std::fs::write(&config, text).expect("write the settings");
    let before = server.files();
    let output = server.run(&["doctor", "--config", &config.to_string_lossy()], "");
    let text = said(&output);
    assert!(text.contains(&format!("The storage {} is made", new.display())), "{text}");
    assert!(work.exists() && !new.exists());
    assert_eq!(server.files(), before);
    // A mount point without its disk, perhaps.
    std::fs::create_dir(&new).expect("a folder");
    let text = said(&server.run(&["doctor", "--config", &config.to_string_lossy()], ""));
    assert!(text.contains(&new.display().to_string()) && text.contains("mount its disk"), "{text}");
    assert_eq!(std::fs::read_dir(&new).expect("read").count(), 0);
}

/// What a person reads on a terminal, where both streams meet: findings and nothing between them.
#[test]
fn the_doctor_says_its_findings_only_unless_asked_for_its_log() {
    let server = Server::start();
    let quiet = server.run(&["doctor", "--listen", "127.0.0.1:0"], "");
    assert_eq!(complained(&quiet), "");
    let text = said(&quiet);
    for line in text.lines() {
        let finding = line.starts_with('[') || line.starts_with("      ");
        assert!(finding || Some(line) == text.lines().last(), "{line:?} in {text}");
    }
    let asked = server.run(&["doctor", "--listen", "127.0.0.1:0", "--log", "info"], "");
    assert!(complained(&asked).contains("connected to libvirt"), "{}", complained(&asked));
    assert!(!said(&asked).contains("connected to libvirt"));
    let loud = Server::with().env("CARREL_LOG", "info").without_admin().start();
    assert!(complained(&loud.run(&["doctor"], "")).contains("connected to libvirt"));
}

#[test]
fn what_root_makes_in_the_servers_directory_belongs_to_the_server() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: make test uses sudo");
    let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    chown(data.path(), Some(54_321), Some(54_322)).expect("give it away");
    let path = data.path().to_string_lossy().into_owned();
    let server = Server::start();
    let output = server.run(&["admin", "set-password", "boss", "--data-dir", &path], PASSWORD);
    assert!(output.status.success(), "{}", complained(&output));
    let mut seen = 0;
    for entry in std::fs::read_dir(data.path()).expect("read").flatten() {
        let meta = entry.metadata().expect("metadata");
        let (owner, mode) = ((meta.uid(), meta.gid()), meta.mode() & 0o777);
        assert_eq!((owner, mode), ((54_321, 54_322), 0o600), "{:?}", entry.path());
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn the_agent_serves_on_a_socket_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let socket = folder.path().join("agent.sock");
    let mut agent = Command::new(env!("CARGO_BIN_EXE_carrel"))
        .args(["agent", "--config", "/dev/null", "--socket"])
        .arg(&socket)
        .stderr(Stdio::null())
        .spawn()
        .expect("start the agent");
    wait_until("the socket", Duration::from_secs(30), || socket.exists());
    let server = Server::with().env("CARREL_AGENT_SOCKET", socket.display()).start();
    let connected = |line: &str| line.contains("node connected").then_some(());
    assert!(server.log().wait_for(Duration::from_secs(30), connected).is_some());
    kill(Pid::from_raw(agent.id().cast_signed()), Signal::SIGTERM).expect("signal");
    assert!(agent.wait().expect("wait").success());
    assert!(!socket.exists());
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let disk = SmallDisk::new(64);
    let mut server = Server::with().data_in(disk.path()).start();
    server.stop();
    disk.make_read_only();
    for arguments in [&["admin", "set-password", "boss"][..], &["serve"]] {
        let output = server.run(arguments, "a good password");
        assert_eq!(output.status.code(), Some(1));
        let why = complained(&output);
        assert!(why.contains("read-only") && why.contains("sudo -u carrel"), "{why}");
        assert!(!why.contains("Something went wrong"), "{why}");
    }
}

#[test]
fn another_process_that_holds_the_database_is_told_of() {
    let server = Server::start();
    let admin = server.admin().with_header("Accept-Language", "en");
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    database.execute_batch("BEGIN IMMEDIATE").expect("hold it");
    let pools = "/api/v1.0/resource_mgr/resource_pools";
    let answer = admin.post(pools).json(&serde_json::json!({"name": "p", "desc": ""})).send();
    answer.expect_status(409);
    assert!(answer.body.contains("locked by another process"), "{}", answer.body);
    let output = server.run(&["admin", "set-password", "boss"], "a good password");
    assert!(complained(&output).contains("locked by another process"), "{}", complained(&output));
    database.execute_batch("ROLLBACK").expect("let go");
    admin.post(pools).json(&serde_json::json!({"name": "p", "desc": ""})).send().data();
}
