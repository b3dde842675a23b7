//! The address at which a client reaches this server: scheme, host and port. Every address that is
//! given to clients begins with it, and what comes from another one is another site's.

use rocket::Request;

use crate::settings::Settings;

/// Where a request came to. Headers that a proxy adds are not believed: behind one, the administrator
/// says the address (`public_url`).
#[derive(Debug, Clone)]
pub struct Origin {
    /// As the client addressed this server: by `Host` in HTTP/1, by `:authority` in HTTP/2.
    direct: String,
    /// As the administrator says that people do.
    public: Option<String>,
}

impl Origin {
    pub fn of(settings: &Settings, request: &Request<'_>) -> Self {
        let scheme = if settings.is_plain() { "http" } else { "https" };
        // A client of HTTP/1.0 need not name a host.
        let host = request.host().map_or_else(|| "localhost".to_owned(), ToString::to_string);
        Self { direct: format!("{scheme}://{host}"), public: settings.public_url.clone() }
    }

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

    /// Whether browsers come by TLS, so that cookies must never go without it.
    pub fn is_secure(&self) -> bool {
        self.seen().starts_with("https:")
    }

    /// Whether a page of this origin (header `Origin`) is one of this server's own.
    pub fn is_own(&self, page: &str) -> bool {
        // Behind a proxy that ends TLS the scheme differs, the host does not.
        let host = |url: &str| url.split_once("://").map(|(_, host)| host.to_ascii_lowercase());
        let page = host(page);
        let own = [Some(self.direct.as_str()), self.public.as_deref()];
        page.is_some() && own.into_iter().flatten().any(|own| host(own) == page)
    }
}
