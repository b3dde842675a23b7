//! Guessing passwords: whom it slows, and what its answers and their time tell.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use crate::refused::refused;
use crate::support::{ADMIN, PASSWORD, Server, post_from, rows, wait_for};

const LOGIN: &str = "/api/account/login";
const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);

fn attempt(server: &Server, from: Ipv4Addr, user: &str, password: &str) -> u16 {
    let body = json!({"username": user, "password": password});
    post_from(from, server.base(), LOGIN, &body).0
}

/// The address number `number` of a few thousand, none of them [`HOME`].
fn address(number: u32) -> Ipv4Addr {
    let [.., high, low] = (number + 1).to_be_bytes();
    Ipv4Addr::new(127, 9, high, low)
}

fn add(server: &Server, user: &str) {
    let output = server.run(&["admin", "add", user, "--role", "normal"], "a good password");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_thousand_guesses_from_everywhere_do_not_keep_the_owner_out() {
    let server = Server::start();
    add(&server, "lee");
    assert_eq!(attempt(&server, HOME, ADMIN, PASSWORD), 201, "home is known from now on");
    let mut compared = 0;
    for number in 0..1_000 {
        match attempt(&server, address(number), ADMIN, "not the password") {
            400 => compared += 1,
            429 => {}
            other => panic!("guess {number}: {other}"),
        }
    }
    // 50 without a wait; after these the waits of 1, 2, 4 … seconds let few more through.
    assert!((50..80).contains(&compared), "{compared} of 1,000 were compared");
    assert_eq!(attempt(&server, HOME, ADMIN, PASSWORD), 201, "the owner is let in at home");
    assert_eq!(attempt(&server, HOME, "lee", "a good password"), 201);
    assert_eq!(attempt(&server, address(5_000), "lee", "a good password"), 201, "and others are");
}

#[test]
fn attempts_that_have_to_wait_are_in_the_log_once_for_each_wait() {
    let server = Server::start();
    let refused = (0..30).filter(|_| attempt(&server, HOME, "lee", "a guess") == 429).count();
    let log = server.admin().get("/api/v1.0/index/get_operation_log/").query("user_name", "lee");
    let lines = rows(&log.query("page_size", 100).header("Accept-Language", "en").send());
    let is_wait = |line: &&serde_json::Value| {
        line["result"].as_str().is_some_and(|result| result.contains("Too many"))
    };
    let waits = lines.iter().filter(is_wait).count();
    assert!(refused > 20 && lines.len() < 30, "{refused} of {}", lines.len());
    // Waits of 1, 2, 4 … seconds: each begins with a failure, which has a line too.
    assert!((1..=lines.len() - waits).contains(&waits), "{waits} of {}: {lines:#?}", lines.len());
}

/// What is counted of an account from an address is not counted for a name that is written like it.
#[test]
fn no_name_that_is_typed_locks_somebody_at_home() {
    let server = Server::start();
    assert_eq!(attempt(&server, HOME, ADMIN, PASSWORD), 201, "home is known from now on");
    let name = format!("{ADMIN} {HOME}");
    for number in 0..66 {
        attempt(&server, address(number / 3), &name, "not the password");
    }
    assert_eq!(attempt(&server, HOME, ADMIN, "a slip"), 400);
    assert_eq!(attempt(&server, HOME, ADMIN, PASSWORD), 201);
}

/// Whoever may change some users must not take away what slows guesses at those who may do more.
#[test]
fn only_who_may_change_a_user_lifts_the_lock() {
    let server = Server::start();
    let admin = server.admin();
    let new = json!({
        "name": "desk", "password": "a good password", "roles": ["normal"],
        "granted": ["users.manage", "users.view"],
    });
    admin.post("/api/v1.0/identity/user").json(&new).send().data();
    let desk = server.client().sign_in("desk", "a good password");
    let own = admin.get("/api/v1.0/identity/own").send().data();
    let unlock = format!("/api/v1.0/identity/user/{}/unlock", own["uuid"].as_str().expect("uuid"));
    refused(&desk.post(&unlock).json(&json!({})).send(), 403, "user-has-more-rights");
    admin.post(&unlock).json(&json!({})).send().data();
    // Nor learns from document 004 whether a password is theirs.
    for old in [PASSWORD, "not the password"] {
        let body = json!({"action": "update", "data": {"username": ADMIN, "old_passwd": old}});
        let said = desk.post("/api/user").json(&body).send().not_ok(403);
        assert!(!said.is_empty(), "{said}");
    }
}

/// As a machine whose clock was days ahead, until it was set right.
#[test]
fn a_clock_that_is_set_back_locks_nobody() {
    let server = Server::start();
    let database = Connection::open(server.data_here().join("carrel.db")).expect("the database");
    let ahead =
        "UPDATE login_failures SET last_at = last_at + ?1, locked_until = locked_until + ?1";
    for ahead_by in [3 * 24 * 60 * 60, 10 * 365 * 24 * 60 * 60] {
        wait_for("the lock", Duration::from_secs(30), || {
            (attempt(&server, HOME, ADMIN, "not the password") == 429).then_some(())
        });
        database.execute(ahead, [ahead_by]).expect("set the clock back");
        assert_eq!(attempt(&server, HOME, ADMIN, PASSWORD), 201, "{ahead_by} s ahead");
    }
    // Guesses are counted on, from where they were.
    wait_for("the lock", Duration::from_secs(30), || {
        (attempt(&server, HOME, "ghost", "a guess") == 429).then_some(())
    });
    database.execute(ahead, [1_000_000]).expect("set the clock back");
    assert_eq!(attempt(&server, HOME, "ghost", "a guess"), 400);
    assert_eq!(attempt(&server, HOME, "ghost", "a guess"), 429);
}

/// Makes these subjects wait as if somebody had guessed for hours.
fn lock(server: &Server, subjects: &[&str]) {
    let database = Connection::open(server.data_here().join("carrel.db")).expect("open");
    for subject in subjects {
        let sql = "INSERT OR REPLACE INTO login_failures (subject, failures, last_at, locked_until) \
             VALUES (?1, 99, unixepoch(), unixepoch() + 600)";
        database.execute(sql, [subject]).expect("lock");
    }
}

/// Status of a sign-in of the administrator from [`HOME`] with this header.
fn sign_in(server: &Server, (name, value): (&str, &str), user: &str, password: &str) -> u16 {
    let body = json!({"username": user, "password": password});
    server.client().post(LOGIN).header(name, value).json(&body).send().status
}

/// Whoever signed in somewhere is known there, whatever others do at the same address: at the browser, and in a session.
#[test]
fn a_known_device_and_a_session_are_let_through() {
    let server = Server::start();
    add(&server, "lee");
    let body = json!({"username": ADMIN, "password": PASSWORD});
    let first = server.client().post(LOGIN).json(&body).send();
    first.expect_status(201);
    let cookies = first.cookies();
    let devices =
        cookies.split("; ").find(|one| one.starts_with("carrel_devices=")).expect("a cookie");
    let device = ("Cookie", devices);
    let admin = server.admin();
    let token = admin.clone();
    lock(
        &server,
        &["user:admin", "user:admin 127.0.0.1", "user:lee 127.0.0.1", "address:127.0.0.1"],
    );
    let nothing = ("Accept", "*/*");

    assert_eq!(sign_in(&server, nothing, ADMIN, PASSWORD), 429);
    assert_eq!(sign_in(&server, device, ADMIN, PASSWORD), 201);
    assert_eq!(sign_in(&server, device, "lee", "a good password"), 429, "it is no other's");
    for forged in ["carrel_devices=", "carrel_devices=00.ff", &format!("{devices}0")] {
        assert_eq!(sign_in(&server, ("Cookie", forged), ADMIN, PASSWORD), 429, "{forged}");
    }
    // In a session one's own password can be changed, and is not guessed without end.
    let change = |old: &str| {
        let body = json!({"old_password": old, "password": PASSWORD});
        token.put("/api/v1.0/session/password").json(&body).send().status
    };
    assert_eq!(change(PASSWORD), 200);
    assert!((0..8).map(|_| change("a guess")).any(|status| status == 429));
    // Nor at the device; who is locked there is not elsewhere.
    let guess = || sign_in(&server, device, ADMIN, "a guess");
    assert!((0..8).any(|_| guess() == 429));
    assert_eq!(attempt(&server, address(1), "lee", "a good password"), 201);
    // Who lifts the lock lifts it everywhere.
    let own = admin.get("/api/v1.0/identity/own").send().data();
    let unlock = format!("/api/v1.0/identity/user/{}/unlock", own["uuid"].as_str().expect("uuid"));
    admin.post(&unlock).json(&json!({})).send().data();
    assert_eq!(sign_in(&server, device, ADMIN, PASSWORD), 201);
}

/// Behind one address there may be a whole school.
#[test]
fn slips_of_many_people_at_one_address_lock_nobody() {
    let server = Server::start();
    let database = Connection::open(server.data_here().join("carrel.db")).expect("open");
    let guessed_at = |count: u32| {
        let sql = "INSERT OR REPLACE INTO login_failures (subject, failures, last_at, locked_until) \
             VALUES ('address:127.9.0.2', ?1, unixepoch(), 0)";
        database.execute(sql, [count]).expect("guesses of before");
    };
    // One fewer than may be guessed at there without a wait.
    guessed_at(19);
    for name in ["ann", "lee", "kim"] {
        add(&server, name);
        assert_eq!(attempt(&server, address(1), name, "a slip"), 400);
        assert_eq!(attempt(&server, address(1), name, "a slip"), 400);
        assert_eq!(attempt(&server, address(1), name, "a good password"), 201);
    }
    // Where many are guessed at everybody has to wait who is new there.
    guessed_at(40);
    assert_eq!(attempt(&server, address(1), "somebody", "a guess"), 400);
    assert_eq!(attempt(&server, address(1), "somebody else", "a guess"), 429);
    assert_eq!(attempt(&server, address(1), "ann", "a good password"), 429);
    assert_eq!(attempt(&server, address(2), "ann", "a good password"), 201);
}

#[test]
fn nobody_is_locked_for_others() {
    let server = Server::start();
    add(&server, "lee");
    let (one, other) = (address(1), address(2));
    let locked = (0..20).any(|_| attempt(&server, one, ADMIN, "not the password") == 429);
    assert!(locked, "an address that guesses has to wait");
    // Neither the same person elsewhere nor another person here has to.
    assert_eq!(attempt(&server, other, ADMIN, PASSWORD), 201);
    assert_eq!(attempt(&server, one, "lee", "a good password"), 201);
}

/// Names are not told by the time that an answer takes. Medians of interleaved samples, whose bound is
/// far beyond what they differ by, and far below the time of comparing a password, which is what a
/// shortcut for unknown names would save.
#[test]
fn the_time_of_an_answer_does_not_tell_which_names_exist() {
    const USERS: u32 = 5;
    const ROUNDS: u32 = 12;
    let server = Server::start();
    for user in 0..USERS {
        add(&server, &format!("person{user}"));
    }
    let mut times: [Vec<Duration>; 2] = Default::default();
    let mut number = 0;
    for _ in 0..ROUNDS {
        for user in 0..USERS {
            // An address of its own for each: waiting is another matter.
            for (kind, name) in ["person", "nobody"].into_iter().enumerate() {
                number += 1;
                let started = Instant::now();
                let name = format!("{name}{user}");
                let status = attempt(&server, address(number), &name, "not the password");
                times[kind].push(started.elapsed());
                assert_eq!(status, 400, "{name}");
            }
        }
    }
    let [known, unknown] = times.map(|mut samples| {
        samples.sort_unstable();
        samples[samples.len() / 2].as_secs_f64()
    });
    let ratio = known / unknown;
    println!("known {:.1} ms, unknown {:.1} ms, ratio {ratio:.3}", known * 1e3, unknown * 1e3);
    assert!((0.75..1.33).contains(&ratio), "known {known} s, unknown {unknown} s");
}
