//! Links that die, fall silent, or lead to someone else.

use std::time::{Duration, Instant};

use futures::StreamExt;
use tempfile::TempDir;
use tokio::io::{AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::config;
use crate::node::agent::{keeper::Keeper, listen, serve::serve};
use crate::node::cancel::CancelFlag;
use crate::node::client::{NodeClient, Watch};
use crate::node::link;
use crate::node::local::{connect_socket, start_in_process};
use crate::node::protocol::{AgentConfig, Event, Frame, PowerAction, Request};

/// The agent's side of a greeting, and then whatever a test does with the link.
async fn mute_agent(mut far: DuplexStream) -> DuplexStream {
    link::exchange_prefaces(&mut far).await.unwrap();
    let (mut near_end, mut far_end) = tokio::io::split(far);
    {
        let (mut frames, _) = link::reader(&mut near_end);
        assert!(matches!(frames.next().await, Some(Ok(Frame::Hello { config: Some(_) }))));
        say(&mut far_end, &Frame::Hello { config: None }).await;
    }
    near_end.unsplit(far_end)
}

/// Writes one frame and nothing else.
pub(super) async fn say<W: AsyncWrite + Unpin>(to: &mut W, frame: &Frame) {
    let mut bytes = Vec::new();
    let (outbox, writing) = link::outbox(&mut bytes);
    outbox.send(frame).unwrap();
    drop(outbox);
    writing.await.unwrap();
    to.write_all(&bytes).await.unwrap();
}

pub(super) async fn mute_link() -> (NodeClient, DuplexStream, UnboundedReceiver<Event>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (sender, events) = unbounded_channel();
    let (client, far) =
        tokio::join!(NodeClient::connect(near, config("/nowhere"), sender), mute_agent(far));
    (client.unwrap(), far, events)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_link_fails_all_its_calls() {
    let (client, far, mut events) = mute_link().await;
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            spawn_blocking(move || client.describe())
        })
        .collect();
    let opened = client.open(Request::ListFiles).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(far);
    for call in waiting {
        assert_eq!(call.await.unwrap().unwrap_err().key(), "node-link-lost");
    }
    assert_eq!(opened.reply().await.unwrap_err().key(), "node-link-lost");
    assert!(events.recv().await.is_none());
    assert!(!client.is_alive());
    // Also from here, where blocking is not allowed, a dead link answers at once.
    assert_eq!(client.describe().unwrap_err().key(), "node-link-lost");
    assert!(client.open(Request::ListFiles).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_link_is_given_up() {
    let (client, _far, _events) = mute_link().await;
    let began = Instant::now();
    // A batch, too, that may take as long as it takes: an agent that was stopped is no busy one.
    let other = client.clone();
    let batch = spawn_blocking(move || {
        let cancel = CancelFlag::new();
        let mut watch = Watch { progress: &mut |_| (), cancel: &cancel };
        other
            .power((PowerAction::Stop, Duration::from_secs(60)), vec![Uuid::new_v4()], &mut watch)
            .map(drop)
    });
    let error = spawn_blocking(move || client.describe()).await.unwrap().unwrap_err();
    assert_eq!(error.key(), "node-link-lost");
    assert_eq!(batch.await.unwrap().unwrap_err().key(), "node-link-lost");
    assert!(began.elapsed() < Duration::from_secs(12), "took {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_serve_the_newest_controller() {
    let dir = TempDir::new().unwrap();
    let storage = dir.path().join("storage").to_str().unwrap().to_owned();
    let socket = dir.path().join("agent.sock");
    // Left by an agent that was killed.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let listener = listen::bind(&socket).await.unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&socket.metadata().unwrap().permissions()) & 0o777,
        0o660
    );
    assert_eq!(listen::bind(&socket).await.unwrap_err().key(), "socket-taken");
    let stop = CancelFlag::new();
    let stopped = stop.clone();
    let agent = tokio::spawn(async move {
        listen::accept(listener, Keeper::default(), stopped.cancelled()).await
    });

    let config = config(&storage);
    let (sender, mut first_events) = unbounded_channel();
    let first = connect_socket(&socket, config.clone(), sender).await.unwrap();
    let (sender, _second_events) = unbounded_channel();
    let second = connect_socket(&socket, config.clone(), sender).await.unwrap();
    let let_go = async { while first_events.recv().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), let_go).await.expect("the older one is let go");
    assert!(!first.is_alive());
    let asked = second.clone();
    assert!(spawn_blocking(move || asked.list_files()).await.unwrap().unwrap().is_empty());

    // What is refused does not cost the one that is served its place.
    let another = super::config(&storage);
    let elsewhere =
        AgentConfig { libvirt_uri: "qemu+ext:///system?command=/x".into(), ..config.clone() };
    for (config, key) in [(another, "agent-serves-another"), (elsewhere, "libvirt-uri-not-local")] {
        let (sender, _events) = unbounded_channel();
        let refused = connect_socket(&socket, config, sender).await;
        assert_eq!(refused.err().unwrap().key(), key);
    }
    assert!(second.is_alive());

    // Settings that changed are taken over at once, though the agent with the old ones was at work.
    for virt_type in ["qemu", "kvm"] {
        let (sender, _events) = unbounded_channel();
        let config = AgentConfig { virt_type: virt_type.into(), ..config.clone() };
        let changed = connect_socket(&socket, config, sender).await;
        assert!(changed.is_ok(), "{:?}", changed.err());
    }
    stop.cancel();
    agent.await.unwrap();

    let file = dir.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert_eq!(listen::bind(&file).await.unwrap_err().key(), "socket-is-a-file");
    let (sender, _events) = unbounded_channel();
    let absent = connect_socket(&dir.path().join("absent"), super::config(&storage), sender).await;
    assert_eq!(absent.err().unwrap().key(), "agent-not-listening");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_on_a_storage_is_refused() {
    let dir = TempDir::new().unwrap();
    let config = config(dir.path().join("storage").to_str().unwrap());
    let (sender, _events) = unbounded_channel();
    let first = start_in_process(config.clone(), sender).await.unwrap();
    let (sender, _other_events) = unbounded_channel();
    let second = start_in_process(config, sender).await;
    assert_eq!(second.err().unwrap().key(), "storage-taken");
    assert!(spawn_blocking(move || first.list_files()).await.unwrap().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_told_so() {
    let (near, mut far) = tokio::io::duplex(1 << 10);
    far.write_all(b"carrel\x00\x63").await.unwrap();
    let (sender, _events) = unbounded_channel();
    let error = NodeClient::connect(near, config("/nowhere"), sender).await.err().unwrap();
    assert_eq!(error.key(), "node-version-differs");
    assert!(error.args().any(|arg| arg == ("theirs", "99")));

    let (mut near, far) = tokio::io::duplex(1 << 10);
    near.write_all(b"carrel\x00\x63").await.unwrap();
    assert_eq!(serve(far, &Keeper::default()).await.unwrap_err().key(), "node-version-differs");
}
