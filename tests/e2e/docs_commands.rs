//! The commands of README and docs, run as they stand: what they are to print is what they print.
//!
//! A comment before a block says where that differs: `<!-- not run: WHY -->`, `<!-- runs until Ctrl-C -->`, and
//! before an output that those commands do not print, `<!-- an example -->`.

mod operate;
mod shown;

use crate::system::{LONG, folder};
use std::cell::RefCell;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use testutil::{Database, Process, Program, Signal, built, nats_url, poll, unique, workspace};

/// The pages that a reader follows after the tour, with its data.
const PAGES: [&str; 6] = [
    "docs/subscriptions.md",
    "docs/ingest.md",
    "docs/api.md",
    "docs/dumps.md",
    "docs/operate/metrics.md",
    "docs/operate/tls-and-keys.md",
];

/// What a page shows after its commands.
enum Shown {
    Json(String),
    Text(String),
}

/// A block of commands, with the output that the page shows after it.
struct Block {
    page: &'static str,
    commands: String,
    until_ctrl_c: bool,
    shown: Option<Shown>,
}

/// The blocks of a page that are run.
fn blocks(page: &'static str) -> Vec<Block> {
    let text = std::fs::read_to_string(workspace().join(page)).unwrap();
    // Every other part is a block: its language, then its text.
    let parts: Vec<&str> = text.split("\n```").collect();
    let mut blocks: Vec<Block> = Vec::new();
    // Whether the commands above are run.
    let mut run = false;
    for pair in parts.chunks_exact(2) {
        let (prose, (language, block)) = (pair[0].trim_end(), pair[1].split_once('\n').unwrap_or((pair[1], "")));
        let comment = prose.lines().last().unwrap_or_default();
        match language {
            "sh" if comment.starts_with("<!-- not run: ") => run = false,
            "sh" => {
                run = true;
                blocks.push(Block {
                    page,
                    commands: block.to_owned(),
                    until_ctrl_c: comment == "<!-- runs until Ctrl-C -->",
                    shown: None,
                });
            }
            // Right below the commands, or after a word on them.
            "json" | "text" if comment != "<!-- an example -->" => {
                if let Some(last) = blocks.last_mut()
                    && run
                    && last.shown.is_none()
                    && !prose.contains("\n#")
                {
                    let shown = block.to_owned();
                    last.shown = Some(match language {
                        "json" => Shown::Json(shown),
                        _ => Shown::Text(shown),
                    });
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
    /// A database, a bus and a folder, where a page says "of yours".
    servers: Vec<(&'static str, String)>,
}

impl Reader {
    fn new() -> Self {
        Self {
            folder: folder(),
            up: None,
            here: Vec::new(),
            servers: Vec::new(),
        }
    }

    /// A reader with this database and this bus.
    fn with_servers(database: &str, bus: &str) -> Self {
        let mut reader = Self::new();
        let backups = reader.folder.path().join("backups").display().to_string();
        reader.servers = vec![
            (
                "postgres://odograph:PASSWORD@127.0.0.1:5432/odograph",
                format!("'{database}'"),
            ),
            ("nats://127.0.0.1:4222/readings", bus.to_owned()),
            ("/var/backups/odograph", backups),
            ("$PWD/target/release", programs()),
        ];
        reader
    }

    /// Puts the programs that are tested in front of the path, as the tour does.
    fn add_programs(&self) {
        self.output("export PATH=\"$PWD/target/release:$PATH\"").unwrap();
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("tour")
    }

    /// These commands with the addresses and folders of here.
    fn here(&self, commands: &str) -> String {
        let mut commands = commands.to_owned();
        for (there, here) in self.here.iter().chain(&self.servers) {
            commands = commands.replace(there, here);
        }
        commands
    }

    /// Runs Odograph, in the place of the one that runs.
    async fn start(&mut self) {
        self.stop().await;
        let mut up = Program::new("odograph")
            .args(["up", "--notifier-port", "0", "--allow-target", "127.0.0.1"])
            .arg("--data-dir")
            .arg(self.data())
            .start()
            .await;
        let ingest = up.address("main").await;
        let (notifier, receiver) = (up.address("notifier").await, free_port());
        self.here = vec![
            (
                "odograph subscriptions",
                format!("odograph subscriptions --url http://{notifier}"),
            ),
            ("listen --name", format!("listen --port {receiver} --name")),
            ("127.0.0.1:5003", format!("127.0.0.1:{receiver}")),
            ("$PWD/target/release", programs()),
            ("/tmp/odograph-tour", self.data().display().to_string()),
            ("odograph replay -", format!("odograph replay --url http://{ingest} -")),
            ("127.0.0.1:5000", ingest.to_string()),
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

    /// What these commands print; the reason where they fail.
    fn output(&self, commands: &str) -> Result<String, String> {
        let output = self.shell(commands).stdin(Stdio::null()).output().unwrap();
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("{output:?}"))
    }

    /// Runs a block until it succeeds: what it shows may take a moment.
    async fn run(&mut self, block: &Block) {
        if block.until_ctrl_c && block.commands.starts_with("odograph up") {
            self.start().await;
            // It greets once it is ready; its output arrives a moment later.
            let greeted = poll(LONG, async || {
                let said = self.up.as_ref()?.stdout().join("\n");
                said.contains("Odograph is running").then_some(said)
            });
            let greeting = greeted.await;
            return block.shows(greeting.trim_start());
        }
        if block.until_ctrl_c && block.commands.starts_with("ingestor --tls-cert") {
            return self.run_with_tls(block).await;
        }
        if block.until_ctrl_c && block.commands.contains("subscriptions listen") {
            let answers = "curl -s -o answer -w '%{http_code}' http://127.0.0.1:5003 || true";
            return self.run_until_ctrl_c(block, answers).await;
        }
        if block.until_ctrl_c {
            let latest = "curl -s http://127.0.0.1:5000/api/statistics/latest";
            return self.run_until_ctrl_c(block, latest).await;
        }
        let last = RefCell::new(String::new());
        let succeeds = poll(2 * LONG, async || {
            let output = self.output(&block.commands);
            output.map_err(|failed| *last.borrow_mut() = failed).ok()
        });
        let Ok(printed) = tokio::time::timeout(LONG, succeeds).await else {
            panic!("{}:\n{}\ngave {}", block.page, block.commands, last.borrow());
        };
        block.shows(&printed);
    }

    /// Runs an ingestor with a certificate until it answers with it.
    async fn run_with_tls(&mut self, block: &Block) {
        let port = free_port();
        let bus = nats_url(&unique("readings"));
        let flags = format!("ingestor --port {port} --admin-port 0 --event-writer-url {bus} --tls-cert");
        self.here.push(("ingestor --tls-cert", flags));
        let answers = format!(
            "curl -s -o answer -w '%{{http_code}}' --cacert server.pem https://127.0.0.1:{port}/ingest || true"
        );
        self.run_until_ctrl_c(block, &answers).await;
    }

    /// Runs a block until these commands print something else than before.
    async fn run_until_ctrl_c(&mut self, block: &Block, probe: &str) {
        let before = self.output(probe);
        let running = self.begin(block);
        poll(LONG, async || (self.output(probe) != before).then_some(())).await;
        running.end("INT");
    }

    /// Starts a block in a process group of its own.
    fn begin(&self, block: &Block) -> Running {
        let shell = self
            .shell(&block.commands)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Running(Some(shell.unwrap()))
    }
}

/// A block that runs, in a process group of its own; dropping it kills the group.
struct Running(Option<Child>);

impl Running {
    fn end(mut self, signal: &str) {
        let ended = self.0.take().is_some_and(|leader| end(leader, signal));
        assert!(ended, "the commands have ended by themselves");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(leader) = self.0.take() {
            end(leader, "KILL");
        }
    }
}

/// Sends this signal to a process group and waits for its leader. Returns whether one of it was there.
fn end(mut leader: Child, signal: &str) -> bool {
    // The leader was not waited for, so that its id is still its own.
    let mut kill = Command::new("kill");
    kill.args([&format!("-{signal}"), "--", &format!("-{}", leader.id())]);
    let ended = kill.stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success()) && leader.wait().is_ok()
}

/// The folder of the programs that are tested.
fn programs() -> String {
    built("odograph").parent().unwrap().display().to_string()
}

/// A port that no server listens on.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn of_the_readme() {
    let mut reader = Reader::new();
    let mut run = 0;
    let mut outputs = 0;
    for block in blocks("README.md") {
        if block.commands.contains("export PATH") {
            reader.start().await;
        }
        reader.run(&block).await;
        run += 1;
        outputs += usize::from(block.shown.is_some());
    }
    assert!(run > 4 && outputs == 4, "{run} blocks, {outputs} with their output");
    reader.stop().await;
}

/// Page after page, as a reader goes on with the data of the tour.
#[tokio::test]
async fn of_the_pages() {
    let database: Database = testutil::database().await;
    testutil::give_roles(&database.url()).await;
    let mut reader = Reader::with_servers(&database.url(), &nats_url(&unique("readings")));
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
    for page in crate::docs::pages() {
        let name: &'static str = page
            .strip_prefix(workspace())
            .map(Path::to_path_buf)
            .unwrap()
            .display()
            .to_string()
            .leak();
        if ["README.md", "docs/tour.md"].contains(&name) || PAGES.contains(&name) || operate::PAGES.contains(&name) {
            continue;
        }
        let first = blocks(name).into_iter().next();
        assert!(first.is_none(), "{name}: no test runs\n{}", first.unwrap().commands);
    }
}
