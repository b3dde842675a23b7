//! Viewers beside the browser open a desktop by their files, through the controller's own port.

use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::story::{
    BOOT, DESKTOP_GROUPS, act, deploy, desktops_of, group_param, make_classroom, make_template,
    text, upload,
};
use crate::support::{ADMIN, Answer, Client, LabNode, PASSWORD, Server, Site, wait_until};

/// A viewer draws what it was sent within this, beside other work.
const SHOWN: Duration = Duration::from_secs(60);
/// Of the text on a console, which crosses in more or fewer bits.
const GREY: RangeInclusive<u8> = 0xa4..=0xaf;
const WHITE: RangeInclusive<u8> = 0xf0..=0xff;
const PANEL: RangeInclusive<u8> = 0xe8..=0xff;
/// A real system makes a whole session, under software emulation.
const SIGNED_IN: Duration = Duration::from_secs(300);

/// A screen of X that nobody sees, with its picture in a file.
struct Screen {
    process: Child,
    display: String,
    folder: TempDir,
    viewer: Option<Running>,
}

impl Screen {
    /// `ground`: `-br` is black and `-wr` white.
    fn start(ground: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let mut process = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp", ground])
            .arg("-fbdir")
            .arg(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb");
        let mut number = String::new();
        let said = process.stdout.take().expect("piped");
        BufReader::new(said).read_line(&mut number).expect("the number of the display");
        Self { process, display: format!(":{}", number.trim()), folder, viewer: None }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.display).env("HOME", self.folder.path());
        command.env("NO_AT_BRIDGE", "1").env("GDK_BACKEND", "x11");
        command.stdin(Stdio::null());
        command
    }

    /// What the viewer on it says.
    fn log(&self) -> PathBuf {
        self.folder.path().join("viewer.log")
    }

    /// Grey pixels of this brightness. The file is that of xwd: a header in big numbers, colours, and the pixels.
    fn count(&self, grey: RangeInclusive<u8>) -> usize {
        let picture = fs::read(self.folder.path().join("Xvfb_screen0")).expect("a picture");
        let number = |place: usize| {
            let four = picture[4 * place..][..4].try_into().expect("four bytes");
            u32::from_be_bytes(four) as usize
        };
        let (header, colours, height, line) = (number(0), number(19), number(5), number(12));
        let pixels = &picture[header + 12 * colours..][..height * line];
        // Some crosses as a film, whose colours are not exact.
        let is_grey =
            |pixel: &&[u8]| pixel[0].abs_diff(pixel[1]).max(pixel[1].abs_diff(pixel[2])) < 5;
        let pixels = pixels.chunks_exact(4).filter(is_grey);
        pixels.filter(|pixel| grey.contains(&pixel[1])).count()
    }

    /// Starts a viewer, which says what happens into a file.
    fn view(&mut self, program: &str, arguments: &[&str]) {
        let said = fs::File::create(self.log()).expect("a log");
        let mut command = self.command(program);
        command.args(arguments).stdout(said.try_clone().expect("its log")).stderr(said);
        let started = command.spawn().unwrap_or_else(|cause| panic!("{program}: {cause}"));
        self.viewer = Some(Running(started));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("viewer-failed.xwd");
            let _ = fs::copy(self.folder.path().join("Xvfb_screen0"), &kept);
            let said = fs::read_to_string(self.log()).unwrap_or_default();
            let last = said.len().saturating_sub(6000);
            eprintln!("{}: what was on the screen\n{}", kept.display(), &said[last..]);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A program that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Room {
    node: std::sync::Arc<LabNode>,
    server: Server,
    desktop: Value,
}

/// A desktop that runs, with all that viewers may ask for, on a server with its own certificate.
fn room() -> Room {
    let node = LabNode::up();
    let server = Server::with().env("CARREL_PLAIN_HTTP", "0").on(&node).start();
    assert!(server.base().starts_with("https://"), "{}", server.base());
    let site = Site::of_default(&server);
    let image = upload(&site);
    let template = make_template(&site, &image);
    let group = deploy(&site, &make_classroom(&site), &template, "lab", 1);
    let value = json!({"uuid": group, "name": "lab", "value": {"spice": "usb"}});
    site.admin.put(DESKTOP_GROUPS).json(&value).send().data();
    site.wait_idle();
    act(&site.admin, DESKTOP_GROUPS, "start", "vdi.edu-desktops.start", group_param(&group, "lab"));
    let desktop = desktops_of(&site.admin, &group).remove(0);
    node.guest_status(&text(&desktop, "ipaddr"), "eth0", BOOT);
    Room { node, server, desktop }
}

impl Room {
    fn ask(&self, client: &Client, kind: &str) -> Answer {
        let path = format!("/api/v1.0/desktops/{}/viewer/{kind}", text(&self.desktop, "uuid"));
        client.with_header("Accept-Language", "en").post(&path).send()
    }

    /// The kinds of channels by which somebody sees the desktop, by QEMU's word.
    fn channels(&self) -> Vec<i64> {
        let ask = r#"{"execute":"query-spice"}"#;
        let answer = self.node.virsh(&["qemu-monitor-command", &text(&self.desktop, "uuid"), ask]);
        let answer: Value = serde_json::from_str(&answer).expect("an answer of QEMU");
        let channels = answer["return"]["channels"].as_array().cloned().unwrap_or_default();
        channels.iter().filter_map(|channel| channel["channel-type"].as_i64()).collect()
    }
}

#[test]
fn viewers_open_a_desktop_by_their_files() {
    let room = room();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    by_spice(&room, folder.path());
    by_rdp(&room);
}

fn by_spice(room: &Room, folder: &Path) {
    let visitor = room.server.admin().stranger().sign_in(ADMIN, PASSWORD);
    let answer = room.ask(&visitor, "spice");
    answer.expect_status(200);
    assert!(answer.body.contains("ca=-----BEGIN CERTIFICATE-----\\n"), "{}", answer.body);
    let (file, again) = (folder.join("desktop.vv"), folder.join("again.vv"));
    fs::write(&file, &answer.body).expect("a file");
    fs::write(&again, &answer.body).expect("a file");
    let mut screen = Screen::start("-br");
    let path = |file: &Path| file.to_str().expect("text").to_owned();
    screen.view("remote-viewer", &["--debug", &path(&file)]);
    // Screen, keyboard, pointer and USB devices.
    let wanted = [1, 2, 3, 4, 9];
    wait_until("the channels of a viewer", SHOWN, || {
        let open = room.channels();
        wanted.iter().all(|channel| open.contains(channel))
    });
    wait_until("the desktop in the viewer", SHOWN, || screen.count(GREY) > 500);
    assert!(!file.exists(), "a viewer deletes the file");
    // The ticket is used, and somebody else's viewer has the same file.
    let mut other = Screen::start("-br");
    let before = room.channels().len();
    other.view("remote-viewer", &["--spice-debug", &path(&again)]);
    wait_until("the refusal of a used ticket", SHOWN, || {
        let said = fs::read_to_string(other.log()).unwrap_or_default();
        said.contains("main-1:0: link result: reply 7")
    });
    assert_eq!(room.channels().len(), before);
    // Who signs out sees no more, as in a console.
    visitor.post("/api/account/logout").send().expect_status(204);
    wait_until("the end of the viewer's channels", Duration::from_secs(2), || {
        room.channels().is_empty()
    });
}

fn by_rdp(room: &Room) {
    let admin = room.server.admin();
    let refusal = room.ask(&admin, "rdp");
    assert!(refusal.body.contains("does not answer by RDP"), "{}", refusal.body);
    // What answers there is a white screen beside the guest.
    let shadow = "Xvfb -displayfd 3 -screen 0 640x480x24 -nolisten tcp -wr 3>/tmp/display & \
         until [ -s /tmp/display ]; do sleep 0.1; done; \
         DISPLAY=:$(cat /tmp/display) exec freerdp-shadow-cli /port:3389 /sec:tls -auth";
    let mut shell = room.node.command("sh");
    let shell = shell.args(["-c", shadow]).stdin(Stdio::null());
    let shell = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _shadow = Running(shell.expect("freerdp-shadow-cli"));
    let address = text(&room.desktop, "ipaddr");
    assert!(room.node.ask_guest(&address, "rdp").is_some());
    let screen = open_rdp(&admin, &text(&room.desktop, "uuid"), ("ann", "secret"));
    wait_until("the desktop in the viewer", SHOWN, || screen.count(WHITE) > 600 * 400);
}

/// Whoever signs in with the file to the real system of a desktop gets a session of their own: a panel in almost white,
/// which no question for a password is.
#[track_caller]
pub fn signs_in_by_rdp(admin: &Client, desktop: &str, who: (&str, &str)) {
    let screen = open_rdp(admin, desktop, who);
    wait_until("a session in the viewer", SIGNED_IN, || screen.count(PANEL) > 15_000);
}

/// A desktop by its `.rdp` file, as soon as something answers there, on a black screen.
fn open_rdp(admin: &Client, desktop: &str, (user, password): (&str, &str)) -> Screen {
    let path = format!("/api/v1.0/desktops/{desktop}/viewer/rdp");
    let mut answer = admin.post(&path).send();
    wait_until("an answer by RDP", SHOWN, || {
        answer = admin.post(&path).send();
        answer.status == 200
    });
    let mut screen = Screen::start("-br");
    let file = screen.folder.path().join("desktop.rdp");
    fs::write(&file, &answer.body).expect("a file");
    let file = file.to_str().expect("text");
    let (user, password) = (format!("/u:{user}"), format!("/p:{password}"));
    let options = [file, "/cert:ignore", "/sec:tls", "-multimon", "/size:1024x768"];
    screen.view("xfreerdp", &[&options[..], &[&user, &password]].concat());
    screen
}
