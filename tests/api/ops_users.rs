//! Document 004: users, signing in, permissions.

use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, Client, PASSWORD, Server};

const USER: &str = "/api/user";
const LOGIN: &str = "/api/login";
const PERMISSION: &str = "/api/permission";

fn new_user(name: &str) -> Value {
    json!({
        "mail": format!("{name}@ops.example"), "username": name, "passwd": "a good password",
        "department": "dev", "permissions": "1,2,3",
    })
}

fn act(client: &Client, action: &str, data: Value) -> Answer {
    client.post(USER).json(&json!({"action": action, "data": data})).send()
}

fn get(client: &Client, name: &str) -> Value {
    client.get(USER).query("username", name).send().documented("ops.user.get")
}

/// Signs in by this document.
fn sign_in(server: &Server, name: &str, password: &str) -> Client {
    let answer =
        server.client().post(LOGIN).json(&json!({"name": name, "password": password})).send();
    let token = answer.documented("ops.login.login")["access_token"].clone();
    server.client().with_header("Authorization", token.as_str().expect("a token"))
}

fn names(admin: &Client) -> Vec<String> {
    let list = admin.get(USER).query("start", 0).query("count", 100).send().info();
    let rows = list["data"].as_array().expect("rows").iter();
    rows.map(|row| row["username"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn users_are_added_read_changed_and_deleted() {
    let server = Server::start();
    let admin = server.admin();
    act(&admin, "add", new_user("one")).documented("ops.user.add");
    let many = json!([new_user("two"), new_user("three")]);
    act(&admin, "add", many).documented("ops.user.add");
    let two = get(&admin, "two");
    let expected = json!({
        "id": two["id"], "mail": "two@ops.example", "username": "two", "nickname": "",
        "department": "dev", "permissions": "1,2,3",
    });
    assert_eq!(two, expected);
    let list = admin.get(USER).query("start", 0).query("count", 2).send().info();
    assert_eq!((&list["count"], list["data"].as_array().map(Vec::len)), (&json!(4), Some(2)));
    let from = admin.get(USER).query("start", two["id"].clone()).query("count", 1).send().info();
    assert_eq!(from["data"], json!([expected]));

    let two_in = sign_in(&server, "two", "a good password");
    two_in.get(USER).query("username", "one").send().documented("ops.user.get");
    let change = json!({
        "username": "two", "mail": "new@ops.example", "nickname": "二狗子", "department": "ops",
        "permissions": "3, 8", "new_passwd": "another word 7",
    });
    act(&admin, "update", change).documented("ops.user.update");
    let changed = get(&admin, "two");
    assert_eq!(changed["mail"], "new@ops.example");
    assert_eq!(
        (&changed["nickname"], &changed["department"], &changed["permissions"]),
        (&json!("二狗子"), &json!("ops"), &json!("3,8"))
    );
    two_in.get(PERMISSION).send().not_ok(403);
    sign_in(&server, "two", "another word 7");
    // What is left out stays.
    act(&admin, "update", json!({"username": "two"})).documented("ops.user.update");
    assert_eq!(get(&admin, "two"), changed);

    admin.delete(USER).query("username", "two").send().documented("ops.user.delete");
    admin.delete(USER).json(&json!({"username": "three"})).send().documented("ops.user.delete");
    assert_eq!(names(&admin), [ADMIN, "one"]);
    assert!(admin.get(USER).query("username", "two").send().not_ok(200).contains("two"));
}

#[test]
fn users_are_added_all_or_none() {
    let server = Server::start();
    let admin = server.admin();
    let with = |field: &str, value: Value| {
        let mut user = new_user("lee");
        user[field] = value;
        user
    };
    let without = |field: &str| {
        let mut user = new_user("lee");
        user.as_object_mut().expect("object").remove(field);
        user
    };
    for wrong in [
        with("username", json!("one")),
        with("username", json!("ONE")),
        with("username", json!("оne")),
        with("username", json!("")),
        with("username", json!("a b")),
        with("mail", json!("one@ops.example")),
        with("mail", json!("no address")),
        with("passwd", json!("")),
        with("passwd", json!("short")),
        with("passwd", json!("password")),
        with("passwd", json!("x".repeat(1_025))),
        with("permissions", json!("1,999")),
        with("permissions", json!("users.view")),
        with("permissions", json!(7)),
        without("mail"),
        without("username"),
        without("passwd"),
        without("department"),
        without("permissions"),
        json!("lee"),
    ] {
        let message = act(&admin, "add", json!([new_user("one"), wrong])).not_ok(200);
        assert!(!message.is_empty(), "{wrong}");
    }
    assert!(act(&admin, "add", without("mail")).not_ok(200).contains("mail"));
    act(&admin, "add", json!([])).not_ok(200);
    admin.post(USER).json(&json!({"action": "add"})).send().not_ok(200);
    let many: Vec<Value> = (0..101).map(|number| new_user(&format!("u{number}"))).collect();
    assert!(act(&admin, "add", json!(many)).not_ok(200).contains("100"));
    assert_eq!(names(&admin), [ADMIN]);
}

#[test]
fn one_changes_oneself_with_the_old_password() {
    let server = Server::start();
    let admin = server.admin();
    act(&admin, "add", json!([new_user("lee"), new_user("other")])).info();
    let role = json!({"username": "lee", "permissions": "27"});
    act(&admin, "update", role).info();
    let lee = sign_in(&server, "lee", "a good password");
    let word = |old: Option<&str>| {
        let mut data = json!({"username": "lee", "new_passwd": "another word 7"});
        if let Some(old) = old {
            data["old_passwd"] = json!(old);
        }
        act(&lee, "update", data)
    };
    assert!(word(None).not_ok(200).contains("old_passwd"));
    assert!(word(Some("wrong")).not_ok(200).contains("原密码错误"));
    // Neither rights nor place are one's own to change; unchanged they may come along.
    act(&lee, "update", json!({"username": "lee", "permissions": "1,27"})).not_ok(403);
    act(&lee, "update", json!({"username": "lee", "permissions": ""})).not_ok(403);
    act(&lee, "update", json!({"username": "lee", "department": "heads"})).not_ok(403);
    act(&lee, "update", json!({"username": "other", "mail": "x@ops.example"})).not_ok(403);
    act(&lee, "update", json!({"username": "ghost", "mail": "x@ops.example"})).not_ok(403);
    let taken = json!({"username": "lee", "mail": "other@ops.example"});
    assert_eq!(act(&lee, "update", taken).not_ok(200), "邮箱已存在");
    let same = json!({
        "username": "Lee", "mail": "lee2@ops.example", "department": "dev", "permissions": "27",
        "old_passwd": "a good password", "new_passwd": "another word 7",
    });
    act(&lee, "update", same).documented("ops.user.update");
    sign_in(&server, "lee", "another word 7");
    assert_eq!(get(&admin, "lee")["mail"], "lee2@ops.example");
    lee.get(USER).send().not_ok(403);
    lee.get(USER).query("username", "other").send().not_ok(403);
    lee.get(USER).query("username", "nobody").send().not_ok(403);
    assert_eq!(get(&lee, "Lee"), get(&admin, "lee"), "one's own record");
    lee.delete(USER).query("username", "other").send().not_ok(403);
    // An administrator who gives the old password gives the right one.
    let wrong = json!({"username": "lee", "old_passwd": "wrong", "new_passwd": "one more word 8"});
    act(&admin, "update", wrong).not_ok(200);
    sign_in(&server, "lee", "another word 7");
}

#[test]
fn rights_by_a_role_are_shown_and_not_taken_here() {
    let server = Server::start();
    let admin = server.admin();
    let new = json!({"name": "tess", "password": "a good password", "roles": ["normal"]});
    admin.post("/api/v1.0/identity/user").json(&new).send().data();
    assert_eq!(get(&admin, "tess")["permissions"], "27");
    act(&admin, "update", json!({"username": "tess", "permissions": "1,27"})).info();
    assert_eq!(get(&admin, "tess")["permissions"], "1,27");
    let less = act(&admin, "update", json!({"username": "tess", "permissions": "1"})).not_ok(200);
    assert!(less.contains("api.view"), "{less}");
    assert_eq!(get(&admin, "tess")["permissions"], "1,27");
    act(&admin, "update", json!({"username": "tess", "permissions": "27"})).info();
    assert_eq!(get(&admin, "tess")["permissions"], "27");
}

#[test]
fn neither_oneself_nor_the_last_administrator_is_deleted() {
    let server = Server::start();
    let admin = server.admin();
    let own = admin.delete(USER).query("username", ADMIN).send().not_ok(200);
    assert!(own.contains("您自己的账号"), "{own}");
    admin.delete(USER).send().not_ok(200);
    admin.delete(USER).query("username", "ghost").send().not_ok(200);
    let mut user = new_user("lee");
    user["permissions"] = json!("2,3");
    act(&admin, "add", user).info();
    let lee = sign_in(&server, "lee", "a good password");
    lee.delete(USER).query("username", ADMIN).send().not_ok(403);
    assert_eq!(names(&admin), [ADMIN, "lee"]);
}

#[test]
fn whether_somebody_is_signed_in_is_told_to_themselves_and_to_who_may_see_users() {
    let server = Server::start();
    let admin = server.admin();
    act(&admin, "add", json!([new_user("lee"), new_user("other")])).info();
    act(&admin, "update", json!({"username": "lee", "permissions": ""})).info();
    let ask = |client: &Client, name: &str| {
        client.get(LOGIN).query("username", name).send().documented("ops.login.check")
    };
    assert_eq!(ask(&admin, "lee"), "login timeout");
    let lee = sign_in(&server, "lee", "a good password");
    assert_eq!((ask(&admin, "lee"), ask(&lee, "LEE")), (json!("login"), json!("login")));
    assert_eq!(ask(&admin, "ghost"), "login timeout");
    // Strangers learn that they are strangers, whoever they ask about.
    for name in ["lee", "other", "ghost", ADMIN] {
        assert_eq!(ask(&server.client(), name), "login timeout");
    }
    for name in ["other", "ghost"] {
        lee.get(LOGIN).query("username", name).send().not_ok(403);
    }
    admin.get(LOGIN).send().not_ok(200);
    lee.get("/api/account/logout").send().expect_status(204);
    assert_eq!(
        (ask(&lee, "lee"), ask(&admin, "lee")),
        (json!("login timeout"), json!("login timeout"))
    );
}

#[test]
fn both_spellings_sign_in_and_wrong_ones_look_alike() {
    let server = Server::start();
    for field in ["name", "username"] {
        let body = json!({field: ADMIN, "password": PASSWORD});
        let info = server.client().post(LOGIN).json(&body).send().documented("ops.login.login");
        let token = info["access_token"].as_str().expect("a token");
        let client = server.client().with_header("Authorization", token);
        assert_eq!(client.get("/api/account").send().json()["handle"], ADMIN);
    }
    let wrong = |name: &str| {
        let body = json!({"name": name, "password": "not the password"});
        server.client().post(LOGIN).json(&body).send().not_ok(200)
    };
    assert_eq!(wrong(ADMIN), wrong("ghost"));
    server.client().post(LOGIN).json(&json!({"name": ADMIN})).send().not_ok(200);
    server.client().post(LOGIN).send().not_ok(200);
}

#[test]
fn permissions_are_listed_by_their_numbers() {
    let server = Server::start();
    let admin = server.admin();
    let all = admin.get(PERMISSION).send().documented("ops.permission.list");
    let count = all["count"].as_u64().expect("a count");
    assert_eq!(all["data"].as_array().map(|rows| rows.len() as u64), Some(count));
    let second = json!({
        "permission": "users.manage", "permission_desc": "创建、修改和删除用户", "permission_code": 2,
    });
    assert_eq!(all["data"][1], second);
    let page = admin.get(PERMISSION).query("start", 2).query("count", 3).send();
    let page = page.documented("ops.permission.list");
    let codes = |list: &Value| -> Vec<u64> {
        let rows = list["data"].as_array().expect("rows").iter();
        rows.filter_map(|row| row["permission_code"].as_u64()).collect()
    };
    assert_eq!((codes(&page), &page["count"]), (vec![2, 3, 4], &json!(count)));
    act(&admin, "add", json!([new_user("lee"), new_user("other")])).info();
    act(&admin, "update", json!({"username": "lee", "permissions": "1,27"})).info();
    let of = |client: &Client, name: &str| client.get(PERMISSION).query("username", name).send();
    let lee = sign_in(&server, "lee", "a good password");
    for client in [&admin, &lee] {
        let own = of(client, "lee").documented("ops.permission.list");
        assert_eq!((codes(&own), &own["count"]), (vec![1, 27], &json!(2)));
    }
    of(&lee, "other").not_ok(403);
    of(&lee, "ghost").not_ok(403);
    of(&admin, "ghost").not_ok(200);
    admin.get(PERMISSION).query("start", "two").send().not_ok(200);
}
