//! Merges the readings of a dump with those of the database, both in order.
//!
//! Of two with the same identity, the dump's stays: it was committed first.

use super::read::{Reader, Reading};
use super::write::Sink;
use std::cmp::Ordering;
use std::sync::Arc;

/// Takes the database's readings in the order of a dump, and writes them merged with the dump's.
pub(super) struct Merge {
    base: Option<Base>,
    sink: Sink,
    /// The series of the database's next readings.
    series: Option<(Arc<str>, Arc<str>)>,
    /// The series of the sink's next readings.
    written: Option<(Arc<str>, Arc<str>)>,
    /// Whether the database has every reading of the dump so far, with its value.
    whole: bool,
}

/// A dump being read.
struct Base {
    reader: Reader,
    batch: std::vec::IntoIter<Reading>,
}

impl Base {
    /// The next reading, not consumed; none at the end of an undamaged dump.
    async fn peek(&mut self) -> anyhow::Result<Option<&Reading>> {
        if self.batch.as_slice().is_empty()
            && let Some(batch) = self.reader.next().await?
        {
            self.batch = batch.into_iter();
        }
        Ok(self.batch.as_slice().first())
    }
}

impl Merge {
    pub(super) fn new(base: Option<Reader>, sink: Sink) -> Self {
        let base = base.map(|reader| Base {
            reader,
            batch: Vec::new().into_iter(),
        });
        Self {
            base,
            sink,
            series: None,
            written: None,
            whole: true,
        }
    }

    /// Starts a series of the database.
    pub(super) fn series(&mut self, device: &str, sensor: &str) {
        self.series = Some((device.into(), sensor.into()));
    }

    /// Takes a reading of the database.
    pub(super) async fn reading(&mut self, timestamp: i64, value: f64) -> anyhow::Result<()> {
        let Some((device, sensor)) = self.series.clone() else {
            anyhow::bail!("a reading came before its series");
        };
        while let Some(base) = &mut self.base {
            let Some(next) = base.peek().await? else {
                self.base = None;
                break;
            };
            let is_same = next.value.to_bits() == value.to_bits();
            match next.identity().cmp(&(&device, &sensor, timestamp)) {
                Ordering::Less => {
                    self.whole = false;
                    self.write_next().await?;
                }
                Ordering::Equal => {
                    self.whole &= is_same;
                    return self.write_next().await;
                }
                Ordering::Greater => break,
            }
        }
        self.write(device, sensor, timestamp, value).await
    }

    /// Writes the rest of the dump, and returns the sink if the dump was undamaged. Also returns whether the
    /// database has every reading of the dump.
    pub(super) async fn finish(mut self) -> anyhow::Result<(Sink, bool)> {
        while let Some(base) = &mut self.base {
            if base.peek().await?.is_none() {
                break;
            }
            self.whole = false;
            self.write_next().await?;
        }
        Ok((self.sink, self.whole))
    }

    async fn write_next(&mut self) -> anyhow::Result<()> {
        match self.base.as_mut().and_then(|base| base.batch.next()) {
            Some(next) => self.write(next.device, next.sensor, next.timestamp, next.value).await,
            None => Ok(()),
        }
    }

    async fn write(&mut self, device: Arc<str>, sensor: Arc<str>, timestamp: i64, value: f64) -> anyhow::Result<()> {
        let same = self
            .written
            .as_ref()
            .is_some_and(|written| *written.0 == *device && *written.1 == *sensor);
        if !same {
            self.sink.series(&device, &sensor);
            self.written = Some((device, sensor));
        }
        self.sink.reading(timestamp, value).await
    }
}
