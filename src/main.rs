//! Carrel: an appliance for virtual desktops. This file is the command line.

mod api;
mod desktops;
mod error;
mod identity;
mod images;
mod inventory;
mod log;
mod monitor;
mod networks;
mod node;
mod operations;
mod server;
mod settings;
mod store;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use api::language::{Catalogues, Language};
use error::{Error, Message, Result};
use identity::cli::AdminCommand;
use node::agent::listen;
use node::protocol::{Check, Verdict};
use settings::{Flags, ServeFlags, Settings};
use store::lock::DataLock;

/// Requests that may wait for the store or a node at the same time.
const BLOCKING_THREADS: usize = 128;

/// Blocking work that runs when the server ends gets this long.
const LAST_WORK: Duration = Duration::from_secs(5);

/// An appliance for virtual desktops.
#[derive(Parser)]
#[command(name = "carrel", version, about)]
struct CommandLine {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the controller: web console, APIs and, unless told otherwise, the agent of this machine
    Serve(ServeFlags),
    /// Run what a controller works with on a node: its guests, disks and networks
    Agent(AgentFlags),
    /// Users, from the command line of the controller, also while the server runs
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Check what this machine needs, and say what mends what is missing
    Doctor(ServeFlags),
    /// Copy the database into a new file, also while the server runs; secret.key, the key of second
    /// factors, is no part of it
    Backup { file: PathBuf },
    /// Put a backup in the place of the database, which is kept under another name
    ///
    /// Everybody has to sign in again. Desktops, templates and images made since that backup are unknown to it: when the
    /// server runs again their guests are shut down and undefined, and their disks are moved, each with
    /// its definition, to STORAGE/lost/TIME on their node. Nothing of them is deleted; the audit log names
    /// them. Delete the folder when nothing in it is needed: until then the layers below its disks stay.
    Restore { file: PathBuf },
}

#[derive(Args)]
struct AgentFlags {
    #[command(flatten)]
    way: AgentWay,
    /// Keep here what a controller said, so that after a restart guests are restored before it comes back
    #[arg(long, env = "STATE_DIRECTORY", value_name = "DIR")]
    state: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
struct AgentWay {
    /// Be no agent, but a pipe between standard input and output and the agent that listens on the socket
    ///
    /// For a controller on another machine, by ssh. The socket is the one given or configured, or
    /// /run/carrel/agent.sock.
    #[arg(long)]
    stdio: bool,
    /// Serve controllers on this UNIX socket, one at a time: the newest
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// The database is damaged.
const UNSOUND: &str = "database-unsound";
/// How this ends when starting it again is of no use; `carrel.service` knows the number (`EX_DATAERR` of sysexits.h).
const FOR_GOOD: u8 = 65;
/// Where the packaged agent listens.
const AGENT_SOCKET: &str = "/run/carrel/agent.sock";

fn main() -> ExitCode {
    server::memory::share_arenas();
    let line = CommandLine::parse();
    match run(line) {
        Ok(code) => code,
        Err(error) => {
            report(&error);
            if error.key() == UNSOUND { ExitCode::from(FOR_GOOD) } else { ExitCode::FAILURE }
        }
    }
}

fn run(line: CommandLine) -> Result<ExitCode> {
    let serve_flags = match &line.command {
        Command::Serve(flags) | Command::Doctor(flags) => flags.clone(),
        _ => ServeFlags::default(),
    };
    let mut settings = Settings::load(&line.flags, &serve_flags)?;
    if matches!(line.command, Command::Doctor(_)) && line.flags.log.is_none() {
        // It tells its findings; what happens on the way is for who asks for a log.
        settings.log = "off".into();
    }
    start_log(&settings)?;
    match line.command {
        Command::Serve(_) => serve(settings)?,
        Command::Agent(AgentFlags { way, state }) => match way {
            AgentWay { stdio: false, socket: Some(path) } => {
                listen::run_socket(&path, state.as_deref())?
            }
            AgentWay { socket, .. } => {
                let path = socket.or(settings.agent_socket);
                listen::run_pipe(&path.unwrap_or_else(|| AGENT_SOCKET.into()))?
            }
        },
        Command::Admin(command) => tell(&identity::cli::run(&settings, command)?)?,
        Command::Doctor(_) => return tell_checks(&in_runtime(monitor::doctor::checks(settings))?),
        Command::Backup { file } => {
            store::backup::backup(&settings.database(), &file)?;
            tell(&[Message::new("backup-made").arg("path", file.display())])?;
        }
        Command::Restore { file } => tell(&[restore(&settings, &file)?])?,
    }
    Ok(ExitCode::SUCCESS)
}

fn restore(settings: &Settings, file: &Path) -> Result<Message> {
    let kept = store::backup::restore(&settings.data_dir, &settings.database(), file)?;
    let message = match kept {
        Some(kept) => Message::new("backup-restored").arg("kept", kept.display()),
        None => Message::new("backup-restored-first"),
    };
    Ok(message.arg("path", file.display()))
}

/// Serves until it is told to stop, the data directory being this process's until its very end.
fn serve(settings: Settings) -> Result<()> {
    let _lock = DataLock::take(&settings.data_dir)?;
    in_runtime(server::serve(settings))
}

/// Few worker threads: handlers run on blocking threads, which end when they are idle.
fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("async")
        .enable_all();
    builder.build().map_err(|cause| Error::internal("start the async runtime").because(cause))
}

/// Runs `work` to its end. A thread may wait then for an agent that is already gone; what it would
/// have done is taken up at the next start, so it is not waited for.
fn in_runtime<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = runtime()?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_WORK);
    result
}

/// Logs go to standard error; what a command answers goes to standard output.
fn start_log(settings: &Settings) -> Result<()> {
    // Rocket's own lines say nothing that ours do not.
    let filter =
        format!("rocket=error,rocket::server::_=off,rusqlite_migration=warn,{}", settings.log);
    let filter = EnvFilter::try_new(filter).map_err(|cause| {
        Error::bad_input("settings-log-wrong").arg("value", &settings.log).because(cause)
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = tracing_subscriber::registry().with(filter).with(log::PerNode::default());
    match settings.log_json {
        true => log.with(lines.json()).init(),
        false => log.with(lines.with_ansi(false)).init(),
    }
    Ok(())
}

/// The language of the terminal.
fn language() -> Language {
    let spoken = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| std::env::var(name).ok());
    let chinese = spoken.is_some_and(|language| language.starts_with("zh"));
    if chinese { Language::Chinese } else { Language::English }
}

/// What a command answers.
fn tell(said: &[Message]) -> Result<()> {
    let catalogues = Catalogues::load()?;
    for Message { key, args } in said {
        let args: Vec<(&str, &str)> = args.iter().map(|(n, v)| (*n, v.as_str())).collect();
        println!("{}", catalogues.text(language(), key, &args));
    }
    Ok(())
}

/// Every finding with its verdict, and what mends it where it is not good. Fails when one is bad.
fn tell_checks(checks: &[Check]) -> Result<ExitCode> {
    let catalogues = Catalogues::load()?;
    let mut worst = Message::new("doctor-all-good");
    let mut code = ExitCode::SUCCESS;
    for check in checks {
        let args: Vec<(&str, &str)> =
            check.args.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let text = |key: &str| catalogues.text(language(), key, &args);
        let verdict = match check.verdict {
            Verdict::Good => "doctor-good",
            Verdict::Poor => "doctor-poor",
            Verdict::Bad => {
                code = ExitCode::FAILURE;
                worst = Message::new("doctor-some-bad");
                "doctor-bad"
            }
        };
        println!("{}  {}", text(verdict), text(&check.key));
        if check.verdict != Verdict::Good {
            println!("      {}", text(&format!("{}-repair", check.key)));
        }
    }
    tell(&[worst])?;
    Ok(code)
}

/// The message for people, the causes below it.
fn report(error: &Error) {
    let message = Catalogues::load().map(|messages| messages.error(language(), error));
    eprintln!("carrel: {}", message.unwrap_or_else(|_| error.to_string()));
    eprintln!("  ({})", error.detail());
}
