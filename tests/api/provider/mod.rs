//! Sign-in at an identity provider, against a real one (tests/oidc).

mod browser;
mod odd;
mod tabs;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{ADMIN, Authority, Client, PASSWORD, Provider, Server, Setup, rows, wait_for};
use browser::{Browser, Page};

const BEGIN: &str = "/api/v1.0/identity/oidc/begin";
const CALLBACK: &str = "/api/v1.0/identity/oidc/callback";
const USER: &str = "/api/v1.0/identity/user";
/// Node starts slowly on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The provider, and the server that knows it.
struct Site {
    provider: Provider,
    server: Server,
}

impl Site {
    fn start() -> Self {
        Self::with(Server::with(), &json!({}), "http")
    }

    fn with(setup: Setup, more: &Value, scheme: &str) -> Self {
        let mut provider = Provider::new(&format!("{scheme}://127.0.0.1"), more);
        let server = provider.known_to(setup).start();
        provider.start(server.base());
        Self { provider, server }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.base())
    }

    /// To the provider's sign-in page.
    #[track_caller]
    fn set_out(&self, browser: &mut Browser) -> Page {
        let page = browser.get(&self.url(BEGIN));
        let page = browser.follow(page, |_| false);
        assert!(page.body.contains("name=\"login\""), "{page:?}");
        page
    }

    /// Signs in at the provider; gives the page that leads back.
    #[track_caller]
    fn sign_in_there(&self, browser: &mut Browser, page: &Page, name: &str) -> Page {
        let back = self.url(CALLBACK);
        let form = format!("prompt=login&login={name}&password=anything");
        let page = browser.post(&page.url, &form);
        let page = browser.follow(page, |to| to.starts_with(&back));
        if page.location.is_some() {
            return page;
        }
        let page = browser.post(&page.url, "prompt=consent");
        let page = browser.follow(page, |to| to.starts_with(&back));
        assert!(page.location.is_some(), "{page:?}");
        page
    }

    /// The whole way; gives what Carrel answers at its end.
    #[track_caller]
    fn sign_in(&self, browser: &mut Browser, name: &str) -> Page {
        let page = self.set_out(browser);
        let page = self.sign_in_there(browser, &page, name);
        browser.get(&page.location.expect("the way back"))
    }

    /// With the browser's session.
    #[track_caller]
    fn client(&self, browser: &Browser) -> Client {
        let token = browser.cookie(self.server.base(), "carrel_session").expect("a session");
        self.server.client().with_header("Cookie", &format!("carrel_session={token}"))
    }

    #[track_caller]
    fn row(&self, name: &str) -> Value {
        let list = self.server.admin().get(USER).query("searchtype", "all").query("name", name);
        let found = rows(&list.send());
        found.into_iter().next().unwrap_or_else(|| panic!("no user {name}"))
    }

    /// The names of what the browser remembers of sign-ins that were begun.
    fn begun(&self, browser: &Browser) -> Vec<String> {
        browser.cookies_like(self.server.base(), "carrel_oidc")
    }

    /// Sent to the sign-in page with the reason, and not signed in.
    #[track_caller]
    fn refused(&self, browser: &Browser, page: &Page, error: &str) {
        let place = format!("{}?error={error}", self.url("/signin"));
        let log = self.server.log().tail(5);
        assert_eq!((page.status, page.location.as_deref()), (303, Some(place.as_str())), "{log}");
        assert_eq!(browser.cookie(self.server.base(), "carrel_session"), None);
    }
}

#[test]
fn somebody_signs_in_at_the_provider_and_has_the_roles_of_the_groups() {
    let site = Site::start();
    let offered = site.server.client().get("/api/v1.0/session").send().data()["sign_in"].take();
    let way = json!({"password": true, "oidc": {"name": "School account", "url": BEGIN}});
    assert_eq!(offered, way);

    let mut browser = Browser::new();
    let begun = browser.get(&site.url(BEGIN));
    assert_eq!(begun.status, 303);
    let cookie = begun.cookies.iter().find(|line| line.starts_with("carrel_oidc"));
    let cookie = cookie.expect("what the browser remembers");
    for attribute in ["HttpOnly", "SameSite=Lax", "Max-Age=600", "Path=/api/v1.0/identity/oidc"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    for (name, value) in [("response_type", "code"), ("code_challenge_method", "S256")] {
        assert_eq!(begun.query(name).as_deref(), Some(value));
    }
    let state = begun.query("state").expect("a state");
    assert!(!cookie.contains(&state), "sealed");
    let page = browser.follow(begun, |_| false);
    let page = site.sign_in_there(&mut browser, &page, "anna");
    let end = browser.get(&page.location.expect("the way back"));
    assert_eq!((end.status, end.location), (303, Some(site.url("/"))));
    let session = end.cookies.iter().find(|line| line.starts_with("carrel_session="));
    let session = session.expect("a session");
    assert!(session.contains("HttpOnly") && session.contains("SameSite=Strict"), "{session}");
    assert!(site.begun(&browser).is_empty(), "{:?}", end.cookies);

    let client = site.client(&browser);
    let own = client.get("/api/v1.0/identity/own").send().data();
    assert_eq!((&own["name"], &own["source"]), (&json!("anna"), &json!("oidc")));
    assert_eq!((&own["roles"], &own["full_name"]), (&json!(["teacher"]), &json!("Anna Lee")));
    assert_eq!(own["email"], "anna@school.example");
    // Nobody has a password for it here.
    for password in ["anything", ""] {
        let body = json!({"username": "anna", "password": password});
        let answer = site.server.client().post("/api/account/login").json(&body).send();
        answer.expect_status(400);
    }
    let factor = client.post("/api/v1.0/identity/own/second_factor");
    let factor = factor.json(&json!({"action": "start"})).send();
    assert_eq!(factor.json()["data"]["error"], "second-factor-elsewhere");

    // The groups of each sign-in count, whatever was set here meanwhile.
    let change = json!({"roles": ["admin"]});
    let path = format!("{USER}/{}", own["uuid"].as_str().expect("uuid"));
    site.server.admin().put(&path).json(&change).send().data();
    site.provider.set(&json!({"people": {"anna": {"name": "Anna", "groups": []}}}));
    let end = site.sign_in(&mut Browser::new(), "anna");
    assert_eq!(end.location, Some(site.url("/")));
    let row = site.row("anna");
    assert_eq!((&row["id"], &row["roles"]), (&own["id"], &json!(["normal"])));
    assert_eq!((&row["full_name"], &row["email"]), (&json!("Anna"), &Value::Null));

    let log = site.server.admin().get("/api/v1.0/index/get_operation_log/");
    let log = log.query("user_name", "anna").header("Accept-Language", "en").send();
    let signed_in = |row: &&Value| row["content"] == "Sign in" && row["succeeded"] == true;
    assert_eq!(rows(&log).iter().filter(signed_in).count(), 2, "{}", log.body);
}

#[test]
fn only_the_browser_that_set_out_comes_in_and_once() {
    let site = Site::start();
    let mut browser = Browser::new();
    let page = site.set_out(&mut browser);
    let page = site.sign_in_there(&mut browser, &page, "anna");
    let back = page.location.expect("the way back");
    let memory = site.begun(&browser).pop().expect("what the browser remembers");
    let state = browser.cookie(&back, &memory).expect("what the browser remembers");

    // Another browser, also one that set out itself.
    let mut stranger = Browser::new();
    let page = stranger.get(&back);
    site.refused(&stranger, &page, "oidc-state-wrong");
    stranger.get(&site.url(BEGIN));
    let page = stranger.get(&back);
    site.refused(&stranger, &page, "oidc-state-wrong");
    // Another state, none, or a changed cookie.
    for changed in [back.replace("state=", "state=x"), back.replace("state=", "stat=")] {
        let mut browser = browser.clone();
        let page = browser.get(&changed);
        site.refused(&browser, &page, "oidc-state-wrong");
    }
    let middle = state.len() / 2;
    let other = if &state[middle..=middle] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &state[..middle], &state[middle + 1..]);
    for cookie in ["", "x", &state[1..], &changed] {
        let mut browser = browser.clone();
        browser.set_cookie(&back, &memory, cookie);
        let page = browser.get(&back);
        site.refused(&browser, &page, "oidc-state-wrong");
    }
    // Another provider's answer (RFC 9207).
    let mut confused = browser.clone();
    let page = confused.get(&back.replace("iss=http", "iss=https"));
    site.refused(&confused, &page, "oidc-state-wrong");

    let (mut again, mut first) = (browser.clone(), browser);
    let page = first.get(&back);
    assert_eq!(page.location, Some(site.url("/")), "{page:?}");
    site.client(&first).get("/api/account").send().expect_status(200);
    let page = again.get(&back);
    site.refused(&again, &page, "oidc-state-wrong");
}

#[test]
fn a_token_that_is_not_for_this_sign_in_is_not_believed() {
    let site = Site::start();
    let past = 1_700_000_000;
    for (what, spoil) in [
        ("another client's", json!({"claims": {"aud": "other"}})),
        ("also another client's", json!({"claims": {"aud": ["carrel", "other"]}})),
        ("expired", json!({"claims": {"iat": past, "exp": past + 60}})),
        ("another provider's", json!({"claims": {"iss": "https://evil.example"}})),
        ("another sign-in's", json!({"claims": {"nonce": "x"}})),
        ("signed by somebody else", json!({"key": "foreign"})),
        ("not signed", json!({"algorithm": "none"})),
        ("signed with the client's secret", json!({"algorithm": "HS256"})),
        ("somebody else's", json!({"claims": {"sub": "bert"}})),
    ] {
        site.provider.set(&json!({"spoil": spoil}));
        let mut browser = Browser::new();
        let page = site.sign_in(&mut browser, "anna");
        println!("{what}");
        site.refused(&browser, &page, "oidc-token-wrong");
    }
    site.provider.set(&json!({"spoil": null}));
    let mut browser = Browser::new();
    // A sign-in of the same browser that was begun with another nonce.
    let begun = browser.get(&site.url(BEGIN));
    let there = begun.location.expect("the way there");
    let nonce = there.split("nonce=").nth(1).and_then(|rest| rest.split('&').next());
    let changed = there.replace(nonce.expect("a nonce"), "of-another-sign-in");
    let page = browser.get(&changed);
    let page = browser.follow(page, |_| false);
    let page = site.sign_in_there(&mut browser, &page, "anna");
    let page = browser.get(&page.location.expect("the way back"));
    site.refused(&browser, &page, "oidc-token-wrong");
    // A code for another client.
    let mut browser = Browser::new();
    let begun = browser.get(&site.url(BEGIN));
    let changed = begun.location.expect("way").replace("client_id=carrel", "client_id=other");
    let page = browser.get(&changed);
    let page = browser.follow(page, |_| false);
    let page = site.sign_in_there(&mut browser, &page, "anna");
    let page = browser.get(&page.location.expect("the way back"));
    site.refused(&browser, &page, "oidc-refused");

    let none = site.server.admin().get(USER).query("searchtype", "all").query("name", "anna");
    assert!(rows(&none.send()).is_empty(), "no account was made");
    assert_eq!(site.sign_in(&mut Browser::new(), "anna").location, Some(site.url("/")));
}

#[test]
fn who_stops_at_the_provider_is_told_so() {
    let site = Site::start();
    let mut browser = Browser::new();
    let page = site.set_out(&mut browser);
    let page = browser.get(&format!("{}/abort", page.url));
    let page = browser.follow(page, |to| to.starts_with(&site.url(CALLBACK)));
    assert_eq!(page.query("error").as_deref(), Some("access_denied"));
    let page = browser.get(&page.location.expect("the way back"));
    site.refused(&browser, &page, "oidc-denied");
}

#[test]
fn an_account_here_is_never_taken_over() {
    let site = Site::start();
    let admin = site.server.admin();
    let head = json!({"name": "head", "password": PASSWORD, "email": "head@school.example", "roles": ["admin"]});
    admin.post(USER).json(&head).send().data();
    site.provider.set(&json!({"people": {
        ADMIN: {"name": "Not the admin", "groups": ["teachers"]},
        "eve": {"email": "head@school.example", "email_verified": true, "groups": []},
        "nobody": {"preferred_username": null, "groups": []},
        "odd": {"preferred_username": "../odd", "groups": []},
    }}));
    let mut browser = Browser::new();
    let page = site.sign_in(&mut browser, ADMIN);
    site.refused(&browser, &page, "outsider-name-taken");
    assert_eq!(site.row(ADMIN)["source"], "local");
    assert_eq!(site.sign_in(&mut Browser::new(), "eve").location, Some(site.url("/")));
    assert_eq!(site.row("eve")["email"], Value::Null);
    assert_eq!(site.row("head")["email"], "head@school.example");
    // An address that nobody checked is not taken over either.
    assert_eq!(site.sign_in(&mut Browser::new(), "bert").location, Some(site.url("/")));
    assert_eq!(site.row("bert")["email"], Value::Null);
    for (name, error) in [("nobody", "oidc-without-name"), ("odd", "outsider-name-unusable")] {
        let mut browser = Browser::new();
        let page = site.sign_in(&mut browser, name);
        site.refused(&browser, &page, error);
    }
    let log = admin.get("/api/v1.0/index/get_operation_log/").query("user_name", ADMIN);
    let refused = |row: &Value| row["succeeded"] == false;
    assert!(rows(&log.query("module", "identity").send()).iter().any(refused));

    // Switched off here is out, whoever the provider says it is.
    let path = format!("{USER}/{}", site.row("bert")["uuid"].as_str().expect("uuid"));
    admin.put(&path).json(&json!({"enabled": false})).send().data();
    let mut browser = Browser::new();
    let page = site.sign_in(&mut browser, "bert");
    site.refused(&browser, &page, "account-disabled");
}

#[test]
fn the_provider_may_be_away_and_change_its_keys() {
    let mut site = Site::with(Server::with(), &json!({"claimsInToken": true}), "http");
    assert_eq!(site.sign_in(&mut Browser::new(), "anna").location, Some(site.url("/")));
    // Away between setting out and coming back.
    let mut browser = Browser::new();
    let page = site.set_out(&mut browser);
    let page = site.sign_in_there(&mut browser, &page, "anna");
    site.provider.stop();
    let page = browser.get(&page.location.expect("the way back"));
    site.refused(&browser, &page, "oidc-unreachable");
    site.server.client().sign_in(ADMIN, PASSWORD);
    // Back with other keys: those that are known are asked for again.
    site.provider.start_again();
    wait_for("a sign-in with the new keys", LIMIT, || {
        let end = site.sign_in(&mut Browser::new(), "anna");
        (end.location == Some(site.url("/"))).then_some(())
    });
    // Away before anything is known of it.
    site.provider.stop();
    site.server.kill_and_start();
    let mut browser = Browser::new();
    let page = browser.get(&site.url(BEGIN));
    site.refused(&browser, &page, "oidc-unreachable");
    let doctor = site.server.run(&["doctor"], "");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("[FAIL]  The identity provider") && said.contains("[oidc]"), "{said}");
}

#[test]
fn a_provider_is_recognised_by_its_certificate() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let authority = Authority::make(folder.path());
    let tls = json!({"tls": {"certificate": authority.certificate, "key": authority.key}});
    let site = Site::with(
        Server::with().env("CARREL_OIDC_CA_FILE", authority.ca.display()),
        &tls,
        "https",
    );
    assert_eq!(site.sign_in(&mut Browser::new(), "anna").location, Some(site.url("/")));
    let doctor = site.server.run(&["doctor"], "");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("[ ok ]  The identity provider"), "{said}");
    let stranger = Site::with(Server::with(), &tls, "https");
    let mut browser = Browser::new();
    let page = browser.get(&stranger.url(BEGIN));
    stranger.refused(&browser, &page, "oidc-unreachable");
    let said = |line: &str| line.contains("certificate").then_some(());
    assert!(stranger.server.log().wait_for(LIMIT, said).is_some());
}

#[test]
fn without_a_provider_there_is_no_such_way() {
    let server = Server::start();
    let offered = server.client().get("/api/v1.0/session").send().data();
    assert_eq!(offered["sign_in"], json!({"password": true, "oidc": null}));
    for path in [BEGIN, CALLBACK] {
        let answer = server.client().get(path).send();
        answer.expect_status(404);
        assert_eq!(answer.json()["data"]["error"], "oidc-off");
    }
}

#[test]
fn nothing_secret_is_in_the_log() {
    let site = Site::with(Server::with().env("CARREL_LOG", "trace"), &json!({}), "http");
    let mut browser = Browser::new();
    let page = site.set_out(&mut browser);
    let memory = site.begun(&browser).pop().expect("a memory");
    let memory = browser.cookie(site.server.base(), &memory).expect("a memory");
    let page = site.sign_in_there(&mut browser, &page, "anna");
    browser.get(&page.location.expect("the way back"));
    let token = browser.cookie(site.server.base(), "carrel_session").expect("a session");
    let basic = "Y2FycmVsOnRoZStzZWNyZXQrb2YrY2FycmVs"; // carrel:the+secret+of+carrel
    for secret in [Provider::SECRET, basic, &memory, &token] {
        let lines = site.server.log().matching(secret);
        assert!(lines.is_empty(), "{lines:#?}");
    }
}
