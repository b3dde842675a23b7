//! The hardware of templates' machines: what fits a system, its change, and which version has which.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::images::{self, image_file, qemu_img};
use crate::refused::{NOTHING, auditor, needs_a_right, refused};
use crate::support::{Answer, SMALL, Server, Site, uuid_of};

const TEMPLATES: &str = "/api/v1.0/education/template/";

struct Bench {
    server: Server,
    site: Site,
    image: String,
}

impl Bench {
    fn start() -> Self {
        let server = Server::start();
        let site = Site::of(&server, SMALL);
        let image = site.upload("base", &image_file(&server, "image.qcow2", "64M"));
        Self { server, site, image }
    }

    /// A template for such a system, with so many disks of 1 GB.
    fn template(&self, name: &str, os_type: &str, disks: i64) -> String {
        self.template_of(&self.image, name, os_type, disks)
    }

    fn template_of(&self, image: &str, name: &str, os_type: &str, disks: i64) -> String {
        let data: Vec<Value> = (1..disks).map(|inx| json!({"inx": inx, "size": 1})).collect();
        let param = json!({
            "name": name, "os_type": os_type, "classify": 1, "pool_uuid": self.site.pool,
            "network_uuid": self.site.network, "subnet_uuid": self.site.subnet, "vcpu": 1, "ram": 0.25,
            "system_disk": {"image_id": image, "size": 1}, "data_disks": data,
        });
        self.site.done(self.site.admin.action(TEMPLATES, "create", param));
        uuid_of(&self.site.admin, TEMPLATES, name)
    }

    fn hardware(&self, template: &str) -> Value {
        self.site.admin.get(&path(template)).send().data()
    }

    /// With these fields changed.
    fn change(&self, template: &str, fields: Value) -> Answer {
        let mut all = self.hardware(template)["hardware"].clone();
        for (name, value) in fields.as_object().expect("fields") {
            all[name] = value.clone();
        }
        self.site.admin.put(&path(template)).json(&all).send()
    }

    fn row(&self, template: &str) -> Value {
        let single = self.site.admin.get(TEMPLATES).query("searchtype", "single");
        single.query("uuid", template).send().data()
    }

    fn save(&self, template: &str, name: &str) {
        let param = json!({"name": name, "uuid": template});
        self.site.done(self.site.admin.action(TEMPLATES, "save", param));
    }
}

/// A disk partitioned in sfdisk's words, with code in its boot sector or without, as a file of this format.
fn disk(server: &Server, (script, has_code): (&str, bool), format: &str) -> PathBuf {
    let (dir, raw) = (server.data_here(), server.data_here().join("disk.raw"));
    let mut file = File::create(&raw).expect("a disk");
    file.set_len(64 << 20).expect("its size");
    let mut sfdisk = Command::new("sfdisk");
    let sfdisk = sfdisk.arg("--quiet").arg(&raw).stdin(Stdio::piped()).spawn();
    let mut sfdisk = sfdisk.expect("sfdisk");
    sfdisk.stdin.take().expect("piped").write_all(script.as_bytes()).expect("write");
    assert!(sfdisk.wait().expect("sfdisk").success());
    if has_code {
        file.write_all(&[0xeb, 0x63, 0x90]).expect("write");
    }
    qemu_img(&dir, &["convert", "-f", "raw", "-O", format, "disk.raw", "disk"]);
    dir.join("disk")
}

fn path(template: &str) -> String {
    format!("/api/v1.0/templates/{template}/hardware")
}

#[test]
fn a_new_template_has_what_fits_its_system_and_desktops_what_was_saved() {
    let mut bench = Bench::start();
    let windows = bench.template("w", "Windows 11", 1);
    let told = bench.hardware(&windows);
    assert_eq!(told["hardware"], told["fitting"]);
    assert_eq!(told["hardware"], told["saved"]);
    let words = [
        ("firmware", json!("uefi-secure")),
        ("tpm", json!(true)),
        ("chipset", json!("q35")),
        ("disk_bus", json!("sata")),
        ("nic_model", json!("e1000e")),
        ("clock", json!("localtime")),
        ("topology", json!("one-socket")),
        ("hyperv", json!(true)),
        ("boot", json!(["disk"])),
    ];
    for (name, value) in words {
        assert_eq!(told["hardware"][name], value, "{name}");
    }
    let linux = bench.template("l", "Linux", 1);
    // A processor is kept as it was fixed.
    let cpu = json!({"cpu_model": "EPYC-Rome", "cpu_features": ["+aes", "-svm"]});
    bench.change(&linux, cpu.clone()).data();
    bench.site.wait_idle();
    let kept = bench.hardware(&linux)["hardware"].clone();
    assert_eq!(json!({"cpu_model": kept["cpu_model"], "cpu_features": kept["cpu_features"]}), cpu);
    assert_eq!(bench.hardware(&linux)["hardware"]["disk_bus"], "virtio");

    // Desktops get another bus with the next version, and an older version brings its own back.
    let fields = json!({"disk_bus": "virtio", "resolution": [1920, 1080], "boot": ["cd", "disk"]});
    bench.change(&windows, fields).data();
    bench.site.wait_idle();
    let told = bench.hardware(&windows);
    assert_eq!(
        (&told["hardware"]["disk_bus"], &told["saved"]["disk_bus"]),
        (&json!("virtio"), &json!("sata"))
    );
    assert_eq!(told["hardware"]["resolution"], json!([1920, 1080]));
    assert_eq!(bench.row(&windows)["changed"], true);
    bench.save(&windows, "w");
    assert_eq!(bench.hardware(&windows)["saved"], bench.hardware(&windows)["hardware"]);
    let versions = format!("/api/v1.0/templates/{windows}/versions");
    bench.site.done(bench.site.admin.post(&versions).json(&json!({"version": 1, "note": ""})));
    let back = bench.hardware(&windows);
    assert_eq!(
        (&back["hardware"]["disk_bus"], &back["saved"]["disk_bus"]),
        (&json!("sata"), &json!("sata"))
    );

    // A copy is like what it was made of.
    let param = json!({
        "template_uuid": windows, "name": "copy", "pool_uuid": bench.site.pool,
        "network_uuid": bench.site.network, "subnet_uuid": bench.site.subnet,
    });
    bench.site.done(bench.site.admin.action(TEMPLATES, "copy", param));
    let copy = uuid_of(&bench.site.admin, TEMPLATES, "copy");
    assert_eq!(bench.hardware(&copy)["hardware"], back["hardware"]);

    bench.change(&copy, json!({"sound": "ac97"})).data();
    bench.server.kill();
    bench.server.start_again();
    bench.site.admin = bench.server.admin();
    bench.site.wait_idle();
    assert_eq!(bench.hardware(&copy)["hardware"]["sound"], "ac97");
    assert_eq!(bench.hardware(&windows), back);
}

#[test]
fn the_firmware_is_what_the_image_starts_with() {
    let bench = Bench::start();
    let Bench { server, site, .. } = &bench;
    const GPT: &str = "label: gpt\nsize=16M, type=U\ntype=L";
    const MBR: &str = "label: dos\ntype=7, bootable";
    let disks = [
        ("generation2", (GPT, false), "vhdx", json!("uefi"), "linux", "uefi"),
        ("windows11", (GPT, false), "qcow2", json!("uefi"), "win11", "uefi-secure"),
        ("cloud", (GPT, true), "qcow2", json!("either"), "win11", "uefi-secure"),
        ("old", (MBR, true), "raw", json!("bios"), "win11", "bios"),
        ("data", (MBR, false), "vmdk", Value::Null, "linux", "bios"),
    ];
    for (name, contents, format, boots, os_type, firmware) in disks {
        let image = site.upload(name, &disk(server, contents, format));
        let row = site.admin.get(&format!("{}/{image}", images::path(site))).send().data();
        assert_eq!(row["boots"], boots, "{name}");
        let template = bench.template_of(&image, name, os_type, 1);
        let told = bench.hardware(&template);
        assert_eq!(told["hardware"]["firmware"], firmware, "{name}");
        assert_eq!((&told["fitting"], &told["boots"]), (&told["hardware"], &boots), "{name}");
        assert_eq!(bench.row(&template)["warning"], Value::Null, "{name}");

        // The other firmware is said to be wrong, where it is.
        let other = if firmware == "bios" { "uefi" } else { "bios" };
        bench.change(&template, json!({"firmware": other, "tpm": false})).data();
        site.wait_idle();
        let row = bench.row(&template);
        let said = row["warning"].as_str().unwrap_or_default();
        assert_eq!(
            said.contains(name),
            ["uefi", "bios"].map(Value::from).contains(&boots),
            "{row}"
        );
        assert_eq!(row["reason"], Value::Null);
    }
}

#[test]
fn what_no_machine_can_be_is_refused_and_changes_nothing() {
    let bench = Bench::start();
    let template = bench.template("t", "win10", 3);
    let before = bench.hardware(&template);
    let refusals = [
        (json!({"disk_bus": "ide"}), "hardware-ide-needs-i440fx", "disk_bus"),
        (json!({"disk_bus": "ide", "chipset": "i440fx"}), "hardware-ide-disks", "disk_bus"),
        (
            json!({"firmware": "uefi-secure", "chipset": "i440fx"}),
            "hardware-secure-boot-needs-q35",
            "firmware",
        ),
        (json!({"tpm": true}), "hardware-tpm-needs-uefi", "tpm"),
        (json!({"boot": []}), "hardware-boot-empty", "boot"),
        (json!({"boot": ["cd", "cd"]}), "hardware-boot-twice", "boot"),
        (json!({"video_memory": 5}), "hardware-video-memory", "video_memory"),
        (
            json!({"video": "virtio", "video_memory": 16}),
            "hardware-video-memory-of-virtio",
            "video_memory",
        ),
        (json!({"resolution": [1, 1]}), "hardware-video-resolution", "resolution"),
        (json!({"cpu_model": "<x>"}), "hardware-cpu-name", "cpu_model"),
        (json!({"cpu_model": "two words"}), "hardware-cpu-name", "cpu_model"),
        (json!({"cpu_features": ["+aes"]}), "hardware-cpu-name", "cpu_features"),
        (
            json!({"cpu_model": "EPYC", "cpu_features": ["aes"]}),
            "hardware-cpu-name",
            "cpu_features",
        ),
        (json!({"resolution": [1024]}), "field-wrong", "resolution"),
        (json!({"tpm": "yes"}), "field-wrong", "tpm"),
        (json!({"firmware": "coreboot"}), "field-wrong", "firmware"),
        (json!({"boot": ["floppy"]}), "field-wrong", "boot[0]"),
    ];
    for (fields, key, field) in refusals {
        let answer = bench.change(&template, fields);
        refused(&answer, 400, key);
        assert_eq!(answer.json()["data"]["field"], field, "{}", answer.body);
    }
    let unknown = bench.change(&template, json!({"firmware": "coreboot"})).refusal();
    assert!(unknown.contains("bios, uefi, uefi-secure"), "{unknown}");
    let mut short = before["hardware"].clone();
    short.as_object_mut().expect("fields").remove("chipset");
    let put = |template: &str, body: &Value| bench.site.admin.put(&path(template)).json(body);
    refused(&put(&template, &short).send(), 400, "field-missing");
    refused(&put(NOTHING, &before["hardware"]).send(), 404, "template-unknown");
    refused(&bench.site.admin.get(&path(NOTHING)).send(), 404, "template-unknown");
    let auditor = auditor(&bench.server);
    needs_a_right(&auditor, "PUT", &path(&template));
    // The simulator has no processors to compare.
    let pool = |template: &str| format!("{}/pool-cpu", path(template));
    let told = bench.site.admin.get(&pool(&template)).send();
    assert!(told.status == 409 && !told.refusal().is_empty(), "{}", told.body);
    refused(&bench.site.admin.get(&pool(NOTHING)).send(), 404, "template-unknown");
    needs_a_right(&auditor, "GET", &pool(&template));
    let start = json!({"templates": [{"name": "t", "uuid": template}]});
    bench.site.done(bench.site.admin.action(TEMPLATES, "start", start));
    refused(&bench.change(&template, json!({"clock": "utc"})), 409, "template-must-be-off");
    assert_eq!(bench.hardware(&template), before);
    assert_eq!(bench.row(&template)["status"], "active");
}
