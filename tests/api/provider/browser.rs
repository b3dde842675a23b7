//! As much of a browser as a sign-in needs: redirects, cookies and forms.

use std::collections::HashMap;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use ureq::http;
use ureq::tls::TlsConfig;

/// Redirects that are followed at most.
const REDIRECTS: usize = 12;

/// Somebody's browser.
#[derive(Clone)]
pub struct Browser {
    agent: ureq::Agent,
    /// By host and port.
    jar: HashMap<String, Vec<Cookie>>,
}

#[derive(Clone)]
struct Cookie {
    name: String,
    value: String,
    /// It is sent to what is below.
    path: String,
}

/// What was answered.
#[derive(Debug)]
pub struct Page {
    pub url: String,
    pub status: u16,
    pub location: Option<String>,
    /// `Set-Cookie` lines.
    pub cookies: Vec<String>,
    pub body: String,
}

impl Page {
    /// A parameter in the query of where the page leads, else of its own address.
    pub fn query(&self, name: &str) -> Option<String> {
        let url = self.location.as_ref().unwrap_or(&self.url);
        let pairs = url.split_once('?')?.1.split('&');
        let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(known, _)| *known == name)?;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    }
}

impl Browser {
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .tls_config(TlsConfig::builder().disable_verification(true).build())
            .build();
        Self { agent: config.into(), jar: HashMap::new() }
    }

    /// One request; redirects are not followed.
    #[track_caller]
    pub fn get(&mut self, url: &str) -> Page {
        let request = http::Request::get(url);
        let request = request.header("Cookie", self.cookies(url)).body(());
        let answer = self.agent.run(request.expect("a request"));
        self.page(url, answer.unwrap_or_else(|error| panic!("GET {url}: {error}")))
    }

    #[track_caller]
    pub fn post(&mut self, url: &str, form: &str) -> Page {
        let request = http::Request::post(url)
            .header("Cookie", self.cookies(url))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        let answer = self.agent.run(request.expect("a request"));
        self.page(url, answer.unwrap_or_else(|error| panic!("POST {url}: {error}")))
    }

    /// Follows redirects until a page stands for itself, or leads to where `stop` says.
    #[track_caller]
    pub fn follow(&mut self, mut page: Page, stop: impl Fn(&str) -> bool) -> Page {
        for _ in 0..REDIRECTS {
            match page.location.clone() {
                Some(to) if !stop(&to) => page = self.get(&to),
                _ => return page,
            }
        }
        panic!("redirects without end: {page:?}");
    }

    pub fn cookie(&self, url: &str, name: &str) -> Option<String> {
        let known = self.jar.get(origin(url))?.iter().find(|cookie| cookie.name == name)?;
        Some(known.value.clone())
    }

    /// Names of the cookies that begin like this.
    pub fn cookies_like(&self, url: &str, prefix: &str) -> Vec<String> {
        let known = self.jar.get(origin(url)).into_iter().flatten();
        let names = known.map(|cookie| cookie.name.clone());
        names.filter(|name| name.starts_with(prefix)).collect()
    }

    /// Changes the value of one that it has.
    pub fn set_cookie(&mut self, url: &str, name: &str, value: &str) {
        let known = self.jar.get_mut(origin(url)).into_iter().flatten();
        for cookie in known.filter(|cookie| cookie.name == name) {
            cookie.value = value.to_owned();
        }
    }

    /// As they are sent.
    pub fn cookies(&self, url: &str) -> String {
        let path = &url[origin(url).len()..];
        let known = self.jar.get(origin(url)).into_iter().flatten();
        let fit = known.filter(|cookie| path.starts_with(&cookie.path));
        let pairs = fit.map(|cookie| format!("{}={}", cookie.name, cookie.value));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// Takes a `Set-Cookie` line; one without a value is forgotten.
    fn keep(&mut self, url: &str, line: &str) {
        let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
        let (name, value) = pair.split_once('=').expect("a cookie");
        let attribute = |text: &str| {
            let (name, value) = text.trim().split_once('=')?;
            name.eq_ignore_ascii_case("path").then(|| value.to_owned())
        };
        let path = attributes.split(';').find_map(attribute).unwrap_or_else(|| "/".into());
        let jar = self.jar.entry(origin(url).to_owned()).or_default();
        jar.retain(|known| known.name != name || known.path != path);
        if !value.is_empty() {
            jar.push(Cookie { name: name.to_owned(), value: value.to_owned(), path });
        }
    }

    fn page(&mut self, url: &str, mut answer: http::Response<ureq::Body>) -> Page {
        let lines = answer.headers().get_all("set-cookie");
        let cookies: Vec<String> =
            lines.iter().filter_map(|line| Some(line.to_str().ok()?.to_owned())).collect();
        for cookie in &cookies {
            self.keep(url, cookie);
        }
        let location = answer.headers().get("location").and_then(|to| to.to_str().ok());
        let location = location.map(|to| match to.starts_with('/') {
            true => format!("{}{to}", origin(url)),
            false => to.to_owned(),
        });
        let status = answer.status().as_u16();
        let body = answer.body_mut().read_to_string().unwrap_or_default();
        Page { url: url.to_owned(), status, location, cookies, body }
    }
}

/// `scheme://host:port`
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    &url[..end]
}
