//! Messages that programs publish: `POST /publish`.
//!
//! A publisher proves by a token who it is. Its message is committed before the answer, once for each topic and id
//! within the retention of `published`. The evaluator takes it from there.
//!
//! Not here: which subscriptions a message is for, and how it is sent.

mod http;
mod members;
mod message;
mod postgres;
#[cfg(test)]
mod tests;
mod token;

pub use http::routes;
pub use message::{Invalid, LARGEST, Message};
pub use token::{Claims, LEEWAY, Refused, Verifier};

use ::postgres::{Error, Pool, Timer};
use deadpool_postgres::Object;
use postgres::{Failed, Stored, attempt};
use reading::time;
use secrecy::{ExposeSecret, SecretString};
use service::Service;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Client;

/// How long storing a message may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Tries after a partition was dropped, or the day has changed.
const VANISHED: usize = 3;

/// Bytes of a secret that cannot be guessed, as RFC 7518 has it.
const SAFE_SECRET: usize = 32;

/// Stores published messages. Cheap to clone.
#[derive(Clone)]
pub struct Publisher(Arc<Inner>);

struct Inner {
    pool: Pool,
    /// None: publishing is off.
    verifier: Option<Verifier>,
    /// Days (since 1970) that have a partition.
    days: Mutex<BTreeSet<i64>>,
    /// Runs what outlives a client.
    service: Service,
    deadline: Duration,
}

/// A message's id, and whether the message was stored before.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
struct Published {
    id: String,
    duplicate: bool,
}

/// Why a message was not stored.
#[derive(Debug, thiserror::Error)]
enum NotStored {
    /// Another message of this topic has the id.
    #[error("another message of this topic has the id")]
    Other,
    /// PostgreSQL cannot hold this message.
    #[error("the database cannot hold the message")]
    Data(#[source] tokio_postgres::Error),
    /// Try again.
    #[error(transparent)]
    Unavailable(#[from] Error),
}

impl Publisher {
    /// Makes a publisher over this pool. Tokens are signed with `secret`; without one, or with an empty one,
    /// publishing is off. `require_exp` refuses tokens that never expire.
    #[must_use]
    pub fn new(pool: Pool, secret: Option<&SecretString>, require_exp: bool, service: &Service) -> Self {
        Self::within(DEADLINE, pool, secret, require_exp, service)
    }

    fn within(
        deadline: Duration,
        pool: Pool,
        secret: Option<&SecretString>,
        require_exp: bool,
        service: &Service,
    ) -> Self {
        // Anybody can sign with an empty secret.
        let secret = secret.filter(|secret| !secret.expose_secret().is_empty());
        if secret.is_some_and(|secret| secret.expose_secret().len() < SAFE_SECRET) {
            tracing::warn!(
                "the secret of tokens is shorter than {SAFE_SECRET} bytes, so it may be guessed from a token; give a longer --jwt-secret"
            );
        }
        Self(Arc::new(Inner {
            pool,
            verifier: secret.map(|secret| Verifier::new(secret, require_exp)),
            days: Mutex::default(),
            service: service.clone(),
            deadline,
        }))
    }

    /// Stores a message. Returns after the commit.
    async fn store(&self, message: &Message, author: Option<&str>) -> Result<Published, NotStored> {
        let deadline = Instant::now() + self.0.deadline;
        let mut client = timeout_at(deadline, self.0.pool.get())
            .await
            .map_err(|elapsed| Error::Unavailable(elapsed.into()))?
            .map_err(Error::from)?;
        let made = message.id.is_none().then(|| uuid::Uuid::now_v7().to_string());
        let id = message.id.as_deref().or(made.as_deref()).unwrap_or_default();
        let stored = timeout_at(deadline, self.store_over(&mut client, message, id, author)).await;
        match stored {
            Ok(Ok(stored)) => match stored {
                Stored::New | Stored::Before => Ok(Published {
                    id: id.to_owned(),
                    duplicate: stored == Stored::Before,
                }),
                Stored::Other => Err(NotStored::Other),
            },
            Ok(Err(error)) => {
                drop(Object::take(client));
                Err(error)
            }
            Err(elapsed) => {
                let pool = self.0.pool.clone();
                // The service awaits it.
                let _task = self.0.service.run_to_end(async move { pool.reclaim(client).await });
                Err(Error::Unavailable(elapsed.into()).into())
            }
        }
    }

    async fn store_over(
        &self,
        client: &mut Object,
        message: &Message,
        id: &str,
        author: Option<&str>,
    ) -> Result<Stored, NotStored> {
        self.prepare(client, jiff::Timestamp::now().as_microsecond())
            .await
            .map_err(Error::from)?;
        for _ in 0..VANISHED {
            let timer = Timer::of("publish_message");
            let stored = attempt(client, message, id, author).await;
            drop(timer);
            match stored {
                Ok(stored) => return Ok(stored),
                Err(Failed::NoPartition) => {
                    // It was dropped, or this is another database, or its clock is on another day than ours.
                    lock(&self.0.days).clear();
                    let now = postgres::now(client).await.map_err(Error::from)?;
                    self.prepare(client, now).await.map_err(Error::from)?;
                }
                Err(Failed::Data(error)) => return Err(NotStored::Data(error)),
                Err(Failed::Database(error)) => return Err(Error::from(error).into()),
            }
        }
        Err(Error::Unavailable("partitions of published messages vanish repeatedly".into()).into())
    }

    /// Makes the partitions of the day of this instant and of the next day, unless they are known.
    async fn prepare(&self, client: &Client, now: i64) -> Result<(), tokio_postgres::Error> {
        let today = now.div_euclid(time::DAY);
        for day in [today, today + 1] {
            if !lock(&self.0.days).contains(&day) {
                store::make_day(client, "published", day * time::DAY).await?;
                let mut days = lock(&self.0.days);
                days.retain(|known| *known >= today - 1);
                days.insert(day);
            }
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
