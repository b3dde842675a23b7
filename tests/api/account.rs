//! Document 001: one's own account, settings, API keys, and the forced new password.

use base64::Engine;
use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, Client, PASSWORD, Server, assert_json};

const ACCOUNT: &str = "/api/account";
const SETTINGS: &str = "/api/account/settings";
const KEYS: &str = "/api/account/keys";
const LOGIN: &str = "/api/account/login";
const RESET: &str = "/api/account/reset";

/// A new user of an administrator, by the console's own interface.
fn add(admin: &Client, name: &str, more: Value) -> Value {
    let mut new = json!({"name": name, "password": "a good password", "roles": ["normal"]});
    new.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    admin.post("/api/v1.0/identity/user").json(&new).send().data()
}

fn change(admin: &Client, user: &Value, change: Value) {
    let one = format!("/api/v1.0/identity/user/{}", user["uuid"].as_str().expect("a uuid"));
    admin.put(&one).json(&change).send().data();
}

/// `-u name:key` of curl.
fn basic(client: &Client, name: &str, key: &str) -> Client {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{key}"));
    client.with_header("Authorization", &format!("Basic {text}"))
}

#[track_caller]
fn refused(answer: &Answer, status: u16, id: &str, message: &str) {
    answer.expect_status(status).expect(json!({"id": id, "message": message}));
}

#[track_caller]
fn field_error(answer: &Answer, place: &[&str], message: &str, kind: &str) {
    let expected = json!([{"in": "body", "loc": place, "msg": message, "type": kind}]);
    answer.expect_status(400).expect(expected);
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

#[test]
fn an_account_is_read_and_changed() {
    let server = Server::start();
    let admin = server.admin();
    let group = json!({"name": "Technicians", "permissions": ["files.upload"]});
    let group = admin.post("/api/v1.0/identity/group").json(&group).send().data();
    let more = json!({"groups": [{"id": group["id"], "primary": true}]});
    let user = add(&admin, "bob", more);
    let bob = server.client().sign_in("bob", "a good password");
    let account = bob.get(ACCOUNT).send().documented("virtool.account.get");
    let expected = json!({
        "active": true, "administrator_role": null, "email": null, "force_reset": false,
        "groups": [{"id": group["id"], "name": "Technicians"}], "handle": "bob", "id": user["uuid"],
        "permissions": {
            "cancel_job": false, "create_ref": false, "create_sample": false, "modify_hmm": false,
            "modify_subtraction": false, "remove_file": false, "remove_job": false, "upload_file": true,
        },
        "primary_group": {"id": group["id"], "name": "Technicians"},
        "settings": {
            "quick_analyze_workflow": "pathoscope_bowtie", "show_ids": true, "show_versions": true,
            "skip_quick_analyze_dialog": true,
        },
    });
    assert_json(&account, expected);
    assert!(text(&account["last_password_change"]).ends_with('Z'), "{account:#}");
    let of_admin = admin.get(ACCOUNT).send().documented("virtool.account.get");
    assert_eq!(of_admin["administrator_role"], "full");
    assert!(of_admin["permissions"].as_object().expect("object").values().all(|has| has == true));

    let same = bob.patch(ACCOUNT).json(&json!({})).send().documented("virtool.account.update");
    assert_eq!(same, account);
    let edit = json!({
        "email": " bob@lab.example ", "old_password": "a good password", "password": "foo_bar_1",
    });
    let other = server.client().sign_in("bob", "a good password");
    let changed = bob.patch(ACCOUNT).json(&edit).send().documented("virtool.account.update");
    assert_eq!(changed["email"], "bob@lab.example");
    bob.get(ACCOUNT).send().expect_status(200);
    other.get(ACCOUNT).send().expect_status(401);
    server.client().sign_in("bob@lab.example", "foo_bar_1");
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let server = Server::start();
    let admin = server.admin();
    add(&admin, "ann", json!({"email": "ann@lab.example"}));
    add(&admin, "bob", json!({}));
    let bob = server.client().sign_in("bob", "a good password");
    let before = bob.get(ACCOUNT).send().json();
    let send = |body: Value| bob.patch(ACCOUNT).json(&body).send();
    let null = ("Value may not be null", "type_error.none.not_allowed");
    for field in ["email", "password", "old_password"] {
        field_error(&send(json!({field: null})), &[field], null.0, null.1);
    }
    field_error(&send(json!({"email": 7})), &["email"], "str type expected", "type_error.str");
    let format = "The format of the email is invalid";
    field_error(&send(json!({"email": "bob"})), &["email"], format, "value_error");
    let old = "The old password needs to be given in order for the password to be changed";
    field_error(&send(json!({"password": "foo_bar_1"})), &["__root__"], old, "value_error");
    let new = "The new password needs to be given in order for the password to be changed";
    field_error(&send(json!({"old_password": "x"})), &["__root__"], new, "value_error");

    // The length comes before the old password.
    let both = |old: &str, new: &str| json!({"old_password": old, "password": new});
    let short = "Password does not meet minimum length requirement (8)";
    refused(&send(both("wrong", "short")), 400, "bad_request", short);
    refused(&send(both("wrong", "foo_bar_1")), 400, "bad_request", "Invalid credentials");
    send(both("a good password", "password")).expect_status(400);
    send(both("a good password", "")).expect_status(400);
    send(both("a good password", &"x".repeat(1_025))).expect_status(400);
    // All of it or nothing.
    let mut taken = both("a good password", "foo_bar_1");
    taken["email"] = json!("ANN@lab.example");
    send(taken).expect_status(409);
    assert_eq!(bob.get(ACCOUNT).send().json(), before);
    server.client().sign_in("bob", "a good password");

    let broken = bob.patch(ACCOUNT).bytes("application/json", b"{".into()).send();
    broken.expect_status(400).expect(json!({"id": "bad_request", "error": "Malformed JSON"}));
    // Who asks comes before what is asked.
    let stranger = server.client().patch(ACCOUNT).bytes("application/json", b"{".into()).send();
    refused(&stranger, 401, "unauthorized", "Requires authorization");
    let header =
        |text: &str| server.client().with_header("Authorization", text).get(ACCOUNT).send();
    let id = "invalid_authorization_header";
    refused(&header("garbage"), 401, id, "Invalid authorization header");
    let id = "malformed_authorization_header";
    refused(&header("Basic %%%"), 401, id, "Malformed Authorization header");
}

#[test]
fn settings_are_kept_and_changed_one_by_one() {
    let mut server = Server::start();
    let client = server.client().sign_in_with_cookie(ADMIN, PASSWORD);
    let mut expected = json!({
        "quick_analyze_workflow": "pathoscope_bowtie", "show_ids": true, "show_versions": true,
        "skip_quick_analyze_dialog": true,
    });
    let read = |client: &Client| client.get(SETTINGS).send().documented("virtool.settings.get");
    assert_eq!(read(&client), expected);
    let edit = |body: Value| client.patch(SETTINGS).json(&body).send();
    let changed = edit(json!({"show_ids": false})).documented("virtool.settings.update");
    expected["show_ids"] = json!(false);
    assert_eq!(changed, expected);
    edit(json!({"quick_analyze_workflow": "nuvs", "unknown": 1})).expect_status(200);
    expected["quick_analyze_workflow"] = json!("nuvs");
    assert_eq!(edit(json!({})).documented("virtool.settings.update"), expected);

    let flag = "value could not be parsed to a boolean";
    field_error(&edit(json!({"show_ids": "maybe"})), &["show_ids"], flag, "type_error.bool");
    let null = edit(json!({"show_versions": null}));
    let kind = "type_error.none.not_allowed";
    field_error(&null, &["show_versions"], "Value may not be null", kind);
    let unknown = edit(json!({"quick_analyze_workflow": "guess", "show_versions": false}));
    unknown.expect_status(400);
    assert_eq!(unknown.json()[0]["loc"], json!(["quick_analyze_workflow"]));

    server.kill_and_start();
    let client = server.client().sign_in_with_cookie(ADMIN, PASSWORD);
    assert_eq!(read(&client), expected);
    assert_eq!(client.get(ACCOUNT).send().json()["settings"], expected);
    add(&server.admin(), "bob", json!({}));
    let bob = server.client().sign_in("bob", "a good password");
    assert_eq!(read(&bob)["show_ids"], true, "everybody has their own");
}

#[test]
fn keys_are_made_used_changed_and_deleted() {
    let server = Server::start();
    let admin = server.admin();
    let new = json!({"name": "Foobar", "permissions": {"create_sample": true, "unknown": true}});
    let answer = admin.post(KEYS).json(&new).send();
    let made = answer.documented("virtool.keys.create");
    assert_eq!(answer.header("Location"), Some("/api/account/keys/foobar_0"));
    assert_eq!((&made["id"], &made["name"]), (&json!("foobar_0"), &json!("Foobar")));
    let on = |key: &Value| -> Vec<String> {
        let flags = key["permissions"].as_object().expect("an object");
        flags.iter().filter(|(_, on)| **on == true).map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(on(&made), ["create_sample"]);
    let key = text(&made["key"]);
    assert_eq!(key.len(), 64);
    // The next of that name, and one whose id does not stand in a path as it is.
    let second = admin.post(KEYS).json(&json!({"name": " foobar "})).send();
    assert_eq!(second.json()["id"], "foobar_1");
    let spaced = admin.post(KEYS).json(&json!({"name": "Test 2"})).send();
    assert_eq!(spaced.json()["id"], "test 2_0");
    assert_eq!(spaced.header("Location"), Some("/api/account/keys/test%202_0"));
    let found = admin.get("/api/account/keys/test%202_0").send();
    assert_eq!(found.documented("virtool.keys.get")["name"], "Test 2");

    let list = admin.get(KEYS).send().documented("virtool.keys.list");
    let ids: Vec<&str> =
        list.as_array().expect("rows").iter().filter_map(|key| key["id"].as_str()).collect();
    assert_eq!(ids, ["foobar_0", "foobar_1", "test 2_0"]);
    let one = format!("{KEYS}/foobar_0");
    assert!(!admin.get(&one).send().body.contains(&key), "shown once");

    // With the name of its owner, or bare.
    let by_key = basic(&server.client(), ADMIN, &key);
    assert_eq!(by_key.get(ACCOUNT).send().documented("virtool.account.get")["handle"], ADMIN);
    let bare = server.client().with_header("Authorization", &key);
    bare.get(KEYS).send().documented("virtool.keys.list");
    basic(&server.client(), "nobody", &key).get(ACCOUNT).send().expect_status(401);
    by_key.get("/account/manager").send().expect_status(403);

    let edit = |body: Value| admin.patch(&one).json(&body).send();
    let changed = edit(json!({"permissions": {"modify_subtraction": true}}));
    let changed = changed.documented("virtool.keys.update");
    assert_eq!(on(&changed), ["create_sample", "modify_subtraction"]);
    let less = edit(json!({"permissions": {"create_sample": false}})).json();
    assert_eq!(on(&less), ["modify_subtraction"]);
    assert_eq!(on(&edit(json!({})).documented("virtool.keys.update")), ["modify_subtraction"]);

    admin.delete(&one).send().documented("virtool.keys.delete");
    by_key.get(ACCOUNT).send().expect_status(401);
    refused(&admin.get(&one).send(), 404, "not_found", "Not found");
    admin.delete(KEYS).send().documented("virtool.keys.purge");
    assert_eq!(admin.get(KEYS).send().documented("virtool.keys.list"), json!([]));
}

#[test]
fn a_change_in_this_document_keeps_what_a_key_has_beyond_it() {
    let server = Server::start();
    let admin = server.admin();
    let new = json!({"name": "watch", "permissions": ["desktops.view", "files.upload"]});
    admin.post("/api/v1.0/identity/own/key").json(&new).send().data();
    let edit = json!({"permissions": {"upload_file": false, "create_ref": true}});
    admin.patch(&format!("{KEYS}/watch_0")).json(&edit).send().documented("virtool.keys.update");
    let keys = admin.get("/api/v1.0/identity/own/key").send().data();
    assert_eq!(keys[0]["granted"], json!(["desktops.view", "references.create"]));
}

#[test]
fn wrong_keys_are_refused_and_named() {
    let server = Server::start();
    let admin = server.admin();
    let send = |body: Value| admin.post(KEYS).json(&body).send();
    field_error(&send(json!({})), &["name"], "field required", "value_error.missing");
    let empty = "ensure this value has at least 1 characters";
    let kind = "value_error.any_str.min_length";
    field_error(&send(json!({"name": "  "})), &["name"], empty, kind);
    let null = send(json!({"name": "k", "permissions": null}));
    let kind = "type_error.none.not_allowed";
    field_error(&null, &["permissions"], "Value may not be null", kind);
    let list = send(json!({"name": "k", "permissions": ["create_ref"]}));
    field_error(&list, &["permissions"], "value is not a valid dict", "type_error.dict");
    for name in ["x".repeat(200), "a/b".into(), "a\u{0}b".into()] {
        send(json!({"name": name})).expect_status(400);
    }
    // Nobody gives more than they have.
    add(&admin, "bob", json!({}));
    let bob = server.client().sign_in("bob", "a good password");
    let beyond = json!({"name": "k", "permissions": {"create_sample": true}});
    let beyond = bob.post(KEYS).json(&beyond).send();
    beyond.expect_status(400);
    assert_eq!(beyond.json()[0]["loc"], json!(["permissions", "create_sample"]));
    assert_eq!(admin.get(KEYS).send().json(), json!([]));
    assert_eq!(bob.get(KEYS).send().json(), json!([]));
}

#[test]
fn keys_of_others_are_not_there() {
    let server = Server::start();
    let admin = server.admin();
    add(&admin, "bob", json!({}));
    let bob = server.client().sign_in("bob", "a good password");
    let key =
        admin.post(KEYS).json(&json!({"name": "mine"})).send().documented("virtool.keys.create");
    let one = format!("{KEYS}/mine_0");
    for answer in [
        bob.get(&one).send(),
        bob.patch(&one).json(&json!({"permissions": {"create_ref": true}})).send(),
        bob.delete(&one).send(),
    ] {
        refused(&answer, 404, "not_found", "Not found");
    }
    bob.delete(KEYS).send().documented("virtool.keys.purge");
    let by_key = basic(&server.client(), ADMIN, &text(&key["key"]));
    by_key.get(ACCOUNT).send().expect_status(200);
    // Ids are counted over everybody's keys.
    assert_eq!(bob.post(KEYS).json(&json!({"name": "mine"})).send().json()["id"], "mine_1");
}

#[test]
fn a_key_ends_with_its_time_and_with_its_owner_and_has_no_more_rights_than_they() {
    let server = Server::start();
    let admin = server.admin();
    let user = add(&admin, "bob", json!({"roles": ["analyst"]}));
    let bob = server.client().sign_in("bob", "a good password");
    let new = json!({"name": "k", "permissions": {"upload_file": true, "create_ref": true}});
    let made = bob.post(KEYS).json(&new).send().documented("virtool.keys.create");
    let key = basic(&server.client(), "bob", &text(&made["key"]));
    key.get(ACCOUNT).send().expect_status(200);
    let one = format!("{KEYS}/k_0");

    change(&admin, &user, json!({"roles": ["normal"], "granted": ["files.upload"]}));
    let left = bob.get(&one).send().documented("virtool.keys.get");
    assert_json(&left, json!({"permissions": {"upload_file": true, "create_ref": false}}));

    change(&admin, &user, json!({"enabled": false}));
    let id = "invalid_authorization_header";
    refused(&key.get(ACCOUNT).send(), 401, id, "Invalid authorization header");
    change(&admin, &user, json!({"enabled": true}));
    key.get(ACCOUNT).send().expect_status(200);

    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    let expire = "UPDATE api_keys SET expires_at = unixepoch() - 1";
    assert_eq!(database.execute(expire, []).expect("let time pass"), 1);
    key.get(ACCOUNT).send().expect_status(401);
}

#[test]
fn tampered_and_foreign_tokens_sign_nobody_in() {
    let server = Server::start();
    let form = [("email", ADMIN), ("password", PASSWORD)];
    let token = server.client().post("/account/").query("action", "login").form(&form).send();
    let token = text(&token.data()["access_token"]);
    let last = if token.ends_with('0') { '1' } else { '0' };
    let other = Server::start();
    let of_other = other.admin().post(KEYS).json(&json!({"name": "k"})).send().json();
    for wrong in [
        format!("{}{last}", &token[..63]),
        token[..63].to_owned(),
        format!("{token}0"),
        token.to_uppercase(),
        text(&of_other["key"]),
        format!("{token}' OR 1=1 --"),
    ] {
        let client = server.client().with_header("Authorization", &wrong);
        client.get(ACCOUNT).send().expect_status(401);
        client.get("/api/user").send().not_ok(403);
    }
    let client = server.client().with_header("Authorization", &token);
    client.get(ACCOUNT).send().expect_status(200);
    client.get("/api/account/logout").send().documented("virtool.session.logout");
    client.get(ACCOUNT).send().expect_status(401);
}

/// Signs in; the answer with the cookie that it sets.
fn login(server: &Server, name: &str, password: &str, remember: bool) -> Answer {
    let body = json!({"username": name, "password": password, "remember": remember});
    server.client().post(LOGIN).json(&body).send()
}

#[test]
fn a_forced_change_of_the_password_comes_before_the_session() {
    let server = Server::start();
    let admin = server.admin();
    add(&admin, "bob", json!({"force_reset": true}));
    let begin = || {
        let answer = login(&server, "bob", "a good password", true);
        answer.expect_status(200).expect(json!({"reset": true, "reset_code": "<text>"}));
        let code = text(&answer.json()["reset_code"]);
        let set = answer.header("Set-Cookie").expect("a cookie").to_owned();
        assert!(set.starts_with("carrel_reset=") && set.contains("; HttpOnly"), "{set}");
        (server.client().with_header("Cookie", &answer.cookies()), code)
    };
    let reset = |client: &Client, password: &str, code: &str| {
        client.post(RESET).json(&json!({"password": password, "reset_code": code})).send()
    };
    let (client, code) = begin();
    client.get(ACCOUNT).send().expect_status(401);
    // Its cookie is no session under another name either.
    let token = client.post(RESET).json(&json!({})).send();
    token.expect_status(400);
    let short = "Password does not meet minimum length requirement (8)";
    refused(&reset(&client, "short", &code), 400, "bad_request", short);
    reset(&client, "password", &code).expect_status(400);
    // The old one is no change.
    let same = reset(&client, "a good password", &code);
    let message = "That is the password that has to be changed. Choose another one.";
    refused(&same, 400, "bad_request", message);
    let invalid = "Invalid session";
    refused(&reset(&server.client(), "foo_bar_1", &code), 400, "bad_request", invalid);

    // A wrong code is the end of it.
    refused(&reset(&client, "foo_bar_1", &"0".repeat(64)), 400, "bad_request", invalid);
    refused(&reset(&client, "foo_bar_1", &code), 400, "bad_request", invalid);
    login(&server, "bob", "foo_bar_1", false).expect_status(400);

    // A second sign-in takes the place of the first.
    let (old, old_code) = begin();
    let (client, code) = begin();
    refused(&reset(&old, "foo_bar_1", &old_code), 400, "bad_request", invalid);
    let done = reset(&client, "foo_bar_1", &code);
    done.documented("virtool.session.reset");
    let month = done.headers.get_all("set-cookie").iter().any(|cookie| {
        let cookie = cookie.to_str().unwrap_or_default();
        cookie.starts_with("carrel_session=") && cookie.contains("Max-Age=2592000")
    });
    assert!(month, "as was asked for at sign-in");
    let bob = server.client().with_header("Cookie", &done.cookies());
    let account = bob.get(ACCOUNT).send().documented("virtool.account.get");
    assert_eq!(account["force_reset"], false);
    refused(&reset(&client, "foo_bar_2", &code), 400, "bad_request", invalid);
    login(&server, "bob", "a good password", false).expect_status(400);
    login(&server, "bob", "foo_bar_1", false).documented("virtool.session.login");
}

/// Whoever knew the password may have made a key with it.
#[test]
fn a_password_that_an_administrator_sets_or_demands_ends_sessions_and_keys() {
    let server = Server::start();
    let admin = server.admin();
    let bob = add(&admin, "bob", json!({}));
    for what in [json!({"password": "another good one"}), json!({"force_reset": true})] {
        change(&admin, &bob, json!({"password": "a good password", "force_reset": false}));
        let session = server.client().sign_in("bob", "a good password");
        let made = session.post(KEYS).json(&json!({"name": "script", "permissions": {}})).send();
        made.expect_status(201);
        let key = basic(&server.client(), "bob", &text(&made.json()["key"]));
        key.get(ACCOUNT).send().expect_status(200);
        // Anything else that is changed ends neither.
        change(&admin, &bob, json!({"phone": "5"}));
        key.get(ACCOUNT).send().expect_status(200);
        change(&admin, &bob, what.clone());
        key.get(ACCOUNT).send().expect_status(401);
        session.get(ACCOUNT).send().expect_status(401);
        println!("{what}");
    }
    change(&admin, &bob, json!({"password": "a good password", "force_reset": false}));
    let session = server.client().sign_in("bob", "a good password");
    let made = session.post(KEYS).json(&json!({"name": "script", "permissions": {}})).send();
    let key = basic(&server.client(), "bob", &text(&made.json()["key"]));
    key.get(ACCOUNT).send().expect_status(200);
    server.set_password("bob", "yet another good one");
    key.get(ACCOUNT).send().expect_status(401);
}

/// Whoever knew the old password must not keep a way in by what they began with it.
#[test]
fn a_forced_change_is_over_when_somebody_else_changes_the_password_or_switches_off() {
    let server = Server::start();
    let admin = server.admin();
    let bob = add(&admin, "bob", json!({"force_reset": true}));
    let reset = |begun: &Answer| {
        let body = json!({"password": "foo_bar_1", "reset_code": begun.json()["reset_code"]});
        server.client().with_header("Cookie", &begun.cookies()).post(RESET).json(&body).send()
    };
    let begun = login(&server, "bob", "a good password", false);
    change(&admin, &bob, json!({"password": "another good one", "force_reset": true}));
    refused(&reset(&begun), 400, "bad_request", "Invalid session");

    let begun = login(&server, "bob", "another good one", false);
    change(&admin, &bob, json!({"enabled": false}));
    reset(&begun).expect_status(400);
    change(&admin, &bob, json!({"enabled": true}));
    login(&server, "bob", "foo_bar_1", false).expect_status(400);
    login(&server, "bob", "another good one", false).expect_status(200);
}

#[test]
fn a_forced_change_is_over_after_a_while_and_survives_a_restart() {
    let mut server = Server::start();
    add(&server.admin(), "bob", json!({"force_reset": true}));
    // Documents without such a flow say what to do.
    let form = [("email", "bob"), ("password", "a good password")];
    let other = server.client().post("/account/").query("action", "login").form(&form).send();
    assert!(other.refusal().contains("/api/account/reset"), "{}", other.body);

    let begun = login(&server, "bob", "a good password", false);
    server.kill_and_start();
    let reset = |begun: &Answer| {
        let body = json!({"password": "foo_bar_1", "reset_code": begun.json()["reset_code"]});
        let client = server.client().with_header("Cookie", &begun.cookies());
        client.post(RESET).json(&body).send()
    };
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    let pass = "UPDATE password_resets SET expires_at = expires_at - 600";
    assert_eq!(database.execute(pass, []).expect("let time pass"), 1);
    refused(&reset(&begun), 400, "bad_request", "Invalid session");
    let again = login(&server, "bob", "a good password", false);
    reset(&again).documented("virtool.session.reset");
}

#[test]
fn signing_in_replaces_the_session_that_came_along() {
    let server = Server::start();
    let first = server.client().sign_in_with_cookie(ADMIN, PASSWORD);
    let body = json!({"username": ADMIN, "password": PASSWORD});
    let second = first.post(LOGIN).json(&body).send();
    second.documented("virtool.session.login");
    first.get(ACCOUNT).send().expect_status(401);
    server.client().with_header("Cookie", &second.cookies()).get(ACCOUNT).send().expect_status(200);
}

/// Texts of times say no zone; whoever reads them elsewhere has to know it.
#[test]
fn the_zone_of_all_times_is_told() {
    for (set, told) in [
        ("Asia/Shanghai", "Asia/Shanghai"),
        ("America/St_Johns", "America/St_Johns"),
        ("UTC", "UTC"),
        ("EST5", "-05:00"),
    ] {
        let server = Server::with().env("TZ", set).start();
        let client = server.admin();
        let zone = client.get("/api/v1.0/session").send().data()["time_zone"].take();
        assert_eq!(zone, told);
        let zone = match told.strip_suffix(":00") {
            Some(hours) => jiff::tz::Offset::constant(hours.parse().expect("hours")).to_time_zone(),
            None => jiff::tz::TimeZone::get(told).expect("a zone"),
        };
        let sessions = client.get("/api/v1.0/identity/own/session").send();
        let begun = sessions.data()[0]["created_at"].take();
        let begun = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text(&begun));
        let begun = begun.expect("a time").to_zoned(zone).expect("a time").timestamp();
        let age = jiff::Timestamp::now().as_second() - begun.as_second();
        assert!((-5..600).contains(&age), "{set}: {age} s ago");
    }
}
