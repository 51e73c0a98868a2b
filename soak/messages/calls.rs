//! Calls to the servers. Each is tried at one of them after the other, until it is answered for good.

use super::clock::{PENDING, Took, now};
use super::shared::{Shared, count};
use crate::chance::Chance;
use bytes::Bytes;
use message::{Client, Failure};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long a client waits for an answer before it leaves a try.
const TRY: Duration = Duration::from_secs(5);

/// Waits between tries, in milliseconds.
const FIRST_WAIT: u64 = 20;
const LONGEST_WAIT: u64 = 1_000;

/// An answer for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// So many messages or ids.
    Done(u32),
    /// Other content has a name.
    Exists,
    /// The same would be refused again.
    Refused(String),
    /// None came in time.
    Unknown,
}

/// Why a try has no answer of use.
#[derive(Clone, Debug)]
pub(super) enum Failed {
    /// Another try may have one, after this time.
    Again(Duration),
    Exists,
    Refused(String),
}

/// A call that changes messages.
#[derive(Clone, Copy)]
enum Call<'a> {
    Put(&'a [Bytes]),
    Delete(&'a [String]),
}

/// A client of all servers.
pub(super) struct Caller {
    urls: Vec<String>,
    clients: Vec<Client>,
    chance: Chance,
    shared: Arc<Shared>,
}

impl Caller {
    /// Makes a client for servers at these URLs. `what` separates its random draws from those of other clients.
    pub(super) fn new(urls: &[String], what: u64, shared: &Arc<Shared>) -> anyhow::Result<Self> {
        let mut clients = Vec::with_capacity(urls.len());
        for url in urls {
            clients.push(Client::new(url, None, None)?);
        }
        Ok(Self {
            urls: urls.to_vec(),
            clients,
            chance: Chance::new(shared.model.seed(), what),
            shared: shared.clone(),
        })
    }

    /// Draws a server.
    pub(super) fn server(&mut self) -> usize {
        usize::try_from(self.chance.below(self.clients.len() as u64)).unwrap_or_default()
    }

    /// Puts a batch, first at this server, and gives up after `until`.
    pub(super) async fn put(&mut self, first: usize, batch: &[Bytes], until: i64) -> (Said, Took) {
        self.until_answered(first, Call::Put(batch), until).await
    }

    /// Deletes messages, first at this server.
    pub(super) async fn delete(&mut self, first: usize, ids: &[String]) -> (Said, Took) {
        self.until_answered(first, Call::Delete(ids), i64::MAX).await
    }

    /// Asks a server for messages, once.
    pub(super) async fn get(&mut self, at: usize, ids: &[String]) -> Result<Vec<Bytes>, Failed> {
        count(&self.shared.counts.tries, 1);
        let answered = timeout(TRY, self.clients[at].get(ids.to_vec())).await;
        self.answer(at, answered.ok())
    }

    /// Lets a server clean, once. Returns how many messages it removed.
    pub(super) async fn clean(&mut self, at: usize) -> Result<u64, Failed> {
        count(&self.shared.counts.tries, 1);
        let answered = timeout(TRY, self.clients[at].clean()).await;
        self.answer(at, answered.ok())
    }

    async fn until_answered(&mut self, first: usize, call: Call<'_>, until: i64) -> (Said, Took) {
        let mut took = Took {
            sent: now(),
            answered: 0,
            pending: 0,
        };
        let (mut at, mut wait) = (first, FIRST_WAIT);
        loop {
            let answer = self.once(at, call).await;
            took.answered = now();
            let after = match answer {
                Ok(count) => return (Said::Done(count), took),
                Err(Failed::Exists) => return (Said::Exists, took),
                Err(Failed::Refused(text)) => return (Said::Refused(text), took),
                Err(Failed::Again(after)) => after,
            };
            // Some of these tries have ended without a trace. But a client cannot tell them from the others.
            took.pending = took.answered + PENDING;
            if took.answered >= until {
                return (Said::Unknown, took);
            }
            count(&self.shared.counts.again, 1);
            let drawn = Duration::from_millis(wait / 2 + self.chance.below(wait));
            wait = (wait * 2).min(LONGEST_WAIT);
            sleep(drawn.max(after)).await;
            at = self.server();
        }
    }

    async fn once(&mut self, at: usize, call: Call<'_>) -> Result<u32, Failed> {
        count(&self.shared.counts.tries, 1);
        let client = &mut self.clients[at];
        let answered = match call {
            Call::Put(batch) => timeout(TRY, client.put(batch.to_vec())).await,
            Call::Delete(ids) => timeout(TRY, client.delete(ids.to_vec())).await,
        };
        self.answer(at, answered.ok())
    }

    /// Sorts an answer; none came in time.
    fn answer<T>(&mut self, at: usize, answered: Option<Result<T, Failure>>) -> Result<T, Failed> {
        match answered {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(Failure::Again { after, .. })) => Err(Failed::Again(after)),
            Some(Err(Failure::Final { exists: true, .. })) => Err(Failed::Exists),
            // The client's library says so of a connection that ended in the middle.
            Some(Err(Failure::Final { text, .. })) if text.contains("h2 protocol error") => {
                Err(Failed::Again(Duration::ZERO))
            }
            Some(Err(Failure::Final { text, .. } | Failure::TooLarge(text))) => Err(Failed::Refused(text)),
            None => {
                // The connection may be one that carries nothing any more.
                if let Ok(client) = Client::new(&self.urls[at], None, None) {
                    self.clients[at] = client;
                }
                Err(Failed::Again(Duration::ZERO))
            }
        }
    }
}
