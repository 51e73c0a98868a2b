//! Texts of the journal that were edited or deleted, in what is queued of them.
//!
//! The journal itself changes what it finds queued. It cannot see what the evaluator was committing at that moment:
//! events of messages, replays and gaps that it had read with the text of before. The next transaction of the
//! evaluator sees both.

use super::new_rows::{NEW, NewRows};
use crate::message::KIND;
use tokio_postgres::{Error, Transaction};

/// The topic of the journal.
const JOURNAL: &str = "odograph.journal";

/// Makes what is queued of entries that were edited or deleted say what they say now, as far as that is new, whichever
/// rules there are. All messages of an entry say the same in one snapshot; the last one is taken.
pub(crate) async fn step(transaction: &Transaction<'_>, new: &NewRows) -> Result<(), Error> {
    let stale = |table: &str| {
        format!(
            "EXISTS (SELECT FROM {table} AS queued
                WHERE queued.type = '{KIND}' AND queued.data ->> 'event' IS NOT NULL AND left(queued.data ->> 'id', 26) = ulid
                    AND queued.data IS DISTINCT FROM said || jsonb_build_object('event', queued.data -> 'event'))"
        )
    };
    // Few are stale, so most need no call.
    let retell = format!(
        "SELECT retell_entry(ulid, said) FROM (
            SELECT DISTINCT ON (left(id, 26)) left(id, 26) AS ulid, data AS said FROM published
            WHERE {NEW} AND topic = '{JOURNAL}' AND data ->> 'event' IN ('edited', 'deleted')
            ORDER BY left(id, 26), data ->> 'event' = 'deleted' DESC, id DESC
        ) AS changed
        WHERE {} OR {}",
        stale("delivery"),
        stale("gap"),
    );
    transaction.execute(&retell, &[&new.seen, &new.last]).await.map(drop)
}
