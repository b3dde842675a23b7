use super::*;

#[test]
fn a_desktop_starts_with_a_cd_that_says_who_it_is() {
    let site = Site::simulated();
    let (mut kept, mut anew) = (site.spec("kept", false), site.spec("anew", true));
    let path = |spec: &DomainSpec| site.disks.seed_path(spec).unwrap();
    let told = |spec: &DomainSpec| fs::read(path(spec)).unwrap();
    for spec in [&mut kept, &mut anew] {
        spec.hardware.seed = true;
        site.define(spec);
        site.power(PowerAction::Start, spec.uuid);
    }
    let (first_kept, first_anew) = (told(&kept), told(&anew));
    thread::sleep(Duration::from_millis(1100));
    for spec in [&kept, &anew] {
        site.power(PowerAction::HardReboot, spec.uuid);
    }
    assert!(told(&kept) == first_kept, "the same instance");
    assert!(told(&anew) != first_anew, "another instance");

    // While it runs it has the CD that it started with.
    kept.owner.name = "renamed".to_owned();
    site.define(&kept);
    assert!(told(&kept) == first_kept);
    site.power(PowerAction::HardReboot, kept.uuid);
    assert!(String::from_utf8_lossy(&told(&kept)).contains("\"renamed\""));
    kept.hardware.seed = false;
    site.define(&kept);
    site.power(PowerAction::HardReboot, kept.uuid);
    assert!(!path(&kept).exists());
    site.remove(anew.uuid);
    assert!(!path(&anew).parent().unwrap().exists());
    let temporary = Path::new(&site.storage()).join("tmp");
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}
