use virt::sys;

use super::*;
use crate::node::agent::look;
use crate::node::cancel::CancelFlag;

const SOON: Duration = Duration::from_secs(2);

fn layer(site: &Site) -> LayerRef {
    let layer = LayerRef {
        uuid: Uuid::new_v4(),
        kind: LayerKind::TemplateVersion,
        storage: site.storage(),
    };
    let path = site.disks.layer_path(&layer).unwrap();
    qemu_img(&["create", "-q", "-f", "qcow2", path.to_str().unwrap(), "64M"]);
    layer
}

#[test]
fn a_domain_is_defined_started_listed_stopped_and_removed() {
    let mut site = Site::simulated();
    let mut spec = site.spec("lab-1 <ö>", false);
    spec.nics = vec![NicSpec {
        mac: "52:54:00:00:00:01".to_owned(),
        network: Uuid::new_v4(),
        address: Some([10, 0, 0, 9].into()),
    }];
    // The simulator knows this network only if it exists.
    let mut network = nat(1);
    network.uuid = spec.nics[0].network;
    site.hypervisor.ensure_network(&network).unwrap();

    site.define(&spec);
    let state = site.state(spec.uuid).unwrap();
    assert_eq!((state.power, state.started_at, state.version), (PowerState::Off, None, None));
    assert_eq!(state.owner, spec.owner);
    assert_eq!(state.nics, spec.nics);
    site.becomes(SOON, spec.uuid, PowerState::Off);

    site.power(PowerAction::Start, spec.uuid);
    site.power(PowerAction::Start, spec.uuid);
    let state = site.state(spec.uuid).unwrap();
    assert_eq!(state.power, PowerState::Running);
    assert!(state.started_at.is_some_and(|at| watcher::now() - at < 60));
    site.becomes(SOON, spec.uuid, PowerState::Running);

    site.power(PowerAction::Pause, spec.uuid);
    site.power(PowerAction::Pause, spec.uuid);
    site.becomes(SOON, spec.uuid, PowerState::Paused);
    site.power(PowerAction::Resume, spec.uuid);
    site.becomes(SOON, spec.uuid, PowerState::Running);
    site.power(PowerAction::Stop, spec.uuid);
    site.becomes(SOON, spec.uuid, PowerState::Off);
    site.power(PowerAction::Stop, spec.uuid);
    site.power(PowerAction::HardStop, spec.uuid);

    let overlay = site.disks.overlay_path(&spec.disks[0], spec.uuid).unwrap();
    assert!(overlay.exists());
    site.remove(spec.uuid);
    site.remove(spec.uuid);
    assert!(!overlay.exists());
    assert!(site.state(spec.uuid).is_none());
    let gone = |event: &Event| matches!(event, Event::DomainGone { uuid } if *uuid == spec.uuid);
    site.event(SOON, gone);
}

#[test]
fn a_storage_that_hangs_holds_up_no_news() {
    let mut site = Site::simulated();
    let (hung, other) = (site.spec("hung", true), site.spec("other", true));
    for spec in [&hung, &other] {
        site.define(spec);
        site.becomes(SOON, spec.uuid, PowerState::Off);
    }
    // Who reads or writes it waits for ever, as on a file server that is away.
    let overlay = site.disks.overlay_path(&hung.disks[0], hung.uuid).unwrap();
    let mark = overlay.with_file_name("running");
    nix::unistd::mkfifo(&mark, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let tool = site.other_tool();
    for spec in [&hung, &other] {
        tool.lookup_domain_by_uuid(spec.uuid).unwrap().create().unwrap();
        site.becomes(SOON, spec.uuid, PowerState::Running);
    }
    // Lets the thread go that waits.
    drop(fs::File::options().write(true).open(&mark).unwrap());
}

#[test]
fn what_others_do_is_told() {
    let mut site = Site::simulated();
    let spec = site.spec("lab-2", false);
    site.define(&spec);
    site.power(PowerAction::Start, spec.uuid);
    site.becomes(SOON, spec.uuid, PowerState::Running);

    let other = site.other_tool();
    let domain = other.lookup_domain_by_uuid(spec.uuid).unwrap();
    domain.suspend().unwrap();
    site.becomes(SOON, spec.uuid, PowerState::Paused);
    domain.resume().unwrap();
    site.becomes(SOON, spec.uuid, PowerState::Running);
    domain.destroy().unwrap();
    site.becomes(SOON, spec.uuid, PowerState::Off);
    domain.undefine().unwrap();
    let gone = |event: &Event| matches!(event, Event::DomainGone { uuid } if *uuid == spec.uuid);
    site.event(SOON, gone);
}

#[test]
fn domains_of_others_are_neither_shown_nor_touched() {
    let mine = Site::simulated();
    let theirs = Site::simulated();
    let spec = theirs.spec("theirs", false);
    theirs.define(&spec);
    assert_eq!(mine.hypervisor.list_domains().unwrap(), DomainList::default());
    let results = [
        mine.hypervisor.remove_domains(&[spec.uuid], &Call::unwatched()),
        mine.hypervisor.power((PowerAction::Start, PATIENCE), &[spec.uuid], &Call::unwatched()),
    ];
    for items in results {
        assert_eq!(items[0].result.as_ref().unwrap_err().key, "domain-foreign");
    }
    assert!(theirs.state(spec.uuid).is_some());
    let unknown =
        mine.hypervisor.power((PowerAction::Stop, PATIENCE), &[Uuid::new_v4()], &Call::unwatched());
    assert_eq!(unknown[0].result.as_ref().unwrap_err().key, "domain-missing");
}

#[test]
fn a_disk_with_restore_is_new_and_current_at_every_start_and_one_without_stays() {
    let site = Site::simulated();
    let mut spec = site.spec("lab-3", true);
    spec.disks.push(site.disk(1, false));
    site.define(&spec);
    let paths: Vec<_> =
        spec.disks.iter().map(|disk| site.disks.overlay_path(disk, spec.uuid).unwrap()).collect();
    let write = || {
        for path in &paths {
            let mut content = fs::read(path).unwrap();
            content.extend_from_slice(b"written by the guest");
            fs::write(path, content).unwrap();
        }
    };
    let is_written =
        |index: usize| fs::read(&paths[index]).unwrap().ends_with(b"written by the guest");

    write();
    site.power(PowerAction::Start, spec.uuid);
    assert!(!is_written(0) && is_written(1));
    for action in [PowerAction::Reset, PowerAction::HardReboot, PowerAction::Reboot] {
        write();
        site.power(action, spec.uuid);
        assert!(!is_written(0) && is_written(1), "{action:?}");
    }

    let newer = layer(&site);
    let disks = spec.disks.iter().map(|disk| (disk.uuid, newer.clone())).collect();
    let current = TemplateLayers {
        version: 4,
        disks,
        hardware: Hardware::first(),
        state: FirmwareState::default(),
    };
    site.disks.publish(spec.owner.template, &current).unwrap();
    site.power(PowerAction::HardReboot, spec.uuid);
    let newer_path = site.disks.layer_path(&newer).unwrap();
    assert_eq!(Path::new(&site.below(&spec, 0)), newer_path);
    assert_eq!(Path::new(&site.below(&spec, 1)), site.disks.layer_path(&site.base).unwrap());
    // One disk is not of version 4.
    assert_eq!(site.state(spec.uuid).unwrap().version, None);
}

#[test]
fn a_new_desktop_stands_on_the_published_version() {
    let site = Site::simulated();
    let spec = site.spec("lab-4", true);
    let newer = layer(&site);
    let disks = [(spec.disks[0].uuid, newer.clone())].into();
    site.disks
        .publish(
            spec.owner.template,
            &TemplateLayers {
                version: 2,
                disks,
                hardware: Hardware::first(),
                state: FirmwareState::default(),
            },
        )
        .unwrap();
    site.define(&spec);
    assert_eq!(site.state(spec.uuid).unwrap().version, Some(2));
    site.power(PowerAction::Start, spec.uuid);
    assert_eq!(site.state(spec.uuid).unwrap().version, Some(2));

    let newest = layer(&site);
    let disks = [(spec.disks[0].uuid, newest)].into();
    site.disks
        .publish(
            spec.owner.template,
            &TemplateLayers {
                version: 3,
                disks,
                hardware: Hardware::first(),
                state: FirmwareState::default(),
            },
        )
        .unwrap();
    assert_eq!(site.state(spec.uuid).unwrap().version, Some(2), "until its next restore");
    site.power(PowerAction::HardReboot, spec.uuid);
    assert_eq!(site.state(spec.uuid).unwrap().version, Some(3));
}

#[test]
fn a_changed_spec_holds_from_the_next_start() {
    let site = Site::simulated();
    let mut spec = site.spec("lab-5", false);
    site.define(&spec);
    site.power(PowerAction::Start, spec.uuid);
    let other = site.other_tool();
    let domain = other.lookup_domain_by_uuid(spec.uuid).unwrap();
    let name = domain.name().unwrap();
    spec.memory_mib = 128;
    spec.owner.name = "renamed".to_owned();
    spec.disks.push(site.disk(1, false));
    site.define(&spec);
    assert_eq!(domain.info().unwrap().max_mem, 96 << 10);
    assert_eq!(site.state(spec.uuid).unwrap().owner.name, "lab-5");
    site.power(PowerAction::HardReboot, spec.uuid);
    assert_eq!(domain.info().unwrap().max_mem, 128 << 10);
    assert_eq!(site.state(spec.uuid).unwrap().owner.name, "renamed");
    assert_eq!(domain.name().unwrap(), name, "libvirt's own name stays");
}

/// The definition and what runs.
#[test]
fn limits_hold_at_once_and_from_the_next_start() {
    let site = Site::simulated();
    let mut spec = site.spec("limited", false);
    spec.disks.push(site.disk(1, false));
    site.define(&spec);
    site.power(PowerAction::Start, spec.uuid);
    let domain = site.other_tool().lookup_domain_by_uuid(spec.uuid).unwrap();
    let both = |words: &str| {
        let count = |flags| domain.xml_desc(flags).unwrap().matches(words).count();
        (count(sys::VIR_DOMAIN_NONE), count(sys::VIR_DOMAIN_XML_INACTIVE))
    };
    spec.limits = Limits { disk_mb: 20, disk_iops: 300, ..Limits::NONE };
    site.define(&spec);
    assert_eq!(both("<total_bytes_sec>20000000</total_bytes_sec>"), (2, 2));
    assert_eq!(both("<total_iops_sec>300</total_iops_sec>"), (2, 2));
    assert_eq!(site.state(spec.uuid).unwrap().limits, spec.limits);
    // What somebody else, or a call that was cut off, left behind.
    let own = |spec: &DomainSpec| limits::apply(&domain, spec).unwrap();
    own(&DomainSpec { limits: Limits { disk_mb: 7, ..Limits::NONE }, ..spec.clone() });
    site.define(&spec);
    assert_eq!(both("<total_bytes_sec>20000000</total_bytes_sec>"), (2, 2));
    spec.limits = Limits::NONE;
    site.define(&spec);
    assert_eq!(both("<total_bytes_sec>20000000"), (0, 0));
}

#[test]
fn a_guest_larger_than_the_machine_is_not_started() {
    let site = Site::simulated();
    let mut spec = site.spec("huge", false);
    spec.memory_mib = 64 << 20;
    site.define(&spec);
    let items =
        site.hypervisor.power((PowerAction::Start, PATIENCE), &[spec.uuid], &Call::unwatched());
    let fault = items[0].result.as_ref().unwrap_err();
    assert_eq!(fault.key, "node-memory-short");
    assert_eq!(fault.args[1], ("needed".to_owned(), (64 << 20).to_string()));
    assert_eq!(site.state(spec.uuid).unwrap().power, PowerState::Off);
}

#[test]
fn a_batch_says_of_each_how_it_went() {
    let site = Site::simulated();
    let mut specs: Vec<DomainSpec> =
        (0..4).map(|number| site.spec(&format!("lab-{number}"), false)).collect();
    specs[2].disks[0].below.uuid = Uuid::new_v4();
    let items = site.hypervisor.define_domains(&specs, &[], &Call::unwatched());
    let failed: Vec<Uuid> =
        items.iter().filter(|item| item.result.is_err()).map(|item| item.uuid).collect();
    assert_eq!(failed, [specs[2].uuid]);
    assert_eq!(items[2].result.as_ref().unwrap_err().key, "layer-missing");
    assert_eq!(site.hypervisor.list_domains().unwrap().states.len(), 3);

    let cancel = CancelFlag::new();
    cancel.cancel();
    let uuids: Vec<Uuid> = specs.iter().map(|spec| spec.uuid).collect();
    for action in [PowerAction::Start, PowerAction::Stop] {
        let items =
            site.hypervisor.power((action, PATIENCE), &uuids, &Call::new(cancel.clone(), |_| ()));
        assert!(
            items.iter().all(|item| item.result.as_ref().is_err_and(|it| it.key == "cancelled"))
        );
    }
}

#[test]
fn freezing_makes_layers_and_the_domain_goes_on_above_them() {
    let site = Site::simulated();
    let mut spec = site.spec("template", false);
    spec.owner.kind = OwnerKind::Template;
    site.define(&spec);
    site.power(PowerAction::Start, spec.uuid);
    let layer = LayerRef {
        uuid: Uuid::new_v4(),
        kind: LayerKind::TemplateVersion,
        storage: site.storage(),
    };
    let asked = [FrozenDisk { disk: spec.disks[0].uuid, layer: layer.clone() }];
    let freeze = || site.hypervisor.freeze_disks(spec.uuid, &asked, &Call::unwatched());
    assert_eq!(freeze().unwrap_err().key(), "domain-running");
    site.power(PowerAction::HardStop, spec.uuid);
    let facts = freeze().unwrap();
    assert_eq!(facts[0].uuid, layer.uuid);
    let again = freeze().unwrap();
    assert_eq!(again[0].path, facts[0].path);
    assert_eq!(site.below(&spec, 0), facts[0].path);
    let (_, metadata) = site.hypervisor.inner.domain(spec.uuid).unwrap();
    assert_eq!(metadata.spec.disks[0].below, layer);
    site.power(PowerAction::Start, spec.uuid);
    assert_eq!(site.below(&spec, 0), facts[0].path);
}

#[test]
fn a_screenshot_is_a_small_png() {
    let site = Site::simulated();
    let spec = site.spec("seen", false);
    site.define(&spec);
    let shot = || site.hypervisor.screenshot(spec.uuid, 160);
    assert_eq!(shot().unwrap_err().key(), "domain-not-running");
    assert_eq!(
        site.hypervisor.console(spec.uuid, ScreenProtocol::Vnc).unwrap_err().key(),
        "domain-not-running"
    );
    site.power(PowerAction::Start, spec.uuid);
    let image = image::load_from_memory(&shot().unwrap()).unwrap();
    assert_eq!(image.width(), 160);
    // The simulator has a picture and no screen.
    assert_eq!(
        site.hypervisor.console(spec.uuid, ScreenProtocol::Vnc).unwrap_err().key(),
        "libvirt-unsupported"
    );
}

#[test]
fn without_libvirt_every_request_says_so_and_nothing_hangs() {
    let uri = "qemu+unix:///system?socket=/nonexistent/libvirt-sock";
    let mut site = Site::new(uri, "qemu", std::env::temp_dir().as_path(), |image| {
        qemu_img(&["create", "-q", "-f", "qcow2", image.to_str().unwrap(), "64M"]);
    });
    let down = |event: &Event| matches!(event, Event::Hypervisor { up: false, .. });
    let (event, _) = site.event(Duration::from_secs(10), down);
    let Event::Hypervisor { reason, .. } = event else { unreachable!() };
    assert!(reason.contains("/nonexistent/libvirt-sock"), "{reason}");
    let error = site.hypervisor.list_domains().unwrap_err();
    assert_eq!(error.key(), "libvirt-down");
    let spec = site.spec("x", false);
    let items = site.hypervisor.define_domains(&[spec], &[], &Call::unwatched());
    assert_eq!(items[0].result.as_ref().unwrap_err().key, "libvirt-down");
    let checks = look::all(site.hypervisor.looks());
    assert_eq!((checks.len(), checks[0].verdict), (1, Verdict::Bad));
}

#[test]
fn figures_versions_and_checks_are_read() {
    let mut site = Site::simulated();
    let spec = site.spec("figures", false);
    site.define(&spec);
    site.power(PowerAction::Start, spec.uuid);
    site.becomes(SOON, spec.uuid, PowerState::Running);
    let uses = site.hypervisor.domain_use().unwrap();
    assert_eq!(uses.iter().map(|it| it.uuid).collect::<Vec<_>>(), [spec.uuid]);
    assert_eq!(site.hypervisor.versions(SOON).unwrap().virt_type, "test");
    assert!(look::all(site.hypervisor.looks()).iter().all(|check| check.verdict == Verdict::Good));
}

#[test]
fn a_new_agent_tells_every_domain_again() {
    let mut site = Site::simulated();
    // Keeps the simulator's state while no agent is connected.
    let _keep = site.other_tool();
    let spec = site.spec("again", false);
    site.define(&spec);
    site.power(PowerAction::Start, spec.uuid);
    site.reopen();
    site.event(SOON, |event| matches!(event, Event::Hypervisor { up: true, .. }));
    site.becomes(SOON, spec.uuid, PowerState::Running);
}

/// Changes what Carrel wrote into a domain, as another release or another hand would.
fn rewrite(domain: &Domain, change: impl Fn(&str) -> String) {
    let kind = virt::sys::VIR_DOMAIN_METADATA_ELEMENT as i32;
    let flags = virt::sys::VIR_DOMAIN_AFFECT_CONFIG;
    let text = domain.metadata(kind, Some(metadata::SPEC_NAMESPACE), flags).unwrap();
    let changed = change(&text);
    domain
        .set_metadata(kind, Some(&changed), Some("carrel"), Some(metadata::SPEC_NAMESPACE), flags)
        .unwrap();
}

#[test]
fn one_domain_that_cannot_be_read_is_one_fault_and_is_left_alone() {
    let mut site = Site::simulated();
    let (good, bad) = (site.spec("good", true), site.spec("bad", true));
    site.define(&good);
    site.define(&bad);
    let other = site.other_tool();
    let domain = other.lookup_domain_by_uuid(bad.uuid).unwrap();
    rewrite(&domain, |text| text.replace("\"form\":1", "\"form\":9"));
    // libvirt tells of no such change; the next that happens to the domain does.
    domain.create().unwrap();
    let unreadable = |event: &Event| matches!(event, Event::DomainUnreadable { uuid, fault } if *uuid == bad.uuid && fault.key == "stored-newer");
    site.event(SOON, unreadable);
    domain.destroy().unwrap();

    let list = site.hypervisor.list_domains().unwrap();
    assert_eq!(list.states.iter().map(|state| state.uuid).collect::<Vec<_>>(), [good.uuid]);
    let [(uuid, fault)] = list.unreadable.as_slice() else { panic!("{:?}", list.unreadable) };
    assert_eq!((*uuid, fault.key.as_str()), (bad.uuid, "stored-newer"));

    let overlay = site.disks.overlay_path(&bad.disks[0], bad.uuid).unwrap();
    let definition = || domain.xml_desc(0).unwrap();
    let before = definition();
    let call = Call::unwatched();
    let refused = [
        site.hypervisor.power((PowerAction::Start, PATIENCE), &[bad.uuid], &call),
        site.hypervisor.define_domains(std::slice::from_ref(&bad), &[], &call),
    ];
    for items in refused {
        assert_eq!(items[0].result.as_ref().unwrap_err().key, "stored-newer");
    }
    assert!(site.hypervisor.set_aside(1, &[bad.uuid], &call).is_err());
    assert_eq!(definition(), before);
    assert!(overlay.exists());
    site.power(PowerAction::Start, good.uuid);
    site.becomes(SOON, good.uuid, PowerState::Running);

    rewrite(&domain, |text| text.replace("\"form\":9", "\"form\":1"));
    site.power(PowerAction::Start, bad.uuid);
    site.becomes(SOON, bad.uuid, PowerState::Running);
    rewrite(&domain, |_| "<domain>not a spec</domain>".to_owned());
    site.power(PowerAction::Start, good.uuid);
    assert_eq!(site.hypervisor.list_domains().unwrap().unreadable[0].1.key, "stored-damaged");
}

#[test]
fn a_domain_that_cannot_be_read_is_removed_with_its_own_disks_when_that_is_asked_for() {
    let site = Site::simulated();
    let (newer, damaged, foreign) =
        (site.spec("newer", true), site.spec("damaged", true), site.spec("foreign", true));
    let other = site.other_tool();
    let all = [&newer, &damaged, &foreign];
    all.iter().for_each(|spec| site.define(spec));
    let [of_newer, of_damaged, of_foreign] =
        all.map(|spec| other.lookup_domain_by_uuid(spec.uuid).unwrap());
    rewrite(&of_newer, |text| text.replace("\"form\":1", "\"form\":9"));
    rewrite(&of_damaged, |_| "<domain>not a spec</domain>".to_owned());
    let mine = site.config.installation.to_string();
    rewrite(&of_foreign, |text| text.replace(&mine, &Uuid::new_v4().to_string()));
    of_newer.create().unwrap();

    let wanted = all.map(|spec| spec.uuid);
    let items = site.hypervisor.remove_domains(&wanted, &Call::unwatched());
    let keys = items.iter().map(|item| item.result.as_ref().map_err(|fault| fault.key.as_str()));
    assert_eq!(keys.collect::<Vec<_>>(), [Ok(&()), Ok(&()), Err("domain-foreign")]);
    let is_there = all.map(|spec| {
        let overlay = site.disks.overlay_path(&spec.disks[0], spec.uuid).unwrap();
        (other.lookup_domain_by_uuid(spec.uuid).is_ok(), overlay.exists())
    });
    assert_eq!(is_there, [(false, false), (false, false), (true, true)]);
}
