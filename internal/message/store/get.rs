//! Gets.

use super::Store;
use super::session::{BEGIN, Session};
use ::postgres::Error;
use bytes::Bytes;
use deadpool_postgres::Object;
use futures_util::TryStreamExt;
use std::collections::HashSet;
use std::pin::pin;
use tokio_postgres::Error as Failed;
use tokio_postgres::types::ToSql;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The messages, as they came.
    Found(Vec<Bytes>),
    /// They are larger than an answer may be.
    TooLarge,
}

impl Store {
    /// Messages of these ids that are not past their time, in order of first mention, and of one id in order of source.
    /// An answer for several ids is at most `most` bytes.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn get(&self, ids: &[String], most: usize) -> Result<Answer, Error> {
        let mut seen = HashSet::with_capacity(ids.len());
        // No message has such an id, and PostgreSQL would refuse it.
        let named = ids.iter().map(String::as_str).filter(|id| !id.contains('\0'));
        let ids: Vec<&str> = named.filter(|id| seen.insert(*id)).collect();
        if ids.is_empty() {
            return Ok(Answer::Found(Vec::new()));
        }
        let most = if ids.len() == 1 { usize::MAX } else { most };
        let mut session = Session::of("get_messages");
        loop {
            let begun = session.begin(&self.pool).await?;
            match find(&begun.0, &ids, most).await {
                Ok(found) => return Ok(Answer::Found(found)),
                Err(Stopped::TooLarge) => {
                    // The rest may be gigabytes: closed, the server sends no more of it.
                    drop(Object::take(begun.0));
                    return Ok(Answer::TooLarge);
                }
                Err(Stopped::Failed(error)) => session.failed(begun, error).await?,
            }
        }
    }
}

/// Why not all was found.
enum Stopped {
    Failed(Failed),
    TooLarge,
}

impl From<Failed> for Stopped {
    fn from(error: Failed) -> Self {
        Self::Failed(error)
    }
}

async fn find(client: &Object, ids: &[&str], most: usize) -> Result<Vec<Bytes>, Stopped> {
    let select = "SELECT event
        FROM unnest($1::text[]) WITH ORDINALITY AS wanted (id, ordinality),
            LATERAL (SELECT epoch, source, received, event FROM message WHERE message.id = wanted.id OFFSET 0) AS found
            JOIN epoch ON number = found.epoch
        WHERE received + retention > clock_timestamp()
        ORDER BY ordinality, source";
    let select = client.prepare_cached(select).await?;
    let parameters: [&(dyn ToSql + Sync); 1] = [&ids];
    let found = async {
        let mut rows = pin!(client.query_raw(&select, parameters).await?);
        let (mut events, mut bytes) = (Vec::new(), 0_usize);
        while let Some(row) = rows.try_next().await? {
            let event: &[u8] = row.try_get(0)?;
            bytes = bytes.saturating_add(encoded_len(event));
            if bytes > most {
                return Err(Stopped::TooLarge);
            }
            events.push(Bytes::copy_from_slice(event));
        }
        Ok(events)
    };
    // One way to the server and back. Nothing is written, so nothing is waited for at the end.
    let begin = async { client.batch_execute(BEGIN).await.map_err(Stopped::from) };
    let commit = async { client.batch_execute("COMMIT").await.map_err(Stopped::from) };
    let ((), found, ()) = tokio::try_join!(biased; begin, found, commit)?;
    Ok(found)
}

/// Bytes of a message in an answer: its tag, its length, and its own.
fn encoded_len(event: &[u8]) -> usize {
    1 + prost::length_delimiter_len(event.len()) + event.len()
}
