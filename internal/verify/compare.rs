//! Compares two sides' readings of a day, both in order, identity by identity.

use archive::chunks::SeriesChunk;
use reading::Name;
use reading::Point;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use tokio::sync::mpsc::Receiver;

/// Counts of one side of a day, each identity once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Readings.
    pub readings: u64,
    /// The sum, modulo 2^128, of the first 16 bytes (little-endian) of each reading's SHA-256. It hashes
    /// device, 0, sensor, 0, timestamp (microseconds since 1970, i64) and value (bits of the double, u64),
    /// both little-endian. So the order of the readings makes no difference.
    pub checksum: u128,
}

/// How a day's readings differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Identities that only the first side has.
    pub only_first: u64,
    /// Identities that only the second side has.
    pub only_second: u64,
    /// Identities with values on both sides, but none in common.
    pub other_value: u64,
    /// The first different identity: its series, and microseconds since 1970.
    pub example: Option<(Name, i64)>,
}

/// Result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) first: Tally,
    pub(super) second: Tally,
    pub(super) difference: Difference,
}

/// An error: a side's readings are unordered or repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disorder {
    pub(super) second: bool,
    pub(super) name: Name,
    pub(super) timestamp: i64,
}

/// Compares two sides of a day. Either may hold several values of one identity, in order of their bits. A
/// value that both sides have makes the identity equal, and counts in the checksums; otherwise the least one
/// counts.
pub(super) async fn compare(first: Receiver<SeriesChunk>, second: Receiver<SeriesChunk>) -> Result<Compared, Disorder> {
    let mut sides = (Cursor::new(first, false), Cursor::new(second, true));
    let mut hash = Hash::default();
    let mut compared = Compared::default();
    loop {
        sides.0.fill().await?;
        sides.1.fill().await?;
        let of_first = match (sides.0.head(), sides.1.head()) {
            (None, None) => return Ok(compared),
            (first, None) => first.is_some(),
            (None, Some(_)) => false,
            (Some(first), Some(second)) => first.identity() <= second.identity(),
        };
        let side = if of_first { &sides.0 } else { &sides.1 };
        let Some((name, timestamp)) = side.head().map(|head| (head.name.clone(), head.timestamp)) else {
            return Ok(compared);
        };
        let values = values((&mut sides.0, &mut sides.1), &name, timestamp).await?;
        let mut count = |tally: &mut Tally, bits: u64| {
            tally.readings += 1;
            tally.checksum = tally.checksum.wrapping_add(hash.of(&name, timestamp, bits));
        };
        let difference = &mut compared.difference;
        if let Some(bits) = values.first {
            count(&mut compared.first, values.common.unwrap_or(bits));
        }
        if let Some(bits) = values.second {
            count(&mut compared.second, values.common.unwrap_or(bits));
        }
        match values {
            Values { common: Some(_), .. } => continue,
            Values { second: None, .. } => difference.only_first += 1,
            Values { first: None, .. } => difference.only_second += 1,
            Values { .. } => difference.other_value += 1,
        }
        difference.example.get_or_insert((name, timestamp));
    }
}

/// The values of one identity, as bits: the least of each side, and the least that both have.
#[derive(Default)]
struct Values {
    first: Option<u64>,
    second: Option<u64>,
    common: Option<u64>,
}

/// Consumes all values of an identity from both sides, without keeping them: their number is unbounded.
async fn values(sides: (&mut Cursor, &mut Cursor), name: &Name, timestamp: i64) -> Result<Values, Disorder> {
    let (one, other) = sides;
    let mut values = Values::default();
    loop {
        one.fill().await?;
        other.fill().await?;
        let of = |cursor: &Cursor| {
            let head = cursor.head()?;
            (head.timestamp == timestamp && head.name == name).then_some(head.bits)
        };
        let order = match (of(one), of(other)) {
            (None, None) => return Ok(values),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(first), Some(second)) => first.cmp(&second),
        };
        if order != Ordering::Greater {
            values.first = values.first.or(of(one));
        }
        if order != Ordering::Less {
            values.second = values.second.or(of(other));
        }
        if order == Ordering::Equal {
            values.common = values.common.or(of(one));
        }
        if order != Ordering::Greater {
            one.at += 1;
        }
        if order != Ordering::Less {
            other.at += 1;
        }
    }
}

/// The next reading.
struct Head<'a> {
    name: &'a Name,
    timestamp: i64,
    bits: u64,
}

impl Head<'_> {
    fn identity(&self) -> (&Name, i64) {
        (self.name, self.timestamp)
    }
}

/// The position in a side.
struct Cursor {
    from: Receiver<SeriesChunk>,
    chunk: Option<SeriesChunk>,
    at: usize,
    second: bool,
}

impl Cursor {
    fn new(from: Receiver<SeriesChunk>, second: bool) -> Self {
        Self {
            from,
            chunk: None,
            at: 0,
            second,
        }
    }

    fn head(&self) -> Option<Head<'_>> {
        let chunk = self.chunk.as_ref()?;
        let point = chunk.points.get(self.at)?;
        Some(Head {
            name: &chunk.name,
            timestamp: point.timestamp,
            bits: point.value.to_bits(),
        })
    }

    /// Makes sure that there is a head, unless the side has ended.
    async fn fill(&mut self) -> Result<(), Disorder> {
        while self.chunk.as_ref().is_none_or(|chunk| self.at == chunk.points.len()) {
            let Some(next) = self.from.recv().await else {
                self.chunk = None;
                return Ok(());
            };
            self.check(&next)?;
            self.at = 0;
            self.chunk = Some(next);
        }
        Ok(())
    }

    /// Checks that each reading of a chunk comes after the one before.
    fn check(&self, next: &SeriesChunk) -> Result<(), Disorder> {
        let key = |point: &Point| (point.timestamp, point.value.to_bits());
        let mut before = self.chunk.as_ref().and_then(|chunk| {
            let last = chunk.points.last()?;
            Some((&chunk.name, key(last)))
        });
        for point in &next.points {
            let now = (&next.name, key(point));
            if before.is_some_and(|before| before >= now) {
                return Err(Disorder {
                    second: self.second,
                    name: next.name.clone(),
                    timestamp: point.timestamp,
                });
            }
            before = Some(now);
        }
        Ok(())
    }
}

/// Hashes readings; hashes the constant part of a series once.
#[derive(Default)]
struct Hash {
    series: Option<(Name, Sha256)>,
}

impl Hash {
    fn of(&mut self, name: &Name, timestamp: i64, bits: u64) -> u128 {
        if self.series.as_ref().is_none_or(|(known, _)| known != name) {
            let mut hash = Sha256::new();
            for text in [&name.device, &name.sensor] {
                hash.update(text);
                hash.update([0]);
            }
            self.series = Some((name.clone(), hash));
        }
        let mut hash = self.series.as_ref().map_or_else(Sha256::new, |(_, hash)| hash.clone());
        hash.update(timestamp.to_le_bytes());
        hash.update(bits.to_le_bytes());
        let digest = hash.finalize();
        let mut head = [0; 16];
        head.copy_from_slice(&digest[..16]);
        u128::from_le_bytes(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use archive::chunks::QUEUE;
    use tokio::sync::mpsc;

    fn name(sensor: &str) -> Name {
        Name {
            device: "lada".to_owned(),
            sensor: sensor.to_owned(),
        }
    }

    /// A side of these readings, in chunks of `points`.
    fn side(readings: &[(&str, i64, f64)], points: usize) -> Receiver<SeriesChunk> {
        let mut chunks: Vec<SeriesChunk> = Vec::new();
        for (sensor, timestamp, value) in readings {
            let point = Point {
                timestamp: *timestamp,
                value: *value,
            };
            match chunks.last_mut() {
                Some(last) if last.name.sensor == *sensor && last.points.len() < points => last.points.push(point),
                _ => chunks.push(SeriesChunk {
                    name: name(sensor),
                    points: vec![point],
                }),
            }
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            for chunk in chunks {
                let _unwanted = sender.send(chunk).await;
            }
        });
        receiver
    }

    async fn compared(first: &[(&str, i64, f64)], second: &[(&str, i64, f64)]) -> Compared {
        let mut found = Vec::new();
        for points in [1, 2, 100] {
            found.push(compare(side(first, points), side(second, 3)).await.unwrap());
        }
        assert!(found.windows(2).all(|two| two[0] == two[1]), "chunks matter: {found:?}");
        found.remove(0)
    }

    #[tokio::test]
    async fn the_same_readings_are_equal() {
        let readings = [("fuel", 1, 2.0), ("speed", 1, -0.0), ("speed", 2, 5.5)];
        let same = compared(&readings, &readings).await;
        assert_eq!(
            (same.first.readings, same.difference.clone()),
            (3, Difference::default())
        );
        assert_eq!(same.first, same.second);
        // The checksum of a single reading, computed by hand with sha256sum.
        let single = compared(&[("s", 1, 1.0)], &[("s", 1, 1.0)]).await;
        let digest = Sha256::digest(b"lada\0s\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\xf0\x3f");
        let mut head = [0; 16];
        head.copy_from_slice(&digest[..16]);
        assert_eq!(single.first.checksum, u128::from_le_bytes(head));
        assert_eq!(compared(&[], &[]).await, Compared::default());
    }

    #[tokio::test]
    async fn each_kind_of_difference_is_counted_and_the_first_is_named() {
        let base = [("fuel", 1, 2.0), ("speed", 1, 5.0), ("speed", 2, 5.5)];
        for (second, expected, example) in [
            (&[("fuel", 1, 2.0), ("speed", 2, 5.5)][..], (1, 0, 0), ("speed", 1)),
            (
                &[("fuel", 1, 2.0), ("rpm", 9, 1.0), ("speed", 1, 5.0), ("speed", 2, 5.5)],
                (0, 1, 0),
                ("rpm", 9),
            ),
            (
                &[("fuel", 1, 2.0), ("speed", 1, 5.0), ("speed", 2, 5.6)],
                (0, 0, 1),
                ("speed", 2),
            ),
            (&[], (3, 0, 0), ("fuel", 1)),
            (
                &[("fuel", 2, 2.0), ("speed", 1, 5.0), ("speed", 2, 5.5)],
                (1, 1, 0),
                ("fuel", 1),
            ),
        ] {
            let found = compared(&base, second).await;
            let counts = &found.difference;
            assert_eq!(
                (counts.only_first, counts.only_second, counts.other_value),
                expected,
                "{second:?}"
            );
            assert_eq!(counts.example, Some((name(example.0), example.1)), "{second:?}");
            assert_ne!(found.first.checksum, found.second.checksum, "{second:?}");
        }
        let zeros = compared(&[("speed", 1, 0.0)], &[("speed", 1, -0.0)]).await;
        assert_eq!(zeros.difference.other_value, 1);
    }

    #[tokio::test]
    async fn any_of_several_values_of_an_identity_makes_it_equal() {
        let several = [
            ("speed", 1, 1.0),
            ("speed", 1, 2.0),
            ("speed", 1, 3.0),
            ("speed", 2, 9.0),
        ];
        for value in [1.0, 2.0, 3.0] {
            let found = compared(&several, &[("speed", 1, value), ("speed", 2, 9.0)]).await;
            assert_eq!(found.difference, Difference::default(), "{value}");
            assert_eq!(found.first, found.second, "{value}");
            assert_eq!(found.first.readings, 2);
        }
        let none = compared(&[("speed", 1, 2.5), ("speed", 2, 9.0)], &several).await;
        assert_eq!((none.difference.other_value, none.second.readings), (1, 2));
        let both = compared(&several, &[("speed", 1, 0.5), ("speed", 1, 3.0), ("speed", 2, 9.0)]).await;
        assert_eq!(both.difference, Difference::default());
    }

    #[tokio::test]
    async fn a_side_out_of_order_is_named() {
        let good = [("fuel", 1, 2.0), ("speed", 1, 5.0)];
        for bad in [
            &[("speed", 1, 5.0), ("fuel", 1, 2.0)][..],
            &[("fuel", 2, 2.0), ("fuel", 1, 2.0)],
            &[("fuel", 1, 2.0), ("fuel", 1, 2.0)],
        ] {
            for points in [1, 100] {
                let error = compare(side(&good, 100), side(bad, points)).await.unwrap_err();
                assert!(error.second, "{bad:?}");
                assert!(compare(side(bad, points), side(&good, 100)).await.is_err(), "{bad:?}");
            }
        }
    }
}
