//! Notes which series got new readings, of those that subscriptions watch by the table `interest`.
//!
//! The page `docs/internals/subscriptions.md` says why the version is read after a transaction's first write.

use super::copy::Timestamptz;
use super::{lock, partition};
use crate::batch::{Part, Sorted};
use deadpool_postgres::Transaction;
use reading::{Point, pattern, time};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use tokio_postgres::{Client, Error};

/// New readings further apart than this are in different spans: in between, much may be stored already.
const APART: i64 = 10 * 60 * 1_000_000;

/// Most spans of a series in one change; the nearest are merged.
const SPANS: usize = 64;

const TABLE: &str = "change";

/// Writes changes, and remembers what subscriptions watch.
#[derive(Default)]
pub(super) struct Changes {
    interest: Mutex<Option<Arc<Interest>>>,
    /// Days (since 1970) that have a partition.
    days: Mutex<BTreeSet<i64>>,
}

/// What is watched as of a version.
struct Interest {
    version: i64,
    /// Patterns of devices, by sensor.
    devices: HashMap<String, Vec<String>>,
}

impl Interest {
    fn has(&self, device: &str, sensor: &str) -> bool {
        let mut devices = self.devices.get(sensor).into_iter().flatten();
        devices.any(|device_| pattern::fits(device_, device))
    }
}

impl Changes {
    pub(super) fn forget(&self) {
        *lock(&self.interest) = None;
        lock(&self.days).clear();
    }

    /// Makes the partitions that a change of now needs, where anything was watched last. Returns the time of that
    /// change, in microseconds since 1970.
    pub(super) async fn prepare(&self, client: &Client) -> Result<Option<i64>, Error> {
        let watched = lock(&self.interest)
            .as_ref()
            .is_some_and(|known| !known.devices.is_empty());
        if !watched {
            return Ok(None);
        }
        let now = time::now();
        let today = now.div_euclid(time::DAY);
        for day in [today, today + 1] {
            if lock(&self.days).contains(&day) {
                continue;
            }
            let name = partition::name_of_day(TABLE, day);
            let (from, to) = (time::text(day * time::DAY), time::text((day + 1) * time::DAY));
            partition::attach(client, TABLE, &name, &from, &to).await?;
            let mut days = lock(&self.days);
            days.insert(day);
            while days.len() > 2 {
                days.pop_first();
            }
        }
        Ok(Some(now))
    }

    /// Writes a change with those of the spans that are watched as of this version. False: a subscription began
    /// to watch, so [`Changes::prepare`] has to come first.
    pub(super) async fn write(
        &self,
        transaction: &Transaction<'_>,
        version: i64,
        sorted: &Sorted<'_>,
        spans: Spans,
        at: Option<i64>,
    ) -> Result<bool, Error> {
        let interest = self.interest(transaction, version).await?;
        if interest.devices.is_empty() {
            return Ok(true);
        }
        let (mut series, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        for (id, spans) in spans.0 {
            let name = sorted.names()[sorted.number_of(id)];
            if !interest.has(name.device, name.sensor) {
                continue;
            }
            for (first, last) in merged(spans) {
                series.push(id);
                firsts.push(Timestamptz(first));
                lasts.push(Timestamptz(last));
            }
        }
        if series.is_empty() {
            return Ok(true);
        }
        let Some(at) = at else {
            return Ok(false);
        };
        let insert = "INSERT INTO change (at, series, firsts, lasts) VALUES ($1, $2, $3, $4)";
        let insert = transaction.prepare_cached(insert).await?;
        transaction
            .execute(&insert, &[&Timestamptz(at), &series, &firsts, &lasts])
            .await?;
        Ok(true)
    }

    async fn interest(&self, transaction: &Transaction<'_>, version: i64) -> Result<Arc<Interest>, Error> {
        let known = lock(&self.interest).clone();
        match known {
            Some(known) if known.version == version => Ok(known),
            _ => self.read(transaction.client()).await,
        }
    }

    async fn read(&self, client: &Client) -> Result<Arc<Interest>, Error> {
        let read = "SELECT interest.version, pattern->>'device', sensor
            FROM interest
            LEFT JOIN jsonb_array_elements(patterns) AS pattern ON true
            LEFT JOIN jsonb_array_elements_text(pattern->'sensors') AS sensor ON true";
        let mut interest = Interest {
            version: 0,
            devices: HashMap::new(),
        };
        for row in client.query(read, &[]).await? {
            interest.version = row.try_get(0)?;
            let (device, sensor): (Option<String>, Option<String>) = (row.try_get(1)?, row.try_get(2)?);
            if let (Some(device), Some(sensor)) = (device, sensor) {
                interest.devices.entry(sensor).or_default().push(device);
            }
        }
        let interest = Arc::new(interest);
        *lock(&self.interest) = Some(interest.clone());
        Ok(interest)
    }
}

/// From when to when series got new readings, by id of the series, in order of time.
#[derive(Debug, Default)]
pub(super) struct Spans(BTreeMap<i32, Vec<(i64, i64)>>);

impl Spans {
    /// Adds the readings of a part. Parts of one series come in order of time.
    pub(super) fn add(&mut self, part: &Part<'_>) {
        let spans = self.0.entry(part.series).or_default();
        let (Some(first), Some(last)) = (part.points.first(), part.points.last()) else {
            return;
        };
        // A part may go on where that of the month before ends.
        let mut begin = match spans.pop_if(|(_, last)| first.timestamp - *last <= APART) {
            Some((begin, _)) => begin,
            None => first.timestamp,
        };
        if last.timestamp - first.timestamp > APART {
            for pair in part.points.windows(2) {
                let [Point { timestamp: one, .. }, Point { timestamp: next, .. }] = pair else {
                    continue;
                };
                if next - one > APART {
                    spans.push((begin, *one));
                    begin = *next;
                }
            }
        }
        spans.push((begin, last.timestamp));
    }
}

/// At most [`SPANS`] of these spans, which are in order of time: the widest gaps between them stay.
fn merged(spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    if spans.len() <= SPANS {
        return spans;
    }
    let mut gaps: Vec<usize> = (1..spans.len()).collect();
    gaps.sort_by_key(|at| spans[at - 1].1 - spans[*at].0);
    let kept: BTreeSet<usize> = gaps.into_iter().take(SPANS - 1).collect();
    let mut merged: Vec<(i64, i64)> = Vec::with_capacity(SPANS);
    for (at, span) in spans.into_iter().enumerate() {
        match merged.last_mut() {
            Some(last) if !kept.contains(&at) => last.1 = span.1,
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_end_where_readings_are_far_apart() {
        let at = |minute: i64| Point {
            timestamp: minute * 60_000_000,
            value: 0.0,
        };
        let points = [at(0), at(9), at(30), at(31), at(90)];
        let mut spans = Spans::default();
        spans.add(&Part {
            series: 7,
            points: &points,
        });
        let minute = |minute: i64| minute * 60_000_000;
        let expected = [(0, minute(9)), (minute(30), minute(31)), (minute(90), minute(90))];
        assert_eq!(spans.0[&7], expected);
    }

    #[test]
    fn the_nearest_spans_are_merged() {
        let spans: Vec<(i64, i64)> = (0..100).map(|at| (at * at, at * at)).collect();
        let merged = merged(spans);
        assert_eq!(merged.len(), SPANS);
        assert_eq!(merged[0], (0, 36 * 36), "{merged:?}");
        assert_eq!(merged[1], (37 * 37, 37 * 37));
        assert_eq!(merged[63], (99 * 99, 99 * 99));
    }
}
