//! The client against a real agent, over a link, with real files and the real `qemu-img`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::cancel::CancelFlag;
use super::client::{NodeClient, Watch};
use super::local::start_in_process;
use super::protocol::*;
use crate::error::{Error, Kind, Result};

mod hostile;
mod links;
mod ova;
mod parts;
mod requests;

struct Node {
    client: NodeClient,
    storage: String,
    dir: TempDir,
    installation: Uuid,
    events: UnboundedReceiver<Event>,
}

fn config(storage: &str) -> AgentConfig {
    AgentConfig {
        installation: Uuid::new_v4(),
        libvirt_uri: "test:///default".into(),
        virt_type: "auto".into(),
        storages: vec![storage.to_owned()],
        known: Vec::new(),
    }
}

impl Node {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let storage = dir.path().join("storage").to_str().unwrap().to_owned();
        let (sender, events) = unbounded_channel();
        let config = config(&storage);
        let installation = config.installation;
        let client = start_in_process(config, sender).await.unwrap();
        Self { client, storage, dir, installation, events }
    }

    fn layer(&self) -> LayerRef {
        LayerRef { uuid: Uuid::new_v4(), kind: LayerKind::BaseImage, storage: self.storage.clone() }
    }

    /// Runs a blocking call where it may block.
    async fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(NodeClient) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let client = self.client.clone();
        spawn_blocking(move || call(client)).await.unwrap()
    }

    async fn upload(
        &self,
        content: &[u8],
        announced: Option<u64>,
    ) -> (Uuid, Result<super::protocol::Received>) {
        let upload = Uuid::new_v4();
        let mut call = self.client.receive(upload, self.storage.clone(), announced).unwrap();
        // A refusal breaks the writing off; `received` says why.
        let _ = call.write_all(content).await;
        (upload, call.received().await)
    }

    async fn adopt(&self, upload: Uuid, layer: LayerRef) -> Result<super::protocol::ImageFacts> {
        self.ask(move |client| {
            let cancel = CancelFlag::new();
            client.adopt_image(
                upload,
                layer,
                None,
                &mut Watch { progress: &mut |_| (), cancel: &cancel },
            )
        })
        .await
    }

    /// Uploads a file and has it refused.
    async fn refusal(&self, path: &Path) -> Error {
        let content = std::fs::read(path).unwrap();
        let (upload, received) = self.upload(&content, Some(content.len() as u64)).await;
        received.unwrap();
        let error = self.adopt(upload, self.layer()).await.unwrap_err();
        let storage = self.storage.clone();
        self.ask(move |client| client.discard(upload, storage)).await.unwrap();
        self.assert_empty();
        error
    }

    fn domain(&self, base: &LayerRef) -> DomainSpec {
        let disk = DiskSpec {
            uuid: Uuid::new_v4(),
            role: DiskRole::System,
            index: 0,
            size: 4 << 20,
            storage: self.storage.clone(),
            below: base.clone(),
            restore: true,
        };
        DomainSpec {
            uuid: Uuid::new_v4(),
            owner: Owner {
                installation: self.installation,
                kind: OwnerKind::Desktop,
                name: "desk-1".into(),
                group: None,
                template: Uuid::new_v4(),
            },
            vcpus: 1,
            memory_mib: 16,
            hardware: Hardware::first(),
            disks: vec![disk],
            nics: Vec::new(),
            cds: Vec::new(),
            driver_disk: None,
            identity: None,
            spice: Spice::Off,
            limits: Limits::NONE,
        }
    }

    async fn batch(
        &self,
        call: impl FnOnce(NodeClient, &mut Watch<'_>) -> Result<Vec<ItemResult>> + Send + 'static,
    ) -> Vec<ItemResult> {
        self.ask(move |client| {
            let cancel = CancelFlag::new();
            call(client, &mut Watch { progress: &mut |_| (), cancel: &cancel })
        })
        .await
        .unwrap()
    }

    /// Waits for the event that tells of it.
    async fn until_told(&mut self, domain: Uuid, power: PowerState) {
        let told = async {
            while let Some(event) = self.events.recv().await {
                if matches!(event, Event::Domain(state) if state.uuid == domain && state.power == power)
                {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), told).await.expect("an event");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![PathBuf::from(&self.storage)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found
    }

    fn assert_empty(&self) {
        assert_eq!(self.files(), Vec::<PathBuf>::new());
    }

    async fn until_empty(&self) {
        let began = Instant::now();
        while !self.files().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(10), "left: {:?}", self.files());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn qemu_img<const N: usize>(args: [&str; N]) {
    let status = Command::new("qemu-img").args(args).stdout(std::process::Stdio::null()).status();
    assert!(status.expect("qemu-img (package qemu-utils)").success(), "qemu-img {args:?}");
}

/// QEMU measures how fast this machine is, and gives up where the measure comes out as no time at all.
fn qemu_img_encrypted(file: &str) {
    let options = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10";
    let args = ["create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o", options];
    let create = || Command::new("qemu-img").args(args).args([file, "1M"]).output();
    let is_made = || create().expect("qemu-img (package qemu-utils)").status.success();
    assert!((0..50).any(|_| is_made()), "qemu-img {args:?}: {:?}", create());
}

/// A raw disk with a partition table's signature and some content.
fn raw_disk(path: &Path) -> Vec<u8> {
    let mut content: Vec<u8> =
        (0..2_u32 << 20).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    content[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(path, &content).unwrap();
    content
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_image_becomes_a_layer() {
    let node = Node::start().await;
    let (raw, image) = (node.path("raw"), node.path("image.qcow2"));
    raw_disk(&raw);
    qemu_img(["convert", "-O", "qcow2", raw.to_str().unwrap(), image.to_str().unwrap()]);
    let content = std::fs::read(&image).unwrap();
    let (upload, received) = node.upload(&content, Some(content.len() as u64)).await;
    let received = received.unwrap();
    assert_eq!(received.size, content.len() as u64);
    let sum = Command::new("sha256sum").arg(&image).output().unwrap().stdout;
    assert!(String::from_utf8(sum).unwrap().starts_with(&received.sha256));
    let sum = Command::new("md5sum").arg(&image).output().unwrap().stdout;
    assert!(String::from_utf8(sum).unwrap().starts_with(&received.md5));

    let layer = node.layer();
    let facts = node.adopt(upload, layer.clone()).await.unwrap();
    assert_eq!(facts.virtual_size, 2 << 20);
    assert!(std::fs::read(&facts.path).unwrap() == content);
    // A repeated request, as after a crash before the answer was noted.
    assert_eq!(node.adopt(upload, layer.clone()).await.unwrap().path, facts.path);
    assert_eq!(node.files().len(), 1);

    let mut back = Vec::new();
    let mut call = node.client.send(layer.clone()).unwrap();
    call.read_to_end(&mut back).await.unwrap();
    call.reply().await.unwrap();
    assert!(back == content);
    for from in [1, content.len() - 5, content.len(), content.len() + 9] {
        let mut rest = Vec::new();
        let mut call = node.client.send_from(layer.clone(), from as u64).unwrap();
        call.read_to_end(&mut rest).await.unwrap();
        call.reply().await.unwrap();
        assert!(rest == content.get(from..).unwrap_or_default(), "from {from}");
    }

    let results = node.ask(move |client| client.remove_layers(vec![layer])).await.unwrap();
    assert!(results[0].result.is_ok());
    node.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_formats_are_converted() {
    let node = Node::start().await;
    let raw = node.path("raw");
    let content = raw_disk(&raw);
    for format in ["raw", "vmdk", "vdi", "vhdx"] {
        let image = node.path(format!("image.{format}").as_str());
        qemu_img([
            "convert",
            "-f",
            "raw",
            "-O",
            format,
            raw.to_str().unwrap(),
            image.to_str().unwrap(),
        ]);
        let (upload, received) = node.upload(&std::fs::read(&image).unwrap(), None).await;
        received.unwrap();
        let facts = node.adopt(upload, node.layer()).await.unwrap();
        let back = node.path("back");
        qemu_img(["convert", "-f", "qcow2", "-O", "raw", &facts.path, back.to_str().unwrap()]);
        assert!(std::fs::read(&back).unwrap().starts_with(&content), "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_image_of_its_own_is_refused() {
    let node = Node::start().await;
    let file = |name: &str| node.path(name).to_str().unwrap().to_owned();

    std::fs::write(file("text"), "this is no disk\n".repeat(1000)).unwrap();
    assert_eq!(node.refusal(&node.path("text")).await.key(), "not-a-disk-image");
    std::fs::write(file("empty"), "").unwrap();
    assert_eq!(node.refusal(&node.path("empty")).await.key(), "not-a-disk-image");
    std::fs::write(file("flat"), "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"/etc/passwd\" 0\n")
        .unwrap();
    assert_eq!(node.refusal(&node.path("flat")).await.key(), "not-a-disk-image");

    qemu_img(["create", "-q", "-f", "qcow2", &file("base"), "1M"]);
    qemu_img(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &file("base"), &file("backed")]);
    assert_eq!(node.refusal(&node.path("backed")).await.key(), "image-has-backing-file");

    let options = format!("data_file={},data_file_raw=on", file("data"));
    qemu_img(["create", "-q", "-f", "qcow2", "-o", &options, &file("external"), "1M"]);
    assert_eq!(node.refusal(&node.path("external")).await.key(), "image-has-data-file");

    qemu_img_encrypted(&file("secret"));
    assert_eq!(node.refusal(&node.path("secret")).await.key(), "image-encrypted");

    qemu_img(["create", "-q", "-f", "qcow2", &file("huge"), "20T"]);
    assert_eq!(node.refusal(&node.path("huge")).await.key(), "image-size-absurd");

    raw_disk(&node.path("raw"));
    qemu_img(["convert", "-O", "qcow2", &file("raw"), &file("cut")]);
    std::fs::OpenOptions::new().write(true).open(file("cut")).unwrap().set_len(900_000).unwrap();
    assert_eq!(node.refusal(&node.path("cut")).await.key(), "upload-damaged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_upload_leaves_nothing() {
    let node = Node::start().await;
    let (_, received) = node.upload(&[1; 1000], Some(2000)).await;
    assert_eq!(received.unwrap_err().key(), "upload-truncated");
    node.assert_empty();
    let (_, received) = node.upload(&[1; 3000], Some(2000)).await;
    assert_eq!(received.unwrap_err().key(), "upload-too-long");
    node.assert_empty();
    let (_, received) = node.upload(&[1; 1000], Some(1 << 60)).await;
    let error = received.unwrap_err();
    assert_eq!((error.key(), error.kind()), ("storage-full", Kind::NoRoom));
    node.assert_empty();

    // The browser goes away in the middle.
    let mut call =
        node.client.receive(Uuid::new_v4(), node.storage.clone(), Some(10 << 20)).unwrap();
    call.write_all(&[1; 1 << 20]).await.unwrap();
    while node.files().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(call);
    node.until_empty().await;

    // The whole controller goes away.
    let mut call = node.client.receive(Uuid::new_v4(), node.storage.clone(), None).unwrap();
    call.write_all(&[1; 1 << 20]).await.unwrap();
    while node.files().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    node.client.close();
    node.until_empty().await;
    assert_eq!(call.received().await.unwrap_err().key(), "node-link-lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_up_nobody() {
    let node = Node::start().await;
    let (upload, received) = node.upload(&raw_disk(&node.path("raw")), None).await;
    received.unwrap();
    let layer = node.layer();
    node.adopt(upload, layer.clone()).await.unwrap();
    // Nobody reads from these: their bytes fill the credit and wait.
    let waiting: Vec<_> = (0..8).map(|_| node.client.send(layer.clone()).unwrap()).collect();
    let mut uploading = node.client.receive(Uuid::new_v4(), node.storage.clone(), None).unwrap();
    uploading.write_all(&[0; 8 << 20]).await.unwrap();
    assert_eq!(uploading.received().await.unwrap().size, 8 << 20);
    assert!(!node.ask(|client| client.list_files()).await.unwrap().is_empty());
    drop(waiting);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_work_is_watched_and_stopped() {
    let node = Node::start().await;
    let raw = node.path("raw");
    raw_disk(&raw);
    std::fs::OpenOptions::new().write(true).open(&raw).unwrap().set_len(64 << 20).unwrap();
    let (upload, received) = node.upload(&std::fs::read(&raw).unwrap(), None).await;
    received.unwrap();
    let layer = node.layer();
    let wanted = layer.clone();
    let last = node
        .ask(move |client| {
            let cancel = CancelFlag::new();
            let mut last = None;
            let mut progress = |progress| last = Some(progress);
            client.adopt_image(
                upload,
                wanted,
                None,
                &mut Watch { progress: &mut progress, cancel: &cancel },
            )?;
            Ok(last)
        })
        .await
        .unwrap()
        .expect("some progress");
    assert!(last.done <= last.total && last.total > 0);

    let outcome = node
        .ask(move |client| {
            let cancel = CancelFlag::new();
            cancel.cancel();
            client.inspect_layers(
                vec![layer],
                true,
                &mut Watch { progress: &mut |_| (), cancel: &cancel },
            )
        })
        .await;
    assert_eq!(outcome.unwrap_err().kind(), Kind::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desktop_is_made_started_and_removed() {
    let mut node = Node::start().await;
    let (upload, received) = node.upload(&raw_disk(&node.path("raw")), None).await;
    received.unwrap();
    let base = node.layer();
    node.adopt(upload, base.clone()).await.unwrap();
    let spec = node.domain(&base);
    let desktop = spec.uuid;
    let items =
        node.batch(move |client, watch| client.define_domains(vec![spec], Vec::new(), watch)).await;
    assert!(items[0].result.is_ok(), "{items:?}");
    let items = node
        .batch(move |client, watch| {
            client.power((PowerAction::Start, Duration::ZERO), vec![desktop], watch)
        })
        .await;
    assert!(items[0].result.is_ok(), "{items:?}");
    node.until_told(desktop, PowerState::Running).await;

    let disk = node.ask(|client| client.list_files()).await.unwrap();
    let disk: Vec<_> = disk.into_iter().filter(|file| file.kind == FileKind::Overlay).collect();
    assert_eq!(disk[0].uuid, desktop);
    let error = node.ask(move |client| client.remove_files(disk)).await.unwrap_err();
    assert_eq!(error.key(), "file-in-use");
    let facts = node.ask(|client| client.describe()).await.unwrap();
    assert_eq!(facts.virt_type, "test");
    let sample = node.ask(|client| client.sample()).await.unwrap();
    assert!(sample.memory_total > 0 && sample.at > 0);
    assert!(node.ask(|client| client.list_networks()).await.unwrap().is_empty());
    assert!(!node.ask(|client| client.doctor()).await.unwrap().is_empty());

    let items = node.batch(move |client, watch| client.remove_domains(vec![desktop], watch)).await;
    assert!(items[0].result.is_ok(), "{items:?}");
    let results = node.ask(move |client| client.remove_layers(vec![base])).await.unwrap();
    assert!(results[0].result.is_ok());
    node.assert_empty();
}
