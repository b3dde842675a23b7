//! What is shown of an image that was made elsewhere, and what a template of it begins with.

use crate::entry::enter;
use crate::page::{Page, turn};
use crate::support::{Guestfish, SMALL, Server, Site, ova, windows_disk};

/// The list with what there is to say of each, in whichever order they stand.
fn rows_opened(page: &Page, server: &Server) {
    page.go(&format!("{}/images", server.base()));
    page.click(".el-table__expand-icon");
    page.script(
        "document.querySelectorAll('.el-table__expand-icon:not(.el-table__expand-icon--expanded)') \
         .forEach((one) => one.click()); return 0",
    );
}

#[test]
fn an_image_says_what_it_was_and_what_it_lacks() {
    let _turn = turn();
    let guestfish = Guestfish::new();
    guestfish.finds(&["ntfs.sys"]);
    let server = Server::with().env("PATH", guestfish.path()).start();
    let site = Site::of(&server, SMALL);
    let windows = site.upload("windows", &windows_disk(&server.data_here(), "windows"));
    site.template("lesson", &windows);
    site.upload("machine", &ova(&server.data_here()));
    let page = enter(&server);
    rows_opened(&page, &server);
    page.see("[data-test=machine]", "Processors: 3, memory: 1.5 GB");
    page.see("[data-test=boots]", "UEFI");
    page.see("[data-test=virtio]", "none found: its disk belongs on SATA");
    page.picture("image-hints");

    // What its machine had, a new one begins with.
    page.go(&format!("{}/templates", server.base()));
    page.click("[data-test=new]");
    page.choose(".el-dialog [data-test=image]", "machine");
    page.click("[data-test=next]");
    let field =
        |name: &str| format!("return document.querySelector('[data-test={name}] input').value");
    page.until("its processors and memory", || {
        let shown = [page.script(&field("vcpu")), page.script(&field("ram"))];
        (shown == ["3", "1.5"]).then_some(())
    });
    page.go(&format!("{}/templates", server.base()));
    page.click("[data-test=more]");
    page.click("[data-test=do-hardware]");
    page.choose("[data-test=disk_bus]", "virtio");
    page.see("[data-test=no-virtio]", "No virtio driver was found");
    page.picture("no-virtio");
    page.script(
        "localStorage.setItem('carrel.language', 'zh-CN'); \
         localStorage.setItem('carrel.theme', 'dark'); return 0",
    );
    rows_opened(&page, &server);
    page.see("[data-test=machine]", "处理器 3 个");
    page.see("[data-test=virtio]", "未找到");
    page.picture("image-hints-dark");
}
