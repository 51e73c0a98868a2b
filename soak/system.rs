//! All parts of Odograph as processes, which faults kill, stop, cut off and start again.

use crate::events;
use crate::flood;
use crate::journal::Journal;
use crate::options::{KEY, Options};
use crate::proxy::Proxy;
use crate::quota::Quota;
use anyhow::{Context, ensure};
use std::io::{Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use testutil::{Nats, Place, Postgres, Running, Signal, built, listening, nats};
use tokio::process::Command;
use tokio::sync::Mutex;

/// Number of ingestors, of persistors, and of notifiers.
pub(crate) const TWINS: usize = 2;

/// One of our programs; each start appends to the same log.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    number: usize,
    env: Vec<(&'static str, String)>,
    log: PathBuf,
    /// The proxy in front of it, set to its new address at each start.
    proxy: Option<Arc<Proxy>>,
    running: Option<Running>,
    main: Option<SocketAddr>,
}

impl Service {
    /// A program that does not run yet. `proxy` stands in front of it; `log` is its log.
    pub(crate) fn new(
        name: &'static str,
        number: usize,
        env: Vec<(&'static str, String)>,
        log: PathBuf,
        proxy: Option<Arc<Proxy>>,
    ) -> Self {
        Self {
            name,
            number,
            env,
            log,
            proxy,
            running: None,
            main: None,
        }
    }

    /// Starts it and waits until it listens, not until it is ready.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(built(self.name));
        command
            .env_clear()
            .envs([
                ("LOG_FORMAT", "json"),
                ("ADMIN_PORT", "0"),
                ("PORT", "0"),
                ("RUST_BACKTRACE", "1"),
            ])
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(self.env.iter().map(|(name, value)| (*name, value)));
        let begin = self.log.metadata().map_or(0, |log| log.len());
        let mut running = Running::start(self.name, &mut command, &self.log, "build it: cargo build --workspace")?;
        let wanted = match self.name {
            // The port of its calls has the program's name.
            "messages" => "messages",
            "api" => "main",
            _ if self.proxy.is_some() => "main",
            _ => "admin",
        };
        let log = &self.log;
        let address = running
            .until(|| async { listens(log, begin, wanted) })
            .await
            .with_context(|| format!("start {self}"))?;
        if let Some(proxy) = &self.proxy {
            proxy.lead_to(address);
        }
        self.main = Some(address);
        self.running = Some(running);
        Ok(())
    }

    /// The process, while it runs.
    pub(crate) fn running(&mut self) -> Option<&mut Running> {
        self.running.as_mut()
    }

    /// Its last address.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.main
    }

    /// The first lines of its log that tell of a panic, which no fault explains.
    pub(crate) fn panics(&self) -> anyhow::Result<Vec<String>> {
        let text = std::fs::read(&self.log).with_context(|| format!("read {}", self.log.display()))?;
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter(|line| line.contains("panicked at")).take(5);
        Ok(lines.map(|line| format!("{self}: {line}")).collect())
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.number)
    }
}

/// The address in a program's log since `begin`.
fn listens(log: &Path, begin: u64, wanted: &str) -> Option<SocketAddr> {
    let text = log_since(log, begin);
    let mut addresses = text.lines().filter_map(listening);
    addresses
        .find(|(service, _)| service == wanted)
        .map(|(_, address)| address)
}

/// The beginning of a log since `begin`.
pub(crate) fn log_since(log: &Path, begin: u64) -> String {
    let read = || {
        let mut file = std::fs::File::open(log)?;
        file.seek(SeekFrom::Start(begin))?;
        let mut text = Vec::new();
        file.take(1 << 20).read_to_end(&mut text)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&text).into_owned())
    };
    // The log may not exist yet.
    read().unwrap_or_default()
}

/// The proxies between the parts.
pub(crate) struct Proxies {
    pub(crate) nats: Arc<Proxy>,
    pub(crate) postgres: Arc<Proxy>,
    pub(crate) ingestors: [Arc<Proxy>; TWINS],
    /// They keep the notifiers' addresses while those are started again.
    pub(crate) notifiers: [Arc<Proxy>; TWINS],
}

/// All processes. Dropping it kills them and removes their files, except the logs.
pub(crate) struct System {
    pub(crate) journal: Arc<Journal>,
    pub(crate) proxies: Proxies,
    // A fault locks its part: each part has one fault at a time.
    pub(crate) ingestors: [Mutex<Service>; TWINS],
    pub(crate) persistors: [Mutex<Service>; TWINS],
    pub(crate) notifiers: [Mutex<Service>; TWINS],
    pub(crate) api: Mutex<Service>,
    pub(crate) nats: Mutex<Nats>,
    pub(crate) postgres: Mutex<Postgres>,
    /// The nats-server itself, without the proxy.
    pub(crate) nats_url: String,
    /// The database itself, without the proxy.
    pub(crate) database_url: String,
    /// Bytes that the stream may hold.
    pub(crate) stream_bytes: u64,
    // Dropped after PostgreSQL, whose data lies on it.
    pub(crate) quota: Option<Quota>,
    _work: TempDir,
}

impl System {
    pub(crate) async fn start(options: &Options, journal: Arc<Journal>) -> anyhow::Result<Self> {
        let work = tempfile::tempdir().context("make a folder")?;
        // As root, PostgreSQL runs as another user, who has to enter the folder.
        std::fs::set_permissions(work.path(), PermissionsExt::from_mode(0o711)).context("open the folder")?;
        let quota = match Quota::mount(&work.path().join("disk"), options.disk_bytes) {
            Ok(quota) => Some(quota),
            Err(error) => {
                let text = format!("NOT TESTED: a full disk of PostgreSQL ({error:#})");
                crate::warning::warn(&text);
                journal.note(&text);
                None
            }
        };
        let proxies = Proxies {
            nats: Arc::new(Proxy::start().await?),
            postgres: Arc::new(Proxy::start().await?),
            ingestors: [Arc::new(Proxy::start().await?), Arc::new(Proxy::start().await?)],
            notifiers: [Arc::new(Proxy::start().await?), Arc::new(Proxy::start().await?)],
        };
        let log = |name: &str| journal.folder().join(format!("{name}.log"));
        let (nats_port, postgres_port) = (free_port()?, free_port()?);
        let nats = Nats::try_start(nats::Options {
            sync_always: true,
            port: nats_port,
            log: Some(log("nats")),
            ..nats::Options::default()
        });
        let place = Place {
            parent: quota.as_ref().map_or(work.path(), Quota::folder).to_owned(),
            port: Some(postgres_port),
            log: Some(log("postgres")),
        };
        // Frequent checkpoints and a short log, so that crashes interrupt both.
        let settings = [
            ("max_wal_size", "256MB"),
            ("min_wal_size", "64MB"),
            ("checkpoint_timeout", "30s"),
        ];
        let (nats, postgres) = tokio::join!(nats, Postgres::try_start_in(place, &settings));
        let (nats, postgres) = (
            nats.context("start nats-server")?,
            postgres.context("start PostgreSQL")?,
        );
        proxies.nats.lead_to(([127, 0, 0, 1], nats_port).into());
        proxies.postgres.lead_to(([127, 0, 0, 1], postgres_port).into());

        let bus = format!(
            "nats://{}/readings?max_bytes={}",
            proxies.nats.address(),
            options.stream_bytes
        );
        // Roles with the least rights.
        testutil::give_roles(postgres.url()).await;
        let database = |role: &str| {
            let address = proxies.postgres.address();
            let url = format!("postgres://odograph_{role}@{address}/odograph?sslmode=disable");
            [("DATABASE_URL", url), ("MIGRATE", "false".to_owned())]
        };
        let service = |name: &'static str, number: usize, env, proxy| {
            Mutex::new(Service::new(name, number, env, log(&format!("{name}{number}")), proxy))
        };
        let ingestor = |number: usize, proxy: &Arc<Proxy>| {
            let env = vec![
                ("API_KEY", format!("{KEY},{}", flood::KEY)),
                ("MAX_SERIES", flood::ROOM.to_string()),
                ("EVENT_WRITER_URL", bus.clone()),
            ];
            service("ingestor", number, env, Some(proxy.clone()))
        };
        let persistor = |number: usize| {
            let mut env = vec![("EVENT_READER_URL", bus.clone())];
            env.extend(database("writer"));
            service("persistor", number, env, None)
        };
        let notifier = |number: usize, proxy: &Arc<Proxy>| {
            let mut env = vec![
                ("MANAGEMENT_KEY", events::MANAGEMENT_KEY.to_owned()),
                ("SIGNING_KEY", events::SIGNING_KEY.to_owned()),
                ("JWT_SECRET", events::SECRET.to_owned()),
                ("ALLOW_TARGET", "127.0.0.1".to_owned()),
            ];
            env.extend(database("notifier"));
            service("notifier", number, env, Some(proxy.clone()))
        };
        let system = Self {
            ingestors: [ingestor(0, &proxies.ingestors[0]), ingestor(1, &proxies.ingestors[1])],
            persistors: [persistor(0), persistor(1)],
            notifiers: [notifier(0, &proxies.notifiers[0]), notifier(1, &proxies.notifiers[1])],
            api: service("api", 0, database("reader").to_vec(), None),
            nats_url: nats.url(),
            database_url: postgres.url().to_owned(),
            nats: Mutex::new(nats),
            postgres: Mutex::new(postgres),
            stream_bytes: options.stream_bytes,
            journal,
            proxies,
            quota,
            _work: work,
        };
        for service in system.services() {
            service.lock().await.start().await?;
        }
        Ok(system)
    }

    /// Our programs, in the order for locking all of them.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Mutex<Service>> {
        let twins = self.ingestors.iter().chain(&self.persistors).chain(&self.notifiers);
        twins.chain([&self.api])
    }

    /// Restarts processes that have ended without a fault, and returns their names. Skips locked parts,
    /// which have a fault.
    pub(crate) async fn restart_ended(&self) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        restart_services(self.services(), &mut found).await?;
        if let Ok(mut nats) = self.nats.try_lock()
            && let Some(status) = nats.running().and_then(Running::ended)
        {
            found.push(format!("nats-server ended by itself ({status})"));
            nats.try_restart().await?;
        }
        restart_postgres(&self.postgres, &mut found).await?;
        for text in &found {
            self.journal.note(text);
        }
        Ok(found)
    }

    /// Ends all programs cleanly, so that their logs are complete.
    pub(crate) async fn stop(&self) {
        for service in self.services() {
            if let Some(running) = service.lock().await.running() {
                running.signal(Signal::SIGCONT);
                running.stop().await;
            }
        }
    }

    /// Lines of the programs' logs that no fault explains.
    pub(crate) async fn complaints(&self) -> anyhow::Result<Vec<String>> {
        let mut complaints = Vec::new();
        for service in self.services() {
            complaints.extend(service.lock().await.panics()?);
        }
        Ok(complaints)
    }
}

/// Restarts programs that have ended without a fault, and adds their names. Skips locked ones, which have a fault.
pub(crate) async fn restart_services<'a>(
    services: impl Iterator<Item = &'a Mutex<Service>>,
    found: &mut Vec<String>,
) -> anyhow::Result<()> {
    for service in services {
        let Ok(mut service) = service.try_lock() else { continue };
        let Some(status) = service.running().and_then(Running::ended) else {
            continue;
        };
        found.push(format!("{service} ended by itself ({status})"));
        service.start().await?;
    }
    Ok(())
}

/// The same for PostgreSQL.
pub(crate) async fn restart_postgres(postgres: &Mutex<Postgres>, found: &mut Vec<String>) -> anyhow::Result<()> {
    if let Ok(mut postgres) = postgres.try_lock()
        && let Some(why) = postgres.ended().await
    {
        found.push(format!("PostgreSQL ended by itself ({why})"));
        postgres.try_restart().await?;
    }
    Ok(())
}

/// A port outside the range of outgoing connections, so that a restarted server finds it free.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let seed = u64::from(std::process::id());
    for attempt in 0..200 {
        let port = 15_000 + crate::chance::mix(&[seed, attempt]) % 15_000;
        let port = u16::try_from(port).unwrap_or_default();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && !TAKEN.lock().is_ok_and(|mut taken| !taken.insert(port)) {
            return Ok(port);
        }
    }
    ensure!(false, "no port between 15000 and 30000 is free");
    Ok(0)
}

/// Ports given out already: programs do not bind them at once.
static TAKEN: std::sync::Mutex<std::collections::BTreeSet<u16>> =
    std::sync::Mutex::new(std::collections::BTreeSet::new());
