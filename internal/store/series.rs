//! Ids of series. They are found or made before the readings that need them, remembered, and checked in the
//! transaction that uses them.

use super::copy::Timestamptz;
use deadpool_postgres::Transaction;
use futures_util::TryStreamExt;
use hashbrown::HashTable;
use reading::NameRef;
use reading::Point;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

/// Most remembered series; one takes about 100 bytes.
pub(super) const REMEMBERED: usize = 50_000;

/// Series named in one statement, which bounds its memory.
const PAGE: usize = 5_000;

/// A known series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) id: i32,
    /// Latest committed reading seen, in microseconds since 1970. Other processes write too: later ones may
    /// exist.
    pub(super) latest: Option<i64>,
}

/// Recently used series, in two generations. A used series moves to the young generation; once that is full,
/// it replaces the old one. A batch copies the series that it needs and never depends on which ones stay.
pub(super) struct Cache {
    young: Generation,
    old: Generation,
    hasher: RandomState,
    most: usize,
}

/// Series by name, in a few lists that are freed together. A separate allocation for each name, kept while
/// batches come and go, fragmented the heap.
#[derive(Default)]
struct Generation {
    names: String,
    series: Vec<Entry>,
    index: HashTable<usize>,
}

/// A series in a generation.
struct Entry {
    /// Where its names are: the device's, then the sensor's.
    device: usize,
    sensor: usize,
    end: usize,
    hash: u64,
    series: Series,
}

impl Generation {
    fn name(&self, kept: &Entry) -> NameRef<'_> {
        NameRef {
            device: &self.names[kept.device..kept.sensor],
            sensor: &self.names[kept.sensor..kept.end],
        }
    }

    fn find(&self, hash: u64, name: NameRef<'_>) -> Option<usize> {
        let is_it = |at: &usize| self.name(&self.series[*at]) == name;
        self.index.find(hash, is_it).copied()
    }

    /// Adds a new series.
    fn add(&mut self, hash: u64, name: NameRef<'_>, series: Series) {
        let device = self.names.len();
        self.names.push_str(name.device);
        let sensor = self.names.len();
        self.names.push_str(name.sensor);
        self.series.push(Entry {
            device,
            sensor,
            end: self.names.len(),
            hash,
            series,
        });
        let Self { series, index, .. } = self;
        index.insert_unique(hash, series.len() - 1, |at| series[*at].hash);
    }
}

impl Cache {
    /// Remembers at most this many series.
    pub(super) fn new(most: usize) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            hasher: RandomState::new(),
            most,
        }
    }

    pub(super) fn forget(&mut self) {
        *self = Self::new(self.most);
    }

    pub(super) fn get(&mut self, name: NameRef<'_>) -> Option<Series> {
        let hash = self.hasher.hash_one(name);
        if let Some(at) = self.young.find(hash, name) {
            return Some(self.young.series[at].series);
        }
        let at = self.old.find(hash, name)?;
        let series = self.old.series[at].series;
        self.add(hash, name, series);
        Some(series)
    }

    /// Remembers a series, and the later of two timestamps if it was known.
    pub(super) fn learn(&mut self, name: NameRef<'_>, mut series: Series) {
        if let Some(known) = self.get(name).filter(|known| known.id == series.id) {
            series.latest = series.latest.max(known.latest);
        }
        let hash = self.hasher.hash_one(name);
        match self.young.find(hash, name) {
            Some(at) => self.young.series[at].series = series,
            None => self.add(hash, name, series),
        }
    }

    fn add(&mut self, hash: u64, name: NameRef<'_>, series: Series) {
        if self.young.series.len() >= self.most / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.add(hash, name, series);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.series.len() + self.old.series.len()
    }
}

/// Returns the series of these names, in their order. Makes missing ones, each page in a transaction of its
/// own: a batch's rollback must not take back a remembered id. None if one was made and is gone again.
pub(super) async fn find_or_make(client: &Client, names: &[NameRef<'_>]) -> Result<Option<Vec<Series>>, Error> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_unstable_by_key(|at| names[*at]);
    let mut found = vec![None; names.len()];
    for page in order.chunks(PAGE) {
        find(client, names, page, &mut found).await?;
        let missing: Vec<usize> = page.iter().copied().filter(|at| found[*at].is_none()).collect();
        if missing.is_empty() {
            continue;
        }
        make(client, names, &missing).await?;
        find(client, names, &missing, &mut found).await?;
    }
    Ok(found.into_iter().collect())
}

/// Makes series in order of name, so that two writers of the same series cannot deadlock.
async fn make(client: &Client, names: &[NameRef<'_>], which: &[usize]) -> Result<(), Error> {
    let _timer = ::postgres::Timer::of("make_series");
    let (devices, sensors) = columns(which.iter().map(|at| names[*at]));
    client
        .execute(
            "INSERT INTO series (device, sensor)
             SELECT device, sensor FROM unnest($1::text[], $2::text[]) AS new (device, sensor)
             ORDER BY device COLLATE \"C\", sensor COLLATE \"C\"
             ON CONFLICT DO NOTHING",
            &[&devices, &sensors],
        )
        .await?;
    Ok(())
}

/// Finds the existing ones of these names.
async fn find(
    client: &Client,
    names: &[NameRef<'_>],
    which: &[usize],
    found: &mut [Option<Series>],
) -> Result<(), Error> {
    let (devices, sensors) = columns(which.iter().map(|at| names[*at]));
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&devices, Type::TEXT_ARRAY), (&sensors, Type::TEXT_ARRAY)];
    let rows = client
        .query_typed_raw(
            "SELECT number - 1, id, latest_timestamp
             FROM unnest($1, $2) WITH ORDINALITY AS wanted (device, sensor, number)
             JOIN series USING (device, sensor)",
            parameters,
        )
        .await?;
    let mut rows = pin!(rows);
    while let Some(row) = rows.try_next().await? {
        let latest: Option<Timestamptz> = row.try_get(2)?;
        found[which[super::ordinality::index(row.try_get(0)?)]] = Some(Series {
            id: row.try_get(1)?,
            latest: latest.map(|Timestamptz(latest)| latest),
        });
    }
    Ok(())
}

/// A series as a batch assumes it.
pub(super) struct Taken<'a> {
    pub(super) name: NameRef<'a>,
    pub(super) series: Series,
}

/// Checks these series, in order of id: each must have this id in this database, and a latest reading no
/// older than the remembered one. Remembered series may be of another database: after a failover behind a
/// proxy, a connection leads elsewhere without notice. With `lock`, locks their rows.
pub(super) async fn check(transaction: &Transaction<'_>, taken: &[Taken<'_>], lock: bool) -> Result<bool, Error> {
    // Two statements, each planned once for a connection.
    let statement = if lock {
        "SELECT FROM series JOIN unnest($1::int4[], $2::text[], $3::text[], $4::timestamptz[])
             AS taken (id, device, sensor, latest) USING (id, device, sensor)
         WHERE latest IS NULL OR latest_timestamp >= latest ORDER BY id FOR NO KEY UPDATE OF series"
    } else {
        "SELECT FROM series JOIN unnest($1::int4[], $2::text[], $3::text[], $4::timestamptz[])
             AS taken (id, device, sensor, latest) USING (id, device, sensor)
         WHERE latest IS NULL OR latest_timestamp >= latest"
    };
    for page in taken.chunks(PAGE) {
        let ids: Vec<i32> = page.iter().map(|taken| taken.series.id).collect();
        let (devices, sensors) = columns(page.iter().map(|taken| taken.name));
        let latest: Vec<Option<Timestamptz>> = page.iter().map(|taken| taken.series.latest.map(Timestamptz)).collect();
        let statement = transaction.prepare_cached(statement).await?;
        let matched = transaction
            .execute(&statement, &[&ids, &devices, &sensors, &latest])
            .await?;
        if matched != page.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Moves the latest values forward; the caller has locked the series, by id.
pub(super) async fn move_latest(transaction: &Transaction<'_>, latest: &[(i32, Point)]) -> Result<(), Error> {
    if latest.is_empty() {
        return Ok(());
    }
    let ids: Vec<i32> = latest.iter().map(|(id, _)| *id).collect();
    let moments: Vec<Timestamptz> = latest.iter().map(|(_, point)| Timestamptz(point.timestamp)).collect();
    let values: Vec<f64> = latest.iter().map(|(_, point)| point.value).collect();
    let update = "UPDATE series SET latest_timestamp = new.timestamp, latest_value = new.value
             FROM unnest($1::int4[], $2::timestamptz[], $3::float8[]) AS new (id, timestamp, value)
             WHERE series.id = new.id AND (latest_timestamp IS NULL OR latest_timestamp < new.timestamp)";
    let update = transaction.prepare_cached(update).await?;
    transaction.execute(&update, &[&ids, &moments, &values]).await?;
    Ok(())
}

fn columns<'a>(names: impl Iterator<Item = NameRef<'a>>) -> (Vec<&'a str>, Vec<&'a str>) {
    names.map(|name| (name.device, name.sensor)).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(sensor: &str) -> NameRef<'_> {
        NameRef { device: "d", sensor }
    }

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut known = Cache::new(10);
        let series = |id| Series { id, latest: None };
        known.learn(name("used"), series(0));
        for id in 1..1000 {
            known.learn(name(&id.to_string()), series(id));
            assert_eq!(known.get(name("used")), Some(series(0)));
            assert!(known.len() <= 10);
        }
        assert_eq!(known.get(name("1")), None);
        assert_eq!(known.get(name("999")), Some(series(999)));
    }

    #[test]
    fn the_latest_only_moves_forward() {
        let mut known = Cache::new(10);
        let series = |latest| Series { id: 1, latest };
        for (latest, expected) in [(None, None), (Some(2), Some(2)), (Some(1), Some(2)), (None, Some(2))] {
            known.learn(name("speed"), series(latest));
            assert_eq!(known.get(name("speed")), Some(series(expected)));
        }
        // Another id means another database.
        let other = Series { id: 2, latest: None };
        known.learn(name("speed"), other);
        assert_eq!(known.get(name("speed")), Some(other));
    }
}
