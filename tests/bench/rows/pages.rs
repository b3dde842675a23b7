//! A page of 20 desktops out of many against the same page out of few.

use crate::measure::{Bound, Table, median, seconds, settle};
use crate::support::{LARGE, LabNode, Server, Site, empty_image};

const FEW: u32 = 100;
const MANY: u32 = 10_000;
/// Desktops per group while filling.
const GROUP: u32 = 495;
/// Requests per measurement.
const REQUESTS: usize = 200;

pub fn measure(table: &mut Table) {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of(&server, LARGE);
    let image = site.upload("empty", &empty_image());
    let template = site.template("empty", &image);
    let classroom = site.classroom("bench");
    site.deploy("few", &classroom, &template, FEW);
    let few = page(&site, "page out of few");
    let mut made = FEW;
    while made < MANY {
        let count = GROUP.min(MANY - made);
        site.deploy(&format!("g{made}"), &classroom, &template, count);
        made += count;
    }
    let many = page(&site, "page out of many");
    table.compare(
        "page of 20 out of 10,000 desktops",
        "out of 100",
        many,
        few,
        Bound::TimesAsLong(1.3),
    );
}

fn page(site: &Site, what: &str) -> f64 {
    site.wait_idle();
    settle();
    let once = || {
        let call = site.admin.get("/api/v1.0/education/instance/").query("searchtype", "all");
        let answer = call.query("page", 2).query("page_size", 20).send();
        assert_eq!(answer.status, 200, "{what}: {}", answer.body);
    };
    once();
    median(3, |_| seconds(|| (0..REQUESTS).for_each(|_| once())) / REQUESTS as f64)
}
