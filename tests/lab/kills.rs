//! kill -9 at random moments of every kind of deletion, with guests that run. Looked at from outside, nothing is left of
//! nobody, and what was acknowledged is gone. Then the same while desktops start, and write what their cloud-init reads.
//!
//! `CARREL_KILLS=200 CARREL_SEED=7 cargo test --test lab kills -- --nocapture` goes on for longer; the same seed gives the
//! same deletions and moments.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::outside::{self, Strays};
use crate::story::set_hardware;
use crate::support::{LabNode, Request, Server, Site, empty_image, rows, uuid_of, wait_for};

/// Kills of a run that does not say how many.
const FEW: u32 = 7;
/// Kills while desktops start.
const STARTS: u32 = 4;
/// What is begun is finished, or taken back, within this after a start.
const SETTLE: Duration = Duration::from_secs(90);

const GROUPS: &str = "/api/v1.0/education/desktop/";
const INSTANCES: &str = "/api/v1.0/education/instance/";
const TEMPLATES: &str = "/api/v1.0/education/template/";
const CLASSROOMS: &str = "/api/v1.0/education/group/";
const NETWORKS: &str = "/api/v1.0/resource_mgr/data_networks";
const SWITCHES: &str = "/api/v1.0/resource_mgr/vswitchs";

/// What is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Two of three desktops, which run.
    Desktops,
    /// A group whose desktops run.
    RunningGroup,
    /// Two groups, one of which was never started.
    Groups,
    /// A template that runs, with what was saved of it.
    Template,
    Image,
    Classroom,
    /// A network with its subnets.
    Network,
}

const KINDS: [Kind; 7] = [
    Kind::Desktops,
    Kind::RunningGroup,
    Kind::Groups,
    Kind::Template,
    Kind::Image,
    Kind::Classroom,
    Kind::Network,
];

/// Small, and the same everywhere: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

struct Campaign {
    node: std::sync::Arc<LabNode>,
    server: Server,
    site: Site,
    image: std::path::PathBuf,
    template: String,
    classroom: String,
    switch: String,
    dice: Dice,
    /// How long an undisturbed deletion takes.
    calm: BTreeMap<Kind, Duration>,
}

/// Something that is about to be deleted.
struct Victim {
    request: Request,
    /// Uuids that are in no list when it is done, by the list's path.
    gone: Vec<(String, String)>,
}

impl Campaign {
    fn start(seed: u64) -> Self {
        let node = LabNode::up();
        // An empty disk hears no power button: saving a template waits for it in vain.
        let server = Server::with().env("CARREL_SHUTDOWN_SECONDS", 5).on(&node).start();
        let site = Site::of_default(&server);
        let image = empty_image();
        let uploaded = site.upload("empty", &image);
        let template = site.template("plain", &uploaded);
        // Its desktops have a CD for cloud-init.
        set_hardware(&site, &template, &[("seed", json!(true))]);
        let save = json!({"name": "plain", "uuid": template});
        site.done(site.admin.action(TEMPLATES, "save", save));
        let classroom = site.classroom("room");
        let switch = json!({"name": "nat", "type": "nat", "uplinks": []});
        let switch = text(&site.admin.post(SWITCHES).json(&switch).send().data(), "uuid");
        let (dice, calm) = (Dice(seed), BTreeMap::new());
        Self { node, server, site, image, template, classroom, switch, dice, calm }
    }

    /// Makes what is to be deleted.
    fn victim(&self, kind: Kind, name: &str) -> Victim {
        let (site, admin) = (&self.site, &self.site.admin);
        let group = |name: &str, count| site.deploy(name, &self.classroom, &self.template, count);
        match kind {
            Kind::Desktops => {
                let uuid = group(name, 3);
                site.group_action("start", &uuid, name);
                let two: Vec<Value> = site.desktops(&uuid).into_iter().take(2).collect();
                let named = two.iter().map(|row| json!({"uuid": row["uuid"], "name": row["name"]}));
                let param = json!({
                    "desktop_uuid": uuid, "desktop_name": name, "desktop_type": 1,
                    "instances": named.collect::<Vec<_>>(),
                });
                let gone =
                    two.iter().map(|row| (INSTANCES.to_owned(), text(row, "uuid"))).collect();
                Victim { request: admin.delete(INSTANCES).json(&param), gone }
            }
            Kind::RunningGroup => {
                let uuid = group(name, 3);
                site.group_action("start", &uuid, name);
                let body = json!({"desktops": [{"uuid": uuid, "name": name}]});
                Victim {
                    request: admin.delete(GROUPS).json(&body),
                    gone: vec![(GROUPS.to_owned(), uuid)],
                }
            }
            Kind::Groups => {
                let other = format!("{name}x");
                let (first, second) = (group(name, 2), group(&other, 2));
                site.group_action("start", &first, name);
                let body = json!({"desktops": [
                    {"uuid": first, "name": name}, {"uuid": second, "name": other}]});
                let gone = vec![(GROUPS.to_owned(), first), (GROUPS.to_owned(), second)];
                Victim { request: admin.delete(GROUPS).json(&body), gone }
            }
            Kind::Template => {
                let image = uuid_of(admin, &self.images(), "empty");
                let uuid = site.template(name, &image);
                let one = json!({"name": name, "uuid": uuid});
                for action in ["edit", "save", "edit"] {
                    site.done(admin.action(TEMPLATES, action, one.clone()));
                    site.wait_idle();
                }
                let body = json!({"templates": [one]});
                Victim {
                    request: admin.delete(TEMPLATES).json(&body),
                    gone: vec![(TEMPLATES.to_owned(), uuid)],
                }
            }
            Kind::Image => {
                let uuid = site.upload(name, &self.image);
                let body = json!({"uuids": [uuid]});
                let request = admin.delete(&self.images()).json(&body);
                Victim { request, gone: vec![(self.images(), uuid)] }
            }
            Kind::Classroom => {
                let uuid = site.classroom_at(name, "198.51.100.10", "198.51.100.20");
                let body = json!({"groups": [{"uuid": uuid, "name": name}]});
                let gone = vec![(CLASSROOMS.to_owned(), uuid)];
                Victim { request: admin.delete(CLASSROOMS).json(&body), gone }
            }
            Kind::Network => self.network(name),
        }
    }

    fn images(&self) -> String {
        format!("/api/v1.0/resource_mgr/resource_pools/{}/base_images", self.site.pool)
    }

    /// A network that guests of a deleted group were in.
    fn network(&self, name: &str) -> Victim {
        let admin = &self.site.admin;
        let new = json!({
            "name": name, "switch_uuid": self.switch,
            "subnet_info": {
                "name": name, "start_ip": "10.77.0.10", "end_ip": "10.77.0.40",
                "netmask": "255.255.255.0", "gateway": "10.77.0.1", "dns1": "10.77.0.1",
            },
        });
        self.site.done(admin.post(NETWORKS).json(&new));
        let uuid = uuid_of(admin, NETWORKS, name);
        let subnet = uuid_of(admin, &format!("{NETWORKS}/{uuid}/sub_networks"), name);
        let there = Site { network: uuid.clone(), subnet, ..self.site.clone() };
        let group = there.deploy(name, &self.classroom, &self.template, 2);
        there.delete_group(&group, name);
        let request = admin.delete(NETWORKS).json(&json!({"uuids": [uuid]}));
        Victim { request, gone: vec![(NETWORKS.to_owned(), uuid)] }
    }

    /// Deletes without a kill, to know how long that takes.
    fn measure(&mut self, kind: Kind) {
        let victim = self.victim(kind, &format!("calm-{kind:?}").to_lowercase());
        let began = Instant::now();
        self.site.done(victim.request);
        self.site.wait_idle();
        self.calm.insert(kind, began.elapsed());
        self.assert_nobodys("without a kill");
    }

    /// One deletion with a kill in it, and now and then a second one while the server finds what was begun.
    fn round(&mut self, number: u32) {
        let kind = KINDS[usize::try_from(self.dice.below(KINDS.len() as u64)).expect("small")];
        let victim = self.victim(kind, &format!("k{number}"));
        let calm = u64::try_from(self.calm[&kind].as_micros()).expect("short");
        let moment = Duration::from_micros(self.dice.below(calm * 5 / 4));
        let again = (self.dice.below(4) == 0).then(|| Duration::from_millis(self.dice.below(800)));
        let what = format!("kill {number}: {kind:?} after {moment:?}, again after {again:?}");
        let request = victim.request.header("Prefer", "respond-async");
        let call = thread::spawn(move || request.try_send());
        thread::sleep(moment);
        self.server.kill();
        let answer = call.join().expect("no panic");
        let acknowledged = answer.is_ok_and(|answer| answer.status == 200);
        self.server.start_again();
        if let Some(pause) = again {
            thread::sleep(pause);
            self.server.kill_and_start();
        }
        self.site = Site { admin: Site::of_default(&self.server).admin, ..self.site.clone() };
        self.assert_nobodys(&what);
        if acknowledged {
            for (list, uuid) in &victim.gone {
                let left = rows(&self.site.admin.get(list).query("page_size", 1000).send());
                assert!(left.iter().all(|row| row["uuid"] != **uuid), "{what}: it came back");
            }
        }
        println!(
            "{what}: {}",
            if acknowledged { "acknowledged" } else { "not begun, or not told" }
        );
        self.tidy();
    }

    /// Starts of a group with a kill in each, from the first moment on.
    fn starts(&mut self) {
        const NAME: &str = "starts";
        let group = self.site.deploy(NAME, &self.classroom, &self.template, 3);
        let began = Instant::now();
        self.site.group_action("start", &group, NAME);
        let calm = began.elapsed();
        for part in 0..STARTS {
            self.site.group_action("hard_stop", &group, NAME);
            let desktops = self.site.desktops(&group);
            let seed = |row: &Value| {
                let folder = self.server.data_here().join("storage/desktops");
                folder.join(text(row, "uuid")).join("seed.iso")
            };
            let seeds: Vec<_> = desktops.iter().map(seed).collect();
            // Those of before; a start that was killed early made none.
            seeds.iter().for_each(|seed| drop(std::fs::remove_file(seed)));
            let param = json!({"desktops": [{"uuid": group, "name": NAME}]});
            let request = self.site.admin.action(GROUPS, "start", param);
            let call = thread::spawn(move || request.header("Prefer", "respond-async").try_send());
            thread::sleep(calm * part / STARTS);
            self.server.kill();
            drop(call.join().expect("no panic"));
            self.server.start_again();
            self.site = Site { admin: Site::of_default(&self.server).admin, ..self.site.clone() };
            self.assert_nobodys(&format!("start killed after {:?}", calm * part / STARTS));
            for (row, seed) in desktops.iter().zip(&seeds) {
                let runs = self.node.domain_state(&text(row, "uuid")) == "running";
                match std::fs::read(seed) {
                    Ok(image) => assert_eq!(claimed_size(&image), image.len(), "{row:#}"),
                    Err(cause) => assert!(!runs, "{cause}: {row:#}"),
                }
            }
        }
        self.site.delete_group(&group, NAME);
        self.assert_nobodys("after starts");
    }

    /// Nothing of nobody, as soon as what was begun has ended.
    fn assert_nobodys(&self, what: &str) {
        self.site.wait_idle();
        let began = Instant::now();
        let mut last = Strays::default();
        wait_for(&format!("nothing of nobody ({what})"), SETTLE, || {
            last = outside::strays(&self.server, &self.node);
            if !last.is_empty() {
                eprintln!("{what}: after {:?} {last:#?}", began.elapsed());
            }
            last.is_empty().then_some(())
        });
    }

    /// What a deletion that did not begin has left.
    fn tidy(&self) {
        let (site, admin) = (&self.site, &self.site.admin);
        for group in rows(&admin.get(GROUPS).query("page_size", 1000).send()) {
            site.delete_group(&text(&group, "uuid"), &text(&group, "name"));
        }
        let mine =
            |row: &Value| !["plain", "empty", "room"].iter().any(|name| row["name"] == **name);
        let left = |list: &str| {
            let all = rows(&admin.get(list).query("page_size", 1000).send());
            all.into_iter().filter(mine).collect::<Vec<_>>()
        };
        let named = |row: &Value| json!({"uuid": row["uuid"], "name": row["name"]});
        for row in left(TEMPLATES) {
            site.done(admin.delete(TEMPLATES).json(&json!({"templates": [named(&row)]})));
        }
        for row in left(&self.images()) {
            site.done(admin.delete(&self.images()).json(&json!({"uuids": [row["uuid"]]})));
        }
        for row in left(CLASSROOMS) {
            site.done(admin.delete(CLASSROOMS).json(&json!({"groups": [named(&row)]})));
        }
        for row in left(NETWORKS).into_iter().filter(|row| row["uuid"] != *site.network) {
            site.done(admin.delete(NETWORKS).json(&json!({"uuids": [row["uuid"]]})));
        }
        site.wait_idle();
    }
}

/// Bytes of an image of a CD by its own word.
fn claimed_size(image: &[u8]) -> usize {
    const SECTOR: usize = 2048;
    let at = 16 * SECTOR + 80;
    let sectors = u32::from_le_bytes(image[at..at + 4].try_into().expect("four bytes"));
    usize::try_from(sectors).expect("small") * SECTOR
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_else(|| panic!("no text {field} in {row:#}")).to_owned()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect(name))
}

#[test]
fn deletions_killed_at_random_moments_leave_nothing_of_nobody() {
    let (kills, seed) = (number("CARREL_KILLS", FEW.into()), number("CARREL_SEED", 4711));
    println!("{kills} kills, seed {seed}");
    let mut campaign = Campaign::start(seed);
    for kind in KINDS {
        campaign.measure(kind);
    }
    println!("without a kill: {:?}", campaign.calm);
    for kill in 1..=u32::try_from(kills).expect("so many kills") {
        campaign.round(kill);
    }
    campaign.starts();
}
