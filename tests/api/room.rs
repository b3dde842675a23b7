//! A server with a template and a classroom, which the tests of groups and desktops begin with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, SMALL, Server, Site, small_image};

pub const GROUPS: &str = "/api/v1.0/education/group/";
pub const DESKTOPS: &str = "/api/v1.0/education/desktop/";
pub const INSTANCES: &str = "/api/v1.0/education/instance/";
pub const NOBODY: &str = "00000000-0000-4000-8000-00000000dead";

pub struct Room {
    pub server: Server,
    pub site: Site,
    /// The base image of the template.
    pub image: String,
    pub template: String,
    pub classroom: String,
}

impl Room {
    #[track_caller]
    pub fn start() -> Self {
        Self::on(Server::start())
    }

    #[track_caller]
    pub fn on(server: Server) -> Self {
        let site = Site::of(&server, SMALL);
        let image = site.upload("small", &small_image(&server));
        let template = site.template("plain", &image);
        let classroom = site.classroom("room");
        Self { server, site, image, template, classroom }
    }

    #[track_caller]
    pub fn deploy(&self, name: &str, count: u32) -> String {
        self.site.deploy(name, &self.classroom, &self.template, count)
    }

    /// The parameters of a good `create`.
    pub fn param(&self, name: &str, count: u32) -> Value {
        json!({
            "name": name, "group_uuid": self.classroom, "template_uuid": self.template,
            "pool_uuid": self.site.pool, "network_uuid": self.site.network,
            "subnet_uuid": self.site.subnet, "vcpu": 1, "ram": 0.08, "sys_restore": 1,
            "data_restore": 1, "instance_num": count, "prefix": name, "postfix": 3,
            "postfix_start": 1,
        })
    }

    /// `POST` with the group and desktops as document 002 names them.
    #[track_caller]
    pub fn act(&self, action: &str, group: (&str, &str), desktops: &[(&str, &str)]) -> Answer {
        let instances: Vec<Value> =
            desktops.iter().map(|(uuid, name)| json!({"uuid": uuid, "name": name})).collect();
        let param = json!({
            "desktop_uuid": group.0, "desktop_name": group.1, "desktop_type": 1,
            "instances": instances,
        });
        self.site.admin.action(INSTANCES, action, param).send()
    }

    /// The row of a group.
    #[track_caller]
    pub fn group(&self, uuid: &str) -> Value {
        let single = self.site.admin.get(DESKTOPS).query("searchtype", "single");
        single.query("uuid", uuid).send().data()
    }

    /// Overlays of desktops on disk, without the template's own.
    pub fn overlays(&self) -> Vec<PathBuf> {
        let is_part =
            |file: &Path, name: &str| file.components().any(|part| part.as_os_str() == name);
        let files = self.server.files().into_iter();
        files
            .filter(|file| file.extension().is_some_and(|ending| ending == "qcow2"))
            .filter(|file| is_part(file, "desktops") && !is_part(file, &self.template))
            .collect()
    }

    /// How many rows each table has, but for the audit log, which also keeps refusals.
    pub fn row_counts(&self) -> BTreeMap<String, i64> {
        let database = Connection::open(self.server.data_here().join("carrel.db")).expect("open");
        let mut statement = database
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'audit'")
            .expect("prepare");
        let names = statement.query_map([], |row| row.get(0)).expect("query");
        let names = names.collect::<Result<Vec<String>, _>>().expect("read");
        let count = |name: &String| {
            let sql = format!("SELECT count(*) FROM {name}");
            database.query_row(&sql, [], |row| row.get(0)).expect("count")
        };
        names.iter().map(|name| (name.clone(), count(name))).collect()
    }

    /// A client of a new user with this role.
    #[track_caller]
    pub fn as_role(&self, role: &str) -> crate::support::Client {
        let user = format!("{role}-user");
        let output =
            self.server.run(&["admin", "add", &user, "--role", role], &format!("{PASSWORD}\n"));
        assert!(output.status.success(), "{output:?}");
        self.server.client().sign_in(&user, PASSWORD)
    }
}

/// Asserts that each change of a good input is refused with this status, naming the field.
#[track_caller]
pub fn refuse_each(good: &Value, changes: &[(&str, Value, u16)], send: impl Fn(Value) -> Answer) {
    for (field, value, status) in changes {
        let mut wrong = good.clone();
        match value {
            Value::Null => drop(wrong.as_object_mut().expect("an object").remove(*field)),
            value => wrong[*field] = value.clone(),
        }
        let answer = send(wrong);
        assert_eq!(answer.status, *status, "{field} = {value}: {}", answer.body);
        let body = answer.json();
        assert_eq!(body["code"], *status, "{body}");
        assert!(body["msg"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
}
