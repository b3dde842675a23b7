//! ISOs in the drives of a real guest: it boots from one, reads another, ejects it, and keeps one locked.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{LabNode, Server, Site, guest_iso, iso, rows, uuid_of, wait_for, wait_until};

const TEMPLATES: &str = "/api/v1.0/education/template/";
/// A boot takes 5 s on an idle machine and several times that beside other work.
const BOOT: Duration = Duration::from_secs(180);

struct Guest {
    node: std::sync::Arc<LabNode>,
    server: Server,
    site: Site,
    uuid: String,
    address: String,
}

impl Guest {
    /// A template that is to be installed from an ISO, off.
    fn new(installer: &str, upload: impl Fn(&Server, &Site)) -> Self {
        let node = LabNode::up();
        let server = Server::with().on(&node).start();
        let site = Site::of_default(&server);
        upload(&server, &site);
        let iso = uuid_of(&site.admin, crate::support::ISOS, installer);
        let param = json!({
            "name": "t", "os_type": "linux", "classify": 1, "pool_uuid": site.pool,
            "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.125,
            "system_disk": {"size": 1}, "iso_uuid": iso, "data_disks": [],
        });
        site.done(site.admin.action(TEMPLATES, "create", param));
        let uuid = uuid_of(&site.admin, TEMPLATES, "t");
        let mut guest = Self { node, server, site, uuid, address: String::new() };
        guest.address = guest.row()["bind_ip"].as_str().expect("an address").to_owned();
        // The kernel of the tests' guest knows IDE and no AHCI.
        let path = format!("/api/v1.0/templates/{}/hardware", guest.uuid);
        let mut hardware = guest.site.admin.get(&path).send().data()["hardware"].clone();
        hardware["chipset"] = json!("i440fx");
        guest.site.done(guest.site.admin.put(&path).json(&hardware));
        guest
    }

    fn row(&self) -> Value {
        let single = self.site.admin.get(TEMPLATES).query("searchtype", "single");
        single.query("uuid", &self.uuid).send().data()
    }

    fn act(&self, action: &str, iso: &str) {
        let param = json!({"uuid": self.uuid, "name": "t", "iso_uuid": self.iso(iso)});
        self.site.done(self.site.admin.action(TEMPLATES, action, param));
    }

    fn iso(&self, name: &str) -> String {
        uuid_of(&self.site.admin, crate::support::ISOS, name)
    }

    /// Names of what the rows have in the drives.
    fn discs(&self) -> Vec<String> {
        let row = self.row();
        let discs = row["discs"].as_array().expect("discs").iter();
        discs.map(|disc| disc["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Uuids of what libvirt has in them: of the running machine, or of the one that starts next.
    fn defined(&self, which: &[&str]) -> Vec<String> {
        let xml = self.node.virsh(&[&["dumpxml", self.uuid.as_str()], which].concat());
        let files = xml.split(".iso'").filter_map(|part| part.rsplit('/').next());
        files.filter(|name| name.len() == 36).map(str::to_owned).collect()
    }
}

#[test]
fn a_guest_boots_from_one_iso_reads_another_and_ejects_it() {
    let guest = Guest::new("installer", |server, site| {
        site.upload_iso("installer", &guest_iso());
        site.upload_iso("drivers", &iso(server, "drivers.txt", b"drivers of all sorts"));
    });
    let start = json!({"templates": [{"name": "t", "uuid": guest.uuid}]});
    guest.site.done(guest.site.admin.action(TEMPLATES, "start", start));
    guest.node.guest_status(&guest.address, "boots", BOOT);
    let ask = |question: &str| {
        wait_for(question, BOOT, || guest.node.ask_guest(&guest.address, question))
    };

    // It reads the one that it started from while the other comes.
    assert!(ask("hold?0").contains("held"));
    guest.act("attach_source", "drivers");
    assert_eq!(guest.discs(), ["installer", "drivers"]);
    wait_until("the second CD is read", BOOT, || ask("cd?1").contains("drivers of all sorts"));

    // What the guest ejects is out for good: of the rows and of the next start.
    assert!(ask("eject?1").contains("ok"));
    wait_until("the rows follow", BOOT, || guest.discs() == ["installer"]);
    guest.site.wait_idle();
    let installer = guest.iso("installer");
    assert_eq!(guest.defined(&["--inactive"]), [installer.as_str()]);
    assert_eq!(guest.defined(&[]), [installer.as_str()]);
    guest.act("attach_source", "drivers");
    wait_until("it is read again", BOOT, || ask("cd?1").contains("drivers of all sorts"));

    // Its file is deleted by hand: the guest that has it open reads on.
    let file = guest.site.admin.get(crate::support::ISOS).query("searchtype", "single");
    let file = file.query("uuid", guest.iso("drivers")).send().data()["path"].clone();
    guest.node.exec(&["rm", file.as_str().expect("a path")]);
    assert!(ask("cd?1").contains("drivers of all sorts"));

    // One that the guest holds is taken, and the log says so.
    assert!(ask("hold?1").contains("held"));
    guest.act("detach_source", "drivers");
    assert_eq!(guest.defined(&[]), [installer.as_str()]);
    assert_eq!(guest.discs(), ["installer"]);
    let log = guest.site.admin.get("/api/v1.0/index/get_operation_log/").query("page_size", 50);
    let log = rows(&log.send());
    let taken = |row: &Value| row.to_string().contains("强制弹出");
    assert!(log.iter().any(taken), "{log:#?}");
    guest.site.done(
        guest
            .site
            .admin
            .delete(crate::support::ISOS)
            .json(&json!({"uuids": [guest.iso("drivers")]})),
    );
}

#[test]
fn rows_and_machine_agree_after_a_kill_at_any_moment() {
    let mut guest = Guest::new("one", |server, site| {
        site.upload_iso("one", &iso(server, "one.txt", b"1"));
        site.upload_iso("two", &iso(server, "two.txt", b"2"));
    });
    let two = guest.iso("two");
    for pause in [0, 10, 20, 40, 80, 160] {
        for action in ["attach_source", "detach_source"] {
            let param = json!({"uuid": guest.uuid, "name": "t", "iso_uuid": two});
            let request = guest.site.admin.action(TEMPLATES, action, param);
            let asking = std::thread::spawn(move || drop(request.try_send()));
            std::thread::sleep(Duration::from_millis(pause));
            guest.server.kill();
            asking.join().expect("join");
            guest.server.start_again();
            guest.site = Site::of_default(&guest.server);
            guest.site.wait_idle();
            assert_eq!(guest.discs().len(), guest.defined(&[]).len(), "{action} {pause}");
        }
        if guest.discs().len() == 2 {
            guest.act("detach_source", "two");
        }
        assert_eq!(guest.defined(&[]), [guest.iso("one")]);
    }
}
