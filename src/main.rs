//! Carrel: an appliance for virtual desktops. This file is the command line.

mod api;
mod desktops;
mod error;
mod identity;
mod images;
mod inventory;
mod networks;
mod node;
mod operations;
mod server;
mod settings;
mod store;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use api::language::{Catalogues, Language};
use error::{Error, Message, Result};
use identity::cli::AdminCommand;
use settings::{Flags, ServeFlags, Settings};

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
    /// Users, from the command line of the controller, also while the server runs
    #[command(subcommand)]
    Admin(AdminCommand),
}

fn main() -> ExitCode {
    let line = CommandLine::parse();
    match run(line) {
        Ok(said) => {
            tell(&said);
            ExitCode::SUCCESS
        }
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Does what the line says; gives what is to be answered on standard output.
fn run(line: CommandLine) -> Result<Vec<Message>> {
    let serve_flags = match &line.command {
        Command::Serve(flags) => flags.clone(),
        Command::Admin(_) => ServeFlags::default(),
    };
    let settings = Settings::load(&line.flags, &serve_flags)?;
    start_log(&settings)?;
    match line.command {
        Command::Serve(_) => serve(settings).map(|()| Vec::new()),
        Command::Admin(command) => identity::cli::run(&settings, command),
    }
}

/// Serves until it is told to stop. A thread may wait then for an agent that is already gone; what
/// it would have done is taken up at the next start, so it is not waited for.
fn serve(settings: Settings) -> Result<()> {
    let runtime = runtime()?;
    let result = runtime.block_on(server::serve(settings));
    runtime.shutdown_timeout(LAST_WORK);
    result
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

/// Logs go to standard error; what a command answers goes to standard output.
fn start_log(settings: &Settings) -> Result<()> {
    // Rocket's own lines say nothing that ours do not.
    let filter = format!("rocket=error,rusqlite_migration=warn,{}", settings.log);
    let filter = EnvFilter::try_new(filter).map_err(|cause| {
        Error::bad_input("settings-log-wrong").arg("value", &settings.log).because(cause)
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_json {
        true => log.json().init(),
        false => log.with_ansi(false).init(),
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
fn tell(said: &[Message]) {
    let Ok(catalogues) = Catalogues::load() else { return };
    for Message { key, args } in said {
        let args: Vec<(&str, &str)> = args.iter().map(|(n, v)| (*n, v.as_str())).collect();
        println!("{}", catalogues.text(language(), key, &args));
    }
}

/// The message for people, the causes below it.
fn report(error: &Error) {
    let message = Catalogues::load().map(|messages| messages.error(language(), error));
    eprintln!("carrel: {}", message.unwrap_or_else(|_| error.to_string()));
    eprintln!("  ({})", error.detail());
}
