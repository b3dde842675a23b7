//! Where a request came to and from: the address at which the client reaches this server (scheme, host and port), and
//! the client's own. Every address that is given to clients begins with the first, and what comes from another one is
//! another site's; by the second guesses are counted.
//!
//! ```text
//!   client ─────────────────────────────► Carrel     Host (HTTP/1) or :authority (HTTP/2), the peer's address
//!   client ──► proxy (`trusted_proxies`) ──► Carrel  X-Forwarded-Proto, -Host and -For
//!   client ──► any other proxy ──────────► Carrel    as without one: anybody can write those headers
//! ```
//!
//! What the administrator says (`public_url`) is before all of these. The header `Forwarded` (RFC 7239) is not read: the
//! usual proxies hand on the one that the client wrote.

use std::net::IpAddr;

use rocket::Request;
use rocket::http::uri::Host;

use super::peers;
use crate::settings::{Settings, TrustedProxies};

/// Where a request came to.
#[derive(Debug, Clone)]
pub struct Origin {
    /// As the client, or the proxy that is trusted, says.
    direct: String,
    /// As the administrator says that people do.
    public: Option<String>,
    /// A proxy that is trusted handed the request on.
    by_proxy: bool,
}

/// What a proxy that is trusted says of the client behind it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Forwarded<'r> {
    client: Option<IpAddr>,
    scheme: Option<&'r str>,
    host: Option<&'r str>,
}

/// Where a request came to, and from which address.
pub fn arrival(settings: &Settings, request: &Request<'_>) -> (Origin, Option<IpAddr>) {
    let peer = peers::client_ip(request).map(|address| address.to_canonical());
    let forwarded = match peer {
        Some(peer) if settings.trusted_proxies.has(peer) => {
            let values = |name| values(request, name);
            Forwarded::read(
                &settings.trusted_proxies,
                &values("X-Forwarded-For"),
                &values("X-Forwarded-Proto"),
                &values("X-Forwarded-Host"),
            )
        }
        _ => Forwarded::default(),
    };
    let own = if settings.is_plain() { "http" } else { "https" };
    let scheme = forwarded.scheme.unwrap_or(own);
    // A client of HTTP/1.0 need not name a host.
    let named = || request.host().map_or_else(|| "localhost".to_owned(), ToString::to_string);
    let host = forwarded.host.map_or_else(named, str::to_owned);
    let by_proxy = forwarded != Forwarded::default();
    let (direct, public) = (origin(scheme, &host), settings.public_url.clone());
    let origin = Origin { direct, public, by_proxy };
    (origin, forwarded.client.or(peer))
}

/// The elements of a list that may be spread over several headers of that name.
fn values<'r>(request: &'r Request<'_>, name: &'static str) -> Vec<&'r str> {
    let headers = request.headers().get(name);
    headers.flat_map(|header| header.split(',')).map(str::trim).collect()
}

/// `scheme://host`, without the port that goes without saying.
fn origin(scheme: &str, host: &str) -> String {
    let usual = if scheme == "http" { ":80" } else { ":443" };
    let host = host.strip_suffix(usual).unwrap_or(host).to_ascii_lowercase();
    format!("{scheme}://{host}")
}

impl<'r> Forwarded<'r> {
    /// Each proxy adds who came to it at the end: what stands before the first address that is none of our proxies
    /// anybody could have written.
    fn read(
        proxies: &TrustedProxies,
        clients: &[&'r str],
        schemes: &[&'r str],
        hosts: &[&'r str],
    ) -> Self {
        let addresses: Vec<IpAddr> = clients.iter().rev().map_while(|text| address(text)).collect();
        let passed = addresses.iter().take_while(|address| proxies.has(**address)).count();
        let client = addresses.get(passed).or(addresses.last()).copied();
        // Of the proxy that the client came to. One that writes the header anew leaves a single value.
        let of = |values: &[&'r str]| {
            let place = values.len().checked_sub(1)?.saturating_sub(passed);
            values.get(place).copied()
        };
        let scheme = of(schemes).filter(|scheme| matches!(*scheme, "http" | "https"));
        let host = of(hosts).filter(|host| Host::parse(host).is_ok());
        Self { client, scheme, host }
    }
}

/// An address as proxies write it, some with its port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let found = bare.parse().ok().or_else(|| {
        let with_port: std::net::SocketAddr = text.parse().ok()?;
        Some(with_port.ip())
    });
    found.map(|address: IpAddr| address.to_canonical())
}

impl Origin {
    fn seen(&self) -> &str {
        self.public.as_deref().unwrap_or(&self.direct)
    }

    /// `https://host:port/path`
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.seen())
    }

    /// The address of a WebSocket: http → ws, https → wss.
    pub fn socket(&self, path: &str) -> String {
        self.url(path).replacen("http", "ws", 1)
    }

    /// Host, an IPv6 address in brackets, and port.
    pub fn host_and_port(&self) -> (&str, u16) {
        let usual = if self.is_secure() { 443 } else { 80 };
        let host = self.seen().split_once("://").map_or("", |(_, host)| host);
        match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().unwrap_or(usual)),
            _ => (host, usual),
        }
    }

    pub fn is_of_proxy(&self) -> bool {
        self.by_proxy
    }

    /// Whether browsers come by TLS, so that cookies must never go without it.
    pub fn is_secure(&self) -> bool {
        self.seen().starts_with("https:")
    }

    /// Whether a page of this origin (header `Origin`) is one of this server's own.
    pub fn is_own(&self, page: &str) -> bool {
        // Behind a proxy that ends TLS and is not known the scheme differs, the host does not.
        let host = |url: &str| url.split_once("://").map(|(_, host)| host.to_ascii_lowercase());
        let page = host(page);
        let own = [Some(self.direct.as_str()), self.public.as_deref()];
        page.is_some() && own.into_iter().flatten().any(|own| host(own) == page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'r>(
        clients: &[&'r str],
        schemes: &[&'r str],
        hosts: &[&'r str],
    ) -> (Option<String>, Option<&'r str>, Option<&'r str>) {
        let proxies = TrustedProxies::parse(&["192.0.2.0/24", "2001:db8::1"].map(str::to_owned));
        let read = Forwarded::read(&proxies.expect("proxies"), clients, schemes, hosts);
        (read.client.map(|address| address.to_string()), read.scheme, read.host)
    }

    fn client(clients: &[&str]) -> Option<String> {
        read(clients, &[], &[]).0
    }

    #[test]
    fn the_client_is_the_last_that_no_proxy_is() {
        assert_eq!(client(&["198.51.100.7"]).as_deref(), Some("198.51.100.7"));
        // What the client wrote itself stands before its own address.
        assert_eq!(client(&["203.0.113.9", "198.51.100.7"]).as_deref(), Some("198.51.100.7"));
        let chain = ["203.0.113.9", "198.51.100.7", "192.0.2.5", "2001:db8::1"];
        assert_eq!(client(&chain).as_deref(), Some("198.51.100.7"));
        // Somebody on the proxies' own machines.
        assert_eq!(client(&["192.0.2.4", "192.0.2.5"]).as_deref(), Some("192.0.2.4"));
        // Nothing before what is no address counts.
        assert_eq!(client(&["198.51.100.7", "unknown"]), None);
        assert_eq!(client(&["198.51.100.7", "unknown", "192.0.2.5"]).as_deref(), Some("192.0.2.5"));
        assert_eq!(client(&[]), None);
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        for text in ["2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:4711"] {
            assert_eq!(client(&[text]).as_deref(), Some("2001:db8::7"), "{text}");
        }
        for text in ["198.51.100.7", "198.51.100.7:4711", "::ffff:198.51.100.7"] {
            assert_eq!(client(&[text]).as_deref(), Some("198.51.100.7"), "{text}");
        }
    }

    #[test]
    fn scheme_and_host_are_those_of_the_outermost_proxy() {
        let one = ["198.51.100.7"];
        assert_eq!(read(&one, &["https"], &["a.example"]).1, Some("https"));
        // The first was written by the client.
        assert_eq!(read(&one, &["http", "https"], &["evil.example", "a.example"]).1, Some("https"));
        assert_eq!(read(&one, &[], &["evil.example", "a.example:8443"]).2, Some("a.example:8443"));
        let two = ["198.51.100.7", "192.0.2.5"];
        assert_eq!(read(&two, &["https", "http"], &[]).1, Some("https"), "both add");
        assert_eq!(read(&two, &["https"], &[]).1, Some("https"), "the outer one's is handed on");
        assert_eq!(read(&one, &["gopher"], &["a b"]), (Some(one[0].to_owned()), None, None));
        assert_eq!(read(&one, &[], &["a.example/path"]).2, None);
    }

    #[test]
    fn viewers_go_where_browsers_are() {
        let at = |public: &str| {
            let direct = "https://10.0.0.1:50004".to_owned();
            let public = Some(public.to_owned()).filter(|url| !url.is_empty());
            let origin = Origin { direct, public, by_proxy: false };
            let (host, port) = origin.host_and_port();
            format!("{host} {port}")
        };
        assert_eq!(at(""), "10.0.0.1 50004");
        assert_eq!(at("https://desks.example"), "desks.example 443");
        assert_eq!(at("http://desks.example"), "desks.example 80");
        assert_eq!(at("https://[2001:db8::1]"), "[2001:db8::1] 443");
        assert_eq!(at("https://[2001:db8::1]:8443"), "[2001:db8::1] 8443");
    }

    #[test]
    fn the_usual_port_goes_without_saying() {
        assert_eq!(origin("https", "A.example:443"), "https://a.example");
        assert_eq!(origin("http", "a.example:80"), "http://a.example");
        assert_eq!(origin("http", "a.example:443"), "http://a.example:443");
        assert_eq!(origin("https", "[2001:db8::1]:8443"), "https://[2001:db8::1]:8443");
    }
}
