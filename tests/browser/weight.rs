//! What a page weighs for who was never here: bytes over the wire and requests. By a name and without TLS, where
//! a browser asks for gzip at the best; over HTTPS it is less.

use serde_json::Value;

use crate::page::{Page, turn};
use crate::support::{ADMIN, PASSWORD, Server};

/// Is no loopback to a browser, which would ask for brotli there.
const NAME: &str = "carrel.test";
const BYTES: u64 = 350_000;
const REQUESTS: u64 = 25;
/// Swagger UI alone is larger than a page of the console.
const DOCS_BYTES: u64 = 550_000;

/// Bytes and requests of what is loaded, with the page itself, as soon as nothing is on its way any more.
fn weight(page: &Page) -> (u64, u64) {
    let mut before = Value::Null;
    page.until("a page that has loaded", || {
        let now = page.script(
            "const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];\
             const done = all.every((one) => one.responseEnd > 0) && document.readyState === 'complete';\
             return [done, all.reduce((sum, one) => sum + one.transferSize, 0), all.length]",
        );
        let steady = now[0] == true && now == before;
        before = now;
        steady.then(|| (before[1].as_u64().expect("bytes"), before[2].as_u64().expect("requests")))
    })
}

#[test]
fn a_first_page_is_light() {
    let _turn = turn();
    let server = Server::start();
    let (_, port) = server.base().rsplit_once(':').expect("a port");
    let base = format!("http://{NAME}:{port}");
    let page = Page::open_knowing("en", NAME, "127.0.0.1");
    page.go(&format!("{base}/sign-in"));
    let mut seen = vec![("/sign-in", weight(&page))];
    page.fill("[data-test=username]", ADMIN);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
    page.see("[data-test=tile-desktops]", "");
    let paths = [
        "/",
        "/templates",
        "/groups",
        "/desktop-groups",
        "/images",
        "/networks",
        "/pools",
        "/nodes",
        "/users",
        "/roles",
        "/user-groups",
        "/sessions",
        "/ssh",
        "/sign-in-rules",
        "/own",
        "/log",
    ];
    for path in paths {
        page.forget_files();
        page.go(&format!("{base}{path}"));
        page.see("h1", "");
        seen.push((path, weight(&page)));
    }
    println!("{seen:?}");
    for (path, (bytes, requests)) in &seen {
        assert!(*bytes > 50_000, "{path}: {bytes} bytes, of which some came from a cache");
        assert!(
            *bytes < BYTES && *requests <= REQUESTS,
            "{path}: {bytes} bytes, {requests} requests"
        );
    }
    page.forget_files();
    page.go(&format!("{base}/api/docs"));
    page.see(".info .title", "Carrel");
    let (bytes, requests) = weight(&page);
    println!("/api/docs {bytes} {requests}");
    assert!(bytes < DOCS_BYTES && requests <= REQUESTS, "{bytes} bytes, {requests} requests");
}
