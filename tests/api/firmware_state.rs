//! What firmware keeps besides the disks: the variables of UEFI go with a template's version to the desktops of it. The
//! simulator starts no firmware, so a test writes in its place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::images::image_file;
use crate::support::{SMALL, Server, Site, uuid_of, wait_for, wait_until};

const TEMPLATES: &str = "/api/v1.0/education/template/";
const DESKTOPS: &str = "/api/v1.0/education/desktop/";
/// With which a machine with secure boot begins.
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd";
const LIMIT: Duration = Duration::from_secs(60);
/// Moments of a save at which it is killed.
const KILLS: u32 = 12;

struct Bench {
    server: Server,
    site: Site,
    template: String,
}

impl Bench {
    fn start() -> Self {
        let server = Server::start();
        let site = Site::of(&server, SMALL);
        let image = site.upload("base", &image_file(&server, "image.qcow2", "64M"));
        let param = json!({
            "name": "t", "os_type": "Windows 11", "classify": 1, "pool_uuid": site.pool,
            "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.08,
            "system_disk": {"image_id": image, "size": 1}, "data_disks": [],
        });
        site.done(site.admin.action(TEMPLATES, "create", param));
        let template = uuid_of(&site.admin, TEMPLATES, "t");
        Self { server, site, template }
    }

    fn nvram(&self, machine: &str) -> PathBuf {
        self.server.data_here().join("storage/desktops").join(machine).join("nvram.fd")
    }

    /// Writes variables that can be told from others, as the firmware of a machine.
    fn mark(&self, machine: &str, mark: u8) {
        let mut content = fs::read(VARIABLES).expect("OVMF");
        *content.last_mut().expect("a byte") = mark;
        fs::write(self.nvram(machine), content).expect("the machine's folder");
    }

    /// Of the machine's variables; `None` when it has none.
    fn mark_of(&self, machine: &str) -> Option<u8> {
        let content = fs::read(self.nvram(machine)).ok()?;
        assert_eq!(content.len() as u64, fs::metadata(VARIABLES).expect("OVMF").len());
        content.last().copied()
    }

    fn save(&self) {
        let param = json!({"name": "t", "uuid": self.template});
        self.site.done(self.site.admin.action(TEMPLATES, "save", param));
    }

    /// The newest, as soon as the template can be used.
    fn version(&self) -> u64 {
        wait_for("a template that is off", LIMIT, || {
            let single = self.site.admin.get(TEMPLATES).query("searchtype", "single");
            let row = single.query("uuid", &self.template).send().data();
            (row["status"] == "inactive").then(|| row["version"].as_u64())?
        })
    }

    /// A group of one desktop, which restores its system or keeps it. Gives the group and the desktop.
    fn deploy(&self, name: &str, classroom: &str, restores: bool) -> (String, String) {
        let restore = u8::from(restores);
        let param = json!({
            "name": name, "group_uuid": classroom, "template_uuid": self.template,
            "pool_uuid": self.site.pool, "network_uuid": self.site.network,
            "subnet_uuid": self.site.subnet, "vcpu": 1, "ram": 0.08, "sys_restore": restore,
            "data_restore": 1, "instance_num": 1, "prefix": name, "postfix": 3, "postfix_start": 1,
        });
        self.site.done(self.site.admin.action(DESKTOPS, "create", param));
        let group = uuid_of(&self.site.admin, DESKTOPS, name);
        self.site.group_action("active", &group, name);
        let desktop = self.site.desktops(&group)[0]["uuid"].as_str().expect("a uuid").to_owned();
        (group, desktop)
    }

    /// Off and on.
    fn restart(&self, group: &str, name: &str) {
        self.site.group_action("hard_stop", group, name);
        self.site.group_action("start", group, name);
    }

    fn start_again(&mut self) {
        self.server.start_again();
        self.site.admin = self.server.admin();
        self.site.wait_idle();
    }

    /// As soon as its machine is there: the simulator's end with the server, and are made again when the node is back.
    fn start_group(&self, group: &str, name: &str) {
        let param = json!({"desktops": [{"uuid": group, "name": name}]});
        wait_until("a machine that can be started", LIMIT, || {
            let start = self.site.admin.action(DESKTOPS, "start", param.clone());
            let answer = start.send().json();
            let operation = answer["data"]["operation_uuid"].as_str().map(str::to_owned);
            answer["code"] == 0
                && operation
                    .is_some_and(|uuid| self.site.wait_operation(&uuid)["state"] == "succeeded")
        });
    }
}

#[test]
fn the_variables_of_uefi_go_with_the_version() {
    let mut bench = Bench::start();
    let room = bench.site.classroom("room");
    bench.mark(&bench.template, 1);
    bench.save();
    let current = format!("storage/templates/{}.current", bench.template);
    let mode = fs::metadata(bench.server.data_here().join(current)).expect("it").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600, "a TPM keeps keys");

    let (restoring, desktop) = bench.deploy("r", &room, true);
    let (keeping, kept) = bench.deploy("k", &room, false);
    bench.site.group_action("start", &restoring, "r");
    bench.site.group_action("start", &keeping, "k");
    assert_eq!((bench.mark_of(&desktop), bench.mark_of(&kept)), (Some(1), Some(1)));

    // What is made anew begins as the template did, what keeps its system keeps its own.
    for machine in [&desktop, &kept] {
        bench.mark(machine, 9);
    }
    bench.restart(&restoring, "r");
    bench.restart(&keeping, "k");
    assert_eq!((bench.mark_of(&desktop), bench.mark_of(&kept)), (Some(1), Some(9)));

    // A save without a run of the template has what the version before had; a run has its own.
    fs::remove_file(bench.nvram(&bench.template)).expect("it");
    bench.save();
    bench.restart(&restoring, "r");
    assert_eq!(bench.mark_of(&desktop), Some(1));
    bench.mark(&bench.template, 3);
    bench.save();
    bench.server.kill();
    bench.start_again();
    bench.start_group(&restoring, "r");
    assert_eq!(bench.mark_of(&desktop), Some(3));

    // An older version brings its own back, to the template's machine too.
    let versions = format!("/api/v1.0/templates/{}/versions", bench.template);
    let revert = bench.site.admin.post(&versions).json(&json!({"version": 2, "note": ""}));
    bench.site.done(revert);
    bench.restart(&restoring, "r");
    assert_eq!(bench.mark_of(&desktop), Some(1));
    let start = json!({"templates": [{"name": "t", "uuid": bench.template}]});
    bench.site.done(bench.site.admin.action(TEMPLATES, "start", start.clone()));
    assert_eq!(bench.mark_of(&bench.template), Some(1));
    bench.site.done(bench.site.admin.action(TEMPLATES, "hard_stop", start.clone()));

    // Another firmware has none of them.
    let hardware = format!("/api/v1.0/templates/{}/hardware", bench.template);
    for (firmware, mark) in [("uefi", None), ("uefi-secure", Some(1))] {
        let mut wanted = bench.site.admin.get(&hardware).send().data()["hardware"].take();
        wanted["firmware"] = json!(firmware);
        bench.site.done(bench.site.admin.put(&hardware).json(&wanted));
        bench.site.done(bench.site.admin.action(TEMPLATES, "start", start.clone()));
        assert_eq!(bench.mark_of(&bench.template), mark, "{firmware}");
        bench.site.done(bench.site.admin.action(TEMPLATES, "hard_stop", start.clone()));
    }

    // A copy has them from the beginning.
    let param = json!({
        "template_uuid": bench.template, "name": "copy", "pool_uuid": bench.site.pool,
        "network_uuid": bench.site.network, "subnet_uuid": bench.site.subnet,
    });
    bench.site.done(bench.site.admin.action(TEMPLATES, "copy", param));
    let copy = uuid_of(&bench.site.admin, TEMPLATES, "copy");
    let start = json!({"templates": [{"name": "copy", "uuid": copy}]});
    bench.site.done(bench.site.admin.action(TEMPLATES, "start", start));
    assert_eq!(bench.mark_of(&copy), Some(1));

    bench.site.delete_group(&restoring, "r");
    bench.site.delete_group(&keeping, "k");
    assert!(!bench.nvram(&desktop).exists() && !bench.nvram(&kept).exists());
}

#[test]
fn variables_that_are_gone_or_of_another_build_are_made_anew_with_a_word() {
    let bench = Bench::start();
    let room = bench.site.classroom("room");
    bench.mark(&bench.template, 1);
    bench.save();
    let (group, desktop) = bench.deploy("k", &room, false);
    bench.site.group_action("start", &group, "k");
    let said = |words: &str| bench.server.log().matching(words).len();
    assert_eq!(said("variables of UEFI"), 0);

    fs::remove_file(bench.nvram(&desktop)).expect("it");
    bench.restart(&group, "k");
    assert_eq!((bench.mark_of(&desktop), said("the variables of UEFI are gone")), (Some(1), 1));

    // As large as those of the builds with 2 MiB.
    fs::write(bench.nvram(&desktop), vec![0xff; 128 << 10]).expect("it");
    bench.restart(&group, "k");
    assert_eq!((bench.mark_of(&desktop), said("are of another build")), (Some(1), 1));

    // Of the template, too: its desktops begin with new ones of today's build.
    fs::write(bench.nvram(&bench.template), vec![0xff; 128 << 10]).expect("it");
    bench.save();
    let (group, desktop) = bench.deploy("r", &room, true);
    bench.site.group_action("start", &group, "r");
    assert_eq!((bench.mark_of(&desktop), said("left out")), (None, 1));
}

#[test]
fn a_save_killed_at_any_moment_has_the_variables_of_its_version() {
    let mut bench = Bench::start();
    let room = bench.site.classroom("room");
    bench.mark(&bench.template, 1);
    let begun = Instant::now();
    bench.save();
    let calm = begun.elapsed();
    let (group, desktop) = bench.deploy("r", &room, true);
    let (mut version, mut mark) = (bench.version(), 1);
    let mut saved = 0;
    for kill in 0..KILLS {
        let newest = 10 + kill as u8;
        bench.mark(&bench.template, newest);
        let (admin, uuid) = (bench.site.admin.clone(), bench.template.clone());
        let saving = thread::spawn(move || {
            let param = json!({"name": "t", "uuid": uuid});
            let save = admin.action(TEMPLATES, "save", param).header("Prefer", "respond-async");
            drop(save.try_send());
        });
        thread::sleep(calm.max(Duration::from_millis(100)) * kill / KILLS);
        bench.server.kill();
        saving.join().expect("join");
        bench.start_again();
        let now = bench.version();
        if now != version {
            assert_eq!(now, version + 1);
            (version, mark, saved) = (now, newest, saved + 1);
        }
        bench.start_group(&group, "r");
        assert_eq!(bench.mark_of(&desktop), Some(mark), "kill {kill}, version {version}");
        let row: Value = bench.site.desktops(&group)[0].clone();
        assert_eq!(row["version"].as_u64().unwrap_or(version), version, "{row}");
    }
    assert!(saved > 0, "no save came to its end");
}
