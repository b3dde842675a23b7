//! One search over everything that a person may see.
//!
//! It asks the lists of the installation, each with the right that the list itself needs: what a list does not show
//! is not found here either.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::answer::Data;
use super::call::Call;
use super::endpoint::{Endpoint, Scope, get};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::store::list::{ListQuery, Page, SearchType};
use crate::store::visible::Visible;

/// Hits of a kind that are shown.
const SHOWN: u32 = 8;
/// Longest text that is looked for, in characters.
const LONGEST: usize = 100;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("carrel.search", "/api/v1.0/search", search).signed_in().summary(
            "Desktops, groups, templates, users, nodes and networks that one may see, by name, address or MAC address",
        ),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Input {
    /// A part of a name or address, in whatever case.
    q: String,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum FoundKind {
    Desktop,
    DesktopGroup,
    Template,
    EducationGroup,
    User,
    Node,
    Network,
}

/// Hits of a kind, the best first.
#[derive(Debug, Serialize, JsonSchema)]
struct Found {
    kind: FoundKind,
    /// All of this kind that match.
    count: u64,
    hits: Vec<Hit>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Hit {
    uuid: String,
    name: String,
    /// What else tells it from others of its name: its group, its addresses.
    about: Vec<String>,
}

impl Hit {
    fn new(uuid: impl ToString, name: String, about: impl IntoIterator<Item = String>) -> Self {
        let uuid = uuid.to_string();
        Self { uuid, name, about: about.into_iter().filter(|text| !text.is_empty()).collect() }
    }
}

/// Whoever asks, and what for.
struct Search<'a> {
    app: &'a App,
    call: &'a Call,
    wanted: String,
}

fn search(app: &App, call: &mut Call, input: Input) -> Result<Data<Vec<Found>>> {
    let wanted = input.q.trim().to_owned();
    if wanted.is_empty() {
        return Ok(Data(Vec::new()));
    }
    if wanted.chars().count() > LONGEST {
        return Err(Error::bad_input("name-too-long").arg("field", "q").arg("limit", LONGEST));
    }
    let search = Search { app, call, wanted };
    let found = [
        search.desktops()?,
        search.desktop_groups()?,
        search.templates()?,
        search.education_groups()?,
        search.users()?,
        search.nodes()?,
        search.networks()?,
    ];
    Ok(Data(found.into_iter().flatten().filter(|found| found.count > 0).collect()))
}

impl Search<'_> {
    fn visible(&self, permission: Permission) -> Option<Visible> {
        Scope::Group.of(self.call.caller.as_ref()?, permission)
    }

    fn sees(&self, permission: Permission) -> bool {
        self.call.caller.as_ref().is_some_and(|caller| caller.may(permission))
    }

    /// The rows that contain it in one of these columns, the closest first; `column` is all of them in one.
    fn ask(
        &self,
        kind: FoundKind,
        column: &str,
        known_by: &'static [&'static str],
        ask: impl Fn(ListQuery) -> Result<Page<Hit>>,
    ) -> Result<Option<Found>> {
        let page = ask(ListQuery {
            page_size: SHOWN,
            search: SearchType::Contain,
            filters: vec![(column.to_owned(), self.wanted.clone())],
            closest_to: Some((known_by, self.wanted.clone())),
            ..ListQuery::default()
        })?;
        Ok(Some(Found { kind, count: page.count, hits: page.results }))
    }

    fn desktops(&self) -> Result<Option<Found>> {
        let Some(visible) = self.visible(Permission::DesktopsView) else { return Ok(None) };
        self.ask(FoundKind::Desktop, "search", &["name", "ipaddr", "mac"], |query| {
            let page = self.app.desktops.desktops(&visible, query)?;
            Ok(page.map(|desktop| {
                let address = desktop.address.map(|address| address.to_string());
                let about = [Some(desktop.group_name), address, desktop.mac];
                Hit::new(desktop.uuid, desktop.name, about.into_iter().flatten())
            }))
        })
    }

    fn desktop_groups(&self) -> Result<Option<Found>> {
        let Some(visible) = self.visible(Permission::DesktopsView) else { return Ok(None) };
        self.ask(FoundKind::DesktopGroup, "name", &["name"], |query| {
            let page = self.app.desktops.desktop_groups(&visible, query)?;
            Ok(page
                .map(|group| Hit::new(group.uuid, group.name, group.group.map(|(_, name)| name))))
        })
    }

    fn education_groups(&self) -> Result<Option<Found>> {
        let Some(visible) = self.visible(Permission::GroupsView) else { return Ok(None) };
        self.ask(FoundKind::EducationGroup, "name", &["name"], |query| {
            let page = self.app.desktops.education_groups(&visible, query)?;
            Ok(page.map(|group| Hit::new(group.uuid, group.name, [group.desc])))
        })
    }

    fn templates(&self) -> Result<Option<Found>> {
        if !self.sees(Permission::TemplatesView) {
            return Ok(None);
        }
        self.ask(FoundKind::Template, "name", &["name"], |query| {
            let page = self.app.templates.list(&query)?;
            Ok(page
                .map(|line| Hit::new(line.template.uuid, line.template.name, [line.template.desc])))
        })
    }

    fn users(&self) -> Result<Option<Found>> {
        if !self.sees(Permission::UsersView) {
            return Ok(None);
        }
        self.ask(FoundKind::User, "search", &["name", "full_name", "email"], |query| {
            let page = self.app.identity.users_page(&query)?;
            Ok(page.map(|user| {
                Hit::new(user.uuid, user.name, std::iter::once(user.full_name).chain(user.email))
            }))
        })
    }

    fn nodes(&self) -> Result<Option<Found>> {
        if !self.sees(Permission::NodesView) {
            return Ok(None);
        }
        self.ask(FoundKind::Node, "search", &["name", "hostname", "ip"], |query| {
            let page = self.app.inventory.list_nodes(&query)?;
            Ok(page.map(|detail| Hit::new(detail.node.uuid, detail.node.name, [detail.node.ip])))
        })
    }

    fn networks(&self) -> Result<Option<Found>> {
        if !self.sees(Permission::NetworksView) {
            return Ok(None);
        }
        self.ask(FoundKind::Network, "name", &["name"], |query| {
            let page = self.app.networks.list(&query)?;
            Ok(page.map(|network| Hit::new(network.uuid, network.name, [network.switch_name])))
        })
    }
}
