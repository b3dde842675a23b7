//! Registering by oneself, with a real mail server and without.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Client, Letter, MailServer, Server, Setup, wait_until};

const ACCOUNT: &str = "/account/";

fn form<'a>(name: &'a str, email: &'a str) -> [(&'a str, &'a str); 4] {
    let password = "a good password";
    [("username", name), ("email", email), ("password", password), ("password_again", password)]
}

fn register(server: &Server, name: &str, email: &str) -> Answer {
    let call = server.client().post(ACCOUNT).query("action", "register");
    call.form(&form(name, email)).send()
}

fn login(server: &Server, name: &str) -> Answer {
    let form = [("email", name), ("password", "a good password")];
    server.client().post(ACCOUNT).query("action", "login").form(&form).send()
}

fn confirm(server: &Server, token: &str) -> Answer {
    let call = server.client().post("/api/v1.0/identity/confirm");
    call.json(&json!({"token": token})).send()
}

fn with_mail(port: u16) -> Setup {
    let settings = MailServer::settings(port).into_iter();
    settings.fold(Server::with(), |setup, (name, value)| setup.env(name, value))
}

fn user(admin: &Client, name: &str) -> Value {
    let call = admin.get("/api/v1.0/identity/user").query("name", name);
    call.send().data()["results"][0].take()
}

fn database(server: &Server) -> rusqlite::Connection {
    rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open")
}

#[test]
fn the_mailed_link_lets_in_once() {
    let mail = MailServer::start();
    let server = with_mail(mail.port()).start().with_registration();
    let answer = register(&server, "jack", "jack@lab.example");
    assert_eq!(answer.documented("analysis.account.register"), "验证邮件已发送, 请前往邮箱认证");
    answer.expect(json!({"code": 0, "msg": ""}));
    let letter = mail.letter("jack@lab.example");
    assert_eq!(letter.header("From"), Some("Carrel <carrel@school.example>"));
    let body = letter.body();
    assert!(body.starts_with("请确认您在 Carrel 的邮箱地址\n"), "{body}");
    assert!(body.contains("jack，您好"), "{body}");
    assert!(body.contains(&format!("{}/account/confirm?token=", server.base())), "{body}");
    let refused = login(&server, "jack");
    assert_eq!(refused.refusal(), "邮箱未验证, 请前往邮箱验证");
    assert_eq!(user(&server.admin(), "jack")["awaits"], "mail");

    // A scanner of mail reads the link, and nothing happens.
    let token = letter.token();
    let page = server.client().get(&format!("/account/confirm?token={token}")).send();
    page.expect_status(200);
    assert!(page.header("Content-Type").is_some_and(|kind| kind.starts_with("text/html")));
    server
        .client()
        .get("/api/v1.0/identity/confirm")
        .query("token", &token)
        .send()
        .expect_status(405);
    login(&server, "jack").refusal();

    for wrong in ["", "0", &"0".repeat(64), &token.to_uppercase().replace('0', "1")] {
        confirm(&server, wrong).expect_status(400);
    }
    assert_eq!(confirm(&server, &token).data(), json!({"username": "jack"}));
    let jack = server.client().sign_in("jack@lab.example", "a good password");
    assert_eq!(jack.get(ACCOUNT).send().data()["role_list"], json!(["normal"]));
    let twice = confirm(&server, &token);
    twice.expect_status(400).expect(json!({"data": {"error": "confirm-link-wrong"}}));
    let row = user(&server.admin(), "jack");
    assert_eq!((&row["awaits"], &row["email"]), (&Value::Null, &json!("jack@lab.example")));

    let log = server.admin().get("/api/v1.0/index/get_operation_log/").query("user_name", "jack");
    let rows = log.header("Accept-Language", "en").send().data()["results"].take();
    for content in ["Ask for an account", "Confirm the e-mail address of an account"] {
        let has = |row: &Value| row["content"] == content && row["succeeded"] == true;
        assert!(rows.as_array().is_some_and(|rows| rows.iter().any(has)), "{content}: {rows:#}");
    }
}

#[test]
fn the_letter_is_in_the_readers_language_and_the_link_where_it_is_set() {
    let mail = MailServer::start();
    let url = "https://carrel.lab.example";
    let server = with_mail(mail.port())
        .env("CARREL_PUBLIC_URL", format!("{url}/"))
        .start()
        .with_registration();
    let call = server.client().post(ACCOUNT).query("action", "register");
    // Whatever the request claims, the link leads to this server.
    let call = call.header("Accept-Language", "en").header("Host", "evil.example");
    let answer = call.form(&form("王老师", "wang@lab.example")).send();
    assert!(
        answer.data().as_str().is_some_and(|text| text.contains("24 hours")),
        "{}",
        answer.body
    );
    let body = mail.letter("wang@lab.example").body();
    assert!(body.starts_with("Confirm your e-mail address for Carrel\n"), "{body}");
    assert!(body.contains("Hello 王老师,"), "{body}");
    assert!(body.contains(&format!("{url}/account/confirm?token=")), "{body}");
    assert!(!body.contains("evil"), "{body}");
}

#[test]
fn no_row_and_no_log_line_holds_the_link() {
    let mail = MailServer::start();
    let setup = with_mail(mail.port()).env("CARREL_LOG", "trace");
    let setup =
        setup.env("CARREL_SMTP_USER", "carrel").env("CARREL_SMTP_PASSWORD", "mail-secret-7");
    let server = setup.start().with_registration();
    // That server asks for no password: the mail fails, and the password is still in no log.
    register(&server, "jack", "jack@lab.example").data();
    assert!(!server.log().contains("mail-secret-7"));
    drop(server);

    let server = with_mail(mail.port()).env("CARREL_LOG", "trace").start().with_registration();
    register(&server, "jill", "jill@lab.example").data();
    let token = mail.letter("jill@lab.example").token();
    assert_eq!(token.len(), 64);
    assert!(!server.log().contains(&token), "in the log");
    for entry in std::fs::read_dir(server.data_here()).expect("read").flatten() {
        let Ok(bytes) = std::fs::read(entry.path()) else { continue };
        let found = bytes.windows(token.len()).any(|part| part == token.as_bytes());
        assert!(!found, "in {:?}", entry.path());
    }
}

#[test]
fn a_link_that_expired_confirms_nothing_and_frees_name_and_address() {
    let mail = MailServer::start();
    let server = with_mail(mail.port()).start().with_registration();
    register(&server, "jack", "jack@lab.example").data();
    let token = mail.letter("jack@lab.example").token();
    assert_eq!(register(&server, "other", "JACK@lab.example").refusal(), "邮箱已存在");
    register(&server, "Jack", "other@lab.example").refusal();
    let pass = "UPDATE mail_confirmations SET expires_at = expires_at - 86400";
    assert_eq!(database(&server).execute(pass, []).expect("let time pass"), 1);
    confirm(&server, &token).expect_status(400);
    login(&server, "jack").refusal();
    register(&server, "Jack", "jack@lab.example").documented("analysis.account.register");
    confirm(&server, &token).expect_status(400);
    wait_until("the second letter", Duration::from_secs(20), || {
        mail.letters("jack@lab.example").len() == 2
    });
    let tokens = mail.letters("jack@lab.example");
    let fresh = tokens.iter().map(Letter::token).find(|t| *t != token);
    confirm(&server, &fresh.expect("another token")).data();
    assert_eq!(server.admin().get("/account/manager").send().data()["total_count"], 2);
}

#[test]
fn without_a_mail_server_an_administrator_lets_in() {
    let server = Server::start().with_registration();
    let answer = register(&server, "jack", "jack@lab.example");
    assert_eq!(answer.documented("analysis.account.register"), "注册成功, 请等待管理员确认");
    assert!(login(&server, "jack").refusal().contains("等待管理员"));
    let admin = server.admin();
    let row = user(&admin, "jack");
    assert_eq!(row["awaits"], "administrator");
    let list = admin.get("/account/manager").send().data();
    assert_eq!(list["item_list"][1]["is_active"], false, "{list:#}");
    let active = json!({"userid": row["id"], "is_active": true});
    admin.patch("/account/manager").json(&active).send().data();
    server.client().sign_in("jack", "a good password");
}

#[test]
fn when_the_mail_cannot_be_sent_the_answer_says_so_and_an_administrator_lets_in() {
    // Nobody listens there.
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let server = with_mail(port).start().with_registration();
    let answer = register(&server, "jack", "jack@lab.example");
    assert_eq!(
        answer.documented("analysis.account.register"),
        "验证邮件发送失败, 请等待管理员确认"
    );
    assert!(login(&server, "jack").refusal().contains("等待管理员"));
    assert_eq!(user(&server.admin(), "jack")["awaits"], "administrator");
    assert!(server.log().contains("a mail was not sent"));
}

#[test]
fn a_mail_that_a_killed_server_did_not_send_is_sent_at_the_next_start() {
    // A mail server that takes the connection and says nothing: the letter is under way.
    let silent = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = silent.local_addr().expect("an address").port();
    let mut server = with_mail(port).start().with_registration();
    let base = server.base().to_owned();
    let request = std::thread::spawn(move || {
        let client = Client::new(&base);
        let call = client.post(ACCOUNT).query("action", "register");
        call.form(&form("jack", "jack@lab.example")).try_send().map(drop)
    });
    let (mut connection, _) = silent.accept().expect("the letter is under way");
    server.kill();
    assert!(request.join().expect("no panic").is_err(), "no answer came");
    let mut rest = Vec::new();
    connection.read_to_end(&mut rest).expect("closed");
    drop((silent, connection));

    // The same port, now with a server that answers.
    let mail = MailServer::start_on(port);
    server.start_again();
    let token = mail.letter("jack@lab.example").token();
    confirm(&server, &token).data();
    server.client().sign_in("jack", "a good password");
    let left = "SELECT count(*) FROM mail_outbox";
    let count: i64 = database(&server).query_row(left, [], |row| row.get(0)).expect("count");
    assert_eq!(count, 0);
}

#[test]
fn a_mail_server_that_refuses_the_address_is_no_defect() {
    let refusing = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = refusing.local_addr().expect("an address").port();
    // The few words of SMTP (RFC 5321) that a refusal needs.
    std::thread::spawn(move || {
        for stream in refusing.incoming() {
            let mut stream = stream.expect("a connection");
            stream.write_all(b"554 no mail is taken here\r\n").expect("write");
        }
    });
    let server = with_mail(port).start().with_registration();
    let answer = register(&server, "jack", "jack@lab.example");
    assert_eq!(
        answer.documented("analysis.account.register"),
        "验证邮件发送失败, 请等待管理员确认"
    );
}

#[test]
fn what_does_not_fit_registers_nobody() {
    let server = Server::start().with_registration();
    let send = |name: &str, email: &str, password: &str, again: &str| {
        let fields = [
            ("username", name),
            ("email", email),
            ("password", password),
            ("password_again", again),
        ];
        server.client().post(ACCOUNT).query("action", "register").form(&fields).send()
    };
    let (good, mail) = ("a good password", "jack@lab.example");
    assert_eq!(send("jack", mail, good, "another").refusal(), "两次输入的密码不一致");
    for (name, email, password) in [
        ("", mail, good),
        ("ADMIN", mail, good),
        ("аdmin", mail, good),
        ("ａｄｍｉｎ", mail, good),
        ("a b", mail, good),
        ("<b>", mail, good),
        ("jack", "", good),
        ("jack", "jack", good),
        ("jack", "jack@lab.example\r\nBcc: all@lab.example", good),
        ("jack", mail, ""),
        ("jack", mail, "short"),
        ("jack", mail, "password"),
        ("jack", mail, "jack@lab.example"),
    ] {
        send(name, email, password, password).refusal();
    }
    let long = "x".repeat(1_025);
    send("jack", mail, &long, &long).refusal();
    let missing = server.client().post(ACCOUNT).query("action", "register");
    assert!(missing.form(&[("username", "jack")]).send().refusal().contains("email"));
    assert_eq!(server.admin().get("/account/manager").send().data()["total_count"], 1);
}

#[test]
fn a_fresh_installation_lets_nobody_register_until_it_is_switched_on() {
    let server = Server::start();
    let admin = server.admin();
    assert_eq!(admin.get("/api/v1.0/session").send().data()["registration"], false);
    let refused = register(&server, "jack", "jack@lab.example");
    refused.expect_status(403);
    assert!(refused.refusal().contains("注册未开放"), "{}", refused.body);
    assert_eq!(admin.get("/account/manager").send().data()["total_count"], 1);
    let server = server.with_registration();
    let waiting =
        |client: &Client| client.get("/api/v1.0/session").send().data()["to_confirm"].clone();
    assert_eq!(waiting(&admin), json!(0));
    register(&server, "jack", "jack@lab.example").expect_status(200);
    assert_eq!(admin.get("/account/manager").send().data()["total_count"], 2);
    // Who may let them in is told that somebody waits.
    assert_eq!(waiting(&admin), json!(1));
    assert_eq!(waiting(&server.client()), Value::Null);
}

/// Rows as the version before left them: no rule was ever set, and people could register.
#[test]
fn where_people_could_register_they_still_can() {
    let mut server = Server::start();
    server.stop();
    for value in [None, Some(r#"{"password_min_length":10}"#)] {
        let database = database(&server);
        database.execute("DELETE FROM sign_in_policy", []).expect("as before");
        if let Some(value) = value {
            let insert = "INSERT INTO sign_in_policy (id, value) VALUES (1, ?1)";
            database.execute(insert, [value]).expect("as before");
        }
        database
            .execute_batch(include_str!("../../assets/migrations/0025_registration.sql"))
            .expect("the step");
        drop(database);
        server.start_again();
        let session = server.client().get("/api/v1.0/session").send().data();
        assert_eq!(session["registration"], true, "{value:?}");
        server.stop();
    }
}

/// Each refusal is an entry of the log: strangers must not fill it.
#[test]
fn refused_registrations_are_slowed_too() {
    let server = Server::start().with_registration();
    let send = || {
        let fields = [("username", "jack"), ("email", "jack@lab.example"), ("password", "short")];
        let fields = [&fields[..], &[("password_again", "short")]].concat();
        server.client().post(ACCOUNT).query("action", "register").form(&fields).send().refusal()
    };
    assert!((0..40).any(|_| send().contains("次数过多")), "40 refusals without a wait");
}

#[test]
fn an_address_that_registers_often_has_to_wait() {
    let server = Server::start().with_registration();
    let refused = (0..60).find(|number| {
        let answer = register(&server, &format!("jack{number}"), &format!("j{number}@lab.example"));
        answer.json()["code"] != 0
    });
    assert!(refused.is_some_and(|count| count > 20), "after 21: {refused:?}");
    let again = register(&server, "late", "late@lab.example").refusal();
    assert!(again.contains("次数过多") || again.contains("注册成功"), "{again}");
    // It may still sign in.
    server.admin();
}

#[test]
fn mail_goes_over_tls_to_a_server_that_proves_its_name() {
    let files = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let chain = files.path().join("cert.pem");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&chain, made.cert.pem()).expect("write");
    std::fs::write(files.path().join("key.pem"), made.signing_key.serialize_pem()).expect("write");
    let mail = MailServer::with_starttls(files.path());
    let setup = || {
        let setup = with_mail(mail.port()).env("CARREL_SMTP_HOST", "localhost");
        setup.env("CARREL_SMTP_TLS", "starttls")
    };
    // Signed by nobody whom this machine trusts: no mail goes there.
    let answer = register(&setup().start().with_registration(), "jack", "jack@lab.example");
    assert_eq!(answer.data(), "验证邮件发送失败, 请等待管理员确认");
    assert!(mail.letters("jack@lab.example").is_empty());
    let server = setup().env("SSL_CERT_FILE", chain.display()).start().with_registration();
    assert_eq!(
        register(&server, "jack", "jack@lab.example").data(),
        "验证邮件已发送, 请前往邮箱认证"
    );
    confirm(&server, &mail.letter("jack@lab.example").token()).data();
}

#[test]
fn half_a_mail_server_is_refused_at_start_by_name() {
    let server = Server::start().with_registration();
    let run = |file: &str| {
        let path = server.data_here().join("carrel.toml");
        std::fs::write(&path, file).expect("write");
        let output = server.run(&["admin", "list", "--config", &path.to_string_lossy()], "");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = run("[smtp]\nhost = \"mail\"\n");
    assert!(code == Some(1) && text.contains("smtp.from"), "{text}");
    let (code, text) = run("[smtp]\nhost = \"mail\"\nfrom = \"a@b.example\"\npasword = \"x\"\n");
    assert!(code == Some(1) && text.contains("pasword"), "{text}");
    let (code, text) = run("public_url = \"carrel\"\n");
    assert!(code == Some(1) && text.contains("public_url"), "{text}");
}
