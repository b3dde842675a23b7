//! Sign-in at an identity provider of another site: whether a browser keeps and sends the cookies of it.

use serde_json::json;

use crate::page::{Page, turn};
use crate::support::{Provider, Server, wait_for};

/// As the browser waits for what it sees.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

#[test]
fn a_browser_comes_back_from_another_site_signed_in() {
    let _turn = turn();
    // Carrel is at 127.0.0.1, which is another site.
    let mut provider = Provider::new("http://localhost", &json!({}));
    let server = provider.known_to(Server::with()).start();
    provider.start(server.base());
    let page = Page::open("en");
    page.go(&format!("{}/sign-in", server.base()));
    page.click("[data-test=oidc]");
    page.fill("input[name=login]", "anna");
    page.fill("input[name=password]", "anything");
    // Each page by what its form asks for: a press must not meet the button of the page before.
    page.click("form:has(input[value=login]) button[type=submit]");
    page.click("form:has(input[value=consent]) button[type=submit]");
    let signed_in = || page.path() == "/";
    wait_for(&format!("the console, now at {}", page.path()), LIMIT, || signed_in().then_some(()));
    let session = page.fetch("/api/v1.0/session");
    assert_eq!(session["data"]["user"]["name"], "anna", "{session}");
    // Stopped there, it says so on the sign-in page.
    let other = Page::open("en");
    other.go(&format!("{}/api/v1.0/identity/oidc/begin", server.base()));
    other.click("a[href$='/abort']");
    wait_for("the sign-in page", LIMIT, || (other.path() == "/signin").then_some(()));
    other.see("[data-test=failure]", "stopped at the identity provider");
}
