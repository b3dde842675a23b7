//! HTTP: one folder per document, and what they share. It translates and nothing else.

mod account;
mod admission;
mod analysis;
mod answer;
mod assets;
mod audit_log;
mod batch;
mod body;
mod call;
mod desktop_cloud;
mod dialect;
mod dispatch;
mod download;
mod encoding;
mod endpoint;
mod envelope;
mod events;
mod input;
mod jobs;
pub mod language;
mod letters;
mod listing;
mod live_settings;
mod misfit;
mod note;
mod openapi;
mod operation_news;
mod operations;
mod ops;
mod origin;
mod peers;
mod people;
mod presence;
mod range;
mod reply;
mod search;
mod session;
mod time;
mod uuids;
mod words;
mod work;

use std::sync::{Arc, OnceLock};

use rocket::http::{ContentType, Status};
use rocket::{Build, Catcher, Request, Response, Rocket};

pub use desktop_cloud::{Viewing, let_in};
use dialect::DialectSpec;
use endpoint::Mounted;
use language::{Catalogues, Language};
pub use letters::send_pending;
pub use note::Waits;
pub use operation_news::{OperationNews, tell_operations};
pub use peers::Peers;
pub use work::blocking;

use crate::desktops::Desktops;
use crate::desktops::templates::Templates;
use crate::error::{Error, Kind};
use crate::identity::{Identity, Mailer};
use crate::images::Images;
use crate::inventory::Inventory;
use crate::monitor::Monitor;
use crate::networks::Networks;
use crate::operations::{LiveSettings, Operations};
use crate::settings::Settings;
use crate::store::Store;

/// Name of the cookie that holds a session token.
pub const SESSION_COOKIE: &str = "carrel_session";

/// Name of the cookie that holds the token of a forced change of the password.
pub const RESET_COOKIE: &str = "carrel_reset";

/// Name of the cookie by which a browser is known to those who signed in there.
pub const DEVICES_COOKIE: &str = "carrel_devices";

/// Everything that handlers work with. `server.rs` builds it.
pub struct App {
    pub settings: Settings,
    pub language: Catalogues,
    pub store: Store,
    pub identity: Identity,
    pub inventory: Inventory,
    pub images: Images,
    pub networks: Networks,
    pub monitor: Monitor,
    pub operations: Operations,
    /// What of the settings is changed while the server runs.
    pub live: LiveSettings,
    /// Those who listen to how they go.
    pub operation_news: OperationNews,
    pub templates: Templates,
    pub desktops: Desktops,
    /// Of those who have to wait before they sign in.
    pub waits: Waits,
    /// `None`: there is no mail server.
    pub mail: Option<Mailer>,
    /// Scheme, host and port at which people reach this server; set when it serves.
    pub base: OnceLock<String>,
}

/// The whole table, in the order of the OpenAPI document.
fn table() -> &'static [Mounted] {
    static TABLE: OnceLock<Vec<Mounted>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let parts = [
            (&desktop_cloud::DIALECT, desktop_cloud::endpoints()),
            (&desktop_cloud::OWN, desktop_cloud::own_endpoints()),
            (&desktop_cloud::OWN, session::endpoints()),
            (&desktop_cloud::OWN, people::endpoints()),
            (&desktop_cloud::OWN, operations::endpoints()),
            (&desktop_cloud::OWN, audit_log::endpoints()),
            (&desktop_cloud::OWN, live_settings::endpoints()),
            (&desktop_cloud::OWN, search::endpoints()),
            (&desktop_cloud::OWN, events::endpoints()),
            (&account::DIALECT, account::endpoints()),
            (&analysis::DIALECT, analysis::endpoints()),
            (&ops::DIALECT, ops::endpoints()),
            (&account::DIALECT, openapi::endpoints()),
        ];
        let mounted = |(dialect, rows): (&'static DialectSpec, Vec<_>)| {
            rows.into_iter().map(move |endpoint| Mounted { dialect, endpoint })
        };
        parts.into_iter().flat_map(mounted).collect()
    })
}

/// Every document that is served.
static DIALECTS: [&DialectSpec; 6] = [
    &desktop_cloud::DIALECT,
    &desktop_cloud::OWN,
    &analysis::DIALECT,
    &account::DIALECT,
    &jobs::DIALECT,
    &ops::DIALECT,
];

/// Mounts every endpoint, the console and the catchers.
pub fn mount(rocket: Rocket<Build>, app: &Arc<App>) -> Rocket<Build> {
    rocket
        .mount("/", dispatch::routes(app, table()))
        .mount("/", assets::routes())
        .register("/", [Catcher::new(None, catch)])
        .manage(Arc::clone(app))
}

/// What no route answers: JSON in the dialect of the path.
fn catch<'r>(status: Status, request: &'r Request<'_>) -> rocket::catcher::BoxFuture<'r> {
    let response = match request.rocket().state::<Arc<App>>() {
        Some(app) => {
            let path = request.uri().path().to_string();
            let dialect = dialect::of_path(&DIALECTS, &path).unwrap_or(&desktop_cloud::OWN);
            let accept = request.headers().get_one("Accept-Language");
            let language = Language::negotiate(accept, dialect.language);
            let methods = match status {
                Status::NotFound => dispatch::methods_of(table(), &path),
                _ => Vec::new(),
            };
            let status = if methods.is_empty() { status } else { Status::MethodNotAllowed };
            let error = match status.code {
                404 => Error::not_found("route-unknown").arg("path", path),
                405 => Error::new(Kind::WrongMethod, "method-unknown")
                    .arg("method", request.method())
                    .arg("path", path)
                    .arg("allowed", methods.join(", ")),
                413 => Error::bad_input("body-too-large").arg("limit", body::LIMIT),
                400..=499 => Error::bad_input("request-malformed"),
                _ => Error::internal(format_args!("status {status}")),
            };
            let reply = reply::Reply { app: Arc::clone(app), dialect, language };
            let request_id = uuid::Uuid::new_v4().simple().to_string();
            let mut response = reply.failure(&error, request_id);
            // also in dialects that answer what they refuse with 200
            response.set_status(status);
            if status == Status::MethodNotAllowed {
                response.set_raw_header("Allow", methods.join(", "));
            }
            response
        }
        None => Response::build().status(status).header(ContentType::JSON).finalize(),
    };
    Box::pin(async move { Ok(response) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rocket::http::Method;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique() {
        let mut seen = HashSet::new();
        for endpoint in table() {
            assert!(seen.insert(endpoint.id), "{} twice", endpoint.id);
        }
    }

    #[test]
    fn every_change_is_audited() {
        for endpoint in table() {
            // Document 002 asks for the charts by POST.
            let reads = matches!(endpoint.method, Method::Get | Method::Head | Method::Options)
                // What they begin and end is audited, not each of their parts.
                || endpoint.id == "carrel.uploads.append"
                || endpoint.id == "carrel.uploads.by-post"
                || endpoint.id.ends_with(".read")
                // A ticket changes nothing; that a screen is opened with it is audited.
                || endpoint.id.ends_with(".get-console")
                // It tells what a list of users would become; the list comes in the body.
                || endpoint.id == "carrel.users.import-check"
                || endpoint.id == "vdi.index.top-data";
            assert!(
                reads || endpoint.audit.is_some(),
                "{} changes and is not audited",
                endpoint.id
            );
        }
    }

    /// What a row answers and what a path beside it that no row has answers are of one form.
    #[test]
    fn every_row_speaks_the_dialect_of_its_path() {
        for endpoint in table().iter().filter(|row| row.id != "carrel.openapi") {
            let of_path = dialect::of_path(&DIALECTS, endpoint.path).expect("a document's path");
            assert_eq!(endpoint.dialect.tag, of_path.tag, "{}", endpoint.id);
        }
    }

    /// A right that may be held for a group is asked for in the group, and no other is.
    #[test]
    fn every_row_decides_what_a_right_within_a_group_reaches() {
        use super::endpoint::Access;
        // They make a new group, or show nodes only.
        const FOR_EVERYTHING: [&str; 2] = ["vdi.edu-groups.create", "vdi.index.top-data"];
        let undecided = table().iter().filter(|row| match row.access {
            Access::Needs(permission) => {
                permission.has_scope() && !FOR_EVERYTHING.contains(&row.id)
            }
            Access::NeedsIn(permission, _) => !permission.has_scope(),
            Access::Public | Access::SignedIn | Access::InPerson => false,
        });
        let undecided: Vec<&str> = undecided.map(|row| row.id).collect();
        assert!(undecided.is_empty(), "{undecided:?}");
    }

    #[test]
    fn every_endpoint_says_what_it_does() {
        for endpoint in table() {
            assert!(!endpoint.summary.is_empty(), "{} has no summary", endpoint.id);
        }
    }
}
