//! The faults of a run, and how often each kind comes.

use crate::chance::Chance;
use crate::doer::Doer;
use crate::fault::{Drawn, Fault, LINES, PARTS, Part, TROUBLES};
use crate::load::Load;
use crate::schedule::{Faults, Schedule};
use crate::stream::Operator;
use crate::system::System;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Faults at the same time, at the most.
const AT_ONCE: usize = 6;

/// How long a fault may take, its end included.
const FAULT_TIMEOUT: Duration = Duration::from_secs(240);

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
        let schedule = Schedule {
            seed: self.seed,
            duration: self.duration,
            faults: self.faults,
            at_once: AT_ONCE,
            longest: FAULT_TIMEOUT,
        };
        let journal = system.journal.clone();
        let has_disk = system.quota.is_some();
        let doer = Arc::new(Doer {
            system,
            load,
            operator,
            stream: Mutex::new(()),
            short: self.short,
        });
        let cause = |fault, chance: &mut Chance| {
            let drawn = Drawn {
                fault,
                which: chance.below(1 << 32),
                hold: self.hold(fault, chance),
            };
            let doer = doer.clone();
            async move { doer.run(drawn).await }
        };
        schedule
            .run(&journal, |chance| self.round(chance, has_disk), cause)
            .await
    }
}
