//! With QEMU and real guests. Not run by default: they need a libvirt of their own and a guest that
//! boots, and they fail when these are missing.
//!
//! ```text
//!   CARREL_LAB_URI=qemu:///system CARREL_LAB_GUEST=/path/guest.qcow2 <test binary> libvirt::tests::real --ignored --test-threads=1
//! ```
//!
//! The guest asks for an address by DHCP, counts its boots on its disk and shows them with a mark by HTTP
//! (`/cgi-bin/status`, `/cgi-bin/mark?WORD`).

use std::env;
use std::io::Read;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use image::GenericImageView;

use super::*;

/// Guests boot under emulation, on machines with other work.
const BOOT: Duration = Duration::from_secs(120);
const SOON: Duration = Duration::from_secs(2);

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn virt_type() -> String {
    env::var("CARREL_LAB_VIRT_TYPE").unwrap_or_else(|_| "auto".to_owned())
}

/// Where QEMU may read and write.
const IMAGES: &str = "/var/lib/libvirt/images";

fn site() -> Site {
    let guest = PathBuf::from(setting("CARREL_LAB_GUEST"));
    Site::new(&setting("CARREL_LAB_URI"), &virt_type(), Path::new(IMAGES), |image| {
        fs::copy(&guest, image).unwrap_or_else(|cause| panic!("{}: {cause}", guest.display()));
    })
}

/// With a disk on which no BIOS finds anything to boot.
fn empty_site() -> Site {
    Site::new(&setting("CARREL_LAB_URI"), &virt_type(), Path::new(IMAGES), |image| {
        qemu_img(&["create", "-q", "-f", "qcow2", image.to_str().unwrap(), "64M"]);
    })
}

/// What the guest says of itself.
#[derive(Debug)]
struct Status {
    boots: u32,
    mark: String,
}

fn http(address: Ipv4Addr, path: &str) -> Option<String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(2))).build().into();
    let mut answer = agent.get(format!("http://{address}/cgi-bin/{path}")).call().ok()?;
    answer.body_mut().read_to_string().ok()
}

fn status(address: Ipv4Addr) -> Option<Status> {
    let text = http(address, "status")?;
    let value = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    Some(Status { boots: value("boots")?.parse().ok()?, mark: value("mark")? })
}

/// Waits for the guest to be up.
fn booted(address: Ipv4Addr) -> Status {
    let began = Instant::now();
    while began.elapsed() < BOOT {
        if let Some(status) = status(address) {
            return status;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("no guest at {address} within {BOOT:?}");
}

/// Waits for the guest to be down, so that an answer comes from its next boot.
fn silent(address: Ipv4Addr) {
    let began = Instant::now();
    while status(address).is_some() {
        assert!(began.elapsed() < BOOT, "the guest at {address} does not go down");
        thread::sleep(Duration::from_millis(50));
    }
}

fn mark(address: Ipv4Addr, word: &str) {
    assert_eq!(http(address, &format!("mark?{word}")).as_deref().map(str::trim), Some("ok"));
    assert_eq!(booted(address).mark, word);
}

struct Guest {
    spec: DomainSpec,
    network: NetworkSpec,
    address: Ipv4Addr,
}

/// A guest with a reserved address, defined and not yet started.
fn guest(site: &Site, subnet: u8, restore: bool) -> Guest {
    let network = nat(subnet);
    site.hypervisor.ensure_network(&network).unwrap();
    let host = host(subnet, 40);
    site.hypervisor.reserve(network.uuid, std::slice::from_ref(&host)).unwrap();
    let mut spec = site.spec("guest", restore);
    spec.nics = vec![NicSpec { mac: host.mac, network: network.uuid, address: Some(host.address) }];
    site.define(&spec);
    Guest { spec, network, address: host.address }
}

fn clean(site: &Site, guest: &Guest) {
    site.remove(guest.spec.uuid);
    site.hypervisor.remove_network(guest.network.uuid).unwrap();
}

#[test]
#[ignore = "needs QEMU and a bootable guest"]
fn a_desktop_with_restore_forgets_at_every_reboot_and_start() {
    let mut site = site();
    let guest = guest(&site, 10, true);
    let uuid = guest.spec.uuid;
    let restored = |event: &Event| matches!(event, Event::Restored { uuid: it } if *it == uuid);
    site.power(PowerAction::Start, uuid);
    assert_eq!(booted(guest.address).boots, 1);

    // The guest's own reboot.
    mark(guest.address, "first");
    site.hypervisor.send_ctrl_alt_del(uuid).unwrap();
    let (_, took) = site.event(BOOT, restored);
    println!("restored {took:?} after Ctrl-Alt-Del");
    assert_eq!(site.state(uuid).unwrap().power, PowerState::Running);
    let status = booted(guest.address);
    assert_eq!((status.boots, status.mark.as_str()), (1, ""));

    // Someone's reset button.
    mark(guest.address, "second");
    site.other_tool().lookup_domain_by_uuid(uuid).unwrap().reset().unwrap();
    site.event(BOOT, restored);
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

    // Nobody is there to see the guest's reboot: it stays off, and is restored when it is started.
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
    site.becomes(Duration::from_secs(5), uuid, PowerState::Off);
    site.power(PowerAction::Start, uuid);
    assert_eq!(booted(guest.address).mark, "");
    clean(&site, &guest);
}

#[test]
#[ignore = "needs QEMU and a bootable guest"]
fn a_desktop_without_restore_keeps_what_was_written() {
    let mut site = site();
    let guest = guest(&site, 11, false);
    let uuid = guest.spec.uuid;
    site.power(PowerAction::Start, uuid);
    booted(guest.address);
    mark(guest.address, "kept");
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
    let restored = |event: &Event| matches!(event, Event::Restored { .. });
    while let Ok(event) = site.events.try_recv() {
        assert!(!restored(&event));
    }
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
    site.hypervisor.send_ctrl_alt_del(uuid).unwrap();
    site.event(BOOT, |event| matches!(event, Event::Restored { uuid: it } if *it == uuid));
    let status = booted(guest.address);
    assert_eq!((status.boots, status.mark.as_str()), (1, ""));
    clean(&site, &guest);
}

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
    fs::remove_file(site.disks.overlay_path(&guest.spec.disks[0], uuid).unwrap()).unwrap();
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
    mount("umount", &[]);
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
    assert_eq!(site.hypervisor.console(uuid).unwrap_err().key(), "domain-not-running");
    site.power(PowerAction::Start, uuid);
    booted(guest.address);
    // Two at a time: a teacher may look on.
    for _ in 0..2 {
        let mut console = site.hypervisor.console(uuid).unwrap();
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

#[test]
#[ignore = "needs QEMU and a bootable guest"]
fn a_freed_address_goes_to_its_new_owner_at_once() {
    let site = site();
    let guest = guest(&site, 14, false);
    site.power(PowerAction::Start, guest.spec.uuid);
    booted(guest.address);
    site.remove(guest.spec.uuid);
    let old = host(14, 40);
    site.hypervisor.release(guest.network.uuid, std::slice::from_ref(&old)).unwrap();
    let new = DhcpHost { mac: "52:54:00:d5:0e:99".to_owned(), ..old };
    site.hypervisor.reserve(guest.network.uuid, std::slice::from_ref(&new)).unwrap();
    let mut spec = site.spec("new owner", false);
    let nic = NicSpec { mac: new.mac, network: guest.network.uuid, address: Some(guest.address) };
    spec.nics = vec![nic];
    site.define(&spec);
    site.power(PowerAction::Start, spec.uuid);
    booted(guest.address);
    site.remove(spec.uuid);
    site.hypervisor.remove_network(guest.network.uuid).unwrap();
}

#[test]
#[ignore = "needs QEMU and a bootable guest"]
fn guests_of_a_second_subnet_get_their_addresses_and_strangers_none() {
    let site = site();
    let mut network = nat(15);
    network.subnets.push(nat(16).subnets.remove(0));
    let second = host(16, 40);
    network.hosts = vec![second.clone()];
    site.hypervisor.ensure_network(&network).unwrap();
    let mut spec = site.spec("second", false);
    let nic = NicSpec { mac: second.mac, network: network.uuid, address: Some(second.address) };
    spec.nics = vec![nic];
    let mut stranger = site.spec("stranger", false);
    stranger.nics =
        vec![NicSpec { mac: "52:54:00:d5:0f:99".to_owned(), network: network.uuid, address: None }];
    site.define(&spec);
    site.define(&stranger);
    site.power(PowerAction::Start, stranger.uuid);
    site.power(PowerAction::Start, spec.uuid);
    booted(second.address);
    let bridge = format!("crl{}", &network.uuid.simple().to_string()[..12]);
    let leases = fs::read_to_string(format!("/var/lib/libvirt/dnsmasq/{bridge}.status")).unwrap();
    assert!(leases.contains("10.213.16.40") && !leases.contains("52:54:00:d5:0f:99"), "{leases}");
    site.remove(spec.uuid);
    site.remove(stranger.uuid);
    site.hypervisor.remove_network(network.uuid).unwrap();
}

#[test]
#[ignore = "needs QEMU"]
fn a_hundred_are_defined_reserved_and_removed_quickly() {
    let site = empty_site();
    let network = nat(17);
    site.hypervisor.ensure_network(&network).unwrap();
    // The daemon's first answer takes longer.
    let first = site.spec("first", true);
    site.define(&first);
    let specs: Vec<DomainSpec> = (0..100)
        .map(|number| {
            let mut spec = site.spec(&format!("pc-{number}"), true);
            let host = host(17, 20 + number);
            spec.nics =
                vec![NicSpec { mac: host.mac, network: network.uuid, address: Some(host.address) }];
            spec
        })
        .collect();
    let hosts: Vec<DhcpHost> = (0..100).map(|number| host(17, 20 + number)).collect();

    let began = Instant::now();
    site.hypervisor.reserve(network.uuid, &hosts).unwrap();
    let reserving = began.elapsed();
    let began = Instant::now();
    all_done(&site.hypervisor.define_domains(&specs, &Call::unwatched()));
    let defining = began.elapsed();
    let began = Instant::now();
    let listed = site.hypervisor.list_domains().unwrap().len();
    let listing = began.elapsed();
    let began = Instant::now();
    site.hypervisor.domain_use().unwrap();
    let figures = began.elapsed();
    let uuids: Vec<Uuid> = specs.iter().map(|spec| spec.uuid).collect();
    let began = Instant::now();
    all_done(&site.hypervisor.remove_domains(&uuids, &Call::unwatched()));
    let removing = began.elapsed();
    let began = Instant::now();
    site.hypervisor.release(network.uuid, &hosts).unwrap();
    let releasing = began.elapsed();
    println!(
        "100: reserve {reserving:?}, define {defining:?}, list {listing:?}, figures {figures:?}, remove {removing:?}, release {releasing:?}"
    );
    assert_eq!(listed, 101);
    site.remove(first.uuid);
    site.hypervisor.remove_network(network.uuid).unwrap();
    assert!(reserving < Duration::from_millis(500), "reserving took {reserving:?}");
    assert!(defining < Duration::from_secs(1), "defining took {defining:?}");
}

#[test]
#[ignore = "needs QEMU"]
fn twenty_are_started_as_fast_as_by_virsh() {
    let site = empty_site();
    let specs: Vec<DomainSpec> =
        (0..20).map(|number| site.spec(&format!("pc-{number}"), true)).collect();
    all_done(&site.hypervisor.define_domains(&specs, &Call::unwatched()));
    let uuids: Vec<Uuid> = specs.iter().map(|spec| spec.uuid).collect();
    let words: Vec<String> = uuids.iter().map(ToString::to_string).collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let began = Instant::now();
        all_done(&site.hypervisor.power(PowerAction::Start, &uuids, &Call::unwatched()));
        ours.push(began.elapsed());
        let began = Instant::now();
        let figures = site.hypervisor.domain_use().unwrap().len();
        println!("figures of {figures} in {:?}", began.elapsed());
        let began = Instant::now();
        all_done(&site.hypervisor.power(PowerAction::HardStop, &uuids, &Call::unwatched()));
        println!("20 switched off in {:?}", began.elapsed());

        let began = Instant::now();
        let virsh = "printf '%s\\n' \"$@\" | xargs -P4 -n1 virsh -q start >/dev/null";
        let status = Command::new("sh").args(["-c", virsh, "sh"]).args(&words).status().unwrap();
        assert!(status.success());
        theirs.push(began.elapsed());
        all_done(&site.hypervisor.power(PowerAction::HardStop, &uuids, &Call::unwatched()));
    }
    println!("20 started: {ours:?}, by virsh four at a time: {theirs:?}");
    all_done(&site.hypervisor.remove_domains(&uuids, &Call::unwatched()));
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
    site.hypervisor.send_ctrl_alt_del(uuid).unwrap();
    site.event(BOOT, |event| matches!(event, Event::Restored { .. }));
    assert_eq!(booted(guest.address).mark, "");
    clean(&site, &guest);
}

/// Where KVM works this proves nothing but that it is used.
#[test]
#[ignore = "needs QEMU"]
fn the_probe_decides_within_seconds() {
    let site = empty_site();
    let began = Instant::now();
    let versions = site.hypervisor.versions().unwrap();
    println!("{versions:?} in {:?}", began.elapsed());
    let began_emulated = Instant::now();
    // The same guest proves itself where nothing is in doubt.
    assert_eq!(probe::probe(&site.other_tool(), "qemu").unwrap(), probe::Finding::Works);
    println!("emulated in {:?}", began_emulated.elapsed());
    println!("{:#?}", site.hypervisor.checks());
    assert!(began.elapsed() < Duration::from_secs(30));
    let leftover = site.other_tool().list_all_domains(0).unwrap();
    assert!(leftover.iter().all(|domain| !domain.name().unwrap().contains("probe")));
}
