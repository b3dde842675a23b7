//! Files for viewers beside the browser: `.vv` for virt-viewer, `.rdp` for Remote Desktop and FreeRDP.
//!
//! Each has a ticket in it, good for one viewer, and leads to this server's own port.

use std::fs;
use std::io::Cursor;
use std::sync::Arc;

use rocket::futures::future::BoxFuture;
use rocket::http::{ContentType, Method};
use rocket::{Data, Request, Response};

use super::consoles::MODULE;
use crate::api::App;
use crate::api::call::Call;
use crate::api::download::disposition;
use crate::api::endpoint::{Endpoint, Scope, Streamed, streaming};
use crate::api::work::blocking;
use crate::desktops::Holder;
use crate::error::{Context, Error, Result};
use crate::identity::Permission;
use crate::node::protocol::ScreenProtocol;
use crate::settings::certificate;
use crate::settings::{Settings, ViewerAddress};

const PATH: &str = "/api/v1.0/desktops/{desktop_uuid}/viewer/{kind}";
/// What the line of a file of settings ends with.
const CRLF: &str = "\r\n";

pub fn own_endpoint() -> Endpoint {
    streaming(Method::Post, "carrel.desktops.viewer", PATH, file)
        .needs_in(Permission::DesktopsConsole, Scope::Group)
        .audited(MODULE, "log-viewer-file")
        .sends("application/octet-stream")
        .summary(
            "A file that opens a running desktop in a viewer once, within 60 seconds: kind spice is a .vv for \
             virt-viewer, rdp a .rdp for Remote Desktop",
        )
}

/// A file as it is handed out.
struct ViewerFile {
    name: String,
    media: ContentType,
    text: String,
}

fn file<'r>(
    app: Arc<App>,
    call: Call,
    _: &'r Request<'_>,
    _: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    Box::pin(async move {
        let made = blocking(move || make(&app, &call)).await?;
        let ViewerFile { name, media, text } = made;
        let mut response = Response::build();
        response.header(media).raw_header("Cache-Control", "no-store");
        response.raw_header("Content-Disposition", disposition(&name));
        response.sized_body(text.len(), Cursor::new(text));
        Ok(Streamed::Response(response.finalize()))
    })
}

fn make(app: &App, call: &Call) -> Result<ViewerFile> {
    let by = match call.param("kind")? {
        "spice" => ScreenProtocol::Spice,
        "rdp" => ScreenProtocol::Rdp,
        other => return Err(Error::not_found("viewer-unknown").arg("kind", other)),
    };
    let uuid = call.uuid("desktop_uuid")?;
    call.note.about(uuid.to_string());
    let caller = call.caller()?;
    let address = address(app, call)?;
    let holder = Holder { actor: call.actor.clone(), caller: caller.clone() };
    let (name, word) = app.desktops.viewer_ticket(&call.visible, holder, uuid, by)?;
    call.note.about(name.clone());
    match by {
        ScreenProtocol::Rdp => Ok(ViewerFile {
            name: format!("{name}.rdp"),
            media: ContentType::new("application", "x-rdp"),
            text: rdp(&address, &word, &caller.name),
        }),
        _ => Ok(ViewerFile {
            name: format!("{name}.vv"),
            media: ContentType::new("application", "x-virt-viewer"),
            text: vv(&address, &word, &name, trust(&app.settings)?.as_ref()),
        }),
    }
}

/// Where viewers reach this server: the address that the administrator names for them, or the one under which the page
/// was opened.
///
/// # Errors
/// `viewer-behind-proxy`: the page came by a proxy, through which a viewer cannot come.
fn address(app: &App, call: &Call) -> Result<ViewerAddress> {
    if let Some(address) = &app.settings.viewer_address {
        return Ok(address.clone());
    }
    if call.origin.is_of_proxy() {
        return Err(Error::conflict("viewer-behind-proxy"));
    }
    let (host, port) = call.origin.host_and_port();
    let unusable = || Error::internal(format_args!("viewers at {host}:{port}"));
    ViewerAddress::new(host, port).ok_or_else(unusable)
}

/// By what a viewer knows that it speaks with this server.
struct Trust {
    /// PEM; `None` for a certificate of an authority that the viewer's machine knows.
    authorities: Option<String>,
    /// Whom the certificate names, where its names are not those by which the server is reached perhaps.
    subject: Option<String>,
}

/// `None`: without TLS.
fn trust(settings: &Settings) -> Result<Option<Trust>> {
    if settings.is_plain() {
        return Ok(None);
    }
    let (chain, _) = settings.certificate();
    let text = fs::read_to_string(&chain).context("read the certificate")?;
    let issued = certificate::issued(&chain)?;
    Ok(Some(Trust {
        authorities: issued.is_rooted.then_some(text),
        subject: settings.tls.is_none().then_some(issued.subject),
    }))
}

/// A file for virt-viewer: <https://gitlab.com/virt-viewer/virt-viewer>, `man remote-viewer`.
fn vv(address: &ViewerAddress, word: &str, name: &str, trust: Option<&Trust>) -> String {
    let mut lines = vec![
        "[virt-viewer]".to_owned(),
        "type=spice".to_owned(),
        format!("host={}", address.host),
        format!("password={word}"),
        format!("title={}", one_line(name)),
        "delete-this-file=1".to_owned(),
        "enable-usbredir=1".to_owned(),
        "enable-usb-autoshare=0".to_owned(),
    ];
    match trust {
        None => lines.push(format!("port={}", address.port)),
        Some(Trust { authorities, subject }) => {
            lines.push(format!("tls-port={}", address.port));
            lines.push("secure-channels=all".to_owned());
            let escaped = |text: &String| text.replace('\r', "").replace('\n', "\\n");
            lines.extend(authorities.as_ref().map(|text| format!("ca={}", escaped(text))));
            lines.extend(subject.as_ref().map(|subject| format!("host-subject={subject}")));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A file of Remote Desktop's settings. Whom to sign in as in the desktop is asked there: this is a proposal.
fn rdp(address: &ViewerAddress, word: &str, user: &str) -> String {
    let lines = [
        format!("full address:s:{address}"),
        format!("loadbalanceinfo:s:Cookie: carrel={word}"),
        format!("username:s:{}", one_line(user)),
        "prompt for credentials:i:1".to_owned(),
        "authentication level:i:2".to_owned(),
        "enablecredsspsupport:i:1".to_owned(),
        "autoreconnection enabled:i:1".to_owned(),
        "screen mode id:i:2".to_owned(),
        "use multimon:i:1".to_owned(),
        "dynamic resolution:i:1".to_owned(),
        "redirectclipboard:i:1".to_owned(),
        "audiomode:i:0".to_owned(),
        "audiocapturemode:i:1".to_owned(),
        "gatewayusagemethod:i:0".to_owned(),
        String::new(),
    ];
    lines.join(CRLF)
}

/// What people chose cannot add lines.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str) -> ViewerAddress {
        ViewerAddress::new(host, 8443).expect("an address")
    }

    #[test]
    fn names_add_no_lines() {
        let text = vv(&at("a.example"), "word", "pc1\nproxy=http://evil.example", None);
        assert!(text.lines().any(|line| line == "title=pc1 proxy=http://evil.example"), "{text}");
        assert!(text.lines().any(|line| line == "port=8443"));
        assert!(!text.contains("tls-port") && !text.contains("ca="));
        let text = rdp(&at("2001:db8::7"), "word", "ann\r\nfull address:s:evil.example");
        assert_eq!(text.split(CRLF).filter(|line| line.starts_with("full address")).count(), 1);
        assert!(text.contains("full address:s:[2001:db8::7]:8443\r\n"), "{text}");
    }

    #[test]
    fn a_certificate_of_its_own_goes_with_the_file_on_one_line() {
        let trust = Trust {
            authorities: Some("-----BEGIN\r\nabc\n-----END\n".to_owned()),
            subject: Some("CN=carrel,O=Carrel".to_owned()),
        };
        let text = vv(&at("a.example"), "word", "pc1", Some(&trust));
        let has = |wanted: &str| text.lines().any(|line| line == wanted);
        assert!(has("ca=-----BEGIN\\nabc\\n-----END\\n"), "{text}");
        assert!(has("tls-port=8443") && has("host-subject=CN=carrel,O=Carrel"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("port=")));
    }
}
