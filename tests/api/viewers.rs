//! Files for viewers beside the browser, and their first words on the server's port. What a viewer shows is tested with real
//! guests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey;
use serde_json::{Value, json};
use sha1::Sha1;

use crate::room::{DESKTOPS, NOBODY, Room};
use crate::support::{ADMIN, Answer, Client, PASSWORD, Server};

/// How long a byte from the server may take.
const LIMIT: Duration = Duration::from_secs(20);
const LOG: &str = "/api/v1.0/index/get_operation_log/";

/// What the server says of a ticket.
const ERROR: u32 = 1;
const DENIED: u32 = 7;
const MAIN: u8 = 1;
const DISPLAY: u8 = 2;

fn ask(client: &Client, uuid: &Value, kind: &str) -> Answer {
    let uuid = uuid.as_str().expect("a uuid");
    let client = client.with_header("Accept-Language", "en");
    client.post(&format!("/api/v1.0/desktops/{uuid}/viewer/{kind}")).send()
}

fn value_of(file: &str, key: &str) -> String {
    let found = file.lines().find_map(|line| line.trim_end().strip_prefix(key));
    found.unwrap_or_else(|| panic!("no {key} in {file}")).to_owned()
}

fn connect(server: &Server) -> TcpStream {
    let at = server.base().split('/').nth(2).expect("a host and port").to_owned();
    let stream = TcpStream::connect(at).expect("connect");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream
}

/// What the server answers to a channel of SPICE with this ticket.
fn link(stream: &mut (impl Read + Write), channel: u8, ticket: &str) -> u32 {
    let mut message = b"REDQ".to_vec();
    [2, 2, 22].iter().for_each(|number: &u32| message.extend(number.to_le_bytes()));
    message.extend([0, 0, 0, 0, channel, 0]);
    [1, 0, 18, 0b1011].iter().for_each(|number: &u32| message.extend(number.to_le_bytes()));
    stream.write_all(&message).expect("a link");
    let mut reply = [0; 16 + 178 + 8];
    stream.read_exact(&mut reply).expect("a reply");
    assert_eq!(reply[16..20], [0; 4], "no error");
    let key = PublicKey::from_public_key_der(&reply[20..182]).expect("a key");
    let ticket = [ticket.as_bytes(), &[0]].concat();
    stream.write_all(&1_u32.to_le_bytes()).expect("by password");
    stream.write_all(&key.oaep_encrypt::<Sha1>(&ticket).expect("encrypted")).expect("a ticket");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("an answer");
    u32::from_le_bytes(answer)
}

fn set_spice(room: &Room, group: &str, word: &str) -> Answer {
    let body = json!({"uuid": group, "name": "pc", "value": {"spice": word}});
    room.site.admin.with_header("Accept-Language", "en").put(DESKTOPS).json(&body).send()
}

#[test]
fn a_group_has_spice_where_it_was_chosen_from_the_next_start_on() {
    let room = Room::start();
    let group = room.deploy("pc", 1);
    let row = room.site.desktops(&group)[0].clone();
    let asked = || ask(&room.site.admin, &row["uuid"], "spice");
    assert!(asked().body.contains("is not running"), "{}", asked().body);
    room.site.group_action("start", &group, "pc");
    let refusal = asked();
    assert_eq!(refusal.status, 409);
    assert!(refusal.body.contains("browser's console only"), "{}", refusal.body);
    assert_eq!(set_spice(&room, &group, "smoke signals").json()["code"], 400);
    assert_eq!(room.group(&group)["spice"], "off");
    set_spice(&room, &group, "usb").expect_status(200);
    room.site.wait_idle();
    assert_eq!(room.group(&group)["spice"], "usb");
    let refusal = asked();
    assert!(refusal.body.contains("from its next start on"), "{}", refusal.body);
    room.site.group_action("stop", &group, "pc");
    room.site.group_action("start", &group, "pc");
    asked().expect_status(200);
    // The list of desktops says it too, for who is to be offered a file.
    let list = room.site.admin.get("/api/v1.0/desktops").send().data();
    assert_eq!(list["results"][0]["spice"], "usb");
}

#[test]
fn a_ticket_of_spice_is_good_once_and_only_for_who_may_look() {
    let room = Room::start();
    let group = room.deploy("pc", 1);
    set_spice(&room, &group, "on").expect_status(200);
    room.site.wait_idle();
    room.site.group_action("start", &group, "pc");
    let row = room.site.desktops(&group)[0].clone();
    ask(&room.site.admin, &json!(NOBODY), "spice").expect_status(404);
    ask(&room.site.admin, &row["uuid"], "telepathy").expect_status(404);
    ask(&room.as_role("auditor"), &row["uuid"], "spice").expect_status(403);
    ask(&room.server.client(), &row["uuid"], "spice").expect_status(401);

    let answer = ask(&room.site.admin, &row["uuid"], "spice");
    answer.expect_status(200);
    assert_eq!(answer.header("Content-Type"), Some("application/x-virt-viewer"));
    let disposition = answer.header("Content-Disposition").expect("a name");
    assert!(disposition.contains("pc001.vv"), "{disposition}");
    let (_, port) = room.server.base().rsplit_once(':').expect("a port");
    assert_eq!(
        (value_of(&answer.body, "host="), value_of(&answer.body, "port=").as_str()),
        ("127.0.0.1".to_owned(), port)
    );
    let word = value_of(&answer.body, "password=");
    assert!(word.len() <= 60, "viewers take no longer one");
    let try_it = |channel, word: &str| link(&mut connect(&room.server), channel, word);
    assert_eq!(try_it(MAIN, &format!("{}0", &word[..word.len() - 1])), DENIED, "another ticket");
    assert_eq!(try_it(DISPLAY, &word), DENIED, "nothing is open of which it could be a part");
    // The simulator has no screen: that is found once the ticket is taken.
    assert_eq!(try_it(MAIN, &word), ERROR);
    assert_eq!(try_it(MAIN, &word), DENIED, "a second time");

    let visitor = room.site.admin.stranger().sign_in(ADMIN, PASSWORD);
    let word = value_of(&ask(&visitor, &row["uuid"], "spice").body, "password=");
    visitor.post("/api/account/logout").send().expect_status(204);
    assert_eq!(try_it(MAIN, &word), DENIED, "of somebody who has gone");

    let log = room.site.admin.with_header("Accept-Language", "en").get(LOG);
    let log = log.query("page_size", 50).send().body;
    assert!(log.contains("Get a viewer's file of \\\"pc001\\\""), "{log}");
    assert!(log.contains("Open \\\"pc001\\\" in a viewer"), "{log}");
    assert!(room.server.log().contains("a viewer was refused"));
    assert!(!room.server.log().contains(&word));
    // Browsers come in as before.
    room.server.client().get("/").send().expect_status(200);
}

#[test]
fn a_desktop_that_does_not_answer_by_rdp_is_named_before_there_is_a_file() {
    let room = Room::start();
    let group = room.deploy("pc", 1);
    room.site.group_action("start", &group, "pc");
    let row = room.site.desktops(&group)[0].clone();
    let refusal = ask(&room.site.admin, &row["uuid"], "rdp");
    assert!(refusal.body.contains("does not answer by RDP"), "{}", refusal.body);
    assert_eq!(refusal.status, 503);
}

#[test]
fn viewers_cannot_come_by_a_proxy_and_are_sent_past_it() {
    let by_proxy = |client: &Client, uuid: &Value| {
        let client = client.with_header("X-Forwarded-Host", "desks.example");
        ask(&client.with_header("X-Forwarded-Proto", "https"), uuid, "spice")
    };
    let proxied = || Server::with().env("CARREL_TRUSTED_PROXIES", "127.0.0.1");
    let refusal = by_proxy(&proxied().start().admin(), &json!(NOBODY));
    assert!(refusal.body.contains("viewer_address"), "{}", refusal.body);
    assert_eq!(refusal.status, 409);
    let room = Room::on(proxied().env("CARREL_VIEWER_ADDRESS", "10.1.2.3:5004").start());
    let group = room.deploy("pc", 1);
    set_spice(&room, &group, "on").expect_status(200);
    room.site.wait_idle();
    room.site.group_action("start", &group, "pc");
    let file = by_proxy(&room.site.admin, &room.site.desktops(&group)[0]["uuid"]);
    file.expect_status(200);
    assert_eq!(value_of(&file.body, "host="), "10.1.2.3");
    assert_eq!(value_of(&file.body, "port="), "5004");
}

#[test]
fn what_is_neither_http_nor_a_viewer_is_let_go() {
    let server = Server::start();
    for noise in [
        &b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"[..],
        b"\x03\x00\xff\xff",
        b"\x03\x00\x00\x24\x1f\xe0\x00\x00\x00\x00\x00Cookie: carrel=a guess\r\n",
    ] {
        let mut stream = connect(&server);
        stream.write_all(noise).expect("said");
        let mut said = Vec::new();
        // It is closed, politely or not, without a word.
        let _ = stream.read_to_end(&mut said);
        assert!(said.is_empty(), "{said:?}");
    }
    server.client().get("/").send().expect_status(200);
}
