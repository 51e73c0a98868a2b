//! Dead letters in Postgres, for an event bus that has nowhere to keep them.

use super::copy::Moment;
use crate::reading::clock::RELEASED;
use crate::reading::time;
use ::postgres::{Error, Pool};
use event::{Event, Lane, Letter};

/// Keeps a dead letter; the same one twice is kept once. Its age counts from a moment when the clock
/// was plausible: from the latest of both machines' clocks, the last look at one, and the release.
pub(super) async fn keep(pool: &Pool, letter: &Event, lane: Option<Lane>, reason: &str) -> Result<(), Error> {
    let client = pool.get().await?;
    client
        .execute(
            "INSERT INTO dead_letter (event_id, type, source, lane, reason, payload, buried)
             VALUES ($1, $2, $3, $4, $5, $6, greatest($7, now(), (SELECT max(at) FROM clock_look))) ON CONFLICT DO NOTHING",
            &[
                &letter.id,
                &letter.kind,
                &letter.source,
                &lane.map(Lane::name),
                &reason,
                &&letter.payload[..],
                &Moment(time::now().max(RELEASED)),
            ],
        )
        .await?;
    Ok(())
}

/// Forgets the dead letters older than this moment; how many they were.
pub(super) async fn forget(pool: &Pool, before: i64) -> Result<u64, Error> {
    let forget = "DELETE FROM dead_letter WHERE buried < $1";
    Ok(pool.get().await?.execute(forget, &[&Moment(before)]).await?)
}

/// The number of the newest one, 0 where there is none.
pub(in crate::reading) async fn newest(pool: &Pool) -> Result<u64, Error> {
    let client = pool.get().await?;
    let newest: i64 = client
        .query_one("SELECT coalesce(max(id), 0) FROM dead_letter", &[])
        .await?
        .try_get(0)?;
    Ok(newest.unsigned_abs())
}

/// The first one with a number above this.
pub(in crate::reading) async fn after(pool: &Pool, number: u64) -> Result<Option<Letter>, Error> {
    let client = pool.get().await?;
    let Ok(number) = i64::try_from(number) else {
        return Ok(None);
    };
    let found = client
        .query_opt(
            "SELECT id, event_id, type, source, lane, reason, payload, buried FROM dead_letter WHERE id > $1 ORDER BY id LIMIT 1",
            &[&number],
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    let lane: Option<&str> = row.try_get(4)?;
    let payload: &[u8] = row.try_get(6)?;
    let Moment(buried) = row.try_get(7)?;
    Ok(Some(Letter {
        number: row.try_get::<_, i64>(0)?.unsigned_abs(),
        buried,
        event: Event {
            id: row.try_get(1)?,
            kind: row.try_get(2)?,
            source: row.try_get(3)?,
            payload: payload.to_vec().into(),
        },
        lane: lane.and_then(Lane::named),
        reason: row.try_get(5)?,
        cut_from: None,
    }))
}

/// Gives a dead letter another payload.
pub(in crate::reading) async fn replace(pool: &Pool, number: u64, payload: &[u8]) -> Result<(), Error> {
    let number = i64::try_from(number).unwrap_or_default();
    let client = pool.get().await?;
    client
        .execute(
            "UPDATE dead_letter SET payload = $2 WHERE id = $1",
            &[&number, &payload],
        )
        .await?;
    Ok(())
}

/// Drops a dead letter for good; false where it was gone already.
pub(in crate::reading) async fn delete(pool: &Pool, number: u64) -> Result<bool, Error> {
    let number = i64::try_from(number).unwrap_or_default();
    let client = pool.get().await?;
    Ok(client
        .execute("DELETE FROM dead_letter WHERE id = $1", &[&number])
        .await?
        > 0)
}

#[cfg(test)]
mod tests {
    use super::super::Look;
    use super::*;
    use std::time::Duration;

    /// A letter that was buried while the clocks were behind is as young as the last look at one.
    #[tokio::test]
    async fn a_letters_age_counts_from_a_plausible_moment() {
        let database = testutil::database().await;
        let pool = ::postgres::open(&database.url(), 2, Duration::from_secs(30)).unwrap();
        crate::schema::prepare(&pool, true).await.unwrap();
        let look = Look {
            at: time::now() + 100 * time::DAY,
            ..Look::now()
        };
        look.remember(&*pool.get().await.unwrap()).await.unwrap();
        let letter = Event {
            id: "1".into(),
            kind: "test".into(),
            source: "/test".into(),
            payload: "x".into(),
        };
        keep(&pool, &letter, None, "why").await.unwrap();
        let found = after(&pool, 0).await.unwrap().unwrap();
        assert_eq!(found.buried, look.at);
        assert_eq!(forget(&pool, look.at).await.unwrap(), 0);
        assert_eq!(forget(&pool, look.at + 1).await.unwrap(), 1);
    }
}
