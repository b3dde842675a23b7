//! `simulator`, `networks` and `lost_disks` run against libvirt's own `test:///default`, `real` against a libvirt with QEMU.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use uuid::Uuid;
use virt::connect::Connect;

use super::*;
use crate::node::agent::call::Call;
use crate::node::protocol::*;

mod lost_disks;
mod networks;
mod real;
mod seed;
mod simulator;

/// Software emulation beside other work boots and shuts down slowly.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent's hypervisor of an installation of its own, with a storage and a base image.
struct Site {
    hypervisor: Hypervisor,
    disks: Disks,
    events: UnboundedReceiver<Event>,
    config: AgentConfig,
    base: LayerRef,
    /// Removes the storage at the end.
    _dir: TempDir,
}

impl Site {
    fn simulated() -> Self {
        Self::new("test:///default", "auto", std::env::temp_dir().as_path(), |image| {
            qemu_img(&["create", "-q", "-f", "qcow2", image.to_str().unwrap(), "64M"]);
        })
    }

    fn new(uri: &str, virt_type: &str, parent: &Path, make_image: impl FnOnce(&Path)) -> Self {
        let dir = TempDir::new_in(parent).unwrap();
        // QEMU is another user.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
        let storage = dir.path().join("storage").to_str().unwrap().to_owned();
        let config = AgentConfig {
            installation: Uuid::new_v4(),
            libvirt_uri: uri.to_owned(),
            virt_type: virt_type.to_owned(),
            storages: vec![storage.clone()],
            known: Vec::new(),
        };
        let disks = Disks::open(&config.storages);
        let base = LayerRef { uuid: Uuid::new_v4(), kind: LayerKind::BaseImage, storage };
        let image = disks.layer_path(&base).unwrap();
        make_image(&image);
        fs::set_permissions(&image, Permissions::from_mode(0o444)).unwrap();
        let (hypervisor, events) = open(&config, &disks);
        Self { hypervisor, disks, events, config, base, _dir: dir }
    }

    /// As after the end of one agent and the start of the next.
    fn reopen(&mut self) {
        (self.hypervisor, self.events) = open(&self.config, &self.disks);
    }

    fn storage(&self) -> String {
        self.config.storages[0].clone()
    }

    fn disk(&self, index: u32, restore: bool) -> DiskSpec {
        DiskSpec {
            uuid: Uuid::new_v4(),
            role: if index == 0 { DiskRole::System } else { DiskRole::Data },
            index,
            size: 64 << 20,
            storage: self.storage(),
            below: self.base.clone(),
            restore,
        }
    }

    fn spec(&self, name: &str, restore: bool) -> DomainSpec {
        DomainSpec {
            uuid: Uuid::new_v4(),
            owner: Owner {
                installation: self.config.installation,
                kind: OwnerKind::Desktop,
                name: name.to_owned(),
                group: Some(Uuid::new_v4()),
                template: Uuid::new_v4(),
            },
            vcpus: 1,
            memory_mib: 96,
            hardware: Hardware::first(),
            disks: vec![self.disk(0, restore)],
            nics: Vec::new(),
            cds: Vec::new(),
            driver_disk: None,
            identity: None,
            spice: Spice::Off,
            limits: Limits::NONE,
        }
    }

    fn define(&self, spec: &DomainSpec) {
        all_done(&self.hypervisor.define_domains(
            std::slice::from_ref(spec),
            &[],
            &Call::unwatched(),
        ));
    }

    fn power(&self, action: PowerAction, uuid: Uuid) {
        all_done(&self.hypervisor.power((action, PATIENCE), &[uuid], &Call::unwatched()));
    }

    fn remove(&self, uuid: Uuid) {
        all_done(&self.hypervisor.remove_domains(&[uuid], &Call::unwatched()));
    }

    fn state(&self, uuid: Uuid) -> Option<DomainState> {
        let states = self.hypervisor.list_domains().unwrap().states;
        states.into_iter().find(|state| state.uuid == uuid)
    }

    /// The first event from now on that is meant, and when it came.
    fn event(&mut self, within: Duration, meant: impl Fn(&Event) -> bool) -> (Event, Duration) {
        let began = Instant::now();
        let mut seen = Vec::new();
        while began.elapsed() < within {
            match self.events.try_recv() {
                Ok(event) if meant(&event) => return (event, began.elapsed()),
                Ok(event) => seen.push(event),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
        panic!("not within {within:?}; instead {seen:#?}");
    }

    fn becomes(&mut self, within: Duration, uuid: Uuid, power: PowerState) -> Duration {
        let meant = |event: &Event| matches!(event, Event::Domain(state) if state.uuid == uuid && state.power == power);
        self.event(within, meant).1
    }

    /// A connection of somebody else.
    fn other_tool(&self) -> Connect {
        Connect::open(Some(&self.config.libvirt_uri)).unwrap()
    }

    /// Where an overlay stands on.
    fn below(&self, spec: &DomainSpec, disk: usize) -> String {
        let header = self.disks.overlay_header(&spec.disks[disk], spec.uuid).unwrap().unwrap();
        header.backing.unwrap().to_str().unwrap().to_owned()
    }
}

fn open(config: &AgentConfig, disks: &Disks) -> (Hypervisor, UnboundedReceiver<Event>) {
    let sink = EventSink::default();
    let (sender, events) = unbounded_channel();
    sink.listen(sender);
    (Hypervisor::start(config, disks.clone(), sink), events)
}

fn qemu_img(args: &[&str]) {
    let status = Command::new("qemu-img").args(args).status().expect("qemu-img is installed");
    assert!(status.success());
}

fn all_done(items: &[ItemResult]) {
    for item in items {
        if let Err(fault) = &item.result {
            panic!("{}: {} {:?} ({})", item.uuid, fault.key, fault.args, fault.detail);
        }
    }
}

fn nat(subnet: u8) -> NetworkSpec {
    NetworkSpec {
        uuid: Uuid::new_v4(),
        name: "lab".to_owned(),
        forward: Forward::Nat,
        subnets: vec![SubnetSpec {
            gateway: [10, 213, subnet, 1].into(),
            prefix: 24,
            start: [10, 213, subnet, 10].into(),
            end: [10, 213, subnet, 200].into(),
            dns: Vec::new(),
        }],
        hosts: Vec::new(),
    }
}

fn host(subnet: u8, number: u8) -> DhcpHost {
    DhcpHost {
        mac: format!("52:54:00:d5:{subnet:02x}:{number:02x}"),
        address: [10, 213, subnet, number].into(),
        name: format!("pc-{number}"),
    }
}
