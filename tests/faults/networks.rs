//! kill -9 while data networks, subnets and switches are made, changed and deleted, at different moments: afterwards
//! each is whole or gone, in the rows and on the node.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, LabNode, Request, Server, Site, rows, wait_until};

const SWITCHES: &str = "/api/v1.0/resource_mgr/vswitchs";
const NETWORKS: &str = "/api/v1.0/resource_mgr/data_networks";
/// Kills of each kind of operation, spread over the time that an undisturbed one takes, and a little beyond.
const KILLS: u32 = 6;
/// A node is told what it missed when it arrives.
const LIMIT: Duration = Duration::from_secs(30);

/// A server in a node of the lab that is killed and started again.
struct Bench {
    server: Server,
    admin: Client,
    switch: String,
}

/// A request that can be sent from another thread.
struct Ask {
    method: &'static str,
    path: String,
    body: Value,
}

impl Ask {
    fn of(&self, client: &Client) -> Request {
        client.request(self.method, &self.path).json(&self.body)
    }
}

/// How an operation is sent, and whether what it does is done.
struct Case<'a> {
    what: &'a str,
    /// Makes what the operation needs.
    prepare: &'a dyn Fn(&Bench),
    send: &'a dyn Fn(&Bench) -> Ask,
    is_done: &'a dyn Fn(&Bench) -> bool,
}

impl Bench {
    #[track_caller]
    fn start() -> Self {
        let server = Server::with().on(&LabNode::up()).start();
        let admin = Site::of_default(&server).admin;
        let switch = text(&listed(&admin, SWITCHES)[0], "uuid");
        Self { server, admin, switch }
    }

    /// Does it undisturbed, then kills the server under it again and again.
    #[track_caller]
    fn run(&mut self, case: &Case<'_>) {
        (case.prepare)(self);
        let begun = Instant::now();
        let answer = (case.send)(self).of(&self.admin).send();
        answer.expect_status(200);
        let calm = begun.elapsed();
        assert!((case.is_done)(self), "{}: {}", case.what, answer.body);
        self.assert_whole();
        let (mut done, mut undone) = (0, 0);
        for round in 0..KILLS {
            self.clear();
            (case.prepare)(self);
            let (ask, admin) = ((case.send)(self), self.admin.clone());
            // the answer may never come: the server is killed under it
            let call = std::thread::spawn(move || {
                ask.of(&admin).header("Prefer", "respond-async").try_send()
            });
            std::thread::sleep(calm * round / (KILLS - 2));
            self.server.kill();
            let answer = call.join().expect("the caller");
            let acknowledged = matches!(answer, Ok(answer) if answer.status == 200);
            self.server.start_again();
            self.admin = Site::of_default(&self.server).admin;
            self.assert_whole();
            match (case.is_done)(self) {
                true => done += 1,
                false => undone += 1,
            }
            let lost = acknowledged && !(case.is_done)(self);
            assert!(!lost, "{}, round {round}: acknowledged and not done", case.what);
        }
        self.clear();
        println!("{}: {done} done, {undone} never begun ({calm:?} undisturbed)", case.what);
    }

    /// Deletes what the tests make.
    #[track_caller]
    fn clear(&self) {
        for (path, name) in [(NETWORKS, "lesson"), (SWITCHES, "second")] {
            let of_that_name = self.admin.get(path).query("name", name).send();
            for row in rows(&of_that_name) {
                self.admin.delete(path).json(&json!({"uuids": [row["uuid"]]})).send().data();
            }
        }
        self.assert_whole();
    }

    fn network(&self) -> Option<Value> {
        rows(&self.admin.get(NETWORKS).query("name", "lesson").send()).into_iter().next()
    }

    fn subnets_path(&self) -> String {
        format!("{NETWORKS}/{}/sub_networks", text(&self.network().expect("lesson"), "uuid"))
    }

    /// The uuid of a subnet of the network.
    fn subnet(&self, name: &str) -> Option<String> {
        let subnets = listed(&self.admin, &self.subnets_path());
        subnets.iter().find(|row| row["name"] == name).map(|row| text(row, "uuid"))
    }

    fn create_network(&self) -> Ask {
        let new = json!({
            "name": "lesson", "switch_uuid": self.switch, "subnet_info": subnet("first", 1, 10),
        });
        Ask { method: "POST", path: NETWORKS.to_owned(), body: new }
    }

    fn create_subnet(&self) -> Ask {
        Ask { method: "POST", path: self.subnets_path(), body: subnet("second", 2, 10) }
    }

    /// Moves the first subnet to another CIDR, for which the node has to make the network anew.
    fn move_subnet(&self) -> Ask {
        let first = self.subnet("first").expect("the first subnet");
        let path = format!("{}/{first}", self.subnets_path());
        Ask { method: "PUT", path, body: subnet("moved", 3, 10) }
    }

    #[track_caller]
    fn done(&self, ask: &Ask) {
        ask.of(&self.admin).send().data();
    }

    /// Rows and node agree: the networks, the gateways and ranges of their subnets, the bridges; all are up.
    #[track_caller]
    fn assert_whole(&self) {
        let idle = || rows(&self.admin.get("/api/v1.0/operations").query("open", 1).send());
        wait_until("the end of all operations", LIMIT, || idle().is_empty());
        let expected = self.as_rows_say();
        wait_until("the node has heard of all", LIMIT, || self.as_node_says() == expected);
        let bridges = self.bridges();
        let of_rows: BTreeSet<String> = expected.iter().map(|(uuid, ..)| bridge_of(uuid)).collect();
        assert_eq!(bridges, of_rows, "bridges (left) and networks (right)");
        for (uuid, ..) in &expected {
            let info = self.server.node().virsh(&["net-info", uuid]);
            let active = info.lines().any(|line| {
                line.split_once(':').is_some_and(|(key, is)| key == "Active" && is.trim() == "yes")
            });
            assert!(active, "{info}");
        }
        let orphans =
            "SELECT count(*) FROM subnets WHERE network_id NOT IN (SELECT id FROM networks)";
        let path = self.server.data_here().join("carrel.db");
        let database = rusqlite::Connection::open(path).expect("the database");
        let left: i64 = database.query_row(orphans, [], |row| row.get(0)).expect("count");
        assert_eq!(left, 0, "subnets without a network");
    }

    /// Each network with the gateways and the first addresses of its subnets.
    fn as_rows_say(&self) -> BTreeSet<(String, BTreeSet<String>, BTreeSet<String>)> {
        let networks = listed(&self.admin, NETWORKS).into_iter().map(|network| {
            let uuid = text(&network, "uuid");
            let subnets = listed(&self.admin, &format!("{NETWORKS}/{uuid}/sub_networks"));
            let all = |field: &str| subnets.iter().map(|subnet| text(subnet, field)).collect();
            (uuid, all("gateway"), all("start_ip"))
        });
        networks.collect()
    }

    /// The same from libvirt's definitions.
    fn as_node_says(&self) -> BTreeSet<(String, BTreeSet<String>, BTreeSet<String>)> {
        let node = self.server.node();
        let uuids = node.virsh(&["net-list", "--all", "--uuid"]);
        let uuids = uuids.lines().map(str::trim).filter(|line| !line.is_empty());
        let ours = uuids.filter_map(|uuid| {
            let dump = ["virsh", "-q", "-c", "qemu:///system", "net-dumpxml", "--inactive", uuid];
            let output = node.try_exec(&dump);
            // one that is just being taken away may be gone since it was listed
            let xml = String::from_utf8_lossy(&output.stdout).replace("&quot;", "\"");
            let is_ours = xml.contains("<name>carrel-");
            is_ours.then(|| {
                let gateways = pieces(&xml, "<ip address='", '\'');
                (uuid.to_owned(), gateways, pieces(&xml, "\"start\":\"", '"'))
            })
        });
        ours.collect()
    }

    fn bridges(&self) -> BTreeSet<String> {
        let links = self.server.node().exec(&["ip", "-o", "link", "show", "type", "bridge"]);
        let names = links.lines().filter_map(|line| line.split(": ").nth(1));
        names.filter(|name| name.starts_with("crl")).map(str::to_owned).collect()
    }
}

#[track_caller]
fn listed(client: &Client, path: &str) -> Vec<Value> {
    rows(&client.get(path).query("page_size", 1000).send())
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_else(|| panic!("no text {field} in {row:#}")).to_owned()
}

fn bridge_of(network: &str) -> String {
    format!("crl{}", &network.replace('-', "")[..12])
}

/// What stands between each `start` and the next `end`.
fn pieces(text: &str, start: &str, end: char) -> BTreeSet<String> {
    let found = text.split(start).skip(1).filter_map(|rest| rest.split(end).next());
    found.map(str::to_owned).collect()
}

fn subnet(name: &str, third: u8, first: u8) -> Value {
    json!({
        "name": name, "start_ip": format!("10.50.{third}.{first}"),
        "end_ip": format!("10.50.{third}.99"), "netmask": "255.255.255.0",
        "gateway": format!("10.50.{third}.1"), "dns1": format!("10.50.{third}.1"),
    })
}

#[test]
fn killed_changes_of_networks_are_whole_or_gone() {
    let mut bench = Bench::start();
    let nothing = |_: &Bench| {};
    let with_network = |bench: &Bench| bench.done(&bench.create_network());
    let with_two_subnets = |bench: &Bench| {
        bench.done(&bench.create_network());
        bench.done(&bench.create_subnet());
    };
    let delete = |path: &str, uuid: &str| Ask {
        method: "DELETE",
        path: path.to_owned(),
        body: json!({"uuids": [uuid]}),
    };
    let has = |bench: &Bench, name: &str| bench.subnet(name).is_some();
    bench.clear();
    bench.run(&Case {
        what: "create a network",
        prepare: &nothing,
        send: &Bench::create_network,
        is_done: &|bench| bench.network().is_some() && has(bench, "first"),
    });
    bench.run(&Case {
        what: "create a subnet",
        prepare: &with_network,
        send: &Bench::create_subnet,
        is_done: &|bench| has(bench, "second"),
    });
    bench.run(&Case {
        what: "move a subnet",
        prepare: &with_network,
        send: &Bench::move_subnet,
        is_done: &|bench| has(bench, "moved"),
    });
    bench.run(&Case {
        what: "delete a subnet",
        prepare: &with_two_subnets,
        send: &|bench| {
            let second = bench.subnet("second").expect("the second subnet");
            delete(&bench.subnets_path(), &second)
        },
        is_done: &|bench| !has(bench, "second"),
    });
    bench.run(&Case {
        what: "delete a network",
        prepare: &with_two_subnets,
        send: &|bench| {
            let network = bench.network().expect("the network");
            delete(NETWORKS, &text(&network, "uuid"))
        },
        is_done: &|bench| bench.network().is_none(),
    });
    let switch = |bench: &Bench| {
        rows(&bench.admin.get(SWITCHES).query("name", "second").send()).into_iter().next()
    };
    let create_switch = |_: &Bench| Ask {
        method: "POST",
        path: SWITCHES.to_owned(),
        body: json!({"name": "second", "type": "nat", "uplinks": []}),
    };
    bench.run(&Case {
        what: "create a switch",
        prepare: &nothing,
        send: &create_switch,
        is_done: &|bench| switch(bench).is_some(),
    });
    bench.run(&Case {
        what: "delete a switch",
        prepare: &|bench| bench.done(&create_switch(bench)),
        send: &|bench| {
            let second = switch(bench).expect("the switch");
            delete(SWITCHES, &text(&second, "uuid"))
        },
        is_done: &|bench| switch(bench).is_none(),
    });
}
