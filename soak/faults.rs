//! The faults: a seeded sequence, some at the same time. The run checks that each really happened.

use crate::chance::Chance;
use crate::doer::Doer;
use crate::fault::{Drawn, Fault, Felt, LINES, PARTS, Part, TROUBLES};
use crate::load::Load;
use crate::stream::Operator;
use crate::system::System;
use anyhow::{Context, ensure};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

/// Faults at the same time, at the most.
const AT_ONCE: usize = 6;

/// How long a fault may take, its end included.
const FAULT_TIMEOUT: Duration = Duration::from_secs(240);

/// A fault that has ended.
type Ended = (Fault, anyhow::Result<Felt>);

/// Results of the faults.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Faults that had an effect, by name.
    pub(crate) happened: BTreeMap<String, u32>,
    /// Faults without an effect, which do not count.
    pub(crate) unfelt: u32,
}

impl Faults {
    pub(crate) fn count(&self) -> u32 {
        self.happened.values().sum()
    }

    /// Counts an ended fault, if any.
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

/// Number of faults, and their time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) duration: Duration,
    pub(crate) faults: u32,
    /// Every kind of fault once, and briefly.
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
        kinds.extend([Part::Ingestor, Part::Persistor, Part::Notifier].map(Fault::KillInTheMiddle));
        if self.short {
            let trouble = TROUBLES[usize::try_from(chance.below(6)).unwrap_or(0)];
            kinds.extend(LINES.map(|line| Fault::Network(line, trouble)));
            let part = PARTS[usize::try_from(chance.below(PARTS.len() as u64)).unwrap_or(0)];
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
            // Sometimes longer than a lease lasts.
            Fault::Stop(Part::Notifier) if chance.percent(30) => 7_000,
            // Sometimes longer than a message waits for its acknowledgement.
            Fault::Stop(Part::Persistor) if chance.percent(15) => 35_000,
            Fault::DiskFull => 1_000 + chance.below(5_000),
            _ if chance.percent(10) => 5_000 + chance.below(8_000),
            _ => 100 + chance.below(2_500),
        };
        Duration::from_millis(millis)
    }

    /// Causes all faults, and waits until they have ended.
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
        // Closer together than needed: some faults wait until their part is free.
        let distance = self.duration.mul_f64(0.9) / self.faults.max(1);
        let give_up = begin + self.duration * 2 + FAULT_TIMEOUT;
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
                let done = timeout(FAULT_TIMEOUT, does.run(drawn)).await;
                let done = done.unwrap_or_else(|_| Err(anyhow::anyhow!("it took longer than {FAULT_TIMEOUT:?}")));
                (drawn.fault, done)
            });
            // All needed faults may be under way by now.
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
