//! Networks of a node when somebody stops them, and those that would cover the node's own.

use std::time::Duration;

use serde_json::json;

use crate::golden::{FIRST, RESTORED, desktop, power, put_together};
use crate::story::{BOOT, boots, instance_param, text, wait_status};
use crate::support::{LabNode, Server, rows, wait_until};

const NETWORKS: &str = "/api/v1.0/resource_mgr/data_networks";
const SOON: Duration = Duration::from_secs(20);

#[test]
fn what_somebody_stopped_comes_back_and_no_subnet_covers_the_node_s_own_network() {
    let node = LabNode::up();
    put_together(&node, FIRST);
    let server = Server::with().on(&node).start();
    let admin = &server.admin();
    let (pc005, pc006) = (desktop(admin, RESTORED, "pc005"), desktop(admin, RESTORED, "pc006"));
    wait_status(admin, RESTORED, &pc005, "inactive");
    let start = |row| power(admin, "start", &instance_param(RESTORED, "restored", &[row]));
    start(&pc005);
    let address = text(&pc005, "ipaddr");
    assert_eq!(node.guest_status(&address, "eth0", BOOT), format!("{address}/24"));

    // Its DHCP server is killed: another one serves the next guest.
    let names = node.virsh(&["net-list", "--name"]);
    let network = names.lines().find(|name| name.starts_with("carrel-")).expect("a network");
    let pid_file = format!("/run/libvirt/network/{network}.pid");
    let dhcp = || node.exec(&["cat", &pid_file]).trim().to_owned();
    let killed = dhcp();
    node.exec(&["kill", "-9", &killed]);
    wait_until("another DHCP server", SOON, || {
        let now = dhcp();
        now != killed && node.try_exec(&["kill", "-0", &now]).status.success()
    });
    start(&pc006);
    let second = text(&pc006, "ipaddr");
    assert_eq!(node.guest_status(&second, "eth0", BOOT), format!("{second}/24"));

    // The network is stopped: it comes back, and guests that ran on are in it again.
    node.virsh(&["net-destroy", network]);
    wait_until("the network is back", SOON, || {
        node.virsh(&["net-list", "--name"]).lines().any(|name| name == network)
    });
    for address in [&address, &second] {
        assert_eq!(node.guest_status(address, "boots", SOON), boots(&node, address));
    }

    // A subnet over the node's own network would cut it off.
    let both = instance_param(RESTORED, "restored", &[&pc005, &pc006]);
    power(admin, "stop", &both);
    let [a, b, c, _] = node.address().parse::<std::net::Ipv4Addr>().expect("IPv4").octets();
    let own = |last: u8| format!("{a}.{b}.{c}.{last}");
    let networks = rows(&admin.get(NETWORKS).send());
    let subnets = format!("{NETWORKS}/{}/sub_networks", text(&networks[0], "uuid"));
    let over = json!({
        "name": "over", "start_ip": own(200), "end_ip": own(210), "netmask": "255.255.255.0",
        "gateway": own(220), "dns1": "9.9.9.9",
    });
    let refused = admin.post(&subnets).json(&over).send();
    assert!(refused.body.contains("network-over-another"), "{}", refused.body);
    assert_eq!(rows(&admin.get(&subnets).send()).len(), 1, "nothing of it stays");
    assert!(!node.exec(&["ip", "route", "get", &own(199)]).contains("crl"));
}

#[test]
fn an_address_that_a_card_gets_later_shows_and_own_bridges_are_no_cards() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let admin = server.admin();
    let cards = || {
        let nodes = rows(&admin.get("/api/v1.0/resource_mgr/controller_nodes").send());
        nodes[0]["network_interfaces"].as_array().expect("cards").clone()
    };
    let has = |address: &str| {
        let cards = cards();
        let addresses =
            cards.iter().flat_map(|card| card["ip_info"].as_array().expect("addresses"));
        addresses.filter(|ip| ip["ip"] == address).count() == 1
    };
    wait_until("the node is known", SOON, || has(&node.address()));
    let card = cards().into_iter().find(|card| !card["ip_info"][0].is_null()).expect("a card");
    let name = text(&card, "nic");
    node.exec(&["ip", "address", "add", "10.199.7.5/24", "dev", &name]);
    wait_until("the new address", SOON, || has("10.199.7.5"));
    node.exec(&["ip", "address", "del", "10.199.7.5/24", "dev", &name]);
    wait_until("the address is gone", SOON, || !has("10.199.7.5"));
    assert_eq!(
        cards().iter().find(|one| one["nic"] == name.as_str()).expect("it")["uuid"],
        card["uuid"]
    );

    let is_ours = |name: &str| name.starts_with("crl");
    let bridges = || {
        let links = node.exec(&["ip", "-o", "-4", "address"]);
        links.split_whitespace().any(is_ours)
    };
    wait_until("a network of ours", SOON, bridges);
    assert!(!cards().iter().any(|card| is_ours(&text(card, "nic"))), "{:#?}", cards());
}
