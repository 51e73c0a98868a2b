//! Bounds the room of dead letters: measures, evicts and deletes them.

use crate::Store;
use crate::copy::Timestamptz;
use crate::looks::PLAUSIBLE;
use ::postgres::{Error, Timer};

/// About how many bytes a dead letter takes beside its payload.
pub(super) const OVERHEAD: u64 = 512;

/// Most dead letters that one transaction evicts.
const STEP: i64 = 256;

/// Ids that stay of evicted dead letters. A rebuild may restore one whose id is gone; it is evicted again.
const REMEMBERED: i64 = 1_000_000;

/// Lock held while dead letters are evicted, so that one program evicts at a time. The number is arbitrary
/// and must never change.
const LOCK: i64 = 0x6465_6164_6c65_7474;

/// Counts of one transaction of an eviction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Dead letters.
    pub letters: u64,
    /// Bytes that they counted.
    pub bytes: u64,
}

impl Store {
    /// Bytes of the dead letters of rejected lines: their payloads, and 512 more each.
    ///
    /// # Errors
    /// Where the database cannot tell now.
    pub async fn bytes_of_lines(&self) -> Result<u64, Error> {
        let _timer = Timer::of("evict_dead_letters");
        let sum = format!(
            "SELECT coalesce(sum(octet_length(payload) + {OVERHEAD}), 0)::int8 FROM dead_letter
             WHERE type = 'odograph.rejected.v1'"
        );
        let sum: i64 = self.pool.get().await?.query_one(&sum, &[]).await?.try_get(0)?;
        Ok(sum.unsigned_abs())
    }

    /// Evicts the oldest dead letters of rejected lines, and leaves their ids. It evicts up to this many bytes
    /// or 256 of them, and none while another program evicts.
    ///
    /// # Errors
    /// Where the database cannot do that now.
    pub async fn evict_dead_letters(&self, bytes: u64) -> Result<Evicted, Error> {
        let _timer = Timer::of("evict_dead_letters");
        let mut client = self.pool.get().await?;
        let transaction = client.transaction().await?;
        let alone = transaction
            .query_one("SELECT pg_try_advisory_xact_lock($1)", &[&LOCK])
            .await?;
        if !alone.try_get::<_, bool>(0)? {
            return Ok(Evicted::default());
        }
        let evict = format!(
            "WITH oldest AS (
                 SELECT id, octet_length(payload) + {OVERHEAD} AS bytes FROM dead_letter
                 WHERE type = 'odograph.rejected.v1' ORDER BY id LIMIT {STEP}),
             counted AS (SELECT id, sum(bytes) OVER (ORDER BY id) - bytes AS before FROM oldest),
             dropped AS (
                 DELETE FROM dead_letter USING counted WHERE dead_letter.id = counted.id AND before < $1
                 RETURNING event_id, mark, octet_length(payload) + {OVERHEAD} AS bytes),
             left_ AS (
                 INSERT INTO dead_letter_gone (event_id, mark, at, evicted)
                 SELECT event_id, mark, {PLAUSIBLE}, true FROM dropped ORDER BY event_id, mark ON CONFLICT DO NOTHING)
             SELECT count(*), coalesce(sum(bytes), 0)::int8 FROM dropped"
        );
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let evict = transaction.prepare_cached(&evict).await?;
        let row = transaction.query_one(&evict, &[&bytes]).await?;
        transaction.commit().await?;
        Ok(Evicted {
            letters: row.try_get::<_, i64>(0)?.unsigned_abs(),
            bytes: row.try_get::<_, i64>(1)?.unsigned_abs(),
        })
    }

    /// Deletes dead letters older than this moment, in microseconds since 1970. Also deletes the ids of those
    /// dropped before it. Returns how many dead letters it deleted.
    ///
    /// # Errors
    /// Where the database cannot do that now.
    pub async fn forget_dead_letters(&self, before: i64) -> Result<u64, Error> {
        let _timer = Timer::of("forget_dead_letters");
        let client = self.pool.get().await?;
        let before = Timestamptz(before);
        client
            .execute("DELETE FROM dead_letter_gone WHERE at < $1", &[&before])
            .await?;
        let forget = "DELETE FROM dead_letter WHERE buried < $1";
        Ok(client.execute(forget, &[&before]).await?)
    }

    /// Deletes the ids of evicted dead letters, except the latest million.
    ///
    /// # Errors
    /// Where the database cannot do that now.
    pub async fn forget_evicted(&self) -> Result<(), Error> {
        self.forget_evicted_but(REMEMBERED).await
    }

    pub(super) async fn forget_evicted_but(&self, most: i64) -> Result<(), Error> {
        let _timer = Timer::of("forget_dead_letters");
        let forget = "DELETE FROM dead_letter_gone WHERE evicted AND at <
             (SELECT at FROM dead_letter_gone WHERE evicted ORDER BY at DESC OFFSET $1 LIMIT 1)";
        self.pool.get().await?.execute(forget, &[&most]).await?;
        Ok(())
    }
}
