//! Sorts readings in any order, with repetitions, in temporary files.
//!
//! Readings that fit in memory are sorted and written out as a run; sixteen runs are merged into one. So the
//! caller bounds the memory, and the disk holds each reading once or twice, at 16 bytes and its share of a
//! name. The files have no names and vanish with the process.

use archive::chunks::{POINTS, SeriesChunk};
use archive::{Day, Days};
use reading::Name;
use reading::Point;
use reading::time::DAY;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use tokio::sync::mpsc;

/// Runs merged at once.
const FAN: usize = 16;

/// About how many bytes of memory a series of a day takes beside its readings.
const OVERHEAD: usize = 256;

/// Days since 1970 and the series.
type Key = (i64, Name);

/// Sorts readings.
pub(super) struct Sorter {
    folder: PathBuf,
    days: Days,
    budget: usize,
    held: BTreeMap<Key, Vec<Point>>,
    bytes: usize,
    /// Runs, each with how often it was merged; never more often than the one before.
    runs: Vec<(u32, Run)>,
}

impl Sorter {
    /// Makes a sorter that holds about `budget` bytes in memory and the rest in `folder`. It leaves out
    /// readings of other days.
    pub(super) fn new(folder: PathBuf, budget: usize, days: Days) -> Self {
        Self {
            folder,
            days,
            budget,
            held: BTreeMap::new(),
            bytes: 0,
            runs: Vec::new(),
        }
    }

    /// Adds readings of one series.
    pub(super) fn add(&mut self, device: &str, sensor: &str, points: impl Iterator<Item = Point>) {
        let mut last: Option<(i64, Vec<Point>)> = None;
        for point in points {
            let day = point.timestamp.div_euclid(DAY);
            match &mut last {
                Some((of, points)) if *of == day => points.push(point),
                _ => {
                    if let Some((day, points)) = last.replace((day, vec![point])) {
                        self.hold(day, device, sensor, points);
                    }
                }
            }
        }
        if let Some((day, points)) = last {
            self.hold(day, device, sensor, points);
        }
    }

    fn hold(&mut self, day: i64, device: &str, sensor: &str, points: Vec<Point>) {
        if Day::at(day).is_none_or(|day| !self.days.contains(day)) {
            return;
        }
        let name = Name {
            device: device.to_owned(),
            sensor: sensor.to_owned(),
        };
        // Twice the points: a growing list has spare room.
        self.bytes += points.len() * 32;
        match self.held.entry((day, name)) {
            Entry::Vacant(entry) => {
                self.bytes += OVERHEAD;
                entry.insert(points);
            }
            Entry::Occupied(mut entry) => entry.get_mut().extend(points),
        }
    }

    /// Whether its memory is full, and [`Sorter::spill`] is due.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.budget
    }

    /// Writes the readings in memory to a run. Blocks.
    pub(super) fn spill(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let mut out = Out::new(&self.folder)?;
        for (key, mut points) in std::mem::take(&mut self.held) {
            points.sort_unstable_by_key(order);
            points.dedup_by_key(|point| order(point));
            for point in points {
                out.push(&key, point)?;
            }
        }
        self.bytes = 0;
        self.runs.push((0, out.finish()?));
        while let Some(times) = self.runs.last().map(|(times, _)| *times)
            && self.runs.iter().rev().take_while(|run| run.0 == times).count() >= FAN
        {
            self.merge(times + 1)?;
        }
        Ok(())
    }

    /// Merges the last runs into one.
    fn merge(&mut self, times: u32) -> io::Result<()> {
        let first = self.runs.len().saturating_sub(FAN);
        let runs: Vec<Run> = self.runs.drain(first..).map(|(_, run)| run).collect();
        let mut heap = BinaryHeap::with_capacity(runs.len());
        for run in &runs {
            heap.extend(Merging::open(run)?);
        }
        let mut out = Out::new(&self.folder)?;
        while let Some(mut least) = heap.peek_mut() {
            out.push(&least.block.key, least.point())?;
            if !least.advance()? {
                PeekMut::pop(least);
            }
        }
        self.runs.push((times, out.finish()?));
        Ok(())
    }

    /// Sorts everything. Blocks.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        self.spill()?;
        while self.runs.len() > 1 {
            self.merge(0)?;
        }
        Ok(Sorted(self.runs.pop().map(|(_, run)| run)))
    }
}

/// Order of the values of a series; values of one identity are ordered by their bits.
fn order(point: &Point) -> (i64, u64) {
    (point.timestamp, point.value.to_bits())
}

/// Readings in order: by day, device, sensor, time and bits of the value. Each pair of an identity and a
/// value is in it once.
pub(super) struct Sorted(Option<Run>);

impl Sorted {
    /// The days with readings.
    pub(super) fn days(&self) -> impl Iterator<Item = Day> {
        let days = self.0.iter().flat_map(|run| run.days.keys());
        days.filter_map(|day| Day::at(*day))
    }

    /// Sends the readings of a day to `to`, until it is closed. Blocks.
    pub(super) fn read(&self, day: Day, to: &mpsc::Sender<SeriesChunk>) -> io::Result<()> {
        let number = day.start().div_euclid(DAY);
        let Some((run, offset)) = self.0.as_ref().and_then(|run| Some((run, *run.days.get(&number)?))) else {
            return Ok(());
        };
        let mut blocks = run.blocks(offset)?;
        while let Some(Block {
            key: (day, name),
            points,
        }) = blocks.next()?
        {
            if day != number || to.blocking_send(SeriesChunk { name, points }).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// A file of readings in order.
struct Run {
    file: File,
    /// Where each day begins.
    days: BTreeMap<i64, u64>,
}

impl Run {
    fn blocks(&self, offset: u64) -> io::Result<Blocks<'_>> {
        (&self.file).seek(SeekFrom::Start(offset))?;
        Ok(Blocks(BufReader::with_capacity(64 << 10, &self.file)))
    }
}

/// Some readings of a series and a day. Its bytes: day, two names each after its length, number of points,
/// points; numbers in little-endian.
struct Block {
    key: Key,
    points: Vec<Point>,
}

struct Blocks<'a>(BufReader<&'a File>);

impl Blocks<'_> {
    fn next(&mut self) -> io::Result<Option<Block>> {
        let day = match self.array() {
            Ok(bytes) => i64::from_le_bytes(bytes),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let (device, sensor) = (self.text()?, self.text()?);
        let count = u32::from_le_bytes(self.array()?);
        let mut points = Vec::with_capacity(POINTS.min(count as usize));
        for _ in 0..count {
            points.push(Point {
                timestamp: i64::from_le_bytes(self.array()?),
                value: f64::from_le_bytes(self.array()?),
            });
        }
        Ok(Some(Block {
            key: (day, Name { device, sensor }),
            points,
        }))
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn text(&mut self) -> io::Result<String> {
        let [length] = self.array()?;
        let mut bytes = vec![0; length.into()];
        self.0.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| ErrorKind::InvalidData.into())
    }
}

/// Writes a run; the same reading twice in a row is written once.
struct Out {
    to: BufWriter<File>,
    days: BTreeMap<i64, u64>,
    written: u64,
    block: Option<Block>,
}

impl Out {
    fn new(folder: &PathBuf) -> io::Result<Self> {
        Ok(Self {
            to: BufWriter::with_capacity(256 << 10, tempfile::tempfile_in(folder)?),
            days: BTreeMap::new(),
            written: 0,
            block: None,
        })
    }

    fn push(&mut self, key: &Key, point: Point) -> io::Result<()> {
        if let Some(block) = &mut self.block
            && block.key == *key
        {
            if block.points.last().map(order) == Some(order(&point)) {
                return Ok(());
            }
            if block.points.len() < POINTS {
                block.points.push(point);
                return Ok(());
            }
        }
        self.flush()?;
        let points = vec![point];
        self.block = Some(Block {
            key: key.clone(),
            points,
        });
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(Block {
            key: (day, name),
            points,
        }) = self.block.take()
        else {
            return Ok(());
        };
        self.days.entry(day).or_insert(self.written);
        let mut bytes = Vec::with_capacity(160 + points.len() * 16);
        bytes.extend_from_slice(&day.to_le_bytes());
        for text in [&name.device, &name.sensor] {
            bytes.push(u8::try_from(text.len()).map_err(|_| ErrorKind::InvalidData)?);
            bytes.extend_from_slice(text.as_bytes());
        }
        let count = u32::try_from(points.len()).map_err(|_| ErrorKind::InvalidData)?;
        bytes.extend_from_slice(&count.to_le_bytes());
        for point in points {
            bytes.extend_from_slice(&point.timestamp.to_le_bytes());
            bytes.extend_from_slice(&point.value.to_le_bytes());
        }
        self.written += bytes.len() as u64;
        self.to.write_all(&bytes)
    }

    fn finish(mut self) -> io::Result<Run> {
        self.flush()?;
        let file = self.to.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Run { file, days: self.days })
    }
}

/// A run being merged. The greatest in a heap is the one whose next reading is the least.
struct Merging<'a> {
    blocks: Blocks<'a>,
    block: Block,
    at: usize,
}

impl<'a> Merging<'a> {
    fn open(run: &'a Run) -> io::Result<Option<Self>> {
        let mut blocks = run.blocks(0)?;
        Ok(blocks.next()?.map(|block| Self { blocks, block, at: 0 }))
    }

    fn point(&self) -> Point {
        self.block.points[self.at]
    }

    /// Advances to the next reading; false where there is none.
    fn advance(&mut self) -> io::Result<bool> {
        self.at += 1;
        if self.at == self.block.points.len() {
            let Some(block) = self.blocks.next()? else {
                return Ok(false);
            };
            (self.block, self.at) = (block, 0);
        }
        Ok(true)
    }
}

impl Ord for Merging<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |of: &Self| order(&of.point());
        let keys = other.block.key.cmp(&self.block.key);
        keys.then_with(|| order(other).cmp(&order(self)))
    }
}

impl PartialOrd for Merging<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Merging<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Merging<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn days(from: &str, to: &str) -> Days {
        Days::new(Some(from.parse().unwrap()), Some(to.parse().unwrap())).unwrap()
    }

    /// All readings of a sorter, day by day.
    fn all(sorted: &Sorted) -> Vec<(String, Name, i64, u64)> {
        let mut all = Vec::new();
        for day in sorted.days() {
            let (sender, mut receiver) = mpsc::channel(10_000);
            sorted.read(day, &sender).unwrap();
            drop(sender);
            while let Ok(chunk) = receiver.try_recv() {
                let of = |point: &Point| {
                    (
                        day.to_string(),
                        chunk.name.clone(),
                        point.timestamp,
                        point.value.to_bits(),
                    )
                };
                all.extend(chunk.points.iter().map(of));
            }
        }
        all
    }

    #[test]
    fn whatever_the_order_and_the_memory_it_comes_out_in_order_and_once() {
        let start = "2024-05-01".parse::<Day>().unwrap().start();
        let mut expected = BTreeSet::new();
        // Some are repeated, some identities have two values, and one series is long on one day.
        let mut readings = Vec::new();
        for number in 0..20_000_i64 {
            let chance = number.wrapping_mul(7_919) % 10_007;
            let sensor = if chance % 2 == 0 { "speed" } else { "fuel" };
            let device = if chance < 1000 { "niva" } else { "lada" };
            let timestamp = start + chance * 30_000_000;
            readings.push((device, sensor, timestamp, f64::from(u8::from(number % 500 == 0))));
        }
        for (device, sensor, timestamp, value) in &readings {
            let day = Day::at(timestamp.div_euclid(DAY)).unwrap().to_string();
            let name = Name {
                device: (*device).to_owned(),
                sensor: (*sensor).to_owned(),
            };
            expected.insert((day, name, *timestamp, value.to_bits()));
        }
        let expected: Vec<_> = expected.into_iter().collect();
        assert!(expected.len() > 10_000 && expected.len() < 11_000, "{}", expected.len());
        // All in memory; a few runs; so many runs that they are merged more than once.
        for budget in [usize::MAX, 200_000, 2_000] {
            let folder = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::new(folder.path().to_owned(), budget, Days::default());
            let mut spilled = 0;
            for (device, sensor, timestamp, value) in &readings {
                let point = Point {
                    timestamp: *timestamp,
                    value: *value,
                };
                sorter.add(device, sensor, std::iter::once(point));
                if sorter.is_full() {
                    sorter.spill().unwrap();
                    spilled += 1;
                    assert!(sorter.runs.len() < 4 * FAN, "{} runs", sorter.runs.len());
                }
            }
            assert!(budget != 2_000 || spilled > FAN * FAN, "{spilled} runs");
            let sorted = sorter.finish().unwrap();
            assert!(all(&sorted) == expected, "with {budget} bytes");
            let named = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(named, 0, "files that outlive the process");
        }
    }

    #[test]
    fn other_days_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path().to_owned(), 1, days("2024-05-02", "2024-05-03"));
        let start = "2024-05-01".parse::<Day>().unwrap().start();
        let point = |timestamp| Point { timestamp, value: 1.0 };
        let of_each_day = (0..5).map(|day| point(start + day * DAY));
        sorter.add("lada", "speed", of_each_day);
        sorter.add(
            "lada",
            "speed",
            [point(start + 2 * DAY - 1), point(start + 3 * DAY)].into_iter(),
        );
        let sorted = sorter.finish().unwrap();
        let found: Vec<i64> = all(&sorted)
            .iter()
            .map(|(_, _, timestamp, _)| timestamp - start)
            .collect();
        assert_eq!(found, [DAY, 2 * DAY - 1, 2 * DAY]);
        assert!(
            all(&Sorter::new(folder.path().to_owned(), 1, Days::default())
                .finish()
                .unwrap())
            .is_empty()
        );
    }
}
