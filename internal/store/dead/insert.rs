//! Stores dead letters: each once, and none that was dropped.

use super::DeadLetter;
use crate::copy::Timestamptz;
use crate::invalid::{self, InvalidLine};
use crate::lock::lock;
use crate::looks::PLAUSIBLE;
use crate::receipts::{self, OnExisting};
use crate::text::encoded;
use crate::{Error, Store, failed};
use ::postgres::Timer;
use deadpool_postgres::Transaction;
use reading::message::Message;
use reading::time::{self, RELEASED};
use std::collections::BTreeSet;

impl Store {
    /// Stores dead letters and the invalid lines of receipts, in one transaction. Returns how many dead
    /// letters are new. It skips one that is stored, or whose id and mark a dropped one left. A copy with a
    /// mark replaces every other copy of its event.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn store_dead_letters(&self, letters: &[DeadLetter], lines: &[InvalidLine]) -> Result<u64, Error> {
        let mut client = self.client().await?;
        self.prepare_lines(&mut client, lines).await?;
        let _timer = Timer::of("keep_dead_letter");
        let stored = async {
            let transaction = client.transaction().await?;
            invalid::write(&transaction, lines).await?;
            let stored = insert(&transaction, letters).await?;
            transaction.commit().await?;
            Ok(stored)
        };
        stored.await.map_err(|error| self.not_stored(error))
    }

    /// Stores a refused message as a dead letter and counts its readings as failed, in one transaction.
    /// Returns whether the dead letter is new, as in [`Store::store_dead_letters`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn store_refused(&self, message: &Message, letter: &DeadLetter) -> Result<bool, Error> {
        let mut client = self.client().await?;
        self.prepare_receipts(&mut client, std::slice::from_ref(message))
            .await?;
        let _timer = Timer::of("count_failed");
        let stored = async {
            let transaction = client.transaction().await?;
            receipts::write(&transaction, &receipts::of_failed(message), OnExisting::Keep).await?;
            let stored = insert(&transaction, std::slice::from_ref(letter)).await?;
            transaction.commit().await?;
            Ok(stored > 0)
        };
        stored.await.map_err(|error| self.not_stored(error))
    }

    fn not_stored(&self, error: tokio_postgres::Error) -> Error {
        // A partition made before may be gone.
        lock(&self.receipts).clear();
        lock(&self.lines).clear();
        failed(error)
    }
}

/// Stores these dead letters after all other locks of their transaction. Returns how many are new.
async fn insert(transaction: &Transaction<'_>, letters: &[DeadLetter]) -> Result<u64, tokio_postgres::Error> {
    let mut stored = 0;
    // Of copies of one event the last one counts, and a statement takes only one of them.
    let mut left: Vec<&DeadLetter> = letters.iter().collect();
    while !left.is_empty() {
        let mut seen = BTreeSet::new();
        let (now, later): (Vec<&DeadLetter>, Vec<&DeadLetter>) =
            left.into_iter().partition(|letter| seen.insert(&*letter.id));
        stored += insert_once(transaction, now).await?;
        left = later;
    }
    Ok(stored)
}

/// Stores dead letters with distinct ids.
async fn insert_once(
    transaction: &Transaction<'_>,
    mut letters: Vec<&DeadLetter>,
) -> Result<u64, tokio_postgres::Error> {
    // The same order in all writers, so that they cannot deadlock.
    letters.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    let ids: Vec<String> = letters.iter().map(|letter| encoded(&letter.id)).collect();
    let marks: Vec<String> = letters.iter().map(|letter| encoded(&letter.mark)).collect();
    if letters.iter().any(|letter| !letter.mark.is_empty()) {
        let replace = format!(
            "WITH replaced AS (
                 DELETE FROM dead_letter there USING unnest($1::text[], $2::text[]) AS asked (event_id, mark)
                 WHERE there.event_id = asked.event_id AND asked.mark <> '' AND there.mark <> asked.mark
                     AND NOT EXISTS (SELECT FROM dead_letter_gone gone
                                     WHERE gone.event_id = asked.event_id AND gone.mark = asked.mark)
                 RETURNING there.event_id, there.mark)
             INSERT INTO dead_letter_gone (event_id, mark, at)
             SELECT event_id, mark, {PLAUSIBLE} FROM replaced ORDER BY event_id, mark ON CONFLICT DO NOTHING"
        );
        let replace = transaction.prepare_cached(&replace).await?;
        transaction.execute(&replace, &[&ids, &marks]).await?;
    }
    let insert = format!(
        "INSERT INTO dead_letter (event_id, mark, type, source, lane, reason, payload, cut_from, headers, buried)
         SELECT event_id, mark, type, source, lane, reason, payload, cut_from, headers,
                CASE WHEN is_told THEN at ELSE greatest(at, {PLAUSIBLE}) END
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::int8[],
                     $9::text[], $10::timestamptz[], $11::bool[])
             AS asked (event_id, mark, type, source, lane, reason, payload, cut_from, headers, at, is_told)
         WHERE NOT EXISTS (SELECT FROM dead_letter_gone gone
                           WHERE gone.event_id = asked.event_id AND gone.mark = asked.mark)
         ORDER BY event_id ON CONFLICT (event_id) DO NOTHING"
    );
    let texts = |of: fn(&DeadLetter) -> &str| letters.iter().map(|letter| encoded(of(letter))).collect::<Vec<_>>();
    let (kinds, sources, reasons) = (
        texts(|letter| &letter.kind),
        texts(|letter| &letter.source),
        texts(|letter| &letter.reason),
    );
    let lanes: Vec<Option<&str>> = letters.iter().map(|letter| letter.lane.as_deref()).collect();
    let payloads: Vec<&[u8]> = letters.iter().map(|letter| &letter.payload[..]).collect();
    let cut: Vec<Option<i64>> = letters
        .iter()
        .map(|letter| letter.cut_from.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)))
        .collect();
    let headers: Vec<Option<String>> = letters.iter().map(|letter| headers(letter)).collect();
    let now = time::now().max(RELEASED);
    let at: Vec<Timestamptz> = letters
        .iter()
        .map(|letter| Timestamptz(letter.since.unwrap_or(now)))
        .collect();
    let is_told: Vec<bool> = letters.iter().map(|letter| letter.since.is_some()).collect();
    let insert = transaction.prepare_cached(&insert).await?;
    let stored = transaction
        .execute(
            &insert,
            &[
                &ids, &marks, &kinds, &sources, &lanes, &reasons, &payloads, &cut, &headers, &at, &is_told,
            ],
        )
        .await?;
    if stored == 0 {
        return Ok(0);
    }
    // Inserting waits for a transaction that is dropping the same dead letter. The id that it leaves is
    // visible only now.
    let drop_again = "DELETE FROM dead_letter there
         USING unnest($1::text[], $2::text[]) AS asked (event_id, mark), dead_letter_gone gone
         WHERE there.event_id = asked.event_id AND there.mark = asked.mark
             AND gone.event_id = asked.event_id AND gone.mark = asked.mark";
    let drop_again = transaction.prepare_cached(drop_again).await?;
    let dropped = transaction.execute(&drop_again, &[&ids, &marks]).await?;
    Ok(stored.saturating_sub(dropped))
}

fn headers(letter: &DeadLetter) -> Option<String> {
    if letter.headers.is_empty() {
        return None;
    }
    let lines = letter.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    Some(encoded(&lines.collect::<String>()))
}
