use super::*;

#[test]
fn a_disk_that_kept_what_was_written_is_never_made_anew() {
    let site = Site::simulated();
    let spec = site.spec("kept", false);
    site.define(&spec);
    let overlay = site.disks.overlay_path(&spec.disks[0], spec.uuid).unwrap();
    // Never started: nothing was in it, and a loss of power may have swallowed it.
    fs::remove_file(&overlay).unwrap();
    site.power(PowerAction::Start, spec.uuid);
    site.power(PowerAction::HardStop, spec.uuid);

    let aside = overlay.with_extension("aside");
    fs::rename(&overlay, &aside).unwrap();
    let call = Call::unwatched();
    let start = || site.hypervisor.power((PowerAction::Start, PATIENCE), &[spec.uuid], &call);
    let define = |started: &[Uuid]| {
        site.hypervisor.define_domains(std::slice::from_ref(&spec), started, &call)
    };
    let key = |items: Vec<ItemResult>| items[0].result.clone().unwrap_err().key;
    assert_eq!(key(start()), "disk-lost");
    assert_eq!(key(define(&[])), "disk-lost");
    assert!(!overlay.exists());
    // Nor when somebody undefined it, and only the rows know that it ran.
    site.other_tool().lookup_domain_by_uuid(spec.uuid).unwrap().undefine().unwrap();
    assert_eq!(key(define(&[spec.uuid])), "disk-lost");
    assert!(!overlay.exists());

    fs::rename(&aside, &overlay).unwrap();
    all_done(&define(&[spec.uuid]));
    all_done(&start());
}

#[test]
fn nothing_is_made_on_a_chain_with_a_hole() {
    let site = Site::simulated();
    let spec = site.spec("on-two", true);
    site.define(&spec);
    let path = site.disks.layer_path(&site.base).unwrap();
    let top = LayerRef {
        uuid: Uuid::new_v4(),
        kind: LayerKind::TemplateVersion,
        storage: site.storage(),
    };
    site.disks.create_layer(&top, Some(&site.base), 64 << 20).unwrap();
    fs::remove_file(&path).unwrap();
    let mut on_top = site.spec("above", false);
    on_top.disks[0].below = top;
    let call = Call::unwatched();
    let deployed = site.hypervisor.define_domains(&[on_top], &[], &call);
    let started = site.hypervisor.power((PowerAction::Start, PATIENCE), &[spec.uuid], &call);
    for items in [deployed, started] {
        let fault = items[0].result.clone().unwrap_err();
        assert_eq!(fault.key, "layer-missing");
        let named = fault.args.iter().any(|(_, value)| *value == path.to_string_lossy());
        assert!(named, "{:?}", fault.args);
    }
}
