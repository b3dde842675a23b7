//! Groups and names as real directories have them.

use serde_json::json;

use super::slapd::{BASE, Slapd};
use super::{forget_failures, login, refused, row};
use crate::support::Server;

/// A server on which being in the group of this name, as settings write it, makes an administrator.
fn server(directory: &Slapd, group: &str) -> Server {
    let written = format!("{group},ou=groups,{BASE}").replace('\\', "\\\\");
    let written = written.replace('"', "\\\"");
    let map = format!(r#"{{ "{written}" = ["admin"] }}"#);
    directory.asked_by(Server::with()).env("CARREL_LDAP_GROUP_ROLES", map).start()
}

#[test]
fn the_name_of_a_group_may_hold_what_names_are_written_with() {
    let directory = Slapd::start();
    for group in ["IT\\, central", "\\#1 R\\+D \\\"x\\\" ", "王老师"] {
        directory.group(group);
        directory.join("anna", group);
    }
    for written in [
        "cn=IT\\, central",
        "CN=it\\2C Central",
        "cn=\\231 R\\2BD \\22x\\22\\20",
        "cn=\\#1 R\\+D \\\"x\\\"",
        "cn=\\E7\\8E\\8B\\E8\\80\\81\\E5\\B8\\88",
    ] {
        let server = server(&directory, written);
        login(&server, "anna", "annas password").expect_status(201);
        assert_eq!(row(&server.admin(), "anna")["roles"], json!(["admin"]), "{written}");
    }
    let server = server(&directory, "cn=IT,cn=central");
    login(&server, "anna", "annas password").expect_status(201);
    assert_eq!(row(&server.admin(), "anna")["roles"], json!(["normal"]));
}

#[test]
fn groups_that_know_their_members_by_name_are_searched_by_it() {
    let directory = Slapd::start();
    let staff = format!("cn=staff,ou=groups,{BASE}");
    let attributes = [
        ("objectClass", "posixGroup"),
        ("cn", "staff"),
        ("gidNumber", "700"),
        ("memberUid", "anna"),
        ("memberUid", "o'neil (it)*"),
    ];
    directory.add(&staff, &attributes);
    directory.person("o'neil (it)*", "oneil@school.example", "oneils password");
    let server = directory
        .asked_by(Server::with())
        .env("CARREL_LDAP_GROUP_BASE_DN", format!("ou=groups,{BASE}"))
        .env("CARREL_LDAP_GROUP_FILTER", "(&(objectClass=posixGroup)(memberUid={login}))")
        // What is typed need not be the name that the group knows.
        .env("CARREL_LDAP_USER_FILTER", "(|(uid={login})(mail={login}))")
        .env("CARREL_LDAP_GROUP_ROLES", format!(r#"{{ "{staff}" = ["operator"] }}"#))
        .start();
    for typed in ["anna", "ANNA", "anna@school.example"] {
        login(&server, typed, "annas password").expect_status(201);
        assert_eq!(row(&server.admin(), "anna")["roles"], json!(["operator"]), "{typed}");
    }
    login(&server, "bert", "berts password").expect_status(201);
    assert_eq!(row(&server.admin(), "bert")["roles"], json!(["normal"]));
    let answer = login(&server, "o'neil (it)*", "oneils password");
    refused(&answer, "outsider-name-unusable");
}

#[test]
fn people_are_called_what_the_directory_calls_them() {
    let directory = Slapd::start();
    for (uid, mail) in [("o'neil", "oneil"), ("mary jane", "mary"), ("阿里木·买买提", "alim")]
    {
        directory.person(uid, &format!("{mail}@school.example"), "the password");
    }
    let server = directory.asked_by(Server::with()).start();
    for name in ["o'neil", "mary jane", "Mary  Jane", "阿里木·买买提"] {
        login(&server, name, "the password").expect_status(201);
        refused(&login(&server, name, "a guess"), "sign-in-failed");
        forget_failures(&server);
        // Once more, now that the account is there.
        login(&server, name, "the password").expect_status(201);
    }
    let admin = server.admin();
    let mary = row(&admin, "mary jane");
    assert_eq!(mary["source"], "ldap");
    // It can be worked with like any other, here and at the command line.
    let path = format!("{}/{}", super::USER, mary["uuid"].as_str().expect("id"));
    admin.put(&path).json(&json!({"name": "mary jane", "phone": "5"})).send().data();
    assert!(server.run(&["admin", "disable", "mary jane"], "").status.success());
    refused(&login(&server, "mary jane", "the password"), "account-disabled");
}

#[test]
fn who_has_a_name_that_cannot_be_used_here_is_told_so() {
    let directory = Slapd::start();
    directory.person("a/b", "ab@school.example", "the password");
    let server = directory.asked_by(Server::with()).start();
    let answer = login(&server, "a/b", "the password");
    refused(&answer, "outsider-name-unusable");
    assert!(answer.body.contains("a/b"), "{}", answer.body);
    // Not whoever only guesses.
    refused(&login(&server, "a/b", "a guess"), "sign-in-failed");
    forget_failures(&server);
    directory.rename("a/b", "ab");
    login(&server, "ab", "the password").expect_status(201);
}
