//! Dead letters: looked at, taken up again once their cause is mended, or dropped.
//!
//! They are on the event bus, or in Postgres where the bus keeps none. A letter is either a message
//! that could not be stored, or up to 128 KiB of rejected lines of one upload. What is taken up
//! again is dropped only once it is safe at its next place; a crash in between means that it is
//! there twice, and then identity and the event's id make it once.

use ::postgres::Pool;
use anyhow::Context;
use event::{Event, Lane, Letter, Letters, Writer};
use reading::decode::{Bounds, Decoded, decode};
use reading::message::Message;
use reading::segment::{self, Builder, Origin, Totals, join};
use reading::{Point, rejected, time};
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::{Store, dead};
use uuid::Uuid;

pub use reading::rejected::Line;

/// Beyond this, readings that are taken up again go the way of large uploads.
const SMALL: usize = 16 * 1024;

/// Where dead letters are.
pub struct Graveyard(Ground);

enum Ground {
    Bus(Letters, Writer),
    Database(Store, Pool),
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

impl Graveyard {
    /// The dead letters of this bus. `writer` writes to it while somebody runs it.
    pub fn on_bus(letters: Letters) -> Self {
        let writer = letters.writer();
        Self(Ground::Bus(letters, writer))
    }

    /// Those in this database.
    pub fn in_database(pool: Pool) -> Self {
        Self(Ground::Database(Store::new(pool.clone()), pool))
    }

    /// What has to be run for anything to be taken up again; `None` where that takes nothing.
    pub fn writer(&self) -> Option<Writer> {
        match &self.0 {
            Ground::Bus(_, writer) => Some(writer.clone()),
            Ground::Database(..) => None,
        }
    }

    /// The number of the newest one, 0 where there is none.
    ///
    /// # Errors
    /// Where the bus or the database does not answer.
    pub async fn newest(&self) -> anyhow::Result<u64> {
        Ok(match &self.0 {
            Ground::Bus(letters, _) => letters.newest().await?,
            Ground::Database(_, pool) => dead::newest(pool).await?,
        })
    }

    /// The first one with a number above this.
    ///
    /// # Errors
    /// As [`Graveyard::newest`].
    pub async fn after(&self, number: u64) -> anyhow::Result<Option<Letter>> {
        Ok(match &self.0 {
            Ground::Bus(letters, _) => letters.after(number).await?,
            Ground::Database(_, pool) => dead::after(pool, number).await?.map(letter),
        })
    }

    /// The one of this number, if it is there.
    ///
    /// # Errors
    /// As [`Graveyard::newest`].
    pub async fn get(&self, number: u64) -> anyhow::Result<Option<Letter>> {
        let Some(before) = number.checked_sub(1) else {
            return Ok(None);
        };
        Ok(self.after(before).await?.filter(|letter| letter.number == number))
    }

    /// Drops one for good; false where it was gone already.
    ///
    /// # Errors
    /// As [`Graveyard::newest`].
    pub async fn delete(&self, number: u64) -> anyhow::Result<bool> {
        Ok(match &self.0 {
            Ground::Bus(letters, _) => letters.delete(number).await?,
            Ground::Database(_, pool) => dead::delete(pool, number).await?,
        })
    }

    /// Takes one up again: a message goes through its lane once more under its own id; lines are
    /// judged anew by these bounds, and those that are readings go as an upload of their own.
    /// What cannot go stays a dead letter.
    ///
    /// # Errors
    /// As [`Graveyard::newest`]. Do it again: nothing is lost, and nothing counts twice.
    pub async fn redrive(&self, letter: &Letter, oldest: i64, max_future: Duration) -> anyhow::Result<Redriven> {
        match content(letter) {
            Content::Lines(lines) => self.redrive_lines(letter, lines, oldest, max_future).await,
            Content::Message(readings) => self.redrive_message(letter, readings).await,
        }
    }

    async fn redrive_message(&self, letter: &Letter, readings: Result<u64, String>) -> anyhow::Result<Redriven> {
        if let Some(bytes) = letter.cut_from {
            return Ok(Redriven::refused(format!(
                "its payload had {bytes} bytes and was cut, it cannot be taken up again"
            )));
        }
        let lane = letter.lane.unwrap_or(Lane::Bulk);
        // The bus is told even what cannot be read here: a newer persistor may read it.
        if let (Ground::Database(..), Err(reason)) = (&self.0, &readings) {
            return Ok(Redriven::refused(reason.clone()));
        }
        match self.send(lane, letter.event.clone()).await? {
            Ok(()) => {
                self.delete(letter.number).await?;
                Ok(Redriven {
                    readings: readings.unwrap_or_default(),
                    left: Vec::new(),
                })
            }
            Err(reason) => Ok(Redriven::refused(reason)),
        }
    }

    async fn redrive_lines(
        &self,
        letter: &Letter,
        lines: Vec<Line>,
        oldest: i64,
        max_future: Duration,
    ) -> anyhow::Result<Redriven> {
        let mut judged = Redriven::default();
        let mut left = Vec::new();
        let mut builder = Builder::default();
        // What becomes a reading another time is another upload.
        let mut upload = Sha256::new_with_prefix(letter.event.id.as_bytes());
        for line in lines {
            match judge(&line, oldest, max_future) {
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
            upload: upload_of(letter, &upload.finalize()),
            correlation: String::new(),
            traceparent: String::new(),
        };
        let totals = Totals {
            accepted: judged.readings,
            rejected: 0,
        };
        let payload = join([builder.finish(&origin, Some(totals))].iter());
        let lane = if payload.len() <= SMALL { Lane::Live } else { Lane::Bulk };
        let event = Event {
            id: id_of(letter, &payload).to_string(),
            kind: segment::KIND.into(),
            source: "/odograph/redrive".into(),
            payload,
        };
        if let Err(reason) = self.send(lane, event).await? {
            return Ok(Redriven::refused(reason));
        }
        if left.is_empty() {
            self.delete(letter.number).await?;
            return Ok(judged);
        }
        let rest = rejected::write(left.iter());
        match &self.0 {
            Ground::Database(_, pool) => dead::replace(pool, letter.number, &rest).await?,
            Ground::Bus(letters, writer) => {
                // What is left first: a crash in between leaves it twice, not nowhere.
                let event = Event {
                    payload: rest.into(),
                    ..letter.event.clone()
                };
                writer.bury(event, &letter.reason).await?;
                letters.delete(letter.number).await?;
            }
        }
        Ok(judged)
    }

    /// Publishes an event, or stores its readings where there is no bus to publish to; within, why
    /// it is refused for good.
    async fn send(&self, lane: Lane, event: Event) -> anyhow::Result<Result<(), String>> {
        match &self.0 {
            Ground::Bus(_, writer) => {
                writer.publish_again(lane, event).await?;
                Ok(Ok(()))
            }
            Ground::Database(store, _) => {
                let message = Message::read(&event.id, &event.payload).context("read the message")?;
                match store.write(&[message]).await {
                    Ok(_) => Ok(Ok(())),
                    Err(store::Error::Data(state)) => {
                        Ok(Err(format!("the database still refuses it (SQLSTATE {state})")))
                    }
                    Err(error) => Err(error.into()),
                }
            }
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

/// A dead letter of the database, as a bus would tell it.
fn letter(kept: dead::Kept) -> Letter {
    let letter = kept.letter;
    Letter {
        number: kept.number,
        buried: kept.buried,
        event: Event {
            id: letter.id,
            kind: letter.kind,
            source: letter.source,
            payload: letter.payload,
        },
        lane: letter.lane.as_deref().and_then(Lane::named),
        reason: letter.reason,
        cut_from: None,
    }
}

/// What a dead letter holds.
pub fn content(letter: &Letter) -> Content {
    if letter.event.kind == rejected::KIND
        && let Ok(lines) = rejected::read(&letter.event.payload)
    {
        return Content::Lines(lines);
    }
    if letter.event.kind != segment::KIND {
        return Content::Message(Err(format!("the event type {:?} is unknown", letter.event.kind)));
    }
    let read = Message::read(&letter.event.id, &letter.event.payload);
    let readings = read.map(|message| message.shares.iter().map(|share| share.readings).sum());
    Content::Message(readings.map_err(|error| error.to_string()))
}

/// The reading in a rejected line, or why it is still none.
fn judge(line: &Line, oldest: i64, max_future: Duration) -> Result<(String, String, Point), String> {
    if line.cut {
        return Err("only its beginning was kept, it cannot be judged again".into());
    }
    if line.altered {
        return Err("it is not UTF-8, which no reading is".into());
    }
    let bounds = Bounds {
        oldest,
        newest: time::now().saturating_add(time::micros(max_future)),
    };
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

/// The id of the upload that some lines of a dead letter are sent in: of the time when they were
/// buried, and the same for the same lines.
fn upload_of(letter: &Letter, lines: &[u8]) -> Uuid {
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&lines[..10]);
    let milliseconds = u64::try_from(letter.buried / 1000).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid()
}

/// The id of a message made of a dead letter's lines: the same for the same ones, so that it counts
/// once however often it is sent, and another one where more of them have become readings.
fn id_of(letter: &Letter, payload: &[u8]) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(letter.event.id.as_bytes());
    hash.update(payload);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
