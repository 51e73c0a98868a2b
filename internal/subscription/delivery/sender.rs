//! Sends while this process holds the lease.

use super::database::Database;
use super::parts::Parts;
use super::session::{Ended, Session};
use super::{Limits, Metrics};
use crate::{Subscription, Term};
use ::postgres::Pool;
use std::sync::Arc;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use webhook::{Allowed, Client, Keys};

/// Sends the deliveries of all subscriptions, while this process holds the lease.
pub struct Sender(Parts);

impl Sender {
    /// Makes a sender. `allowed` is what `client` was made with.
    #[must_use]
    pub fn new(pool: Pool, client: Client, keys: Keys, allowed: Allowed, limits: Limits, metrics: Metrics) -> Self {
        Self(Parts {
            database: Database::new(pool),
            client: Arc::new(client),
            keys,
            allowed,
            limits,
            metrics,
        })
    }

    /// Sends until `stop`, through every outage of the database.
    ///
    /// `term` is none while this process holds no lease: then nothing is sent or written, and what was on its way is
    /// dropped. `subscriptions` has the current rows. `wake` tells that deliveries were committed; without it they
    /// are found within 5 s.
    ///
    /// After `stop`, what is on its way is awaited until `drain`, and what became of it is written. Keep the lease
    /// until this returns. What is dropped is sent again by the next holder, with the same id.
    pub async fn run(
        self,
        mut term: watch::Receiver<Option<Term>>,
        mut subscriptions: watch::Receiver<Arc<Vec<Subscription>>>,
        wake: Arc<Notify>,
        stop: CancellationToken,
        drain: CancellationToken,
    ) {
        loop {
            let Some(Ok(current)) = stop.run_until_cancelled(in_force(&mut term)).await else {
                return;
            };
            let mut session = Session::new(&self.0, current);
            let served = session.serve(&mut term, &mut subscriptions, &wake, &stop, &drain).await;
            drop(session);
            self.0.metrics.pending.set(0);
            self.0.metrics.in_flight.set(0);
            match served {
                Ended::Lost => tracing::info!("sending ends, because the lease was lost"),
                Ended::Stopped => return,
            }
        }
    }
}

/// Waits for a term that is in force. The error: there is none any more.
async fn in_force(term: &mut watch::Receiver<Option<Term>>) -> Result<Term, watch::error::RecvError> {
    loop {
        let current = *term.borrow_and_update();
        if let Some(current) = current.filter(Term::is_in_force) {
            return Ok(current);
        }
        term.changed().await?;
    }
}
