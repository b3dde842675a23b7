//! A template is led from SATA to virtio, step by step.

use serde_json::json;

use crate::entry::enter;
use crate::page::{Page, turn};
use crate::support::{SMALL, Server, Site, small_image};

#[test]
fn a_template_is_led_over_to_virtio_and_back() {
    let _turn = turn();
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("base", &small_image(&server));
    let param = json!({
        "name": "win", "os_type": "Windows 10", "classify": 1, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.5,
        "system_disk": {"image_id": image, "size": 1}, "data_disks": [],
    });
    site.done(site.admin.action("/api/v1.0/education/template/", "create", param));
    let page = enter(&server);
    page.go(&format!("{}/templates", server.base()));
    page.see(".el-table__row", "win");
    page.click("[data-test=more]");
    page.click("[data-test=do-hardware]");
    page.click("[data-test=bus-switch]");
    page.see("[data-test=bus-step]", "INACCESSIBLE_BOOT_DEVICE");
    page.picture("bus-prepare");
    page.click("[data-test=bus-begin]");
    page.see("[data-test=bus-step]", "Device Manager");
    page.see_no_more("[data-test=bus-work]", "");
    page.picture("bus-driver");
    page.click("[data-test=bus-start]");
    // It may be closed in between, and the page says how it stands.
    page.see(".el-dialog", "Console");
    page.click(".el-dialog__headerbtn");
    page.see(".banner", "Until then no version can be saved");
    page.picture("bus-banner");
    page.click("[data-test=open-bus]");
    page.click("[data-test=bus-try]");
    page.see("[data-test=bus-deadline]", "back on SATA");
    page.see_no_more("[data-test=bus-work]", "");
    page.picture("bus-try");
    look_in_chinese(&page);
    page.click("[data-test=bus-undo]");
    page.see("[data-test=bus-ended]", "as it was before");
    page.picture("bus-undone");
    page.see_no_more("[data-test=bus-work]", "");
    page.click("[data-test=bus-begin]");
    page.see("[data-test=bus-step]", "Device Manager");
    page.click("[data-test=bus-try]");
    page.see("[data-test=bus-deadline]", "back on SATA");
    page.click("[data-test=bus-confirm]");
    page.see("[data-test=bus-ended]", "stays there");
    page.picture("bus-kept");
    page.click("[data-test=bus-close]");
    page.click("[data-test=more]");
    page.click("[data-test=do-hardware]");
    page.see(".el-dialog [data-test=disk_bus]", "virtio");
    assert_eq!(page.script("return document.querySelector('[data-test=bus-switch]')"), json!(null));
}

fn look_in_chinese(page: &Page) {
    for (key, value) in [("theme", "dark"), ("language", "zh-CN")] {
        page.script(&format!("localStorage.setItem('carrel.{key}', '{value}')"));
    }
    page.script("location.reload()");
    page.see(".banner", "正在切换磁盘总线");
    page.click("[data-test=open-bus]");
    page.see("[data-test=bus-deadline]", "恢复 SATA");
    page.picture("bus-try-zh");
    for (key, value) in [("theme", "light"), ("language", "en")] {
        page.script(&format!("localStorage.setItem('carrel.{key}', '{value}')"));
    }
    page.script("location.reload()");
    page.see(".banner", "is going over");
    page.click("[data-test=open-bus]");
}
