//! The transaction that stores a published message.

use super::Message;
use ::postgres::Failure;
use deadpool_postgres::Object;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, IsolationLevel};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    New,
    /// A message with the same key and equal data has the id.
    Before,
    /// A message with another key or other data has the id.
    Other,
}

/// Why an attempt failed.
pub(super) enum Failed {
    /// There is no partition for now.
    NoPartition,
    /// The message itself is at fault.
    Data(Error),
    Database(Error),
}

/// The number is arbitrary and must never change: it keeps these locks apart from other ones.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 3141936245))";

/// PostgreSQL compares the data as jsonb, by value: neither the order of members nor the form of a number counts.
const STORE: &str = "WITH there AS (
        SELECT data = $6::text::jsonb AND key IS NOT DISTINCT FROM $4 AS same
        FROM published WHERE topic = $1 AND id = $2 LIMIT 1
    ), made AS (
        INSERT INTO published (topic, id, made, key, author, data)
        SELECT $1, $2, $3, $4, $5, $6::text::jsonb WHERE NOT EXISTS (SELECT FROM there)
    )
    SELECT same FROM there";

/// Stores the message under this id, unless the topic has one with it.
pub(super) async fn attempt(
    client: &mut Object,
    message: &Message,
    id: &str,
    author: Option<&str>,
) -> Result<Stored, Failed> {
    let Message { topic, key, data, .. } = message;
    let made = message.id.is_none();
    // Whichever level is the database's default: a snapshot from before the lock would not show what the holder before
    // committed.
    let committed = IsolationLevel::ReadCommitted;
    let transaction = client.build_transaction().isolation_level(committed).start().await?;
    if !made {
        // A statement of its own: the next one's snapshot has to see what the holder before committed.
        let lock = transaction.prepare_cached(LOCK).await?;
        transaction.query_one(&lock, &[topic, &id]).await?;
    }
    let store = transaction.prepare_cached(STORE).await?;
    let row = transaction
        .query_opt(&store, &[topic, &id, &made, key, &author, data])
        .await?;
    let same = row.map(|row| row.try_get(0)).transpose()?;
    transaction.commit().await?;
    Ok(match same {
        None => Stored::New,
        Some(true) => Stored::Before,
        Some(false) => Stored::Other,
    })
}

/// The database's clock, in microseconds since 1970.
pub(super) async fn now(client: &Client) -> Result<i64, Error> {
    let row = client
        .query_one("SELECT (extract(epoch FROM now()) * 1000000)::int8", &[])
        .await?;
    row.try_get(0)
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        // The table has no other check than those of its partitions.
        if error.code() == Some(&SqlState::CHECK_VIOLATION) {
            return Self::NoPartition;
        }
        match Failure::of(&error) {
            Failure::Data => Self::Data(error),
            Failure::Conflict | Failure::Unavailable => Self::Database(error),
        }
    }
}
