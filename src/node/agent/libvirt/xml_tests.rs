use super::*;
use crate::node::protocol::*;

const ABLE: Abilities = Abilities { sound: true, clipboard: true };

fn spec() -> DomainSpec {
    let disk = |index, restore| DiskSpec {
        uuid: Uuid::from_u128(index),
        role: if index == 0 { DiskRole::System } else { DiskRole::Data },
        index: index as u32,
        size: 1 << 30,
        storage: "/s".to_owned(),
        below: LayerRef { uuid: Uuid::nil(), kind: LayerKind::BaseImage, storage: "/s".to_owned() },
        restore,
    };
    DomainSpec {
        uuid: Uuid::from_u128(0xabcd_0000 << 96),
        owner: Owner {
            installation: Uuid::from_u128(7),
            kind: OwnerKind::Desktop,
            name: "Lab </title> \"1\"\n高一".to_owned(),
            group: None,
            template: Uuid::from_u128(8),
        },
        vcpus: 2,
        memory_mib: 96,
        hardware: Hardware::first(),
        disks: vec![disk(0, true), disk(1, false)],
        nics: vec![NicSpec {
            mac: "52:54:00:00:00:01".to_owned(),
            network: Uuid::from_u128(9),
            address: Some(Ipv4Addr::new(10, 0, 0, 5)),
        }],
        cds: Vec::new(),
        driver_disk: None,
        identity: None,
        spice: Spice::Off,
        limits: Limits::NONE,
    }
}

fn rendered(virt_type: &str, version: Option<u32>) -> Rendered {
    let paths = ["/s/a&b.qcow2".to_owned(), "/s/b.qcow2".to_owned()];
    let fresh = version.is_none();
    let setting = Setting { version, fresh, ..setting(virt_type, &paths) };
    domain(&spec(), &setting).unwrap()
}

fn setting<'a>(virt_type: &'a str, paths: &'a [String]) -> Setting<'a> {
    Setting {
        virt_type,
        name: "carrel-x",
        machine_type: (virt_type != "test").then_some("pc-q35-7.2"),
        paths,
        isos: &[],
        driver_disk: None,
        seed: "/s/seed.iso",
        nvram: "/s/nvram.fd",
        version: None,
        fresh: false,
        life: None,
        own_disks: true,
        abilities: ABLE,
    }
}

#[test]
fn what_comes_from_outside_stays_text() {
    let xml = rendered("kvm", Some(3)).xml;
    assert!(xml.contains("<title>Lab &lt;&#x2f;title&gt; &quot;1&quot;高一</title>"), "{xml}");
    assert!(xml.contains("a&amp;b.qcow2"));
    assert_eq!(xml.matches("<seclabel model=\"dac\" relabel=\"no\"/>").count(), 2);
    assert!(xml.contains(" version=\"3\" "));
    assert!(xml.contains("addresses=\"10.0.0.5\""));
    assert!(!xml.contains("group=") && !xml.contains("fresh="));
    assert!(rendered("kvm", None).xml.contains(" fresh=\"yes\" "));
}

#[test]
fn a_guest_is_told_who_it_is_unless_it_had_other_hardware_before() {
    let identity = Some(Identity { number: 7, group: "高一 <3>\nB".to_owned(), host_name: None });
    let paths = ["/a".to_owned(), "/b".to_owned()];
    let of_before = DomainSpec { identity, ..spec() };
    let xml = domain(&of_before, &setting("kvm", &paths)).unwrap().xml;
    assert!(!xml.contains("sysinfo"), "{xml}");
    let hardware = Hardware { hyperv: true, ..Hardware::first() };
    let xml = domain(&DomainSpec { hardware, ..of_before }, &setting("kvm", &paths)).unwrap().xml;
    for line in ["carrel.number=7<", "carrel.group=高一 &lt;3&gt;B<", "<smbios mode=\"sysinfo\"/>"]
    {
        assert!(xml.contains(line), "{line} in {xml}");
    }
}

#[test]
fn only_what_restores_ends_at_a_reset_and_forgets_flushes() {
    let xml = rendered("kvm", None).xml;
    assert!(xml.contains("<on_reboot>destroy</on_reboot>"));
    assert_eq!(xml.matches("cache=\"unsafe\"").count(), 1);
    assert_eq!(xml.matches("cache=\"writeback\"").count(), 1);
    let mut kept = spec();
    kept.disks[0].restore = false;
    let paths = ["/a".to_owned(), "/b".to_owned()];
    let setting = Setting { own_disks: false, ..setting("kvm", &paths) };
    let xml = domain(&kept, &setting).unwrap().xml;
    assert!(xml.contains("<on_reboot>restart</on_reboot>"));
    assert!(!xml.contains("unsafe"));
    assert!(!xml.contains("seclabel"));
}

#[test]
fn emulation_gets_a_bounded_cache_and_the_simulator_its_own_machine() {
    assert!(rendered("qemu", None).xml.contains("<tb-cache unit=\"MiB\">32</tb-cache>"));
    let kvm = rendered("kvm", None).xml;
    assert!(!kvm.contains("tb-cache") && kvm.contains("host-model"));
    let test = rendered("test", None).xml;
    assert!(test.contains("<domain type=\"test\">") && !test.contains("machine="));
}

#[test]
fn the_fingerprint_tells_every_change() {
    let one = rendered("kvm", Some(1));
    assert_eq!(one.fingerprint, rendered("kvm", Some(1)).fingerprint);
    assert_ne!(one.fingerprint, rendered("kvm", Some(2)).fingerprint);
    assert_ne!(one.fingerprint, rendered("qemu", Some(1)).fingerprint);
    assert!(one.xml.contains(&one.fingerprint));
}

#[test]
fn names_are_readable_and_unique() {
    let mut spec = spec();
    assert_eq!(domain_name(&spec), "carrel-lab-title-1-abcd0000");
    spec.owner.name = "高一三班".to_owned();
    assert_eq!(domain_name(&spec), "carrel-abcd0000");
    spec.owner.name = "x".repeat(300);
    assert_eq!(domain_name(&spec).len(), "carrel-".len() + 40 + 9);
    let network = network_name(Uuid::from_u128(7 << 96), Uuid::from_u128(9 << 96));
    assert_eq!(network, "carrel-00000007-00000009");
}

/// One machine for each word of each choice, everything else as in a machine that may have it.
fn machines() -> Vec<Hardware> {
    let modern = Hardware {
        firmware: Firmware::Uefi,
        chipset: Chipset::Q35,
        disk_bus: DiskBus::Sata,
        clock: Clock::Localtime,
        hyperv: true,
        topology: Topology::OneSocket,
        sound: Sound::Ich9,
        clipboard: true,
        boot: vec![BootDevice::Cd, BootDevice::Disk, BootDevice::Network],
        ..Hardware::first()
    };
    let mut machines = vec![Hardware::first(), modern.clone()];
    let mut with = |change: &dyn Fn(&mut Hardware)| {
        let mut hardware = modern.clone();
        change(&mut hardware);
        machines.push(hardware);
    };
    with(&|hardware| {
        hardware.firmware = Firmware::UefiSecure;
        hardware.tpm = true;
    });
    with(&|hardware| hardware.clipboard = false);
    let features = ["+aes", "-hle"].map(|text| CpuFeature::parse(text).unwrap()).to_vec();
    let cpu = CpuModel::Named { name: "Skylake-Client".to_owned(), features };
    with(&|hardware| hardware.cpu = cpu.clone());
    with(&|hardware| {
        hardware.video =
            Video { model: VideoModel::Vga, memory_mib: Some(32), resolution: Some((1920, 1080)) };
    });
    for usb in UsbController::ALL {
        with(&|hardware| hardware.usb = *usb);
    }
    for chipset in Chipset::ALL {
        with(&|hardware| hardware.chipset = *chipset);
    }
    for bus in DiskBus::ALL {
        with(&|hardware| {
            hardware.disk_bus = *bus;
            if *bus == DiskBus::Ide {
                hardware.chipset = Chipset::I440fx;
            }
        });
        with(&|hardware| {
            (hardware.seed, hardware.disk_bus) = (true, *bus);
            if *bus == DiskBus::Ide {
                hardware.chipset = Chipset::I440fx;
            }
        });
    }
    for model in NicModel::ALL {
        with(&|hardware| hardware.nic_model = *model);
    }
    for model in VideoModel::ALL {
        with(&|hardware| hardware.video.model = *model);
    }
    for sound in Sound::ALL {
        with(&|hardware| hardware.sound = *sound);
    }
    machines
}

fn rendered_with(hardware: &Hardware, virt_type: &str) -> String {
    rendered_on(ABLE, hardware, virt_type)
}

fn rendered_on(abilities: Abilities, hardware: &Hardware, virt_type: &str) -> String {
    rendered_of(abilities, hardware, virt_type, Spice::Off)
}

fn rendered_with_spice(hardware: &Hardware, virt_type: &str, spice: Spice) -> String {
    rendered_of(ABLE, hardware, virt_type, spice)
}

fn rendered_of(abilities: Abilities, hardware: &Hardware, virt_type: &str, spice: Spice) -> String {
    let iso = LayerRef { kind: LayerKind::Iso, uuid: Uuid::from_u128(3), storage: "/s".to_owned() };
    let drives = vec![CdSpec { iso: Some(iso) }, CdSpec::default()];
    // Desktops have the one, templates the others.
    let cds = if hardware.seed { Vec::new() } else { drives };
    let limits = Limits { disk_mb: 100, disk_iops: 2000, receive_mbit: 200, send_mbit: 50 };
    let spec = DomainSpec { hardware: hardware.clone(), cds, limits, spice, ..spec() };
    let machine_type = match hardware.chipset {
        Chipset::I440fx => "pc-i440fx-7.2",
        Chipset::Q35 => "pc-q35-7.2",
    };
    let paths = ["/s/a.qcow2".to_owned(), "/s/b.qcow2".to_owned()];
    let isos =
        if hardware.seed { Vec::new() } else { vec![Some("/s/isos/3.iso".to_owned()), None] };
    let setting = Setting {
        machine_type: Some(machine_type),
        isos: &isos,
        abilities,
        ..setting(virt_type, &paths)
    };
    domain(&spec, &setting).unwrap().xml
}

#[test]
fn a_machine_is_heard_and_copied_from_where_it_has_what_that_takes() {
    let rich = Hardware { sound: Sound::Ac97, clipboard: true, ..Hardware::first() };
    let channel = "<channel type=\"qemu-vdagent\">";
    let xml = rendered_with(&rich, "kvm");
    assert_eq!(xml.matches("<audio id=\"1\"/>").count(), 2, "{xml}");
    assert!(xml.contains("<audio id=\"1\" type=\"none\"/>") && xml.contains(channel));
    // Nothing of it in a machine as all were first, nor what an older libvirt would not take.
    let plain = rendered_with(&Hardware::first(), "kvm");
    assert!(!plain.contains("audio") && !plain.contains("<sound") && !plain.contains("com.redhat"));
    let old = rendered_on(Abilities::NONE, &rich, "kvm");
    assert!(old.contains("<sound model=\"ac97\"/>"), "{old}");
    assert!(!old.contains("audio") && !old.contains("com.redhat"), "{old}");
    let simulated = rendered_on(Abilities::NONE, &rich, "test");
    assert!(!simulated.contains("<sound") && !simulated.contains("com.redhat"));
}

#[test]
fn a_desktop_has_its_seed_behind_all_other_drives() {
    let with = |bus, chipset, kind| {
        let hardware = Hardware { seed: true, disk_bus: bus, chipset, ..Hardware::first() };
        let owner = Owner { kind, ..spec().owner };
        let paths = ["/s/a.qcow2".to_owned(), "/s/b.qcow2".to_owned()];
        domain(&DomainSpec { hardware, owner, ..spec() }, &setting("kvm", &paths)).unwrap().xml
    };
    for (bus, chipset, drive) in [
        (DiskBus::Virtio, Chipset::I440fx, "dev=\"hdc\" bus=\"ide\""),
        (DiskBus::Ide, Chipset::I440fx, "dev=\"hdc\" bus=\"ide\""),
        (DiskBus::Virtio, Chipset::Q35, "dev=\"sda\" bus=\"sata\""),
        (DiskBus::Sata, Chipset::Q35, "dev=\"sdc\" bus=\"sata\""),
        (DiskBus::VirtioScsi, Chipset::Q35, "dev=\"sdc\" bus=\"sata\""),
    ] {
        let xml = with(bus, chipset, OwnerKind::Desktop);
        assert_eq!(xml.matches("device=\"cdrom\"").count(), 1, "{xml}");
        assert!(xml.contains("seed.iso\">") && xml.contains(drive), "{drive} in {xml}");
    }
    let template = with(DiskBus::Sata, Chipset::Q35, OwnerKind::Template);
    assert!(!template.contains("seed.iso") && !template.contains("cdrom"), "{template}");
}

#[test]
fn limits_stand_in_the_definition() {
    let paths = ["/s/a.qcow2".to_owned(), "/s/b.qcow2".to_owned()];
    let with = |limits| {
        let spec = DomainSpec { limits, ..spec() };
        domain(&spec, &setting("kvm", &paths)).unwrap().xml
    };
    let xml = with(Limits { disk_mb: 100, disk_iops: 0, receive_mbit: 8, send_mbit: 0 });
    assert_eq!(xml.matches("<total_bytes_sec>100000000</total_bytes_sec>").count(), 2, "{xml}");
    assert_eq!(xml.matches("<group_name>disks</group_name>").count(), 2, "{xml}");
    assert!(xml.contains("<inbound average=\"1000\"/>"), "{xml}");
    assert!(!xml.contains("<outbound") && !xml.contains("_iops_sec"), "{xml}");
    let xml = with(Limits::NONE);
    assert!(!xml.contains("<iotune") && !xml.contains("<bandwidth"), "{xml}");
}

#[test]
fn the_small_disk_is_on_its_own_bus_behind_the_others() {
    for (bus, chipset, to, wanted) in [
        (DiskBus::Sata, Chipset::Q35, DiskBus::Virtio, "dev=\"vda\" bus=\"virtio\""),
        (DiskBus::Ide, Chipset::I440fx, DiskBus::Virtio, "dev=\"vda\" bus=\"virtio\""),
        // Behind two disks and two CDs.
        (DiskBus::Sata, Chipset::Q35, DiskBus::VirtioScsi, "dev=\"sde\" bus=\"scsi\""),
        (DiskBus::Ide, Chipset::I440fx, DiskBus::VirtioScsi, "dev=\"sde\" bus=\"scsi\""),
    ] {
        let xml = with_driver_disk(bus, chipset, to);
        assert!(xml.contains(wanted), "{wanted} in {xml}");
        assert_eq!(xml.matches("type=\"raw\" cache=\"unsafe\"").count(), 1, "{xml}");
        let has_controller =
            xml.contains("<controller type=\"scsi\" index=\"0\" model=\"virtio-scsi\"/>");
        assert_eq!(has_controller, to == DiskBus::VirtioScsi, "{xml}");
    }
}

fn with_driver_disk(bus: DiskBus, chipset: Chipset, to: DiskBus) -> String {
    let hardware = Hardware { disk_bus: bus, chipset, ..Hardware::first() };
    let cds = vec![CdSpec::default(), CdSpec::default()];
    let spec = DomainSpec { hardware, cds, driver_disk: Some(to), ..spec() };
    let paths = ["/s/a.qcow2".to_owned(), "/s/b.qcow2".to_owned()];
    let machine_type = Some(if chipset == Chipset::Q35 { "pc-q35-7.2" } else { "pc-i440fx-7.2" });
    let driver_disk = Some("/s/drivers.raw");
    let isos = [None, None];
    let setting = Setting { machine_type, driver_disk, isos: &isos, ..setting("kvm", &paths) };
    domain(&spec, &setting).unwrap().xml
}

/// libvirt's own schema, by its own program.
#[test]
fn every_machine_is_one_that_libvirt_knows() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (at, hardware) in machines().iter().enumerate() {
        hardware.check(2).unwrap();
        for (virt_type, spice) in [("kvm", Spice::Off), ("qemu", Spice::On), ("kvm", Spice::Usb)] {
            let path = dir.path().join(format!("{at}-{virt_type}-{}.xml", spice.word()));
            std::fs::write(&path, rendered_with_spice(hardware, virt_type, spice)).unwrap();
            files.push(path);
        }
    }
    for to in [DiskBus::Virtio, DiskBus::VirtioScsi] {
        let path = dir.path().join(format!("driver-disk-{}.xml", to.word()));
        std::fs::write(&path, with_driver_disk(DiskBus::Sata, Chipset::Q35, to)).unwrap();
        files.push(path);
    }
    for file in files {
        let mut validate = std::process::Command::new("virt-xml-validate");
        let output = validate.arg(&file).arg("domain").output();
        let output = output.expect("virt-xml-validate, of libvirt's clients");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let xml = std::fs::read_to_string(&file).unwrap();
        assert!(output.status.success(), "{said}\n{xml}");
    }
}

#[test]
fn spice_listens_nowhere_and_has_several_screens_and_usb_where_the_card_and_the_group_have() {
    let screens = |model, spice| {
        let video = Video { model, memory_mib: None, resolution: None };
        rendered_with_spice(&Hardware { video, ..Hardware::first() }, "kvm", spice)
    };
    let off = screens(VideoModel::Qxl, Spice::Off);
    assert!(!off.contains("spice") && !off.contains("redirdev") && !off.contains("heads"));
    let on = screens(VideoModel::Qxl, Spice::On);
    // The first of its screens is the one of the console.
    let (vnc, spice) = (on.find("\"vnc\"").unwrap(), on.find("<graphics type=\"spice\">").unwrap());
    assert!(vnc < spice && on[spice..].contains("<listen type=\"none\"/>"), "{on}");
    assert!(on.contains("heads=\"4\"") && !on.contains("redirdev"));
    assert!(!screens(VideoModel::Vga, Spice::On).contains("heads"));
    assert_eq!(screens(VideoModel::Virtio, Spice::Usb).matches("<redirdev").count(), 4);
    let loud = Hardware { sound: Sound::Ich9, ..Hardware::first() };
    assert!(rendered_with(&loud, "kvm").contains("<audio id=\"1\" type=\"none\"/>"));
    let loud = rendered_with_spice(&loud, "kvm", Spice::On);
    assert!(loud.contains("<audio id=\"1\" type=\"spice\"/>"));
}

#[test]
fn disks_and_cd_drives_have_names_of_their_own() {
    for hardware in machines() {
        let xml = rendered_with(&hardware, "kvm");
        let names: Vec<&str> = xml.split("<target dev=\"").skip(1).map(|rest| &rest[..3]).collect();
        let unique: std::collections::HashSet<&&str> = names.iter().collect();
        // Two disks, and the drives of a template or the one of a desktop.
        let count = if hardware.seed { 3 } else { 4 };
        assert_eq!((names.len(), unique.len()), (count, count), "{names:?}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let q35 = Hardware { chipset: Chipset::Q35, ..Hardware::first() };
    let video = |model, memory_mib, resolution| Hardware {
        video: Video { model, memory_mib, resolution },
        ..q35.clone()
    };
    let ide = Hardware { disk_bus: DiskBus::Ide, ..Hardware::first() };
    let refused = [
        (Hardware { disk_bus: DiskBus::Ide, ..q35.clone() }, "hardware-ide-needs-i440fx"),
        (Hardware { tpm: true, ..q35.clone() }, "hardware-tpm-needs-uefi"),
        (
            Hardware { firmware: Firmware::UefiSecure, ..Hardware::first() },
            "hardware-secure-boot-needs-q35",
        ),
        (Hardware { boot: vec![], ..q35.clone() }, "hardware-boot-empty"),
        (Hardware { boot: vec![BootDevice::Disk; 2], ..q35.clone() }, "hardware-boot-twice"),
        (video(VideoModel::Virtio, Some(16), None), "hardware-video-memory-of-virtio"),
        (video(VideoModel::Vga, Some(0), None), "hardware-video-memory"),
        (video(VideoModel::Vga, Some(48), None), "hardware-video-memory"),
        (video(VideoModel::Vga, None, Some((1, 1))), "hardware-video-resolution"),
    ];
    for (hardware, key) in refused {
        assert_eq!(hardware.check(1).unwrap_err().key(), key);
    }
    ide.check(2).unwrap();
    assert_eq!(ide.check(3).unwrap_err().key(), "hardware-ide-disks");
}
