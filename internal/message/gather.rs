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
        let taken = if first.messages.len() < FEW { 2 } else { 1 };
        let Ok(mut permit) = permits.clone().acquire_many_owned(taken).await else {
            break;
        };
        if first.told.is_closed() {
            // Its caller has left meanwhile, and may have deleted what it put again.
            continue;
        }
        let mut puts = vec![first];
        next = fill(&mut puts, &mut waiting);
        if taken == 2 && puts.iter().map(|put| put.messages.len()).sum::<usize>() >= FEW {
            // They are many after all.
            drop(permit.split(1));
        }
        let store = store.clone();
        tasks.spawn(async move {
            commit(&store, puts).await;
            drop(permit);
        });
    }
    tasks.close();
    tasks.wait().await;
}

/// Adds puts that wait, as many as fit. Returns the first one that does not.
fn fill(puts: &mut Vec<Put>, waiting: &mut mpsc::Receiver<Put>) -> Option<Put> {
    let size = |put: &Put| put.messages.iter().map(|message| message.event.len()).sum::<usize>();
    let (mut messages, mut bytes) = (0, 0);
    for put in puts.iter() {
        (messages, bytes) = (messages + put.messages.len(), bytes + size(put));
    }
    while let Ok(put) = waiting.try_recv() {
        if put.told.is_closed() {
            // Its caller has left, and will put it again.
            continue;
        }
        (messages, bytes) = (messages + put.messages.len(), bytes + size(&put));
        if messages > MOST_MESSAGES || bytes > MOST_BYTES {
            return Some(put);
        }
        puts.push(put);
    }
    None
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
