//! Sign-in by a directory, against a real slapd.

mod groups;
mod slapd;

use std::time::{Duration, Instant};

use ldap3::Mod;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, Authority, Client, PASSWORD, Server, rows, wait_for};
use slapd::{BASE, Slapd, person_dn};

const USER: &str = "/api/v1.0/identity/user";
const LIMIT: Duration = Duration::from_secs(30);

fn login(server: &Server, user: &str, password: &str) -> Answer {
    let body = json!({"username": user, "password": password});
    let request = server.client().post("/api/account/login").header("Accept-Language", "en");
    request.json(&body).send()
}

#[track_caller]
fn refused(answer: &Answer, key: &str) {
    assert_eq!(answer.json()["error"], key, "{}: {}", answer.status, answer.body);
    assert!(answer.header("Set-Cookie").is_none());
}

/// The row of a user in the list of users.
#[track_caller]
fn row(admin: &Client, name: &str) -> Value {
    let found = rows(&admin.get(USER).query("searchtype", "all").query("name", name).send());
    found.into_iter().next().unwrap_or_else(|| panic!("no user {name}"))
}

fn database(server: &Server) -> Connection {
    Connection::open(server.data_here().join("carrel.db")).expect("open the database")
}

/// What the server said is read a moment later.
#[track_caller]
fn logged(server: &Server, text: &str) {
    let found = server.log().wait_for(LIMIT, |line| line.contains(text).then_some(()));
    assert!(found.is_some(), "no {text} in the log: {}", server.log().tail(20));
}

fn forget_failures(server: &Server) {
    database(server).execute("DELETE FROM login_failures", []).expect("forget failures");
}

#[test]
fn a_person_of_the_directory_signs_in_and_has_the_roles_of_the_groups() {
    let directory = Slapd::start();
    let server = directory.asked_by(Server::with()).start();
    let admin = server.admin();
    for password in ["berts password", "*"] {
        refused(&login(&server, "anna", password), "sign-in-failed");
        forget_failures(&server);
    }
    // The directory would take an empty one for a visit without a name. Document 001 does not let it come so far.
    for password in [json!(""), json!(" "), json!(null)] {
        let body = json!({"email": "anna", "password": password});
        let answer = server.client().post("/account/").query("action", "login").json(&body).send();
        assert!(!answer.refusal().is_empty());
        forget_failures(&server);
    }
    refused(&login(&server, "ghost", "annas password"), "sign-in-failed");
    let none = rows(&admin.get(USER).query("searchtype", "all").query("name", "anna").send());
    assert!(none.is_empty(), "a failed sign-in makes no account: {none:#?}");

    login(&server, "Anna", "annas password").expect_status(201);
    let anna = row(&admin, "anna");
    assert_eq!((&anna["source"], &anna["roles"]), (&json!("ldap"), &json!(["normal"])));
    assert_eq!(anna["email"], "anna@school.example");
    assert_eq!(anna["full_name"], "anna of the school");

    // A teacher from the next sign-in on; what is set here does not last.
    directory.join("anna", "teachers");
    let change = json!({"roles": ["admin"]});
    admin
        .put(&format!("{USER}/{}", anna["uuid"].as_str().expect("id")))
        .json(&change)
        .send()
        .data();
    let client = server.client().sign_in("anna", "annas password");
    assert_eq!(row(&admin, "anna")["roles"], json!(["teacher"]));
    assert_eq!(row(&admin, "anna")["id"], anna["id"]);
    let session = client.get("/api/v1.0/session").send().data();
    assert_eq!(session["user"]["roles"], json!(["teacher"]));
    directory.leave("anna", "teachers");
    login(&server, "anna", "annas password").expect_status(201);
    assert_eq!(row(&admin, "anna")["roles"], json!(["normal"]));

    // The password is changed there, and counts from then on.
    let own = json!({"old_password": "annas password", "password": "another good one"});
    let answer = client.put("/api/v1.0/session/password").json(&own).send();
    assert_eq!(answer.json()["data"]["error"], "password-elsewhere", "{}", answer.body);
    let set = server.run(&["admin", "set-password", "anna"], "another good one");
    assert!(String::from_utf8_lossy(&set.stderr).contains("checked by ldap"), "{set:?}");
    directory.change(&person_dn("anna"), Mod::Replace("userPassword", ["a new one"].into()));
    refused(&login(&server, "anna", "annas password"), "sign-in-failed");
    login(&server, "anna", "a new one").expect_status(201);

    let log = admin.get("/api/v1.0/index/get_operation_log/").query("user_name", "anna").send();
    let succeeded = |row: &Value| row["succeeded"] == true;
    assert!(rows(&log).iter().any(succeeded) && !rows(&log).iter().all(succeeded), "{}", log.body);
}

#[test]
fn who_was_switched_off_here_stays_out() {
    let directory = Slapd::start();
    let server = directory.asked_by(Server::with()).start();
    login(&server, "bert", "berts password").expect_status(201);
    assert!(server.run(&["admin", "disable", "bert"], "").status.success());
    refused(&login(&server, "bert", "berts password"), "account-disabled");
    refused(&login(&server, "bert", "a guess"), "sign-in-failed");
    assert_eq!(row(&server.admin(), "bert")["enabled"], false);
}

#[test]
fn what_is_typed_as_a_name_is_never_a_filter() {
    let directory = Slapd::start();
    let server = directory.asked_by(Server::with()).start();
    for name in [
        "*",
        "a*",
        "*)(uid=*",
        "anna)(objectClass=*",
        "x)(|(uid=anna",
        "anna\u{0}",
        "\\61nna",
        "anna)",
        "(anna",
        "uid=anna,ou=people,dc=school,dc=example",
        &"a".repeat(10_000),
    ] {
        refused(&login(&server, name, "annas password"), "sign-in-failed");
        forget_failures(&server);
    }
    let log = server.log();
    assert!(!log.contains("filter is not understood"), "{}", log.tail(20));
    assert!(!log.contains("several people"), "{}", log.tail(20));
    login(&server, "anna", "annas password").expect_status(201);
    // A name that two people have lets neither in.
    directory.change(&person_dn("bert"), Mod::Add("uid", ["anna"].into()));
    refused(&login(&server, "anna", "annas password"), "sign-in-failed");
    logged(&server, "several people");
}

#[test]
fn an_account_here_is_never_taken_over_by_name_or_address() {
    let directory = Slapd::start();
    directory.person(ADMIN, "root@school.example", "the directorys admin");
    directory.person("1ee", "one@school.example", "the other lee");
    directory.person("eve", "head@school.example", "eves password");
    let server = directory
        .asked_by(Server::with())
        .env("CARREL_LDAP_USER_FILTER", "(|(uid={login})(mail={login}))")
        .start();
    let admin = server.admin();
    let new = json!({"name": "lee", "password": PASSWORD, "email": "head@school.example", "roles": ["admin"]});
    admin.post(USER).json(&new).send().data();

    // The name of a user here is not asked for there, not even by another way to write it.
    refused(&login(&server, ADMIN, "the directorys admin"), "sign-in-failed");
    refused(&login(&server, "root@school.example", "the directorys admin"), "sign-in-failed");
    logged(&server, "outsider-name-taken");
    // Nor is one that looks like it.
    refused(&login(&server, "1ee", "the other lee"), "sign-in-failed");
    // The address of a user here leads to that user alone.
    refused(&login(&server, "head@school.example", "eves password"), "sign-in-failed");
    login(&server, "eve", "eves password").expect_status(201);
    assert_eq!(row(&admin, "eve")["email"], Value::Null);
    assert_eq!(row(&admin, "lee")["email"], "head@school.example");
    forget_failures(&server);
    server.client().sign_in("head@school.example", PASSWORD);
}

#[test]
fn an_account_follows_its_person_and_not_the_name() {
    let directory = Slapd::start();
    let server = directory.asked_by(Server::with()).start();
    login(&server, "anna", "annas password").expect_status(201);
    let before = row(&server.admin(), "anna");
    directory.rename("anna", "anna.lee");
    refused(&login(&server, "anna", "annas password"), "sign-in-failed");
    login(&server, "anna.lee", "annas password").expect_status(201);
    let after = row(&server.admin(), "anna.lee");
    assert_eq!((&after["id"], &after["name"]), (&before["id"], &json!("anna.lee")));
    // Somebody else who has the old name now is somebody else.
    directory.person("anna", "anna2@school.example", "the new anna");
    login(&server, "anna", "the new anna").expect_status(201);
    assert_ne!(row(&server.admin(), "anna")["id"], before["id"]);
}

#[test]
fn tls_is_used_and_only_with_who_it_should_be() {
    let directory = Slapd::start();
    let ca = directory.authority.ca.display().to_string();
    let ways = [("ldaps", directory.tls_url(), "false"), ("starttls", directory.url(), "true")];
    let start = |url: &str, starttls: &str, ca: &str| {
        let setup = directory.asked_by(Server::with()).env("CARREL_LDAP_URL", url);
        setup.env("CARREL_LDAP_STARTTLS", starttls).env("CARREL_LDAP_CA_FILE", ca).start()
    };
    for (name, url, starttls) in &ways {
        let server = start(url, starttls, &ca);
        assert_eq!(login(&server, "anna", "annas password").status, 201, "{name}");
        let doctor = server.run(&["doctor"], "");
        let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(said.contains(&format!("[ ok ]  The directory {url} answers.")), "{said}");
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let other = Authority::make(folder.path()).ca.display().to_string();
    for (name, url, starttls) in &ways {
        let server = start(url, starttls, &other);
        let answer = login(&server, "anna", "annas password");
        refused(&answer, "directory-unreachable");
        assert_eq!(answer.status, 503, "{name}");
        logged(&server, "certificate");
        let doctor = server.run(&["doctor"], "");
        let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(said.contains("[FAIL]  The directory") && said.contains("[ldap]"), "{said}");
    }
}

#[test]
fn without_the_directory_the_users_of_carrel_itself_sign_in() {
    let mut directory = Slapd::start();
    let server = directory.asked_by(Server::with()).start();
    login(&server, "anna", "annas password").expect_status(201);
    let away = |what: &str| {
        let asked = Instant::now();
        let answer = login(&server, "anna", "annas password");
        refused(&answer, "directory-unreachable");
        assert_eq!(answer.status, 503, "{what}");
        assert!(answer.json()["message"].as_str().is_some_and(|text| text.contains("directory")));
        // A few seconds; the rest is for a busy machine.
        assert!(asked.elapsed() < Duration::from_secs(20), "{what}: {:?}", asked.elapsed());
        login(&server, ADMIN, PASSWORD).expect_status(201);
        // Nobody learns now which names are known here.
        refused(&login(&server, ADMIN, "a guess"), "directory-unreachable");
        refused(&login(&server, "ghost", "a guess"), "directory-unreachable");
    };
    let back = || {
        forget_failures(&server);
        wait_for("the directory again", Duration::from_secs(40), || {
            (login(&server, "anna", "annas password").status == 201).then_some(())
        });
    };
    directory.stop();
    away("stopped");
    directory.start_again();
    back();
    directory.freeze();
    away("standing still");
    directory.thaw();
    back();
    let failures: i64 = database(&server)
        .query_row(
            "SELECT count(*) FROM login_failures WHERE subject LIKE 'address:%'",
            [],
            |row| row.get(0),
        )
        .expect("count");
    assert_eq!(failures, 0, "nobody else at the address waits for a directory that is away");
}

/// Else passwords that are kept here could be guessed without end; and who is known here is not told.
#[test]
fn guesses_are_counted_also_while_the_directory_is_away() {
    let mut directory = Slapd::start();
    let server = directory.asked_by(Server::with()).start();
    directory.stop();
    for name in [ADMIN, "ghost"] {
        let compared = (0..10).take_while(|_| login(&server, name, "a guess").status == 503);
        assert!(compared.count() < 6, "{name} is guessed at without a wait");
    }
    forget_failures(&server);
    login(&server, ADMIN, PASSWORD).expect_status(201);
}

/// A directory folds letters that look different: each way to write a name is no new set of guesses.
#[test]
fn guesses_are_counted_however_a_name_is_written() {
    let directory = Slapd::start();
    let server = directory.asked_by(Server::with()).start();
    login(&server, "\u{ff41}nna", "annas password").expect_status(201);
    let names =
        ["\u{24d0}nna", "\u{ff41}nna", "\u{ff21}nna", "a\u{ff4e}na", "an\u{ff4e}a", "ann\u{ff41}"];
    let locked = names.iter().any(|name| login(&server, name, "a guess").status == 429);
    assert!(locked, "six guesses without a wait");
}

#[test]
fn guesses_at_a_persons_password_are_counted() {
    let directory = Slapd::start();
    let server = directory.asked_by(Server::with()).start();
    for name in ["anna", "ghost"] {
        wait_for("the lock", Duration::from_secs(30), || {
            (login(&server, name, "a guess").status == 429).then_some(())
        });
    }
    let until = "UPDATE login_failures SET locked_until = last_at + 600";
    database(&server).execute(until, []).expect("prolong");
    login(&server, "anna", "annas password").expect_status(429);
    forget_failures(&server);
    login(&server, "anna", "annas password").expect_status(201);
}

#[test]
fn groups_are_searched_where_the_person_does_not_name_them() {
    let directory = Slapd::start();
    directory.join("anna", "heads");
    let map =
        format!(r#"{{ "cn=heads,ou=groups,{BASE}" = ["operator", "auditor", "no-such-role"] }}"#);
    let server = directory
        .asked_by(Server::with())
        .env("CARREL_LDAP_MEMBER_OF_ATTRIBUTE", "nothingOfTheKind")
        .env("CARREL_LDAP_GROUP_BASE_DN", format!("ou=groups,{BASE}"))
        .env("CARREL_LDAP_GROUP_ROLES", map)
        .env("CARREL_LDAP_DEFAULT_ROLE", "")
        .start();
    login(&server, "anna", "annas password").expect_status(201);
    let mut roles = row(&server.admin(), "anna")["roles"].clone();
    roles.as_array_mut().expect("roles").sort_by_key(Value::to_string);
    assert_eq!(roles, json!(["auditor", "operator"]));
    logged(&server, "no-such-role");
    // Without a group and without a role for all others nobody comes in.
    refused(&login(&server, "bert", "berts password"), "outsider-without-role");
    let client = server.client().sign_in("anna", "annas password");
    directory.leave("anna", "heads");
    refused(&login(&server, "anna", "annas password"), "outsider-without-role");
    client.get("/api/account").send().expect_status(401);
    assert_eq!(row(&server.admin(), "anna")["roles"], json!([]));
}

#[test]
fn a_second_factor_stands_before_people_of_the_directory_too() {
    let directory = Slapd::start();
    let server = directory.asked_by(Server::with()).start();
    let client = server.client().sign_in("anna", "annas password");
    let factor = "/api/v1.0/identity/own/second_factor";
    let act = |action: &str, param: Value| {
        client.post(factor).json(&json!({"action": action, "param": param})).send()
    };
    let secret = act("start", json!({})).data()["secret"].as_str().expect("secret").to_owned();
    let secret = totp_rs::Secret::try_from_base32(secret).expect("base 32");
    let app = totp_rs::Builder::new().with_secret(secret.as_bytes()).build().expect("a factor");
    act("confirm", json!({"code": app.generate_current().to_string()})).data();
    refused(&login(&server, "anna", "annas password"), "second-factor-needed");
    refused(&login(&server, "anna", "a guess"), "sign-in-failed");
    database(&server).execute("UPDATE second_factors SET last_step = 0", []).expect("time");
    let code = app.generate_current().to_string();
    let wrong = act("off", json!({"password": "a guess", "code": code}));
    assert_eq!(wrong.json()["data"]["error"], "password-wrong", "{}", wrong.body);
    act("off", json!({"password": "annas password", "code": code})).data();
    login(&server, "anna", "annas password").expect_status(201);
}

#[test]
fn the_settings_are_checked_and_named() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let path = folder.path().join("carrel.toml");
    let server = Server::start();
    let complaint = |text: &str| {
        std::fs::write(&path, text).expect("write");
        let output = server.run(&["doctor", "--config", &path.to_string_lossy()], "");
        assert_eq!(output.status.code(), Some(1), "{text}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let section = "[ldap]\nurl = \"ldaps://dc1.school.example\"\nbase_dn = \"dc=school\"\n";
    let said = complaint(&format!("{section}bind_pasword = \"secret-word\"\n"));
    assert!(said.contains("[ldap]") && said.contains("bind_pasword"), "{said}");
    assert!(!said.contains("secret-word"), "{said}");
    let said = complaint("[ldap]\nurl = \"ldap://dc1.school.example\"\nbase_dn = \"x\"\n");
    assert!(said.contains("readable"), "{said}");
    assert!(complaint("[ldap]\nbase_dn = \"x\"\n").contains("url"));
}

#[test]
fn no_password_is_in_the_log() {
    let directory = Slapd::start();
    let server = directory.asked_by(Server::with()).env("CARREL_LOG", "trace").start();
    login(&server, "anna", "annas password").expect_status(201);
    refused(&login(&server, "anna", "a guess in vain"), "sign-in-failed");
    logged(&server, "refuses the password");
    for secret in ["annas password", "a guess in vain", "looks people up"] {
        let lines = server.log().matching(secret);
        assert!(lines.is_empty(), "{lines:#?}");
    }
}
