//! Document 000: one's own account, and those of others for administrators.

use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, Client, PASSWORD, Server};

const ACCOUNT: &str = "/account/";
const MANAGER: &str = "/account/manager";

fn add(server: &Server, user: &str, role: &str) -> Client {
    let output = server.run(&["admin", "add", user, "--role", role], "a good password");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    server.client().sign_in(user, "a good password")
}

fn id_of(client: &Client) -> i64 {
    client.get(ACCOUNT).send().data()["id"].as_i64().expect("an id")
}

fn names(admin: &Client) -> Vec<String> {
    let list = admin.get(MANAGER).query("size", 1_000).send().data();
    let rows = list["item_list"].as_array().expect("rows").iter();
    rows.map(|row| row["username"].as_str().expect("a name").to_owned()).collect()
}

/// Code, message and empty data, in the document's language.
#[track_caller]
fn refused(answer: &Answer, status: u16, message: &str) {
    answer.expect_status(status);
    assert_eq!(answer.json(), json!({"code": 1, "msg": message, "data": ""}), "{}", answer.what);
}

#[test]
fn one_changes_oneself_field_by_field() {
    let server = Server::start();
    let jack = add(&server, "jack", "normal");
    let other = server.client().sign_in("jack", "a good password");
    let edit = |fields: &[(&str, &str)]| jack.patch(ACCOUNT).form(fields).send();
    let done = edit(&[("username", "jack0")]);
    assert_eq!(done.documented("analysis.account.update"), "更新成功");
    done.expect(json!({"code": 0, "msg": "", "data": "更新成功"}));
    edit(&[("email", "jack@lab.example")]).documented("analysis.account.update");
    let me = jack.get(ACCOUNT).send().documented("analysis.account.me");
    let expected = json!({
        "id": me["id"], "username": "jack0", "email": "jack@lab.example", "role_list": ["normal"],
    });
    assert_eq!(me, expected);
    other.get(ACCOUNT).send().data();
    let both = [("password", "another word 7"), ("password_again", "another word 7")];
    edit(&both).documented("analysis.account.update");
    jack.get(ACCOUNT).send().data();
    other.get(ACCOUNT).send().expect_status(401);
    server.client().sign_in("jack@lab.example", "another word 7");
    // JSON does as well, and nothing changes nothing.
    jack.patch(ACCOUNT).json(&json!({})).send().documented("analysis.account.update");
    assert_eq!(jack.get(ACCOUNT).send().data(), expected);
}

#[test]
fn what_does_not_fit_changes_nothing_of_oneself() {
    let server = Server::start();
    let ann = add(&server, "ann", "normal");
    ann.patch(ACCOUNT).form(&[("email", "ann@lab.example")]).send().data();
    let jack = add(&server, "jack", "normal");
    let before = jack.get(ACCOUNT).send().data();
    let edit = |fields: &[(&str, &str)]| jack.patch(ACCOUNT).form(fields).send();
    refused(&edit(&[("email", "ann@lab.example")]), 200, "邮箱已存在");
    let differ = "两次输入的密码不一致";
    refused(&edit(&[("password", "another word 7")]), 200, differ);
    refused(&edit(&[("password", "another word 7"), ("password_again", "other")]), 200, differ);
    for fields in [
        &[("username", "ANN")][..],
        &[("username", "аnn")],
        &[("username", "../jack")],
        &[("username", "ｊack"), ("email", "no address")],
        &[("password", "short"), ("password_again", "short")],
        &[("password", ""), ("password_again", "")],
        &[("password", "password"), ("password_again", "password")],
        &[("username", "john"), ("password", "jack"), ("password_again", "jack")],
        &[
            ("password", "another word 7"),
            ("password_again", "another word 7"),
            ("old_password", "wrong"),
        ],
    ] {
        edit(fields).refusal();
    }
    assert_eq!(jack.get(ACCOUNT).send().data(), before);
    server.client().sign_in("jack", "a good password");
    // One's own name in other letters is no other name.
    edit(&[("username", "Jack")]).documented("analysis.account.update");
}

#[test]
fn long_and_unicode_passwords_count_whole() {
    let server = Server::start();
    let jack = add(&server, "jack", "normal");
    for password in ["八个字的密码可以的", &"0123456789ab".repeat(10), "emoji 😀 and spaces "]
    {
        let both = [("password", password), ("password_again", password)];
        jack.patch(ACCOUNT).form(&both).send().documented("analysis.account.update");
        server.client().sign_in("jack", password);
        let cut: String = password.chars().take(password.chars().count() - 1).collect();
        let form = [("email", "jack"), ("password", cut.as_str())];
        server.client().post(ACCOUNT).query("action", "login").form(&form).send().refusal();
    }
}

#[test]
fn users_are_listed_by_page() {
    let server = Server::start();
    let admin = server.admin();
    for number in 1..=6 {
        add(&server, &format!("user{number}"), "normal");
    }
    let page =
        |page: &str, size: &str| admin.get(MANAGER).query("page", page).query("size", size).send();
    let first = page("1", "5").documented("analysis.account.manager-list");
    assert_eq!(first["total_count"], 7);
    let rows = first["item_list"].as_array().expect("rows");
    assert_eq!(rows.len(), 5);
    let row = json!({
        "id": rows[0]["id"], "username": ADMIN, "email": "", "is_active": true, "role": ["admin"],
    });
    assert_eq!(rows[0], row);
    let ids: Vec<i64> = rows.iter().filter_map(|row| row["id"].as_i64()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    let second = page("2", "5").documented("analysis.account.manager-list");
    assert_eq!(second["item_list"].as_array().map(Vec::len), Some(2));
    assert_eq!(page("9", "5").data()["item_list"], json!([]));
    for (number, size) in [("-1", "5"), ("one", "5"), ("1", "-5"), ("1", "99999999999")] {
        page(number, size).refusal();
    }
    refused(
        &add(&server, "jack", "normal").get(MANAGER).send(),
        403,
        "非管理员用户不能查看用户列表",
    );
}

#[test]
fn users_are_deleted_all_or_none() {
    let server = Server::start();
    let admin = server.admin();
    let (ann, bob) = (add(&server, "ann", "normal"), add(&server, "bob", "normal"));
    let ids = [id_of(&ann), id_of(&bob)];
    let delete =
        |client: &Client, ids: Value| client.delete(MANAGER).json(&json!({"ids": ids})).send();
    refused(&delete(&bob, json!([ids[0]])), 403, "非管理员用户不能删除用户");
    let own = delete(&admin, json!([ids[0], id_of(&admin)]));
    assert!(own.refusal().contains("您自己的账号"), "{}", own.body);
    assert!(delete(&admin, json!([ids[0], 4_711])).refusal().contains("4711"));
    for wrong in [json!([]), json!(["x"]), json!([null]), json!(ids[0]), json!(null)] {
        delete(&admin, wrong).refusal();
    }
    assert_eq!(names(&admin), [ADMIN, "ann", "bob"], "nothing changed");
    let done = delete(&admin, json!([ids[0], ids[1].to_string(), ids[0]]));
    assert_eq!(done.documented("analysis.account.manager-delete"), 2);
    assert_eq!(names(&admin), [ADMIN]);
    ann.get(ACCOUNT).send().expect_status(401);

    let log = admin.get("/api/v1.0/index/get_operation_log/").query("module", "identity");
    let rows = log.header("Accept-Language", "en").send().data()["results"].take();
    let of = |succeeded: bool| {
        let rows = rows.as_array().expect("rows").iter();
        rows.filter(|row| {
            let content = row["content"].as_str().unwrap_or_default();
            row["succeeded"] == succeeded && content.starts_with("Delete the user \"ann")
        })
        .count()
    };
    assert_eq!((of(true), of(false)), (1, 2), "{rows:#}");
}

#[test]
fn roles_are_changed_and_users_switched_off() {
    let server = Server::start();
    let admin = server.admin();
    let bob = add(&server, "bob", "normal");
    let id = id_of(&bob);
    let edit =
        |client: &Client, body: Value| client.patch(MANAGER).query("page", 1).json(&body).send();
    let body = json!({"userid": id, "role": ["admin"]});
    refused(&edit(&bob, body.clone()), 403, "非管理员用户不能修改用户角色");
    edit(&admin, body).documented("analysis.account.manager-update");
    assert_eq!(bob.get(ACCOUNT).send().data()["role_list"], json!(["admin"]));
    let both = json!({"userid": id.to_string(), "role": ["teacher", "analyst"]});
    edit(&admin, both).documented("analysis.account.manager-update");
    assert_eq!(bob.get(ACCOUNT).send().data()["role_list"], json!(["teacher", "analyst"]));

    for field in ["is_active", "active"] {
        edit(&admin, json!({"userid": id, field: false})).data();
        bob.get(ACCOUNT).send().expect_status(401);
        let form = [("email", "bob"), ("password", "a good password")];
        server.client().post(ACCOUNT).query("action", "login").form(&form).send().refusal();
        edit(&admin, json!({"userid": id, field: true})).data();
        server.client().sign_in("bob", "a good password");
    }
    let me = id_of(&admin);
    for wrong in [
        json!({"role": ["admin"]}),
        json!({"userid": 4_711, "role": ["admin"]}),
        json!({"userid": id, "role": ["emperor"]}),
        json!({"userid": id, "role": "admin"}),
        json!({"userid": id, "is_active": "perhaps"}),
        // the last administrator, and oneself
        json!({"userid": me, "role": ["normal"]}),
        json!({"userid": me, "is_active": false}),
    ] {
        edit(&admin, wrong).refusal();
    }
    assert_eq!(admin.get(ACCOUNT).send().data()["role_list"], json!(["admin"]));
    let list = admin.get(MANAGER).send().documented("analysis.account.manager-list");
    assert_eq!(list["item_list"][1]["role"], json!(["teacher", "analyst"]), "{list:#}");
}

#[test]
fn who_manages_users_does_not_become_an_administrator_by_it() {
    let server = Server::start();
    let admin = server.admin();
    let role = json!({"code": "clerk", "permissions": ["users.view", "users.manage", "api.view"]});
    admin.post("/api/v1.0/identity/role").json(&role).send().data();
    let clerk = add(&server, "clerk1", "clerk");
    let bob = add(&server, "bob", "normal");
    let (me, other, boss) = (id_of(&clerk), id_of(&bob), id_of(&admin));
    let edit = |body: Value| clerk.patch(MANAGER).json(&body).send();
    for body in [
        json!({"userid": me, "role": ["admin"]}),
        json!({"userid": other, "role": ["admin"]}),
        json!({"userid": other, "role": ["operator"]}),
        json!({"userid": boss, "role": []}),
        json!({"userid": boss, "is_active": false}),
    ] {
        edit(body).expect_status(403).expect(json!({"code": 1, "msg": "<text>", "data": ""}));
    }
    clerk.delete(MANAGER).json(&json!({"ids": [boss]})).send().expect_status(403);
    let all = json!({"action": "update", "data": {"username": "bob", "permissions": "4,27"}});
    clerk.post("/api/user").json(&all).send().not_ok(403);
    let word =
        json!({"action": "update", "data": {"username": ADMIN, "new_passwd": "my own word 9"}});
    clerk.post("/api/user").json(&word).send().not_ok(403);
    server.client().sign_in(ADMIN, PASSWORD);
    assert_eq!(clerk.get(ACCOUNT).send().data()["role_list"], json!(["clerk"]));
    // What they have themselves they may give.
    edit(json!({"userid": other, "role": ["clerk"]})).data();
}

#[test]
fn roles_are_listed_with_their_permissions() {
    let server = Server::start();
    let jack = add(&server, "jack", "normal");
    let roles = jack.get("/role").send().documented("analysis.role.list");
    let codes: Vec<&str> =
        roles.as_array().expect("rows").iter().filter_map(|role| role["code"].as_str()).collect();
    assert_eq!(codes, ["admin", "normal", "operator", "auditor", "teacher", "analyst"]);
    assert_eq!(roles[1], json!({"id": 2, "code": "normal", "permission2action": ["api.view"]}));
    let all = roles[0]["permission2action"].as_array().expect("permissions");
    assert!(all.contains(&json!("users.manage")));
    server.client().get("/role").send().expect_status(401);
}
