//! Pages that are not for whoever comes, or not there any more, say so; dialogs choose nothing by themselves.

use std::net::TcpListener;

use serde_json::json;

use crate::page::{Page, turn};
use crate::support::{ADMIN, PASSWORD, SMALL, Server, Site, small_image};

fn enter(server: &Server, name: &str) -> Page {
    let page = Page::open("en");
    page.sign_in(server, name);
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
    page.see("[data-test=capacity]", "Free addresses in the subnet: 198");
    assert_eq!(page.script(disabled), json!(true), "that cannot work");
    page.picture("deploy-impossible");
    page.fill("[data-test=count] input", "3");
    page.click(".el-dialog__title");
    page.see_no_more("[data-test=capacity]", "Free addresses");
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

#[test]
fn a_refusal_stands_at_its_field_in_the_words_of_its_label() {
    let _turn = turn();
    let server = Server::start();
    let page = enter(&server, ADMIN);
    page.go(&format!("{}/pools", server.base()));
    page.click("[data-test=new]");
    page.fill("input[data-test=name]", "a<b");
    page.click("[data-test=submit]");
    page.see(".el-form-item__error", "“Name” must not contain <");
    page.see_no_more("[data-test=failure]", "");
    page.picture("refused-at-field");
    // What is typed anew is not refused yet.
    page.fill("input[data-test=name]", "default");
    page.see_no_more(".el-form-item__error", "must not contain");
    page.click("[data-test=submit]");
    page.see(".el-form-item__error", "default");
    page.go(&format!("{}/own/ssh", server.base()));
    page.click("[data-test=new-ssh-key]");
    page.fill("[data-test=key]", "no key");
    page.click("[data-test=submit]");
    page.see(".el-form-item__error", "“Public key” is no public ssh key");
}

#[test]
fn the_api_page_speaks_both_languages_has_a_dark_side_and_a_way_back() {
    let _turn = turn();
    let server = Server::start();
    let page = enter(&server, ADMIN);
    page.go(&format!("{}/api/docs", server.base()));
    page.see(".opblock-tag", "Desktops and resources");
    page.see(".info", "an API key, made in the console");
    let text = "return document.body.innerText";
    let shown = page.script(text).as_str().expect("text").to_owned();
    assert!(!shown.contains("ocument 00") && !shown.contains("platform"), "{shown}");
    page.picture("api-docs");
    page.click("#theme");
    let ground = "return getComputedStyle(document.body).backgroundColor";
    assert_eq!(page.script(ground), json!("rgb(28, 32, 34)"));
    page.picture("api-docs-dark");
    page.click("#language");
    page.see(".opblock-tag", "桌面与资源");
    page.see(".info", "控制台中创建的 API 密钥");
    page.see(".btn.authorize", "授权");
    let filter = "return document.querySelector('.operation-filter-input')?.placeholder";
    page.until("a filter in Chinese", || {
        (page.script(filter) == json!("按分组或路径筛选")).then_some(())
    });
    page.click(".opblock-tag");
    page.see(".opblock-summary-description", "");
    let told = "return [...document.querySelectorAll('.opblock-summary-description')].map((one) => one.innerText)";
    let told = page.script(told);
    let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    assert!(
        told.as_array().expect("summaries").iter().all(|one| one.as_str().is_some_and(is_chinese)),
        "{told:#}"
    );
    page.picture("api-docs-zh");
    // In the console it is as it was chosen here.
    page.click("#back");
    page.see("[data-test=nav-templates]", "模板");
    assert_eq!(page.script("return document.documentElement.className"), json!("dark"));
}

#[test]
fn the_screen_of_a_desktop_that_is_gone_leads_back() {
    let _turn = turn();
    let server = Server::start();
    let page = enter(&server, ADMIN);
    page.go(&format!("{}/console/desktop/00000000-0000-4000-8000-00000000dead", server.base()));
    page.see("[data-test=console-state]", "This desktop is not there any more");
    page.picture("console-gone");
    page.click("[data-test=way-back]");
    page.until("the list", || (page.path() == "/desktop-groups").then_some(()));
}

#[test]
fn the_overview_claims_nothing_while_the_server_is_away() {
    let _turn = turn();
    // At an address of its own, to come back to.
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let mut server = Server::with().listen(&format!("127.0.0.1:{port}")).start();
    let page = enter(&server, ADMIN);
    page.see("[data-test=no-tasks]", "Nothing is running");
    page.click("[data-test=nav-pools]");
    page.see(".el-table__row", "default");
    server.stop();
    page.see("header.bar", "Reconnecting");
    page.click("[data-test=nav-dashboard]");
    page.see("[data-test=no-tasks]", "Not known");
    page.see("[data-test=no-log]", "Not known");
    page.picture("overview-away");
    server.start_again();
    page.see("[data-test=no-tasks]", "Nothing is running");
    page.see_no_more("[data-test=no-log]", "Not known");
}

#[test]
fn a_trickle_is_a_trickle_on_the_overview() {
    let _turn = turn();
    let server = Server::start();
    let page = enter(&server, ADMIN);
    page.see("[data-test=top-nic]", "up to");
    let full = "return document.querySelector('[data-test=top-nic] .fill').getBoundingClientRect().width\
         >= document.querySelector('[data-test=top-nic] .rail').getBoundingClientRect().width";
    assert_eq!(page.script(full), json!(false));
    page.see("[data-test=top-cpu]", "10 min ago");
    // Terminals are not counted: none of none would be a claim.
    page.see_no_more(".tiles", "Terminals");
    page.picture("overview");
}
