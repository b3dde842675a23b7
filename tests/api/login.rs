//! Signing in and out, the life of sessions, and what stands in the way of guessing.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, Client, PASSWORD, Server, wait_for};

fn login(client: &Client, user: &str, password: &str) -> Answer {
    client
        .post("/api/account/login")
        .header("Accept-Language", "en")
        .json(&json!({"username": user, "password": password}))
        .send()
}

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap_or_default().to_owned()
}

fn database(server: &Server) -> Connection {
    Connection::open(server.data_here().join("carrel.db")).expect("open the database")
}

/// Wrong passwords until the account has to wait.
fn lock(client: &Client, user: &str) -> Answer {
    wait_for("the lock", Duration::from_secs(20), || {
        let answer = login(client, user, "not the password");
        (answer.status == 429).then_some(answer)
    })
}

#[test]
fn a_cookie_signs_in_on_every_dialect_and_signing_out_ends_it() {
    let server = Server::start();
    let answer = login(&server.client(), ADMIN, PASSWORD);
    assert_eq!(answer.documented("virtool.session.login"), json!({"reset": false}));
    let cookie = answer.header("Set-Cookie").expect("a cookie").to_owned();
    for attribute in ["carrel_session=", "; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Max-Age"), "plain, short: {cookie}");

    let client = server.client().with_header("Cookie", &answer.cookies());
    let account = client.get("/api/account").send().documented("virtool.account.get");
    assert_eq!(account["handle"], ADMIN);
    assert_eq!(account["administrator_role"], "full");
    let me = client.get("/account/").send().documented("analysis.account.me");
    assert_eq!((&me["username"], &me["role_list"]), (&json!(ADMIN), &json!(["admin"])));
    assert_eq!(client.get("/api/v1.0/session").send().data()["user"]["name"], ADMIN);

    let bye = client.get("/api/account/logout").send();
    bye.documented("virtool.session.logout");
    let nobody = bye.cookies();
    assert!(nobody.starts_with("carrel_session=") && nobody.len() > 64, "{nobody}");
    assert_ne!(nobody, answer.cookies());
    client.get("/api/account").send().expect_status(401);
    let client = client.with_header("Cookie", &nobody);
    client.get("/api/account").send().expect_status(401);
    assert_eq!(client.get("/api/v1.0/session").send().data()["user"], Value::Null);
    let gone = client.post("/api/account/logout").send();
    gone.expect_status(204);
    assert!(gone.header("Set-Cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")));
    let log = server.admin().get("/api/v1.0/index/get_operation_log/").query("module", "identity");
    let rows = log.header("Accept-Language", "en").send().data()["results"].take();
    let is_bye = |row: &&Value| row["content"] == "Sign out";
    let byes = rows.as_array().expect("rows").iter().filter(is_bye).count();
    assert_eq!(byes, 1, "signing out without a session is no event: {rows:#}");
}

#[test]
fn a_token_works_with_and_without_bearer() {
    let server = Server::start();
    for path in ["/account/", "/account"] {
        let answer = server
            .client()
            .post(path)
            .query("action", "login")
            .form(&[("email", ADMIN), ("password", PASSWORD)])
            .send();
        let data = answer.documented("analysis.account.login");
        assert_eq!(data["token_type"], "bearer");
        let token = data["access_token"].as_str().expect("a token");
        assert_eq!(token.len(), 64);
        for header in [token.to_owned(), format!("Bearer {token}"), format!("bearer {token}")] {
            let client = server.client().with_header("Authorization", &header);
            assert_eq!(
                client.get("/api/account").send().expect_status(200).json()["handle"],
                ADMIN
            );
            assert_eq!(client.get("/account").send().data()["username"], ADMIN);
            assert_eq!(client.get("/api/v1.0/session").send().data()["user"]["name"], ADMIN);
        }
    }
}

#[test]
fn an_email_address_is_a_login_too() {
    let server = Server::start();
    let set = "UPDATE users SET email = 'head@school.example' WHERE name = ?1";
    database(&server).execute(set, [ADMIN]).expect("set an address");
    login(&server.client(), "Head@school.example", PASSWORD).expect_status(201);
    server.client().sign_in("head@school.example", PASSWORD);
}

#[test]
fn wrong_attempts_look_alike_and_are_in_the_log() {
    let server = Server::start();
    let client = server.client();
    let wrong = login(&client, ADMIN, "not the password");
    let unknown = login(&client, "nobody", "not the password");
    for answer in [&wrong, &unknown] {
        answer.expect_status(400);
        assert_eq!(
            answer.json(),
            json!({
                "id": "bad_request",
                "message": "Invalid username or password",
                "error": "sign-in-failed",
            })
        );
        assert!(answer.header("Set-Cookie").is_none());
    }
    let form = [("email", ADMIN), ("password", "not the password")];
    let refused = client.post("/account/").query("action", "login").form(&form).send();
    refused.expect_status(200).expect(json!({"code": 1, "msg": "<text>", "data": ""}));

    let log = server.admin().get("/api/v1.0/index/get_operation_log/");
    let rows = log.query("module", "identity").header("Accept-Language", "en").send().data();
    let row = |name: &str, succeeded: bool| {
        let rows = rows["results"].as_array().expect("rows");
        let found =
            rows.iter().find(|row| row["user_name"] == name && row["succeeded"] == succeeded);
        found.unwrap_or_else(|| panic!("no row of {name}: {rows:#?}")).clone()
    };
    assert_eq!(row("nobody", false)["result"], "Invalid username or password");
    assert_eq!(row(ADMIN, false)["content"], "Sign in");
    assert_eq!(row(ADMIN, true)["user_ip"], "127.0.0.1");
}

#[test]
fn bad_input_is_refused_and_named() {
    let server = Server::start();
    let post = |body: Value| server.client().post("/api/account/login").json(&body).send();
    for body in [
        json!({}),
        json!({"username": ADMIN}),
        json!({"username": ADMIN, "password": 7}),
        json!({"username": ADMIN, "password": PASSWORD, "remember": null}),
        json!({"username": ADMIN, "password": PASSWORD, "remember": "always"}),
        json!({"username": "", "password": ""}),
        json!({"username": "x".repeat(100_000), "password": "y".repeat(100_000)}),
        json!({"username": "<b>../\u{0}", "password": PASSWORD}),
    ] {
        let answer = post(body);
        answer.expect_status(400);
        assert!(answer.header("Set-Cookie").is_none(), "{}", answer.body);
    }
    let answer = post(json!({"username": ADMIN}));
    answer.expect(json!([{
        "in": "body", "loc": ["password"], "msg": "field required", "type": "value_error.missing",
    }]));
    let broken = server.client().post("/api/account/login").bytes("application/json", b"{".into());
    broken.send().expect_status(400);
    login(&server.client(), ADMIN, PASSWORD).expect_status(201);
}

#[test]
fn failures_lock_the_account_until_time_or_the_command_line_unlocks_it() {
    let mut server = Server::start();
    let locked = lock(&server.client(), ADMIN);
    assert_eq!(locked.json()["id"], "too_many_requests");
    assert!(locked.header("Retry-After").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    // Long enough to see it survive a restart, and the right password refused too.
    let until = "UPDATE login_failures SET locked_until = last_at + 600 WHERE subject = ?1";
    // What is counted strictly is the account from one address.
    let key = format!("user:{ADMIN} 127.0.0.1");
    assert_eq!(database(&server).execute(until, [&key]).expect("prolong"), 1);
    server.kill_and_start();
    let refused = login(&server.client(), ADMIN, PASSWORD);
    refused.expect_status(429);
    assert!(message(&refused).contains("seconds"), "{}", refused.body);

    // Time ends it.
    let end = "UPDATE login_failures SET locked_until = locked_until - 900 WHERE subject = ?1";
    database(&server).execute(end, [&key]).expect("let time pass");
    login(&server.client(), ADMIN, PASSWORD).expect_status(201);

    // So does the command line, while the server runs.
    lock(&server.client(), ADMIN);
    database(&server).execute(until, [&key]).expect("prolong");
    login(&server.client(), ADMIN, PASSWORD).expect_status(429);
    assert!(server.run(&["admin", "unlock", ADMIN], "").status.success());
    login(&server.client(), ADMIN, PASSWORD).expect_status(201);
}

#[test]
fn an_unknown_name_is_locked_as_a_known_one() {
    let server = Server::start();
    let locked = lock(&server.client(), "nobody");
    assert!(message(&locked).contains("Too many failed attempts"), "{}", locked.body);
    login(&server.client(), ADMIN, PASSWORD).expect_status(201);
}

#[test]
fn an_address_that_fails_with_many_names_has_to_wait() {
    let server = Server::start();
    let client = server.client();
    let mut refused = None;
    for number in 0..60 {
        let answer = login(&client, &format!("guess{number}"), "not the password");
        if answer.status == 429 {
            refused = Some(number);
            break;
        }
        answer.expect_status(400);
    }
    // The first waits are short: on a busy machine one may be over before the next attempt.
    assert!(refused.is_some_and(|count| count > 20), "after 21 failures: {refused:?}");
}

#[test]
fn guesses_sent_at_the_same_time_are_counted_too() {
    let server = Server::start();
    let client = server.client();
    let attempts: Vec<_> = (0..16)
        .map(|number| {
            let client = client.clone();
            std::thread::spawn(move || {
                login(&client, ADMIN, &format!("guess number {number}")).status
            })
        })
        .collect();
    let statuses: Vec<u16> = attempts.into_iter().map(|a| a.join().expect("no panic")).collect();
    let compared = statuses.iter().filter(|status| **status == 400).count();
    assert!(compared <= 6, "compared {compared} of 16: {statuses:?}");
}

#[test]
fn a_disabled_user_is_out_at_once_and_says_why_only_to_the_owner() {
    let server = Server::start();
    add(&server, "teacher1", "a good password", "teacher");
    let client = server.client().sign_in("teacher1", "a good password");
    assert_eq!(client.get("/api/account").send().expect_status(200).json()["handle"], "teacher1");
    assert!(server.run(&["admin", "disable", "teacher1"], "").status.success());
    client.get("/api/account").send().expect_status(401);
    let owner = login(&server.client(), "teacher1", "a good password");
    owner.expect_status(400);
    assert!(message(&owner).contains("disabled"), "{}", owner.body);
    assert_eq!(
        message(&login(&server.client(), "teacher1", "guess")),
        "Invalid username or password"
    );
    assert!(server.run(&["admin", "enable", "teacher1"], "").status.success());
    client.get("/api/account").send().expect_status(401);
    login(&server.client(), "teacher1", "a good password").expect_status(201);
}

#[test]
fn sessions_expire_and_use_prolongs_the_short_ones() {
    let server = Server::start();
    let client = server.admin();
    let lasts = |remember: bool| -> (i64, i64) {
        let body = json!({"username": ADMIN, "password": PASSWORD, "remember": remember});
        let answer = server.client().post("/api/account/login").json(&body).send();
        answer.expect_status(201);
        let month = answer.header("Set-Cookie").is_some_and(|c| c.contains("Max-Age=2592000"));
        assert_eq!(month, remember);
        let row = "SELECT expires_at - created_at, slide FROM sessions ORDER BY id DESC LIMIT 1";
        database(&server).query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("row")
    };
    assert_eq!(lasts(false), (3_600, 3_600));
    assert_eq!(lasts(true), (30 * 86_400, 0));

    let back = "UPDATE sessions SET created_at = created_at - ?1, last_seen_at = last_seen_at - ?1, \
                expires_at = expires_at - ?1";
    let pass = |seconds: i64| database(&server).execute(back, [seconds]).expect("let time pass");
    for _ in 0..3 {
        pass(3_000);
        client.get("/api/account").send().expect_status(200);
    }
    pass(3_601);
    client.get("/api/account").send().expect_status(401);

    // A day is the longest, however busy; the next sign-in clears what is over away.
    let busy = server.admin();
    for _ in 0..29 {
        pass(3_000);
        busy.get("/api/account").send();
    }
    busy.get("/api/account").send().expect_status(401);
    let count = |sql: &str| -> i64 {
        database(&server).query_row(sql, [], |row| row.get(0)).expect("count")
    };
    server.admin();
    assert_eq!(count("SELECT count(*) FROM sessions WHERE expires_at < unixepoch()"), 0);
}

#[test]
fn a_new_password_ends_the_other_sessions() {
    let server = Server::start();
    let (client, other) = (server.admin(), server.admin());
    let change = |old: &str, new: &str| {
        let body = json!({"old_password": old, "password": new});
        client.put("/api/v1.0/session/password").header("Accept-Language", "en").json(&body).send()
    };
    assert!(change("not the password", "the next password").refusal().contains("old password"));
    assert!(change(PASSWORD, "short").refusal().contains("8 characters"));
    assert!(change(PASSWORD, &"x".repeat(1_025)).refusal().contains("1024 bytes"));
    other.get("/api/account").send().expect_status(200);
    change(PASSWORD, "the next password").data();
    client.get("/api/account").send().expect_status(200);
    other.get("/api/account").send().expect_status(401);
    login(&server.client(), ADMIN, PASSWORD).expect_status(400);
    login(&server.client(), ADMIN, "the next password").expect_status(201);
}

#[test]
fn signing_in_from_a_page_of_another_site_is_refused() {
    let server = Server::start();
    let attempt = |name: &str, value: &str| {
        let form = [("username", ADMIN), ("password", PASSWORD)];
        server.client().post("/api/account/login").header(name, value).form(&form).send()
    };
    attempt("Sec-Fetch-Site", "cross-site").expect_status(403);
    attempt("Origin", "https://evil.example").expect_status(403);
    attempt("Origin", "null").expect_status(403);
    attempt("Sec-Fetch-Site", "same-origin").expect_status(201);
    attempt("Origin", server.base()).expect_status(201);
}

#[test]
fn no_secret_is_in_the_log_or_in_the_database() {
    let server = Server::with().env("CARREL_LOG", "trace").start();
    let answer = login(&server.client(), ADMIN, PASSWORD);
    let client = server.client().with_header("Cookie", &answer.cookies());
    client.get("/api/account").send().expect_status(200);
    let form = [("email", ADMIN), ("password", PASSWORD)];
    let token = server.client().post("/account/").query("action", "login").form(&form).send();
    let token = token.data()["access_token"].as_str().expect("a token").to_owned();
    server.client().with_header("Authorization", &token).get("/api/account").send();
    let cookie = answer.cookies().split('=').nth(1).expect("a value").to_owned();
    login(&server.client(), ADMIN, "a wrong password");

    assert!(server.log().len() > 2, "trace logs something");
    let database = server.data_here();
    let files: Vec<_> = std::fs::read_dir(&database)
        .expect("the data directory")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("carrel.db"))
        .map(|entry| std::fs::read(entry.path()).expect("read"))
        .collect();
    assert!(files.iter().map(Vec::len).sum::<usize>() > 10_000, "the database was read");
    for secret in [PASSWORD, &cookie, &token, "a wrong password"] {
        assert!(!server.log().contains(secret), "in the log: {secret}");
        let bytes = secret.as_bytes();
        let leaks = files.iter().any(|file| file.windows(bytes.len()).any(|part| part == bytes));
        assert!(!leaks, "in the database: {secret}");
    }
}

#[track_caller]
fn add(server: &Server, user: &str, password: &str, role: &str) {
    let output = server.run(&["admin", "add", user, "--role", role], password);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
