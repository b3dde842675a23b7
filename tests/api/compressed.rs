//! The console's files and the OpenAPI document come in the form that the client takes; what is somebody's own does not.

use std::io::Read;
use std::process::Command;

use crate::support::{ADMIN, PASSWORD, Server};

/// Head and body of an answer as they go over the wire.
struct Raw {
    head: String,
    body: Vec<u8>,
}

impl Raw {
    fn get(url: &str, headers: &[&str]) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--raw", url]);
        for header in headers {
            curl.args(["--header", header]);
        }
        let output = curl.output().expect("curl");
        assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
        let end = output.stdout.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(output.stdout[..end].to_vec()).expect("text");
        Self { head, body: output.stdout[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    fn status(&self) -> &str {
        self.head.split(' ').nth(1).expect("a status")
    }

    fn tag(&self) -> &str {
        self.header("ETag").expect("an ETag")
    }
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip");
    plain
}

#[test]
fn files_come_in_the_form_that_the_client_takes() {
    let server = Server::start();
    let page = Raw::get(server.base(), &[]);
    let page = String::from_utf8(page.body).expect("text");
    let (_, script) =
        page.split_once("src=\"").expect("a script; packaging/build-console.sh builds it");
    let (script, _) = script.split_once('"').expect("its path");
    let script = format!("{}{script}", server.base());
    for url in [server.base(), &script, &format!("{}/api/openapi.json", server.base())] {
        let plain = Raw::get(url, &[]);
        assert_eq!(plain.header("Content-Encoding"), None, "{url}");
        let gzip = Raw::get(url, &["Accept-Encoding: gzip"]);
        assert_eq!(gzip.header("Content-Encoding"), Some("gzip"), "{url}");
        assert!(unzipped(&gzip.body) == plain.body, "{url} differs");
        assert!(gzip.body.len() < plain.body.len(), "{url}");
        let refused = Raw::get(url, &["Accept-Encoding: br;q=0, gzip;q=0.0"]);
        assert!(refused.body == plain.body, "{url}");
        let mut tags = vec![plain.tag().to_owned(), gzip.tag().to_owned()];
        for answer in [&plain, &gzip, &refused] {
            assert_eq!(answer.header("Vary"), Some("Accept-Encoding"), "{url}");
            assert_eq!(answer.header("Content-Type"), plain.header("Content-Type"), "{url}");
        }
        if !url.ends_with("openapi.json") {
            let brotli = Raw::get(url, &["Accept-Encoding: gzip, deflate, br, zstd"]);
            assert_eq!(brotli.header("Content-Encoding"), Some("br"), "{url}");
            assert!(brotli.body.len() < gzip.body.len(), "{url}");
            tags.push(brotli.tag().to_owned());
        }
        let known = format!("If-None-Match: {}", gzip.tag());
        let again = Raw::get(url, &["Accept-Encoding: gzip", &known]);
        assert_eq!((again.status(), again.body.len()), ("304", 0), "{url}");
        assert_eq!(again.header("Vary"), Some("Accept-Encoding"), "{url}");
        // A cache that has one form has no other.
        assert_eq!(Raw::get(url, &[&known]).status(), "200", "{url}");
        tags.sort();
        let all = tags.len();
        tags.dedup();
        assert_eq!(tags.len(), all, "{url}: {tags:?}");
    }
    // What lies beside a file is none of the console's own.
    assert_eq!(Raw::get(&format!("{script}.br"), &[]).status(), "404");
}

/// A compressed answer tells by its length what it holds beside the words that somebody else put into the request.
/// A compressed answer tells by its length what it holds beside the words that somebody else put into the request.
#[test]
fn what_is_somebody_s_own_is_not_compressed() {
    let server = Server::start();
    let sign_in = server.client().post("/account/").query("action", "login");
    let signed_in = sign_in.form(&[("email", ADMIN), ("password", PASSWORD)]).send().data();
    let token = format!("Authorization: {}", signed_in["access_token"].as_str().expect("a token"));
    for path in ["/api/v1.0/session", "/api/account", "/api/v1.0/identity/user?name=x"] {
        let url = format!("{}{path}", server.base());
        let answer = Raw::get(&url, &["Accept-Encoding: gzip, br", &token]);
        assert_eq!(answer.status(), "200", "{path}");
        assert_eq!(answer.header("Content-Encoding"), None, "{path}: {}", answer.head);
    }
}
