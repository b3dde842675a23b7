//! Text that is not what it looks like, or that the layers below cannot carry.

use serde_json::{Value, json};

use crate::refused::{refused, rows};
use crate::support::Server;

const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn text_that_is_no_utf_8_is_refused_and_nothing_is_stored_of_it() {
    let server = Server::start();
    let admin = server.admin();
    let before = rows(&admin, POOLS);
    // 教室 in GBK, as a form of a page in that encoding sends it, and as nobody should.
    for body in
        [&b"name=%BD%CC%CA%D2&desc=x"[..], b"name=\xbd\xcc\xca\xd2&desc=x", b"name=x&desc=%BD%CC"]
    {
        let answer = admin.post(POOLS).bytes(FORM, body.to_vec()).send();
        refused(&answer, 400, "text-not-utf8");
    }
    refused(&admin.get(&format!("{POOLS}?name=%BD%CC")).send(), 400, "text-not-utf8");
    let lost = admin.post(POOLS).json(&json!({"name": "\u{fffd}\u{fffd}", "desc": ""})).send();
    refused(&lost, 400, "text-not-utf8");
    assert_eq!(rows(&admin, POOLS), before);
    let good = admin.post(POOLS).form(&[("name", "教室"), ("desc", "x")]).send().data();
    assert_eq!(good["name"], "教室");
}

#[test]
fn one_name_is_one_name_however_its_accents_are_typed() {
    let server = Server::start();
    let admin = server.admin();
    let add = |name: &str| admin.post(POOLS).json(&json!({"name": name, "desc": ""})).send();
    assert_eq!(add("cafe\u{301}").data()["name"], "caf\u{e9}");
    let again = add("caf\u{e9}");
    again.expect_status(409);
    let group = |name: &str| {
        admin
            .post("/api/v1.0/identity/group")
            .json(&json!({"name": name, "permissions": []}))
            .send()
    };
    group("cafe\u{301}").data();
    group("caf\u{e9}").expect_status(409);
}

#[test]
fn longer_text_has_lines_and_nothing_that_no_page_can_show() {
    let server = Server::start();
    let admin = server.admin();
    let add = |name: &str, desc: &str| {
        admin.post(POOLS).json(&json!({"name": name, "desc": desc})).send()
    };
    for desc in ["a\u{0}b", "a\u{1b}[31mb", "a\u{ffff}", "a\u{fdd0}"] {
        refused(&add("a", desc), 400, "name-character");
    }
    let made = add("a", "first\nsecond\t\u{200b}").data();
    assert_eq!(made["desc"], "first\nsecond\t\u{200b}");
    let user = |more: Value| {
        let mut user = json!({"name": "lee", "password": "a good password", "roles": ["normal"]});
        user.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        admin.post("/api/v1.0/identity/user").json(&user).send()
    };
    for field in ["full_name", "phone", "department"] {
        refused(&user(json!({field: "Lee\u{202e}eeL"})), 400, "name-character");
    }
    let made = user(json!({"full_name": "Jose\u{301} 李"})).data();
    assert_eq!(made["full_name"], "José 李");
}
