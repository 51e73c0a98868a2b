//! Lists, redrives or drops dead letters.
//!
//! A dead letter is either a message that could not be stored, or up to 128 KiB of rejected lines of one
//! upload. Redriving drops a dead letter only once its content is published or stored. After a crash in
//! between, the data exists twice; identity and the event's id make it count once. A dropped dead letter
//! leaves its id, so that neither redelivery nor a rebuild restores it.

use crate::work::read;
use ::postgres::Pool;
use anyhow::Context;
use event::{Event, Lane, Writer};
use reading::Bounds;
use reading::decode::{Decoded, decode};
use reading::message::Message;
use reading::segment::{self, Builder, Origin, UploadTotals, join};
use reading::{Point, rejected, time};
use sha2::{Digest, Sha256};
use store::{Store, dead};
use uuid::Uuid;

pub use reading::rejected::Line;
pub use store::dead::StoredLetter;

/// Bytes of a payload above which redriven readings go through the bulk lane.
const SMALL: usize = 16 * 1024;

/// The dead letters of a database.
pub struct DeadLetters {
    pool: Pool,
    store: Store,
    bus: Option<Writer>,
}

/// Content of a dead letter.
#[derive(Debug)]
pub enum Content {
    /// Rejected lines of an upload.
    Lines(Vec<Line>),
    /// A message: its number of readings, or why it cannot be read.
    Message(Result<u64, String>),
}

/// Outcome of a redrive.
#[derive(Debug, Default)]
pub struct Redriven {
    /// Readings published or stored again.
    pub readings: u64,
    /// Reasons why parts stay dead letters, each with its line number if it is a line.
    pub left: Vec<(Option<u64>, String)>,
}

impl DeadLetters {
    /// Opens the dead letters of this database. A redrive publishes to `bus`, while its [`Writer::run`] runs;
    /// without a bus it stores straight into the database.
    pub fn new(pool: Pool, bus: Option<Writer>) -> Self {
        Self {
            store: Store::new(pool.clone()),
            pool,
            bus,
        }
    }

    /// Returns the greatest number of a dead letter, 0 without any.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn newest(&self) -> anyhow::Result<u64> {
        Ok(dead::newest(&self.pool).await?)
    }

    /// Returns the first dead letter with a number above this.
    ///
    /// # Errors
    /// As [`DeadLetters::newest`].
    pub async fn after(&self, number: u64) -> anyhow::Result<Option<StoredLetter>> {
        Ok(dead::after(&self.pool, number).await?)
    }

    /// Returns the dead letter of this number, if it exists.
    ///
    /// # Errors
    /// As [`DeadLetters::newest`].
    pub async fn get(&self, number: u64) -> anyhow::Result<Option<StoredLetter>> {
        let Some(before) = number.checked_sub(1) else {
            return Ok(None);
        };
        Ok(self.after(before).await?.filter(|letter| letter.number == number))
    }

    /// Drops a dead letter for good and leaves its id; false if it was gone already.
    ///
    /// # Errors
    /// As [`DeadLetters::newest`].
    pub async fn delete(&self, number: u64) -> anyhow::Result<bool> {
        Ok(dead::delete(&self.pool, number).await?)
    }

    /// Redrives a dead letter. A message goes through its lane again under its own id. Lines are judged again
    /// by these bounds; those that are readings go as a new upload. The rest stays a dead letter.
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
                "its payload of {bytes} bytes was cut; it cannot be redriven"
            )));
        }
        let lane = letter.lane.as_deref().and_then(Lane::named).unwrap_or(Lane::Bulk);
        // A message that is unreadable here is published too: a newer persistor may read it.
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
                // If it was refused again meanwhile, that dead letter has another number.
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
        // Lines that become readings in a later redrive form another upload.
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
        // A new upload: the first upload's receipt does not count these readings as accepted, and a receipt
        // must not show more persisted than accepted.
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

    /// Publishes an event, or stores its readings where there is no bus. The inner error says why it is
    /// refused for good.
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

/// Decodes the content of a dead letter.
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

/// The id of the upload that carries redriven lines: its time is when they became a dead letter. The same
/// lines give the same id.
fn upload_of(kept: &StoredLetter, lines: &[u8]) -> Uuid {
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&lines[..10]);
    let milliseconds = u64::try_from(kept.since / 1000).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid()
}

/// The id of a message made of redriven lines. The same lines give the same id, so that it counts once
/// however often it is sent. If more lines have become readings, the id differs.
fn id_of(kept: &StoredLetter, payload: &[u8]) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(kept.letter.id.as_bytes());
    hash.update(payload);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
