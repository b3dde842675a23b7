//! Users' ssh keys on a node, tried with a real ssh client against the node's own sshd.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, LabNode, PASSWORD, Server, wait_until};

/// A pass over keys follows a change at once; this only bounds a hang.
const PATIENCE: Duration = Duration::from_secs(60);

const GRANTS: &str = "/api/v1.0/identity/ssh_grant";

/// Makes a key pair in the node and gives its public line.
fn key_pair(node: &LabNode, name: &str) -> String {
    let path = format!("/var/lib/carrel/{name}");
    node.exec(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &path]);
    node.exec(&["cat", &format!("{path}.pub")])
}

/// As whom the key signs in; `None` when sshd refuses it.
fn signs_in(node: &LabNode, key: &str, system_user: &str) -> Option<String> {
    let (key, to) = (format!("/var/lib/carrel/{key}"), format!("{system_user}@127.0.0.1"));
    let options = ["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"];
    let mut command = vec!["ssh", "-i", &key];
    command.extend(options);
    command.extend([to.as_str(), "id", "-un"]);
    let output = node.try_exec(&command);
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn make_user(admin: &Client, name: &str) -> String {
    let body = json!({"name": name, "password": PASSWORD, "roles": ["normal"]});
    let made = admin.post("/api/v1.0/identity/user").json(&body).send();
    made.data()["uuid"].as_str().expect("a uuid").to_owned()
}

fn grant(admin: &Client, user: &str, node: &Value, system_user: &str) -> String {
    let body = json!({"user_uuid": user, "node_uuid": node, "system_user": system_user});
    let made = admin.post(GRANTS).json(&body).send();
    let data = made.data();
    assert_eq!(data["reason"], Value::Null, "{data}");
    data["uuid"].as_str().expect("a uuid").to_owned()
}

fn local_node(admin: &Client) -> Value {
    let nodes = admin.get("/api/v1.0/resource_mgr/controller_nodes").send();
    nodes.data()["results"][0]["uuid"].clone()
}

#[test]
fn keys_let_in_where_granted_and_go_with_their_user() {
    let node = LabNode::up();
    let mut server = Server::with().on(&node).start();
    let admin = server.admin();
    // no password, but not locked either: without PAM sshd refuses locked accounts
    node.exec(&["useradd", "-m", "-s", "/bin/sh", "-p", "*", "ops"]);
    let public = key_pair(&node, "lee");
    let lee = make_user(&admin, "lee");
    let keys = format!("/api/v1.0/identity/user/{lee}/ssh_key");
    let added = admin.post(&keys).json(&json!({"key": public})).send();
    assert_eq!(added.data()["name"], "lee");
    assert_eq!(signs_in(&node, "lee", "ops"), None, "a key alone lets nobody in");

    let here = local_node(&admin);
    let as_ops = grant(&admin, &lee, &here, "ops");
    grant(&admin, &lee, &here, "root");
    assert_eq!(signs_in(&node, "lee", "ops").as_deref(), Some("ops"));
    assert_eq!(signs_in(&node, "lee", "root").as_deref(), Some("root"));

    // a second key counts at once, a key that somebody put there by hand stays
    let second = key_pair(&node, "lee2");
    admin.post(&keys).json(&json!({"key": second, "name": "laptop"})).send().expect_status(200);
    wait_until("the second key lets in", PATIENCE, || signs_in(&node, "lee2", "ops").is_some());
    let own = key_pair(&node, "byhand");
    node.exec(&["sh", "-c", "echo \"$0\" >>/home/ops/.ssh/authorized_keys", &own]);
    let found = admin.get("/api/v1.0/identity/ssh_key").send().data();
    let of_ops = |found: &Value| -> Vec<Value> {
        let keys = found["keys"].as_array().expect("keys").iter();
        keys.filter(|key| key["system_user"] == "ops").map(|key| key["user_name"].clone()).collect()
    };
    assert_eq!(of_ops(&found), [json!("lee"), json!("lee"), Value::Null]);

    // as document 004 tells it
    let ask = |mode: &str, name: &str, value: &str| {
        let answer = admin.get("/api/ssh_key_manage").query("mode", mode).query(name, value).send();
        answer.documented("ops.ssh-key-manage.list")["data"].clone()
    };
    let nodes = admin.get("/api/v1.0/resource_mgr/controller_nodes").send().data();
    let ip = nodes["results"][0]["ip"].as_str().expect("an address").to_owned();
    let entry = |name: &str, user: &str| json!({"username": name, "ip": ip, "system_user": user});
    assert_eq!(ask("user", "username", "lee"), json!([entry("lee", "ops"), entry("lee", "root")]));
    let at_node = ask("ip", "ip", &ip);
    for expected in [entry("", "ops"), entry("lee", "ops"), entry("lee", "root")] {
        assert!(at_node.as_array().expect("rows").contains(&expected), "{at_node}");
    }
    let unknown =
        admin.get("/api/ssh_key_manage").query("mode", "ip").query("ip", "192.0.2.9").send();
    assert_eq!(unknown.json()["ok"], false);

    admin.delete(&format!("{GRANTS}/{as_ops}")).send().expect_status(200);
    assert_eq!(signs_in(&node, "lee", "ops"), None);
    assert_eq!(signs_in(&node, "byhand", "ops").as_deref(), Some("ops"));
    assert_eq!(signs_in(&node, "lee", "root").as_deref(), Some("root"));

    // switched off while the server is away: it is caught up when the node is there again
    server.kill();
    assert!(server.run(&["admin", "disable", "lee"], "").status.success());
    server.start_again();
    wait_until("lee is shut out", PATIENCE, || signs_in(&node, "lee", "root").is_none());
    assert!(server.run(&["admin", "enable", "lee"], "").status.success());
    server.kill();
    server.start_again();
    wait_until("lee is let in again", PATIENCE, || signs_in(&node, "lee", "root").is_some());

    let admin = server.admin();
    admin
        .delete("/api/v1.0/identity/user")
        .json(&json!({"uuids": [lee]}))
        .send()
        .expect_status(200);
    wait_until("lee's keys are gone", PATIENCE, || signs_in(&node, "lee", "root").is_none());
    assert!(!node.exec(&["cat", "/root/.ssh/authorized_keys"]).contains("carrel:"));
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let admin = server.admin();
    let (lee, here) = (make_user(&admin, "lee"), local_node(&admin));
    let keys = format!("/api/v1.0/identity/user/{lee}/ssh_key");
    let public = key_pair(&node, "lee");
    admin.post(&keys).json(&json!({"key": public})).send().expect_status(200);
    for (key, error) in [
        ("", "ssh-key-wrong"),
        ("ssh-ed25519 AAAA", "ssh-key-wrong"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-key-private"),
        (&format!("command=\"id\" {public}"), "ssh-key-wrong"),
        (&format!("{public}\n{public}"), "ssh-key-wrong"),
    ] {
        let refused = admin.post(&keys).json(&json!({"key": key})).send();
        refused.expect_status(400);
        assert_eq!(refused.json()["data"]["error"], error, "{key}");
    }
    let again = admin.post(&keys).json(&json!({"key": public})).send();
    again.expect_status(409);

    node.exec(&["useradd", "-m", "-s", "/usr/sbin/nologin", "robot"]);
    node.exec(&["useradd", "-m", "-s", "/bin/sh", "sly"]);
    // Keys of a service's account are not looked for, so that none could be taken back.
    node.exec(&["useradd", "-r", "-m", "-s", "/bin/sh", "service"]);
    node.exec(&["ln", "-s", "/etc", "/home/sly/.ssh"]);
    for (system_user, status) in [
        ("nobodyhere", 404),
        ("robot", 409),
        ("service", 409),
        ("sly", 409),
        ("../etc", 400),
        ("-oProxy", 400),
        ("", 400),
    ] {
        let body = json!({"user_uuid": lee, "node_uuid": here, "system_user": system_user});
        admin.post(GRANTS).json(&body).send().expect_status(status);
    }
    assert_eq!(admin.get(GRANTS).send().data()["count"], 0);
    assert!(!node.try_exec(&["test", "-e", "/etc/authorized_keys"]).status.success());

    // Who may not let people into nodes does not take over somebody who is let in.
    let body = json!({"user_uuid": lee, "node_uuid": here, "system_user": "root"});
    let granted = admin.post(GRANTS).json(&body).send().data();
    let desk = json!({"name": "desk", "password": PASSWORD, "granted": ["users.manage"]});
    admin.post("/api/v1.0/identity/user").json(&desk).send().expect_status(200);
    let desk = server.client().sign_in("desk", PASSWORD);
    let one = format!("/api/v1.0/identity/user/{lee}");
    let taken = desk.put(&one).json(&json!({"password": "taken over 77"})).send();
    taken.expect_status(403);
    assert_eq!(taken.json()["data"]["error"], "user-has-more-rights");
    let granted = granted["uuid"].as_str().expect("a uuid");
    admin.delete(&format!("{GRANTS}/{granted}")).send().expect_status(200);

    let auditor = json!({"name": "watcher", "password": PASSWORD, "roles": ["auditor"]});
    admin.post("/api/v1.0/identity/user").json(&auditor).send().expect_status(200);
    let watcher = server.client().sign_in("watcher", PASSWORD);
    watcher.get(GRANTS).send().expect_status(200);
    let body = json!({"user_uuid": lee, "node_uuid": here, "system_user": "root"});
    watcher.post(GRANTS).json(&body).send().expect_status(403);
}
