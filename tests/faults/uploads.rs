//! Uploads in parts while their server is killed, and while the node that stores them is.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::agent::{Agent, SOCKET};
use crate::support::{ISOS, LabNode, Server, Site, Upload, create_iso, iso, rows, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

fn parts(storage: &Path) -> usize {
    fs::read_dir(storage.join("uploads")).map(Iterator::count).unwrap_or_default()
}

#[test]
fn an_upload_survives_a_kill_of_its_server_and_of_the_agent_that_stores_it() {
    let node = LabNode::up();
    let agent = Agent::start(&node);
    let mut server = Server::with().on(&node).env("CARREL_AGENT_SOCKET", SOCKET).start();
    let site = Site::of_default(&server);
    let noise: Vec<u8> = (0..24_u32 << 20).map(|n| (n.wrapping_mul(n >> 7) >> 3) as u8).collect();
    let content = fs::read(iso(&server, "setup.bin", &noise)).expect("read");
    let created = create_iso(&site.admin, "installer", content.len()).send();
    let upload = Upload::of(&site.admin, &created);
    upload.append(0, &content[..1 << 20]).expect_status(204);

    // The server goes in the middle of a part; the agent, which lives on, has what had arrived.
    let (request, go_on) = upload.begin_part(1 << 20, &content[1 << 20..], 8 << 20);
    let writer = thread::spawn(move || request.try_send().map(|answer| answer.status));
    wait_until("bytes of the part", LIMIT, || upload.offset() > 1 << 20);
    server.kill_and_start();
    drop(go_on);
    assert!(writer.join().expect("join").is_err());
    let admin = server.admin();
    let upload = Upload { client: admin.clone(), path: upload.path };
    wait_until("the node", LIMIT, || upload.head().status == 200);
    let there = upload.offset();
    assert!(there > 1 << 20, "{there}");

    // The agent goes in the middle of the next.
    let (request, go_on) = upload.begin_part(there, &content[there..], 4 << 20);
    let writer = thread::spawn(move || request.try_send().map(|answer| answer.status));
    wait_until("more bytes", LIMIT, || upload.offset() > there);
    agent.kill();
    drop(go_on);
    assert!(!matches!(writer.join().expect("join"), Ok(204)), "it is not acknowledged");
    let agent = Agent::start(&node);
    wait_until("the node again", LIMIT, || upload.head().status == 200);
    let more = upload.offset();
    assert!(more > there, "{more}");
    upload.append(more, &content[more..]).expect_status(204);
    let row = || rows(&admin.get(ISOS).send()).into_iter().find(|row| row["name"] == "installer");
    // It has its row before it was read.
    wait_until("the ISO", LIMIT, || row().is_some_and(|row| row["sha256_sum"] != ""));
    let row = row().expect("its row");
    assert_eq!(row["sha256_sum"], hex::encode(Sha256::digest(&content)));
    assert_eq!(row["md5_sum"].as_str().map(str::len), Some(32), "it was read once more for it");
    let storage = node.data_here().join("storage");
    assert_eq!(parts(&storage), 0);

    // Nobody goes on with one: it goes, with its room, as soon as its node is there.
    let created = create_iso(&admin, "left", content.len()).send();
    Upload::of(&admin, &created);
    assert_eq!(parts(&storage), 1);
    server.stop();
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    database.execute("UPDATE uploads SET expires_at = 0", []).expect("make it old");
    drop(database);
    server.start_again();
    wait_until("nothing left", LIMIT, || parts(&storage) == 0);
    agent.kill();
}
