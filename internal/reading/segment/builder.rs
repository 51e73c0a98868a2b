//! Writes a segment.

use super::{Origin, POINT, UploadTotals};
use crate::Point;
use bytes::{BufMut, Bytes};
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// Gathers readings of one upload into a segment. It keeps them in a few flat lists: a post of six readings
/// costs a few allocations, not a few for each series.
#[derive(Debug, Default)]
pub struct Builder {
    /// The written names of each run, one after the other: text, text.
    names: Vec<u8>,
    runs: Vec<Run>,
    /// Hashes of series, and the numbers of their runs; empty while they are few.
    index: HashTable<(u64, usize)>,
    hasher: RandomState,
    /// In order of arrival, each with the number of its run.
    readings: Vec<(usize, Point)>,
    /// The run expected next, after that of the last reading: sensors are mostly read in turn.
    likely: usize,
    size: usize,
}

#[derive(Debug)]
struct Run {
    /// Where its names lie.
    names: Range<usize>,
    hash: u64,
    points: usize,
}

/// Up to this many series, comparing each is faster than the index.
const FEW: usize = 8;

impl Builder {
    /// Makes a builder that hashes series by this hasher.
    pub fn new(hasher: RandomState) -> Self {
        Self {
            hasher,
            ..Self::default()
        }
    }

    /// Adds a reading; the caller has checked both names. Returns false if the series is new to this segment
    /// and `admit`, called only then with the hash of (device, sensor), refused it.
    pub fn push(&mut self, device: &str, sensor: &str, point: Point, admit: impl FnOnce(u64) -> bool) -> bool {
        let likely = self
            .runs
            .get(self.likely)
            .is_some_and(|run| self.is_of(run, device, sensor));
        let run = if likely {
            self.likely
        } else {
            match self.run(device, sensor, admit) {
                Some(run) => run,
                None => return false,
            }
        };
        self.runs[run].points += 1;
        self.readings.push((run, point));
        self.likely = if run + 1 < self.runs.len() { run + 1 } else { 0 };
        self.size += POINT;
        true
    }

    /// The number of this series' run, a new one if `admit` allows it.
    fn run(&mut self, device: &str, sensor: &str, admit: impl FnOnce(u64) -> bool) -> Option<usize> {
        let hash = self.hasher.hash_one((device, sensor));
        let found = if self.runs.len() <= FEW {
            self.runs.iter().position(|run| self.is_of(run, device, sensor))
        } else {
            let same = |(other, run): &(u64, usize)| *other == hash && self.is_of(&self.runs[*run], device, sensor);
            self.index.find(hash, same).map(|(_, run)| *run)
        };
        if found.is_some() {
            return found;
        }
        if !admit(hash) {
            return None;
        }
        let (run, start) = (self.runs.len(), self.names.len());
        put_text(&mut self.names, device);
        put_text(&mut self.names, sensor);
        let names = start..self.names.len();
        self.size += names.len() + 4;
        self.runs.push(Run { names, hash, points: 0 });
        let from = match self.runs.len() {
            ..=FEW => return Some(run),
            // The first series too many to compare each.
            count if count == FEW + 1 => 0,
            _ => run,
        };
        for (run, Run { hash, .. }) in self.runs.iter().enumerate().skip(from) {
            self.index.insert_unique(*hash, (*hash, run), |(hash, _)| *hash);
        }
        Some(run)
    }

    fn is_of(&self, run: &Run, device: &str, sensor: &str) -> bool {
        split_names(&self.names[run.names.clone()]) == (device.as_bytes(), sensor.as_bytes())
    }

    /// Bytes of the segment so far, without its head.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Series in it.
    pub fn series(&self) -> usize {
        self.runs.len()
    }

    /// Readings in it.
    pub fn readings(&self) -> u64 {
        self.readings.len() as u64
    }

    /// Writes the segment and empties the builder. `totals` if it is the upload's last.
    pub fn finish(&mut self, origin: &Origin, totals: Option<UploadTotals>) -> Bytes {
        let mut body = Vec::with_capacity(self.size + 256);
        body.put_u32_le(0);
        body.put_slice(origin.upload.as_bytes());
        put_text(&mut body, &origin.correlation);
        put_text(&mut body, &origin.traceparent);
        body.put_u8(totals.is_some().into());
        if let Some(totals) = totals {
            body.put_u64_le(totals.accepted);
            body.put_u64_le(totals.rejected);
        }
        body.put_u16_le(
            u16::try_from(self.runs.len()).expect("the caller finishes a segment before it holds 65,536 series"),
        );
        // First the room of each run, then each point into the next place of its run.
        let mut next = Vec::with_capacity(self.runs.len());
        for run in &self.runs {
            body.put_slice(&self.names[run.names.clone()]);
            body.put_u32_le(
                u32::try_from(run.points).expect("the caller finishes a segment long before it holds 64 GiB"),
            );
            next.push(body.len());
            body.resize(body.len() + run.points * POINT, 0);
        }
        for (run, point) in &self.readings {
            let (place, end) = (next[*run], next[*run] + POINT);
            body[place..place + 8].copy_from_slice(&point.timestamp.to_le_bytes());
            body[place + 8..end].copy_from_slice(&point.value.to_le_bytes());
            next[*run] = end;
        }
        let length = u32::try_from(body.len() - 4).expect("the caller finishes a segment long before it holds 4 GiB");
        body[..4].copy_from_slice(&length.to_le_bytes());
        self.names.clear();
        self.runs.clear();
        self.index.clear();
        self.readings.clear();
        self.likely = 0;
        self.size = 0;
        body.into()
    }
}

/// Splits the two names of a run that this program has written.
fn split_names(written: &[u8]) -> (&[u8], &[u8]) {
    let (device, sensor) = written[1..].split_at(written[0].into());
    (device, &sensor[1..])
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).expect("names, correlation ids and traceparents are at most 128 bytes long");
    to.push(length);
    to.extend_from_slice(text.as_bytes());
}
