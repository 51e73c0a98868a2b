//! Readings as they travel on the event bus.
//!
//! The payload of an `odograph.readings.v1` event is a sequence of segments, each from one upload.
//! Numbers are little endian; a *text* is one byte of length, then that many bytes of UTF-8.
//!
//! ```text
//! payload  = version: u8 = 2, segment…
//! segment  = length: u32        of what follows in this segment
//!            upload: [u8; 16]   the upload's UUID
//!            correlation: text
//!            traceparent: text  empty when there was none
//!            totals: u8         1 in the last segment of an upload that was read to its end, else 0
//!            accepted: u64, rejected: u64     of the whole upload; only where totals is 1
//!            runs: u16
//!            run…
//! run      = device: text, sensor: text, points: u32, point…
//! point    = timestamp: i64     microseconds since 1970-01-01 UTC
//!            value: f64
//! ```
//!
//! Readings are grouped by series, as they are stored. The name is written, hashed and looked up once a run
//! instead of once a reading. With 16 bytes, a reading takes a sixth of its JSON. Payloads of version 1,
//! which lack the totals, are read as well.

mod builder;

pub use builder::Builder;

use super::{Point, is_device, is_name, time};
use bytes::Bytes;
use uuid::Uuid;

/// The `ce-type` of events that hold readings.
pub const KIND: &str = "odograph.readings.v1";

/// First byte of every payload.
const VERSION: u8 = 2;

/// The version before, whose segments have no totals.
const WITHOUT_TOTALS: u8 = 1;

/// Bytes of one point.
const POINT: usize = 16;

/// The origin of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The upload, a UUID of version 7.
    pub upload: Uuid,
    /// The request's correlation id, at most 128 bytes.
    pub correlation: String,
    /// The request's `traceparent`, or empty.
    pub traceparent: String,
}

/// Counts of a whole upload, told with its last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadTotals {
    /// Readings of the upload that are on the bus, with those of this segment.
    pub accepted: u64,
    /// Rejected lines.
    pub rejected: u64,
}

/// Joins these segments into one payload.
pub fn join<'a>(segments: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let size: usize = segments.clone().map(Bytes::len).sum();
    let mut payload = Vec::with_capacity(size + 1);
    payload.push(VERSION);
    for segment in segments {
        payload.extend_from_slice(segment);
    }
    payload.into()
}

/// The readings of one series in one segment.
#[derive(Debug)]
pub struct Series<'a> {
    /// A valid name.
    pub device: &'a str,
    /// A valid name.
    pub sensor: &'a str,
    /// Its points, in order of arrival.
    pub points: Points<'a>,
}

/// Points in the bytes of a payload.
#[derive(Clone, Debug)]
pub struct Points<'a>(&'a [u8]);

impl Iterator for Points<'_> {
    type Item = Point;

    fn next(&mut self) -> Option<Point> {
        let (head, tail) = self.0.split_first_chunk::<POINT>()?;
        self.0 = tail;
        let (timestamp, value) = (head[..8].try_into().ok()?, head[8..].try_into().ok()?);
        Some(Point {
            timestamp: i64::from_le_bytes(timestamp),
            value: f64::from_le_bytes(value),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let points = self.0.len() / POINT;
        (points, Some(points))
    }
}

impl ExactSizeIterator for Points<'_> {}

/// The payload is malformed. Retrying is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payload cannot be read: {0}")]
pub struct Malformed(&'static str);

/// The head of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The upload.
    pub upload: Uuid,
    /// The request's correlation id.
    pub correlation: &'a str,
    /// The request's `traceparent`, or empty.
    pub traceparent: &'a str,
    /// The upload's totals, in its last segment.
    pub totals: Option<UploadTotals>,
}

/// A part of a payload.
#[derive(Debug)]
pub enum Part<'a> {
    /// A segment begins.
    Segment(Head<'a>),
    /// Readings of one series in it.
    Series(Series<'a>),
}

/// Reads a whole payload, and calls `each` with every piece. It checks names, times and values as the
/// ingestor does: no producer of messages may make the database refuse a batch.
///
/// # Errors
/// Where the payload is malformed; `each` may have been called before.
pub fn read<'a>(payload: &'a [u8], mut each: impl FnMut(Part<'a>)) -> Result<(), Malformed> {
    let mut rest = Cursor(payload);
    let version = rest.version()?;
    while !rest.0.is_empty() {
        let length = rest.u32()?;
        let mut segment = Cursor(rest.bytes(length)?);
        each(Part::Segment(head(&mut segment, version)?));
        for _ in 0..segment.u16()? {
            let (device, sensor) = (segment.text()?, segment.text()?);
            if !is_device(device) || !is_name(sensor) {
                return Err(Malformed("a name that is none"));
            }
            let length = segment.u32()?.checked_mul(POINT).ok_or(Malformed("too many points"))?;
            let points = Points(segment.bytes(length)?);
            if !points.clone().all(|point| storable(&point)) {
                return Err(Malformed("a point that cannot be stored"));
            }
            each(Part::Series(Series { device, sensor, points }));
        }
        if !segment.0.is_empty() {
            return Err(Malformed("more bytes than readings"));
        }
    }
    Ok(())
}

/// Counts the runs of a payload by the heads of its segments, as far as they are readable.
pub fn runs(payload: &[u8]) -> usize {
    let mut rest = Cursor(payload);
    let Ok(version) = rest.version() else { return 0 };
    let mut next = || -> Result<u16, Malformed> {
        let length = rest.u32()?;
        let mut segment = Cursor(rest.bytes(length)?);
        head(&mut segment, version)?;
        segment.u16()
    };
    let mut found = 0;
    while let Ok(runs) = next() {
        found += usize::from(runs);
    }
    found
}

fn head<'a>(segment: &mut Cursor<'a>, version: u8) -> Result<Head<'a>, Malformed> {
    let upload = Uuid::from_slice(segment.bytes(16)?).map_err(|_| Malformed("no upload id"))?;
    let (correlation, traceparent) = (segment.text()?, segment.text()?);
    let totals = if version == WITHOUT_TOTALS {
        None
    } else {
        segment.totals()?
    };
    Ok(Head {
        upload,
        correlation,
        traceparent,
        totals,
    })
}

/// Finite, and within the years that have partitions: 1 to 9999.
fn storable(point: &Point) -> bool {
    const FIRST: i64 = -719_162 * time::DAY;
    const LAST: i64 = 2_932_897 * time::DAY - 1;
    point.value.is_finite() && (FIRST..=LAST).contains(&point.timestamp)
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn version(&mut self) -> Result<u8, Malformed> {
        match self.bytes(1)?[0] {
            version @ (VERSION | WITHOUT_TOTALS) => Ok(version),
            _ => Err(Malformed("an unknown version")),
        }
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(Malformed("it ends too early"))?;
        self.0 = tail;
        Ok(head)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        let bytes = self.bytes(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<usize, Malformed> {
        let bytes = self.bytes(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        let bytes = self.bytes(8)?.try_into().map_err(|_| Malformed("it ends too early"))?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn totals(&mut self) -> Result<Option<UploadTotals>, Malformed> {
        match self.bytes(1)?[0] {
            0 => Ok(None),
            1 => Ok(Some(UploadTotals {
                accepted: self.u64()?,
                rejected: self.u64()?,
            })),
            _ => Err(Malformed("totals that are none")),
        }
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.bytes(1)?[0];
        std::str::from_utf8(self.bytes(length.into())?).map_err(|_| Malformed("a text that is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origin() -> Origin {
        Origin {
            upload: Uuid::now_v7(),
            correlation: "trip-7".into(),
            traceparent: String::new(),
        }
    }

    fn readings(payload: &[u8]) -> Vec<(String, String, Point)> {
        let mut found = Vec::new();
        read(payload, |piece| {
            if let Part::Series(series) = piece {
                let name = |point| (series.device.to_owned(), series.sensor.to_owned(), point);
                found.extend(series.points.map(name));
            }
        })
        .unwrap();
        found
    }

    #[test]
    fn what_goes_in_comes_out_by_series() {
        let mut builder = Builder::default();
        let point = |timestamp, value| Point { timestamp, value };
        for (sensor, timestamp, value) in [("speed", 1, 5.5), ("fuel", 1, 80.0), ("speed", 2, -0.0)] {
            assert!(builder.push("lada", sensor, point(timestamp, value), |_| true));
        }
        assert_eq!((builder.readings(), builder.series()), (3, 2));
        let first = builder.finish(&origin(), None);
        assert_eq!(builder.size(), 0);
        builder.push("lada", "fuel", point(3, 79.0), |_| true);
        let second = builder.finish(&origin(), None);
        let payload = join([&first, &second].into_iter());
        assert_eq!(runs(&payload), 3);
        assert_eq!(runs(&payload[..payload.len() - 1]), 2);
        assert_eq!(runs(b""), 0);
        let expected = [
            ("speed", 1, 5.5),
            ("speed", 2, -0.0),
            ("fuel", 1, 80.0),
            ("fuel", 3, 79.0),
        ];
        let expected =
            expected.map(|(sensor, timestamp, value)| ("lada".into(), sensor.into(), point(timestamp, value)));
        assert_eq!(readings(&payload), expected);
    }

    #[test]
    fn totals_travel_with_a_segment_that_may_hold_nothing_else() {
        let totals = UploadTotals {
            accepted: 7,
            rejected: u64::MAX,
        };
        let payload = join([Builder::default().finish(&origin(), Some(totals))].iter());
        let mut found = Vec::new();
        let keep = |piece| match piece {
            Part::Segment(head) => found.push(head.totals),
            Part::Series(_) => panic!("no readings were sent"),
        };
        read(&payload, keep).unwrap();
        assert_eq!(found, [Some(totals)]);
    }

    #[test]
    fn a_payload_of_the_version_before_is_read() {
        let mut builder = Builder::default();
        let point = Point {
            timestamp: 1,
            value: 2.0,
        };
        builder.push("d", "s", point, |_| true);
        let segment = builder.finish(&origin(), None);
        // Its totals follow the length, the upload and two texts.
        let at = 4 + 16 + 1 + origin().correlation.len() + 1;
        let mut old = vec![WITHOUT_TOTALS];
        old.extend((u32::try_from(segment.len()).unwrap() - 5).to_le_bytes());
        old.extend(&segment[4..at]);
        old.extend(&segment[at + 1..]);
        assert_eq!(readings(&old), [("d".into(), "s".into(), point)]);
    }

    #[test]
    fn a_series_that_is_not_admitted_leaves_no_trace() {
        let mut builder = Builder::default();
        assert!(!builder.push(
            "d",
            "s",
            Point {
                timestamp: 0,
                value: 0.0
            },
            |_| false
        ));
        assert_eq!((builder.readings(), builder.series(), builder.size()), (0, 0, 0));
    }

    #[test]
    fn what_the_database_would_refuse_is_malformed() {
        for point in [
            Point {
                timestamp: 0,
                value: f64::NAN,
            },
            Point {
                timestamp: i64::MAX,
                value: 1.0,
            },
            Point {
                timestamp: i64::MIN,
                value: 1.0,
            },
        ] {
            let mut builder = Builder::default();
            builder.push("d", "s", point, |_| true);
            let payload = join([builder.finish(&origin(), None)].iter());
            assert_eq!(
                read(&payload, |_| ()),
                Err(Malformed("a point that cannot be stored")),
                "{point:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_damage_is_noticed_or_harmless(cut in 0_usize..200, byte: u8, at in 0_usize..200) {
            let mut builder = Builder::default();
            for timestamp in 0..5 {
                builder.push("d", "s", Point { timestamp, value: 1.0 }, |_| true);
            }
            let mut payload = join([builder.finish(&origin(), None)].iter()).to_vec();
            let whole = payload.len();
            if let Some(target) = payload.get_mut(at) {
                *target = byte;
            }
            let _ = read(&payload, |_| ());
            payload.truncate(cut);
            if cut > 1 && cut < whole && at > cut {
                prop_assert!(read(&payload, |_| ()).is_err());
            }
        }
    }
}
