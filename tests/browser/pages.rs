//! Pages that are not for whoever comes, or not there any more, say so; dialogs choose nothing by themselves.

use serde_json::json;

use crate::page::{Page, turn};
use crate::support::{ADMIN, PASSWORD, SMALL, Server, Site, small_image};

fn enter(server: &Server, name: &str) -> Page {
    let page = Page::open("en");
    page.go(&format!("{}/sign-in", server.base()));
    page.fill("[data-test=username]", name);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
    page.until("the first page", || (page.path() != "/sign-in").then_some(()));
    page
}

#[test]
fn a_page_that_one_may_not_see_says_which_right_it_takes() {
    let _turn = turn();
    let server = Server::start();
    let lee = json!({"name": "lee", "password": PASSWORD, "roles": ["teacher"]});
    server.admin().post("/api/v1.0/identity/user").json(&lee).send().data();
    let page = enter(&server, "lee");
    page.go(&format!("{}/users", server.base()));
    page.see("[data-test=forbidden]", "See users");
    page.picture("forbidden");
    let notices =
        "return document.querySelectorAll('.el-notification, .el-message, .el-alert').length";
    assert_eq!(page.script(notices), json!(0));
}

#[test]
fn a_group_that_is_gone_is_said_to_be() {
    let _turn = turn();
    let server = Server::start();
    let page = enter(&server, ADMIN);
    page.go(&format!("{}/desktop-groups/00000000-0000-4000-8000-00000000dead", server.base()));
    page.see(".el-message", "not there any more");
    page.until("the list", || (page.path() == "/desktop-groups").then_some(()));
}

#[test]
fn a_dialog_chooses_only_where_there_is_no_choice() {
    let _turn = turn();
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("small", &small_image(&server));
    site.template("one", &image);
    site.template("two", &image);
    site.classroom_at("room", "198.51.100.1", "198.51.100.3");
    let page = enter(&server, ADMIN);
    page.go(&format!("{}/desktop-groups", server.base()));
    page.click("[data-test=new]");
    page.see("[data-test=group]", "room");
    page.see("[data-test=preview]", "PC001, PC002, PC003");
    let disabled = "return document.querySelector('[data-test=submit]').disabled";
    assert_eq!(page.script(disabled), json!(true), "no template is chosen");
    page.choose("[data-test=template]", "two");
    assert_eq!(page.script(disabled), json!(false));
    page.fill("[data-test=count] input", "4");
    page.click(".el-dialog__title");
    page.see("[data-test=too-many]", "room has 3 seats");
    page.picture("deploy");
    // What the network and the nodes have is known before.
    page.see("[data-test=free]", "198");
    page.fill("[data-test=count] input", "199");
    page.click(".el-dialog__title");
    page.see("[data-test=capacity]", "198 free addresses");
    assert_eq!(page.script(disabled), json!(true), "that cannot work");
    page.picture("deploy-impossible");
    page.fill("[data-test=count] input", "3");
    page.click(".el-dialog__title");
    page.see_no_more("[data-test=capacity]", "free addresses");
    // Made, started and offered to its terminals by one operation, also when the page is closed.
    page.click("[data-test=start]");
    page.click("[data-test=activate]");
    page.fill("input[data-test=name]", "class");
    page.picture("deploy-and-start");
    page.click("[data-test=submit]");
    page.go(&format!("{}/desktop-groups", server.base()));
    page.see(".el-table__row", "3 of 3 on");
    page.see(".el-table__row", "Active");
    // Behind NAT a network has a subnet.
    page.go(&format!("{}/networks", server.base()));
    page.click("[data-test=new]");
    page.see(".el-dialog [data-test=switch]", "NAT");
    page.see_no_more("[data-test=with-subnet]", "");
    page.picture("network");
}
