//! The commands of README and docs, run as they stand: what they are to print is what they print.
//!
//! A comment before a block says where that differs: `<!-- not run: WHY -->`, and
//! `<!-- runs until Ctrl-C -->`.

use crate::system::{LONG, folder};
use std::cell::RefCell;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use testutil::{Process, Program, Signal, built, poll, workspace};

/// The pages that a reader follows after the tour, with its data.
const PAGES: [&str; 5] = [
    "docs/ingest.md",
    "docs/api.md",
    "docs/dumps.md",
    "docs/operate/metrics.md",
    "docs/operate/tls-and-keys.md",
];

/// A block of commands, with the JSON that the page shows after it.
struct Block {
    page: &'static str,
    commands: String,
    until_ctrl_c: bool,
    shown: Option<String>,
}

/// The blocks of a page that are run.
fn blocks(page: &'static str) -> Vec<Block> {
    let text = std::fs::read_to_string(workspace().join(page)).unwrap();
    // Every other part is a block: its language, then its text.
    let parts: Vec<&str> = text.split("\n```").collect();
    let mut blocks: Vec<Block> = Vec::new();
    for pair in parts.chunks_exact(2) {
        let (prose, (language, block)) = (pair[0].trim_end(), pair[1].split_once('\n').unwrap_or((pair[1], "")));
        let comment = prose.lines().last().unwrap_or_default();
        match language {
            "sh" if comment.starts_with("<!-- not run: ") => {}
            "sh" => blocks.push(Block {
                page,
                commands: block.to_owned(),
                until_ctrl_c: comment == "<!-- runs until Ctrl-C -->",
                shown: None,
            }),
            // Right below the commands, or after a word on them.
            "json" => {
                if let Some(last) = blocks.last_mut()
                    && last.shown.is_none()
                    && !prose.contains("\n#")
                {
                    last.shown = Some(block.to_owned());
                }
            }
            _ => {}
        }
    }
    blocks
}

/// A terminal in which a reader follows the pages, beside the one where Odograph runs.
struct Reader {
    folder: tempfile::TempDir,
    up: Option<Process>,
    /// What the pages write, and what it is here.
    here: Vec<(&'static str, String)>,
}

impl Reader {
    fn new() -> Self {
        Self {
            folder: folder(),
            up: None,
            here: Vec::new(),
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("tour")
    }

    /// These commands with the addresses and folders of here.
    fn here(&self, commands: &str) -> String {
        let mut commands = commands.to_owned();
        for (there, here) in &self.here {
            commands = commands.replace(there, here);
        }
        commands
    }

    /// Runs Odograph, in the place of the one that runs.
    async fn start(&mut self) {
        self.stop().await;
        let mut up = Program::new("odograph")
            .args(["up", "--api-port", "0", "--data-dir"])
            .arg(self.data())
            .start()
            .await;
        let programs = built("odograph").parent().unwrap().display().to_string();
        let ingest = up.address("main").await;
        self.here = vec![
            ("$PWD/target/release", programs),
            ("/tmp/odograph-tour", self.data().display().to_string()),
            ("odograph replay -", format!("odograph replay --url http://{ingest} -")),
            ("127.0.0.1:5000", ingest.to_string()),
            ("127.0.0.1:5001", up.address("api").await.to_string()),
            ("127.0.0.1:5100", up.address("admin").await.to_string()),
        ];
        self.up = Some(up);
    }

    async fn stop(&mut self) {
        if let Some(mut up) = self.up.take() {
            up.signal(Signal::SIGINT);
            assert_eq!(up.wait(LONG).await, 0);
        }
    }

    /// A shell that knows what the ones before it have exported.
    fn shell(&self, commands: &str) -> Command {
        let exported = self.folder.path().join("exported");
        let (exported, commands) = (exported.display(), self.here(commands));
        let script = format!("set -e; if [ -e {exported} ]; then . {exported}; fi\n{commands}\nexport -p > {exported}");
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).current_dir(self.folder.path());
        shell
    }

    /// Runs a block until it succeeds: what it shows may take a moment.
    async fn run(&mut self, block: &Block) {
        if block.until_ctrl_c && block.commands.starts_with("odograph up") {
            return self.start().await;
        }
        if block.until_ctrl_c {
            return self.run_until_ctrl_c(block).await;
        }
        let last = RefCell::new(String::new());
        let succeeds = poll(2 * LONG, async || {
            let output = self.shell(&block.commands).stdin(Stdio::null()).output().unwrap();
            *last.borrow_mut() = format!("{output:?}");
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            output.status.success().then_some(printed)
        });
        let Ok(printed) = tokio::time::timeout(LONG, succeeds).await else {
            panic!("{}:\n{}\ngave {}", block.page, block.commands, last.borrow());
        };
        if let Some(shown) = &block.shown {
            // The tour has its own data; other pages are read whenever, so that values differ.
            let is_as_shown = match block.page {
                "README.md" | "docs/tour.md" => is_as_shown(shown, &printed),
                _ => has_keys_of(shown, &printed),
            };
            assert!(
                is_as_shown,
                "{}:\n{}\nThe page shows\n{shown}\nbut it prints\n{printed}",
                block.page, block.commands
            );
        }
    }

    /// Runs a block until readings of it have arrived.
    async fn run_until_ctrl_c(&mut self, block: &Block) {
        let latest = "curl -s http://127.0.0.1:5001/api/statistics/latest";
        let before = self.shell(latest).output().unwrap().stdout;
        let mut running = self
            .shell(&block.commands)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        poll(LONG, async || {
            let now = self.shell(latest).output().unwrap().stdout;
            (now != before).then_some(())
        })
        .await;
        let ended = Command::new("kill")
            .args(["-INT", "--", &format!("-{}", running.id())])
            .status();
        assert!(ended.unwrap().success());
        running.wait().unwrap();
    }
}

/// Whether the output is what the page shows, where `…` stands for anything; ids differ.
fn is_as_shown(shown: &str, printed: &str) -> bool {
    let mut rest = printed;
    let shown = shown.trim_end();
    let mut parts = shown.split('…').peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        // The page shows how an id begins.
        let part = match part.rsplit_once("\"id\":\"") {
            Some((before, _)) if parts.peek().is_some() => format!("{before}\"id\":\""),
            _ => part.to_owned(),
        };
        let Some(at) = rest.find(&part).filter(|at| !first || *at == 0) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        first = false;
    }
    rest.trim().is_empty() || shown.ends_with('…')
}

/// Whether the output has every key that the page shows.
fn has_keys_of(shown: &str, printed: &str) -> bool {
    let ends = shown.match_indices("\":").map(|(at, _)| &shown[..at]);
    let mut keys = ends.filter_map(|before| before.rsplit_once('"'));
    keys.all(|(_, key)| printed.contains(&format!("\"{key}\":")))
}

#[tokio::test]
async fn of_the_readme() {
    let mut reader = Reader::new();
    let mut run = 0;
    for block in blocks("README.md") {
        if block.commands.contains("export PATH") {
            reader.start().await;
        }
        reader.run(&block).await;
        run += 1;
    }
    assert!(run > 4, "{run} blocks");
    reader.stop().await;
}

/// Page after page, as a reader goes on with the data of the tour.
#[tokio::test]
async fn of_the_pages() {
    let mut reader = Reader::new();
    let mut tour = blocks("docs/tour.md");
    let last = tour.pop().unwrap();
    assert_eq!(last.commands.trim(), "rm -r /tmp/odograph-tour");
    for block in tour {
        if block.commands.contains("export PATH") {
            reader.start().await;
        }
        reader.run(&block).await;
    }
    for page in PAGES {
        let blocks = blocks(page);
        assert!(!blocks.is_empty(), "{page} has no commands");
        for block in blocks {
            reader.run(&block).await;
        }
    }
    reader.stop().await;
    reader.run(&last).await;
    assert!(!reader.data().exists());
}

/// Every block of commands is run by a test, or says why not.
#[test]
fn every_page_is_run() {
    // A developer's own commands, and an operator's own roles.
    let exceptions = ["CONTRIBUTING.md", "SECURITY.md"];
    for page in crate::docs::pages() {
        let name: &'static str = page
            .strip_prefix(workspace())
            .map(Path::to_path_buf)
            .unwrap()
            .display()
            .to_string()
            .leak();
        if ["README.md", "docs/tour.md"].contains(&name) || PAGES.contains(&name) || exceptions.contains(&name) {
            continue;
        }
        let first = blocks(name).into_iter().next();
        assert!(first.is_none(), "{name}: no test runs\n{}", first.unwrap().commands);
    }
}
