//! What images say of the machines that they were taken from, and what a look into them adds.

use serde_json::{Value, json};

use crate::images::path;
use crate::support::{Guestfish, SMALL, Server, Site, ova, uuid_of, windows_disk};

const TEMPLATES: &str = "/api/v1.0/education/template/";

fn image(site: &Site, uuid: &str) -> Value {
    site.admin.get(&format!("{}/{uuid}", path(site))).send().data()
}

/// Of a template of an image that somebody calls a Linux.
fn hardware(site: &Site, name: &str, image: &str) -> Value {
    let param = json!({
        "name": name, "os_type": "Linux", "classify": 1, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.25,
        "system_disk": {"image_id": image, "size": 1}, "data_disks": [],
    });
    site.done(site.admin.action(TEMPLATES, "create", param));
    let uuid = uuid_of(&site.admin, TEMPLATES, name);
    site.admin.get(&format!("/api/v1.0/templates/{uuid}/hardware")).send().data()
}

#[test]
fn an_ova_of_one_disk_says_what_its_machine_was() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let uuid = site.upload("machine", &ova(&server.data_here()));
    let told = image(&site, &uuid);
    let machine = (&told["vcpu"], &told["ram"], &told["boots"]);
    assert_eq!(machine, (&json!(3), &json!(1.5), &json!("uefi")));
    assert_eq!((&told["virtual_size"], &told["virtio"]), (&json!(0.06), &Value::Null));
    assert_eq!(hardware(&site, "m", &uuid)["hardware"]["firmware"], "uefi");
}

#[test]
fn where_no_virtio_driver_is_found_the_disk_goes_elsewhere() {
    let guestfish = Guestfish::new();
    let server = Server::with().env("PATH", guestfish.path()).start();
    let site = Site::of(&server, SMALL);
    for (name, way, virtio) in [
        ("without", Ok(["ntfs.sys", "storahci.sys"]), json!(false)),
        ("with", Ok(["ntfs.sys", "VioStor.sys"]), json!(true)),
        ("broken", Err("echo 'no operating system' >&2; exit 1"), Value::Null),
        ("empty", Err("exit 0"), Value::Null),
        ("noise", Err("head -c 100000 /dev/urandom; exit 1"), Value::Null),
        ("endless", Err("exec cat /dev/zero"), Value::Null),
    ] {
        way.map_or_else(|script| guestfish.runs(script), |drivers| guestfish.finds(&drivers));
        let uuid = site.upload(name, &windows_disk(&server.data_here(), name));
        assert_eq!(image(&site, &uuid)["virtio"], virtio, "{name}");
        let told = hardware(&site, name, &uuid);
        let bus = json!(if virtio == false { "sata" } else { "virtio" });
        assert_eq!((&told["virtio"], &told["fitting"]["disk_bus"]), (&virtio, &bus), "{name}");
        assert_eq!(told["hardware"]["disk_bus"], bus, "{name}");
    }
    let asked = guestfish.asked();
    assert!(asked.lines().all(|line| line.starts_with("--ro --format=qcow2 -a /")), "{asked}");

    // What cannot be a Windows is not looked into.
    guestfish.finds(&["viostor.sys"]);
    let uuid = site.upload("linux", &ova(&server.data_here()));
    assert_eq!(image(&site, &uuid)["virtio"], Value::Null);
    assert_eq!(guestfish.asked(), asked);
}
