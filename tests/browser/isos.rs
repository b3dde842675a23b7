//! The library of ISOs, and templates that are installed from one.

use crate::entry::enter;
use crate::page::turn;
use crate::support::{SMALL, Server, Site, iso};

#[test]
fn an_iso_is_uploaded_installs_a_template_and_is_ejected() {
    let _turn = turn();
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    site.upload_iso("drivers", &iso(&server, "drivers", b"drivers"));
    let page = enter(&server);
    page.go(&format!("{}/isos", server.base()));
    page.click("[data-test=upload-iso]");
    page.choose_file("[data-test=file]", &iso(&server, "win11", b"installs"));
    page.picture("iso-upload");
    page.choose("[data-test=os-type]", "Windows 10");
    page.fill("input[data-test=name]", "installer");
    page.click("[data-test=submit]");
    page.see(".el-table__row", "installer");
    page.see(".el-table__row", "Operating system");
    page.see_no_more(".el-table__row", "Copying");
    page.picture("isos");

    page.go(&format!("{}/templates", server.base()));
    page.click("[data-test=new]");
    page.click("[data-test=from-iso]");
    page.choose(".el-dialog [data-test=iso]", "installer");
    page.fill("input[data-test=name]", "lesson");
    page.picture("template-from-iso");
    page.click("[data-test=next]");
    page.fill("[data-test=ram] input", "0.125");
    page.fill("[data-test=disk] input", "1");
    for _ in 0..3 {
        page.click("[data-test=next]");
    }
    page.see(".el-table__row", "lesson");
    page.see(".el-table__row", "Off");
    page.click("[data-test=more]");
    page.click("[data-test=do-discs]");
    page.see("[data-test=drive-0]", "installer");
    page.choose(".el-dialog [data-test=iso]", "drivers");
    page.click("[data-test=insert]");
    page.see("[data-test=drive-1]", "drivers");
    page.picture("discs");
    page.click("[data-test=eject-0]");
    page.see("[data-test=drive-0]", "Empty");
    page.see("[data-test=drive-1]", "drivers");
}
