//! Decides which events a rule makes of new readings of a device, by all readings around them.
//!
//! `moments` finds the moments, `runs` follows them, `window` judges those of a span, `table` reads, `told` holds what
//! was told.

mod firing;
mod moments;
mod rehearse;
mod runs;
mod table;
mod told;
mod window;

pub(crate) use firing::{Firing, Kind};
pub(crate) use rehearse::{Rehearsed, rehearse};
pub(crate) use table::Table;
pub(crate) use window::Span;

use crate::partition;
use crate::rule::Areas;
use crate::rule::{Judged, Rule};
use crate::subscription::Fire;
use crate::vocabulary::{LATITUDE, LONGITUDE};
use ::postgres::Pool;
use moments::Readings;
use reading::time;
use std::collections::{BTreeMap, HashMap, HashSet};
use store::Timestamptz as Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Transaction};
use told::Told;
use uuid::Uuid;
use window::{Attempt, Done, State, Window};

const SECOND: i64 = 1_000_000;

/// How far around a span readings are read, each time that less did not decide.
const REACHES: [i64; 5] = [
    600 * SECOND,
    3600 * SECOND,
    6 * 3600 * SECOND,
    24 * 3600 * SECOND,
    i64::MAX,
];

/// What is known at an older moment is not used: reading on from there would take longer than reading around.
const TOO_OLD: i64 = 3600 * SECOND;

/// Most rules and devices of which something is remembered.
const REMEMBERED: usize = 100_000;

/// A device and its series.
pub(crate) struct Device<'a> {
    pub(crate) name: &'a str,
    /// Ids by sensor, and when the latest reading was.
    pub(crate) series: &'a BTreeMap<String, (i32, i64)>,
}

/// Judges, and remembers where each device was.
pub(crate) struct Judge {
    pool: Pool,
    lookback: i64,
    known: HashMap<(Uuid, String), Known>,
    /// Months that have a partition of told moments.
    months: HashSet<(i64, i64)>,
    /// Days (since 1970) whose readings were dropped: what is left of them tells nothing.
    dropped: HashSet<i64>,
    /// The device that was judged last: the others are next.
    pub(crate) turn: Option<String>,
}

struct Known {
    rule: i32,
    state: State,
    /// Told moments since the run before that of the state ended.
    told: Told,
}

/// What came of the readings of a span.
struct Concluded {
    done: Done,
    /// What was told around it.
    told: Told,
    /// A tenth of the rows that were looked at again.
    walked: u64,
}

/// What was found in a span.
pub(crate) struct Found {
    /// The events, in order of time.
    pub(crate) firings: Vec<Firing>,
    /// New readings before this time, of the sensors that the rule watches, are judged as well.
    pub(crate) until: i64,
    /// Rows that were read; and a tenth of those that were looked at again, which costs as much less.
    pub(crate) rows: u64,
}

impl Found {
    fn of(rule: &Rule, span: Span, firings: Vec<Firing>, judged: Option<i64>, rows: u64) -> Self {
        Self {
            firings,
            // Readings change results as much as a margin later.
            until: judged
                .map_or(i64::MIN, |judged| judged.saturating_sub(rule.margin()))
                .max(span.last.saturating_add(1)),
            rows,
        }
    }
}

impl Judge {
    /// Makes a judge that looks back at most `lookback` microseconds. It makes partitions over `pool`.
    pub(crate) fn new(pool: Pool, lookback: i64) -> Self {
        Self {
            pool,
            lookback,
            known: HashMap::new(),
            months: HashSet::new(),
            dropped: HashSet::new(),
            turn: None,
        }
    }

    /// Forgets everything: after a commit failed, or readings were stored unseen.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
        self.months.clear();
    }

    /// Days (since 1970) of which nothing is told.
    pub(crate) fn leave_out(&mut self, days: HashSet<i64>) {
        self.dropped = days;
    }

    /// Marks the last moment of a device as told, in every kind of the rule: what was stored before a rule is no event.
    pub(crate) async fn begin(
        &mut self,
        transaction: &Transaction<'_>,
        rule: &Rule,
        areas: &Areas,
        device: &Device<'_>,
    ) -> Result<(), ::postgres::Error> {
        self.known.remove(&(rule.subscription.id, device.name.to_owned()));
        let (ids, Some(latest)) = device.watched_by(rule) else {
            return Ok(());
        };
        let mut table = Table::default();
        for reach in REACHES {
            let reach = reach.min(self.lookback);
            let read = Span {
                first: latest.saturating_sub(reach).saturating_sub(rule.margin()),
                last: table::EVER.last,
            };
            table.load(transaction, &ids, read).await?;
            let readings = readings(rule, device, &table, read);
            let mut last = None;
            moments::each(rule, &readings, read.first.saturating_add(rule.margin()), |moment| {
                if rule.judge(moment, areas, Some(false)) != Judged::PassedOver {
                    last = Some(moment.time);
                }
            });
            if let Some(last) = last {
                let kinds = Kind::all_of(rule.subscription.fire);
                let rows = kinds.iter().map(|kind| (*kind, last, true)).collect::<Vec<_>>();
                self.insert(transaction, rule, device.name, &rows).await?;
                return Ok(());
            }
            if reach >= self.lookback {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Finds the events of a rule in a span of a device's new readings. Marks them as told in the transaction. `table`
    /// holds what was read of the device in this transaction.
    pub(crate) async fn judge(
        &mut self,
        transaction: &Transaction<'_>,
        rule: &Rule,
        areas: &Areas,
        device: &Device<'_>,
        table: &mut Table,
        span: Span,
    ) -> Result<Found, ::postgres::Error> {
        let begun = table.rows();
        let affected = rule.affected(span);
        let concluded = match self.by_known(transaction, rule, areas, device, table, affected).await? {
            Some(concluded) => concluded,
            None => {
                self.by_readings(transaction, rule, areas, device, table, affected)
                    .await?
            }
        };
        let Concluded { done, mut told, walked } = concluded;
        let rows = table.rows() - begun + walked;
        let firings = self.tell(transaction, rule, device, done.firings, &mut told).await?;
        self.remember((rule.subscription.id, device.name.to_owned()), rule, done.known, told);
        Ok(Found::of(rule, span, firings, done.until, rows))
    }

    /// Judges by what is known of the device a little before. None where that is not enough.
    async fn by_known(
        &self,
        transaction: &Transaction<'_>,
        rule: &Rule,
        areas: &Areas,
        device: &Device<'_>,
        table: &mut Table,
        affected: Span,
    ) -> Result<Option<Concluded>, Error> {
        let known = self.known.get(&(rule.subscription.id, device.name.to_owned()));
        let Some(known) = known.filter(|known| {
            known.rule == rule.subscription.rule
                && known.state.at < affected.first
                && affected.first - known.state.at <= TOO_OLD
        }) else {
            return Ok(None);
        };
        let (ids, latest) = device.watched_by(rule);
        let mut reach = rule.margin().saturating_mul(2);
        loop {
            let read = Span {
                first: known.state.at.saturating_add(1).saturating_sub(rule.margin()),
                last: affected.last.saturating_add(reach),
            };
            table.load(transaction, &ids, read).await?;
            let window = Window {
                span: read,
                begins: true,
                ends: latest.is_none_or(|latest| latest <= read.last),
                is_farthest: false,
            };
            let readings = readings(rule, device, table, read);
            match window::attempt(
                rule,
                areas,
                &readings,
                window,
                Some(&known.state),
                &known.told,
                affected,
            ) {
                Attempt::Earlier => return Ok(None),
                Attempt::Later => reach = next_reach(reach),
                Attempt::Done(done) => {
                    return Ok(Some(Concluded {
                        done,
                        told: known.told.clone(),
                        walked: walked(&readings),
                    }));
                }
            }
        }
    }

    /// Judges by the readings around, as many as it takes.
    async fn by_readings(
        &self,
        transaction: &Transaction<'_>,
        rule: &Rule,
        areas: &Areas,
        device: &Device<'_>,
        table: &mut Table,
        affected: Span,
    ) -> Result<Concluded, Error> {
        let (ids, latest) = device.watched_by(rule);
        let (mut before, mut after) = (0, 0);
        loop {
            let farthest = affected.first.saturating_sub(self.lookback);
            let first = affected
                .first
                .saturating_sub(REACHES[before])
                .saturating_sub(rule.margin());
            let is_farthest = first <= farthest;
            let is_farthest_after = REACHES[after] >= self.lookback;
            let mut read = Span {
                first: first.max(farthest),
                last: affected
                    .last
                    .saturating_add(REACHES[after])
                    .min(affected.last.saturating_add(self.lookback)),
            };
            table.load(transaction, &ids, read).await?;
            let silence = Span {
                first: read.first,
                last: affected.first.saturating_sub(1),
            };
            let is_silent = is_farthest && table.is_empty(&ids, silence);
            let mut before_all = match table.before(&ids, read.first) {
                // Only whether there is one matters.
                Some(before) if !is_silent => Some(before),
                _ => table::nearest(transaction, &ids, read.first, true).await?,
            };
            // A device that was silent for longer goes on from its last moments before: they tell whether a run
            // begins, and whether the last one lasted.
            if let Some(before) = before_all.filter(|_| is_silent) {
                let lasted = rule.subscription.hold.saturating_add(rule.subscription.silence);
                read.first = before
                    .saturating_sub(lasted.max(REACHES[0]))
                    .saturating_sub(rule.margin());
                table.load(transaction, &ids, read).await?;
                before_all = table::nearest(transaction, &ids, read.first, true).await?;
            }
            let silence = Span {
                first: affected.last.saturating_add(1),
                last: read.last,
            };
            let has_later = latest.is_some_and(|latest| latest > read.last);
            if has_later && is_farthest_after && table.is_empty(&ids, silence) {
                let after = table::nearest(transaction, &ids, read.last, false).await?;
                read.last = after.map_or(read.last, |after| after.saturating_add(REACHES[0]));
                table.load(transaction, &ids, read).await?;
            }
            let window = Window {
                span: read,
                begins: before_all.is_none(),
                ends: is_farthest_after || !has_later,
                is_farthest,
            };
            let told = load_told(transaction, rule, device, read).await?;
            let readings = readings(rule, device, table, read);
            match window::attempt(rule, areas, &readings, window, None, &told, affected) {
                Attempt::Earlier => before += 1,
                Attempt::Later => after += 1,
                Attempt::Done(done) => {
                    let walked = walked(&readings);
                    return Ok(Concluded { done, told, walked });
                }
            }
        }
    }

    /// Remembers the latest state. What is known of later moments is forgotten where these readings may change it.
    fn remember(&mut self, key: (Uuid, String), rule: &Rule, state: Option<State>, mut told: Told) {
        let Some(state) = state else {
            self.known.remove(&key);
            return;
        };
        if self.known.len() >= REMEMBERED && !self.known.contains_key(&key) {
            self.known.clear();
        }
        let every = rule.subscription.every.unwrap_or_default();
        // A moment of a run that goes on may be told later, and `every` looks back from there. Single moments are
        // only told after the state's.
        let run = state
            .machine
            .told_since()
            .filter(|_| rule.subscription.fire != Fire::Each);
        let since = run.unwrap_or(state.at).min(state.at);
        let needed = since.saturating_sub(every);
        told.forget_before(needed);
        let known = Known {
            rule: rule.subscription.rule,
            state,
            told,
        };
        self.known.insert(key, known);
    }

    /// Marks these events as told. Returns those that are to be sent.
    async fn tell(
        &mut self,
        transaction: &Transaction<'_>,
        rule: &Rule,
        device: &Device<'_>,
        firings: Vec<Firing>,
        told: &mut Told,
    ) -> Result<Vec<Firing>, ::postgres::Error> {
        let (mut sent, mut rows) = (Vec::new(), Vec::new());
        let oldest = rule.subscription.max_age.map(|age| time::now().saturating_sub(age));
        for firing in firings {
            let is_near = rule
                .subscription
                .every
                .is_some_and(|every| told.is_near(firing.moment, every));
            if is_near || self.dropped.contains(&firing.moment.div_euclid(time::DAY)) {
                continue;
            }
            let silent = oldest.is_some_and(|oldest| firing.moment < oldest);
            told.add(firing.kind, firing.moment, silent);
            rows.push((firing.kind, firing.moment, silent));
            if !silent {
                sent.push(firing);
            }
        }
        let new = self.insert(transaction, rule, device.name, &rows).await?;
        // The table decides: the evaluator may remember less than it holds.
        sent.retain(|firing| new.contains(&(firing.kind, firing.moment)));
        Ok(sent)
    }

    /// Inserts told moments: their kind, and whether no event was made of them. Returns those that were not there.
    pub(crate) async fn insert(
        &mut self,
        transaction: &Transaction<'_>,
        rule: &Rule,
        device: &str,
        rows: &[(Kind, i64, bool)],
    ) -> Result<HashSet<(Kind, i64)>, ::postgres::Error> {
        let mut new = HashSet::new();
        if rows.is_empty() {
            return Ok(new);
        }
        for (_, moment, _) in rows {
            let month = time::month_of(*moment);
            if !self.months.contains(&month) {
                partition::of_month(&*self.pool.get().await?, "told", *moment).await?;
                self.months.insert(month);
            }
        }
        let kinds: Vec<&str> = rows.iter().map(|(kind, ..)| kind.name()).collect();
        let moments: Vec<Instant> = rows.iter().map(|(_, moment, _)| Instant(*moment)).collect();
        let silents: Vec<bool> = rows.iter().map(|(.., silent)| *silent).collect();
        let insert = "INSERT INTO told (subscription, device, kind, moment, silent)
            SELECT $1, $2, kind, moment, silent
            FROM unnest($3::text[], $4::timestamptz[], $5::bool[]) AS new (kind, moment, silent)
            ON CONFLICT DO NOTHING RETURNING kind, moment";
        let parameters: [&(dyn ToSql + Sync); 5] = [&rule.subscription.id, &device, &kinds, &moments, &silents];
        for row in transaction.query(insert, &parameters).await? {
            let Instant(moment) = row.try_get(1)?;
            new.extend(Kind::of(row.try_get(0)?).map(|kind| (kind, moment)));
        }
        Ok(new)
    }
}

fn next_reach(reach: i64) -> i64 {
    REACHES.into_iter().find(|next| *next > reach).unwrap_or(i64::MAX)
}

impl Device<'_> {
    fn id(&self, sensor: &str) -> Option<i32> {
        self.series.get(sensor).map(|(id, _)| *id)
    }

    /// The ids of the series that a rule watches, and when their latest reading was.
    fn watched_by(&self, rule: &Rule) -> (Vec<i32>, Option<i64>) {
        let watched = rule.watched().into_iter();
        let series: Vec<_> = watched.filter_map(|sensor| self.series.get(sensor)).collect();
        let latest = series.iter().map(|(_, latest)| *latest).max();
        (series.into_iter().map(|(id, _)| *id).collect(), latest)
    }
}

fn readings<'a>(rule: &Rule, device: &Device<'a>, table: &'a Table, span: Span) -> Readings<'a> {
    let points = |sensor: &str| table.points(device.id(sensor), span);
    Readings {
        device: device.name,
        sensors: rule.sensors.iter().map(|sensor| points(sensor)).collect(),
        places: rule.needs_place.then(|| (points(LATITUDE), points(LONGITUDE))),
    }
}

/// A tenth of the rows that a look at these readings takes.
fn walked(readings: &Readings<'_>) -> u64 {
    let places = readings
        .places
        .map_or(0, |(latitudes, longitudes)| latitudes.len() + longitudes.len());
    let sensors: usize = readings.sensors.iter().map(|points| points.len()).sum();
    (sensors + places) as u64 / 10
}

/// The told moments that matter in a span: all after its beginning, and as many before as `every` reaches.
async fn load_told(transaction: &Transaction<'_>, rule: &Rule, device: &Device<'_>, span: Span) -> Result<Told, Error> {
    let every = rule.subscription.every.unwrap_or_default();
    let first = span.first.saturating_sub(every).max(table::EVER.first);
    let last = if rule.subscription.fire == Fire::Each {
        span.last.saturating_add(every).min(table::EVER.last)
    } else {
        table::EVER.last
    };
    let select = "SELECT kind, moment, silent FROM told
        WHERE subscription = $1 AND device = $2 AND moment BETWEEN $3 AND $4";
    let rows = transaction
        .query(
            select,
            &[&rule.subscription.id, &device.name, &Instant(first), &Instant(last)],
        )
        .await?;
    let mut told = Told::default();
    for row in rows {
        let Instant(moment) = row.try_get(1)?;
        if let Some(kind) = Kind::of(row.try_get(0)?) {
            told.add(kind, moment, row.try_get(2)?);
        }
    }
    Ok(told)
}
