use tokio::io::duplex;

use super::*;

/// As spice-gtk sends it: a channel, one word of common capabilities, one of the channel's.
fn message(channel: u8, common: u32) -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, channel, 0];
    let numbers = [1, 1, MESSAGE as u32, common, 0];
    numbers.iter().for_each(|number: &u32| message.extend(number.to_le_bytes()));
    message
}

fn encrypted(reply: &[u8], ticket: &str) -> Vec<u8> {
    let key = PublicKey::from_public_key_der(&reply[HEADER + 4..][..KEY]).expect("a key");
    key.oaep_encrypt::<Sha1>(&[ticket.as_bytes(), &[0]].concat()).expect("encrypted")
}

/// What a server that has heard these bytes answers, and whether they were a link.
async fn answer_to(bytes: &[u8]) -> (Vec<u8>, io::Result<Link>) {
    let (mut viewer, mut server) = duplex(1 << 16);
    viewer.write_all(bytes).await.expect("said");
    viewer.shutdown().await.expect("no more");
    let link = greet(&mut server).await;
    drop(server);
    let mut said = Vec::new();
    viewer.read_to_end(&mut said).await.expect("the answer");
    (said, link)
}

fn code(said: &[u8]) -> Option<u32> {
    read_number(said, HEADER)
}

#[tokio::test]
async fn a_viewer_and_qemu_are_brought_together() {
    for (channel, common) in [(MAIN, 0b1011), (DISPLAY, 0b1011), (INPUTS, 0b1000)] {
        let (mut viewer, mut front) = duplex(1 << 12);
        let (mut screen, mut qemu) = duplex(1 << 12);
        let message = message(channel, common);
        let selects = common & AUTH_SELECTION != 0;
        let viewing = async {
            viewer.write_all(&block(&message)).await.expect("said");
            let mut reply = vec![0; HEADER + REPLY + 8];
            viewer.read_exact(&mut reply).await.expect("the reply");
            assert_eq!(code(&reply), Some(0));
            if selects {
                viewer.write_u32_le(BY_PASSWORD).await.expect("said");
            }
            viewer.write_all(&encrypted(&reply, "the ticket")).await.expect("said");
            viewer.read_u32_le().await.expect("the answer")
        };
        let serving = async {
            let link = greet(&mut front).await.expect("a link");
            assert_eq!((link.ticket.as_str(), link.is_first()), ("the ticket", channel == MAIN));
            pass_on(&link, &mut screen).await.expect("QEMU's consent");
            say(&mut front, Answer::Good).await.expect("said");
        };
        // QEMU's part is this server's own, but that it takes any password.
        let emulating = async {
            let link = greet(&mut qemu).await.expect("a link");
            assert_eq!((link.ticket.as_str(), &link.message), ("", &message));
            say(&mut qemu, Answer::Good).await.expect("said");
        };
        let (answer, (), ()) = tokio::join!(viewing, serving, emulating);
        assert_eq!(answer, 0);
    }
}

#[tokio::test]
async fn what_qemu_does_not_have_is_not_passed_on() {
    let link = Link {
        message: message(DISPLAY, 0b1011),
        has_selection: true,
        channel: DISPLAY,
        ticket: String::new(),
    };
    let (mut screen, mut qemu) = duplex(1 << 12);
    // It answers as for the sound, which has no capabilities.
    qemu.write_all(&reply(5, &secret().expect("a key").public)).await.expect("said");
    let error = pass_on(&link, &mut screen).await.expect_err("too old");
    assert!(error.to_string().contains("too old"), "{error}");
}

#[tokio::test]
async fn something_else_is_refused_in_words_of_spice() {
    let good = block(&message(MAIN, 0b1011));
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for (bytes, answer) in [
        (with(0, b"GET "), Answer::NotSpice),
        (with(4, &[1]), Answer::Version),
        (with(12, &[17, 0, 0, 0]), Answer::Malformed),
        (with(12, &[0xff; 4]), Answer::Malformed),
        // As many capabilities as there are numbers, and from before the message.
        (with(HEADER + 6, &[0xff; 8]), Answer::Malformed),
        (with(HEADER + 14, &[0, 0, 0, 0]), Answer::Malformed),
        (with(HEADER + 14, &[0xfc, 0xff, 0xff, 0xff]), Answer::Malformed),
    ] {
        let (said, link) = answer_to(&bytes).await;
        assert!(link.is_err());
        assert_eq!(code(&said), Some(answer as u32), "{bytes:?}");
    }
    // Without an end nothing is said, and with another way to say who it is.
    let (said, link) = answer_to(&good[..20]).await;
    assert!(link.is_err() && said.is_empty());
    let (said, link) = answer_to(&[&good[..], &2_u32.to_le_bytes()].concat()).await;
    assert!(link.is_err());
    assert_eq!(said[said.len() - 4..], (Answer::Malformed as u32).to_le_bytes());
}

#[tokio::test]
async fn what_was_not_encrypted_is_a_wrong_ticket() {
    let selected = [&block(&message(MAIN, 0b1011))[..], &BY_PASSWORD.to_le_bytes()].concat();
    for byte in [0, 1, 0x7f, 0xff] {
        let (_, link) = answer_to(&[&selected[..], &[byte; ENCRYPTED]].concat()).await;
        assert_eq!(link.expect("a link").ticket, "");
    }
}

/// Each byte changed in some ways: an answer or none, and no harm.
#[tokio::test]
async fn any_bytes_are_borne() {
    let good = block(&message(MAIN, 0b1011));
    for place in 0..good.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xfe, 0xff] {
            let mut changed = good.clone();
            changed[place] = byte;
            let (_, link) = answer_to(&changed).await;
            assert!(link.is_err(), "there is no ticket");
        }
    }
    for length in 0..REPLY {
        let noise: Vec<u8> = (0..length).map(|at| (at * 37 % 251) as u8).collect();
        assert!(answered(&noise).is_none() && asked(&noise[..length.min(17)]).is_none());
    }
}
