//! How much room the queues of subscriptions have.

use super::take;
use crate::event::Event;
use crate::gap;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::{Client, Error, Transaction};
use uuid::Uuid;

/// See [`Room::limit`].
const QUEUED: i64 = 1_000_000;

/// Between two counts of the deliveries of a queue that seems full.
const COUNTED: Duration = Duration::from_secs(30);

/// The numbers of deliveries, and how many wait.
pub(super) struct Room {
    /// Most deliveries of a subscription that wait.
    limit: i64,
    /// The number of the next delivery, by subscription.
    next: HashMap<Uuid, i64>,
    /// Up to which number deliveries have ended, or as many as have ended, by subscription.
    ended: HashMap<Uuid, i64>,
    counted: HashMap<Uuid, Instant>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            limit: QUEUED,
            next: HashMap::new(),
            ended: HashMap::new(),
            counted: HashMap::new(),
        }
    }
}

impl Room {
    pub(super) fn clear(&mut self) {
        *self = Self {
            limit: self.limit,
            ..Self::default()
        };
    }

    /// Bounds the queues.
    #[cfg(test)]
    pub(super) fn limit(&mut self, limit: i64) {
        self.limit = limit;
        self.counted.clear();
    }

    /// Finds out the next number of each subscription.
    pub(super) async fn number(&mut self, client: &Client) -> Result<(), Error> {
        let select = "SELECT s.id, greatest(
                coalesce((SELECT max(d.seq) FROM delivery AS d WHERE d.subscription = s.id AND d.lane = 0), 0),
                coalesce((SELECT p.upto FROM progress AS p WHERE p.subscription = s.id AND p.lane = 0 AND p.shard = 0), 0)) + 1
            FROM subscription AS s";
        self.next.clear();
        for row in client.query(select, &[]).await? {
            self.next.insert(row.try_get(0)?, row.try_get(1)?);
        }
        Ok(())
    }

    /// Looks at how far the sender is. Behind one delivery that waits for long, others may have ended, and partitions may
    /// have been dropped: a queue that seems full is counted.
    pub(super) async fn look(&mut self, client: &Client) -> Result<(), Error> {
        let select = "SELECT subscription, upto FROM progress WHERE shard = 0 AND lane = 0";
        for row in client.query(select, &[]).await? {
            let (id, upto): (Uuid, i64) = (row.try_get(0)?, row.try_get(1)?);
            let ended = self.ended.entry(id).or_default();
            *ended = upto.max(*ended);
        }
        let full = self.next.keys().copied().filter(|id| self.waiting(*id) >= self.limit);
        let due = full.filter(|id| self.counted.get(id).is_none_or(|counted| counted.elapsed() >= COUNTED));
        // One at a time, for the lease is not renewed meanwhile.
        let Some(id) = due.min_by_key(|id| self.counted.get(id).copied()) else {
            return Ok(());
        };
        let count = "WITH upto AS (SELECT coalesce((SELECT upto FROM progress
                WHERE shard = 0 AND subscription = $1 AND lane = 0), 0) AS seq)
            SELECT (SELECT count(*) FROM delivery WHERE subscription = $1 AND lane = 0 AND seq > (SELECT seq FROM upto))
                - (SELECT count(DISTINCT seq) FROM attempt WHERE subscription = $1 AND lane = 0
                    AND seq > (SELECT seq FROM upto) AND outcome IN ('delivered', 'dead', 'gone', 'dropped'))";
        let waiting: i64 = client.query_one(count, &[&id]).await?.try_get(0)?;
        self.ended.insert(id, self.last(id) - waiting.max(0));
        self.counted.insert(id, Instant::now());
        Ok(())
    }

    /// Queues events, as many as the queues have room for. Returns how many were queued, and how many not.
    pub(super) async fn queue(
        &mut self,
        transaction: &Transaction<'_>,
        events: Vec<Event>,
        now: i64,
    ) -> Result<(u64, u64), Error> {
        let mut gaps: Vec<Event> = Vec::new();
        let mut queued: HashMap<Uuid, i64> = HashMap::new();
        let mut kept = Vec::with_capacity(events.len());
        for event in events {
            let id = event.subscription;
            let queued = queued.entry(id).or_default();
            if self.waiting(id) + *queued >= self.limit {
                gaps.push(event);
            } else {
                *queued += 1;
                kept.push(event);
            }
        }
        let count = kept.len() as u64;
        take::deliver(transaction, kept, now, &mut self.next).await?;
        gap::keep(transaction, &gaps, now).await?;
        Ok((count, gaps.len() as u64))
    }

    /// The number of the last delivery.
    fn last(&self, id: Uuid) -> i64 {
        self.next.get(&id).copied().unwrap_or(1) - 1
    }

    fn waiting(&self, id: Uuid) -> i64 {
        self.last(id) - self.ended.get(&id).copied().unwrap_or(0)
    }
}
