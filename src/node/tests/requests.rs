//! What crosses the link for a request, and what is taken for its answer.

use std::time::Duration;

use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::links::{mute_link, say};
use super::{Node, raw_disk};
use crate::node::link;
use crate::node::protocol::{
    Frame, LayerKind, LayerRef, PowerAction, Reply, Request, ScreenProtocol,
};

/// Agents and controllers of one protocol version must read each other, whatever source they were made of.
#[test]
fn requests_cross_the_link_as_they_always_have() {
    let uuid = Uuid::nil();
    let layer = LayerRef { uuid, kind: LayerKind::BaseImage, storage: "/s".to_owned() };
    let none = &[0xc4, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let crossing: [(Request, Vec<&[u8]>); 5] = [
        (Request::Describe, vec![b"\xa8Describe"]),
        (
            Request::Console { domain: uuid, by: ScreenProtocol::Spice },
            vec![b"\x81\xa7Console\x92", none, b"\xa5Spice"],
        ),
        (
            Request::Power { action: PowerAction::HardStop, domains: vec![uuid], patience: 1 },
            vec![b"\x81\xa5Power\x93\xa8HardStop\x91", none, b"\x01"],
        ),
        (
            Request::CreateLayer { layer: layer.clone(), below: None, size: 7 },
            vec![b"\x81\xabCreateLayer\x93\x93", none, b"\xa9BaseImage\xa2/s\xc0\x07"],
        ),
        (
            Request::InspectLayers { layers: vec![layer], hash: true },
            vec![b"\x81\xadInspectLayers\x92\x91\x93", none, b"\xa9BaseImage\xa2/s\xc3"],
        ),
    ];
    for (request, bytes) in crossing {
        let call = [b"\x81\xa4Call\x92\x09".to_vec(), bytes.concat()].concat();
        assert_eq!(
            rmp_serde::to_vec(&Frame::Call { id: 9, request: Box::new(request) }).unwrap(),
            call
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_of_another_form_is_no_answer() {
    let (client, far, _events) = mute_link().await;
    // Whose callers look at the bytes, and only whether a reply came.
    let opened =
        client.open(Request::Console { domain: Uuid::nil(), by: ScreenProtocol::Vnc }).unwrap();
    let (mut near_end, mut far_end) = tokio::io::split(far);
    let (mut frames, _) = link::reader(&mut near_end);
    let id = loop {
        match frames.next().await.unwrap().unwrap() {
            Frame::Call { id, .. } => break id,
            other => assert!(matches!(other, Frame::Ping), "{other:?}"),
        }
    };
    say(&mut far_end, &Frame::Reply { id, result: Ok(Reply::Networks(Vec::new())) }).await;
    let error = opened.reply().await.unwrap_err();
    assert!(error.detail().contains("Networks"), "{}", error.detail());
    assert!(client.is_alive());
}

/// More of them than there is room for heavy work.
#[tokio::test(flavor = "multi_thread")]
async fn slow_uploads_hold_up_no_other_work_with_images() {
    let node = Node::start().await;
    let mut slow = Vec::new();
    for _ in 0..32 {
        let mut call = node.client.receive(Uuid::new_v4(), node.storage.clone(), None).unwrap();
        call.write_all(b"one byte, and then the line hangs").await.unwrap();
        slow.push(call);
    }
    let work = async {
        let (upload, received) = node.upload(&raw_disk(&node.path("raw")), None).await;
        received.unwrap();
        node.adopt(upload, node.layer()).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it waits for the uploads");
}
