//! The second factor: set up, asked for at sign-in in every dialect, lost, taken off.

use std::fs;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::support::{ADMIN, Answer, Client, PASSWORD, Server, rows, wait_for};

const OWN: &str = "/api/v1.0/identity/own/second_factor";

/// A phone with an authenticator app.
struct App(Totp);

impl App {
    fn of(secret: &str) -> Self {
        let secret = Secret::try_from_base32(secret).expect("base 32");
        Self(Builder::new().with_secret(secret.as_bytes()).build().expect("a factor"))
    }

    /// What it shows so many steps from now.
    fn code(&self, steps: i64) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
        self.0.generate(now.as_secs().saturating_add_signed(steps * 30)).to_string()
    }
}

fn act(client: &Client, action: &str, param: Value) -> Answer {
    let body = json!({"action": action, "param": param});
    client.post(OWN).header("Accept-Language", "en").json(&body).send()
}

fn login(server: &Server, user: &str, code: Option<&str>) -> Answer {
    let body = json!({"username": user, "password": PASSWORD, "code": code});
    let request = server.client().post("/api/account/login").header("Accept-Language", "en");
    request.json(&body).send()
}

fn error(answer: &Answer) -> String {
    let body = answer.json();
    let key = body.get("error").or_else(|| body["data"].get("error"));
    key.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn database(server: &Server) -> Connection {
    Connection::open(server.data_here().join("carrel.db")).expect("open the database")
}

/// As if the codes used so far were long past.
fn let_time_pass(server: &Server) {
    let sql = "UPDATE second_factors SET last_step = 0";
    database(server).execute(sql, []).expect("let time pass");
    database(server).execute("DELETE FROM login_failures", []).expect("forget failures");
}

/// Switches the second factor of a signed-in client on.
#[track_caller]
fn set_up(client: &Client) -> (App, Vec<String>) {
    let begun = act(client, "start", json!({})).data();
    let app = App::of(begun["secret"].as_str().expect("a secret"));
    let codes = act(client, "confirm", json!({"code": app.code(0)})).data();
    (app, serde_json::from_value(codes["recovery_codes"].clone()).expect("codes"))
}

#[test]
fn administrators_set_up_a_second_factor_before_anything_else_where_that_is_demanded() {
    let server = Server::start();
    let client = server.admin();
    let policy = "/api/v1.0/identity/policy";
    let demand =
        |by: &Client, on: bool| by.put(policy).json(&json!({"admin_second_factor": on})).send();
    let session = |of: &Client| of.get("/api/v1.0/session").send().data();
    assert_eq!(client.get(policy).send().data()["admin_second_factor"], false, "until wanted");
    for (name, roles) in [("tess", json!(["teacher"])), ("kim", json!(["admin"]))] {
        let body = json!({"name": name, "password": PASSWORD, "roles": roles});
        client.post("/api/v1.0/identity/user").json(&body).send().data();
    }
    let key = json!({"name": "one", "permissions": ["nodes.view"]});
    let key = client.post("/api/v1.0/identity/own/key").json(&key).send().data()["key"].clone();
    let by_key = server.client().with_header("Authorization", key.as_str().expect("a key"));
    let nodes = "/api/v1.0/resource_mgr/controller_nodes";
    demand(&client, true).expect_status(200);

    // Those who are signed in already, and those who sign in now, in each dialect.
    let kim = server.client().sign_in("kim", PASSWORD);
    for admin in [&client, &kim] {
        let now = session(admin);
        assert_eq!(now["second_factor_required"], true, "{now}");
        assert_eq!(now["permissions"], json!([]));
        for path in [nodes, policy, "/api/v1.0/identity/own/key", "/api/account/keys"] {
            let refused = admin.get(path).send();
            refused.expect_status(403);
            assert_eq!(error(&refused), "second-factor-required", "{path}");
        }
        demand(admin, false).expect_status(403);
    }
    let tess = server.client().sign_in("tess", PASSWORD);
    assert_eq!(session(&tess)["second_factor_required"], false);
    tess.get("/api/v1.0/education/template/").send().data();
    by_key.get(nodes).send().data();

    let (app, _) = set_up(&client);
    assert_eq!(session(&client)["second_factor_required"], false);
    client.get(nodes).send().data();
    // Nobody takes it off again before it is no longer demanded.
    let_time_pass(&server);
    let end = || act(&client, "off", json!({"password": PASSWORD, "code": app.code(1)}));
    assert_eq!(error(&end()), "second-factor-demanded");
    assert_eq!(session(&kim)["second_factor_required"], true);
    demand(&client, false).expect_status(200);
    kim.get(nodes).send().data();
    end().data();
}

#[test]
fn a_second_factor_is_set_up_asked_for_and_switched_off() {
    let server = Server::start();
    let client = server.admin();
    let off = json!({"enabled": false, "pending": false, "recovery_left": 0});
    assert_eq!(client.get(OWN).send().data(), off);

    let begun = act(&client, "start", json!({})).data();
    let uri = begun["uri"].as_str().expect("a URI");
    let secret = begun["secret"].as_str().expect("a secret");
    assert!(uri.starts_with("otpauth://totp/Carrel:admin?"), "{uri}");
    assert!(uri.contains(&format!("secret={secret}")) && uri.contains("issuer=Carrel"), "{uri}");
    assert_eq!(client.get(OWN).send().data()["pending"], true);
    // Not confirmed: nothing has changed.
    login(&server, ADMIN, None).expect_status(201);
    assert_eq!(error(&act(&client, "confirm", json!({"code": "000000"}))), "second-factor-wrong");
    login(&server, ADMIN, None).expect_status(201);

    let app = App::of(secret);
    let confirmed = act(&client, "confirm", json!({"code": app.code(-1)})).data();
    assert_eq!(confirmed["recovery_codes"].as_array().expect("codes").len(), 10);
    let on = json!({"enabled": true, "pending": false, "recovery_left": 10});
    assert_eq!(client.get(OWN).send().data(), on);
    assert_eq!(error(&act(&client, "start", json!({}))), "second-factor-on");
    assert_eq!(client.get("/api/v1.0/identity/own").send().data()["second_factor"], true);

    let asked = login(&server, ADMIN, None);
    asked.expect_status(400);
    assert_eq!(error(&asked), "second-factor-needed");
    assert!(asked.header("Set-Cookie").is_none());
    assert_eq!(error(&login(&server, ADMIN, Some(" "))), "second-factor-needed");
    assert_eq!(error(&login(&server, ADMIN, Some("12345"))), "second-factor-wrong");
    let code = app.code(0);
    let grouped = format!("{} {}", &code[..3], &code[3..]);
    login(&server, ADMIN, Some(&grouped)).expect_status(201);
    // Who does not know the password learns nothing about a second factor.
    let body = json!({"username": ADMIN, "password": "not the password", "code": app.code(1)});
    let wrong = server.client().post("/api/account/login").json(&body).send();
    assert_eq!(error(&wrong), "sign-in-failed");

    let_time_pass(&server);
    let end = |password: &str, code: &str| {
        act(&client, "off", json!({"password": password, "code": code}))
    };
    assert_eq!(error(&end("not the password", &app.code(0))), "password-wrong");
    assert_eq!(error(&end(PASSWORD, "123")), "second-factor-wrong");
    end(PASSWORD, &app.code(0)).data();
    assert_eq!(client.get(OWN).send().data(), off);
    assert_eq!(error(&end(PASSWORD, &app.code(1))), "second-factor-off");
    login(&server, ADMIN, None).expect_status(201);

    let log = server.admin().get("/api/v1.0/index/get_operation_log/").query("page_size", 100);
    let rows = rows(&log.query("module", "identity").header("Accept-Language", "en").send());
    for content in [
        "Begin to set up the second factor of \"admin\"",
        "Turn on the second factor of \"admin\"",
        "Turn off the second factor of \"admin\"",
    ] {
        let of = |row: &&Value| row["content"] == content && row["succeeded"] == true;
        assert!(rows.iter().any(|row| of(&row)), "{content}: {rows:#?}");
    }
}

#[test]
fn a_code_is_good_once_and_for_a_moment() {
    let server = Server::start();
    let (app, _) = set_up(&server.admin());
    let_time_pass(&server);
    let code = app.code(0);
    login(&server, ADMIN, Some(&code)).expect_status(201);
    assert_eq!(error(&login(&server, ADMIN, Some(&code))), "second-factor-wrong");
    // Nor is an older one good after it.
    assert_eq!(error(&login(&server, ADMIN, Some(&app.code(-1)))), "second-factor-wrong");
    let_time_pass(&server);
    for steps in [-3, 3] {
        let refused = login(&server, ADMIN, Some(&app.code(steps)));
        assert_eq!(error(&refused), "second-factor-wrong", "{steps}");
        let_time_pass(&server);
    }
    // The same code sent many times at once lets one in.
    let code = app.code(0);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let attempt = || login(&server, ADMIN, Some(&code)).status;
        let attempts: Vec<_> = (0..6).map(|_| scope.spawn(attempt)).collect();
        attempts.into_iter().map(|attempt| attempt.join().expect("no panic")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
}

#[test]
fn every_dialect_takes_the_code_and_a_key_needs_none() {
    let server = Server::start();
    let client = server.admin();
    let new = json!({"name": "script", "permissions": ["users.view"]});
    let key = client.post("/api/v1.0/identity/own/key");
    let (app, _) = set_up(&client);
    let key = client_with_key(&server, &key.json(&new).send().data());
    let_time_pass(&server);
    let analysis = |code: &str| {
        let form = [("email", ADMIN), ("password", PASSWORD), ("code", code)];
        server.client().post("/account/").query("action", "login").form(&form).send()
    };
    analysis("").expect_status(200).expect(json!({"code": 1, "msg": "<text>", "data": ""}));
    let token = analysis(&app.code(0)).data()["access_token"].as_str().expect("token").to_owned();
    let signed_in = server.client().with_header("Authorization", &token);
    assert_eq!(signed_in.get("/api/account").send().expect_status(200).json()["handle"], ADMIN);

    key.get("/api/v1.0/identity/user").send().data();
    // A key does nothing about the second factor of its owner.
    for action in ["start", "confirm", "recovery", "off"] {
        act(&key, action, json!({})).expect_status(403);
    }
}

fn client_with_key(server: &Server, made: &Value) -> Client {
    server.client().with_header("Authorization", made["key"].as_str().expect("a key"))
}

#[test]
fn recovery_codes_are_good_once_and_are_replaced_by_new_ones() {
    let server = Server::start();
    let client = server.admin();
    let (app, codes) = set_up(&client);
    let spoken = codes[0].to_uppercase().replace('-', " ");
    login(&server, ADMIN, Some(&spoken)).expect_status(201);
    assert_eq!(error(&login(&server, ADMIN, Some(&codes[0]))), "second-factor-wrong");
    assert_eq!(client.get(OWN).send().data()["recovery_left"], 9);

    let_time_pass(&server);
    assert_eq!(error(&act(&client, "recovery", json!({"code": "1"}))), "second-factor-wrong");
    let renewed = act(&client, "recovery", json!({"code": app.code(0)})).data();
    let new: Vec<String> = serde_json::from_value(renewed["recovery_codes"].clone()).expect("new");
    assert_eq!(error(&login(&server, ADMIN, Some(&codes[1]))), "second-factor-wrong");
    login(&server, ADMIN, Some(&new[1])).expect_status(201);
}

#[test]
fn wrong_codes_are_counted_as_wrong_passwords_are() {
    let server = Server::start();
    let (_, codes) = set_up(&server.admin());
    let locked = wait_for("the lock", Duration::from_secs(30), || {
        let answer = login(&server, ADMIN, Some("000000"));
        (answer.status == 429).then_some(answer)
    });
    assert!(locked.header("Retry-After").is_some());
    let until = "UPDATE login_failures SET locked_until = last_at + 600";
    database(&server).execute(until, []).expect("prolong");
    login(&server, ADMIN, Some(&codes[0])).expect_status(429);
    assert!(server.run(&["admin", "unlock", ADMIN], "").status.success());
    login(&server, ADMIN, Some(&codes[0])).expect_status(201);
}

#[test]
fn who_lost_it_is_helped_by_another_administrator_or_the_command_line() {
    let server = Server::start();
    let admin = server.admin();
    for (name, roles) in [("ana", json!(["teacher"])), ("boss", json!(["admin"]))] {
        let new = json!({"name": name, "password": PASSWORD, "roles": roles});
        admin.post("/api/v1.0/identity/user").json(&new).send().data();
    }
    let ana = server.client().sign_in("ana", PASSWORD);
    set_up(&ana);
    let path = |name: &str| {
        let found = rows(&admin.get("/api/v1.0/identity/user").query("name", name).send());
        format!("/api/v1.0/identity/user/{}/second_factor", found[0]["uuid"].as_str().expect("id"))
    };
    ana.delete(&path("ana")).send().expect_status(403);
    let own = admin.delete(&path(ADMIN)).send();
    assert_eq!(error(&own), "second-factor-off");
    admin.delete(&path("ana")).send().data();
    login(&server, "ana", None).expect_status(201);

    let (_, codes) = set_up(&admin);
    // Neither by a session that was left open, nor by who may less.
    assert_eq!(error(&admin.delete(&path(ADMIN)).send()), "own-account");
    assert!(server.run(&["admin", "remove-second-factor", ADMIN], "").status.success());
    login(&server, ADMIN, None).expect_status(201);
    // No recovery code is left to a second factor to come.
    let left = "SELECT count(*) FROM recovery_codes";
    let left: i64 = database(&server).query_row(left, [], |row| row.get(0)).expect("count");
    assert_eq!(left, 0);
    assert!(!codes.is_empty());
    let again = server.run(&["admin", "remove-second-factor", ADMIN], "");
    assert!(String::from_utf8_lossy(&again.stderr).contains("no second factor"));
}

#[test]
fn a_copy_of_the_database_holds_no_second_factor() {
    let mut server = Server::start();
    let client = server.admin();
    let begun = act(&client, "start", json!({})).data();
    let secret = begun["secret"].as_str().expect("a secret").to_owned();
    let app = App::of(&secret);
    let codes = act(&client, "confirm", json!({"code": app.code(0)})).data();
    let codes: Vec<String> =
        serde_json::from_value(codes["recovery_codes"].clone()).expect("codes");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let backup = folder.path().join("carrel.backup");
    assert!(server.run(&["backup", &backup.to_string_lossy()], "").status.success());
    let bytes = fs::read(&backup).expect("the backup");
    let raw = Secret::try_from_base32(&secret).expect("base 32");
    let key = fs::read_to_string(server.data_here().join("secret.key")).expect("the key");
    let key = hex::decode(key.trim()).expect("hex");
    for word in [secret.as_bytes(), raw.as_bytes(), codes[0].as_bytes(), &key] {
        assert!(!bytes.windows(word.len()).any(|part| part == word));
    }

    // On its own machine the backup works as before, the key being there.
    server.kill();
    let restored = server.run(&["restore", &backup.to_string_lossy()], "");
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    server.start_again();
    let_time_pass(&server);
    login(&server, ADMIN, Some(&app.code(0))).expect_status(201);

    // Without the key no code of the app is good, and it says why. Recovery codes are.
    server.kill();
    fs::remove_file(server.data_here().join("secret.key")).expect("lose the key");
    server.start_again();
    let_time_pass(&server);
    let lost = login(&server, ADMIN, Some(&app.code(0)));
    assert_eq!(error(&lost), "second-factor-unreadable", "{}", lost.body);
    login(&server, ADMIN, Some(&codes[0])).expect_status(201);
}

#[test]
fn codes_may_be_typed_with_any_keyboard() {
    let server = Server::start();
    let (app, recovery) = set_up(&server.admin());
    let full_width = |text: &str| -> String {
        let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).expect("a wide letter");
        text.chars().map(wide).collect()
    };
    let arabic = |text: &str| -> String {
        let digit = |c: char| char::from_u32(0x660 + u32::from(c) - 0x30).expect("a digit");
        text.chars().map(digit).collect()
    };
    let writings: [&dyn Fn(&str) -> String; 5] = [
        &full_width,
        &arabic,
        &|code| format!("{}\u{a0}{}", &code[..3], &code[3..]),
        &|code| format!("{}\u{2013}{}", &code[..3], &code[3..]),
        &|code| format!("{}\u{3000}{}", full_width(&code[..3]), full_width(&code[3..])),
    ];
    for write in writings {
        let_time_pass(&server);
        let typed = write(&app.code(0));
        assert_eq!(login(&server, ADMIN, Some(&typed)).status, 201, "{typed}");
    }
    login(&server, ADMIN, Some(&full_width(&recovery[0]))).expect_status(201);
    let_time_pass(&server);
    let wrong = login(&server, ADMIN, Some("１２３４５"));
    assert_eq!(error(&wrong), "second-factor-wrong");
}
