//! The set-up link of a fresh installation.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Server};

/// The token of the latest link that the server printed.
fn token(server: &Server) -> String {
    let line = server.log().wait_for(Duration::from_secs(10), |line| {
        line.strip_prefix("setup link: ").map(str::to_owned)
    });
    assert!(line.is_some(), "no link was printed");
    let last = server.log().matching("setup link: ").pop().expect("a link");
    let (url, token) = last["setup link: ".len()..].split_once("?token=").expect("a token");
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/setup"), "{url}");
    token.to_owned()
}

fn set_up(server: &Server, token: &str, user: &str, password: &str) -> Answer {
    let body = json!({"token": token, "username": user, "password": password});
    server.client().post("/api/v1.0/setup").header("Accept-Language", "en").json(&body).send()
}

fn session(server: &Server) -> Value {
    server.client().get("/api/v1.0/session").send().data()
}

#[test]
fn the_link_makes_the_first_administrator_once() {
    let server = Server::with().without_admin().start();
    let mut told = session(&server);
    assert!(told["time_zone"].take().is_string());
    assert_eq!(
        told,
        json!({"user": null, "permissions": [], "scopes": [], "second_factor_required": false, "setup_needed": true, "registration": false, "to_confirm": null, "sign_in": {"password": true, "oidc": null}, "version": env!("CARGO_PKG_VERSION"), "time_zone": null})
    );
    let token = token(&server);
    assert!(server.base().len() < 30 && token.len() == 64);
    assert!(
        set_up(&server, "0".repeat(64).as_str(), "admin", "a good password")
            .refusal()
            .contains("not valid")
    );
    assert!(set_up(&server, &token, "admin", "short").refusal().contains("8 characters"));
    assert!(set_up(&server, &token, "../admin", "a good password").refusal().contains("username"));
    assert!(session(&server)["setup_needed"] == true, "refusals leave the link valid");

    let answer = set_up(&server, &token, "admin", "a good password");
    answer.data();
    let client = server.client().with_header("Cookie", &answer.cookies());
    let session = client.get("/api/v1.0/session").send().data();
    assert_eq!(session["user"]["roles"], json!(["admin"]));
    assert_eq!(session["setup_needed"], false);
    assert!(session["permissions"].as_array().is_some_and(|list| list.len() > 10));
    server.client().sign_in("admin", "a good password");

    let again = set_up(&server, &token, "second", "a good password");
    assert_eq!(again.status, 409);
    assert!(again.refusal().contains("administrator already"));
}

#[test]
fn of_two_uses_at_the_same_time_one_wins() {
    let server = Server::with().without_admin().start();
    let token = token(&server);
    let users: Vec<String> = (0..6).map(|number| format!("admin{number}")).collect();
    let won = std::thread::scope(|scope| {
        let tries: Vec<_> = users
            .iter()
            .map(|user| scope.spawn(|| set_up(&server, &token, user, "a good password").status))
            .collect();
        tries
            .into_iter()
            .map(|t| t.join().expect("no panic"))
            .filter(|status| *status == 200)
            .count()
    });
    assert_eq!(won, 1);
    let output = server.run(&["admin", "list"], "");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
}

#[test]
fn each_start_prints_a_new_link_until_there_is_an_administrator() {
    let mut server = Server::with().without_admin().start();
    let first = token(&server);
    server.stop();
    let from = server.log().len();
    server.start_again();
    let next = server.log().wait_from(from, Duration::from_secs(10), |line| {
        line.strip_prefix("setup link: ").map(str::to_owned)
    });
    assert!(next.is_some(), "a second link");
    assert_ne!(token(&server), first);
    assert!(set_up(&server, &first, "admin", "a good password").refusal().contains("latest one"));

    // An administrator made on the command line ends it too.
    server.set_password("root", "a good password");
    assert_eq!(set_up(&server, &token(&server), "admin", "a good password").status, 409);
    assert!(session(&server)["setup_needed"] == false);
    server.stop();
    let from = server.log().len();
    server.start_again();
    let none = server
        .log()
        .wait_from(from, Duration::from_secs(2), |line| line.contains("setup link").then_some(()));
    assert!(none.is_none());
}

#[test]
fn on_all_addresses_each_link_opens_and_none_is_0_0_0_0() {
    let server = Server::with().without_admin().listen("[::]:0").start();
    server.log().wait_for(Duration::from_secs(10), |line| {
        (line.starts_with("setup link: ") && line.contains("localhost")).then_some(())
    });
    let lines = server.log().matching("setup link: ");
    assert!(lines.last().is_some_and(|line| line.contains("://localhost:")), "{lines:#?}");
    for line in &lines {
        let (base, token) =
            line["setup link: ".len()..].split_once("/setup?token=").expect("a link");
        assert!(!base.contains("0.0.0.0") && !base.contains("[::]"), "{line}");
        assert_eq!(token.len(), 64);
        let session = crate::support::Client::new(base).get("/api/v1.0/session").send().data();
        assert_eq!(session["setup_needed"], true, "{base}");
    }
    let opens = server.log().matching("the web console opens at ");
    assert_eq!(opens.len(), 1, "{opens:#?}");
    assert!(lines.iter().all(|line| opens[0].contains(line.split('/').nth(2).expect("a host"))));
}
