//! An HTTP client as an integrator writes it: documented calls, a token or a cookie.

use std::io::{Cursor, Read};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::tls::TlsConfig;
use ureq::{SendBody, http};

use super::expect::assert_json;
use super::log::Log;

/// Letters, digits and these stand for themselves in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Who calls which server. A copy is cheap and may go to another thread.
#[derive(Clone)]
pub struct Client {
    base: String,
    agent: ureq::Agent,
    headers: Vec<(String, String)>,
}

impl Client {
    /// A client without credentials. `base` is scheme, host and port.
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(120)))
            // the certificate made at first start is signed by nobody that a client knows
            .tls_config(TlsConfig::builder().disable_verification(true).build())
            .build();
        Self { base: base.to_owned(), agent: config.into(), headers: Vec::new() }
    }

    /// Scheme, host and port of the server.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Signs in as document 000 says and sends the token with every later call.
    ///
    /// # Panics
    /// When the server refuses.
    #[track_caller]
    pub fn sign_in(&self, user: &str, password: &str) -> Self {
        let answer = self
            .post("/account/")
            .query("action", "login")
            .form(&[("email", user), ("password", password)])
            .send();
        let token = answer.data()["access_token"].as_str().unwrap_or_default().to_owned();
        assert!(!token.is_empty(), "no token in the answer to the sign-in: {}", answer.body);
        self.with_header("Authorization", &token)
    }

    /// Signs in as document 001 says and sends the cookies that it gets with every later call.
    #[track_caller]
    pub fn sign_in_with_cookie(&self, user: &str, password: &str) -> Self {
        let answer = self
            .post("/api/account/login")
            .json(&serde_json::json!({"username": user, "password": password}))
            .send();
        answer.expect_status(201);
        self.with_header("Cookie", &answer.cookies()).with_header("Origin", &self.base.clone())
    }

    /// A copy that sends one more header with every call.
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut copy = self.clone();
        copy.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        copy.headers.push((name.to_owned(), value.to_owned()));
        copy
    }

    /// A copy without credentials.
    pub fn stranger(&self) -> Self {
        let mut copy = self.clone();
        copy.headers.retain(|(name, _)| !["Authorization", "Cookie"].contains(&name.as_str()));
        copy
    }

    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    pub fn put(&self, path: &str) -> Request {
        self.request("PUT", path)
    }

    pub fn patch(&self, path: &str) -> Request {
        self.request("PATCH", path)
    }

    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request {
            client: self.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// `POST path` with `{"action": …, "param": …}`, the form of document 002's batch operations.
    pub fn action(&self, path: &str, action: &str, param: Value) -> Request {
        self.post(path).json(&serde_json::json!({"action": action, "param": param}))
    }
}

/// A part of a multipart body.
pub enum Part<'a> {
    Field { name: &'a str, value: &'a str },
    File { name: &'a str, file_name: &'a str, size: u64, content: Box<dyn Read + Send> },
}

/// A call that is not sent yet.
pub struct Request {
    client: Client,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Box<dyn Read + Send>>,
}

impl Request {
    /// Adds a query parameter; name and value are escaped.
    pub fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        let value = value.to_string();
        let (name, value) = (utf8_percent_encode(name, QUERY), utf8_percent_encode(&value, QUERY));
        self.path.push_str(&format!("{name}={value}"));
        self
    }

    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.bytes("application/json", body.to_string().into_bytes())
    }

    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| {
                format!(
                    "{}={}",
                    utf8_percent_encode(name, QUERY),
                    utf8_percent_encode(value, QUERY)
                )
            })
            .collect();
        self.bytes("application/x-www-form-urlencoded", pairs.join("&").into_bytes())
    }

    /// A body as it is, right or wrong.
    pub fn bytes(self, content_type: &str, body: Vec<u8>) -> Self {
        let size = body.len() as u64;
        self.stream(content_type, size, Cursor::new(body))
    }

    /// A body that is read while it is sent. A reader that ends before `size` bytes breaks the
    /// connection in the middle, as a truncated upload does.
    pub fn stream(
        mut self,
        content_type: &str,
        size: u64,
        body: impl Read + Send + 'static,
    ) -> Self {
        self.headers.push(("Content-Type".to_owned(), content_type.to_owned()));
        self.headers.push(("Content-Length".to_owned(), size.to_string()));
        self.body = Some(Box::new(body));
        self
    }

    /// A `multipart/form-data` body; files are streamed.
    pub fn multipart(self, parts: Vec<Part<'_>>) -> Self {
        let boundary = format!("carrel-{}", uuid::Uuid::new_v4().simple());
        let mut size = 0;
        let mut whole: Box<dyn Read + Send> = Box::new(std::io::empty());
        let mut add = |length: u64, more: Box<dyn Read + Send>| {
            size += length;
            let before = std::mem::replace(&mut whole, Box::new(std::io::empty()));
            whole = Box::new(before.chain(more));
        };
        let add_text = |add: &mut dyn FnMut(u64, Box<dyn Read + Send>), text: String| {
            add(text.len() as u64, Box::new(Cursor::new(text.into_bytes())));
        };
        for part in parts {
            match part {
                Part::Field { name, value } => {
                    let head = format!(
                        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n"
                    );
                    add_text(&mut add, format!("{head}{value}\r\n"));
                }
                Part::File { name, file_name, size, content } => {
                    let head = format!(
                        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; \
                         filename=\"{file_name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                    );
                    add_text(&mut add, head);
                    add(size, content);
                    add_text(&mut add, "\r\n".to_owned());
                }
            }
        }
        add_text(&mut add, format!("--{boundary}--\r\n"));
        self.stream(&format!("multipart/form-data; boundary={boundary}"), size, whole)
    }

    /// Does not say how long the body is, as a client does that makes it while it sends.
    pub fn without_length(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "Content-Length");
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Panics
    /// When no answer comes.
    #[track_caller]
    pub fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        self.try_send().unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Like [`Request::send`], for servers that may be gone.
    pub fn try_send(self) -> Result<Answer, ureq::Error> {
        let what = format!("{} {}", self.method, self.path);
        let refuses_in_body = refuses_in_body(&self.path);
        let mut response = self.open()?;
        let bytes = response.body_mut().with_config().limit(256 << 20).read_to_vec()?;
        let http_status = response.status().as_u16();
        let meant = if refuses_in_body { code_of_refusal(&bytes) } else { None };
        Ok(Answer {
            what,
            status: meant.filter(|_| http_status == 200).unwrap_or(http_status),
            http_status,
            refuses_in_body,
            headers: response.headers().clone(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        })
    }

    /// Sends it and collects the lines of an answer that does not end, such as server-sent events,
    /// as they come.
    #[track_caller]
    pub fn follow(self) -> Log {
        let what = format!("{} {}", self.method, self.path);
        let response = self.open().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(response.status().as_u16(), 200, "{what}");
        let lines = Log::default();
        lines.follow(response.into_body().into_reader());
        lines
    }

    /// Sends it and looks at nothing but the status: the body may have no end.
    #[track_caller]
    pub fn send_for_status(self) -> u16 {
        let what = format!("{} {}", self.method, self.path);
        self.open().unwrap_or_else(|error| panic!("{what}: {error}")).status().as_u16()
    }

    fn open(self) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let Self { client, method, path, headers, body } = self;
        let mut request =
            http::Request::builder().method(method.as_str()).uri(format!("{}{path}", client.base));
        for (name, value) in client.headers.iter().chain(&headers) {
            request = request.header(name, value);
        }
        let body = body.map_or_else(SendBody::none, SendBody::from_owned_reader);
        client.agent.run(request.body(body).map_err(ureq::Error::Http)?)
    }
}

/// What the server said.
pub struct Answer {
    /// Method and path of the request, for messages.
    pub what: String,
    /// What it means: HTTP's status, or the `code` of what an operation of document 002 refuses with HTTP's 200.
    pub status: u16,
    pub http_status: u16,
    /// Whether its path is an operation's of document 002.
    refuses_in_body: bool,
    pub headers: http::HeaderMap,
    /// The body as text, invalid UTF-8 replaced.
    pub body: String,
    pub bytes: Vec<u8>,
}

/// Below these stand document 002's operations, and pictures of screens, which are none.
const DOCUMENT_002: [&str; 5] = ["index", "resource_mgr", "education", "personal", "monitor_mgr"];
/// What has a status of HTTP there, too: who asks may not, there is no such path or method, and defects.
const MEANT_BY_HTTP: [u16; 5] = [401, 403, 404, 405, 500];

fn refuses_in_body(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let room = path.strip_prefix("/api/v1.0/").and_then(|rest| rest.split('/').next());
    room.is_some_and(|room| DOCUMENT_002.contains(&room)) && !path.ends_with("/screen")
}

/// The `code` of a body that begins with one and is a refusal.
fn code_of_refusal(body: &[u8]) -> Option<u16> {
    let digits = body.strip_prefix(br#"{"code":"#)?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|code| *code >= 400)
}

impl Answer {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All cookies that the answer sets, as a `Cookie` header would send them back.
    pub fn cookies(&self) -> String {
        let pairs =
            self.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        pairs.filter_map(|cookie| cookie.split(';').next()).collect::<Vec<_>>().join("; ")
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| {
            panic!("{}: {} is no JSON ({error}): {:?}", self.what, self.status, self.body)
        })
    }

    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}: {}", self.what, self.body);
        self
    }

    /// Asserts success in the `{code, msg, data}` form and gives `data` (null when left out).
    #[track_caller]
    pub fn data(&self) -> Value {
        let mut whole = self.json();
        assert_eq!(whole["code"], 0, "{}: {} {}", self.what, self.status, self.body);
        whole["data"].take()
    }

    /// Asserts a refusal in the `{code, msg, data}` form and gives the message.
    #[track_caller]
    pub fn refusal(&self) -> String {
        let whole = self.json();
        let code = whole["code"].as_i64().unwrap_or_default();
        let message = whole["msg"].as_str().unwrap_or_default().to_owned();
        assert!(
            code != 0 && !message.is_empty(),
            "{} was not refused: {} {}",
            self.what,
            self.status,
            self.body
        );
        if let Some(code) = code_of_refusal(&self.bytes) {
            let of_http = !self.refuses_in_body || MEANT_BY_HTTP.contains(&code);
            let good = self.http_status == code && of_http
                || self.http_status == 200 && self.refuses_in_body;
            assert!(good, "{}: HTTP status {}: {}", self.what, self.http_status, self.body);
        }
        assert!(
            // 507 is "no room": the site's limit, no defect
            self.status < 500 || self.status == 507,
            "{}: a refusal must not be a defect: {} {}",
            self.what,
            self.status,
            self.body
        );
        message
    }

    /// Asserts success in the `{ok, info}` form and gives `info`.
    #[track_caller]
    pub fn info(&self) -> Value {
        let mut whole = self.json();
        assert_eq!(whole["ok"], true, "{}: {} {}", self.what, self.status, self.body);
        whole["info"].take()
    }

    /// Asserts a refusal with this status in the `{ok, info}` form and gives the message.
    #[track_caller]
    pub fn not_ok(&self, status: u16) -> String {
        self.expect_status(status);
        let whole = self.json();
        assert_eq!(whole["ok"], false, "{} was not refused: {}", self.what, self.body);
        whole["info"].as_str().expect("a message").to_owned()
    }

    /// Asserts the pattern of [`super::differences`] on the whole body.
    #[track_caller]
    pub fn expect(&self, pattern: Value) -> Value {
        let whole = self.json();
        assert_json(&whole, pattern);
        whole
    }
}
