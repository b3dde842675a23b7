//! Every page, dialog and drawer keeps the rules that axe-core knows: WCAG 2 levels A and AA, and good practice;
//! light and dark, on a desk and on a phone. `static/src/tour.json` says how to come to each of them.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::page::{Page, turn};
use crate::support::{ADMIN, Client, PASSWORD, SMALL, Server, Site, iso, small_image, wait_for};

/// So many users that their list has pages.
const USERS: usize = 12;
const LIMIT: Duration = Duration::from_secs(30);
const DESK: (u32, u32) = (1280, 800);
const PHONE: (u32, u32) = (390, 844);
const OWN_FACTOR: &str = "/api/v1.0/identity/own/second_factor";

/// A page, and what can be opened on it.
#[derive(Deserialize)]
struct Stop {
    path: String,
    /// Seen by those who are not signed in.
    #[serde(default)]
    stranger: bool,
    /// Seen with a second factor.
    #[serde(default)]
    factor: bool,
    /// What is there when the page is.
    #[serde(default = "heading")]
    ready: String,
    /// By what it shows: the steps to it. A text is clicked, a pair is a field and what to type; the word
    /// `phone` first: only there.
    #[serde(default)]
    open: Map<String, Value>,
}

fn heading() -> String {
    "main h1".to_owned()
}

/// The rules that are broken, a line for each kind of element. Structure does not change with the colours.
const LOOK: &str = r"
    const [colours, done] = arguments
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
    const only = colours ? { type: 'rule', values: ['color-contrast'] } : { type: 'tag', values: tags }
    const rules = colours ? {} : { 'label-content-name-mismatch': { enabled: true } }
    document.getAnimations().forEach((it) => {
        if (it.effect.getComputedTiming().endTime !== Infinity) it.finish()
    })
    axe.run(document, { runOnly: only, rules, resultTypes: ['violations'] })
        .then(({ violations }) => done(violations.map(({ id, impact, nodes }) =>
            `${id} (${impact}) ${nodes.length}: ` + nodes.slice(0, 5).map(({ html, any }) => html.slice(0, 160) + (any[0] ? ` (${any[0].message})` : '')).join(' | '))))
        .catch((error) => done([String(error)]))
";
const SETTLED: &str = "const done = arguments[0]
    requestAnimationFrame(() => requestAnimationFrame(() => done(true)))";

struct Tour {
    page: Page,
    axe: String,
    base: String,
    wrong: Vec<String>,
}

impl Tour {
    fn go(&self, stop: &Stop, path: &str) {
        let url =
            if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        self.page.go(&url);
        self.page.see(&stop.ready, "");
        self.at_rest();
        self.page.script(&self.axe);
    }

    fn at_rest(&self) {
        self.page.until("the end of loading", || {
            let busy = "return [...document.querySelectorAll('.el-loading-mask, .el-skeleton')]\
                 .filter((mask) => mask.checkVisibility({ opacityProperty: true })).length";
            (self.page.script(busy) == 0).then_some(())
        });
    }

    /// What axe finds, as it is shown now; in both themes.
    fn look(&mut self, what: &str) {
        for theme in ["light", "dark"] {
            let dark = theme == "dark";
            self.page.script(&format!("document.documentElement.classList.toggle('dark', {dark})"));
            self.page.script_until_done(SETTLED, Vec::new());
            let found = self.page.script_until_done(LOOK, vec![json!(dark)]);
            let found = found.as_array().expect("a list").iter().filter_map(Value::as_str);
            self.wrong.extend(found.map(|one| format!("{theme} {what}: {one}")));
        }
        self.page.script("document.documentElement.classList.remove('dark')");
    }

    fn look_on_both(&mut self, what: &str) {
        self.look(&format!("desk {what}"));
        self.page.resize(PHONE);
        self.page.script_until_done(SETTLED, Vec::new());
        self.look(&format!("phone {what}"));
        self.page.resize(DESK);
    }

    fn visit(&mut self, stop: &Stop, fill: impl Fn(&str) -> String) {
        let path = fill(&stop.path);
        self.go(stop, &path);
        self.look_on_both(&path);
        for (what, steps) in &stop.open {
            let steps = steps.as_array().expect("steps");
            let on_phone = steps.first() == Some(&json!("phone"));
            if on_phone {
                self.page.resize(PHONE);
            }
            self.go(stop, &path);
            for step in steps.iter().skip(usize::from(on_phone)) {
                // What slides in would be missed by a click.
                self.page.settle();
                match step {
                    Value::String(css) => self.page.click(css),
                    pair => self.page.fill(
                        pair[0].as_str().expect("a field"),
                        &fill(pair[1].as_str().expect("a text")),
                    ),
                }
            }
            self.opened(what);
            let what = format!("{path} {what}");
            if on_phone {
                self.look(&format!("phone {what}"));
                self.page.resize(DESK);
            } else {
                self.look_on_both(&what);
            }
        }
    }

    /// A step that leads nowhere would look at the page behind.
    fn opened(&self, what: &str) {
        if what.ends_with("Dialog.vue") {
            self.page.see(".el-dialog", "");
        }
        self.at_rest();
    }
}

/// A server that has something of each kind.
fn full(server: &Server) -> Map<String, Value> {
    let site = Site::of(server, SMALL);
    let admin = &site.admin;
    let image = site.upload("small", &small_image(server));
    site.upload_iso("installer", &iso(server, "setup", b"content"));
    let template = site.template("plain", &image);
    let edited = site.template("lesson", &image);
    let hardware = format!("/api/v1.0/templates/{template}/hardware");
    let mut on_sata = admin.get(&hardware).send().data()["hardware"].take();
    on_sata["disk_bus"] = json!("sata");
    site.done(admin.put(&hardware).json(&on_sata));
    let group = site.deploy("class", &site.classroom("room"), &template, 2);
    site.group_action("start", &group, "class");
    let save = json!({"uuid": template, "name": "plain", "note": "browser updated"});
    site.done(admin.action("/api/v1.0/education/template/", "save", save));
    let param = json!({"uuid": edited, "name": "lesson"});
    site.done(admin.action("/api/v1.0/education/template/", "edit", param));
    let post = |path: &str, body: Value| admin.post(path).json(&body).send().data();
    for number in 0..USERS {
        let user =
            json!({"name": format!("pupil{number:02}"), "password": PASSWORD, "roles": ["normal"]});
        post("/api/v1.0/identity/user", user);
    }
    post(
        "/api/v1.0/identity/user",
        json!({"name": "lee", "password": PASSWORD, "roles": ["teacher"], "granted": ["api.view"]}),
    );
    post(
        "/api/v1.0/identity/role",
        json!({"code": "helper", "description": "", "permissions": ["users.view"]}),
    );
    post("/api/v1.0/identity/own/key", json!({"name": "nightly", "permissions": ["api.view"]}));
    server.client().sign_in("lee", PASSWORD);
    let mut policy = admin.get("/api/v1.0/identity/policy").send().data();
    policy["registration"] = json!(true);
    admin.put("/api/v1.0/identity/policy").json(&policy).send().data();
    let desktop = site.desktops(&group)[0]["uuid"].clone();
    Map::from_iter([("group".to_owned(), json!(group)), ("desktop".to_owned(), desktop)])
}

/// Switches the second factor of `client` on. Gives a recovery code.
fn with_factor(client: &Client) -> String {
    let act = |action: &str, param: Value| client.action(OWN_FACTOR, action, param).send().data();
    let secret = act("start", json!({}))["secret"].as_str().expect("a secret").replace(' ', "");
    let codes = act("confirm", json!({"code": crate::identity::code(&secret, 0)}));
    codes["recovery_codes"][0].as_str().expect("a code").to_owned()
}

#[test]
fn every_page_and_dialog_keeps_the_rules_of_axe() {
    let _turn = turn();
    let server = Server::start();
    let mut places = full(&server);
    let new = Server::with().without_admin().start();
    let link = wait_for("a set-up link", LIMIT, || new.log().matching("setup link").pop());
    let link = link.split_whitespace().find(|word| word.starts_with("http")).expect("a link");
    places.insert("setup".to_owned(), json!(link));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);
    let stops: Vec<Stop> = serde_json::from_str(&read("src/tour.json")).expect("the tour");

    let page = Page::open("en");
    page.resize(DESK);
    let axe = read("node_modules/axe-core/axe.min.js");
    let mut tour = Tour { page, axe, base: server.base().to_owned(), wrong: Vec::new() };
    let fill = |places: &Map<String, Value>, text: &str| {
        places.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default())
        })
    };
    for stop in stops.iter().filter(|stop| stop.stranger) {
        tour.visit(stop, |text| fill(&places, text));
    }
    tour.page.go(&format!("{}/sign-in", server.base()));
    tour.page.fill("[data-test=username]", ADMIN);
    tour.page.fill("[data-test=password]", PASSWORD);
    tour.page.click("[data-test=sign-in]");
    tour.page.until("the overview", || (tour.page.path() == "/").then_some(()));
    for stop in stops.iter().filter(|stop| !stop.stranger && !stop.factor) {
        tour.visit(stop, |text| fill(&places, text));
    }
    places.insert("code".to_owned(), json!(with_factor(&server.admin())));
    for stop in stops.iter().filter(|stop| stop.factor) {
        tour.visit(stop, |text| fill(&places, text));
    }
    assert!(tour.wrong.is_empty(), "{:#?}", tour.wrong);
}
