use super::*;

/// The disk is QEMU's, which does not run as root; the layer below it stays root's.
fn assert_owners(site: &Site, guest: &Guest) {
    use std::os::unix::fs::MetadataExt;
    let disk = &guest.spec.disks[0];
    let owner = |path: PathBuf| fs::metadata(path).unwrap().uid();
    assert_ne!(owner(site.disks.overlay_path(disk, guest.spec.uuid).unwrap()), 0);
    assert_eq!(owner(site.disks.layer_path(&disk.below).unwrap()), 0);
}

#[test]
#[ignore = "needs QEMU and a bootable guest"]
fn a_desktop_with_restore_forgets_at_every_reboot_and_start() {
    let mut site = site();
    let guest = guest(&site, 10, true);
    let uuid = guest.spec.uuid;
    site.power(PowerAction::Start, uuid);
    assert_eq!(booted(guest.address).boots, 1);
    assert_owners(&site, &guest);

    // The guest's own reboot.
    mark(guest.address, "first");
    forget(&mut site);
    site.hypervisor.send_ctrl_alt_del(uuid).unwrap();
    let took = restarted(&mut site, uuid);
    println!("restored {took:?} after Ctrl-Alt-Del");
    assert_eq!(site.state(uuid).unwrap().power, PowerState::Running);
    let status = booted(guest.address);
    assert_eq!((status.boots, status.mark.as_str()), (1, ""));
    assert_owners(&site, &guest);

    // Someone's reset button.
    mark(guest.address, "second");
    forget(&mut site);
    site.other_tool().lookup_domain_by_uuid(uuid).unwrap().reset().unwrap();
    restarted(&mut site, uuid);
    assert_eq!(booted(guest.address).mark, "");

    mark(guest.address, "third");
    let began = Instant::now();
    site.power(PowerAction::Stop, uuid);
    println!("stopped in {:?}", began.elapsed());
    assert_eq!(site.state(uuid).unwrap().power, PowerState::Off);
    site.power(PowerAction::Start, uuid);
    assert_eq!(booted(guest.address).mark, "");

    for action in [PowerAction::Reboot, PowerAction::HardReboot, PowerAction::Reset] {
        mark(guest.address, "again");
        let began = Instant::now();
        site.power(action, uuid);
        println!("{action:?} in {:?}", began.elapsed());
        let status = booted(guest.address);
        assert_eq!((status.boots, status.mark.as_str()), (1, ""), "{action:?}");
    }

    // Nobody is there to see the guest's reboot: it is off until an agent comes back, which restores and starts it.
    mark(guest.address, "unseen");
    let other = site.other_tool();
    let domain = other.lookup_domain_by_uuid(uuid).unwrap();
    let (idle, events) =
        open(&AgentConfig { installation: Uuid::new_v4(), ..site.config.clone() }, &site.disks);
    site.hypervisor = idle;
    site.events = events;
    let mut keys = [29, 56, 111];
    domain.send_key(virt::sys::VIR_KEYCODE_SET_LINUX, 100, keys.as_mut_ptr(), 3, 0).unwrap();
    let began = Instant::now();
    while domain.is_active().unwrap() {
        assert!(began.elapsed() < BOOT);
        thread::sleep(Duration::from_millis(50));
    }
    site.reopen();
    site.becomes(BOOT, uuid, PowerState::Running);
    assert_eq!(booted(guest.address).mark, "");
    clean(&site, &guest);
}

#[test]
#[ignore = "needs QEMU and a bootable guest"]
fn a_desktop_without_restore_keeps_what_was_written() {
    let site = site();
    let guest = guest(&site, 11, false);
    let uuid = guest.spec.uuid;
    site.power(PowerAction::Start, uuid);
    booted(guest.address);
    mark(guest.address, "kept");
    let inode = |site: &Site| {
        use std::os::unix::fs::MetadataExt;
        let path = site.disks.overlay_path(&guest.spec.disks[0], uuid).unwrap();
        fs::metadata(path).unwrap().ino()
    };
    let before = inode(&site);
    let mut boots = 1;
    let mut expect_next_boot = |what: &str| {
        boots += 1;
        let status = booted(guest.address);
        assert_eq!((status.boots, status.mark.as_str()), (boots, "kept"), "{what}");
    };
    site.hypervisor.send_ctrl_alt_del(uuid).unwrap();
    silent(guest.address);
    expect_next_boot("its own reboot");
    for action in [PowerAction::Reboot, PowerAction::HardReboot] {
        site.power(action, uuid);
        expect_next_boot(&format!("{action:?}"));
    }
    site.power(PowerAction::Reset, uuid);
    silent(guest.address);
    expect_next_boot("Reset");
    site.power(PowerAction::Stop, uuid);
    site.power(PowerAction::Start, uuid);
    expect_next_boot("stop and start");
    assert_eq!(inode(&site), before, "the disk is the one that it began with");
    clean(&site, &guest);
}

#[test]
#[ignore = "needs QEMU and a bootable guest"]
fn restore_that_was_switched_on_while_a_guest_runs_holds_at_its_next_reboot() {
    let mut site = site();
    let mut guest = guest(&site, 19, false);
    let uuid = guest.spec.uuid;
    site.power(PowerAction::Start, uuid);
    booted(guest.address);
    mark(guest.address, "kept");
    guest.spec.disks[0].restore = true;
    site.define(&guest.spec);
    forget(&mut site);
    site.hypervisor.send_ctrl_alt_del(uuid).unwrap();
    restarted(&mut site, uuid);
    let status = booted(guest.address);
    assert_eq!((status.boots, status.mark.as_str()), (1, ""));
    clean(&site, &guest);
}
