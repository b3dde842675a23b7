//! How an agent is started: in the process of the server, on standard input and output, on a UNIX socket.

use std::fs::{self, Permissions};
use std::future::Future;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

use super::keeper::Keeper;
use super::serve::serve;
use crate::error::{Context, Error, Kind, Result};

/// Who may connect is whom the file lets: root and the group that the folder hands down.
const SOCKET_MODE: u32 = 0o660;

/// `carrel agent --stdio`: serves one controller and returns when it has gone. The end of an ssh channel.
///
/// # Errors
/// As [`serve`].
pub fn run_stdio() -> Result<()> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let stream = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
        serve(stream, &Keeper::default()).await
    });
    // A read of standard input cannot be called back and would hold up the end.
    runtime.shutdown_background();
    outcome
}

/// `carrel agent --socket PATH`: serves controllers one after the other until SIGTERM or SIGINT. Guests run on.
///
/// # Errors
/// `socket-taken` when another agent listens there, and when the socket cannot be made.
pub fn run_socket(path: &Path) -> Result<()> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let listener = bind(path).await?;
        let mut terminate = signal(SignalKind::terminate()).context("wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("wait for SIGINT")?;
        if let Err(cause) = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]) {
            tracing::warn!(%cause, "cannot tell systemd that the agent is ready");
        }
        tracing::info!(socket = %path.display(), "agent ready");
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        accept(listener, stop).await;
        fs::remove_file(path).context(format_args!("remove {}", path.display()))
    });
    runtime.shutdown_background();
    outcome
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")
}

/// Makes the socket, in the place of one that an ended agent left.
pub(in crate::node) async fn bind(path: &Path) -> Result<UnixListener> {
    let doing = || format!("make the socket {}", path.display());
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(Error::new(Kind::Conflict, "socket-is-a-file").arg("path", path.display()));
        }
        Ok(_) if UnixStream::connect(path).await.is_ok() => {
            return Err(Error::new(Kind::Conflict, "socket-taken").arg("path", path.display()));
        }
        Ok(_) => fs::remove_file(path).context(doing())?,
        Err(cause) if cause.kind() == ErrorKind::NotFound => {}
        Err(cause) => return Err(cause).context(doing()),
    }
    // Bound under another name and renamed once its mode is right: nobody connects in between.
    let unready = path.with_extension(format!("{}.new", std::process::id()));
    let listener = UnixListener::bind(&unready).context(doing())?;
    fs::set_permissions(&unready, Permissions::from_mode(SOCKET_MODE)).context(doing())?;
    fs::rename(&unready, path).context(doing())?;
    Ok(listener)
}

/// Each connection has its own task, so that a newer controller can take over from one that hangs.
pub(in crate::node) async fn accept(listener: UnixListener, stop: impl Future<Output = ()>) {
    let keeper = Arc::new(Keeper::default());
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let keeper = keeper.clone();
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, &keeper).await {
                        tracing::warn!(error = error.detail(), "connection of a controller ended");
                    }
                });
            }
            Err(cause) => {
                tracing::error!(%cause, "cannot accept a controller");
                // Out of file descriptors, most likely: do not spin until there are some.
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}
