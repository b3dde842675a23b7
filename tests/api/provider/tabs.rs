//! Several sign-ins of one browser at the same time.

use super::browser::Browser;
use super::{BEGIN, Site};

#[test]
fn two_tabs_of_one_browser_come_in_one_after_the_other() {
    let site = Site::start();
    let mut browser = Browser::new();
    let first = site.set_out(&mut browser);
    let second = site.set_out(&mut browser);
    let first = site.sign_in_there(&mut browser, &first, "anna").location.expect("the way back");
    let end = browser.get(&first);
    assert_eq!(end.location, Some(site.url("/")));
    let replaced = site.client(&browser);
    replaced.get("/api/v1.0/identity/own").send().data();
    let second = site.sign_in_there(&mut browser, &second, "anna").location.expect("the way back");
    let end = browser.get(&second);
    assert_eq!(end.location, Some(site.url("/")));
    let own = site.client(&browser).get("/api/v1.0/identity/own").send().data();
    assert_eq!(own["name"], "anna");
    // The session that came along has ended.
    replaced.get("/api/v1.0/identity/own").send().expect_status(401);
    // Each only once.
    for back in [&first, &second] {
        let mut again = browser.clone();
        again.get(&site.url(BEGIN));
        let page = again.get(back);
        let place = format!("{}?error=oidc-state-wrong", site.url("/signin"));
        assert_eq!(page.location, Some(place));
    }
}

#[test]
fn a_tab_that_fails_spoils_no_other() {
    let site = Site::start();
    let mut browser = Browser::new();
    let good = site.set_out(&mut browser);
    let bad = site.set_out(&mut browser);
    let page = browser.get(&format!("{}/abort", bad.url));
    let page = browser.follow(page, |to| to.starts_with(&site.url(super::CALLBACK)));
    let page = browser.get(&page.location.expect("the way back"));
    site.refused(&browser, &page, "oidc-denied");
    let page = browser.get(&format!("{}?state=x&code=y", site.url(super::CALLBACK)));
    site.refused(&browser, &page, "oidc-state-wrong");
    let page = site.sign_in_there(&mut browser, &good, "anna");
    let page = browser.get(&page.location.expect("the way back"));
    assert_eq!(page.location, Some(site.url("/")));
}

#[test]
fn what_a_browser_has_to_remember_stays_small() {
    let site = Site::start();
    let mut browser = Browser::new();
    for _ in 0..20 {
        browser.get(&site.url(BEGIN));
    }
    let page = site.set_out(&mut browser);
    let kept = browser.cookies(&site.url(BEGIN));
    assert!(kept.len() < 4096, "{} bytes: {kept}", kept.len());
    let page = site.sign_in_there(&mut browser, &page, "anna");
    let page = browser.get(&page.location.expect("the way back"));
    assert_eq!(page.location, Some(site.url("/")));
}
