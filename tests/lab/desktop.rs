//! A real desktop: Debian with XFCE, through everything that an administrator asks of one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::desktop_page;
use crate::story::{DESKTOP_GROUPS, INSTANCES, TEMPLATES, text};
use crate::support::{
    Client, DebianDesktop, LabNode, Server, Site, debian_desktop, uuid_of, wait_for, wait_until,
};
use crate::viewers;

/// What an administrator calls an entry of the boot menu of UEFI.
const ENTRY: &str = "Kept by the firmware";
/// By the pattern of its group.
const HOST_NAME: &str = "lab-001";
/// A real shell, with a real agent, of a system that has all that a script may use.
const SCRIPT: &str = "#!/bin/bash\nset -o pipefail\necho \"$CARREL_NAME $CARREL_NUMBER $CARREL_GROUP $(hostname)\"\n\
     date +%s | tee /root/started\nid -un";
/// What the guest has drawn comes to the screen within this.
const DRAWN: Duration = Duration::from_secs(120);

#[test]
fn a_debian_desktop_from_its_image_to_its_own_reboot() {
    let node = LabNode::up();
    let server = Server::with().env("CARREL_PLAIN_HTTP", "0").on(&node).start();
    let site = Site::of_default(&server);
    let image = site.upload("Debian", &debian_desktop());
    let template = secure_template(&site, &image);
    let desktop = keeping_desktop(&site, &template);
    let guest = DebianDesktop { node: &node, uuid: text(&desktop, "uuid") };

    guest.drawn();
    looks_safe(&guest);
    says_what_it_is(&site.admin, &desktop);
    shows_itself(&site.admin, &desktop);
    was_started_first(&site.admin, &desktop, &guest);
    let page = desktop_page::console(&server, &guest.uuid);
    desktop_page::hears(&guest, &page);
    desktop_page::picture(&page);
    desktop_page::copies(&guest, &page);
    drop(page);
    viewers::signs_in_by_rdp(&site.admin, &guest.uuid, ("ana", "ana"));

    guest.sh("echo homework >/home/ana/homework");
    let new =
        format!("efibootmgr -q -c -d /dev/vda -p 1 -L '{ENTRY}' -l '\\EFI\\debian\\shimx64.efi'");
    guest.sh(&new);
    guest.agent("guest-exec", &json!({"path": "/usr/bin/systemctl", "arg": ["reboot"]}));
    guest.drawn();
    looks_safe(&guest);
    assert_eq!(guest.sh("cat /home/ana/homework; hostname"), format!("homework\n{HOST_NAME}"));
    let menu = guest.sh("efibootmgr");
    assert!(menu.contains(ENTRY), "{menu}");
    // It went down in order: nothing was to be mended.
    let checked = guest.sh("journalctl -b -o cat -u systemd-fsck-root.service");
    assert!(checked.contains("root: clean"), "{checked}");
    let kernel = guest.sh("journalctl -b -o cat -k");
    assert!(!kernel.contains("recovery complete") && !kernel.contains("orphan"), "{kernel}");
}

/// A template with secure boot and a TPM, of an image that starts by UEFI as its partition table says.
fn secure_template(site: &Site, image: &str) -> String {
    let param = json!({
        "name": "Debian", "os_type": "debian", "classify": 1, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 2, "ram": 1,
        "system_disk": {"image_id": image, "size": 4}, "data_disks": [],
    });
    site.done(site.admin.action(TEMPLATES, "create", param));
    let uuid = uuid_of(&site.admin, TEMPLATES, "Debian");
    let path = format!("/api/v1.0/templates/{uuid}/hardware");
    let mut hardware = site.admin.get(&path).send().data()["hardware"].take();
    assert_eq!(hardware["firmware"], "uefi", "{hardware:#}");
    hardware["firmware"] = json!("uefi-secure");
    hardware["tpm"] = json!(true);
    site.done(site.admin.put(&path).json(&hardware));
    let path = format!("/api/v1.0/templates/{uuid}/first-start");
    let script = json!({"shell": "sh", "script": SCRIPT, "minutes": 15});
    site.admin.put(&path).json(&script).send().data();
    let save = json!({"name": "Debian", "uuid": uuid});
    site.done(site.admin.action(TEMPLATES, "save", save));
    uuid
}

/// A desktop that is not restored, and runs.
fn keeping_desktop(site: &Site, template: &str) -> Value {
    let room = site.classroom("room");
    let param = json!({
        "name": "pc", "group_uuid": room, "template_uuid": template, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 2, "ram": 1,
        "sys_restore": 0, "data_restore": 0, "instance_num": 1, "prefix": "pc", "postfix": 3,
        "postfix_start": 1,
    });
    site.done(site.admin.action(DESKTOP_GROUPS, "create", param));
    let group = uuid_of(&site.admin, DESKTOP_GROUPS, "pc");
    let names = format!("/api/v1.0/desktop-groups/{group}/host-names");
    site.admin.put(&names).json(&json!({"pattern": "lab-{number:3}"})).send().data();
    site.group_action("start", &group, "pc");
    site.desktops(&group).remove(0)
}

fn looks_safe(guest: &DebianDesktop<'_>) {
    assert_eq!(guest.sh("mokutil --sb-state"), "SecureBoot enabled");
    assert_eq!(guest.sh("cat /sys/class/tpm/tpm0/tpm_version_major; ls /dev/tpm0"), "2\n/dev/tpm0");
    assert_eq!(guest.sh("cat /sys/kernel/security/lockdown"), "none [integrity] confidentiality");
}

/// The real agent's facts, as the console shows them.
fn says_what_it_is(admin: &Client, desktop: &Value) {
    let path = format!("/api/v1.0/desktops/{}/guest", text(desktop, "uuid"));
    let told = admin.get(&path).send().data();
    assert_eq!(told["agent"], "answers", "{told:#}");
    assert!(text(&told, "system").starts_with("Debian GNU/Linux"), "{told:#}");
    assert_eq!(told["users"][0]["name"], "ana", "{told:#}");
    let address = format!("{}/24", text(desktop, "ipaddr"));
    let nics = told["nics"].as_array().expect("cards");
    let nic = nics.iter().find(|nic| nic["mac"] == desktop["mac"]).expect("its card");
    assert_eq!(nic["addresses"], json!([address]), "{told:#}");
    let filesystems = told["filesystems"].as_array().expect("file systems");
    assert!(filesystems.iter().any(|found| found["mountpoint"] == "/" && found["type"] == "ext4"));
}

/// Its clock was set, it has its name, and the template's script ran: once.
fn was_started_first(admin: &Client, desktop: &Value, guest: &DebianDesktop<'_>) {
    let path = format!("/api/v1.0/desktops/{}/first-start", text(desktop, "uuid"));
    let ended = wait_for("the end of its first start", DRAWN * 5, || {
        let found = admin.get(&path).send().data();
        (!found["ended_at"].is_null()).then_some(found)
    });
    assert_eq!(
        (&ended["state"], &ended["host_name"]),
        (&json!("succeeded"), &json!(HOST_NAME)),
        "{ended:#}"
    );
    let output = text(&ended, "output");
    let lines: Vec<&str> = output.lines().collect();
    let [named, clock, user] = lines[..] else { panic!("{output}") };
    assert_eq!((named, user), (format!("pc001 1 pc {HOST_NAME}").as_str(), "root"));
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    assert!((now - 1800..=now + 60).contains(&clock.parse().expect("a time")), "{clock} and {now}");
    assert_eq!(guest.sh("hostname; cat /root/started"), format!("{HOST_NAME}\n{clock}"));
    assert_eq!(guest.sh("getent hosts $(hostname) >/dev/null && echo known"), "known");
}

/// The panel on top, and below it the picture behind the icons.
fn shows_itself(admin: &Client, desktop: &Value) {
    let path = format!("{INSTANCES}{}/screen", text(desktop, "uuid"));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("desktop.png");
    wait_until("the desktop's picture", DRAWN, || {
        let answer = admin.get(&path).query("width", 1280).send();
        fs::write(&file, &answer.bytes).expect("keep the picture");
        let picture = image::load_from_memory(&answer.bytes).expect("a PNG").to_rgb8();
        let panel = picture.get_pixel(picture.width() / 2, 2).0;
        let colours: BTreeSet<[u8; 3]> = picture.pixels().map(|pixel| pixel.0).collect();
        panel.iter().all(|part| *part > 0xe0) && colours.len() > 1000
    });
}
