use std::io::Read;

use image::GenericImageView;

use super::*;

#[test]
#[ignore = "needs QEMU, a bootable guest and root"]
fn a_guest_on_a_full_disk_is_told_and_goes_on_when_there_is_room() {
    let small = TempDir::new_in(IMAGES).unwrap();
    fs::set_permissions(small.path(), Permissions::from_mode(0o711)).unwrap();
    let mount = |program: &str, args: &[&str]| {
        assert!(Command::new(program).args(args).arg(small.path()).status().unwrap().success());
    };
    mount("mount", &["-t", "tmpfs", "-o", "size=64m,mode=711", "carrel-test"]);
    let image = PathBuf::from(setting("CARREL_LAB_GUEST"));
    let mut site = Site::new(&setting("CARREL_LAB_URI"), &virt_type(), small.path(), |layer| {
        fs::copy(&image, layer).unwrap();
    });
    let guest = guest(&site, 20, false);
    let uuid = guest.spec.uuid;
    site.power(PowerAction::Start, uuid);
    booted(guest.address);
    site.power(PowerAction::Stop, uuid);

    let filler = small.path().join("filler");
    // A new disk, with room for its few blocks and not for the guest's first write.
    site.disks.fresh_overlay(&guest.spec.disks[0], uuid, &site.base).unwrap();
    fs::write(&filler, vec![1; 100 << 20]).unwrap_err();
    let length = fs::metadata(&filler).unwrap().len() - (32 << 10);
    fs::File::options().write(true).open(&filler).unwrap().set_len(length).unwrap();
    site.power(PowerAction::Start, uuid);
    let (event, _) = site.event(BOOT, |event| {
        matches!(event, Event::Domain(state) if state.uuid == uuid && state.power == PowerState::Crashed)
    });
    assert!(matches!(event, Event::Domain(state) if state.reason == "ioerror"));
    fs::remove_file(&filler).unwrap();
    site.power(PowerAction::Start, uuid);
    assert_eq!(booted(guest.address).boots, 1);
    clean(&site, &guest);
    drop(site);
    mount("umount", &["--lazy"]);
}

#[test]
#[ignore = "needs QEMU and a bootable guest"]
fn what_others_do_to_a_guest_is_told_in_time() {
    let mut site = site();
    let guest = guest(&site, 12, false);
    let uuid = guest.spec.uuid;
    site.power(PowerAction::Start, uuid);
    site.becomes(SOON, uuid, PowerState::Running);
    booted(guest.address);
    let other = site.other_tool();
    let domain = other.lookup_domain_by_uuid(uuid).unwrap();
    domain.suspend().unwrap();
    println!("paused {:?}", site.becomes(SOON, uuid, PowerState::Paused));
    domain.resume().unwrap();
    println!("running {:?}", site.becomes(SOON, uuid, PowerState::Running));
    domain.shutdown().unwrap();
    println!("shut down {:?}", site.becomes(SOON, uuid, PowerState::Off));
    domain.create().unwrap();
    println!("started {:?}", site.becomes(SOON, uuid, PowerState::Running));
    assert!(site.state(uuid).unwrap().started_at.is_some());
    domain.destroy().unwrap();
    println!("destroyed {:?}", site.becomes(SOON, uuid, PowerState::Off));
    clean(&site, &guest);
}

#[test]
#[ignore = "needs QEMU and a bootable guest"]
fn console_and_screenshot_show_the_guest() {
    let site = site();
    let guest = guest(&site, 13, false);
    let uuid = guest.spec.uuid;
    assert_eq!(
        site.hypervisor.console(uuid, ScreenProtocol::Vnc).unwrap_err().key(),
        "domain-not-running"
    );
    site.power(PowerAction::Start, uuid);
    booted(guest.address);
    // Two at a time: a teacher may look on.
    for _ in 0..2 {
        let Opened::Local(mut console) =
            site.hypervisor.console(uuid, ScreenProtocol::Vnc).unwrap()
        else {
            panic!("VNC is QEMU's")
        };
        console.set_read_timeout(Some(SOON)).unwrap();
        let mut greeting = [0; 12];
        console.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"RFB 003.008\n");
    }
    let began = Instant::now();
    let picture = site.hypervisor.screenshot(uuid, 320).unwrap();
    println!("screenshot of {} bytes in {:?}", picture.len(), began.elapsed());
    let image = image::load_from_memory(&picture).unwrap();
    assert_eq!(image.width(), 320);
    let first = image.get_pixel(0, 0);
    assert!(image.pixels().any(|(_, _, pixel)| pixel != first), "a blank screen");
    clean(&site, &guest);
}

/// Ends and starts the daemon of this very machine: only for one that serves nothing but this test.
#[test]
#[ignore = "needs a libvirtd of its own"]
fn a_daemon_that_ends_and_comes_back_is_noticed() {
    assert_eq!(setting("CARREL_LAB_OWN_LIBVIRTD"), "yes");
    let mut site = site();
    let guest = guest(&site, 18, true);
    let uuid = guest.spec.uuid;
    site.power(PowerAction::Start, uuid);
    booted(guest.address);
    let other = host(18, 41);
    site.hypervisor.reserve(guest.network.uuid, std::slice::from_ref(&other)).unwrap();

    let pid = fs::read_to_string("/run/libvirtd.pid").unwrap();
    assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    let (_, took) = site.event(SOON, |event| matches!(event, Event::Hypervisor { up: false, .. }));
    println!("down {took:?}");
    assert_eq!(site.hypervisor.list_domains().unwrap_err().key(), "libvirt-down");
    assert_eq!(booted(guest.address).boots, 1, "guests go on");
    assert!(Command::new("libvirtd").arg("-d").status().unwrap().success());
    let (_, took) = site.event(BOOT, |event| matches!(event, Event::Hypervisor { up: true, .. }));
    println!("up {took:?}");
    site.becomes(Duration::from_secs(5), uuid, PowerState::Running);

    // libvirt starts its networks with what it knew; the later reservation is there all the same.
    let bridge_hosts = || {
        let name = xml::network_name(site.config.installation, guest.network.uuid);
        fs::read_to_string(format!("/var/lib/libvirt/dnsmasq/{name}.hostsfile")).unwrap()
    };
    let began = Instant::now();
    while !bridge_hosts().contains(&other.mac) {
        assert!(began.elapsed() < Duration::from_secs(5), "{}", bridge_hosts());
        thread::sleep(Duration::from_millis(50));
    }

    // And events come again.
    mark(guest.address, "lost");
    forget(&mut site);
    site.hypervisor.send_ctrl_alt_del(uuid).unwrap();
    restarted(&mut site, uuid);
    assert_eq!(booted(guest.address).mark, "");
    clean(&site, &guest);
}
