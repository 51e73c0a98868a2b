//! The frame of every program: flags, logs, signals, readiness, metrics, and an end within a deadline.
//!
//! A program's `main` is one line, `service::main(PROGRAM, run)`; its `run` reads top to bottom:
//! connections, then serve. It spawns background tasks through [`Service::spawn`], which awaits each at
//! the end and reports its failure.
//!
//! ```no_run
//! # #[derive(clap::Parser)]
//! # struct Args {
//! #     #[command(flatten)]
//! #     service: service::Options,
//! # }
//! # impl service::Arguments for Args {
//! #     fn service(&self) -> &service::Options {
//! #         &self.service
//! #     }
//! # }
//! const PROGRAM: service::Program = service::Program { name: "waiter", admin_port: 5199, secrets: &[] };
//!
//! async fn run(_: Args, service: service::Service) -> anyhow::Result<()> {
//!     service.stop().cancelled().await;
//!     Ok(())
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     service::main(PROGRAM, run)
//! }
//! ```
//!
//! Deliberately not here: the work of a program.

mod admin;
mod boot;
mod files;
mod health;
mod parse;
mod serving;
mod signals;
mod telemetry;

pub use admin::METRICS_CONTENT_TYPE;
pub use boot::{Arguments, Program, admin_port, install_tls, main, start, usage};
pub use health::{Health, Latch};
pub use parse::{bytes, duration, moment};
pub use serving::Serving;
pub use signals::{Signals, ignore_user_signals};
pub use telemetry::LogFormat;

use anyhow::Context;
use axum::Router;
use prometheus_client::registry::Registry;
use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The flags that every program has.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Port of /livez, /readyz and /metrics; 0 picks a free one and logs it
    #[arg(long, env, default_value_t = 0, value_name = "PORT")]
    pub admin_port: u16,

    /// How log lines are written
    #[arg(long, env, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Time to finish what is in flight after SIGTERM, SIGINT or SIGHUP
    #[arg(long, env, default_value = "25s", value_parser = duration, value_name = "DURATION")]
    pub shutdown_timeout: Duration,
}

/// Handle of the running program. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    name: &'static str,
    shutdown_timeout: Duration,
    health: Health,
    metrics: Mutex<Registry>,
    tasks: TaskTracker,
    stop: CancellationToken,
    drain_deadline: CancellationToken,
    abandon: CancellationToken,
    failure: Mutex<Option<anyhow::Error>>,
}

impl Service {
    /// Makes a service for tests and benchmarks; [`main`] gives a program its own.
    pub fn new(name: &'static str, shutdown_timeout: Duration) -> Self {
        Self(Arc::new(Inner {
            name,
            shutdown_timeout,
            health: Health::default(),
            metrics: Mutex::new(Registry::default()),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            drain_deadline: CancellationToken::new(),
            abandon: CancellationToken::new(),
            failure: Mutex::new(None),
        }))
    }

    /// The program's name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Cancelled when the program is to end: take no new work, finish work in flight.
    pub fn stop(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// Cancelled at the drain deadline, after four fifths of the shutdown timeout: interrupt work at the
    /// next point where nothing is lost.
    pub fn drain_deadline(&self) -> CancellationToken {
        self.0.drain_deadline.clone()
    }

    /// Cancelled after nine tenths of the shutdown timeout: stop waiting for other programs, and answer
    /// the waiting clients.
    pub fn abandon(&self) -> CancellationToken {
        self.0.abandon.clone()
    }

    /// Adds a condition of readiness, unmet until it is set; `/readyz` names it while it is unmet.
    pub fn latch(&self, name: &'static str) -> Latch {
        self.0.health.latch(name)
    }

    /// The registry that `/metrics` shows.
    pub fn metrics(&self) -> MutexGuard<'_, Registry> {
        self.0.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `task`, which ends on [`Service::stop`]. Its failure ends the program with exit code 1.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let service = self.clone();
        // A panic in the task must not leave a program that looks alive: the tracked task awaits the
        // inner one.
        self.0.tasks.spawn(async move {
            let ended = match tokio::spawn(task).await {
                Ok(result) => result,
                Err(error) => Err(anyhow::Error::from(error)),
            };
            if let Err(error) = ended {
                service.fail(error.context(name));
            }
        });
    }

    /// Runs `work` until [`Service::stop`]. `work` gets the latch of this name and sets it while its part is
    /// ready. Its failure ends the program.
    pub fn keep<F, E>(&self, name: &'static str, work: impl FnOnce(Latch) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        let (working, stop) = (work(self.latch(name)), self.stop());
        self.spawn(name, async move {
            let ended = stop.run_until_cancelled(working).await;
            ended.unwrap_or(Ok(())).map_err(Into::into)
        });
    }

    /// Runs `work` to its end, even if its handle is dropped; the program ends after it.
    pub fn run_to_end<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.0.tasks.spawn(work)
    }

    /// Listens on `port` of every interface and serves `routes` until the program is to end.
    /// Logs the address, so that port 0 can be used.
    pub async fn serve(&self, port: u16, routes: Router, front: web::Front) -> anyhow::Result<()> {
        self.serve_on(self.listen("main", port).await?, routes, front).await;
        Ok(())
    }

    /// Serves `routes` on a listener of [`Service::listen`] until the program is to end.
    pub async fn serve_on(&self, listener: TcpListener, routes: Router, front: web::Front) {
        web::serve(listener, routes, front, self.stop()).await;
    }

    /// Listens on `port` of every interface and logs the address under this name.
    pub async fn listen(&self, name: &'static str, port: u16) -> anyhow::Result<TcpListener> {
        self.listening(name, port, bind(port).await)
    }

    /// Listens on `port` for this machine alone and logs the address under this name.
    pub async fn listen_locally(&self, name: &'static str, port: u16) -> anyhow::Result<TcpListener> {
        self.listening(name, port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await)
    }

    fn listening(
        &self,
        name: &'static str,
        port: u16,
        bound: std::io::Result<TcpListener>,
    ) -> anyhow::Result<TcpListener> {
        let listener = bound.with_context(|| format!("listen on port {port}; is another program using it?"))?;
        let address = loopback(listener.local_addr()?);
        tracing::info!(service = name, %address, "listening");
        Ok(listener)
    }

    fn fail(&self, error: anyhow::Error) {
        // The first failure is the cause; later ones were logged where they arose.
        self.0
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
        self.0.stop.cancel();
    }
}

/// IPv6 and IPv4 on one socket; IPv4 alone where the machine has no IPv6.
async fn bind(port: u16) -> std::io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(error),
        Err(_) => TcpListener::bind(("0.0.0.0", port)).await,
    }
}

/// The address of this port on the loopback, as a user types it.
fn loopback(address: SocketAddr) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}
