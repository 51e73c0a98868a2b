//! A Chromium of its own, by the WebDriver protocol: Debian's, which `scripts/install-chromium.sh` installs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use crate::{Running, poll, workspace};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

/// Deadline of an answer, and of what is waited for.
const LONG: Duration = Duration::from_secs(120);

/// The key Tab, as WebDriver names it.
pub const TAB: &str = "\u{e004}";
/// The key Enter.
pub const ENTER: &str = "\u{e007}";
/// The key Escape.
pub const ESCAPE: &str = "\u{e00c}";
/// The arrow to the left.
pub const LEFT: &str = "\u{e012}";
/// The arrow to the right.
pub const RIGHT: &str = "\u{e014}";
/// The arrow down.
pub const DOWN: &str = "\u{e015}";
/// The key Home.
pub const HOME: &str = "\u{e011}";
/// The key End.
pub const END: &str = "\u{e010}";

/// The key Shift.
const SHIFT: &str = "\u{e008}";

/// Stops that Tab may make on the way to one.
const STOPS: usize = 150;

/// Moves of a drag.
const STEPS: i32 = 30;

/// The name of what has the focus, as a screen reader says it.
const FOCUSED: &str = "const element = document.activeElement;
    if (element === document.body) return '';
    const name = element.ariaLabel || element.labels?.[0]?.textContent || element.textContent;
    return name.replace(/\\s+/g, ' ').trim()";

/// Sizes of screens: a laptop's, a phone's, and a laptop's at 400 %.
pub const SIZES: [(u32, u32); 3] = [(1440, 900), (390, 844), (320, 640)];

/// A browser without a window, with one page. It ends with its driver, which is killed when this is dropped.
///
/// # Panics
/// All functions do where the browser or the page does not do what is asked for.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    session: String,
    _driver: Running,
    _folder: TempDir,
}

impl Browser {
    /// Starts one that finds no other machine, at the size of a laptop. It keeps logs for [`Browser::console`] and
    /// [`Browser::requests`].
    pub async fn start() -> Self {
        Self::logging(json!({"browser": "ALL", "performance": "ALL"})).await
    }

    /// As [`Browser::start`], without logs: keeping them would cost time that is measured.
    pub async fn start_without_logs() -> Self {
        Self::logging(json!({})).await
    }

    async fn logging(logs: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let install = "run scripts/install-chromium.sh, which `make tools` does";
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        let mut driver = Running::start("chromedriver", &mut command, &log, install).unwrap();
        let port = driver.until(async || {
            let said = fs::read_to_string(&log).ok()?;
            let (_, rest) = said.split_once("started successfully on port ")?;
            rest.split_once('.').map(|(port, _)| port.to_owned())
        });
        let port = port.await.unwrap();
        let arguments = [
            "--headless=new",
            // Without namespaces of users, as in containers and for root.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--lang=en-GB",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "timeouts": {"script": 60_000, "pageLoad": 60_000},
            "goog:chromeOptions": {"args": arguments, "prefs": {"intl.accept_languages": "en-GB,en"}},
            "goog:loggingPrefs": logs,
        }}});
        let mut browser = Self {
            http: client(),
            session: format!("http://127.0.0.1:{port}"),
            _driver: driver,
            _folder: folder,
        };
        let begun = browser.post("/session", wanted).await;
        let id = begun["sessionId"].as_str().unwrap();
        browser.session = format!("{}/session/{id}", browser.session);
        browser.screen(SIZES[0], "light").await;
        browser
    }

    /// Ends it, and waits until it has ended.
    pub async fn end(self) {
        let answer = self.http.delete(&self.session).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let asked = self.http.post(format!("{}{path}", self.session)).json(&body);
        let answer = asked.send().await.unwrap();
        let status = answer.status();
        let answer: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {answer}");
        answer["value"].clone()
    }

    /// Sends a command of the `DevTools` protocol, and returns its result.
    pub async fn command(&self, name: &str, parameters: Value) -> Value {
        let body = json!({"cmd": name, "params": parameters});
        self.post("/goog/cdp/execute", body).await
    }

    /// Sets the size of the screen and the system's theme, `light` or `dark`.
    pub async fn screen(&self, (width, height): (u32, u32), theme: &str) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.command("Emulation.setDeviceMetricsOverride", metrics).await;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        self.command("Emulation.setEmulatedMedia", media).await;
    }

    /// Sets the viewer's time zone.
    pub async fn zone(&self, zone: &str) {
        let zone = json!({"timezoneId": zone});
        self.command("Emulation.setTimezoneOverride", zone).await;
    }

    /// Opens an address, and waits until the view there has a heading.
    pub async fn open(&self, url: &str) {
        self.post("/url", json!({"url": url})).await;
        self.until("return document.querySelector('main h1') !== null").await;
    }

    /// Runs the body of a function in the page. Returns what it returns, or what its promise resolves to.
    pub async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": []})).await
    }

    /// Runs such a body until it returns something that is neither false nor null.
    pub async fn until(&self, script: &str) -> Value {
        poll(LONG, async || {
            let value = self.run(script).await;
            (!value.is_null() && value != false).then_some(value)
        })
        .await
    }

    /// Presses and releases keys, one after the other.
    pub async fn press(&self, keys: &[&str]) {
        self.keys(keys.iter().flat_map(|key| [down(key), up(key)]).collect())
            .await;
    }

    /// As [`Browser::press`], while Shift is held.
    pub async fn press_with_shift(&self, keys: &[&str]) {
        let presses = keys.iter().flat_map(|key| [down(key), up(key)]);
        let presses = [down(SHIFT)].into_iter().chain(presses).chain([up(SHIFT)]);
        self.keys(presses.collect()).await;
    }

    async fn keys(&self, presses: Vec<Value>) {
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": presses}]});
        self.post("/actions", actions).await;
    }

    /// Presses Tab until the focus is on what has this in its name.
    pub async fn tab_to(&self, name: &str) {
        let mut passed = Vec::new();
        while passed.len() < STOPS {
            self.press(&[TAB]).await;
            let focused = self.run(FOCUSED).await;
            if focused.as_str().unwrap().contains(name) {
                return;
            }
            passed.push(focused);
        }
        panic!("Tab does not lead to {name:?}, only to {passed:?}");
    }

    /// Goes to the stop of Tab before this one.
    pub async fn tab_back(&self) {
        self.press_with_shift(&[TAB]).await;
    }

    /// Moves the mouse to a point of the window, in CSS pixels: `[x, y]`.
    pub async fn point(&self, at: &Value) {
        let step = json!({"type": "pointerMove", "duration": 0, "origin": "viewport", "x": at[0], "y": at[1]});
        let mouse =
            json!({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [step]});
        self.post("/actions", json!({"actions": [mouse]})).await;
    }

    /// Presses at a point, moves in steps by so many pixels, and releases: by `mouse` or `touch`.
    pub async fn drag(&self, pointer: &str, [x, y]: [i32; 2], [right, down]: [i32; 2]) {
        let to = |step: i32| {
            let (x, y) = (x + right * step / STEPS, y + down * step / STEPS);
            json!({"type": "pointerMove", "duration": 20, "origin": "viewport", "x": x, "y": y})
        };
        let press = json!({"type": "pointerDown", "button": 0});
        let release = json!({"type": "pointerUp", "button": 0});
        let moves = (1..=STEPS).map(to);
        let actions: Vec<Value> = [to(0), press].into_iter().chain(moves).chain([release]).collect();
        let finger =
            json!({"type": "pointer", "id": pointer, "parameters": {"pointerType": pointer}, "actions": actions});
        self.post("/actions", json!({"actions": [finger]})).await;
    }

    /// Turns the wheel of the mouse at a point, up by so many pixels.
    pub async fn wheel(&self, [x, y]: [i32; 2], up: i32) {
        let turn =
            json!({"type": "scroll", "duration": 0, "origin": "viewport", "x": x, "y": y, "deltaX": 0, "deltaY": -up});
        let wheel = json!({"type": "wheel", "id": "wheel", "actions": [turn]});
        self.post("/actions", json!({"actions": [wheel]})).await;
    }

    /// Goes on in a new window, as large as the first one. Closes the present one: browsers have six connections to a
    /// server, and each page keeps one.
    pub async fn new_window(&self) {
        let window = self.post("/window/new", json!({"type": "window"})).await;
        let closed = self.http.delete(format!("{}/window", self.session)).send();
        assert!(closed.await.unwrap().status().is_success());
        self.post("/window", json!({"handle": window["handle"]})).await;
        self.screen(SIZES[0], "light").await;
    }

    /// Saves what is downloaded in this folder.
    pub async fn save_in(&self, folder: &Path) {
        let behavior = json!({"behavior": "allow", "downloadPath": folder});
        self.command("Browser.setDownloadBehavior", behavior).await;
    }

    /// Tells the page that it is hidden, or visible again.
    pub async fn becomes(&self, state: &str) {
        let script = format!(
            "Object.defineProperty(document, 'visibilityState', {{ value: '{state}', configurable: true }});
            document.dispatchEvent(new Event('visibilitychange'))"
        );
        self.run(&script).await;
    }

    /// What the console said since the last time, violations of the policy included.
    pub async fn console(&self) -> Vec<String> {
        let entries = self.log("browser").await;
        let texts = entries
            .iter()
            .map(|entry| entry["message"].as_str().unwrap().to_owned());
        texts.collect()
    }

    /// The addresses that were asked for since the last time.
    pub async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let urls = entries.iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &event["message"];
            let url = event["params"]["request"]["url"].as_str()?;
            (event["method"] == "Network.requestWillBeSent").then(|| url.to_owned())
        });
        urls.collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.post("/se/log", json!({"type": kind})).await;
        entries.as_array().unwrap().clone()
    }

    /// What axe-core finds against WCAG 2.2 AA and its own good practices.
    pub async fn inaccessible(&self) -> Vec<String> {
        let axe = workspace().join(".tools/axe/node_modules/axe-core/axe.min.js");
        let axe = fs::read_to_string(&axe)
            .unwrap_or_else(|error| panic!("{}: {error}: run scripts/install-chromium.sh", axe.display()));
        self.run(&axe).await;
        let found = self
            .run(
                "const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
                const told = ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target + ' ' + node.failureSummary)}`;
                return axe.run(document, { runOnly: tags }).then(({ violations }) => violations.map(told));",
            )
            .await;
        let found = found.as_array().unwrap().iter();
        found.map(|one| one.as_str().unwrap().to_owned()).collect()
    }
}

/// A client of HTTP for tests, with a deadline.
///
/// # Panics
/// Where TLS cannot be set up.
pub fn client() -> reqwest::Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(LONG).build().unwrap()
}

fn down(key: &str) -> Value {
    json!({"type": "keyDown", "value": key})
}

fn up(key: &str) -> Value {
    json!({"type": "keyUp", "value": key})
}
