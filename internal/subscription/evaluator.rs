//! The evaluator: holds the lease, takes changes, and commits what is to be told.

mod ended;
mod lease;
mod look;
mod metrics;
mod new_rows;
mod portion;
mod quiet;
mod retell;
mod room;
mod spans;
mod take;
#[cfg(test)]
mod tests;

pub(crate) use take::is_judged;

use crate::event::Event;
use crate::judge::{Device, Judge};
use crate::rule::Rule;
use crate::rules::Rules;
use crate::subscription::{Fire, READINGS, Subscription};
use crate::{Term, devices, replay};
use ::postgres::Pool;
use ended::Ended;
use metrics::Metrics;
use new_rows::NewRows;
use portion::Portion;
use prometheus_client::registry::Registry;
use reading::{pattern, time};
use room::Room;
use spans::Spans;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, IsolationLevel, Transaction};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use webhook::Allowed;

/// Between two looks at the database.
const LOOK: Duration = Duration::from_millis(50);

/// How long a lease lasts, as the database counts it.
const LEASE: &str = "5 seconds";

/// How long its holder relies on it, from before it asks.
const RELIED: Duration = Duration::from_millis(4500);

/// Between two tries to get the lease, and after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// A look at the database that takes longer has failed: its server has stopped answering, and keeps the connection.
const DEADLINE: Duration = Duration::from_secs(600);

/// Between two looks for devices that have become quiet, and at how far the sender is.
const SLOW_LOOK: Duration = Duration::from_secs(1);

/// A backlog that is judged for longer than this keeps no rule from coming into force.
const ENTERED: Duration = Duration::from_secs(60);

/// How an evaluator works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How far back a run is followed; one that began earlier counts as told. In microseconds.
    pub lookback: i64,
    /// Which targets may be reached though they are not public: others are a problem of their subscription.
    pub allowed: Allowed,
}

/// What the evaluator tells the sender.
pub struct Outputs {
    /// The lease; none while another process holds it.
    pub term: watch::Receiver<Option<Term>>,
    /// Every subscription.
    pub subscriptions: watch::Receiver<Arc<Vec<Subscription>>>,
    /// Notified after deliveries were committed.
    pub wake: Arc<Notify>,
}

/// Holds the lease, takes changes, and commits what is to be told.
pub struct Evaluator {
    pool: Pool,
    me: Uuid,
    judge: Judge,
    portion: Portion,
    metrics: Metrics,
    /// What is judged.
    active: Vec<Arc<Rule>>,
    /// The last edit that was read. Its areas are those of the active rules, unless `entering` has others.
    rules: Rules,
    entering: Option<Entering>,
    room: Room,
    /// When the oldest change was made that is not judged yet.
    behind: Option<i64>,
    looked: Option<Instant>,
    /// Devices are to be looked at for their silence.
    looks_quiet: bool,
    /// Replays wait.
    has_replays: bool,
    days: HashSet<i64>,
    term: watch::Sender<Option<Term>>,
    subscriptions: watch::Sender<Arc<Vec<Subscription>>>,
    wake: Arc<Notify>,
}

/// Rules that come into force once all transactions have ended that may not know of them.
struct Entering {
    /// The first transaction number that knows.
    from: u64,
    /// When they were read.
    since: Instant,
    rules: Vec<Uuid>,
    areas: Arc<crate::rule::Areas>,
}

impl Evaluator {
    /// Makes an evaluator over a pool of at least two connections.
    pub fn new(pool: Pool, settings: Settings, registry: &mut Registry) -> (Self, Outputs) {
        let (term, term_) = watch::channel(None);
        let (subscriptions, subscriptions_) = watch::channel(Arc::default());
        let wake = Arc::new(Notify::new());
        let evaluator = Self {
            judge: Judge::new(pool.clone(), settings.lookback),
            portion: Portion::default(),
            pool,
            me: Uuid::new_v4(),
            metrics: Metrics::register(registry),
            active: Vec::new(),
            rules: Rules::of(settings.allowed),
            entering: None,
            room: Room::default(),
            behind: None,
            looked: None,
            looks_quiet: false,
            has_replays: false,
            days: HashSet::new(),
            term,
            subscriptions,
            wake: wake.clone(),
        };
        let outputs = Outputs {
            term: term_,
            subscriptions: subscriptions_,
            wake,
        };
        (evaluator, outputs)
    }

    /// Works until `stop`. Failures of the database are logged, and tried again.
    pub async fn run(mut self, stop: CancellationToken) {
        let working = async {
            loop {
                match self.work().await {
                    Ok(()) => {}
                    Err(Ended::Again) => {}
                    Err(Ended::Lost) => tracing::info!("another notifier has taken over"),
                    Err(Ended::Failed(error)) => {
                        let cause = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::warn!(%error, cause, "cannot look for new readings; trying again");
                    }
                }
                self.lose();
                sleep(PAUSE).await;
            }
        };
        stop.run_until_cancelled(working).await;
        self.lose();
        self.give_back().await;
    }

    /// Forgets what holds only with the lease.
    fn lose(&mut self) {
        self.term.send_replace(None);
        self.judge.forget();
        self.active.clear();
        self.rules = Rules::of(self.rules.allowed.clone());
        self.entering = None;
        self.room.clear();
        self.behind = None;
        self.days.clear();
        self.looked = None;
    }

    /// Works with the lease, if it is free; else returns.
    async fn work(&mut self) -> Result<(), Ended> {
        let mut client = self.pool.get().await.map_err(::postgres::Error::from)?;
        let worked = self.work_over(&mut client).await;
        if worked.is_err() {
            // A statement may still run on it.
            drop(deadpool_postgres::Object::take(client));
        }
        worked
    }

    async fn work_over(&mut self, client: &mut Client) -> Result<(), Ended> {
        let Some(mut term) = timeout(DEADLINE, self.acquire(client)).await?? else {
            return Ok(());
        };
        loop {
            if !timeout(DEADLINE, self.tick(client, &mut term)).await?? {
                sleep(LOOK).await;
            }
        }
    }

    /// Looks at the database once, and does what there is to do. Returns whether there was anything.
    async fn tick(&mut self, client: &mut Client, term: &mut Term) -> Result<bool, Ended> {
        self.renew(client, term).await?;
        let look = look::look(client, self.me, term.number).await?.ok_or(Ended::Lost)?;
        let has_slow_rule = self.active.iter().any(|rule| rule.cost.is_too_high());
        if has_slow_rule || look.edits != self.rules.edits {
            self.read_rules(client, term).await?;
        }
        let enters = self
            .entering
            .as_ref()
            .is_some_and(|entering| entering.from <= look.oldest);
        let is_slow = self.looked.is_none_or(|looked| looked.elapsed() >= SLOW_LOOK);
        if is_slow {
            self.look_slowly(client).await?;
        }
        let has_work = look.is_new || enters || self.has_replays || self.looks_quiet;
        if !has_work {
            return Ok(false);
        }
        match self.step(client, term, enters).await {
            // What is in memory is as it was before, and the numbers are read again.
            Err(Ended::Again) => self.room.number(client).await?,
            stepped => {
                stepped?;
                self.term.send_replace(Some(*term));
            }
        }
        Ok(true)
    }

    /// Reads subscriptions and areas. Those that are new or were edited come into force later.
    async fn read_rules(&mut self, client: &mut Client, term: &Term) -> Result<(), Ended> {
        let rules = Rules::read(client, &self.rules).await?;
        let transaction = client.transaction().await?;
        // The holder of the lease alone: one that wakes late would write what it has read long ago.
        let holds = "SELECT FROM evaluator WHERE shard = 0 AND owner = $1 AND number = $2 FOR SHARE";
        if transaction.query_opt(holds, &[&self.me, &term.number]).await?.is_none() {
            return Err(Ended::Lost);
        }
        rules.publish(&transaction).await?;
        transaction.commit().await?;
        let row = client
            .query_one("SELECT pg_snapshot_xmax(pg_current_snapshot())::text", &[])
            .await?;
        let from: String = row.try_get(0)?;
        let moved = rules.has_other_areas(&self.rules) && !self.rules.subscriptions.is_empty();
        let is_entering =
            |rule: &Rule| rule.subscription.in_force != Some(rule.subscription.rule) || (moved && rule.needs_place);
        let entering: Vec<Uuid> = rules
            .all
            .iter()
            .filter(|rule| is_entering(rule))
            .map(|rule| rule.subscription.id)
            .collect();
        // Until then an edited rule goes on as it was.
        let before: HashMap<Uuid, Arc<Rule>> = self.active.drain(..).map(|rule| (rule.subscription.id, rule)).collect();
        for rule in &rules.all {
            if !entering.contains(&rule.subscription.id) {
                self.active.push(rule.clone());
            } else if let Some(before) = before.get(&rule.subscription.id) {
                self.active.push(before.clone());
            }
        }
        self.entering = Some(Entering {
            from: from.parse().unwrap_or(u64::MAX),
            since: Instant::now(),
            rules: entering,
            areas: rules.areas.clone(),
        });
        self.subscriptions.send_replace(rules.subscriptions.clone());
        self.rules = rules;
        Ok(())
    }

    async fn look_slowly(&mut self, client: &Client) -> Result<(), Ended> {
        self.looked = Some(Instant::now());
        self.looks_quiet = self.has_quiet();
        self.room.look(client).await?;
        let waiting = "SELECT EXISTS (SELECT FROM replay WHERE state <> 'done')";
        self.has_replays = client.query_one(waiting, &[]).await?.try_get(0)?;
        let mut dropped = HashSet::new();
        for row in client
            .query("SELECT day - date '1970-01-01' FROM dropped_day", &[])
            .await?
        {
            dropped.insert(i64::from(row.try_get::<_, i32>(0)?));
        }
        self.judge.leave_out(dropped);
        Ok(())
    }

    fn has_quiet(&self) -> bool {
        self.active.iter().any(|rule| rule.subscription.fire == Fire::Quiet)
    }

    /// Takes, judges and commits.
    async fn step(&mut self, client: &mut Client, term: &mut Term, enters: bool) -> Result<(), Ended> {
        let now = time::now();
        let day = now.div_euclid(time::DAY);
        if self.days.insert(day) {
            store::make_day(client, "delivery", now).await?;
        }
        let begin = Instant::now();
        let stepped = self.step_over(client, term, enters, now).await;
        self.portion = match &stepped {
            Ok(()) | Err(Ended::Again) => self.portion.after(begin.elapsed()),
            Err(_) => self.portion.after_failure(),
        };
        if stepped.is_err() {
            self.judge.forget();
        }
        stepped
    }

    async fn step_over(&mut self, client: &mut Client, term: &mut Term, enters: bool, now: i64) -> Result<(), Ended> {
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .start()
            .await?;
        // Before the snapshot, so that no partition vanishes from it. Who stops within the transaction keeps the row of the
        // lease no longer than this.
        let begin = "SET LOCAL idle_in_transaction_session_timeout = '15s'; LOCK TABLE reading IN ACCESS SHARE MODE";
        transaction.batch_execute(begin).await?;
        // The origin has no timeline, unlike ids of the live stream: `seen` is in the database itself, so a recovery takes
        // it back as well. After a failover the timeline is another, and what is new must not be skipped.
        let select = "SELECT seen::text, rest, origin, pg_current_snapshot()::text,
                (SELECT system_identifier::text FROM pg_control_system()) || '/' || 'reading'::regclass::oid::text
            FROM evaluator WHERE shard = 0 AND owner = $1 AND number = $2 FOR NO KEY UPDATE";
        // Locked: others wait for the end, instead of taking the lease of one that has much to do.
        let row = transaction
            .query_opt(select, &[&self.me, &term.number])
            .await?
            .ok_or(Ended::Lost)?;
        let (seen, rest): (Option<String>, serde_json::Value) = (row.try_get(0)?, row.try_get(1)?);
        let (origin, snapshot): (Option<String>, String) = (row.try_get(2)?, row.try_get(3)?);
        let here: String = row.try_get(4)?;
        let seen = seen.filter(|_| origin.as_deref() == Some(&here));
        let mut events: Vec<Event> = Vec::new();
        let (mut rest_, mut behind) = (Spans::default(), self.behind);
        let new = match &seen {
            Some(seen) => Some(NewRows::find(&transaction, seen, &snapshot).await?),
            None => None,
        };
        let is_all = new.as_ref().is_none_or(|new| new.is_all);
        if let Some(new) = &new {
            let mut spans = Spans::default();
            spans.add_json(&rest);
            let oldest = take::changes(&transaction, new, &mut spans).await?;
            let oldest = self.behind.into_iter().chain(oldest).min();
            self.metrics.took(oldest, now);
            let taken = take::judge(
                &transaction,
                &mut self.judge,
                &self.active,
                &self.rules.areas,
                spans,
                &mut self.portion,
                now,
            )
            .await?;
            events.extend(taken.events);
            rest_ = taken.rest;
            behind = oldest.filter(|_| !is_all || !rest_.is_empty());
            events.extend(take::messages(&transaction, new, &self.active).await?);
        } else if origin.is_some() {
            tracing::warn!("this is another database than before; what it already holds is not judged");
        }
        let replayed = replay::step(&transaction, &self.rules, now).await?;
        if self.looks_quiet {
            events.extend(quiet::look(&transaction, &mut self.judge, &self.active, now).await?);
        }
        // What was stored before a rule is no event of it, so it waits until that is judged.
        let waited = |entering: &Entering| entering.since.elapsed() >= ENTERED;
        let enters = enters && (is_all && rest_.is_empty() || self.entering.as_ref().is_some_and(waited));
        let enters = enters || seen.is_none();
        if enters {
            self.enter(&transaction, term, seen.is_none(), now).await?;
        }
        let (count, gaps) = self.room.queue(&transaction, events, now).await?;
        if let Some(new) = &new {
            retell::step(&transaction, new).await?;
        }
        let upto = new.map_or(snapshot, |new| new.upto);
        let commit = format!(
            "UPDATE evaluator SET seen = $3::text::pg_snapshot, rest = $4, origin = $5, number = number + 1,
                until = clock_timestamp() + interval '{LEASE}'
            WHERE shard = 0 AND owner = $1 AND number = $2"
        );
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&self.me, &term.number, &upto, &rest_.json(), &here];
        let asked = Instant::now();
        // If another notifier took the lease meanwhile, this is a conflict, and the next look finds it out.
        if transaction.execute(&commit, &parameters).await? == 0 {
            return Err(Ended::Lost);
        }
        transaction.commit().await?;
        term.number += 1;
        term.until = asked + RELIED;
        self.behind = behind;
        self.has_replays = replayed > 0;
        self.looks_quiet = false;
        if enters && self.entering.take().is_some() {
            self.active.clone_from(&self.rules.all);
        }
        self.metrics.events.inc_by(count + gaps);
        self.metrics.gaps.inc_by(gaps);
        if count > 0 || replayed > 0 {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Brings rules into force, in the snapshot of this transaction. They are active after its commit.
    async fn enter(
        &mut self,
        transaction: &Transaction<'_>,
        term: &mut Term,
        all: bool,
        now: i64,
    ) -> Result<(), Ended> {
        let Some(entering) = &self.entering else {
            return Ok(());
        };
        for rule in &self.rules.all {
            let id = rule.subscription.id;
            if !all && !entering.rules.contains(&id) {
                continue;
            }
            if is_judged(rule) {
                for (device, series) in devices::all(transaction, &rule.watched()).await? {
                    if pattern::fits(&rule.subscription.device, &device) {
                        let device = Device {
                            name: &device,
                            series: &series,
                        };
                        let asked = Instant::now();
                        self.judge.begin(transaction, rule, &entering.areas, &device).await?;
                        // Of many devices, this takes long, and deliveries go on meanwhile.
                        self.rely(term, asked);
                    }
                }
            } else if rule.subscription.fire == Fire::Quiet && rule.subscription.topic == READINGS {
                quiet::begin(transaction, &mut self.judge, rule, now).await?;
            }
            let update = "UPDATE subscription SET in_force = $2, problem = CASE WHEN in_force IS DISTINCT FROM $2 THEN $3 ELSE problem END
                WHERE id = $1 AND rule = $2";
            let problem = self.rules.problem_of(id);
            transaction
                .execute(update, &[&id, &rule.subscription.rule, &problem])
                .await?;
        }
        Ok(())
    }
}
