//! What the console page has of a real desktop beside its picture: sound and clipboard, both ways.

use std::f64::consts::TAU;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::page::Page;
use crate::support::{ADMIN, DebianDesktop, PASSWORD, Server, wait_until};

/// The guest answers beside a browser, under software emulation.
const SLOW: Duration = Duration::from_secs(120);
const FREQUENCY: f64 = 44_100.0;
/// Frames after which both tones begin anew.
const PERIOD: usize = 2_205;
const LEFT: f64 = 440.0;
const RIGHT: f64 = 660.0;
/// What the guest plays: `perl` makes the same numbers as [`tone`].
const PLAY: &str = "perl -e 'for my $n (0..88199) { print pack(\"s<s<\", \
     map { int(12000 * sin(8 * atan2(1, 1) * $n * $_ / 44100)) } (440, 660)) }' >/tmp/tone; \
     for c in Master PCM; do amixer -q -c 0 sset $c 100% unmute; done; \
     aplay -q -D hw:0,0 -t raw -f S16_LE -c 2 -r 44100 --buffer-time=400000 /tmp/tone";
/// An unbroken piece of so many frames: a fifth of a second. Software emulation does not keep up for long.
const UNBROKEN: usize = 8_820;

/// Keeps what the page is sent to play, what it says of sound to QEMU, and how loud its end is.
const EAVESDROP: &str = "window.frames_heard = []; window.said = []; window.loudest = 0;\
     const post = MessagePort.prototype.postMessage;\
     MessagePort.prototype.postMessage = function (data, ...more) {\
       if (data instanceof Int16Array) window.frames_heard.push(...data);\
       return post.call(this, data, ...more) };\
     const send = WebSocket.prototype.send;\
     WebSocket.prototype.send = function (data) {\
       const bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);\
       if (bytes[0] === 255 && bytes[1] === 1) window.said.push([...bytes]);\
       return send.call(this, data) };\
     const connect = AudioNode.prototype.connect;\
     AudioNode.prototype.connect = function (...to) {\
       if (to[0] === this.context.destination) {\
         const ear = new AnalyserNode(this.context); const wave = new Float32Array(ear.fftSize);\
         connect.call(this, ear);\
         setInterval(() => { ear.getFloatTimeDomainData(wave);\
           window.loudest = Math.max(window.loudest, ...wave) }, 20) }\
       return connect.apply(this, to) };";

/// A browser with the desktop's console, over HTTPS.
#[track_caller]
pub fn console(server: &Server, uuid: &str) -> Page {
    let page = Page::open("en");
    page.resize((1280, 800));
    page.go_past_the_warning(&format!("{}/sign-in", server.base()));
    page.fill("[data-test=username]", ADMIN);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
    page.until("the overview", || (page.path() == "/").then_some(()));
    page.go(&format!("{}/console/desktop/{uuid}", server.base()));
    page.until("a connected console", || {
        let state = "return document.querySelector('[data-test=console-state]')?.dataset.state";
        (page.script(state) == "connected").then_some(())
    });
    page
}

/// What is seen there, for README.
pub fn picture(page: &Page) {
    page.picture("desktop-console");
    if std::env::var("PICTURE").is_ok_and(|wish| wish == "write") {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/screenshot.png");
        std::fs::write(file, page.png()).expect("write the picture");
    }
}

fn tone() -> Vec<[i16; 2]> {
    #[expect(clippy::cast_possible_truncation, reason = "as the guest does")]
    let at = |n: f64, hertz: f64| (12_000.0 * (TAU * n * hertz / FREQUENCY).sin()) as i16;
    (0..PERIOD).map(|n| n as f64).map(|n| [at(n, LEFT), at(n, RIGHT)]).collect()
}

/// The longest unbroken piece of the tone in what was heard, in frames; a sample may be off by one, by rounding.
fn longest(heard: &[[i16; 2]]) -> usize {
    let tone = tone();
    let same = |a: &[i16; 2], b: &[i16; 2]| a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 1);
    let mut best = 0;
    let mut start = 0;
    while start < heard.len() {
        let run = |phase: usize| {
            let played = tone.iter().cycle().skip(phase);
            heard[start..]
                .iter()
                .zip(played)
                .take_while(|(heard, played)| same(heard, played))
                .count()
        };
        let here = (0..PERIOD).map(run).max().unwrap_or_default();
        best = best.max(here);
        start += here.max(1);
    }
    best
}

fn frames(page: &Page) -> Vec<[i16; 2]> {
    let samples: Vec<i16> =
        serde_json::from_value(page.script("return window.frames_heard")).expect("samples");
    samples.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
}

fn is_silent(frame: &[i16; 2]) -> bool {
    *frame == [0, 0]
}

/// The tone that the guest plays arrives as it was played, and nothing is sent while nobody listens.
#[track_caller]
pub fn hears(guest: &DebianDesktop<'_>, page: &Page) {
    page.script(EAVESDROP);
    page.click("[data-test=console-state] canvas");
    page.see("[data-test=sound][data-state=on]", "");
    page.picture("console-sound");
    let said = json!([[255, 1, 0, 2, 3, 2, 0, 0, 0xac, 0x44, 255, 1, 0, 0]]);
    page.until("the wish to hear", || (page.script("return window.said") == said).then_some(()));
    guest.sh(PLAY);
    page.until("the tone", || (page.script("return window.loudest").as_f64()? > 0.1).then_some(()));
    let heard = frames(page);
    let sounding: Vec<_> = heard.into_iter().skip_while(is_silent).collect();
    let unbroken = longest(&sounding);
    println!("{unbroken} frames of {} are as they were played", sounding.len());
    assert!(unbroken >= UNBROKEN, "{unbroken} of {}: {:?}", sounding.len(), &sounding.get(..40));

    page.click("[data-test=sound-toggle]");
    page.see("[data-test=sound][data-state=muted]", "");
    let last = || page.script("window.frames_heard = []; return window.said.at(-1)");
    assert_eq!(last(), json!([255, 1, 0, 1]));
    guest.sh(PLAY);
    assert_eq!(page.script("return window.frames_heard.length"), 0);
}

/// What is copied inside, as `ana`.
fn inside(guest: &DebianDesktop<'_>) -> Option<String> {
    guest.try_sh("su ana -c 'DISPLAY=:0 timeout 20 xclip -o -selection clipboard'")
}

#[track_caller]
fn copy_inside(guest: &DebianDesktop<'_>, text: &str) {
    guest.sh(&format!("printf '%s' '{text}' >/tmp/copied"));
    guest.open("xclip -selection clipboard /tmp/copied");
}

/// Texts pass by spice-vdagent: by hand, and by themselves once that is allowed.
#[track_caller]
pub fn copies(guest: &DebianDesktop<'_>, page: &Page) {
    let out = "Ångström 你好";
    copy_inside(guest, out);
    page.click("[data-test=paste]");
    page.until("what was copied inside", || {
        let shown = page.script("return document.querySelector('[data-test=from-guest]').value");
        (shown == out).then_some(())
    });
    page.picture("console-clipboard");
    let into = "für das 桌面\nzwei";
    let quoted: Value = json!(into);
    page.fill("[data-test=paste-text]", into);
    page.click("[data-test=send-clipboard]");
    page.see_no_more(".el-dialog", "");
    wait_until("a text from the page", SLOW, || inside(guest).as_deref() == Some(into));

    let allowed = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    page.devtools("Browser.grantPermissions", &allowed);
    page.devtools("Emulation.setFocusEmulationEnabled", &json!({"enabled": true}));
    page.click("[data-test=paste]");
    page.click("[data-test=share-clipboard]");
    page.until("the switch", || {
        page.script("return localStorage.getItem('carrel.clipboard')")
            .as_str()?
            .eq("true")
            .then_some(())
    });
    copy_inside(guest, "by itself");
    let read = "const done = arguments[0]; navigator.clipboard.readText().then(done, (e) => done(String(e)))";
    page.until("the browser's own clipboard", || {
        (page.script_until_done(read, Vec::new()) == "by itself").then_some(())
    });
    let write = "const [text, done] = arguments;\
         navigator.clipboard.writeText(text).then(() => dispatchEvent(new Event('focus'))).then(() => done(0))";
    page.script_until_done(write, vec![quoted]);
    wait_until("the browser's own text inside", SLOW, || inside(guest).as_deref() == Some(into));
}
