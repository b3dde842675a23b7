//! This machine and two agents beside it, with a template that all three have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{LARGE, Server, Site, empty_image, rows, wait_until};

pub const OPERATIONS: &str = "/api/v1.0/operations";
pub const GROUPS: &str = "/api/v1.0/education/desktop/";
pub const INSTANCES: &str = "/api/v1.0/education/instance/";
pub const LIMIT: Duration = Duration::from_secs(60);
const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
/// The node that the tests break; the second of the two further ones.
pub const WEAK: usize = 3;

/// A file that is elsewhere for a while.
pub struct Taken {
    from: PathBuf,
    to: PathBuf,
}

impl Taken {
    #[track_caller]
    pub fn put_back(self) {
        std::fs::rename(self.to, self.from).expect("put a layer back");
    }
}

pub struct Pool {
    pub server: Server,
    pub site: Site,
    pub template: String,
    pub classroom: String,
}

impl Pool {
    #[track_caller]
    pub fn start() -> Self {
        let mut server = Server::with().nodes(2).start();
        let site = Site::of(&server, LARGE);
        all_active(&site, 3);
        wait_until("figures of all nodes", LIMIT, || {
            let nodes = rows(&site.admin.get(&format!("{POOLS}/{}/nodes", site.pool)).send());
            nodes.iter().all(|node| node["usage_mem"].as_f64().is_some_and(|used| used > 0.0))
        });
        let image = site.upload("empty", &empty_image());
        let template = site.template("plain", &image);
        let classroom = site.classroom("room");
        place_layers(&mut server, &template);
        Self { server, site, template, classroom }
    }

    /// Deploys a class whose desktops are spread evenly: what each needs outweighs what differs between the figures of
    /// three agents on one machine.
    pub fn deploy_request(&self, name: &str, count: u32) -> crate::support::Request {
        let param = json!({
            "name": name, "group_uuid": self.classroom, "template_uuid": self.template,
            "pool_uuid": self.site.pool, "network_uuid": self.site.network,
            "subnet_uuid": self.site.subnet, "vcpu": 1, "ram": 0.5, "sys_restore": 1,
            "data_restore": 1, "instance_num": count, "prefix": name, "postfix": 4,
            "postfix_start": 1,
        });
        self.site.admin.action(GROUPS, "create", param)
    }

    /// Begins an operation and gives its uuid.
    #[track_caller]
    pub fn begin(&self, request: crate::support::Request) -> String {
        let data = request.header("Prefer", "respond-async").send().data();
        let uuid = data["operation_uuid"].as_str();
        uuid.unwrap_or_else(|| panic!("no operation: {data:#}")).to_owned()
    }

    #[track_caller]
    pub fn operation(&self, uuid: &str) -> Value {
        let page = self.site.admin.get(OPERATIONS).query("page_size", 100).send();
        let row = rows(&page).into_iter().find(|row| row["uuid"] == uuid);
        row.unwrap_or_else(|| panic!("no operation {uuid}: {}", page.body))
    }

    #[track_caller]
    pub fn act(&self, action: &str, uuid: &str) {
        let param = json!({"uuid": uuid});
        self.site.admin.action(OPERATIONS, action, param).send().data();
    }

    #[track_caller]
    pub fn group_uuid(&self, name: &str) -> String {
        crate::support::uuid_of(&self.site.admin, GROUPS, name)
    }

    /// A request for `start` and the like with desktops of one class.
    pub fn switch(&self, action: &str, class: &str, desktops: &[Value]) -> crate::support::Request {
        let instances: Vec<Value> =
            desktops.iter().map(|row| json!({"uuid": row["uuid"], "name": row["name"]})).collect();
        let param = json!({
            "desktop_uuid": self.group_uuid(class), "desktop_name": class, "desktop_type": 1,
            "instances": instances,
        });
        self.site.admin.action(INSTANCES, action, param)
    }

    /// Desktops of a class that are not on the node with this name.
    #[track_caller]
    pub fn elsewhere(&self, class: &str, node: &str) -> Vec<Value> {
        let homes = self.homes();
        let mut desktops = self.site.desktops(&self.group_uuid(class));
        desktops.retain(|row| homes[row["uuid"].as_str().expect("uuid")] != node);
        desktops
    }

    /// Folders of disks on the weak node.
    pub fn folders_on_weak(&mut self) -> BTreeSet<String> {
        folders(self.server.agent(WEAK).storage())
    }

    /// Lets the weak node hang as soon as it has made some of the desktops of a deployment, but not all. `None`: it was
    /// too quick.
    #[track_caller]
    pub fn hang_in_the_middle(&mut self, deploy: &str) -> Option<()> {
        let rows = "SELECT count(*) FROM desktops d JOIN nodes n ON n.id = d.node_id \
             JOIN operation_locks l ON l.subject = d.uuid JOIN operations o ON o.id = l.operation_id";
        let all = self.count(&format!("{rows} WHERE n.name = 'node3' AND o.uuid = '{deploy}'"));
        let settled = "SELECT count(*) FROM desktops d JOIN nodes n ON n.id = d.node_id \
             WHERE n.name = 'node3' AND d.uuid NOT IN (SELECT subject FROM operation_locks)";
        let before = self.count(settled);
        let made = |pool: &mut Self| pool.folders_on_weak().len() as i64 - before;
        wait_until("a first desktop", LIMIT, || made(self) > 0);
        self.server.agent(WEAK).signal(Signal::SIGSTOP);
        (made(self) < all).then_some(())
    }

    /// Takes the template's layer away from the weak node, behind its agent's back: it refuses what stands on it.
    #[track_caller]
    pub fn take_layer_from_weak(&mut self) -> Taken {
        let folder = self.server.agent(WEAK).storage().join("templates");
        let mut layers = names(&folder).into_iter().filter(|name| name.ends_with(".qcow2"));
        let from = folder.join(layers.next().expect("a layer"));
        let to = self.server.data_here().join("taken.qcow2");
        std::fs::rename(&from, &to).expect("take a layer");
        Taken { from, to }
    }

    /// The nodes of desktops and templates, by their uuid.
    pub fn homes(&self) -> BTreeMap<String, String> {
        let database = self.database();
        let mut statement = database
            .prepare(
                "SELECT d.uuid, n.name FROM desktops d JOIN nodes n ON n.id = d.node_id \
                 UNION ALL SELECT t.uuid, n.name FROM templates t JOIN nodes n ON n.id = t.node_id",
            )
            .expect("the rows");
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        found.expect("the rows").collect::<Result<_, _>>().expect("the rows")
    }

    pub fn database(&self) -> Connection {
        Connection::open(self.server.data_here().join("carrel.db")).expect("the database")
    }

    pub fn count(&self, sql: &str) -> i64 {
        self.database().query_row(sql, [], |row| row.get(0)).expect("count")
    }

    /// Waits until rows, files and addresses agree on all nodes, then asserts it of domains too.
    #[track_caller]
    pub fn assert_whole(&mut self) {
        self.site.wait_idle();
        all_active(&self.site, 3);
        let mut last = Vec::new();
        let whole = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until("rows and nodes to agree", LIMIT, || {
                last = self.differences();
                last.is_empty()
            });
        }));
        assert!(whole.is_ok(), "{last:#?}");
        self.site.wait_idle();
        let homes = self.homes();
        for number in [2, WEAK] {
            let name = format!("node{number}");
            let told =
                self.database().query_row("SELECT uuid FROM installation", [], |row| row.get(0));
            let told: String = told.expect("the installation");
            let from = self.server.log().len();
            let there = self.server.agent(number).domains(told.parse().expect("a uuid"));
            self.server.log().wait_from(from, LIMIT, |line| {
                let connected = format!("node connected node.id={number} ");
                line.contains(&connected).then_some(())
            });
            let there: BTreeSet<String> = there.iter().map(Uuid::to_string).collect();
            assert_eq!(there, at(&homes, &name), "domains of {name} (left) and rows (right)");
        }
        all_active(&self.site, 3);
    }

    fn differences(&mut self) -> Vec<String> {
        let homes = self.homes();
        let mut found = Vec::new();
        let mut compare = |what: &str, there: BTreeSet<String>, rows: BTreeSet<String>| {
            if there != rows {
                found.push(format!("{what}: {there:?}, rows: {rows:?}"));
            }
        };
        let local = self.server.data_here().join("storage");
        let others = [2, WEAK].map(|number| {
            (format!("node{number}"), self.server.agent(number).storage().to_owned())
        });
        let names: BTreeSet<&String> = others.iter().map(|(name, _)| name).collect();
        let here = homes.iter().filter(|(_, node)| !names.contains(node));
        let here: BTreeSet<String> = here.map(|(uuid, _)| uuid.clone()).collect();
        compare("folders of this machine", folders(&local), here);
        for (name, storage) in &others {
            compare(&format!("folders of {name}"), folders(storage), at(&homes, name));
        }
        for storage in others.iter().map(|(_, storage)| storage).chain([&local]) {
            compare("unfinished files", unfinished(storage), BTreeSet::new());
        }
        compare(
            "addresses",
            self.texts("SELECT owner FROM addresses"),
            homes.into_keys().collect(),
        );
        let counted = "SELECT count(*) FROM operation_locks";
        compare(
            "locks",
            BTreeSet::from([self.count(counted).to_string()]),
            BTreeSet::from(["0".into()]),
        );
        found
    }

    fn texts(&self, sql: &str) -> BTreeSet<String> {
        let database = self.database();
        let mut statement = database.prepare(sql).expect("the rows");
        let found = statement.query_map([], |row| row.get(0)).expect("the rows");
        found.collect::<Result<_, _>>().expect("the rows")
    }
}

fn at(homes: &BTreeMap<String, String>, node: &str) -> BTreeSet<String> {
    let there = homes.iter().filter(|(_, home)| *home == node);
    there.map(|(uuid, _)| uuid.clone()).collect()
}

fn folders(storage: &Path) -> BTreeSet<String> {
    names(&storage.join("desktops"))
}

fn unfinished(storage: &Path) -> BTreeSet<String> {
    names(&storage.join("uploads")).union(&names(&storage.join("tmp"))).cloned().collect()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Waits until so many nodes are active.
#[track_caller]
pub fn all_active(site: &Site, count: usize) {
    wait_until(&format!("{count} active nodes"), LIMIT, || {
        let nodes = rows(&site.admin.get(&format!("{POOLS}/{}/nodes", site.pool)).send());
        nodes.iter().filter(|node| node["status"] == "active").count() == count
    });
}

/// Puts a template's layers on the further nodes. The product brings base images there by itself, templates not yet.
#[track_caller]
fn place_layers(server: &mut Server, template: &str) {
    let database = Connection::open(server.data_here().join("carrel.db")).expect("the database");
    let layers: Vec<(String, String, String)> = {
        let mut statement = database
            .prepare(
                "SELECT l.uuid, c.storage, t.base_image FROM template_layers l \
                 JOIN templates t ON t.id = l.template_id JOIN layer_copies c ON c.layer = l.uuid \
                 WHERE t.uuid = ?1",
            )
            .expect("the layers");
        let found =
            statement.query_map([template], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        found.expect("the layers").collect::<Result<_, _>>().expect("the layers")
    };
    assert!(!layers.is_empty());
    for number in [2, WEAK] {
        let agent = server.agent(number);
        for (layer, storage, image) in &layers {
            let file = |storage: &Path, kind: &str, uuid: &str| -> PathBuf {
                storage.join(kind).join(format!("{uuid}.qcow2"))
            };
            let copy = file(agent.storage(), "templates", layer);
            std::fs::copy(file(Path::new(storage), "templates", layer), &copy)
                .expect("copy a layer");
            let base = file(agent.storage(), "base", image);
            let rebased = Command::new("qemu-img")
                .args(["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b"])
                .args([&base, &copy])
                .status();
            assert!(base.exists() && rebased.expect("qemu-img").success());
            let row = "INSERT INTO layer_copies (layer, node_id, storage, path, state, progress) \
                 SELECT ?1, id, ?2, ?3, 'ready', 100 FROM nodes WHERE name = ?4";
            let values = params![
                layer,
                agent.storage().to_string_lossy(),
                copy.to_string_lossy(),
                agent.name()
            ];
            assert_eq!(database.execute(row, values).expect("the row of a layer"), 1);
        }
    }
}
