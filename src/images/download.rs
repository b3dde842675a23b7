//! Downloading an ISO from a node that has it.

use std::io;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use uuid::Uuid;

use super::copies::CopyState;
use super::{Images, require_ready, store};
use crate::error::{Context, Error, Result};
use crate::inventory::FIRST_CONNECTION;
use crate::node::cancel::CancelFlag;
use crate::node::client::{NodeClient, OpenCall, Watch};
use crate::node::protocol::LayerRef;

/// A ticket that nobody used is void after this time.
const TICKET_LIFE: Duration = Duration::from_secs(3600);

/// An ISO on its way to a client.
pub struct Download {
    /// A safe file name.
    pub file_name: String,
    /// Bytes.
    pub size: u64,
    /// Another one for another content.
    pub tag: String,
    images: Images,
    node: NodeClient,
    layer: LayerRef,
    ticket: Option<String>,
    stream: Option<OpenCall>,
}

impl Images {
    /// The name of an ISO and a ticket that fetches it once; a download that breaks may go on.
    ///
    /// # Errors
    /// `iso-unknown`, `iso-not-ready`
    pub fn issue_download(&self, uuid: Uuid) -> Result<(String, String)> {
        let iso = self.iso(uuid)?;
        require_ready(&iso)?;
        let mut tickets = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((iso.name, tickets.give(uuid, TICKET_LIFE)?))
    }

    /// The download that a ticket is for. On a thread that may block.
    ///
    /// # Errors
    /// `download-unknown` for a ticket that was spent or is void; as [`Images::download`].
    pub fn redeem(&self, word: &str) -> Result<Download> {
        let tickets = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        let iso = tickets.look(word).copied();
        drop(tickets);
        let iso = iso.ok_or_else(|| Error::not_found("download-unknown"))?;
        Ok(Download { ticket: Some(word.to_owned()), ..self.download(iso)? })
    }

    /// The file of an ISO, from the first node that has it and answers. On a thread that may block.
    ///
    /// # Errors
    /// `iso-unknown`, `iso-not-ready`, `iso-without-copy`, `node-unreachable`
    pub fn download(&self, uuid: Uuid) -> Result<Download> {
        let iso = self.iso(uuid)?;
        require_ready(&iso)?;
        let copies = self.store.read(|conn| store::copies(conn, &[uuid]))?;
        let mut why = Error::conflict("iso-without-copy").arg("name", &iso.name);
        let whole = |state: &CopyState| *state == CopyState::Ready;
        for copy in copies.iter().filter(|copy| whole(&copy.state)) {
            let layer = copy.layer_ref(iso.kind.layer());
            match self.find_file(copy.node_id, &layer) {
                Ok(Some((node, size))) => {
                    return Ok(Download {
                        file_name: file_name(&iso.name, "iso"),
                        size,
                        tag: format!("\"{}\"", iso.sha256),
                        images: self.clone(),
                        node,
                        layer,
                        ticket: None,
                        stream: None,
                    });
                }
                Ok(None) => {}
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// How long the file is; `None` when it is not there.
    fn find_file(
        &self,
        node: crate::store::NodeId,
        layer: &LayerRef,
    ) -> Result<Option<(NodeClient, u64)>> {
        let client = self.inventory.client_within(node, FIRST_CONNECTION)?;
        let flag = CancelFlag::new();
        let mut watch = Watch { progress: &mut |_| (), cancel: &flag };
        let facts = super::bring::inspect(&client, layer, false, &mut watch)?;
        Ok(facts.exists.then_some((client, facts.length)))
    }
}

impl Download {
    /// Begins to read, from this byte on.
    ///
    /// # Errors
    /// Those of the node and the way to it.
    pub async fn open(&mut self, from: u64) -> Result<()> {
        let (node, layer) = (self.node.clone(), self.layer.clone());
        let runtime = tokio::runtime::Handle::current();
        let open = move || {
            let _inside = runtime.enter();
            node.send_from(layer, from)
        };
        self.stream = Some(tokio::task::spawn_blocking(open).await.context("open a download")??);
        Ok(())
    }

    /// The client has all of it.
    pub fn is_fetched(&self) {
        if let Some(word) = &self.ticket {
            let mut tickets = self.images.downloads.lock().unwrap_or_else(PoisonError::into_inner);
            tickets.take(word);
        }
    }
}

impl AsyncRead for Download {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_read(task, into),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Letters and digits of any script stay; what a file system or a header could misread does not.
pub fn file_name(name: &str, ending: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let safe: String = name.chars().map(safe).collect();
    let safe = safe.trim_start_matches('.');
    format!("{}.{ending}", if safe.is_empty() { "file" } else { safe })
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn file_names_are_safe() {
        assert_eq!(file_name("win7 模板", "qcow2"), "win7_模板.qcow2");
        assert_eq!(file_name("../../etc", "iso"), "_.._etc.iso");
        assert_eq!(file_name("a\"b\r\nc", "iso"), "a_b__c.iso");
        assert_eq!(file_name("", "iso"), "file.iso");
    }
}
