//! What earlier releases wrote is read, and what this one writes is what `tests/golden/now` has: a change there is a
//! change for every node, and asks whether older agents may overlook it.

use std::net::Ipv4Addr;
use std::path::Path;

use uuid::{Uuid, uuid};

use super::*;
use crate::node::protocol::*;

const FIRST_DESKTOP: &str = include_str!("../../../../tests/golden/61931c3/domain-pc005.xml");
const FIRST_TEMPLATE: &str = include_str!("../../../../tests/golden/61931c3/domain-tiny.xml");
const FIRST_NETWORK: &str = include_str!("../../../../tests/golden/61931c3/network.xml");
const FIRST_PUBLISHED: &str = include_str!("../../../../tests/golden/61931c3/template.current");

const INSTALLATION: Uuid = uuid!("ac52f5bb-bcdc-4a7f-8c42-d7ba2bd5fdde");
const TEMPLATE: Uuid = uuid!("f7e5305f-5e10-4998-ac14-cd8b399b1735");
const DISK: Uuid = uuid!("1655c50b-8c1c-455c-b830-d6f224b849b3");
const NETWORK: Uuid = uuid!("ff56d675-c4c1-44fd-8b9d-895dd038acb5");
const STORAGE: &str = "/var/lib/carrel/storage";

fn layer() -> LayerRef {
    LayerRef {
        uuid: uuid!("dc725f71-42c7-4635-9e4f-047b5a49130f"),
        kind: LayerKind::TemplateVersion,
        storage: STORAGE.to_owned(),
    }
}

fn desktop() -> DomainSpec {
    DomainSpec {
        uuid: uuid!("4d88f9b4-1ad4-4869-ac52-3a187160c76c"),
        owner: Owner {
            installation: INSTALLATION,
            kind: OwnerKind::Desktop,
            name: "pc005".to_owned(),
            group: Some(uuid!("bce0254e-fc80-4624-b349-498348425dff")),
            template: TEMPLATE,
        },
        vcpus: 1,
        memory_mib: 128,
        hardware: Hardware::first(),
        disks: vec![DiskSpec {
            uuid: DISK,
            role: DiskRole::System,
            index: 0,
            size: 1 << 30,
            storage: STORAGE.to_owned(),
            below: layer(),
            restore: true,
        }],
        nics: vec![NicSpec {
            mac: "52:54:d4:39:6c:95".to_owned(),
            network: NETWORK,
            address: Some(Ipv4Addr::new(10, 213, 0, 11)),
        }],
        cds: Vec::new(),
        driver_disk: None,
        identity: None,
        spice: Spice::Off,
        limits: Limits::NONE,
    }
}

fn template() -> DomainSpec {
    let mut spec = desktop();
    spec.uuid = TEMPLATE;
    spec.owner =
        Owner { kind: OwnerKind::Template, name: "tiny".to_owned(), group: None, ..spec.owner };
    spec.disks[0].restore = false;
    spec.nics[0].mac = "52:54:f8:51:6f:69".to_owned();
    spec.nics[0].address = Some(Ipv4Addr::new(10, 213, 0, 10));
    spec
}

/// Of today: a machine of its own, and CD drives.
fn with_hardware() -> DomainSpec {
    let hardware = Hardware {
        firmware: Firmware::UefiSecure,
        tpm: true,
        chipset: Chipset::Q35,
        disk_bus: DiskBus::Sata,
        nic_model: NicModel::E1000e,
        video: Video {
            model: VideoModel::Vga,
            memory_mib: Some(32),
            resolution: Some((1920, 1080)),
        },
        sound: Sound::Ich9,
        clipboard: true,
        seed: true,
        clock: Clock::Localtime,
        hyperv: true,
        topology: Topology::OneSocket,
        cpu: CpuModel::Named {
            name: "Skylake-Client".to_owned(),
            features: vec![CpuFeature { name: "hle".to_owned(), policy: CpuPolicy::Disable }],
        },
        usb: UsbController::Ehci,
        boot: vec![BootDevice::Cd, BootDevice::Disk],
    };
    let iso = LayerRef {
        kind: LayerKind::Iso,
        uuid: uuid!("0d0e4d06-50a4-46cb-b69c-5b1b1c0d9a9e"),
        storage: STORAGE.to_owned(),
    };
    let cds = vec![CdSpec { iso: Some(iso) }, CdSpec { iso: None }];
    DomainSpec { hardware, cds, ..template() }
}

fn with_spice() -> DomainSpec {
    DomainSpec { spice: Spice::Usb, ..desktop() }
}

fn with_limits() -> DomainSpec {
    let limits = Limits { disk_mb: 100, disk_iops: 2000, receive_mbit: 50, send_mbit: 0 };
    DomainSpec { limits, ..desktop() }
}

fn with_identity() -> DomainSpec {
    let identity =
        Identity { number: 5, group: "restored".to_owned(), host_name: Some("pc005".to_owned()) };
    DomainSpec { identity: Some(identity), ..desktop() }
}

fn with_driver_disk() -> DomainSpec {
    DomainSpec { driver_disk: Some(DiskBus::VirtioScsi), ..with_hardware() }
}

fn network() -> NetworkSpec {
    let gateway = Ipv4Addr::new(10, 213, 0, 1);
    NetworkSpec {
        uuid: NETWORK,
        name: "default".to_owned(),
        forward: Forward::Nat,
        subnets: vec![SubnetSpec {
            gateway,
            prefix: 24,
            start: Ipv4Addr::new(10, 213, 0, 10),
            end: Ipv4Addr::new(10, 213, 0, 250),
            dns: vec![gateway],
        }],
        hosts: Vec::new(),
    }
}

fn published() -> TemplateLayers {
    TemplateLayers {
        version: 2,
        disks: [(DISK, layer())].into(),
        hardware: Hardware::first(),
        state: FirmwareState::default(),
    }
}

/// Of a machine with UEFI and a TPM: what they keep, packed by zlib elsewhere.
fn published_with_hardware() -> TemplateLayers {
    let file = |packed: &str| Some(StateFile::of_packed(hex::decode(packed).unwrap()));
    let state = FirmwareState {
        nvram: file("789ccb48cdc9c95728cf2fca49010017a80413"),
        tpm: file("789c2bc94c4955c848cdc9c9d7512828cacf4a4d2e01003d4606fa"),
    };
    TemplateLayers { hardware: with_hardware().hardware, state, ..published() }
}

fn config() -> AgentConfig {
    AgentConfig {
        installation: INSTALLATION,
        libvirt_uri: "qemu:///system".to_owned(),
        virt_type: "auto".to_owned(),
        storages: vec![STORAGE.to_owned()],
        known: Vec::new(),
    }
}

/// The JSON in Carrel's element of a definition.
fn json_in(definition: &str) -> &str {
    let from = definition.find("\">{").expect("the element's text") + 2;
    let to = definition.find("</carrel:").expect("its end");
    &definition[from..to]
}

#[test]
fn what_the_first_release_wrote_is_read() {
    let spec = |definition| read_spec(json_in(definition), &"it").unwrap();
    assert_eq!(spec(FIRST_DESKTOP), desktop());
    assert_eq!(spec(FIRST_TEMPLATE), template());
    assert_eq!(read_network(json_in(FIRST_NETWORK), &"it").unwrap(), network());
    assert_eq!(read_published(FIRST_PUBLISHED, &"it").unwrap(), published());
}

#[test]
fn what_is_written_now_is_byte_for_byte_what_the_golden_files_have() {
    let bridge = NetworkSpec {
        forward: Forward::Bridge { uplink: "eth1".to_owned(), vlan: Some(7) },
        subnets: Vec::new(),
        ..network()
    };
    let written = [
        ("desktop.json", write_spec(&desktop()).unwrap()),
        ("template.json", write_spec(&template()).unwrap()),
        ("hardware.json", write_spec(&with_hardware()).unwrap()),
        ("spice.json", write_spec(&with_spice()).unwrap()),
        ("limits.json", write_spec(&with_limits()).unwrap()),
        ("identity.json", write_spec(&with_identity()).unwrap()),
        ("driver-disk.json", write_spec(&with_driver_disk()).unwrap()),
        (
            "published-hardware.json",
            String::from_utf8(write_published(&published_with_hardware()).unwrap()).unwrap(),
        ),
        ("network.json", write_network(&network()).unwrap()),
        ("bridge.json", write_network(&bridge).unwrap()),
        ("published.json", String::from_utf8(write_published(&published()).unwrap()).unwrap()),
        ("controller.json", String::from_utf8(write_config(&config()).unwrap()).unwrap()),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/now");
    for (name, text) in written {
        let path = folder.join(name);
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, golden.trim_end(), "{}", path.display());
    }
}

#[test]
fn what_is_written_now_is_read() {
    assert_eq!(read_spec(&write_spec(&desktop()).unwrap(), &"it").unwrap(), desktop());
    let spec = with_hardware();
    let text = write_spec(&spec).unwrap();
    assert_eq!(read_spec(&text, &"it").unwrap(), spec);
    let with_spice_text = write_spec(&with_spice()).unwrap();
    assert_eq!(read_spec(&with_spice_text, &"it").unwrap(), with_spice());
    let unknown = with_spice_text.replacen("\"usb\"", "\"telepathy\"", 1);
    assert_eq!(read_spec(&unknown, &"it").unwrap_err().key(), "stored-damaged");
    assert_eq!(read_spec(&write_spec(&with_limits()).unwrap(), &"it").unwrap(), with_limits());
    let with_disk = write_spec(&with_driver_disk()).unwrap();
    assert_eq!(read_spec(&with_disk, &"it").unwrap(), with_driver_disk());
    let unknown = with_disk.replacen("\"virtio-scsi\"", "\"floppy\"", 1);
    assert_eq!(read_spec(&unknown, &"it").unwrap_err().key(), "stored-damaged");
    let unknown = text.replacen("\"sata\"", "\"floppy\"", 1);
    assert_eq!(read_spec(&unknown, &"it").unwrap_err().key(), "stored-damaged");
    let text = String::from_utf8(write_published(&published_with_hardware()).unwrap()).unwrap();
    assert_eq!(read_published(&text, &"it").unwrap(), published_with_hardware());
    assert_eq!(read_network(&write_network(&network()).unwrap(), &"it").unwrap(), network());
    let text = String::from_utf8(write_published(&published()).unwrap()).unwrap();
    assert_eq!(read_published(&text, &"it").unwrap(), published());
    let text = String::from_utf8(write_config(&config()).unwrap()).unwrap();
    assert_eq!(read_config(&text, &"it").unwrap(), config());
    let known = AgentConfig { known: vec![STORAGE.to_owned()], ..config() };
    let text = String::from_utf8(write_config(&known).unwrap()).unwrap();
    assert_eq!(read_config(&text, &"it").unwrap(), known);
}

#[test]
fn a_field_of_a_newer_release_is_overlooked_and_a_newer_form_is_not() {
    let text = write_spec(&desktop()).unwrap();
    let more = text.replacen("{", "{\"colour\":\"blue\",", 1);
    assert_eq!(read_spec(&more, &"pc005").unwrap(), desktop());

    let newer = text.replacen("\"form\":1", "\"form\":3,\"uuid2\":0", 1);
    let error = read_spec(&newer, &"pc005").unwrap_err();
    assert_eq!(error.to_string(), "stored-newer (object=pc005, form=3, known=2)");
    let newer = "{\"form\":7}";
    assert_eq!(read_network(newer, &"it").unwrap_err().key(), NEWER);
    assert_eq!(read_published(newer, &"it").unwrap_err().key(), NEWER);
    assert_eq!(read_config(newer, &"it").unwrap_err().key(), NEWER);

    for damaged in ["", "{", "[]", "{\"uuid\":1}"] {
        assert_eq!(read_spec(damaged, &"it").unwrap_err().key(), "stored-damaged", "{damaged}");
        assert_eq!(read_network(damaged, &"it").unwrap_err().key(), "stored-damaged");
        assert_eq!(read_published(damaged, &"it").unwrap_err().key(), "stored-damaged");
        assert_eq!(read_config(damaged, &"it").unwrap_err().key(), "stored-damaged");
    }
}
