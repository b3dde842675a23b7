use super::*;

fn subnet(gateway: [u8; 4], prefix: u8, last: [u8; 2]) -> SubnetSpec {
    let [a, b, c, _] = gateway;
    SubnetSpec {
        gateway: gateway.into(),
        prefix,
        start: [a, b, c, last[0]].into(),
        end: [a, b, c, last[1]].into(),
        dns: vec![[9, 9, 9, 9].into()],
    }
}

fn spec() -> NetworkSpec {
    NetworkSpec {
        uuid: Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0),
        name: "lab <1>".to_owned(),
        forward: Forward::Nat,
        subnets: vec![
            subnet([10, 9, 0, 1], 24, [10, 20]),
            subnet([10, 9, 0, 1], 24, [30, 40]),
            subnet([10, 9, 1, 1], 24, [10, 20]),
        ],
        hosts: vec![DhcpHost {
            mac: "52:54:00:00:00:01".to_owned(),
            address: [10, 9, 0, 10].into(),
            name: "pc-1".to_owned(),
        }],
    }
}

#[test]
fn what_was_defined_is_read_back() {
    let installation = Uuid::new_v4();
    let definition = xml::network(&view(&spec(), installation).unwrap()).unwrap();
    let stored = parse(&definition).unwrap().unwrap();
    assert_eq!(stored.spec, spec());
    assert_eq!(parse_hosts(&definition, spec().uuid).unwrap(), spec().hosts);
    assert_eq!(stored.installation, installation);
    assert!(parse("<network><name>default</name></network>").unwrap().is_none());
}

#[test]
fn two_ranges_in_one_cidr_share_a_gateway_and_every_cidr_is_served() {
    let nat = view(&spec(), Uuid::nil()).unwrap().nat.unwrap();
    assert_eq!(nat.gateways.len(), 2);
    assert_eq!(nat.gateways[0].hosts.len(), 2, "the gateway's own and the guest's");
    assert!(nat.gateways[1].hosts.is_empty());
    assert_eq!(
        nat.options,
        [
            "no-ping",
            "dhcp-option=option:dns-server,9.9.9.9",
            "dhcp-range=10.9.1.1,static,255.255.255.0"
        ]
    );
}

#[test]
fn ranges_and_reservations_change_without_taking_the_network_down() {
    let mut other = spec();
    other.subnets.remove(1);
    other.subnets[0].end = [10, 9, 0, 99].into();
    other.hosts.clear();
    other.name = "lab 2".to_owned();
    let mut stored = Stored {
        installation: Uuid::nil(),
        bridge: bridge_name(spec().uuid),
        options: Vec::new(),
        spec: spec(),
    };
    let same = |stored: &Stored, other: &NetworkSpec| {
        same_structure(stored, other, &view(other, Uuid::nil()).unwrap())
    };
    assert!(same(&stored, &other));
    assert!(!same_hosts(&spec(), &other));
    other.subnets[0].gateway = [10, 9, 0, 254].into();
    assert!(!same(&stored, &other));
    stored.bridge = "br0".to_owned();
    assert!(!same(&stored, &spec()));
}

#[test]
fn each_guest_gets_the_name_servers_of_its_own_subnet() {
    let mut spec = spec();
    spec.subnets[2].dns = vec![[8, 8, 8, 8].into(), [8, 8, 4, 4].into()];
    let host = |last, address: [u8; 4]| DhcpHost {
        mac: format!("52:54:00:00:00:0{last}"),
        address: address.into(),
        name: String::new(),
    };
    spec.hosts.push(host(2, [10, 9, 1, 12]));
    let nat = view(&spec, Uuid::nil()).unwrap().nat.unwrap();
    let tags: Vec<_> = nat.gateways[0].hosts.iter().map(|host| host.tag.as_deref()).collect();
    assert_eq!(tags, [None, None, Some("dns1")]);
    assert_eq!(
        nat.options[1..3],
        [
            "dhcp-option=option:dns-server,9.9.9.9",
            "dhcp-option=tag:dns1,option:dns-server,8.8.8.8,8.8.4.4"
        ]
    );
}

#[test]
fn lines_of_an_older_agent_are_written_anew_without_taking_the_network_down() {
    let view = view(&spec(), Uuid::nil()).unwrap();
    let mut stored = parse(&xml::network(&view).unwrap()).unwrap().unwrap();
    assert!(same_definition(&stored, &spec(), &view));
    stored.options[1] = "dhcp-option=option:dns-server,9.9.9.9,8.8.8.8".to_owned();
    assert!(same_structure(&stored, &spec(), &view) && !same_definition(&stored, &spec(), &view));
}

#[test]
fn a_nat_network_without_a_subnet_is_refused() {
    let bare = NetworkSpec { subnets: Vec::new(), ..spec() };
    let error = view(&bare, Uuid::nil()).err().unwrap();
    assert_eq!(error.key(), "network-without-subnet");
}
