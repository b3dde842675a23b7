//! Builds the server out of its parts and runs it: the one place that knows all of them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rocket::config::{Config, Ident, LogLevel, Shutdown, TlsConfig};
use rocket::fairing::AdHoc;
use rocket::{Build, Rocket};

use crate::api::{self, App, language::Catalogues};
use crate::desktops::Desktops;
use crate::desktops::templates::Templates;
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::images::Images;
use crate::inventory::{Inventory, LocalAgent};
use crate::networks::Networks;
use crate::operations::Operations;
use crate::settings::Settings;
use crate::store::Store;

/// Requests that run when the server stops get this long to end, in seconds.
const GRACE: u32 = 5;

/// Serves until SIGTERM or SIGINT. Guests keep running.
pub async fn serve(settings: Settings) -> Result<()> {
    let app = Arc::new(build(settings)?);
    let figment = rocket_config(&app.settings)?;
    let rocket = api::mount(rocket::custom(figment), &app).attach(announce(&app));
    let rocket = ignite(rocket).await?;
    app.identity.purge()?;
    app.images.start();
    app.templates.start();
    app.networks.keep_nodes_told();
    app.desktops.start();
    app.inventory.connect_local(local_agent(&app.settings))?;
    app.operations.start()?;
    let watchdog = rocket::tokio::spawn(feed_watchdog());
    let result = rocket.launch().await;
    watchdog.abort();
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    app.operations.stop();
    result.map(drop).map_err(|cause| listen_error(&app.settings, cause))
}

/// Opens the store and builds the domain parts, in the order of their dependence.
fn build(settings: Settings) -> Result<App> {
    let store = Store::open(&settings.database())?;
    let operations = Operations::new(store.clone());
    let identity = Identity::new(store.clone());
    let inventory = Inventory::open(store.clone())?;
    let images = Images::new(store.clone(), operations.clone(), inventory.clone());
    let networks = Networks::open(store.clone(), inventory.clone(), operations.clone())?;
    let templates = Templates::new(
        store.clone(),
        operations.clone(),
        inventory.clone(),
        networks.clone(),
        images.clone(),
    );
    let desktops =
        Desktops::new(store.clone(), operations.clone(), inventory.clone(), networks.clone());
    let language = Catalogues::load()?;
    Ok(App {
        language,
        settings,
        store,
        identity,
        inventory,
        images,
        networks,
        operations,
        templates,
        desktops,
    })
}

/// How the agent of this machine is reached and what it is told.
fn local_agent(settings: &Settings) -> LocalAgent {
    let storages = settings.storages.iter().map(|path| path.to_string_lossy().into_owned());
    LocalAgent {
        socket: settings.agent_socket.clone(),
        libvirt_uri: settings.libvirt_uri.clone(),
        virt_type: settings.virt_type.word().to_owned(),
        storages: storages.collect(),
    }
}

fn rocket_config(settings: &Settings) -> Result<Config> {
    let tls = match (settings.is_plain(), &settings.tls) {
        (true, _) => None,
        (false, Some((chain, key))) => Some(TlsConfig::from_paths(chain, key)),
        (false, None) => Some(own_certificate(&settings.data_dir)?),
    };
    Ok(Config {
        address: settings.listen.ip(),
        port: settings.listen.port(),
        tls,
        ident: Ident::none(),
        ip_header: None,
        log_level: LogLevel::Off,
        cli_colors: false,
        shutdown: Shutdown { grace: GRACE, mercy: 1, ..Shutdown::default() },
        ..Config::release_default()
    })
}

/// The certificate made at first start; kept, so that browsers ask about it once.
fn own_certificate(data_dir: &Path) -> Result<TlsConfig> {
    let (chain, key) = (data_dir.join("tls-certificate.pem"), data_dir.join("tls-key.pem"));
    if !chain.exists() || !key.exists() {
        let names = vec!["localhost".to_owned(), "carrel".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).context("make a certificate")?;
        write_private(&key, &made.signing_key.serialize_pem())?;
        write_private(&chain, &made.cert.pem())?;
    }
    Ok(TlsConfig::from_paths(chain, key))
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = file.context(format_args!("write {}", path.display()))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).context("write a certificate")
}

/// One line when the server answers, also for systemd.
fn announce(app: &Arc<App>) -> AdHoc {
    let app = Arc::clone(app);
    AdHoc::on_liftoff("ready", move |rocket| {
        Box::pin(async move {
            let config = rocket.config();
            let scheme = if config.tls_enabled() { "https" } else { "http" };
            let address = SocketAddr::new(config.address, config.port);
            tracing::info!("listening on {scheme}://{address}");
            print_setup_link(&app, &format!("{scheme}://{address}")).await;
            let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
        })
    })
}

/// As long as there is no administrator: prints the link that makes one, once at each start. On
/// standard output and not in the log, so that no choice of log level hides it.
async fn print_setup_link(app: &Arc<App>, base: &str) {
    let identity = app.identity.clone();
    match api::blocking(move || identity.setup_token()).await {
        Ok(Some(token)) => println!("setup link: {base}/setup?token={}", token.text()),
        Ok(None) => {}
        Err(error) => tracing::error!(error = error.detail(), "no set-up link"),
    }
}

/// Tells systemd that the process is alive, at half the interval that the unit asks for.
async fn feed_watchdog() {
    let mut micros = 0;
    if !sd_notify::watchdog_enabled(false, &mut micros) {
        return;
    }
    let mut ticks = rocket::tokio::time::interval(Duration::from_micros(micros / 2));
    loop {
        ticks.tick().await;
        let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]);
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
    Error::new(Kind::Conflict, "listen-failed").arg("address", settings.listen).arg("cause", text)
}
