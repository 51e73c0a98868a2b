//! Dead letters in Postgres, for an event bus that has nowhere to keep them.
//!
//! What a letter holds and says is written by clients, and a database in LATIN1 has no place for
//! most characters, one in any encoding none for a NUL. So the payload is bytes, and the texts
//! beside it are percent-encoded: printable ASCII, which every database takes.

use crate::copy::Timestamptz;
use ::postgres::{Error, Pool};
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use reading::time::{self, RELEASED};

/// What is encoded of a text, beside all that is not ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Rows of earlier versions hold their texts as they were: a `%` that begins nothing is one.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// An event that could not be handled, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// `ce-id` of the event.
    pub id: String,
    /// `ce-type` of the event.
    pub kind: String,
    /// `ce-source` of the event.
    pub source: String,
    /// Its data.
    pub payload: Bytes,
    /// The name of the lane that it came through; none for what never went through one.
    pub lane: Option<String>,
    /// Why it could not be handled.
    pub reason: String,
}

/// A dead letter as the database keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// How it is named; later ones have higher numbers.
    pub number: u64,
    /// When it was kept, in microseconds since 1970.
    pub buried: i64,
    /// What was kept.
    pub letter: DeadLetter,
}

/// Keeps a dead letter; the same one twice is kept once. Its age counts from a moment when the clock
/// was plausible: from the latest of both machines' clocks, the last look at one, and the release.
pub(crate) async fn keep(pool: &Pool, letter: &DeadLetter) -> Result<(), Error> {
    let client = pool.get().await?;
    client
        .execute(
            "INSERT INTO dead_letter (event_id, type, source, lane, reason, payload, buried)
             VALUES ($1, $2, $3, $4, $5, $6, greatest($7, now(), (SELECT max(at) FROM clock_look))) ON CONFLICT DO NOTHING",
            &[
                &encoded(&letter.id),
                &encoded(&letter.kind),
                &encoded(&letter.source),
                &letter.lane,
                &encoded(&letter.reason),
                &&letter.payload[..],
                &Timestamptz(time::now().max(RELEASED)),
            ],
        )
        .await?;
    Ok(())
}

/// Forgets the dead letters older than this moment; how many they were.
pub(crate) async fn forget(pool: &Pool, before: i64) -> Result<u64, Error> {
    let forget = "DELETE FROM dead_letter WHERE buried < $1";
    Ok(pool.get().await?.execute(forget, &[&Timestamptz(before)]).await?)
}

/// The number of the newest one, 0 where there is none.
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

/// The first one with a number above this.
///
/// # Errors
/// Where the database cannot do that now.
pub async fn after(pool: &Pool, number: u64) -> Result<Option<Kept>, Error> {
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
    let payload: &[u8] = row.try_get(6)?;
    let Timestamptz(buried) = row.try_get(7)?;
    Ok(Some(Kept {
        number: row.try_get::<_, i64>(0)?.unsigned_abs(),
        buried,
        letter: DeadLetter {
            id: decoded(row.try_get(1)?),
            kind: decoded(row.try_get(2)?),
            source: decoded(row.try_get(3)?),
            lane: row.try_get(4)?,
            reason: decoded(row.try_get(5)?),
            payload: Bytes::copy_from_slice(payload),
        },
    }))
}

/// Gives a dead letter another payload.
///
/// # Errors
/// Where the database cannot do that now.
pub async fn replace(pool: &Pool, number: u64, payload: &[u8]) -> Result<(), Error> {
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
///
/// # Errors
/// Where the database cannot do that now.
pub async fn delete(pool: &Pool, number: u64) -> Result<bool, Error> {
    let number = i64::try_from(number).unwrap_or_default();
    let client = pool.get().await?;
    Ok(client
        .execute("DELETE FROM dead_letter WHERE id = $1", &[&number])
        .await?
        > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Look;
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
        look.remember(&pool.get().await.unwrap()).await.unwrap();
        let letter = DeadLetter {
            id: "1".into(),
            kind: "test".into(),
            source: "/test".into(),
            payload: "x".into(),
            lane: None,
            reason: "why".into(),
        };
        keep(&pool, &letter).await.unwrap();
        let found = after(&pool, 0).await.unwrap().unwrap();
        assert_eq!(found.buried, look.at);
        assert_eq!(forget(&pool, look.at).await.unwrap(), 0);
        assert_eq!(forget(&pool, look.at + 1).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn every_encoding_keeps_a_letter_as_it_came() {
        for encoding in ["UTF8", "LATIN1", "SQL_ASCII"] {
            let database = testutil::database_in(encoding).await;
            let pool = ::postgres::open(&database.url(), 1, Duration::from_secs(30)).unwrap();
            crate::schema::prepare(&pool, true).await.unwrap();
            let all: String = (0..0x300).filter_map(char::from_u32).collect();
            let texts = ["", "plain", "50%, 100%25 and \\041", "nul \0, €, 速度, 🚗", &all];
            for (number, text) in (1..).zip(texts) {
                let letter = DeadLetter {
                    id: format!("{number} {text}"),
                    kind: text.to_owned(),
                    source: text.to_owned(),
                    payload: [text.as_bytes(), b"\0\xff"].concat().into(),
                    lane: Some("bulk".into()),
                    reason: format!("{text}!"),
                };
                for _ in 0..2 {
                    keep(&pool, &letter).await.unwrap();
                }
                let number = newest(&pool).await.unwrap();
                let kept = after(&pool, number - 1).await.unwrap().unwrap();
                assert_eq!(kept.letter, letter, "{encoding}");
            }
            let count = "SELECT count(*) FROM dead_letter";
            let row = pool.get().await.unwrap().query_one(count, &[]).await.unwrap();
            assert_eq!(row.get::<_, i64>(0), texts.len() as i64, "{encoding}");
        }
    }
}
