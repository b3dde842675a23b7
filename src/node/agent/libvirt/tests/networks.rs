use super::*;

#[test]
fn networks_are_made_reserved_in_and_removed() {
    let site = Site::simulated();
    let mut network = nat(2);
    let hypervisor = &site.hypervisor;
    hypervisor.ensure_network(&network).unwrap();
    hypervisor.ensure_network(&network).unwrap();
    assert_eq!(hypervisor.list_networks().unwrap(), [network.uuid]);

    let hosts = || {
        let found = site.other_tool().lookup_network_by_uuid(network.uuid).unwrap();
        let xml = found.xml_desc(0).unwrap();
        xml.lines().filter(|line| line.contains("<host mac='52:54")).count()
    };
    hypervisor.reserve(network.uuid, &[host(2, 10), host(2, 11)]).unwrap();
    hypervisor.reserve(network.uuid, &[host(2, 11)]).unwrap();
    assert_eq!(hosts(), 2);
    let moved = DhcpHost { mac: host(2, 10).mac, ..host(2, 12) };
    hypervisor.reserve(network.uuid, std::slice::from_ref(&moved)).unwrap();
    assert_eq!(hosts(), 2);
    let former = DhcpHost { mac: "52:54:00:00:00:99".to_owned(), ..moved.clone() };
    hypervisor.release(network.uuid, &[former]).unwrap();
    assert_eq!(hosts(), 2, "the address has a new owner and stays with it");
    hypervisor.release(network.uuid, &[host(2, 11), moved]).unwrap();
    assert_eq!(hosts(), 0);

    // Somebody stops it: it comes back.
    let found = site.other_tool().lookup_network_by_uuid(network.uuid).unwrap();
    found.destroy().unwrap();
    let began = Instant::now();
    while !found.is_active().unwrap() {
        assert!(began.elapsed() < Duration::from_secs(10), "it stays down");
        thread::sleep(Duration::from_millis(10));
    }

    network.subnets[0].gateway = [10, 213, 3, 1].into();
    hypervisor.ensure_network(&network).unwrap();
    let theirs = Site::simulated();
    assert_eq!(theirs.hypervisor.ensure_network(&network).unwrap_err().key(), "network-foreign");
    hypervisor.remove_network(network.uuid).unwrap();
    hypervisor.remove_network(network.uuid).unwrap();
    assert!(hypervisor.list_networks().unwrap().is_empty());
    assert_eq!(
        hypervisor.reserve(network.uuid, &[host(2, 10)]).unwrap_err().key(),
        "network-missing"
    );
}

#[test]
fn a_network_in_use_is_not_taken_away_and_takes_reservations() {
    let site = Site::simulated();
    let mut network = nat(4);
    site.hypervisor.ensure_network(&network).unwrap();
    let mut spec = site.spec("user of it", false);
    spec.nics = vec![NicSpec { mac: host(4, 10).mac, network: network.uuid, address: None }];
    site.define(&spec);
    site.power(PowerAction::Start, spec.uuid);
    let error = site.hypervisor.remove_network(network.uuid).unwrap_err();
    assert_eq!(error.to_string(), "network-in-use (object=lab, users=user of it)");
    network.hosts = vec![host(4, 10)];
    site.hypervisor.ensure_network(&network).unwrap();
    network.subnets[0].gateway = [10, 213, 4, 254].into();
    assert_eq!(site.hypervisor.ensure_network(&network).unwrap_err().key(), "network-in-use");
    site.power(PowerAction::HardStop, spec.uuid);
    site.hypervisor.ensure_network(&network).unwrap();
}

#[test]
fn a_guest_that_runs_keeps_its_address_whoever_has_forgotten_it() {
    let site = Site::simulated();
    let mut network = nat(6);
    network.hosts = vec![host(6, 10), host(6, 11)];
    site.hypervisor.ensure_network(&network).unwrap();
    let mut spec = site.spec("of another database", false);
    let nic = NicSpec { mac: host(6, 10).mac, network: network.uuid, address: None };
    spec.nics = vec![nic];
    site.define(&spec);
    site.power(PowerAction::Start, spec.uuid);
    let hosts = || {
        let xml = site.other_tool().lookup_network_by_uuid(network.uuid).unwrap().xml_desc(0);
        let xml = xml.unwrap();
        [10, 11, 12].map(|number| xml.matches(&host(6, number).mac).count() > 0)
    };
    // An older list, and a guest that is to get the address of the one that runs.
    let mut older = NetworkSpec { hosts: vec![host(6, 12)], ..network.clone() };
    older.hosts[0].address = host(6, 10).address;
    site.hypervisor.ensure_network(&older).unwrap();
    assert_eq!(hosts(), [true, false, false]);
    site.hypervisor.reserve(network.uuid, &older.hosts).unwrap();
    assert_eq!(hosts(), [true, false, false]);
    site.hypervisor.reserve(network.uuid, &[host(6, 11)]).unwrap();
    assert_eq!(hosts(), [true, true, false]);
    site.power(PowerAction::HardStop, spec.uuid);
    site.hypervisor.ensure_network(&older).unwrap();
    assert_eq!(hosts(), [false, false, true]);
}

#[test]
fn a_bridge_that_is_not_there_is_named() {
    let site = Site::simulated();
    let forward = Forward::Bridge { uplink: "nosuch0".to_owned(), vlan: Some(7) };
    let network = NetworkSpec { forward, subnets: Vec::new(), ..nat(5) };
    let error = site.hypervisor.ensure_network(&network).unwrap_err();
    assert_eq!(error.to_string(), "bridge-missing (uplink=nosuch0.7)");
}
