use super::*;
use crate::node::protocol::{DiskRole, DiskSpec, LayerKind, LayerRef, NicSpec, Owner};

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
        disks: vec![disk(0, true), disk(1, false)],
        nics: vec![NicSpec {
            mac: "52:54:00:00:00:01".to_owned(),
            network: Uuid::from_u128(9),
            address: Some(Ipv4Addr::new(10, 0, 0, 5)),
        }],
    }
}

fn rendered(virt_type: &str, version: Option<u32>) -> Rendered {
    let paths = ["/s/a&b.qcow2".to_owned(), "/s/b.qcow2".to_owned()];
    let fresh = version.is_none();
    let setting =
        Setting { virt_type, name: "carrel-x", paths: &paths, version, fresh, own_disks: true };
    domain(&spec(), &setting).unwrap()
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
fn only_what_restores_ends_at_a_reset_and_forgets_flushes() {
    let xml = rendered("kvm", None).xml;
    assert!(xml.contains("<on_reboot>destroy</on_reboot>"));
    assert_eq!(xml.matches("cache=\"unsafe\"").count(), 1);
    assert_eq!(xml.matches("cache=\"writeback\"").count(), 1);
    let mut kept = spec();
    kept.disks[0].restore = false;
    let paths = ["/a".to_owned(), "/b".to_owned()];
    let setting = Setting {
        virt_type: "kvm",
        name: "n",
        paths: &paths,
        version: None,
        fresh: false,
        own_disks: false,
    };
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

#[test]
fn disks_are_counted_like_columns_of_a_table() {
    let targets: Vec<String> = [0, 1, 25, 26, 27].into_iter().map(disk_target).collect();
    assert_eq!(targets, ["vda", "vdb", "vdz", "vdaa", "vdab"]);
}
