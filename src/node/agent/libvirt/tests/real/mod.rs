//! With QEMU and real guests. Not run by default: they need a libvirt of their own and a guest that
//! boots, and they fail when these are missing.
//!
//! ```text
//!   CARREL_LAB_URI=qemu:///system CARREL_LAB_GUEST=/path/guest.qcow2 <test binary> libvirt::tests::real --ignored --test-threads=1
//! ```
//!
//! `CARREL_LAB_OWN_LIBVIRTD=yes` allows to end and start the machine's libvirtd.
//!
//! The guest asks for an address by DHCP, counts its boots on its disk and shows them with a mark by HTTP
//! (`/cgi-bin/status`, `/cgi-bin/mark?WORD`).

use std::env;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::*;

mod networks;
mod restore;
mod speed;
mod watch;

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

/// Throws away what was told until now.
fn forget(site: &mut Site) {
    while site.events.try_recv().is_ok() {}
}

/// Waits for the news that a domain runs: its being off on the way is not told.
fn restarted(site: &mut Site, uuid: Uuid) -> Duration {
    site.becomes(BOOT, uuid, PowerState::Running)
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
