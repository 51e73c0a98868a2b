//! A message of the bus with a valid payload, and its share of each upload.

use super::segment::{self, Builder, Malformed, Origin, Part, Series, UploadTotals};
use super::{Name, Point};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A message that can be stored.
#[derive(Clone, Debug)]
pub struct Message {
    /// The event's id, by which a redelivery is recognised.
    pub id: Uuid,
    /// Its share of each upload, in order of the upload's id, each once.
    pub shares: Vec<Share>,
    payload: Bytes,
}

/// The part of a message that is of one upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The upload.
    pub upload: Uuid,
    /// Its readings in this message.
    pub readings: u64,
    /// Its totals, if this message tells them.
    pub totals: Option<UploadTotals>,
}

impl Message {
    /// Reads the payload of the event of this id.
    ///
    /// Where the payload is malformed.
    /// Where it cannot be read.
    pub fn read(id: &str, payload: &Bytes) -> Result<Self, Malformed> {
        let mut shares: Vec<Share> = Vec::new();
        segment::read(payload, |piece| match piece {
            Part::Segment(head) => shares.push(Share {
                upload: head.upload,
                readings: 0,
                totals: head.totals,
            }),
            Part::Series(series) => {
                // A series comes only after its segment's head.
                if let Some(share) = shares.last_mut() {
                    share.readings += series.points.count() as u64;
                }
            }
        })?;
        shares.sort_by_key(|share| share.upload);
        shares.dedup_by(|later, first| {
            let same = later.upload == first.upload;
            if same {
                first.readings += later.readings;
                first.totals = first.totals.or(later.totals);
            }
            same
        });
        Ok(Self {
            id: known_as(id),
            shares,
            payload: payload.clone(),
        })
    }

    /// Makes a message of readings without an upload, from runs (device, sensor, points). It has no receipt.
    ///
    /// # Errors
    /// Where a run is not valid in a message.
    pub fn of<'a>(runs: impl Iterator<Item = (&'a Name, &'a [Point])>) -> Result<Self, Malformed> {
        let origin = Origin {
            upload: Uuid::nil(),
            correlation: String::new(),
            traceparent: String::new(),
        };
        let mut builder = Builder::default();
        let segments: Vec<Bytes> = runs
            .map(|(name, points)| {
                for point in points {
                    builder.push(&name.device, &name.sensor, *point, |_| true);
                }
                builder.finish(&origin, None)
            })
            .collect();
        Self::read("", &segment::join(segments.iter()))
    }

    /// Calls `each` with every run of readings and its upload.
    pub fn each<'a>(&'a self, mut each: impl FnMut(Uuid, Series<'a>)) {
        let mut upload = Uuid::nil();
        let read = segment::read(&self.payload, |piece| match piece {
            Part::Segment(head) => upload = head.upload,
            Part::Series(series) => each(upload, series),
        });
        debug_assert!(read.is_ok(), "it was read before");
    }
}

/// An event's id as a UUID: ours are UUIDs, and the hash of any other is as unique.
fn known_as(id: &str) -> Uuid {
    Uuid::try_parse(id).unwrap_or_else(|_| {
        let hash = Sha256::digest(id.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Uuid::from_bytes(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::join;

    fn segment(upload: u128, readings: i64, totals: Option<UploadTotals>) -> Bytes {
        let mut builder = Builder::default();
        for timestamp in 0..readings {
            builder.push("d", "s", Point { timestamp, value: 0.0 }, |_| true);
        }
        let origin = Origin {
            upload: Uuid::from_u128(upload),
            correlation: String::new(),
            traceparent: String::new(),
        };
        builder.finish(&origin, totals)
    }

    #[test]
    fn an_upload_has_one_share_of_a_message() {
        let totals = Some(UploadTotals {
            accepted: 5,
            rejected: 1,
        });
        let segments = [segment(2, 3, None), segment(1, 0, totals), segment(2, 2, totals)];
        let message = Message::read("any name", &join(segments.iter())).unwrap();
        let share = |upload, readings| Share {
            upload: Uuid::from_u128(upload),
            readings,
            totals,
        };
        assert_eq!(message.shares, [share(1, 0), share(2, 5)]);
        assert_eq!(message.id, known_as("any name"));
        assert_ne!(message.id, known_as("another"));
    }

    #[test]
    fn half_a_message_is_none() {
        let whole = join([segment(1, 3, None)].iter());
        assert!(Message::read("m", &whole.slice(..whole.len() - 1)).is_err());
    }
}
