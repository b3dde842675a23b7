//! Links to the agent of the controller's own machine.

use std::path::Path;

use tokio::net::UnixStream;
use tokio::sync::mpsc::UnboundedSender;

use crate::error::{Error, Result};
use crate::node::agent::keeper::Keeper;
use crate::node::agent::serve::serve;
use crate::node::client::NodeClient;
use crate::node::protocol::{AgentConfig, Event};

/// Bytes between the two ends in one process.
const PIPE: usize = 1 << 20;

/// Starts an agent in this process. It ends with the link.
///
/// # Errors
/// What the agent refuses with.
pub async fn start_in_process(
    config: AgentConfig,
    events: UnboundedSender<Event>,
) -> Result<NodeClient> {
    let (near, far) = tokio::io::duplex(PIPE);
    tokio::spawn(async move {
        if let Err(error) = serve(far, &Keeper::default()).await {
            tracing::warn!(error = error.detail(), "the agent in this process ended");
        }
    });
    NodeClient::connect(near, config, events).await
}

/// Connects to the agent that listens on a UNIX socket.
///
/// # Errors
/// `agent-not-listening`, and those of [`NodeClient::connect`].
pub async fn connect_socket(
    path: &Path,
    config: AgentConfig,
    events: UnboundedSender<Event>,
) -> Result<NodeClient> {
    let stream = UnixStream::connect(path).await.map_err(|cause| {
        Error::unreachable("agent-not-listening").arg("path", path.display()).because(cause)
    })?;
    NodeClient::connect(stream, config, events).await
}
