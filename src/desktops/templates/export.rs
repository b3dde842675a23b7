//! Downloading a template: one self-contained file of its system disk, made for one download. One that breaks can go on
//! or be begun again until its ticket is void.

use std::io;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, ReadBuf};
use uuid::Uuid;

use super::downloads::Ticket;
use super::machine::watched;
use super::store::{self, Export};
use super::{Templates, ready};
use crate::error::{Context, Error, Result};
use crate::images::file_name;
use crate::inventory::FIRST_CONNECTION;
use crate::node::cancel::CancelFlag;
use crate::node::client::{NodeClient, OpenCall, Watch};
use crate::node::protocol::{DiskRole, LayerKind, LayerRef};
use crate::operations::{
    Action, Actor, Execution, Lane, Lock, NewOperation, Saga, State, SubmittedOperation, Unit,
};

const KIND: &str = "template-export";

/// A ticket that nobody used is void after this time; the file may take that long to be made.
const TICKET_LIFE: Duration = Duration::from_secs(3600);
/// How long a download waits for its file before it says so.
pub const PATIENCE: Duration = Duration::from_secs(1800);

/// A file to be downloaded. When nobody may fetch it any more it is removed.
pub struct Download {
    /// A safe file name.
    pub file_name: String,
    /// Bytes.
    pub size: u64,
    /// Another one for each file that was made.
    pub tag: String,
    templates: Templates,
    export: Uuid,
    ticket: String,
    stream: Option<OpenCall>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    export: Uuid,
    template: Uuid,
    from: Uuid,
    from_storage: String,
}

pub(super) fn register(templates: &Templates) {
    const STEPS: &[Action<Templates, Args>] = &[Action::new("copy", copy, remove)];
    templates
        .operations
        .register(KIND, Saga::new(Lane::Copy, templates.clone(), STEPS).counting(Unit::Bytes));
}

impl Templates {
    /// Begins to make the file, and gives the ticket that fetches it.
    ///
    /// # Errors
    /// `template-unknown`, `template-in-the-works`, `template-broken`, `node-unreachable`
    pub fn export(&self, actor: &Actor, uuid: Uuid) -> Result<(String, SubmittedOperation)> {
        let node_id = self.find(uuid)?.node_id;
        self.inventory.client_within(node_id, FIRST_CONNECTION)?;
        let storage = self.storages(node_id)?.system;
        let export = Uuid::new_v4();
        self.downloads.announce(export);
        let submitted = self.operations.submit_with(actor, |tx| {
            let template = ready(tx, uuid)?;
            let layers = store::version_layers(tx, &template, template.version, node_id)?;
            let system = layers.into_iter().find(|layer| layer.role == DiskRole::System);
            let system = system.ok_or_else(|| Error::internal("a template without system disk"))?;
            let row = Export { uuid: export, template_id: template.id, node_id, storage };
            store::insert_export(tx, &row)?;
            let args = Args {
                export,
                template: uuid,
                from: system.layer.uuid,
                from_storage: system.layer.storage,
            };
            // The template itself stays free: its layers do not change, and a row keeps it.
            let new = NewOperation::new(KIND, &args, uuid, &template.name)?
                .locking_only([Lock::new(export, template.name.clone())]);
            Ok((template.name, new))
        });
        let issued = submitted.and_then(|(name, operation)| {
            let ticket = Ticket { export, operation: operation.0, name };
            Ok((self.downloads.issue(ticket, TICKET_LIFE)?, operation))
        });
        self.downloads.forget(export);
        issued
    }

    /// Waits until the file of a ticket is made; no thread waits meanwhile.
    ///
    /// # Errors
    /// `download-unknown` for a ticket that was spent or is void, and why the file could not be made.
    pub async fn download(&self, word: &str) -> Result<Download> {
        let ticket =
            self.downloads.begin(word).ok_or_else(|| Error::not_found("download-unknown"))?;
        let mut download = Download {
            file_name: file_name(&ticket.name, "qcow2"),
            size: 0,
            tag: format!("\"{}\"", ticket.export),
            templates: self.clone(),
            export: ticket.export,
            ticket: word.to_owned(),
            stream: None,
        };
        let operation = self.operations.wait(ticket.operation, PATIENCE).await?;
        match (operation.state, operation.fault) {
            (State::Succeeded, _) => {}
            (_, Some(fault)) => return Err(fault.into()),
            _ => return Err(Error::busy("download-not-ready").arg("name", ticket.name)),
        }
        let size = download.on_its_node(|client, layer| {
            let flag = CancelFlag::new();
            let mut watch = Watch { progress: &mut |_| (), cancel: &flag };
            let found = client.inspect_layers(vec![layer], false, &mut watch)?;
            let file = found.first().filter(|file| file.exists);
            file.map(|file| file.length).ok_or_else(|| Error::not_found("download-unknown"))
        });
        download.size = size.await?;
        Ok(download)
    }

    /// The file, then its row.
    pub(super) fn remove_export(&self, uuid: Uuid) -> Result<()> {
        let export = match self.store.read(|conn| store::export(conn, uuid)) {
            Ok(export) => export,
            Err(error) if error.key() == "download-unknown" => return Ok(()),
            Err(error) => return Err(error),
        };
        self.remove_files(export.node_id, vec![export.layer()])?;
        self.store.write(|tx| store::delete_export(tx, uuid))
    }
}

impl Download {
    /// Begins to read, from this byte on.
    ///
    /// # Errors
    /// Those of the node and the way to it.
    pub async fn open(&mut self, from: u64) -> Result<()> {
        let open = move |client: &NodeClient, layer| client.send_from(layer, from);
        self.stream = Some(self.on_its_node(open).await?);
        Ok(())
    }

    /// The client has all of it.
    pub fn is_fetched(&self) {
        self.templates.downloads.spend(&self.ticket);
    }

    async fn on_its_node<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&NodeClient, LayerRef) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (templates, uuid) = (self.templates.clone(), self.export);
        let runtime = tokio::runtime::Handle::current();
        let ask = move || {
            let _inside = runtime.enter();
            let export = templates.store.read(|conn| store::export(conn, uuid))?;
            let client = templates.inventory.client_within(export.node_id, FIRST_CONNECTION)?;
            ask(&client, export.layer())
        };
        tokio::task::spawn_blocking(ask).await.context("ask for a download")?
    }
}

impl AsyncRead for Download {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut task::Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_read(task, into),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // Ends the reading, so that the node may delete the file.
        self.stream = None;
        self.templates.downloads.forget(self.export);
        if self.templates.downloads.knows(self.export) {
            return;
        }
        let (templates, export) = (self.templates.clone(), self.export);
        let removed = std::thread::Builder::new().name("download ended".into()).spawn(move || {
            if let Err(error) = templates.remove_export(export) {
                tracing::warn!(error = error.detail(), "a download's file was not removed");
            }
        });
        if let Err(error) = removed {
            tracing::warn!(error = %error, "a download's file was not removed");
        }
    }
}

fn copy(templates: &Templates, args: &Args, execution: &Execution) -> Result<()> {
    // Resumed after a restart, or its client came and went: nobody could fetch the file.
    if !templates.downloads.knows(args.export) {
        return Err(Error::not_found("download-unknown"));
    }
    let export = templates.store.read(|conn| store::export(conn, args.export))?;
    let client = templates.inventory.client_within(export.node_id, FIRST_CONNECTION)?;
    let from = LayerRef {
        uuid: args.from,
        kind: LayerKind::TemplateVersion,
        storage: args.from_storage.clone(),
    };
    watched(execution, |watch| client.flatten(from, export.layer(), watch)).map(drop)
}

fn remove(templates: &Templates, args: &Args, _: &Execution) -> Result<()> {
    templates.remove_export(args.export)
}
