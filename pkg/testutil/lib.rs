//! Real parts for tests: a fresh database, stream or prefix on the servers that `make test` starts (the
//! program `with-servers`), private servers that a test may kill, our own programs as real processes, and a browser.
//!
//! ```no_run
//! # async fn run() {
//! use std::time::Duration;
//! use testutil::{Program, Signal};
//!
//! let database = testutil::database().await;
//! let mut api = Program::new("api").env("DATABASE_URL", database.url()).start().await;
//! println!("{}/api/status", api.url().await);
//! api.signal(Signal::SIGTERM);
//! assert_eq!(api.wait(Duration::from_secs(60)).await, 0);
//! # }
//! ```
//!
//! Functions panic with a sentence that says what to do, since a test cannot handle errors. A missing
//! server fails tests instead of skipping them.
//!
//! Deliberately not here: mocks.

pub mod browser;
mod certificate;
mod clock;
mod cluster;
mod database;
mod http;
pub mod nats;
mod peers;
mod pgbouncer;
mod postgres;
mod program;
mod roles;
mod running;
pub mod s3;
mod wait;

pub use certificate::Authority;
pub use clock::Clock;
pub use cluster::Cluster;
pub use database::{Database, database, database_in, url_as};
pub use nats::{Nats, nats_url};
pub use nix::sys::signal::Signal;
pub use peers::{javascript, python};
pub use pgbouncer::PgBouncer;
pub use postgres::{Place, Postgres};
pub use program::{Process, Program, built, code, listening};
pub use roles::give_roles;
pub use running::Running;
pub use s3::{S3, s3};
pub use wait::poll;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The folder of real recordings beside the workspace. Prints a notice where it is missing.
#[must_use]
pub fn recordings() -> Option<PathBuf> {
    shared("data", "AGAINST REAL RECORDINGS")
}

/// A folder of `../shared`, beside the workspace. Where it is missing, prints a notice of what is not tested.
#[must_use]
pub fn shared(name: &str, what: &str) -> Option<PathBuf> {
    let folder = workspace().parent()?.join("shared").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let _ = writeln!(
        std::io::stderr(),
        "\n*** NOT TESTED {what}: {} is not there ***\n",
        folder.display()
    );
    None
}

/// A unique name: `prefix_`, then letters and digits. Valid for a database, a stream, a bucket's prefix or
/// a device.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // The clock distinguishes processes with the same, reused id.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    format!("{prefix}_{now:x}_{:x}_{count:x}", std::process::id())
}

/// A variable that `with-servers` sets.
fn variable(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) => value,
        Err(_) => panic!(
            "{name} is not set: the tests need real servers; run `make test`, or put `target/debug/with-servers` in front of the command"
        ),
    }
}

/// A program in `.tools/bin`, else by its name from `PATH`.
fn tool(name: &str) -> PathBuf {
    let ours = workspace().join(".tools/bin").join(name);
    if ours.is_file() { ours } else { name.into() }
}
