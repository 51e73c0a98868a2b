//! Causes each fault, checks that it happened, and ends it.

use crate::fault::{Drawn, Fault, Felt, Line, Part, Trouble};
use crate::load::Load;
use crate::proxy::{Proxy, Weather};
use crate::stream::Operator;
use crate::system::{Service, System, TWINS, log_since};
use anyhow::{Context, ensure};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testutil::{Nats, Postgres, Signal};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

/// Causes faults and ends them.
pub(crate) struct Doer {
    pub(crate) system: Arc<System>,
    pub(crate) load: Arc<Load>,
    pub(crate) operator: Arc<Operator>,
    /// Locked during faults of the stream.
    pub(crate) stream: Mutex<()>,
    pub(crate) short: bool,
}

impl Doer {
    pub(crate) async fn run(&self, drawn: Drawn) -> anyhow::Result<Felt> {
        let twin = usize::try_from(drawn.which % TWINS as u64).unwrap_or(0);
        match drawn.fault {
            Fault::Kill(part) => self.kill(part, twin, drawn).await,
            Fault::KillInTheMiddle(part) => self.kill_in_the_middle(part, twin, drawn).await,
            Fault::Stop(part) => self.stop(part, twin, drawn).await,
            Fault::End(part) => self.end(part, twin, drawn).await,
            Fault::Network(line, trouble) => self.network(line, trouble, twin, drawn).await,
            Fault::StreamFull => self.fill_stream(drawn).await,
            Fault::DiskFull => self.fill_disk(drawn).await,
            Fault::ConsumersDropped => self.drop_consumers(drawn).await,
            Fault::PowerCut => self.cut_power(drawn).await,
        }
    }

    fn begin(&self, drawn: Drawn, what: &str) {
        self.system
            .journal
            .note(&format!("{} {what} for {:?}", drawn.fault, drawn.hold));
    }

    fn over(&self, drawn: Drawn) {
        self.system.journal.note(&format!("over: {}", drawn.fault));
    }

    async fn kill(&self, part: Part, twin: usize, drawn: Drawn) -> anyhow::Result<Felt> {
        match self.lock(part, twin).await {
            Locked::Service(mut service) => {
                self.begin(drawn, &service.to_string());
                kill_service(&mut service).await?;
                sleep(drawn.hold).await;
                service.start().await?;
            }
            Locked::Nats(mut nats) => {
                self.begin(drawn, "");
                kill_nats(&mut nats).await?;
                sleep(drawn.hold).await;
                nats.try_restart().await?;
            }
            Locked::Postgres(mut postgres) => {
                self.begin(drawn, "");
                kill_postgres(&mut postgres).await?;
                sleep(drawn.hold).await;
                postgres.try_restart().await?;
            }
        }
        self.over(drawn);
        Ok(Felt::Yes)
    }

    async fn kill_in_the_middle(&self, part: Part, twin: usize, drawn: Drawn) -> anyhow::Result<Felt> {
        let server = if part == Part::Ingestor {
            Part::Nats
        } else {
            Part::Postgres
        };
        let Locked::Service(mut service) = self.lock(part, twin).await else {
            return Ok(Felt::No("it is no program of ours"));
        };
        let mut server = self.lock(server, 0).await;
        self.begin(drawn, &service.to_string());
        let _no_pauses = self.load.no_pauses();
        server.signal(Signal::SIGSTOP);
        let stopped = wait_until(|| is_stopped(server.pid())).await;
        // Long enough for the program to take readings that it cannot store.
        sleep(Duration::from_millis(500)).await;
        let killed = kill_service(&mut service).await;
        sleep(drawn.hold.min(Duration::from_secs(2))).await;
        server.signal(Signal::SIGCONT);
        killed?;
        service.start().await?;
        self.over(drawn);
        Ok(if stopped {
            Felt::Yes
        } else {
            Felt::No("its server did not stop")
        })
    }

    async fn stop(&self, part: Part, twin: usize, drawn: Drawn) -> anyhow::Result<Felt> {
        let mut locked = self.lock(part, twin).await;
        self.begin(drawn, &locked.name());
        locked.signal(Signal::SIGSTOP);
        // The signal takes a moment to arrive.
        let stopped = wait_until(|| is_stopped(locked.pid())).await;
        sleep(drawn.hold).await;
        locked.signal(Signal::SIGCONT);
        self.over(drawn);
        ensure!(stopped, "{} did not stop", locked.name());
        Ok(Felt::Yes)
    }

    async fn end(&self, part: Part, twin: usize, drawn: Drawn) -> anyhow::Result<Felt> {
        match self.lock(part, twin).await {
            Locked::Service(mut service) => {
                self.begin(drawn, &service.to_string());
                let running = service.running().context("it does not run")?;
                running.signal(Signal::SIGTERM);
                // The end must be clean even during other faults; the program's own deadline is 25 s.
                let end = Instant::now() + Duration::from_secs(40);
                let status = loop {
                    if let Some(status) = running.ended() {
                        break status;
                    }
                    ensure!(Instant::now() < end, "{service} did not end within its deadline");
                    sleep(Duration::from_millis(20)).await;
                };
                ensure!(status.success(), "{service} was asked to end and ended with {status}");
                sleep(drawn.hold).await;
                service.start().await?;
            }
            Locked::Nats(mut nats) => {
                self.begin(drawn, "");
                nats.stop().await;
                sleep(drawn.hold).await;
                nats.try_restart().await?;
            }
            Locked::Postgres(mut postgres) => {
                self.begin(drawn, "");
                postgres.stop().await;
                sleep(drawn.hold).await;
                postgres.try_restart().await?;
            }
        }
        self.over(drawn);
        Ok(Felt::Yes)
    }

    async fn network(&self, line: Line, trouble: Trouble, twin: usize, drawn: Drawn) -> anyhow::Result<Felt> {
        let proxies = &self.system.proxies;
        let proxy: &Proxy = match line {
            Line::Nats => &proxies.nats,
            Line::Postgres => &proxies.postgres,
            Line::Ingestor => &proxies.ingestors[twin],
        };
        let _mine = proxy.claim().await;
        self.begin(drawn, "");
        let seen = disturb(proxy, trouble, drawn.which, drawn.hold).await;
        self.over(drawn);
        Ok(if seen {
            Felt::Yes
        } else {
            Felt::No("nobody was connected")
        })
    }

    /// Stops both persistors and speeds up the clients until the stream is full.
    async fn fill_stream(&self, drawn: Drawn) -> anyhow::Result<Felt> {
        let _mine = self.stream.lock().await;
        let mut persistors = Vec::new();
        for persistor in &self.system.persistors {
            persistors.push(persistor.lock().await);
        }
        self.begin(drawn, "");
        for persistor in &mut persistors {
            kill_service(persistor).await?;
        }
        let no_pauses = self.load.no_pauses();
        let refused = || self.load.done.refused.load(Ordering::Relaxed);
        let deadline = Instant::now() + Duration::from_secs(if self.short { 30 } else { 120 });
        let mut full_since = None;
        while Instant::now() < deadline {
            // Above the level at which the programs refuse, and they do refuse.
            if matches!(self.operator.level().await, Ok(level) if level >= 75) {
                let before = *full_since.get_or_insert_with(refused);
                if refused() > before + 3 {
                    break;
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
        let seen = full_since.is_some_and(|before| refused() > before + 3);
        let level = self.operator.level().await.unwrap_or_default();
        self.system
            .journal
            .note(&format!("the stream is at {level} % of its limit, and refuses: {seen}"));
        drop(no_pauses);
        sleep(drawn.hold).await;
        for persistor in &mut persistors {
            persistor.start().await?;
        }
        self.over(drawn);
        Ok(if seen {
            Felt::Yes
        } else {
            Felt::No("it did not become full in time")
        })
    }

    async fn fill_disk(&self, drawn: Drawn) -> anyhow::Result<Felt> {
        let Some(quota) = &self.system.quota else {
            return Ok(Felt::No("there is no quota"));
        };
        let mut postgres = self.system.postgres.lock().await;
        self.begin(drawn, "");
        let log = self.system.journal.folder().join("postgres.log");
        let begin = log.metadata().map_or(0, |log| log.len());
        quota.fill()?;
        let full = quota.is_full(8 << 20);
        // The load has to hit the full disk, which takes a moment during other faults.
        let deadline = Instant::now() + Duration::from_secs(15);
        let met = || log_since(&log, begin).contains("No space left on device");
        while !met() && Instant::now() < deadline {
            sleep(Duration::from_millis(50)).await;
        }
        sleep(drawn.hold).await;
        let full = full && met();
        quota.clear()?;
        // Without room for its log, PostgreSQL rightly ends; start it again.
        if let Some(why) = postgres.ended().await {
            let why = why.lines().next().unwrap_or_default();
            self.system
                .journal
                .note(&format!("PostgreSQL gave up on its full disk: {why}"));
            postgres.try_restart().await?;
        }
        self.over(drawn);
        Ok(if full {
            Felt::Yes
        } else {
            Felt::No("PostgreSQL wrote nothing, or had room left")
        })
    }

    async fn drop_consumers(&self, drawn: Drawn) -> anyhow::Result<Felt> {
        let _mine = self.stream.lock().await;
        self.begin(drawn, "");
        let deadline = Instant::now() + Duration::from_secs(20);
        // Reading the history again from its start would restore earlier losses and hide them. So
        // mostly, purge the stored messages first.
        if self.short || !drawn.which.is_multiple_of(4) {
            let _ = self.operator.purge_stored().await;
        }
        // A consumer may be missing, or the server down, because of another fault.
        while Instant::now() < deadline {
            match self.operator.drop_consumers().await {
                Ok(()) => {
                    self.over(drawn);
                    return Ok(Felt::Yes);
                }
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
        Ok(Felt::No("the server did not delete them in time"))
    }

    async fn cut_power(&self, drawn: Drawn) -> anyhow::Result<Felt> {
        let mut services = Vec::new();
        for service in self.system.services() {
            services.push(service.lock().await);
        }
        let mut nats = self.system.nats.lock().await;
        let mut postgres = self.system.postgres.lock().await;
        self.begin(drawn, "");
        let (stream, database) = (nats.pid(), postgres.pid());
        nats.running().context("it does not run")?.signal(Signal::SIGKILL);
        postgres.signal(Signal::SIGKILL);
        for service in &mut services {
            kill_service(service).await?;
        }
        nats.kill9().await;
        postgres.kill9().await;
        ensure!(!is_there(stream) && !is_there(database), "a server outlived kill -9");
        sleep(drawn.hold).await;
        // In any order, as after a power cut.
        let (nats, postgres) = (nats.try_restart(), postgres.try_restart());
        let ours = async {
            for service in &mut services {
                service.start().await?;
            }
            Ok::<_, anyhow::Error>(())
        };
        let (nats, postgres, ours) = tokio::join!(nats, postgres, ours);
        nats?;
        postgres?;
        ours?;
        self.over(drawn);
        Ok(Felt::Yes)
    }

    async fn lock(&self, part: Part, twin: usize) -> Locked<'_> {
        match part {
            Part::Ingestor => Locked::Service(self.system.ingestors[twin].lock().await),
            Part::Persistor => Locked::Service(self.system.persistors[twin].lock().await),
            Part::Notifier => Locked::Service(self.system.notifiers[twin].lock().await),
            Part::Nats => Locked::Nats(self.system.nats.lock().await),
            Part::Postgres => Locked::Postgres(self.system.postgres.lock().await),
        }
    }
}

/// A part that is locked against other faults.
enum Locked<'a> {
    Service(MutexGuard<'a, Service>),
    Nats(MutexGuard<'a, Nats>),
    Postgres(MutexGuard<'a, Postgres>),
}

impl Locked<'_> {
    fn name(&self) -> String {
        match self {
            Self::Service(service) => service.to_string(),
            _ => String::new(),
        }
    }

    fn pid(&mut self) -> u32 {
        match self {
            Self::Service(service) => service.running().map_or(0, |running| running.pid()),
            Self::Nats(nats) => nats.pid(),
            Self::Postgres(postgres) => postgres.pid(),
        }
    }

    fn signal(&mut self, signal: Signal) {
        match self {
            Self::Service(service) => {
                if let Some(running) = service.running() {
                    running.signal(signal);
                }
            }
            Self::Nats(nats) => {
                if let Some(running) = nats.running() {
                    running.signal(signal);
                }
            }
            Self::Postgres(postgres) => postgres.signal(signal),
        }
    }
}

/// Disturbs the connections through a proxy for a while. Returns whether one of them felt it. `which` is how severe it
/// is.
pub(crate) async fn disturb(proxy: &Proxy, trouble: Trouble, which: u64, hold: Duration) -> bool {
    let before = proxy.felt();
    let seen = match trouble {
        Trouble::Cut => {
            wait_until(|| proxy.open() > 0).await;
            proxy.cut();
            wait_until(|| proxy.felt()[0] > before[0]).await
        }
        Trouble::Refuse => {
            // A program with open connections does not make new ones.
            proxy.set(Weather::Refuse);
            proxy.cut();
            let seen = wait_until(|| proxy.felt()[1] > before[1]).await;
            sleep(hold).await;
            seen
        }
        Trouble::Delay | Trouble::Slow | Trouble::Hole | Trouble::HalfOpen => {
            proxy.set(match trouble {
                Trouble::Delay => Weather::Delay(Duration::from_millis(20 + which % 400)),
                Trouble::Slow => Weather::Slow(20_000 + which % 400_000),
                Trouble::Hole => Weather::Hole,
                _ => Weather::HalfOpen,
            });
            let seen = wait_until(|| proxy.felt()[2] > before[2]).await;
            sleep(hold).await;
            seen
        }
    };
    proxy.set(Weather::Clear);
    seen
}

/// Kills a program, and sees it gone.
pub(crate) async fn kill_service(service: &mut Service) -> anyhow::Result<()> {
    let name = service.to_string();
    let running = service.running().with_context(|| format!("{name} does not run"))?;
    let pid = running.pid();
    running.kill9().await;
    ensure!(!is_there(pid), "{name} outlived kill -9");
    Ok(())
}

async fn kill_nats(nats: &mut Nats) -> anyhow::Result<()> {
    let pid = nats.pid();
    nats.kill9().await;
    ensure!(!is_there(pid), "nats-server outlived kill -9");
    Ok(())
}

/// Kills PostgreSQL, and sees it gone.
pub(crate) async fn kill_postgres(postgres: &mut Postgres) -> anyhow::Result<()> {
    let pid = postgres.pid();
    postgres.kill9().await;
    ensure!(!is_there(pid), "PostgreSQL outlived kill -9");
    Ok(())
}

fn is_there(pid: u32) -> bool {
    pid != 0 && Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether a process is stopped.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

/// Waits briefly for a condition; returns whether it held.
pub(crate) async fn wait_until(mut holds: impl FnMut() -> bool) -> bool {
    for _ in 0..300 {
        if holds() {
            return true;
        }
        sleep(Duration::from_millis(10)).await;
    }
    false
}
