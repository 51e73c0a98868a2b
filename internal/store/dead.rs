//! Dead letters: rejected lines, and messages that could not be stored.
//!
//! Clients write the content of a dead letter. So the payload is bytes, and its texts are encoded as in
//! `text.rs`.
//!
//! A dead letter that was dropped on purpose leaves its id and its mark in `dead_letter_gone`, in the same
//! transaction. A redelivery or a rebuild may bring its event again.

mod insert;
mod room;
#[cfg(test)]
mod tests;

pub use room::Evicted;

use crate::copy::Timestamptz;
use crate::looks::PLAUSIBLE;
use crate::text::decoded;
use ::postgres::{Error, Pool};
use bytes::Bytes;
use reading::rejected;
use tokio_postgres::Row;

/// An event that could not be handled, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// `ce-id` of the event. At most 160 characters: it is a key.
    pub id: String,
    /// Which copy of the event this is: empty for the first one. At most 40 characters.
    pub mark: String,
    /// `ce-type` of the event.
    pub kind: String,
    /// `ce-source` of the event.
    pub source: String,
    /// Its data.
    pub payload: Bytes,
    /// Bytes of its data before it was cut; none if all of it was kept.
    pub cut_from: Option<u64>,
    /// The name of the lane that it came through; none for rejected lines.
    pub lane: Option<String>,
    /// Further headers that it came with, name and value. No line breaks.
    pub headers: Vec<(String, String)>,
    /// Why it could not be handled.
    pub reason: String,
    /// Since when it is a dead letter, in microseconds since 1970; none: since it is stored.
    pub since: Option<i64>,
}

impl DeadLetter {
    /// Whether it holds rejected lines, which are evicted first where dead letters take too much.
    pub fn is_of_lines(&self) -> bool {
        self.kind == rejected::KIND
    }

    /// Bytes that it counts: those of its payload, and 512 more.
    pub fn counted(&self) -> u64 {
        self.payload.len() as u64 + room::OVERHEAD
    }
}

/// A stored dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLetter {
    /// Its number; later ones have greater numbers.
    pub number: u64,
    /// Since when it is a dead letter, in microseconds since 1970.
    pub since: i64,
    /// Its content.
    pub letter: DeadLetter,
}

/// Returns the greatest number of a dead letter, 0 without any.
///
/// # Errors
/// Where the database cannot do that now.
pub async fn newest(pool: &Pool) -> Result<u64, Error> {
    let client = pool.get().await?;
    let newest: i64 = client
        .query_one("SELECT coalesce(max(id), 0) FROM dead_letter", &[])
        .await?
        .try_get(0)?;
    Ok(newest.unsigned_abs())
}

/// Returns the first dead letter with a number above this.
///
/// # Errors
/// Where the database cannot do that now.
pub async fn after(pool: &Pool, number: u64) -> Result<Option<StoredLetter>, Error> {
    let client = pool.get().await?;
    let Ok(number) = i64::try_from(number) else {
        return Ok(None);
    };
    let first = "SELECT id, event_id, mark, type, source, lane, reason, payload, cut_from, headers, buried
         FROM dead_letter WHERE id > $1 ORDER BY id LIMIT 1";
    let first = client.prepare_cached(first).await?;
    let found = client.query_opt(&first, &[&number]).await?;
    Ok(found.map(|row| kept(&row)).transpose()?)
}

fn kept(row: &Row) -> Result<StoredLetter, tokio_postgres::Error> {
    let text = |at| row.try_get(at).map(decoded);
    let payload: &[u8] = row.try_get(7)?;
    let headers: Option<&str> = row.try_get(9)?;
    let headers = headers.map(decoded).unwrap_or_default();
    let Timestamptz(since) = row.try_get(10)?;
    Ok(StoredLetter {
        number: row.try_get::<_, i64>(0)?.unsigned_abs(),
        since,
        letter: DeadLetter {
            id: text(1)?,
            mark: text(2)?,
            kind: text(3)?,
            source: text(4)?,
            payload: Bytes::copy_from_slice(payload),
            cut_from: row.try_get::<_, Option<i64>>(8)?.map(i64::unsigned_abs),
            lane: row.try_get(5)?,
            headers: headers
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            reason: text(6)?,
            since: Some(since),
        },
    })
}

/// Replaces the payload of a dead letter.
///
/// # Errors
/// Where the database cannot do that now.
pub async fn replace(pool: &Pool, number: u64, payload: &[u8]) -> Result<(), Error> {
    let number = i64::try_from(number).unwrap_or_default();
    let replace = "UPDATE dead_letter SET payload = $2 WHERE id = $1";
    pool.get().await?.execute(replace, &[&number, &payload]).await?;
    Ok(())
}

/// Drops a dead letter for good and leaves its id; false if it was gone already.
///
/// # Errors
/// Where the database cannot do that now.
pub async fn delete(pool: &Pool, number: u64) -> Result<bool, Error> {
    let number = i64::try_from(number).unwrap_or_default();
    let delete = format!(
        "WITH dropped AS (DELETE FROM dead_letter WHERE id = $1 RETURNING event_id, mark),
              left_ AS (INSERT INTO dead_letter_gone (event_id, mark, at)
                        SELECT event_id, mark, {PLAUSIBLE} FROM dropped ON CONFLICT DO NOTHING)
         SELECT count(*) FROM dropped"
    );
    let row = pool.get().await?.query_one(&delete, &[&number]).await?;
    Ok(row.try_get::<_, i64>(0)? > 0)
}
