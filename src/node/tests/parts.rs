//! Uploads that come in parts.

use md5::Md5;
use sha2::{Digest, Sha256};

use super::*;

impl Node {
    async fn begin(&self, size: u64) -> Uuid {
        let (upload, storage) = (Uuid::new_v4(), self.storage.clone());
        self.ask(move |client| client.begin_upload(upload, storage, size)).await.unwrap();
        upload
    }

    async fn append(
        &self,
        upload: Uuid,
        (from, size): (u64, u64),
        bytes: &[u8],
    ) -> Result<(u64, Option<Received>)> {
        let mut call = self.client.append(upload, self.storage.clone(), from, size).unwrap();
        // A refusal breaks the writing off; `stored` says why.
        let _ = call.write_all(bytes).await;
        call.stored().await
    }

    async fn length(&self, upload: Uuid) -> Result<u64> {
        let storage = self.storage.clone();
        self.ask(move |client| client.upload_length(upload, storage)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_put_together_and_summed_up() {
    let node = Node::start().await;
    let bytes: Vec<u8> = (0..3_u32 << 20).map(|n| (n >> 5) as u8).collect();
    let size = bytes.len() as u64;
    let upload = node.begin(size).await;
    assert_eq!(node.length(upload).await.unwrap(), 0);
    assert_eq!(node.append(upload, (0, size), &bytes[..1000]).await.unwrap(), (1000, None));
    let wrong = node.append(upload, (999, size), &bytes[999..]).await.unwrap_err();
    assert_eq!((wrong.key(), wrong.kind()), ("upload-offset-wrong", Kind::Conflict));
    let long = [&bytes[1000..], &[0_u8; 1 << 20]].concat();
    let long = node.append(upload, (1000, size), &long).await.unwrap_err();
    assert_eq!(long.key(), "upload-too-long");
    let there = node.length(upload).await.unwrap();
    assert!((1000..size).contains(&there), "{there}");
    let (length, whole) =
        node.append(upload, (there, size), &bytes[there as usize..]).await.unwrap();
    let whole = whole.expect("it is whole");
    assert_eq!((length, whole.size), (size, size));
    assert_eq!(whole.md5, hex::encode(Md5::digest(&bytes)));
    assert_eq!(whole.sha256, hex::encode(Sha256::digest(&bytes)));
    assert!(!whole.stays, "it is no qcow2");
    // What another agent would find out.
    let storage = node.storage.clone();
    let read = node.ask(move |client| {
        let cancel = CancelFlag::new();
        let mut watch = Watch { progress: &mut |_| (), cancel: &cancel };
        client.sum_upload(upload, storage, &mut watch)
    });
    assert_eq!(read.await.unwrap(), whole);
    let storage = node.storage.clone();
    node.ask(move |client| client.discard(upload, storage)).await.unwrap();
    node.assert_empty();
    assert_eq!(node.length(upload).await.unwrap_err().key(), "upload-missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrived_stays_when_its_sender_goes_and_one_writes_at_a_time() {
    let node = Node::start().await;
    let size = 8 << 20;
    let upload = node.begin(size).await;
    let mut call = node.client.append(upload, node.storage.clone(), 0, size).unwrap();
    call.write_all(&[1; 1 << 20]).await.unwrap();
    while node.length(upload).await.unwrap() < 1 << 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = node.append(upload, (1 << 20, size), &[1]).await.unwrap_err();
    assert_eq!((second.key(), second.kind()), ("upload-in-use", Kind::Busy));
    drop(call);
    // Its call ends by itself.
    loop {
        match node.append(upload, (1 << 20, size), &[1; 7 << 20]).await {
            Ok((length, whole)) => {
                let sum = hex::encode(Sha256::digest(vec![1; size as usize]));
                assert_eq!((length, whole.expect("whole").sha256), (size, sum));
                break;
            }
            Err(error) => assert_eq!(error.key(), "upload-in-use"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let upload = Uuid::new_v4();
    let storage = node.storage.clone();
    let refused = node.ask(move |client| client.begin_upload(upload, storage, 1 << 60)).await;
    assert_eq!(refused.unwrap_err().key(), "storage-full");
    assert_eq!(node.files().len(), 1, "nothing of it is left");
}
