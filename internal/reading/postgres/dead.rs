//! Dead letters in Postgres, for an event bus that has nowhere to keep them.

use ::postgres::{Error, Pool};
use event::Event;

/// How long a dead letter is kept.
const KEPT: &str = "30 days";

/// Keeps a dead letter; the same one twice is kept once. Forgets those past their time.
pub(super) async fn keep(pool: &Pool, letter: &Event, reason: &str) -> Result<(), Error> {
    let client = pool.get().await?;
    client
        .execute(
            "INSERT INTO dead_letter (event_id, type, reason, payload) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            &[&letter.id, &letter.kind, &reason, &&letter.payload[..]],
        )
        .await?;
    client
        .execute(
            &format!("DELETE FROM dead_letter WHERE buried < now() - interval '{KEPT}'"),
            &[],
        )
        .await?;
    Ok(())
}
