//! How an agent is started and reached. It always listens on a UNIX socket, but for one inside the server's process;
//! the end of an ssh channel is a pipe to that socket, so that one keeper decides which controller is served and guests
//! restore while none is.

use std::fs::{self, File, Permissions};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

use super::keeper::Keeper;
use super::kept::KeptConfig;
use super::serve::serve;
use crate::error::{Context, Error, Kind, Result};
use crate::node::watchdog;

/// Who may connect is whom the file lets: root and the group that the folder hands down.
const SOCKET_MODE: u32 = 0o660;

/// `carrel agent --stdio`: carries bytes between a controller at the other end of standard input and output and the
/// agent that listens on the socket, until the agent lets the controller go.
///
/// # Errors
/// `agent-not-listening`; when a stream breaks.
pub fn run_pipe(path: &Path) -> Result<()> {
    let agent = StdUnixStream::connect(path).map_err(|cause| {
        Error::unreachable("agent-not-listening").arg("path", path.display()).because(cause)
    })?;
    // The files themselves: Rust's own standard output would hold bytes back until a line ends.
    let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
    let mut from_controller = own(io::stdin().as_fd()).context("use standard input")?;
    let mut to_controller = own(io::stdout().as_fd()).context("use standard output")?;
    let mut to_agent = agent.try_clone().context("use the agent's socket")?;
    // Ends with the process: a read of standard input cannot be called back.
    thread::Builder::new()
        .name("to-agent".to_owned())
        .spawn(move || {
            // The agent learns of the controller's end and closes the other direction, which ends the pipe.
            drop(io::copy(&mut from_controller, &mut to_agent));
            drop(to_agent.shutdown(Shutdown::Write));
        })
        .context("start a thread")?;
    match io::copy(&mut &agent, &mut to_controller) {
        // Nobody reads any more.
        Err(cause) if cause.kind() == ErrorKind::BrokenPipe => Ok(()),
        carried => carried.map(drop).context("carry what the agent says"),
    }
}

/// `carrel agent --socket PATH`: serves controllers one after the other until SIGTERM or SIGINT. Guests run on. In
/// `state`, a folder, it keeps what it needs to go on by itself at its next start; without one it waits for a controller.
///
/// # Errors
/// `socket-taken` when another agent listens there, and when the socket cannot be made.
pub fn run_socket(path: &Path, state: Option<&Path>) -> Result<()> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let listener = bind(path).await?;
        let mut terminate = signal(SignalKind::terminate()).context("wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("wait for SIGINT")?;
        let mut hangup = signal(SignalKind::hangup()).context("wait for SIGHUP")?;
        if let Err(cause) = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]) {
            tracing::warn!(%cause, "cannot tell systemd that the agent is ready");
        }
        tracing::info!(socket = %path.display(), "agent ready");
        tokio::spawn(watchdog::feed());
        let stop = async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    _ = hangup.recv() => tracing::info!("asked to read the settings again: all come from controllers"),
                }
            }
        };
        let keeper = state.map(|dir| Keeper::with(KeptConfig::new(dir)));
        accept(listener, keeper.unwrap_or_default(), stop).await;
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
pub(in crate::node) async fn accept(
    listener: UnixListener,
    keeper: Keeper,
    stop: impl Future<Output = ()>,
) {
    let keeper = Arc::new(keeper);
    let resuming = keeper.clone();
    tokio::spawn(async move { resuming.resume().await });
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
