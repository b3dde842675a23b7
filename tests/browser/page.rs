//! A browser with one page, steered by WebDriver as a person would: see, click, type, choose.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::error::{CmdError, NewSessionError};
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support;

/// How long something may take to appear; software emulation in the background makes pages slow.
const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(100);

/// One test at a time. Chromium breaks off what it loads when an interface of the machine comes or goes, as
/// those of a lab node do that another test starts.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A browser of its own, with an empty profile. It ends when this is dropped.
pub struct Page {
    runtime: Runtime,
    client: Client,
    driver: Child,
    /// Where the driver listens.
    port: u16,
    _profile: TempDir,
}

impl Page {
    /// Opens a browser that speaks `language`.
    ///
    /// # Panics
    /// When chromium or chromedriver cannot be started.
    pub fn open(language: &str) -> Self {
        Self::open_with(language, &[])
    }

    /// As [`Page::open`], which finds `name` at `address`.
    ///
    /// # Panics
    /// When chromium or chromedriver cannot be started.
    pub fn open_knowing(language: &str, name: &str, address: &str) -> Self {
        Self::open_with(language, &[format!("--host-resolver-rules=MAP {name} {address}")])
    }

    fn open_with(language: &str, arguments: &[String]) -> Self {
        // Chromium may end before its driver found it, where much else begins at that moment.
        let begin = || Self::try_open(language, arguments);
        begin().or_else(|_| begin()).or_else(|_| begin()).expect("a browser")
    }

    fn try_open(language: &str, arguments: &[String]) -> Result<Self, Box<NewSessionError>> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver; `make test` installs it");
        let lines = BufReader::new(driver.stdout.take().expect("piped")).lines();
        let port = port_of(lines);
        let profile = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a profile folder");
        let capabilities = capabilities(language, profile.path(), arguments);
        let runtime = Runtime::new().expect("a runtime");
        let connect = async {
            let mut builder =
                ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
            builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await
        };
        match runtime.block_on(connect) {
            Ok(client) => Ok(Self { runtime, client, driver, port, _profile: profile }),
            Err(error) => {
                driver.kill().expect("end chromedriver");
                driver.wait().expect("end chromedriver");
                Err(Box::new(error))
            }
        }
    }

    pub fn go(&self, url: &str) {
        self.runtime.block_on(self.client.goto(url)).expect("the page loads");
    }

    /// Goes to a page whose certificate nobody vouches for, as who reads the warning and goes on all the same.
    #[track_caller]
    pub fn go_past_the_warning(&self, url: &str) {
        // The driver may take the warning for a page that does not load.
        drop(self.runtime.block_on(self.client.goto(url)));
        self.until("the warning", || {
            let go_on = "document.getElementById('details-button')?.click();\
                 const link = document.getElementById('proceed-link'); link?.click(); return Boolean(link)";
            self.script(go_on).as_bool()?.then_some(())
        });
        self.until("the page behind the warning", || {
            let shown = self.script("return document.getElementById('app')?.innerText ?? ''");
            (!shown.as_str()?.is_empty()).then_some(())
        });
    }

    /// The path of the page that is shown.
    pub fn path(&self) -> String {
        self.runtime.block_on(self.client.current_url()).expect("an address").path().to_owned()
    }

    /// What the page itself gets from its server at `path`.
    pub fn fetch(&self, path: &str) -> Value {
        let script = "const [path, done] = arguments; fetch(path).then((a) => a.json()).then(done)";
        let asked = self.client.execute_async(script, vec![json!(path)]);
        self.runtime.block_on(asked).expect("the page asks its server")
    }

    /// Waits until `css` is visible and enabled and clicks it; again when the page moved under the click.
    #[track_caller]
    pub fn click(&self, css: &str) {
        self.until(&format!("a click on {css}"), || self.click_once(&self.visible(css)?));
    }

    /// A click on what is disabled would do nothing, and be no error.
    fn click_once(&self, element: &Element) -> Option<()> {
        let clicked = async {
            match element.is_enabled().await? {
                true => element.click().await.map(Some),
                false => Ok(None),
            }
        };
        self.runtime.block_on(clicked).ok().flatten()
    }

    /// Clicks the first visible `css` that contains `text`.
    #[track_caller]
    pub fn click_text(&self, css: &str, text: &str) {
        self.until(&format!("a click on {css} with {text:?}"), || {
            let element =
                self.visible_all(css).into_iter().find(|e| self.text_of(e).contains(text))?;
            self.click_once(&element)
        });
    }

    /// Replaces what stands in a field.
    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        self.until(&format!("the field {css}"), || {
            let element = self.visible(css)?;
            self.runtime
                .block_on(async {
                    element.click().await?;
                    // select everything, so that typing replaces it also where the page guards the value
                    element.send_keys("\u{e009}a\u{e000}").await?;
                    element.send_keys(text).await
                })
                .ok()
        });
    }

    /// Types where the focus is.
    pub fn type_keys(&self, keys: &str) {
        self.runtime
            .block_on(async { self.client.active_element().await?.send_keys(keys).await })
            .expect("keys go where the focus is");
    }

    /// Gives a file to the file field below `css`, which need not be visible.
    #[track_caller]
    pub fn choose_file(&self, css: &str, file: &Path) {
        let css = format!("{css} input[type=file]");
        let path = file.to_string_lossy().into_owned();
        self.until(&format!("the file field {css}"), || {
            let element = self.all(&css).into_iter().next()?;
            self.runtime.block_on(element.send_keys(&path)).ok()
        });
    }

    /// Opens the choice `css` and takes the entry that contains `text`: again where the list moved under the
    /// click, as it does while it opens, and another one was hit.
    #[track_caller]
    pub fn choose(&self, css: &str, text: &str) {
        self.until(&format!("{text:?} among the choices of {css}"), || {
            // Again when it was closed under the click, as by a dialog that takes the focus when it has opened.
            if self.all(&format!("{css} [aria-expanded=true]")).is_empty() {
                self.runtime.block_on(self.visible(css)?.click()).ok()?;
            }
            let items = self.visible_all(".el-select-dropdown__item");
            let item = items.into_iter().find(|item| self.text_of(item).contains(text))?;
            self.runtime.block_on(item.click()).ok()?;
            self.is_taken(&item).then_some(())
        });
    }

    /// Whether an entry of a choice becomes the chosen one. One that is gone has led away from its page.
    fn is_taken(&self, item: &Element) -> bool {
        (0..10).any(|_| {
            let class = self.runtime.block_on(item.attr("class"));
            let taken = !matches!(&class, Ok(Some(class)) if !class.contains("is-selected"));
            if !taken {
                std::thread::sleep(Duration::from_millis(50));
            }
            taken
        })
    }

    /// Waits until something visible at `css` contains `text`.
    #[track_caller]
    pub fn see(&self, css: &str, text: &str) {
        self.see_within(css, text, PATIENCE);
    }

    #[track_caller]
    pub fn see_within(&self, css: &str, text: &str, limit: Duration) {
        self.until_within(&format!("{text:?} at {css}"), limit, || {
            let found =
                self.visible_all(css).iter().any(|element| self.text_of(element).contains(text));
            found.then_some(())
        });
    }

    /// Waits until nothing visible at `css` contains `text`.
    #[track_caller]
    pub fn see_no_more(&self, css: &str, text: &str) {
        self.until(&format!("no {text:?} at {css}"), || {
            let found =
                self.visible_all(css).iter().any(|element| self.text_of(element).contains(text));
            (!found).then_some(())
        });
    }

    /// Goes to the tab that was opened last.
    #[track_caller]
    pub fn newest_tab(&self) {
        self.until("another tab", || {
            let tabs = self.runtime.block_on(self.client.windows()).ok()?;
            let newest = tabs.into_iter().nth(1)?;
            self.runtime.block_on(self.client.switch_to_window(newest)).ok()
        });
    }

    /// This tab, to be gone back to with [`Page::to_tab`].
    pub fn tab(&self) -> WindowHandle {
        self.runtime.block_on(self.client.window()).expect("a tab")
    }

    /// Opens an address in another tab and goes there.
    pub fn new_tab(&self, url: &str) -> WindowHandle {
        let opened = self.runtime.block_on(self.client.new_window(true)).expect("another tab");
        self.to_tab(&opened.handle);
        self.go(url);
        opened.handle
    }

    pub fn to_tab(&self, tab: &WindowHandle) {
        self.runtime.block_on(self.client.switch_to_window(tab.clone())).expect("the tab");
    }

    /// Closes this tab. The next thing to do is [`Page::to_tab`].
    pub fn leave_tab(&self) {
        self.runtime.block_on(self.client.close_window()).expect("the tab closes");
    }

    /// Puts the tab to sleep as a browser does with one that nobody looks at, or wakes it.
    pub fn sleep(&self, asleep: bool) {
        let state = if asleep { "frozen" } else { "active" };
        self.devtools("Page.setWebLifecycleState", &json!({"state": state}));
    }

    /// Forgets every file that was loaded: the next page is the first.
    pub fn forget_files(&self) {
        self.devtools("Network.clearBrowserCache", &json!({}));
    }

    /// Shows everything as a phone does.
    pub fn on_a_phone(&self) {
        self.resize((390, 844));
    }

    /// Shows everything on a screen of so many pixels, across and down; a narrow one is a phone's.
    pub fn resize(&self, (width, height): (u32, u32)) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 720,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// A command of Chromium's own protocol for this tab.
    pub fn devtools(&self, command: &str, parameters: &Value) {
        let session = self.runtime.block_on(self.client.session_id()).expect("a session");
        let path = format!("/session/{}/goog/cdp/execute", session.expect("a session"));
        let driver = support::Client::new(&format!("http://127.0.0.1:{}", self.port));
        driver
            .post(&path)
            .json(&json!({"cmd": command, "params": parameters}))
            .send()
            .expect_status(200);
    }

    /// Closes this tab and goes back to the first.
    #[track_caller]
    pub fn close_tab(&self) {
        self.runtime
            .block_on(async {
                self.client.close_window().await?;
                let first = self.client.windows().await?.into_iter().next();
                self.client.switch_to_window(first.expect("the first tab")).await
            })
            .expect("back in the first tab");
    }

    /// Runs JavaScript and gives what it returns.
    #[track_caller]
    pub fn script(&self, code: &str) -> Value {
        self.runtime.block_on(self.client.execute(code, Vec::new())).expect("the script runs")
    }

    /// Runs JavaScript that calls its last argument with what it gives.
    #[track_caller]
    pub fn script_until_done(&self, code: &str, arguments: Vec<Value>) -> Value {
        self.runtime.block_on(self.client.execute_async(code, arguments)).expect("the script runs")
    }

    /// Ends what fades and slides, so that everything stands where it will.
    pub fn settle(&self) {
        let finish = "const done = arguments[0];\
             const twoFramesLater = (go) => requestAnimationFrame(() => requestAnimationFrame(go));\
             twoFramesLater(() => {\
                 document.getAnimations().forEach((it) => {\
                     if (it.effect.getComputedTiming().endTime !== Infinity) it.finish()\
                 });\
                 twoFramesLater(() => done(true))\
             })";
        self.script_until_done(finish, Vec::new());
    }

    /// A picture of what is shown.
    pub fn picture(&self, name: &str) {
        self.settle();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
        std::fs::create_dir_all(&folder).expect("a folder for pictures");
        std::fs::write(folder.join(format!("{name}.png")), self.png()).expect("write the picture");
    }

    /// What is shown, as PNG.
    pub fn png(&self) -> Vec<u8> {
        self.runtime.block_on(self.client.screenshot()).expect("a picture")
    }

    #[track_caller]
    pub fn until<T>(&self, what: &str, probe: impl FnMut() -> Option<T>) -> T {
        self.until_within(what, PATIENCE, probe)
    }

    #[track_caller]
    fn until_within<T>(
        &self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut() -> Option<T>,
    ) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = probe() {
                return found;
            }
            if started.elapsed() > limit {
                self.picture("failed");
                let text = self.script("return document.body.innerText");
                panic!(
                    "waited {limit:?} in vain for {what}; shown at {}:\n{}",
                    self.path(),
                    text.as_str().unwrap_or_default()
                );
            }
            std::thread::sleep(STEP);
        }
    }

    fn all(&self, css: &str) -> Vec<Element> {
        self.runtime.block_on(self.client.find_all(Locator::Css(css))).unwrap_or_default()
    }

    fn visible_all(&self, css: &str) -> Vec<Element> {
        let shown = |element: &Element| {
            let shown: Result<bool, CmdError> = self.runtime.block_on(element.is_displayed());
            shown.unwrap_or(false)
        };
        self.all(css).into_iter().filter(shown).collect()
    }

    fn visible(&self, css: &str) -> Option<Element> {
        self.visible_all(css).into_iter().next()
    }

    fn text_of(&self, element: &Element) -> String {
        self.runtime.block_on(element.text()).unwrap_or_default()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.client.clone().close());
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// chromedriver chooses a free port and says which; its later lines are read so that it never blocks.
fn port_of(mut lines: impl Iterator<Item = std::io::Result<String>> + Send + 'static) -> u16 {
    let port = loop {
        let line = lines.next().expect("a line that names the port").expect("readable");
        let word = line.strip_suffix('.').and_then(|line| line.rsplit(' ').next()?.parse().ok());
        if let (Some(port), true) = (word, line.contains("started successfully")) {
            break port;
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    port
}

fn capabilities(language: &str, profile: &Path, more: &[String]) -> serde_json::Map<String, Value> {
    let arguments = [
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--window-size=1280,900".to_owned(),
        format!("--lang={language}"),
        format!("--accept-lang={language}"),
        format!("--user-data-dir={}", profile.display()),
    ];
    let arguments: Vec<&String> = arguments.iter().chain(more).collect();
    let options = json!({
        "args": arguments,
        "prefs": {"intl.accept_languages": language, "credentials_enable_service": false},
    });
    let mut capabilities = serde_json::Map::new();
    capabilities.insert("browserName".into(), json!("chrome"));
    capabilities.insert("goog:chromeOptions".into(), options);
    capabilities
}
