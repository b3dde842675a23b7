//! A right for one classroom: an administrator gives it in the console, and the console of who has it shows
//! and starts that classroom's desktops only.

use std::process::Command;

use crate::page::{Page, turn};
use crate::support::{ADMIN, PASSWORD, SMALL, Server, Site};

#[test]
fn a_teacher_sees_and_starts_the_desktops_of_one_classroom() {
    let _turn = turn();
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let image = server.data_here().join("small.qcow2");
    let mut make = Command::new("qemu-img");
    make.args(["create", "-q", "-f", "qcow2"]).arg(&image).arg("16M");
    assert!(make.status().expect("qemu-img").success());
    let image = site.upload("small", &image);
    let template = site.template("plain", &image);
    let ours = site.classroom("room-a");
    let theirs = site.classroom_at("room-b", "198.51.100.10", "198.51.100.200");
    site.deploy("ours", &ours, &template, 1);
    site.deploy("theirs", &theirs, &template, 1);

    let admin = Page::open("en");
    enter(&admin, &server, ADMIN);
    admin.until("the overview", || (admin.path() == "/").then_some(()));
    give_a_classroom(&admin, &server);
    let teacher = Page::open("en");
    enter(&teacher, &server, "maria");
    teacher.until("the overview", || (teacher.path() == "/").then_some(()));
    teacher.see("[data-test=tile-desktops]", "/ 1");
    teacher.picture("teacher-overview");
    teacher.see_no_more("[data-test=nav-nodes]", "");
    teacher.see_no_more("[data-test=nav-users]", "");
    teacher.click("[data-test=nav-desktop-groups]");
    teacher.see(".el-table__row", "ours");
    teacher.see_no_more(".el-table__row", "theirs");
    teacher.see_no_more("[data-test=new]", "");
    teacher.click_text(".el-table__row a", "ours");
    teacher.see(".el-table__row", "Off");
    teacher.see_no_more("[data-test=add-desktops]", "");
    teacher.click(".el-table__row [data-test=do-start]");
    teacher.see(".el-table__row", "Running");
    teacher.picture("teacher-desktops");
}

fn enter(page: &Page, server: &Server, name: &str) {
    page.go(&format!("{}/sign-in", server.base()));
    page.fill("[data-test=username]", name);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
}

/// Makes a user who is a teacher in room-a.
fn give_a_classroom(admin: &Page, server: &Server) {
    admin.go(&format!("{}/users", server.base()));
    admin.click("[data-test=new]");
    admin.fill("input[data-test=name]", "maria");
    admin.choose("[data-test=roles]", "Teacher");
    admin.click(".el-dialog__header");
    admin.choose("[data-test=scope-teacher]", "room-a");
    admin.click(".el-dialog__header");
    admin.fill("[data-test=new-password]", PASSWORD);
    admin.click("[data-test=force-reset]");
    admin.picture("user-scopes");
    admin.click("[data-test=submit]");
    admin.see(".el-table__row", "Teacher: room-a");
    admin.picture("users-scopes");
}
