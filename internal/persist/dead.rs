//! Dead letters: looked at, taken up again once their cause is mended, or dropped.
//!
//! A letter is either a message that could not be stored, or up to 128 KiB of rejected lines of one upload.
//! What is taken up again is dropped only once it is safe at its next place; a crash in between means that
//! it is there twice, and then identity and the event's id make it once. What is dropped leaves its id, so
//! that nothing brings it back.

use crate::work::read;
use ::postgres::Pool;
use anyhow::Context;
use event::{Event, Lane, Writer};
use reading::decode::{Bounds, Decoded, decode};
use reading::message::Message;
use reading::segment::{self, Builder, Origin, UploadTotals, join};
use reading::{Point, rejected, time};
use sha2::{Digest, Sha256};
use store::{Store, dead};
use uuid::Uuid;

pub use reading::rejected::Line;
pub use store::dead::StoredLetter;

/// Beyond this, readings that are taken up again go the way of large uploads.
const SMALL: usize = 16 * 1024;

/// The dead letters of a database.
pub struct DeadLetters {
    pool: Pool,
    store: Store,
    bus: Option<Writer>,
}

/// What a dead letter holds.
#[derive(Debug)]
pub enum Content {
    /// Rejected lines of an upload.
    Lines(Vec<Line>),
    /// A message, with the readings in it; none where it cannot be read, and why.
    Message(Result<u64, String>),
}

/// What became of a dead letter that was taken up again.
#[derive(Debug, Default)]
pub struct Redriven {
    /// Readings that are on their way again, or stored.
    pub readings: u64,
    /// Why parts of it stay dead letters: for a line its number.
    pub left: Vec<(Option<u64>, String)>,
}

impl DeadLetters {
    /// Those in this database. What is taken up again is published to `bus`, while its [`Writer::run`] runs;
    /// without one it is stored straight into the database.
    pub fn new(pool: Pool, bus: Option<Writer>) -> Self {
        Self {
            store: Store::new(pool.clone()),
            pool,
            bus,
        }
    }

    /// The number of the newest one, 0 where there is none.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn newest(&self) -> anyhow::Result<u64> {
        Ok(dead::newest(&self.pool).await?)
    }

    /// The first one with a number above this.
    ///
    /// # Errors
    /// As [`DeadLetters::newest`].
    pub async fn after(&self, number: u64) -> anyhow::Result<Option<StoredLetter>> {
        Ok(dead::after(&self.pool, number).await?)
    }

    /// The one of this number, if it is there.
    ///
    /// # Errors
    /// As [`DeadLetters::newest`].
    pub async fn get(&self, number: u64) -> anyhow::Result<Option<StoredLetter>> {
        let Some(before) = number.checked_sub(1) else {
            return Ok(None);
        };
        Ok(self.after(before).await?.filter(|letter| letter.number == number))
    }

    /// Drops one for good, and leaves its id; false where it was gone already.
    ///
    /// # Errors
    /// As [`DeadLetters::newest`].
    pub async fn delete(&self, number: u64) -> anyhow::Result<bool> {
        Ok(dead::delete(&self.pool, number).await?)
    }

    /// Takes one up again: a message goes through its lane once more under its own id; lines are
    /// judged anew by these bounds, and those that are readings go as an upload of their own.
    /// What cannot go stays a dead letter.
    ///
    /// # Errors
    /// Where the database or the bus does not answer. Do it again: nothing is lost, and nothing counts twice.
    pub async fn redrive(&self, letter: &StoredLetter, bounds: Bounds) -> anyhow::Result<Redriven> {
        match content(letter) {
            Content::Lines(lines) => self.redrive_lines(letter, lines, bounds).await,
            Content::Message(readings) => self.redrive_message(letter, readings).await,
        }
    }

    async fn redrive_message(&self, kept: &StoredLetter, readings: Result<u64, String>) -> anyhow::Result<Redriven> {
        let letter = &kept.letter;
        if let Some(bytes) = letter.cut_from {
            return Ok(Redriven::refused(format!(
                "its payload had {bytes} bytes and was cut, it cannot be taken up again"
            )));
        }
        let lane = letter.lane.as_deref().and_then(Lane::named).unwrap_or(Lane::Bulk);
        // The bus is told even what cannot be read here: a newer persistor may read it.
        if let (None, Err(reason)) = (&self.bus, &readings) {
            return Ok(Redriven::refused(reason.clone()));
        }
        let event = Event {
            id: letter.id.clone(),
            kind: letter.kind.clone(),
            source: letter.source.clone(),
            payload: letter.payload.clone(),
        };
        match self.send(lane, event, &letter.headers).await? {
            Ok(()) => {
                // Refused again meanwhile, it is another letter, with another number.
                self.delete(kept.number).await?;
                Ok(Redriven {
                    readings: readings.unwrap_or_default(),
                    left: Vec::new(),
                })
            }
            Err(reason) => Ok(Redriven::refused(reason)),
        }
    }

    async fn redrive_lines(&self, kept: &StoredLetter, lines: Vec<Line>, bounds: Bounds) -> anyhow::Result<Redriven> {
        let mut judged = Redriven::default();
        let mut left = Vec::new();
        let mut builder = Builder::default();
        // What becomes a reading another time is another upload.
        let mut upload = Sha256::new_with_prefix(kept.letter.id.as_bytes());
        for line in lines {
            match judge(&line, bounds) {
                Ok((device, sensor, point)) => {
                    builder.push(&device, &sensor, point, |_| true);
                    upload.update(line.upload);
                    upload.update(line.line.to_le_bytes());
                    judged.readings += 1;
                }
                Err(reason) => {
                    judged.left.push((Some(line.line), reason));
                    left.push(line);
                }
            }
        }
        if judged.readings == 0 {
            return Ok(judged);
        }
        // An upload of its own: its readings are not among those that the first one was told are
        // accepted, and no receipt may tell more persisted than accepted.
        let origin = Origin {
            upload: upload_of(kept, &upload.finalize()),
            correlation: String::new(),
            traceparent: String::new(),
        };
        let totals = UploadTotals {
            accepted: judged.readings,
            rejected: 0,
        };
        let payload = join([builder.finish(&origin, Some(totals))].iter());
        let lane = if payload.len() <= SMALL { Lane::Live } else { Lane::Bulk };
        let event = Event {
            id: id_of(kept, &payload).to_string(),
            kind: segment::KIND.into(),
            source: "/odograph/redrive".into(),
            payload,
        };
        if let Err(reason) = self.send(lane, event, &[]).await? {
            return Ok(Redriven::refused(reason));
        }
        if left.is_empty() {
            self.delete(kept.number).await?;
        } else {
            dead::replace(&self.pool, kept.number, &rejected::write(left.iter())).await?;
        }
        Ok(judged)
    }

    /// Publishes an event, or stores its readings where there is no bus to publish to; within, why
    /// it is refused for good.
    async fn send(&self, lane: Lane, event: Event, headers: &[(String, String)]) -> anyhow::Result<Result<(), String>> {
        if let Some(bus) = &self.bus {
            // No other copy of this event has the same mark.
            let mark = time::now().to_string();
            bus.publish_again(lane, event, &mark, headers).await?;
            return Ok(Ok(()));
        }
        let message = Message::read(&event.id, &event.payload).context("read the message")?;
        match self.store.write(&[message]).await {
            Ok(_) => Ok(Ok(())),
            Err(store::Error::Data(state)) => Ok(Err(format!("the database still refuses it (SQLSTATE {state})"))),
            Err(error) => Err(error.into()),
        }
    }
}

impl Redriven {
    fn refused(reason: String) -> Self {
        Self {
            readings: 0,
            left: vec![(None, reason)],
        }
    }
}

/// What a dead letter holds.
pub fn content(kept: &StoredLetter) -> Content {
    let letter = &kept.letter;
    if letter.is_of_lines()
        && let Ok(lines) = rejected::read(&letter.payload)
    {
        return Content::Lines(lines);
    }
    let read = read(&letter.kind, &letter.id, &letter.payload);
    Content::Message(read.map(|message| message.shares.iter().map(|share| share.readings).sum()))
}

/// The reading in a rejected line, or why it is still none.
fn judge(line: &Line, bounds: Bounds) -> Result<(String, String, Point), String> {
    if line.cut {
        return Err("only its beginning was kept, it cannot be judged again".into());
    }
    if line.altered {
        return Err("it is not UTF-8, which no reading is".into());
    }
    let Decoded {
        sensor,
        device,
        timestamp,
        value,
    } = decode(line.reading.as_bytes(), bounds)?;
    let device = match device.as_deref() {
        Some(device) if line.bound && device != line.device => {
            return Err(format!("device: this key writes for {} only", line.device));
        }
        Some(device) => device.to_owned(),
        None => line.device.clone(),
    };
    Ok((device, sensor.into_owned(), Point { timestamp, value }))
}

/// The id of the upload that some lines of a dead letter are sent in: of the time since when they are dead
/// letters, and the same for the same lines.
fn upload_of(kept: &StoredLetter, lines: &[u8]) -> Uuid {
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&lines[..10]);
    let milliseconds = u64::try_from(kept.since / 1000).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid()
}

/// The id of a message made of a dead letter's lines: the same for the same ones, so that it counts
/// once however often it is sent, and another one where more of them have become readings.
fn id_of(kept: &StoredLetter, payload: &[u8]) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(kept.letter.id.as_bytes());
    hash.update(payload);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
