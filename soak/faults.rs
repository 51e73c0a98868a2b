//! The faults: a seeded row of them, one after the other and some at the same time, each seen to
//! have really happened.

use crate::chance::Chance;
use crate::load::Load;
use crate::proxy::{Proxy, Weather};
use crate::stream::Operator;
use crate::system::{Service, System, TWINS, log_since};
use anyhow::{Context, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testutil::{Nats, Postgres, Signal};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Faults at the same moment.
const AT_ONCE: usize = 6;

/// No fault takes longer than this, healing included.
const LONGEST: Duration = Duration::from_secs(240);

/// A part that processes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Ingestor,
    Persistor,
    Nats,
    Postgres,
}

/// A connection between parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Nats,
    Postgres,
    Ingestor,
}

/// What is done to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Cut,
    Refuse,
    Delay,
    Slow,
    Hole,
    HalfOpen,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill(Part),
    /// kill -9 of a persistor while PostgreSQL does not answer, or of an ingestor while
    /// nats-server does not: in the middle of what is not stored yet.
    KillInTheMiddle(Part),
    /// SIGSTOP, and SIGCONT after a while.
    Stop(Part),
    /// An orderly end by SIGTERM (PostgreSQL: a fast shutdown), and a start.
    End(Part),
    Network(Line, Trouble),
    StreamFull,
    DiskFull,
    ConsumersDropped,
    /// kill -9 of everything at once.
    PowerCut,
}

const PARTS: [Part; 4] = [Part::Ingestor, Part::Persistor, Part::Nats, Part::Postgres];
const LINES: [Line; 3] = [Line::Nats, Line::Postgres, Line::Ingestor];
const TROUBLES: [Trouble; 6] = [
    Trouble::Cut,
    Trouble::Refuse,
    Trouble::Delay,
    Trouble::Slow,
    Trouble::Hole,
    Trouble::HalfOpen,
];

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ingestor => "an ingestor",
            Self::Persistor => "a persistor",
            Self::Nats => "nats-server",
            Self::Postgres => "PostgreSQL",
        })
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kill(part) => write!(f, "kill -9 of {part}"),
            Self::KillInTheMiddle(part) => write!(f, "kill -9 of {part} while its server is stopped"),
            Self::Stop(part) => write!(f, "{part} stopped and continued"),
            Self::End(part) => write!(f, "{part} ended and started"),
            Self::Network(line, trouble) => {
                let line = match line {
                    Line::Nats => "to nats-server",
                    Line::Postgres => "to PostgreSQL",
                    Line::Ingestor => "to an ingestor",
                };
                let trouble = match trouble {
                    Trouble::Cut => "cut",
                    Trouble::Refuse => "refused",
                    Trouble::Delay => "delayed",
                    Trouble::Slow => "slow",
                    Trouble::Hole => "silent both ways",
                    Trouble::HalfOpen => "half open",
                };
                write!(f, "connections {line} {trouble}")
            }
            Self::StreamFull => f.write_str("the stream full"),
            Self::DiskFull => f.write_str("PostgreSQL's disk full"),
            Self::ConsumersDropped => f.write_str("the consumers deleted"),
            Self::PowerCut => f.write_str("kill -9 of everything at once"),
        }
    }
}

/// A fault as it is drawn: everything that is left to chance about it.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    fault: Fault,
    /// Which of twins, or how bad.
    which: u64,
    hold: Duration,
}

/// Whether anybody has noticed a fault.
enum Felt {
    Yes,
    No(&'static str),
}

/// A fault that is over and healed.
type Ended = (Fault, anyhow::Result<Felt>);

/// What came of the faults.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Those that were seen to have happened.
    pub(crate) happened: BTreeMap<String, u32>,
    /// Those that were tried and not felt by anybody; they count for nothing.
    pub(crate) unfelt: u32,
}

impl Faults {
    pub(crate) fn count(&self) -> u32 {
        self.happened.values().sum()
    }

    /// Counts a fault that is over, if one is.
    fn add(&mut self, ended: Option<Result<Ended, JoinError>>, doer: &Doer) -> anyhow::Result<()> {
        let Some(ended) = ended else { return Ok(()) };
        let (fault, felt) = ended.context("a fault's own task failed")?;
        match felt.with_context(|| fault.to_string())? {
            Felt::Yes => *self.happened.entry(fault.to_string()).or_default() += 1,
            Felt::No(why) => {
                self.unfelt += 1;
                doer.system
                    .journal
                    .note(&format!("not felt, not counted: {fault} ({why})"));
            }
        }
        Ok(())
    }
}

/// How many faults, and within which time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) duration: Duration,
    pub(crate) faults: u32,
    /// Only what everybody should have seen once, and briefly.
    pub(crate) short: bool,
}

impl Plan {
    /// The kinds of a round, in the order of this round.
    fn round(&self, chance: &mut Chance, disk: bool) -> Vec<Fault> {
        let mut kinds = vec![Fault::StreamFull, Fault::ConsumersDropped, Fault::PowerCut];
        if disk {
            kinds.push(Fault::DiskFull);
        }
        kinds.extend(PARTS.map(Fault::Kill));
        kinds.extend([Part::Ingestor, Part::Persistor].map(Fault::KillInTheMiddle));
        if self.short {
            let trouble = TROUBLES[usize::try_from(chance.below(6)).unwrap_or(0)];
            kinds.extend(LINES.map(|line| Fault::Network(line, trouble)));
            let part = PARTS[usize::try_from(chance.below(4)).unwrap_or(0)];
            kinds.extend([Fault::Stop(part), Fault::End(part)]);
        } else {
            kinds.extend(PARTS.map(Fault::Kill));
            kinds.extend(PARTS.map(Fault::Stop));
            kinds.extend(PARTS.map(Fault::End));
            for line in LINES {
                kinds.extend(TROUBLES.map(|trouble| Fault::Network(line, trouble)));
            }
        }
        chance.shuffle(&mut kinds);
        kinds
    }

    fn hold(&self, fault: Fault, chance: &mut Chance) -> Duration {
        let millis = match fault {
            _ if self.short => 100 + chance.below(900),
            // Now and then longer than a message waits for its acknowledgement.
            Fault::Stop(Part::Persistor) if chance.percent(15) => 35_000,
            Fault::DiskFull => 1_000 + chance.below(5_000),
            _ if chance.percent(10) => 5_000 + chance.below(8_000),
            _ => 100 + chance.below(2_500),
        };
        Duration::from_millis(millis)
    }

    /// Does it all, and waits until all is healed.
    pub(crate) async fn run(
        self,
        system: Arc<System>,
        load: Arc<Load>,
        operator: Arc<Operator>,
    ) -> anyhow::Result<Faults> {
        let mut chance = Chance::new(self.seed, 1);
        let doer = Arc::new(Doer {
            system,
            load,
            operator,
            stream: Mutex::new(()),
            short: self.short,
        });
        let begin = Instant::now();
        // Somewhat closer together than needed: some will wait for their part to be free.
        let distance = self.duration.mul_f64(0.9) / self.faults.max(1);
        let give_up = begin + self.duration * 2 + LONGEST;
        let (mut faults, mut under_way, mut kinds, mut number) = (Faults::default(), JoinSet::new(), Vec::new(), 0);
        while begin.elapsed() < self.duration || faults.count() < self.faults {
            ensure!(
                Instant::now() < give_up,
                "only {} of {} faults happened in twice the time",
                faults.count(),
                self.faults
            );
            if kinds.is_empty() {
                kinds = self.round(&mut chance, doer.system.quota.is_some());
            }
            let Some(fault) = kinds.pop() else { break };
            let drawn = Drawn {
                fault,
                which: chance.below(1 << 32),
                hold: self.hold(fault, &mut chance),
            };
            let jitter = Duration::from_micros(chance.below(1 + u64::try_from(distance.as_micros()).unwrap_or(0)));
            sleep_until((begin + distance * number + jitter).max(Instant::now())).await;
            number += 1;
            while under_way.len() >= AT_ONCE {
                faults.add(under_way.join_next().await, &doer)?;
            }
            while let Some(ended) = under_way.try_join_next() {
                faults.add(Some(ended), &doer)?;
            }
            let does = doer.clone();
            under_way.spawn(async move {
                let done = timeout(LONGEST, does.run(drawn)).await;
                let done = done.unwrap_or_else(|_| Err(anyhow::anyhow!("it took longer than {LONGEST:?}")));
                (drawn.fault, done)
            });
            // All that are needed may be under way by now.
            if begin.elapsed() >= self.duration {
                faults.add(under_way.join_next().await, &doer)?;
            }
        }
        while !under_way.is_empty() {
            faults.add(under_way.join_next().await, &doer)?;
        }
        Ok(faults)
    }
}

/// Does a fault and heals it again.
struct Doer {
    system: Arc<System>,
    load: Arc<Load>,
    operator: Arc<Operator>,
    /// Held by what is done to the stream.
    stream: Mutex<()>,
    short: bool,
}

impl Doer {
    async fn run(&self, drawn: Drawn) -> anyhow::Result<Felt> {
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
        let _hurry = self.load.hurry();
        server.signal(Signal::SIGSTOP);
        let stopped = wait_until(|| is_stopped(server.pid())).await;
        // Long enough to have taken something that it cannot store.
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
        // The signal is on its way for a moment.
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
                // Cleanly, whatever else is broken meanwhile: its own deadline is 25 s.
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
        let before = proxy.felt();
        let seen = match trouble {
            Trouble::Cut => {
                wait_until(|| proxy.open() > 0).await;
                proxy.cut();
                wait_until(|| proxy.felt()[0] > before[0]).await
            }
            Trouble::Refuse => {
                // Who has connections does not ask for new ones.
                proxy.set(Weather::Refuse);
                proxy.cut();
                let seen = wait_until(|| proxy.felt()[1] > before[1]).await;
                sleep(drawn.hold).await;
                seen
            }
            Trouble::Delay | Trouble::Slow | Trouble::Hole | Trouble::HalfOpen => {
                proxy.set(match trouble {
                    Trouble::Delay => Weather::Delay(Duration::from_millis(20 + drawn.which % 400)),
                    Trouble::Slow => Weather::Slow(20_000 + drawn.which % 400_000),
                    Trouble::Hole => Weather::Hole,
                    _ => Weather::HalfOpen,
                });
                let seen = wait_until(|| proxy.felt()[2] > before[2]).await;
                sleep(drawn.hold).await;
                seen
            }
        };
        proxy.set(Weather::Clear);
        self.over(drawn);
        Ok(if seen {
            Felt::Yes
        } else {
            Felt::No("nobody was connected")
        })
    }

    /// Both persistors down, and the clients as fast as they can, until the stream takes no more.
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
        let hurry = self.load.hurry();
        let refused = || self.load.done.refused.load(Ordering::Relaxed);
        let deadline = Instant::now() + Duration::from_secs(if self.short { 30 } else { 120 });
        let mut full_since = None;
        while Instant::now() < deadline {
            // Fuller than where the programs are to begin to refuse, and they do refuse.
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
        drop(hurry);
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
        // The load has to meet it, which takes a moment where something else is broken as well.
        let deadline = Instant::now() + Duration::from_secs(15);
        let met = || log_since(&log, begin).contains("No space left on device");
        while !met() && Instant::now() < deadline {
            sleep(Duration::from_millis(50)).await;
        }
        sleep(drawn.hold).await;
        let full = full && met();
        quota.clear()?;
        // Without room for its log it gives up, which is right; somebody has to start it again.
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
        // Read again from the start, the history would make good what was lost before: mostly,
        // what is stored goes first.
        if self.short || !drawn.which.is_multiple_of(4) {
            let _ = self.operator.trim(0).await;
        }
        // One may be missing, or the server away, from another fault.
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
            Part::Nats => Locked::Nats(self.system.nats.lock().await),
            Part::Postgres => Locked::Postgres(self.system.postgres.lock().await),
        }
    }
}

/// A part that nobody else does anything to.
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

async fn kill_service(service: &mut Service) -> anyhow::Result<()> {
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

async fn kill_postgres(postgres: &mut Postgres) -> anyhow::Result<()> {
    let pid = postgres.pid();
    postgres.kill9().await;
    ensure!(!is_there(pid), "PostgreSQL outlived kill -9");
    Ok(())
}

fn is_there(pid: u32) -> bool {
    pid != 0 && Path::new(&format!("/proc/{pid}")).exists()
}

fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

/// Waits for a moment until something holds.
async fn wait_until(mut holds: impl FnMut() -> bool) -> bool {
    for _ in 0..300 {
        if holds() {
            return true;
        }
        sleep(Duration::from_millis(10)).await;
    }
    false
}
