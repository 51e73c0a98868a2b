//! Causes the faults, and checks that both servers answer again after each.

use super::calls::Caller;
use super::calm::Calm;
use super::fault::{Drawn, Fault, round};
use super::shared::Shared;
use super::system::System;
use crate::chance::Chance;
use crate::doer::{disturb, is_stopped, kill_postgres, kill_service, wait_until};
use crate::fault::{Felt, Trouble};
use crate::proxy::Proxy;
use crate::schedule::{Faults, Schedule};
use crate::system::TWINS;
use anyhow::{Context, ensure};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testutil::Signal;
use tokio::time::{Instant, sleep};

/// Faults at the same time, at the most.
const AT_ONCE: usize = 2;

/// How long a fault may take, its end and the recovery included.
const FAULT_TIMEOUT: Duration = Duration::from_secs(180);

/// How long both servers may take to answer after a fault, during other ones.
const RECOVERY: Duration = Duration::from_secs(60);

/// How long an orderly end may take. A server's own deadline is 25 s.
const END: Duration = Duration::from_secs(40);

/// Number of faults, and their time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) duration: Duration,
    pub(super) faults: u32,
}

impl Plan {
    /// Causes all faults, and waits until they are over.
    pub(super) async fn run(self, system: Arc<System>, shared: Arc<Shared>, calm: Arc<Calm>) -> anyhow::Result<Faults> {
        let schedule = Schedule {
            seed: self.seed,
            duration: self.duration,
            faults: self.faults,
            at_once: AT_ONCE,
            longest: FAULT_TIMEOUT,
        };
        let journal = system.journal.clone();
        let doer = Arc::new(Doer { system, shared });
        let cause = |fault, chance: &mut Chance| {
            let drawn = Drawn::of(fault, chance);
            let (doer, calm) = (doer.clone(), calm.clone());
            async move {
                let _under_way = calm.begin();
                doer.run(drawn).await
            }
        };
        schedule.run(&journal, round, cause).await
    }
}

/// Causes faults and ends them.
struct Doer {
    system: Arc<System>,
    shared: Arc<Shared>,
}

impl Doer {
    /// Causes a fault, ends it, and waits until both servers answer.
    async fn run(&self, drawn: Drawn) -> anyhow::Result<Felt> {
        let twin = usize::try_from(drawn.which % TWINS as u64).unwrap_or(0);
        let felt = match drawn.fault {
            Fault::KillServer => self.kill_server(twin, drawn).await?,
            Fault::KillInTheMiddle => self.kill_in_the_middle(twin, drawn).await?,
            Fault::StopServer => self.stop_server(twin, drawn).await?,
            Fault::EndServer => self.end_server(twin, drawn).await?,
            Fault::KillPostgres | Fault::BreakPostgres | Fault::EndPostgres => self.restart_postgres(drawn).await?,
            Fault::StopPostgres => self.stop_postgres(drawn).await?,
            Fault::Front(trouble) => self.network(&self.system.fronts[twin], trouble, drawn).await,
            Fault::Back(trouble) => self.network(&self.system.backs[twin], trouble, drawn).await,
            Fault::PowerCut => self.cut_power(drawn).await?,
        };
        self.system.journal.note(&format!("over: {}", drawn.fault));
        self.recover().await?;
        Ok(felt)
    }

    fn begin(&self, drawn: Drawn, what: &str) {
        let text = format!("{} {what} for {:?}", drawn.fault, drawn.hold);
        self.system.journal.note(&text);
    }

    async fn kill_server(&self, twin: usize, drawn: Drawn) -> anyhow::Result<Felt> {
        let mut server = self.system.servers[twin].lock().await;
        self.begin(drawn, &server.to_string());
        kill_service(&mut server).await?;
        sleep(drawn.hold).await;
        server.start().await?;
        Ok(Felt::Yes)
    }

    async fn kill_in_the_middle(&self, twin: usize, drawn: Drawn) -> anyhow::Result<Felt> {
        let mut server = self.system.servers[twin].lock().await;
        let postgres = self.system.postgres.lock().await;
        self.begin(drawn, &server.to_string());
        let pid = postgres.pid();
        postgres.signal(Signal::SIGSTOP);
        let stopped = wait_until(|| is_stopped(pid)).await;
        // Long enough for the server to take puts that it cannot commit.
        sleep(Duration::from_millis(500)).await;
        let killed = kill_service(&mut server).await;
        sleep(drawn.hold).await;
        postgres.signal(Signal::SIGCONT);
        killed?;
        server.start().await?;
        Ok(if stopped {
            Felt::Yes
        } else {
            Felt::No("PostgreSQL did not stop")
        })
    }

    async fn stop_server(&self, twin: usize, drawn: Drawn) -> anyhow::Result<Felt> {
        let mut server = self.system.servers[twin].lock().await;
        self.begin(drawn, &server.to_string());
        let running = server.running().context("it does not run")?;
        let pid = running.pid();
        running.signal(Signal::SIGSTOP);
        let stopped = wait_until(|| is_stopped(pid)).await;
        sleep(drawn.hold).await;
        running.signal(Signal::SIGCONT);
        ensure!(stopped, "a server did not stop");
        Ok(Felt::Yes)
    }

    async fn end_server(&self, twin: usize, drawn: Drawn) -> anyhow::Result<Felt> {
        let mut server = self.system.servers[twin].lock().await;
        self.begin(drawn, &server.to_string());
        let running = server.running().context("it does not run")?;
        running.signal(Signal::SIGTERM);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = running.ended() {
                break status;
            }
            ensure!(begun.elapsed() < END, "a server did not end within its deadline");
            sleep(Duration::from_millis(20)).await;
        };
        ensure!(status.success(), "a server was asked to end and ended with {status}");
        sleep(drawn.hold).await;
        server.start().await?;
        Ok(Felt::Yes)
    }

    async fn restart_postgres(&self, drawn: Drawn) -> anyhow::Result<Felt> {
        let mut postgres = self.system.postgres.lock().await;
        self.begin(drawn, "");
        match drawn.fault {
            Fault::KillPostgres => kill_postgres(&mut postgres).await?,
            Fault::BreakPostgres => {
                postgres.signal(Signal::SIGQUIT);
                let begun = Instant::now();
                while postgres.ended().await.is_none() {
                    ensure!(begun.elapsed() < END, "PostgreSQL did not shut down at once");
                    sleep(Duration::from_millis(20)).await;
                }
            }
            _ => postgres.stop().await,
        }
        sleep(drawn.hold).await;
        postgres.try_restart().await?;
        Ok(Felt::Yes)
    }

    async fn stop_postgres(&self, drawn: Drawn) -> anyhow::Result<Felt> {
        let postgres = self.system.postgres.lock().await;
        self.begin(drawn, "");
        let pid = postgres.pid();
        postgres.signal(Signal::SIGSTOP);
        let stopped = wait_until(|| is_stopped(pid)).await;
        sleep(drawn.hold).await;
        postgres.signal(Signal::SIGCONT);
        ensure!(stopped, "PostgreSQL did not stop");
        Ok(Felt::Yes)
    }

    async fn network(&self, proxy: &Proxy, trouble: Trouble, drawn: Drawn) -> Felt {
        let _mine = proxy.claim().await;
        self.begin(drawn, "");
        if disturb(proxy, trouble, drawn.which, drawn.hold).await {
            Felt::Yes
        } else {
            Felt::No("nothing was connected")
        }
    }

    async fn cut_power(&self, drawn: Drawn) -> anyhow::Result<Felt> {
        let mut one = self.system.servers[0].lock().await;
        let mut other = self.system.servers[1].lock().await;
        let mut postgres = self.system.postgres.lock().await;
        self.begin(drawn, "");
        postgres.signal(Signal::SIGKILL);
        kill_service(&mut one).await?;
        kill_service(&mut other).await?;
        postgres.kill9().await;
        sleep(drawn.hold).await;
        // At once, as after a power cut.
        let servers = async {
            one.start().await?;
            other.start().await
        };
        let (postgres, servers) = tokio::join!(postgres.try_restart(), servers);
        postgres?;
        servers?;
        Ok(Felt::Yes)
    }

    /// Waits until both servers answer a question that takes the database.
    async fn recover(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut caller = Caller::new(&self.system.urls(), 8_000, &self.shared)?;
        for server in 0..TWINS {
            while caller.get(server, &["nothing".to_owned()]).await.is_err() {
                ensure!(
                    begun.elapsed() < RECOVERY,
                    "server {server} does not answer {RECOVERY:?} after the fault"
                );
                sleep(Duration::from_millis(20)).await;
            }
        }
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.counts.recovery.fetch_max(took, Ordering::Relaxed);
        Ok(())
    }
}
