//! Gathers puts that wait at one moment into one transaction.

use crate::message::Message;
use crate::store::{Store, Verdict};
use ::postgres::Error;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Transactions of puts at once.
pub(crate) const TRANSACTIONS: usize = 4;

/// A transaction of fewer messages counts twice: what it costs by itself, most of all the wait for the disk, is then
/// shared by twice as many puts, and two at once are enough for one to gather while another waits.
const FEW: usize = 200;

/// Puts that wait for a transaction; more wait to wait.
const WAITING: usize = 256;

/// Messages in one transaction, unless a single put has more.
const MOST_MESSAGES: usize = 10_000;

/// Bytes of messages in one transaction, unless a single put has more.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// A put, and whom to tell what became of it.
struct Put {
    messages: Arc<Vec<Message>>,
    told: oneshot::Sender<Result<Verdict, Error>>,
}

/// Puts that share a transaction.
#[derive(Default)]
struct Batch {
    puts: Vec<Put>,
    messages: usize,
    bytes: usize,
}

impl Batch {
    /// Adds a put, unless its caller has left, who will put it again. Returns it if it does not fit.
    fn add(&mut self, put: Put) -> Option<Put> {
        if put.told.is_closed() {
            return None;
        }
        let bytes: usize = put.messages.iter().map(|message| message.event.len()).sum();
        let (messages, bytes) = (self.messages + put.messages.len(), self.bytes + bytes);
        if !self.puts.is_empty() && (messages > MOST_MESSAGES || bytes > MOST_BYTES) {
            return Some(put);
        }
        (self.messages, self.bytes) = (messages, bytes);
        self.puts.push(put);
        None
    }

    /// Adds puts that wait, as many as fit. Returns the first one that does not.
    fn fill(&mut self, waiting: &mut mpsc::Receiver<Put>) -> Option<Put> {
        while let Ok(put) = waiting.try_recv() {
            if let Some(put) = self.add(put) {
                return Some(put);
            }
        }
        None
    }
}

/// Takes puts. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Gatherer(mpsc::Sender<Put>);

impl std::fmt::Debug for Put {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Put({})", self.messages.len())
    }
}

impl Gatherer {
    /// Makes a gatherer, and its work over `store`, which ends with the last clone of the gatherer, or after `late`:
    /// clients may keep connections, and with them clones.
    pub(crate) fn new(store: Store, late: CancellationToken) -> (Self, impl Future<Output = ()> + Send) {
        let (puts, waiting) = mpsc::channel(WAITING);
        (Self(puts), work(store, waiting, late))
    }

    /// Stores a put. It is committed, unless the verdict says otherwise. If the caller does not wait for the end, it may
    /// be stored or not.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn put(&self, messages: Vec<Message>) -> Result<Verdict, Error> {
        let (told, verdict) = oneshot::channel();
        let put = Put {
            messages: Arc::new(messages),
            told,
        };
        let ended = |_| Error::Unavailable("the server is ending".into());
        self.0.send(put).await.map_err(|_| ended(()))?;
        verdict.await.map_err(|_| ended(()))?
    }
}

async fn work(store: Store, mut waiting: mpsc::Receiver<Put>, late: CancellationToken) {
    let (permits, tasks) = (Arc::new(Semaphore::new(TRANSACTIONS)), TaskTracker::new());
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(put) => put,
            None => match late.run_until_cancelled(waiting.recv()).await.flatten() {
                Some(put) => put,
                None => break,
            },
        };
        // While all transactions are under way, more puts come to share the next one.
        let Ok(mut permit) = permits.clone().acquire_owned().await else {
            break;
        };
        let mut batch = Batch::default();
        // Alone, it fits.
        next = batch.add(first).or_else(|| batch.fill(&mut waiting));
        // Few wait for a second permit. Once they are many, they go with the one that they have.
        while next.is_none() && batch.messages < FEW {
            tokio::select! {
                second = permits.clone().acquire_owned() => {
                    let Ok(second) = second else { break };
                    permit.merge(second);
                    next = batch.fill(&mut waiting);
                    break;
                }
                Some(put) = waiting.recv() => next = batch.add(put),
            }
        }
        // Callers may have left meanwhile, and may have deleted what they put again.
        batch.puts.retain(|put| !put.told.is_closed());
        if batch.puts.is_empty() {
            continue;
        }
        if permit.num_permits() > 1 && batch.messages >= FEW {
            // They are many after all.
            drop(permit.split(1));
        }
        let store = store.clone();
        tasks.spawn(async move {
            commit(&store, batch.puts).await;
            drop(permit);
        });
    }
    tasks.close();
    tasks.wait().await;
}

/// Stores puts together. If that fails, each is stored alone: one of them must not spoil the others.
async fn commit(store: &Store, mut puts: Vec<Put>) {
    let messages: Vec<Arc<Vec<Message>>> = puts.iter().map(|put| put.messages.clone()).collect();
    match store.put(&messages).await {
        Ok(verdicts) => {
            for (put, verdict) in puts.into_iter().zip(verdicts) {
                // The caller may have left.
                drop(put.told.send(Ok(verdict)));
            }
        }
        Err(error) if puts.len() == 1 => {
            if let Some(put) = puts.pop() {
                drop(put.told.send(Err(error)));
            }
        }
        // Each alone would fail as well.
        Err(Error::Unavailable(error)) => {
            let error: Arc<dyn std::error::Error + Send + Sync> = error.into();
            for put in puts {
                drop(put.told.send(Err(Error::Unavailable(Box::new(error.clone())))));
            }
        }
        Err(error) => {
            tracing::debug!(%error, puts = puts.len(), "puts failed together; storing each alone");
            for put in puts {
                let alone = store.put(std::slice::from_ref(&put.messages)).await;
                let verdict = alone.and_then(|verdicts| {
                    let verdict = verdicts.into_iter().next();
                    verdict.ok_or_else(|| Error::Unavailable("the put has no verdict".into()))
                });
                drop(put.told.send(verdict));
            }
        }
    }
}
