//! A server whose node can hang, and what is compared.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use uuid::Uuid;

use super::kinds::Kind;
use crate::pool::{GROUPS, OPERATIONS, all_active};
use crate::support::{
    Agent, Answer, LARGE, Request, Server, Site, empty_image, rows, uuid_of, wait_for, wait_until,
};

pub const LIMIT: Duration = Duration::from_secs(60);
pub const TEMPLATES: &str = "/api/v1.0/education/template/";
pub const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";

/// What a cancelled operation must leave as it was, beside files.
const ROWS: &str = "
    SELECT 'group ' || name || ' ' || state || ' ' || sys_restore FROM desktop_groups UNION ALL
    SELECT 'desktop ' || uuid || ' ' || name || ' ' || state || ' ' || node_id FROM desktops UNION ALL
    SELECT 'template ' || uuid || ' ' || name || ' ' || state || ' ' || version || ' ' || vcpu FROM templates UNION ALL
    SELECT 'layer ' || uuid || ' ' || coalesce(version, '-') FROM template_layers UNION ALL
    SELECT 'copy ' || layer || ' ' || node_id || ' ' || state FROM layer_copies UNION ALL
    SELECT 'image ' || uuid || ' ' || name || ' ' || state FROM images UNION ALL
    SELECT 'disc ' || template_id || ' ' || iso FROM template_discs UNION ALL
    SELECT 'bus ' || template_id || ' ' || phase || ' ' || deadline FROM bus_switches UNION ALL
    SELECT 'download ' || uuid FROM template_exports UNION ALL
    SELECT 'user ' || name FROM users UNION ALL
    SELECT 'to be a user ' || import || ' ' || line FROM user_imports UNION ALL
    SELECT 'network ' || uuid || ' ' || name || ' ' || coalesce(desc, '') FROM networks UNION ALL
    SELECT 'subnet ' || uuid || ' ' || name || ' ' || start_ip FROM subnets UNION ALL
    SELECT 'address ' || owner || ' ' || address FROM addresses";

pub type Snapshot = BTreeSet<String>;

/// Where an operation waits for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Quick,
    Guests,
    Build,
    Copy,
    Quiet,
}

pub struct Bench {
    pub server: Server,
    pub site: Site,
    pub image: String,
    pub classroom: String,
    /// Of the machine itself.
    agent: Agent,
    /// What hangs now.
    hung: Vec<usize>,
    names: usize,
}

impl Bench {
    /// With a node beside the machine, for what goes from one to the other.
    #[track_caller]
    pub fn start() -> Self {
        let agent = Agent::start("controller", None);
        let server = Server::with()
            .env("CARREL_AGENT_SOCKET", agent.socket().display())
            .env("CARREL_LOG", "info,carrel::operations=debug")
            .nodes(1)
            .start();
        let site = Site::of(&server, LARGE);
        all_active(&site, 2);
        let image = site.upload("base", &empty_image());
        let classroom = site.classroom("room");
        let bench = Self { server, site, image, classroom, agent, hung: Vec::new(), names: 0 };
        bench.make_fillers();
        bench
    }

    pub fn prepare(&mut self, kind: &Kind) -> Value {
        self.names += 1;
        let name = format!("t{}", self.names);
        let given = (kind.prepare)(self, &name);
        self.site.wait_idle();
        given
    }

    /// The machine's agent answers nothing from now on.
    pub fn hang(&mut self) {
        self.agent.signal(Signal::SIGSTOP);
        self.hung.push(1);
    }

    pub fn hang_second(&mut self) {
        self.server.agent(2).signal(Signal::SIGSTOP);
        self.hung.push(2);
    }

    /// Whatever hangs goes on.
    pub fn resume(&mut self) {
        for number in std::mem::take(&mut self.hung) {
            let agent = if number == 1 { &self.agent } else { &*self.server.agent(number) };
            agent.signal(Signal::SIGCONT);
        }
    }

    /// Sends what begins the operation, and gives its uuid. The answer may come late.
    #[track_caller]
    pub fn begin(&mut self, kind: &Kind, given: &Value) -> String {
        let last = self.count("SELECT coalesce(max(id), 0) FROM operations");
        let request = (kind.start)(self, given).header("Prefer", "respond-async");
        let answer = std::thread::spawn(move || request.try_send());
        let sql =
            format!("SELECT uuid FROM operations WHERE id > {last} AND kind = '{}'", kind.name);
        let uuid = wait_for(kind.name, LIMIT, || {
            if answer.is_finished() && self.texts(&sql).is_empty() {
                // Not `answer` itself: it may be looked at once only.
                return Some(None);
            }
            Some(Some(self.texts(&sql).pop_first()?))
        });
        uuid.unwrap_or_else(|| {
            panic!("{}: {:?}", kind.name, answer.join().expect("an answer").map(|a| a.body))
        })
    }

    #[track_caller]
    pub fn cancel(&self, uuid: &str) -> Answer {
        self.site.admin.action(OPERATIONS, "cancel", json!({"uuid": uuid})).send()
    }

    pub fn state(&self, uuid: &str) -> String {
        let found = self.texts(&format!("SELECT state FROM operations WHERE uuid = '{uuid}'"));
        found.into_iter().next().expect("the operation")
    }

    /// Whether somebody asked it to stop.
    pub fn is_asked(&self, uuid: &str) -> bool {
        self.count(&format!("SELECT cancel FROM operations WHERE uuid = '{uuid}'")) == 1
    }

    #[track_caller]
    pub fn wait_running(&self, uuid: &str) {
        wait_until("its first action", LIMIT, || self.state(uuid) == "running");
    }

    /// Waits for the end, and gives the state.
    #[track_caller]
    pub fn end(&self, uuid: &str) -> String {
        let over = ["succeeded", "partly", "failed", "cancelled"];
        wait_for("the end of an operation", LIMIT, || {
            let state = self.state(uuid);
            over.contains(&state.as_str()).then_some(state)
        })
    }

    pub fn operation(&self, uuid: &str) -> Value {
        let page = self.site.admin.get(OPERATIONS).query("page_size", 100).send();
        rows(&page).into_iter().find(|row| row["uuid"] == uuid).unwrap_or_default()
    }

    pub fn newest(&self, kind: &str) -> String {
        let sql =
            format!("SELECT uuid FROM operations WHERE kind = '{kind}' ORDER BY id DESC LIMIT 1");
        wait_for(kind, LIMIT, || self.texts(&sql).pop_first())
    }

    /// Kills the server, makes an operation that is over one in this state, with a cancel that was asked for, and starts
    /// it again.
    #[track_caller]
    pub fn put_back(&mut self, uuid: &str, state: &str, action: Option<&str>) {
        self.server.kill();
        let changed = self.database().execute(
            "UPDATE operations SET state = ?2, action = ?3, cancel = 1, finished_at = NULL WHERE uuid = ?1",
            params![uuid, state, action],
        );
        assert_eq!(changed.expect("as a killed server left it"), 1);
        self.server.start_again();
        self.site.admin = self.server.admin();
        all_active(&self.site, 2);
    }

    /// Kills the server, changes something behind its back and starts it again: its look at the node mends it.
    #[track_caller]
    pub fn mend(&mut self, change: impl FnOnce(&mut Self)) {
        self.server.kill();
        change(self);
        self.server.start_again();
        self.site.admin = self.server.admin();
        all_active(&self.site, 2);
    }

    /// The machine loses its domains.
    pub fn lose_domains(&mut self) {
        self.agent.kill();
        self.agent.start_again();
    }

    #[track_caller]
    pub fn all_active(&self) {
        all_active(&self.site, 2);
    }

    pub fn storage(&self) -> std::path::PathBuf {
        self.server.data_here().join("storage")
    }

    pub fn database(&self) -> Connection {
        Connection::open(self.server.data_here().join("carrel.db")).expect("the database")
    }

    pub fn count(&self, sql: &str) -> i64 {
        self.database()
            .query_row(sql, [], |row| row.get(0))
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub fn texts(&self, sql: &str) -> BTreeSet<String> {
        let database = self.database();
        let mut statement = database.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let found = statement.query_map([], |row| row.get(0)).expect("rows");
        found.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    #[track_caller]
    pub fn assert_there(&self, count: &str) {
        wait_until(count, LIMIT, || self.count(count) == 1);
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut all = self.texts(ROWS);
        let storage = self.storage();
        for folder in ["base", "templates", "desktops", "uploads"] {
            collect(&storage, &storage.join(folder), &mut all);
        }
        all
    }

    /// All that `counts` is there as it was.
    #[track_caller]
    pub fn assert_same(&self, what: &str, before: &Snapshot, counts: fn(&str) -> bool) {
        let counting = |all: &Snapshot| -> Snapshot {
            all.iter().filter(|entry| counts(entry)).cloned().collect()
        };
        let before = counting(before);
        let mut now = Snapshot::new();
        let same = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until(what, LIMIT, || {
                now = counting(&self.snapshot());
                now == before
            });
        }));
        let missing: Vec<_> = before.difference(&now).collect();
        let more: Vec<_> = now.difference(&before).collect();
        assert!(same.is_ok(), "{what}: missing {missing:#?}, too much {more:#?}");
    }

    /// Folders, addresses and domains have their rows, nothing is locked or unfinished.
    #[track_caller]
    pub fn assert_whole(&mut self) {
        self.site.wait_idle();
        let owners = self.texts("SELECT uuid FROM desktops UNION SELECT uuid FROM templates");
        let folders = names(&self.storage().join("desktops"));
        assert_eq!(folders, owners, "folders (left) and rows (right)");
        assert_eq!(names(&self.storage().join("tmp")), BTreeSet::new());
        assert_eq!(self.texts("SELECT owner FROM addresses"), owners);
        // What begins by itself when a node is looked at may begin now; a lock that nobody has would stay.
        let locks = || self.count("SELECT count(*) FROM operation_locks");
        wait_until("no lock", LIMIT, || locks() == 0);
        let installation = self.texts("SELECT uuid FROM installation").pop_first().expect("one");
        let from = self.server.log().len();
        let told = installation.parse().expect("a uuid");
        let storage = self.server.data_here().join("storage");
        let there = self.agent.domains_in(told, &storage);
        let there: BTreeSet<String> = there.iter().map(Uuid::to_string).collect();
        assert_eq!(there, owners, "domains (left) and rows (right)");
        let connected = self.server.log().wait_from(from, LIMIT, |line| {
            line.contains("node connected node.id=1 ").then_some(())
        });
        assert!(connected.is_some(), "the server connects again");
        all_active(&self.site, 2);
        self.site.wait_idle();
    }

    /// Does once what the lanes are filled with later.
    fn make_fillers(&self) {
        self.template("filler");
        let template = named(&self.uuid("templates", "filler"), "filler");
        let batch = json!({"templates": [template]});
        self.site.done(self.site.admin.action(TEMPLATES, "hard_stop", batch.clone()));
        self.site.done(self.site.admin.action(TEMPLATES, "stop", batch));
        let class = self.class("filler", 1);
        self.site.done(self.change_restore(&class, 0));
        let second =
            self.texts("SELECT uuid FROM nodes WHERE name = 'node2'").pop_first().expect("it");
        let resync = format!("{POOLS}/{}/base_images/{}/resync", self.site.pool, self.image);
        self.site.done(self.site.admin.post(&resync).json(&json!({"node_uuid": second})));
    }

    /// Takes every place of a lane with work on a node that hangs.
    #[track_caller]
    pub fn fill(&mut self, lane: Lane) {
        let (kind, places) = match lane {
            Lane::Quick => ("template-hard-stop", 32),
            Lane::Guests => ("template-stop", 64),
            Lane::Build => ("desktop-group-restore", 16),
            Lane::Copy => ("image-resync", 8),
            Lane::Quiet => panic!("it is not filled"),
        };
        match lane {
            // An upload needs the machine itself.
            Lane::Copy => self.hang_second(),
            _ => self.hang(),
        }
        let database = self.database();
        let like = self
            .texts(&format!("SELECT cast(min(id) AS TEXT) FROM operations WHERE kind = '{kind}'"));
        let like = like.first().expect("a filler").clone();
        for _ in 0..places {
            let sql = "INSERT INTO operations (uuid, kind, subject, subject_name, args, locks, state, owner_name, created_at, \
                 args_version) SELECT ?1, kind, subject, subject_name, args, '[]', 'queued', owner_name, created_at, \
                 args_version FROM operations WHERE id = ?2";
            let made = database.execute(sql, params![Uuid::new_v4().to_string(), like]);
            assert_eq!(made.expect("a filler"), 1);
        }
    }

    pub fn templates(&self) -> Vec<Value> {
        let all = self.texts("SELECT uuid || ' ' || name FROM templates");
        all.iter()
            .filter_map(|row| row.split_once(' '))
            .map(|(uuid, name)| named(uuid, name))
            .collect()
    }

    pub fn uuid(&self, table: &str, name: &str) -> String {
        let found = self.texts(&format!("SELECT uuid FROM {table} WHERE name = '{name}'"));
        found.into_iter().next().unwrap_or_else(|| panic!("no {name} in {table}"))
    }

    #[track_caller]
    pub fn template(&self, name: &str) -> String {
        self.site.template(name, &self.image)
    }

    #[track_caller]
    pub fn save(&self, uuid: &str, name: &str) {
        self.site.done(self.site.admin.action(TEMPLATES, "save", named(uuid, name)));
    }

    /// A class on a template of the same name.
    #[track_caller]
    pub fn class(&self, name: &str, count: u32) -> Value {
        let known = format!("SELECT uuid FROM templates WHERE name = '{name}'");
        let template = match self.texts(&known).pop_first() {
            Some(template) => template,
            None => self.template(name),
        };
        let group = self.site.deploy(name, &self.classroom, &template, count);
        json!({"uuid": group, "name": name, "desktops": self.site.desktops(&group)})
    }

    pub fn change_restore(&self, class: &Value, restore: u8) -> Request {
        let value = json!({"sys_restore": restore});
        let change = json!({"uuid": class["uuid"], "name": class["name"], "value": value});
        self.site.admin.put(GROUPS).json(&change)
    }

    pub fn upload_request(&self, name: &str) -> Request {
        let images = format!("{POOLS}/{}/base_images", self.site.pool);
        let content = std::fs::File::open(empty_image()).expect("the image");
        let size = content.metadata().expect("the image").len();
        let part = crate::support::Part::File {
            name: "file",
            file_name: "image.qcow2",
            size,
            content: Box::new(content),
        };
        let request = self.site.admin.post(&images).query("name", name).query("os_type", "linux");
        request.multipart(vec![part])
    }

    pub fn uploaded_while_the_second_hangs(&mut self, name: &str) -> JoinHandle<Answer> {
        self.hang_second();
        let request = self.upload_request(name).header("Prefer", "respond-async");
        let upload = std::thread::spawn(move || request.send());
        let there =
            format!("SELECT count(*) FROM images WHERE name = '{name}' AND state = 'ready'");
        self.assert_there(&there);
        upload
    }

    pub fn network(&self, name: &str) -> Option<Value> {
        let page = self.site.admin.get(super::supply::NETWORKS).query("page_size", 100).send();
        rows(&page).into_iter().find(|row| row["name"] == name)
    }

    pub fn image_uuid(&self, name: &str) -> String {
        uuid_of(&self.site.admin, &format!("{POOLS}/{}/base_images", self.site.pool), name)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.resume();
    }
}

pub fn named(uuid: &str, name: &str) -> Value {
    json!({"uuid": uuid, "name": name})
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let below = path.strip_prefix(root).expect("below the storage");
            found.insert(format!("file {}", below.display()));
        }
    }
}
