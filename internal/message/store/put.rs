//! Puts, several in one transaction.

use super::copy::{self, COPY};
use super::epoch::OPEN;
use super::session::{BEGIN, Session};
use super::{PUTS, Store};
use crate::message::Message;
use ::postgres::Error;
use bytes::Bytes;
use deadpool_postgres::Object;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::Timestamptz;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error as Failed, Statement};

/// Messages up to which INSERT adds them: one way to the server and back, with their commit. COPY needs two, and takes
/// less for each message.
const FEW: usize = 100;

/// Adds the same rows as [`COPY`].
const INSERT: &str = "INSERT INTO message (epoch, id, source, received, event)
    SELECT $1::int, id, source, $2::timestamptz, event
    FROM unnest($3::text[], $4::text[], $5::bytea[]) AS new (id, source, event)";

/// A message whose name belongs to another one: its place in the put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conflict(pub(crate) usize);

/// What became of a put: all of it is stored, or nothing, because of these.
pub(crate) type Verdict = Result<(), Vec<Conflict>>;

/// What came of a try.
enum Tried {
    Stored(Vec<Verdict>),
    /// The open epoch is past its time, or there is none.
    Roll(Option<i32>),
}

impl Store {
    /// Stores puts in one transaction, each as a whole or not at all. They are committed when this returns.
    ///
    /// # Errors
    /// Those of the database; then nothing is stored, or the commit's answer was lost.
    pub(crate) async fn put(&self, puts: &[Arc<Vec<Message>>]) -> Result<Vec<Verdict>, Error> {
        let mut session = Session::of("put_messages");
        loop {
            let begun = session.begin(&self.pool).await?;
            match try_put(&begun.0, puts, self.retention).await {
                Ok(Tried::Stored(verdicts)) => return Ok(verdicts),
                Ok(Tried::Roll(open)) => {
                    drop(begun);
                    self.roll(open).await?;
                }
                Err(error) => session.failed(begun, error).await?,
            }
        }
    }
}

async fn try_put(client: &Object, puts: &[Arc<Vec<Message>>], retention: Duration) -> Result<Tried, Failed> {
    let find = "SELECT found.ordinality, event
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (id, source, ordinality),
            LATERAL (SELECT wanted.ordinality, epoch, received, event FROM message
                     WHERE message.id = wanted.id AND message.source = wanted.source OFFSET 0) AS found
            JOIN epoch ON number = found.epoch
        WHERE received + retention > clock_timestamp()";
    // Each name once, in order.
    let mut named: Vec<&Message> = puts.iter().flat_map(|put| put.iter()).collect();
    named.sort_unstable_by(|one, other| (&one.id, &one.source).cmp(&(&other.id, &other.source)));
    named.dedup_by(|one, other| (&one.id, &one.source) == (&other.id, &other.source));
    let ids: Vec<&str> = named.iter().map(|message| message.id.as_str()).collect();
    let sources: Vec<&str> = named.iter().map(|message| message.source.as_str()).collect();
    let (find, open, insert, copy) = tokio::try_join!(
        biased;
        client.prepare_cached(find),
        client.prepare_cached(&OPEN),
        client.prepare_cached(INSERT),
        client.prepare_cached(COPY)
    )?;
    // One way to the server and back: each statement begins once the one before has ended.
    let lock = format!("{BEGIN}; SELECT pg_advisory_xact_lock_shared({PUTS})");
    let retention = retention.as_secs_f64();
    let open_parameters: [&(dyn ToSql + Sync); 1] = [&retention];
    let find_parameters: [&(dyn ToSql + Sync); 2] = [&ids, &sources];
    let ((), open, found) = tokio::try_join!(
        biased;
        client.batch_execute(&lock),
        client.query_opt(&open, &open_parameters),
        client.query(&find, &find_parameters)
    )?;
    let (epoch, received) = match &open {
        Some(row) if !row.try_get::<_, bool>(2)? => (row.try_get(0)?, row.try_get::<_, Timestamptz>(1)?),
        open => {
            let open = open.as_ref().map(|row| row.try_get(0)).transpose()?;
            client.batch_execute("ROLLBACK").await?;
            return Ok(Tried::Roll(open));
        }
    };
    let mut there: HashMap<(&str, &str), Bytes> = HashMap::with_capacity(found.len());
    for row in &found {
        let at: i64 = row.try_get(0)?;
        let message = usize::try_from(at - 1).ok().and_then(|at| named.get(at));
        if let Some(message) = message {
            let event: &[u8] = row.try_get(1)?;
            there.insert((&message.id, &message.source), Bytes::copy_from_slice(event));
        }
    }
    let (verdicts, mut new) = judge(puts, there);
    if new.is_empty() {
        // What is there was committed by others, who waited for the disk.
        client.batch_execute("COMMIT").await?;
        return Ok(Tried::Stored(verdicts));
    }
    new.sort_unstable_by(|one, other| (&one.id, &one.source).cmp(&(&other.id, &other.source)));
    // Both send their statement when they are polled first, so that the commit comes behind it. After a row that the
    // server refuses, it rolls back.
    let commit = client.batch_execute("COMMIT");
    if new.len() <= FEW {
        tokio::try_join!(biased; add_few(client, &insert, epoch, &received, &new), commit)?;
    } else {
        tokio::try_join!(biased; copy::add(client, &copy, epoch, &received, &new), commit)?;
    }
    Ok(Tried::Stored(verdicts))
}

async fn add_few(
    client: &Object,
    insert: &Statement,
    epoch: i32,
    received: &Timestamptz,
    messages: &[&Message],
) -> Result<(), Failed> {
    let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
    let sources: Vec<&str> = messages.iter().map(|message| message.source.as_str()).collect();
    let events: Vec<&[u8]> = messages.iter().map(|message| &*message.event).collect();
    let parameters: [&(dyn ToSql + Sync); 5] = [&epoch, received, &ids, &sources, &events];
    client.execute(insert, &parameters).await?;
    Ok(())
}

/// What becomes of each put, in their order, and the messages that are new.
fn judge<'a>(
    puts: &'a [Arc<Vec<Message>>],
    mut there: HashMap<(&'a str, &'a str), Bytes>,
) -> (Vec<Verdict>, Vec<&'a Message>) {
    let mut new = Vec::new();
    let mut verdicts = Vec::with_capacity(puts.len());
    for put in puts {
        let first = new.len();
        let mut conflicts = Vec::new();
        for (at, message) in put.iter().enumerate() {
            match there.get(&(&*message.id, &*message.source)) {
                Some(event) if message.is_like(event) => {}
                Some(_) => conflicts.push(Conflict(at)),
                None => {
                    there.insert((&message.id, &message.source), message.event.clone());
                    new.push(message);
                }
            }
        }
        if conflicts.is_empty() {
            verdicts.push(Ok(()));
        } else {
            for message in new.drain(first..) {
                there.remove(&(&*message.id, &*message.source));
            }
            verdicts.push(Err(conflicts));
        }
    }
    (verdicts, new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, event: &'static str) -> Message {
        Message {
            id: id.to_owned(),
            source: "s".to_owned(),
            event: Bytes::from_static(event.as_bytes()),
        }
    }

    fn judged(puts: &[&[(&str, &'static str)]], there: &[(&'static str, &'static str)]) -> (Vec<Verdict>, Vec<String>) {
        let messages =
            |put: &&[(&str, &'static str)]| Arc::new(put.iter().map(|(id, event)| message(id, event)).collect());
        let puts: Vec<Arc<Vec<Message>>> = puts.iter().map(messages).collect();
        let there = there
            .iter()
            .map(|(id, event)| ((*id, "s"), Bytes::from_static(event.as_bytes())));
        let (verdicts, new) = judge(&puts, there.collect());
        (verdicts, new.iter().map(|message| message.id.clone()).collect())
    }

    #[test]
    fn each_put_is_stored_as_a_whole_or_not_at_all() {
        let (verdicts, new) = judged(
            &[
                &[("a", "1"), ("b", "1"), ("b", "1")],
                &[("c", "1"), ("a", "2"), ("d", "1")],
                &[("c", "2"), ("a", "1"), ("x", "1")],
                &[("e", "1"), ("e", "2")],
                &[("e", "3")],
            ],
            &[("x", "1")],
        );
        let conflicts = |at: &[usize]| Err(at.iter().copied().map(Conflict).collect());
        assert_eq!(verdicts, [Ok(()), conflicts(&[1]), Ok(()), conflicts(&[1]), Ok(())]);
        assert_eq!(new, ["a", "b", "c", "e"]);
    }
}
