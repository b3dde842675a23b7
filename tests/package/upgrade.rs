//! From the package of the commit before this one to the package of this one.

use super::machine::Machine;
use super::packages;
use super::story::{GUEST, SERVICE, admin_by_command, ask, classroom};
use crate::support::{Client, PASSWORD, Site, guest_image, rows, wait_for, wait_until};

#[test]
fn an_upgrade_keeps_data_and_guests() {
    guest_image(); // made now, with this machine's network
    let (old, new) = (packages::previous_deb(), packages::deb());
    let mut machine = Machine::fresh(&new);
    let old = machine.bring(&old);
    machine.offline(&["apt-get", "install", "--yes", "--quiet", &old]);
    machine.boot();
    wait_until("the old version", SERVICE, || {
        machine.unit("carrel.service", "ActiveState") == "active"
    });
    machine.enter_network();
    let site = Site::of_default_as(admin_by_command(&machine));
    let address = classroom(&site);
    let guest = machine.exec(&["pgrep", "-x", "qemu-system-x86"]);
    // as packages before this one's kind left them
    machine.exec(&["chown", "root:root", "/etc/carrel/carrel.toml"]);
    machine.exec(&["chmod", "644", "/etc/carrel/carrel.toml"]);
    let (started, uuid) = (machine.unit("carrel.service", "InvocationID"), desktop(&site.admin));

    let new = machine.bring(&new);
    machine.exec(&["apt-get", "install", "--yes", "--quiet", &new]);
    wait_until("the new version", SERVICE, || {
        machine.unit("carrel.service", "ActiveState") == "active"
    });
    machine.assert_both_run();
    assert_ne!(machine.unit("carrel.service", "InvocationID"), started, "the old one runs on");
    let rights = machine.exec(&["stat", "-c", "%U %G %a", "/etc/carrel/carrel.toml"]);
    assert_eq!(rights.trim(), "root carrel 640");

    assert_eq!(machine.exec(&["pgrep", "-x", "qemu-system-x86"]), guest, "the guest runs on");
    // only now: agents until this one's parent wrote reservations that dnsmasq could not read
    let status = wait_for("the guest", GUEST, || ask(&address, "status"));
    assert!(status.contains("boots=1"), "{status}");
    let admin = Client::new(site.admin.base()).sign_in("admin", PASSWORD);
    assert_eq!(desktop(&admin), uuid);
    wait_for("the desktop is shown as running", SERVICE, || {
        let found =
            rows(&admin.get("/api/v1.0/education/instance/").query("searchtype", "all").send());
        (found.first()?["status"] == "active").then_some(())
    });
}

fn desktop(admin: &Client) -> String {
    let found = rows(&admin.get("/api/v1.0/education/instance/").query("searchtype", "all").send());
    found[0]["uuid"].as_str().expect("a uuid").to_owned()
}
