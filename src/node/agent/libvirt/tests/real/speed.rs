use super::*;

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
    all_done(&site.hypervisor.define_domains(&specs, &[], &Call::unwatched()));
    let defining = began.elapsed();
    let began = Instant::now();
    let listed = site.hypervisor.list_domains().unwrap().states.len();
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
    all_done(&site.hypervisor.define_domains(&specs, &[], &Call::unwatched()));
    let uuids: Vec<Uuid> = specs.iter().map(|spec| spec.uuid).collect();
    let words: Vec<String> = uuids.iter().map(ToString::to_string).collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let began = Instant::now();
        all_done(&site.hypervisor.power(
            (PowerAction::Start, PATIENCE),
            &uuids,
            &Call::unwatched(),
        ));
        ours.push(began.elapsed());
        let began = Instant::now();
        let figures = site.hypervisor.domain_use().unwrap().len();
        println!("figures of {figures} in {:?}", began.elapsed());
        let began = Instant::now();
        all_done(&site.hypervisor.power(
            (PowerAction::HardStop, PATIENCE),
            &uuids,
            &Call::unwatched(),
        ));
        println!("20 switched off in {:?}", began.elapsed());

        let began = Instant::now();
        let virsh = "printf '%s\\n' \"$@\" | xargs -P4 -n1 virsh -q start >/dev/null";
        let status = Command::new("sh").args(["-c", virsh, "sh"]).args(&words).status().unwrap();
        assert!(status.success());
        theirs.push(began.elapsed());
        all_done(&site.hypervisor.power(
            (PowerAction::HardStop, PATIENCE),
            &uuids,
            &Call::unwatched(),
        ));
    }
    println!("20 started: {ours:?}, by virsh four at a time: {theirs:?}");
    all_done(&site.hypervisor.remove_domains(&uuids, &Call::unwatched()));
}

/// Where KVM works this proves nothing but that it is used.
#[test]
#[ignore = "needs QEMU"]
fn the_probe_decides_within_seconds() {
    let site = empty_site();
    let began = Instant::now();
    let versions = site.hypervisor.versions(Duration::from_secs(60)).unwrap();
    println!("{versions:?} in {:?}", began.elapsed());
    let began_emulated = Instant::now();
    // The same guest proves itself where nothing is in doubt.
    assert_eq!(probe::probe(&site.other_tool(), "qemu").unwrap(), probe::Finding::Works);
    println!("emulated in {:?}", began_emulated.elapsed());
    println!("{:#?}", crate::node::agent::look::all(site.hypervisor.looks()));
    assert!(began.elapsed() < Duration::from_secs(30));
    let leftover = site.other_tool().list_all_domains(0).unwrap();
    assert!(leftover.iter().all(|domain| !domain.name().unwrap().contains("probe")));
}
