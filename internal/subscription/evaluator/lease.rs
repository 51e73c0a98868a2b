//! The lease: taken, renewed, relied upon, given back.

use super::ended::Ended;
use super::{Evaluator, LEASE, PAUSE, RELIED};
use crate::Term;
use crate::rules::Rules;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Client;

/// A lease is renewed when less than this is left.
const RENEWED: Duration = Duration::from_secs(3);

impl Evaluator {
    /// Takes the lease, if it is free, and reads what it needs.
    pub(super) async fn acquire(&mut self, client: &mut Client) -> Result<Option<Term>, Ended> {
        let free = "SELECT FROM evaluator WHERE shard = 0 AND (until < now() OR owner = $1)";
        if client.query_opt(free, &[&self.me]).await?.is_none() {
            return Ok(None);
        }
        // Before the lease begins: to compile thousands of rules may take longer than it lasts.
        self.rules = Rules::read(client, &self.rules).await?;
        let asked = Instant::now();
        let take = format!(
            "UPDATE evaluator SET owner = $1, until = now() + interval '{LEASE}', number = number + 1
            WHERE shard = 0 AND (until < now() OR owner = $1) RETURNING number"
        );
        let Some(row) = client.query_opt(&take, &[&self.me]).await? else {
            return Ok(None);
        };
        let term = Term {
            number: row.try_get(0)?,
            until: asked + RELIED,
        };
        tracing::info!(number = term.number, "this notifier evaluates and sends");
        self.room.number(client).await?;
        self.read_rules(client, &term).await?;
        self.term.send_replace(Some(term));
        Ok(Some(term))
    }

    /// Renews the lease before it ends.
    pub(super) async fn renew(&self, client: &Client, term: &mut Term) -> Result<(), Ended> {
        let asked = Instant::now();
        if term.until.saturating_duration_since(asked) >= RENEWED {
            return Ok(());
        }
        let renew = format!(
            "UPDATE evaluator SET until = now() + interval '{LEASE}' WHERE shard = 0 AND owner = $1 AND number = $2"
        );
        if client.execute(&renew, &[&self.me, &term.number]).await? == 0 {
            return Err(Ended::Lost);
        }
        term.until = asked + RELIED;
        self.term.send_replace(Some(*term));
        Ok(())
    }

    /// Relies on the lease further in a transaction that has locked its row. A statement of it that was asked at this
    /// time was answered, so by then no other notifier had the lease.
    pub(super) fn rely(&self, term: &mut Term, asked: Instant) {
        if term.until.saturating_duration_since(asked) < RENEWED {
            term.until = asked + RELIED;
            self.term.send_replace(Some(*term));
        }
    }

    /// Lets another notifier take over at once.
    pub(super) async fn give_back(&self) {
        let give = "UPDATE evaluator SET until = '-infinity' WHERE shard = 0 AND owner = $1";
        let giving = async { Ok::<_, ::postgres::Error>(self.pool.get().await?.execute(give, &[&self.me]).await?) };
        // Else it ends by itself.
        let _ = tokio::time::timeout(PAUSE, giving).await;
    }
}
