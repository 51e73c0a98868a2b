//! A day's readings with what the database knows of its dump, as both stood at one moment.

use super::days::{DumpRecord, record};
use super::{Snapshot, with_timeout};
use crate::chunks::QUEUE;
use crate::merge::Merge;
use crate::read::Reader;
use crate::write::{self, Written};
use crate::{Day, Manifest};
use anyhow::Context;
use blob::Store;
use tokio::sync::mpsc;
use uuid::Uuid;

/// A day in a database.
pub(crate) struct OfDay<'a> {
    pub(crate) pool: &'a ::postgres::Pool,
    pub(crate) day: Day,
}

impl OfDay<'_> {
    /// The day as it stands now, with what the database knows of this dump.
    pub(crate) async fn snapshot(&self, dump: Option<&Manifest>) -> anyhow::Result<DaySnapshot> {
        let timer = ::postgres::Timer::of("read_day");
        let snapshot = Snapshot::begin(self.pool).await?;
        let day = self.day;
        let id = dump.and_then(|dump| dump.id);
        let based_on = dump.map_or(&[][..], |dump| &dump.based_on);
        let client = &snapshot.client;
        let versions = with_timeout(async {
            let versions = format!(
                "SELECT (SELECT version FROM day WHERE day = '{day}'),
                    (SELECT version FROM dropped_day WHERE day = '{day}'),
                    (SELECT max(version) FROM dumped_day WHERE day = '{day}' AND (dump = $1 OR dump = ANY ($2)))"
            );
            let row = client.query_one(&versions, &[&id, &based_on]).await?;
            let record = format!("SELECT version, whole FROM dumped_day WHERE day = '{day}' AND dump = $1");
            let record = match client.query_opt(&record, &[&id]).await? {
                Some(row) => Some(DumpRecord {
                    version: row.try_get(0)?,
                    whole: row.try_get(1)?,
                }),
                None => None,
            };
            Ok((
                row.try_get::<_, Option<i64>>(0)?,
                row.try_get(1)?,
                row.try_get(2)?,
                record,
            ))
        });
        let (version, dropped, held, record): (_, _, Option<i64>, _) =
            versions.await.with_context(|| format!("read the version of {day}"))?;
        Ok(DaySnapshot {
            snapshot,
            _timer: timer,
            day,
            version: version.unwrap_or(0),
            dropped,
            record,
            // Dumps had no ids at first; of those there is only the version that they were read at.
            held: held.or(dump.filter(|dump| dump.id.is_none()).map(|dump| dump.day_version)),
        })
    }

    /// Records a dump in the database.
    pub(crate) async fn record(&self, dump: Uuid, of: DumpRecord) -> anyhow::Result<()> {
        let client = self.pool.get().await.context("connect to the database")?;
        let recorded = record(&client, self.day, dump, of).await;
        recorded.context("record the dump in the database (the dumper's role needs INSERT on dumped_day)")
    }
}

/// A day's version and its readings, as they stood at one moment.
pub(crate) struct DaySnapshot {
    snapshot: Snapshot,
    _timer: ::postgres::Timer,
    day: Day,
    /// The day's version.
    pub(crate) version: i64,
    /// The version at which retention dropped the day's readings: only a dump has those.
    pub(crate) dropped: Option<i64>,
    /// The record of the dump in question; none of a dump that another database wrote.
    pub(crate) record: Option<DumpRecord>,
    /// The latest version of the day that the dump surely holds: its own, or, where this database has no
    /// record of it, that of a dump that it is based on.
    pub(crate) held: Option<i64>,
}

impl DaySnapshot {
    /// Writes the readings into a blob, without finishing it, together with those of the dump that `base`
    /// names. Says as well whether the database has every reading of that dump.
    pub(crate) async fn write(
        self,
        base: Option<(&Store, &Manifest)>,
        to: &mut blob::Writer,
    ) -> anyhow::Result<(Written, bool)> {
        let base = match base {
            Some((store, manifest)) => Some(Reader::open(store, manifest).await?),
            None => None,
        };
        let mut has_all = true;
        let written = write::write(self.day, to, async |sink| {
            let (chunks, mut to_merge) = mpsc::channel(QUEUE);
            let reading = async {
                let read = self.snapshot.read(self.day, chunks).await;
                read.context("read the day's readings")
            };
            let merging = async {
                let mut merge = Merge::new(base, sink);
                while let Some(chunk) = to_merge.recv().await {
                    merge.series(&chunk.name.device, &chunk.name.sensor);
                    for point in chunk.points {
                        merge.reading(point.timestamp, point.value).await?;
                    }
                }
                merge.finish().await
            };
            // An error of the snapshot comes first: for the merge, it looks like the end of the day.
            let ((), (sink, whole)) = tokio::try_join!(biased; reading, merging)?;
            has_all = whole;
            Ok(sink)
        })
        .await?;
        Ok((written, has_all))
    }
}
