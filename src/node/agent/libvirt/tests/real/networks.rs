use super::*;

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
