//! Builds the server out of its parts and runs it: the one place that knows all of them.

mod certificate;
mod files;
mod front;
mod links;
pub mod memory;
mod reserve;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rocket::config::{Config, Ident, LogLevel, Shutdown};
use rocket::fairing::AdHoc;
use rocket::{Build, Rocket};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::api::{self, App, OperationNews, Peers, Waits, language::Catalogues};
use crate::desktops::Desktops;
use crate::desktops::templates::Templates;
use crate::error::{Context, Error, Kind, Result};
use crate::identity::{Identity, Mailer, register_import};
use crate::images::Images;
use crate::inventory::{Inventory, NodeAgent, Way};
use crate::monitor::Monitor;
use crate::networks::Networks;
use crate::node::watchdog;
use crate::operations::{LiveSettings, Operations};
use crate::settings::Settings;
use crate::store::{self, Store};
use certificate::Certificate;
use front::Front;

/// Requests that run when the server stops get this long to end, in seconds.
const GRACE: u32 = 5;

/// How long the first start waits for the default network, so that whoever comes first finds it.
const FIRST_PATIENCE: Duration = Duration::from_secs(3);

/// Serves until SIGTERM or SIGINT. Guests keep running.
pub async fn serve(settings: Settings) -> Result<()> {
    let files = files::raise_limit();
    let app = Arc::new(build(settings)?);
    let hangup = signal(SignalKind::hangup()).context("wait for SIGHUP")?;
    let (front, peers) = front(&app, files).await?;
    let reload = reload_on_hangup(hangup, front.certificate());
    let rocket = api::mount(rocket::custom(rocket_config()), &app).manage(peers);
    let rocket = rocket.attach(announce(&app, front));
    let rocket = ignite(rocket).await?;
    app.identity.purge()?;
    app.images.start();
    app.templates.start();
    app.networks.keep_nodes_told();
    app.inventory.keep_ssh_access();
    app.desktops.start();
    app.monitor.keep_samples();
    app.inventory.keep_nodes(local_agent(&app.settings))?;
    app.networks.wait_for_default(FIRST_PATIENCE).await?;
    app.operations.start()?;
    app.operations.keep_log(&app.live);
    let beside = [
        rocket::tokio::spawn(watchdog::feed()),
        rocket::tokio::spawn(memory::give_back()),
        rocket::tokio::spawn(reserve::keep(Arc::clone(&app))),
        rocket::tokio::spawn(reload),
        rocket::tokio::spawn(api::tell_operations(Arc::clone(&app))),
    ];
    let result = rocket.launch().await;
    beside.iter().for_each(rocket::tokio::task::JoinHandle::abort);
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    app.operations.stop();
    result.map(drop).map_err(|cause| listen_error(&app.settings, cause))
}

/// Opens the store and builds the domain parts, in the order of their dependence.
fn build(settings: Settings) -> Result<App> {
    store::reserve::give_up_if_full(&settings.data_dir);
    store::sound::check(&settings.database())?;
    let store = Store::open(&settings.database())?;
    if let Err(error) = store::reserve::keep_beside(&settings.data_dir) {
        tracing::warn!(error = error.detail(), "no reserve for a full disk");
    }
    let operations = Operations::new(store.clone());
    let live = LiveSettings::new(store.clone(), settings.live);
    let identity = Identity::new(store.clone(), &settings);
    register_import(&identity, &operations);
    let inventory = Inventory::open(store.clone())?;
    let images = Images::new(store.clone(), operations.clone(), inventory.clone());
    let monitor = Monitor::new(store.clone(), inventory.clone());
    let networks = Networks::open(store.clone(), inventory.clone(), operations.clone())?;
    let templates = Templates::new(
        store.clone(),
        operations.clone(),
        inventory.clone(),
        networks.clone(),
        images.clone(),
        live.clone(),
    );
    let desktops = Desktops::new(
        store.clone(),
        operations.clone(),
        inventory.clone(),
        networks.clone(),
        live.clone(),
    );
    let language = Catalogues::load()?;
    let mail = settings.smtp.as_ref().map(Mailer::new).transpose()?;
    Ok(App {
        language,
        settings,
        store,
        identity,
        inventory,
        images,
        networks,
        monitor,
        operations,
        live,
        operation_news: OperationNews::new(),
        waits: Waits::default(),
        templates,
        desktops,
        mail,
        base: OnceLock::new(),
    })
}

/// How the agent of this machine is reached and what it is told.
fn local_agent(settings: &Settings) -> NodeAgent {
    let storages = settings.storages.iter().map(|path| path.to_string_lossy().into_owned());
    NodeAgent {
        way: settings.agent_socket.clone().map_or(Way::InProcess, Way::Socket),
        libvirt_uri: settings.libvirt_uri.clone(),
        virt_type: settings.virt_type.word().to_owned(),
        storages: storages.collect(),
    }
}

/// Where clients come in.
async fn front(app: &Arc<App>, files: u64) -> Result<(Front, Arc<Peers>)> {
    let peers = Peers::new();
    let settings = &app.settings;
    let certificate = if settings.is_plain() { None } else { Some(Certificate::open(settings)?) };
    let front = Front::bind(app, certificate, Arc::clone(&peers), files).await?;
    Ok((front, peers))
}

/// Behind the front it is for this machine alone, on a port that is free.
fn rocket_config() -> Config {
    Config {
        address: Ipv4Addr::LOCALHOST.into(),
        port: 0,
        ident: Ident::none(),
        ip_header: None,
        log_level: LogLevel::Off,
        cli_colors: false,
        shutdown: Shutdown { grace: GRACE, mercy: 1, ..Shutdown::default() },
        ..Config::release_default()
    }
}

/// The usual signal after a certificate was renewed; it would end the process otherwise.
async fn reload_on_hangup(mut hangup: Signal, certificate: Option<Arc<Certificate>>) {
    while hangup.recv().await.is_some() {
        let Some(certificate) = certificate.clone() else {
            tracing::info!("asked to read the certificate again: there is none");
            continue;
        };
        let read = rocket::tokio::task::spawn_blocking(move || certificate.reload()).await;
        if let Err(cause) = read {
            tracing::error!(%cause, "the certificate was not read again");
        }
    }
}

/// One line when the server answers, also for systemd.
fn announce(app: &Arc<App>, front: Front) -> AdHoc {
    let app = Arc::clone(app);
    AdHoc::on_liftoff("ready", move |rocket| {
        Box::pin(async move {
            let scheme = if app.settings.is_plain() { "http" } else { "https" };
            let address = front.address();
            rocket::tokio::spawn(front.run(rocket.config().port, rocket.shutdown()));
            tracing::info!("listening on {scheme}://{address}");
            let bases = links(&app, scheme, address).await;
            tracing::info!("the web console opens at {}", bases.join(" "));
            print_setup_links(&app, &bases).await;
            send_mail(&app, bases).await;
            let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
        })
    })
}

async fn links(app: &Arc<App>, scheme: &'static str, address: SocketAddr) -> Vec<String> {
    let public_url = app.settings.public_url.clone();
    let find = move || Ok(links::bases(scheme, address, public_url.as_deref()));
    api::blocking(find).await.unwrap_or_else(|error| {
        tracing::error!(error = error.detail(), "names of this machine");
        vec![format!("{scheme}://{address}")]
    })
}

/// As long as there is no administrator: prints the link that makes one, once at each start and by every
/// name of this machine, best first. On standard output and not in the log, so that no choice of log level hides it.
async fn print_setup_links(app: &Arc<App>, bases: &[String]) {
    let identity = app.identity.clone();
    match api::blocking(move || identity.setup_token()).await {
        Ok(Some(token)) => {
            for base in bases {
                println!("setup link: {base}/setup?token={}", token.text());
            }
        }
        Ok(None) => {}
        Err(error) => tracing::error!(error = error.detail(), "no set-up link"),
    }
}

/// From now on links in mails lead here. What an earlier process left unsent is sent.
async fn send_mail(app: &Arc<App>, bases: Vec<String>) {
    app.base.get_or_init(|| bases.into_iter().next().unwrap_or_default());
    let app = Arc::clone(app);
    if let Err(error) = api::blocking(move || api::send_pending(&app)).await {
        tracing::error!(error = error.detail(), "mails stay unsent until the next start");
    }
}

async fn ignite(rocket: Rocket<Build>) -> Result<Rocket<rocket::Ignite>> {
    rocket.ignite().await.map_err(|cause| {
        let text = match cause.kind() {
            rocket::error::ErrorKind::Collisions(found) => format!("{:?}", found.routes),
            other => other.to_string(),
        };
        Error::internal(format_args!("build the web server: {text}"))
    })
}

fn listen_error(settings: &Settings, cause: rocket::Error) -> Error {
    let text = match cause.kind() {
        rocket::error::ErrorKind::Bind(inner) => inner.to_string(),
        other => other.to_string(),
    };
    // Rocket prints and panics when an error is dropped that nobody looked at; `kind` looked at it.
    drop(cause);
    not_listening(settings.listen, text)
}

fn not_listening(address: SocketAddr, cause: impl std::fmt::Display) -> Error {
    Error::new(Kind::Conflict, "listen-failed").arg("address", address).arg("cause", cause)
}
