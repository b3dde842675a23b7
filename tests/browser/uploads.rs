//! Uploads that are cut off go on: by themselves, and after the page was left.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::entry::enter;
use crate::page::{Page, turn};
use crate::support::{ISOS, SMALL, Server, Site, iso, rows, wait_for};

/// A CD of 12 MB.
fn large_iso(server: &Server, name: &str) -> PathBuf {
    let noise: Vec<u8> = (0..12_u32 << 20).map(|n| (n.wrapping_mul(n >> 7) >> 3) as u8).collect();
    iso(server, name, &noise)
}

/// So many bytes in a second, as over a slow line; 0 has no limit.
fn slow(page: &Page, upload: u32) {
    page.devtools("Network.enable", &json!({}));
    let upload = if upload == 0 { -1 } else { i64::from(upload) };
    let limits = json!({"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": upload});
    page.devtools("Network.emulateNetworkConditions", &limits);
}

fn send(page: &Page, file: &Path, name: &str) {
    page.click("[data-test=upload-iso]");
    page.choose_file("[data-test=file]", file);
    page.fill("input[data-test=name]", name);
    page.click("[data-test=submit]");
    page.until("some bytes sent", || {
        let shown =
            page.script("return document.querySelector('.upload .el-progress__text')?.innerText");
        let percent: u32 = shown.as_str()?.trim_end_matches('%').trim().parse().ok()?;
        (percent >= 10).then_some(())
    });
}

fn is_whole(site: &Site, name: &str, file: &Path) {
    let row = wait_for("its row", Duration::from_secs(60), || {
        rows(&site.admin.get(ISOS).send()).into_iter().find(|row| row["name"] == name)
    });
    let sum = hex::encode(Sha256::digest(fs::read(file).expect("read")));
    assert_eq!(row["sha256_sum"], sum);
}

#[test]
fn an_upload_goes_on_after_a_cut_and_after_its_page_was_left() {
    let _turn = turn();
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it").port();
    let mut server = Server::with().listen(&format!("127.0.0.1:{port}")).start();
    let site = Site::of(&server, SMALL);
    let file = large_iso(&server, "setup");
    let page = enter(&server);
    let isos = format!("{}/isos", server.base());
    page.go(&isos);

    slow(&page, 1 << 20);
    send(&page, &file, "installer");
    page.picture("upload-sending");
    server.kill();
    page.see("[data-test=upload-state]", "goes on by itself");
    page.picture("upload-cut-off");
    slow(&page, 0);
    server.start_again();
    page.see(".el-table__row", "installer");
    page.see("[data-test=upload-state]", "Done");
    let site = Site { admin: server.admin(), ..site };
    is_whole(&site, "installer", &file);

    slow(&page, 1 << 20);
    let other = large_iso(&server, "drivers");
    send(&page, &other, "drivers");
    page.go(&isos);
    slow(&page, 0);
    page.see("[data-test=stopped-at]", "drivers.iso");
    page.picture("upload-stopped");
    page.choose_file("[data-test=file-again]", &file);
    page.see("[data-test=upload]", "That is another file.");
    page.click("[data-test=upload-iso]");
    page.choose_file("[data-test=file]", &other);
    page.see("[data-test=stopped]", "It can go on from there.");
    page.picture("upload-of-the-same-file");
    page.click("[data-test=go-on]");
    page.see(".el-table__row", "drivers");
    page.see("[data-test=upload-state]", "Done");
    is_whole(&site, "drivers", &other);

    slow(&page, 1 << 20);
    let third = large_iso(&server, "third");
    send(&page, &third, "third");
    page.go(&isos);
    page.see("[data-test=stopped-at]", "third.iso");
    page.click("[data-test=discard-upload]");
    page.until("it is gone", || {
        let left = site.admin.get("/api/v1.0/uploads").send().data();
        (left == json!([])).then_some(())
    });

    // How the dialog looks with the machine of another maker.
    let ova =
        server.data_here().join("Windows 10 of the computer room in the second floor, 2025-11.ova");
    fs::write(&ova, b"a machine").expect("write");
    page.go(&format!("{}/images", server.base()));
    page.click("[data-test=upload-image]");
    page.choose_file("[data-test=file]", &ova);
    page.see(".el-dialog", "Disk of the machine");
    page.picture("upload-ova");
}

#[test]
fn a_stopped_upload_is_told_in_chinese_and_in_the_dark() {
    let _turn = turn();
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let created = crate::support::create_iso(&site.admin, "安装盘", 4 << 20).send();
    let upload = crate::support::Upload::of(&site.admin, &created);
    let content = fs::read(large_iso(&server, "setup")).expect("read");
    upload.append(0, &content[..3 << 20]).expect_status(204);
    let page = Page::open("zh-CN");
    page.sign_in(&server, crate::support::ADMIN);
    page.script("localStorage.setItem('carrel.theme', 'dark'); return 0");
    page.go(&format!("{}/isos", server.base()));
    page.see("[data-test=stopped-at]", "已停在 75%");
    assert_eq!(page.script("return document.documentElement.classList.contains('dark')"), true);
    page.picture("upload-stopped-zh-dark");
    page.click("[data-test=upload-iso]");
    page.see(".el-dialog", "拖");
    page.picture("upload-iso-zh-dark");
}
