//! Somebody's way into the house and what an administrator sees of it: register, be confirmed, sign in,
//! a second factor, a key for a program, a session ended from another browser, all of it in the log.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::page::{Page, turn};
use crate::support::{ADMIN, MailServer, PASSWORD, Server, wait_for};

/// As the browser waits for what it sees.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a code of an authenticator app is shown.
const STEP: u64 = 30;
const CHOSEN: &str = "a long way home 7";

#[test]
fn somebody_registers_and_is_let_in_by_an_administrator() {
    let _turn = turn();
    let server = Server::start().with_registration();
    let person = Page::open("en");
    register(&person, &server, "maria", "maria@lab.example");
    person.see("[data-test=registered]", "administrator");
    person.picture("registered");
    enter(&person, &server, "maria", CHOSEN);
    person.see("[data-test=failure]", "");

    let admin = Page::open("en");
    enter(&admin, &server, ADMIN, PASSWORD);
    admin.until("the overview", || (admin.path() == "/").then_some(()));
    admin.see("[data-test=nav-users]", "1");
    admin.see("[data-test=to-confirm]", "1");
    admin.picture("somebody-waits");
    admin.click("[data-test=to-confirm]");
    admin.see(".el-table__row", "To be confirmed");
    admin.picture("users");
    admin.click("[data-test=do-confirm]");
    admin.see_no_more(".el-table__row", "To be confirmed");
    admin.see_no_more("[data-test=nav-users]", "1");

    enter(&person, &server, "maria", CHOSEN);
    at_home(&person);
    let codes = second_factor(&person, &server);
    key_for_a_program(&person, &server);
    end_a_session(&person, &server, &codes);
    read_the_log(&admin, &server);
}

#[test]
fn an_administrator_sets_up_a_second_factor_first_where_that_is_demanded() {
    let _turn = turn();
    let server = Server::start();
    let admin = Page::open("zh-CN");
    enter(&admin, &server, ADMIN, PASSWORD);
    admin.until("the overview", || (admin.path() == "/").then_some(()));
    admin.go(&format!("{}/sign-in-rules", server.base()));
    admin.click("[data-test=admin_second_factor]");
    admin.click("[data-test=save]");
    // Whoever says so has none either.
    admin.see("[data-test=factor-required]", "管理员");
    admin.until("the way there", || (admin.path() == "/own/security").then_some(()));
    admin.picture("second-factor-required-zh");
    admin.go(&format!("{}/templates", server.base()));
    admin.until("back again", || (admin.path() == "/own/security").then_some(()));
    admin.click("[data-test=factor-start]");
    admin.see("[data-test=qr-code]", "");
    let secret = text_of(&admin, "copy-text").replace(' ', "");
    admin.fill("[data-test=code]", &code(&secret, 0));
    admin.click("[data-test=submit]");
    admin.see("[data-test=codes-kept]", "");
    admin.click("[data-test=codes-kept]");
    admin.see("[data-test=factor-on]", "");
    admin.go(&format!("{}/templates", server.base()));
    admin.until("everything else", || (admin.path() == "/templates").then_some(()));
}

#[test]
fn a_mailed_link_lets_somebody_in_who_then_has_to_change_the_password() {
    let _turn = turn();
    let mail = MailServer::start();
    let settings = MailServer::settings(mail.port());
    let setup = settings.iter().fold(Server::with(), |setup, (name, value)| setup.env(name, value));
    let server = setup.start().with_registration();
    let person = Page::open("zh-CN");
    register(&person, &server, "li.wei", "li.wei@lab.example");
    person.see("[data-test=registered]", "");
    let token = mail.letter("li.wei@lab.example").token();
    let link = format!("{}/account/confirm?token={token}", server.base());
    person.go(&link);
    person.click("[data-test=confirm]");
    person.see("[data-test=confirmed]", "li.wei");
    person.picture("confirmed-zh");
    enter(&person, &server, "li.wei", CHOSEN);
    at_home(&person);
    // The link is good once.
    let other = Page::open("zh-CN");
    other.go(&link);
    other.click("[data-test=confirm]");
    other.see("[data-test=failure]", "");

    let admin = server.admin();
    let found = admin.get("/api/v1.0/identity/user").query("name", "li.wei").send().data();
    let uuid = found["results"][0]["uuid"].as_str().expect("a uuid").to_owned();
    let fresh = json!({"password": "handed over on paper 3", "force_reset": true});
    admin.put(&format!("/api/v1.0/identity/user/{uuid}")).json(&fresh).send().data();
    enter(&person, &server, "li.wei", "handed over on paper 3");
    person.fill("[data-test=new-password]", "my own words 41");
    person.fill("[data-test=password-again]", "my own words 41");
    person.picture("choose-password-zh");
    person.click("[data-test=choose]");
    at_home(&person);
    server.client().sign_in("li.wei", "my own words 41");
}

#[test]
fn an_administrator_makes_a_role_in_the_matrix_and_gives_it() {
    let _turn = turn();
    let server = Server::start();
    let page = Page::open("en");
    enter(&page, &server, ADMIN, PASSWORD);
    page.until("the overview", || (page.path() == "/").then_some(()));
    page.go(&format!("{}/roles", server.base()));
    page.click("[data-test=role-teacher] [data-test=role-menu]");
    page.click("[data-test=do-duplicate]");
    page.fill("input[data-test=name]", "helpdesk");
    page.click("[data-test=submit]");
    page.see("[data-test=role-helpdesk]", "helpdesk");
    // Built-in roles have nothing to tick.
    let ticks = "return document.querySelectorAll('[data-test^=\"tick-teacher\"]').length";
    assert_eq!(page.script(ticks), json!(0));
    page.fill("input[data-test=search]", "users.view");
    page.click("[data-test='tick-helpdesk-users.view']");
    page.see("[data-test=unsaved]", "helpdesk");
    page.picture("roles");
    page.click("[data-test=save]");
    page.see_no_more("[data-test=unsaved]", "helpdesk");

    page.go(&format!("{}/users", server.base()));
    page.click("[data-test=new]");
    page.fill("input[data-test=name]", "otto");
    page.fill("input[data-test=new-password]", CHOSEN);
    page.choose("[data-test=roles]", "helpdesk");
    page.click(".el-dialog__title");
    page.click("[data-test=force-reset]");
    page.click("[data-test=submit]");
    page.see(".el-table__row", "helpdesk");
    page.click("[data-test=user-otto]");
    page.see("[data-test=user-detail]", "See users, groups, roles and sessions");
    page.picture("user-detail");
    let session = server.client().sign_in("otto", CHOSEN).get("/api/v1.0/session").send().data();
    let permissions = session["permissions"].as_array().expect("permissions").clone();
    assert!(permissions.contains(&json!("users.view")), "{permissions:?}");
    assert!(permissions.contains(&json!("desktops.power")), "as teachers: {permissions:?}");
    assert!(!permissions.contains(&json!("users.manage")), "{permissions:?}");
}

fn register(page: &Page, server: &Server, name: &str, email: &str) {
    page.go(&format!("{}/sign-in", server.base()));
    page.click("[data-test=register]");
    page.fill("[data-test=email]", email);
    page.fill("[data-test=username]", name);
    page.fill("[data-test=new-password]", CHOSEN);
    page.fill("[data-test=password-again]", CHOSEN);
    page.click("[data-test=send]");
}

/// Types name and password where nobody is signed in; what comes next is the caller's to see.
fn enter(page: &Page, server: &Server, name: &str, password: &str) {
    page.go(&format!("{}/sign-in", server.base()));
    page.fill("[data-test=username]", name);
    page.fill("[data-test=password]", password);
    page.click("[data-test=sign-in]");
}

fn sign_out(page: &Page) {
    page.click("[data-test=user]");
    page.click("[data-test=sign-out]");
    page.until("the sign-in page", || (page.path() == "/sign-in").then_some(()));
}

/// Where those begin who see nothing of the installation.
fn at_home(page: &Page) {
    page.until("one's own account", || (page.path() == "/own").then_some(()));
    page.see("[data-test=user]", "");
}

/// Sets an authenticator app up and signs in with it. Gives the recovery codes.
fn second_factor(page: &Page, server: &Server) -> Vec<String> {
    page.go(&format!("{}/own/security", server.base()));
    page.click("[data-test=factor-start]");
    page.see("[data-test=qr-code]", "");
    page.picture("second-factor");
    let secret = text_of(page, "copy-text").replace(' ', "");
    page.fill("[data-test=code]", &code(&secret, 0));
    page.click("[data-test=submit]");
    page.see("[data-test=codes-kept]", "");
    let codes: Vec<String> = text_of(page, "copy-text").lines().map(str::to_owned).collect();
    assert_eq!(codes.len(), 10, "{codes:?}");
    page.click("[data-test=codes-kept]");
    page.see("[data-test=factor-on]", "");
    sign_out(page);
    enter(page, server, "maria", CHOSEN);
    page.fill("[data-test=code]", "not a code");
    page.click("[data-test=send-code]");
    page.see("[data-test=failure]", "");
    page.picture("second-factor-asked");
    // The one that switched it on is used up.
    page.fill("[data-test=code]", &code(&secret, 1));
    page.click("[data-test=send-code]");
    at_home(page);
    codes
}

/// Makes a key, and does what the page says to try: the curl line, as it stands there.
fn key_for_a_program(page: &Page, server: &Server) {
    page.go(&format!("{}/own/keys", server.base()));
    page.click("[data-test=new-key]");
    page.fill("input[data-test=name]", "nightly");
    page.click("[data-test='permission-api.view']");
    page.click("[data-test=submit]");
    page.see("[data-test=curl]", "curl");
    page.picture("key");
    let line = page.script("return document.querySelector('[data-test=curl] pre').textContent");
    let line = line.as_str().expect("a line").to_owned();
    page.click("[data-test=key-kept]");
    page.see(".el-table__row", "nightly");
    let curl = |line: &str| {
        let output = Command::new("sh").args(["-c", line]).output().expect("run a shell");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    assert_eq!(curl(&line)["data"]["user"]["name"], "maria");
    // It is a key for what it was made for.
    let users = line.replace("/api/v1.0/session", "/api/v1.0/identity/user");
    assert_eq!(curl(&users)["code"], 403);
}

/// Ends the session of another browser, which notices.
fn end_a_session(page: &Page, server: &Server, codes: &[String]) {
    let other = Page::open("en");
    enter(&other, server, "maria", CHOSEN);
    other.fill("[data-test=code]", &codes[0]);
    other.click("[data-test=send-code]");
    at_home(&other);
    page.go(&format!("{}/own/sessions", server.base()));
    page.see("[data-test=end-session]", "");
    page.picture("own-sessions");
    page.click("[data-test=end-session]");
    page.until("the end of it", || {
        let left = "return document.querySelectorAll('[data-test=end-session]').length";
        (page.script(left) == json!(0)).then_some(())
    });
    other.go(&format!("{}/own/sessions", server.base()));
    other.until("the sign-in page", || (other.path() == "/sign-in").then_some(()));
    at_work(page);
}

/// Whoever ended the other session is still signed in.
fn at_work(page: &Page) {
    let session = page.fetch("/api/v1.0/session");
    assert_eq!(session["data"]["user"]["name"], "maria", "{session}");
}

fn read_the_log(page: &Page, server: &Server) {
    page.go(&format!("{}/log", server.base()));
    page.fill("input[data-test=filter-user]", "maria\u{e007}");
    page.see_no_more(".el-table__row td:nth-child(2)", ADMIN);
    for done in ["Create the API key", "End a session", "Sign in"] {
        page.see(".el-table__row", done);
    }
    page.choose("[data-test=filter-result]", "Failed");
    page.see_no_more(".el-table__row", "Create the API key");
    page.see(".el-table__row", "Sign in");
    page.picture("log-filtered");
    // The file that the button leads to holds the same.
    let link = page.script("return document.querySelector('[data-test=export]').href");
    let link = link.as_str().expect("a link").trim_start_matches(server.base()).to_owned();
    let file = server.admin().get(&link).send();
    let shown = page.script("return document.querySelectorAll('.el-table__row').length");
    let rows = csv::Reader::from_reader(file.bytes.as_slice()).records().count();
    assert_eq!(json!(rows), shown, "{}", file.body);
    assert!(
        file.body.contains("maria") && !file.body.contains("Create the API key"),
        "{}",
        file.body
    );
}

fn text_of(page: &Page, test: &str) -> String {
    let code = format!("return document.querySelector('[data-test={test}]')?.textContent");
    wait_for(test, LIMIT, || page.script(&code).as_str().map(str::to_owned))
}

/// What the app shows, so many steps from now.
pub fn code(secret: &str, steps: u64) -> String {
    let secret = Secret::try_from_base32(secret).expect("base 32");
    let app = Builder::new().with_secret(secret.as_bytes()).build().expect("a factor");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    app.generate(now + steps * STEP).to_string()
}

#[test]
fn a_class_is_imported_from_a_spreadsheet() {
    let _turn = turn();
    let server = Server::start();
    let page = Page::open("en");
    enter(&page, &server, ADMIN, PASSWORD);
    page.until("the overview", || (page.path() == "/").then_some(()));
    page.go(&format!("{}/users", server.base()));
    page.click("[data-test=import]");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("write");
        path
    };
    page.choose_file(
        "[data-test=file]",
        &file("gbk.csv", b"name,full name\nann,\xd0\xd5\xc3\xfb\n"),
    );
    page.see("[data-test=failure]", "GBK");
    page.picture("import-gbk");
    let class = "name;full_name;roles\nann;Ann Lee;teacher\nbob;Bob;nobody's\ncarol;Carol Wu;\n";
    page.choose_file("[data-test=file]", &file("class.csv", class.as_bytes()));
    page.see("[data-test=summary]", "2 of 3");
    page.see("[data-test=fault]", "Roles");
    page.picture("import-report");
    let disabled = "return document.querySelector('.el-dialog [data-test=submit]').disabled";
    assert_eq!(page.script(disabled), json!(true), "one line is wrong");
    page.click("[data-test=skip-wrong]");
    page.click(".el-dialog [data-test=submit]");
    page.see("[data-test=save-passwords]", "Download");
    page.picture("import-passwords");
    page.click("[data-test=save-passwords]");
    page.click("[data-test=close]");
    page.see(".el-table__row", "carol");
    page.see(".el-table__row", "ann");
    let users = server.admin().get("/api/v1.0/identity/user").send().data();
    assert_eq!(users["count"], 3, "{users:#}");
    // Who guesses is locked, and that is shown with the way out.
    for _ in 0..8 {
        let body = json!({"username": "ann", "password": "a guess"});
        server.client().post("/api/account/login").json(&body).send();
    }
    // The first waits are over within a second.
    let longer = "UPDATE login_failures SET locked_until = last_at + 600";
    let database =
        rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("the database");
    assert!(database.execute(longer, []).expect("update") > 0);
    page.go(&format!("{}/users?search=ann", server.base()));
    page.see("[data-test=locked]", "Locked until");
    page.picture("user-locked");
    page.click(".el-table__row [data-test=more]");
    page.click("[data-test=do-unlock]");
    page.until("no lock", || {
        page.go(&format!("{}/users?search=ann", server.base()));
        page.see(".el-table__row", "ann");
        let locked = "return document.querySelectorAll('[data-test=locked]').length";
        (page.script(locked) == json!(0)).then_some(())
    });
}
