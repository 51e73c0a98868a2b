//! Takes readings from the event bus, stores them, and only then acknowledges them.
//!
//! Each lane of the bus has its own reader and connections, so that a small upload never waits for a month of
//! history. A batch closes when it is full, or when no message is waiting and a connection is free. While
//! batches are being stored, the next one gathers. Small batches keep a short distance, because a transaction
//! costs the database about the same with six readings or a thousand.
//!
//! If the database is unavailable, the persistor retries the batch without end and tells the bus that its
//! messages are in work. If the database refuses a batch's data, the persistor stores its messages one by
//! one. A message that fails alone becomes a dead letter, as an unreadable one does.
//!
//! Dead letters are stored in PostgreSQL, with every event bus, and only then acknowledged. Rejected lines
//! come as events of the bulk lane. They are gathered and stored apart from readings, over a connection of
//! their own.
//!
//! `cmd/persistor` and `odograph up` run it:
//!
//! ```no_run
//! # use persist::{History, Persistor, Storing};
//! # async fn run(pool: postgres::Pool, storing: Storing, history: History, service: service::Service) -> anyhow::Result<()> {
//! let readers = Persistor::readers("nats://127.0.0.1:4222/readings").await?;
//! let persistor = Persistor::new(readers, storing.store(pool), storing, history, &service);
//! persistor.run(service.stop()).await
//! # }
//! ```
//!
//! Deliberately not here: SQL (`store`), and the connection to the bus (`event`).

pub mod dead;
mod drain;
mod evict;
mod gather;
mod letters;
mod metrics;
mod options;
mod room;
mod slots;
mod trim;
mod work;

pub use self::options::{Changes, Storing};
pub use self::trim::History;

use self::gather::Gatherer;
use self::trim::Trimmer;
use self::work::Work;
use event::{DeadLetters, Lane, Reader};
use futures_util::future::try_join_all;
use service::Service;
use std::sync::Arc;
use store::Store;
use tokio_util::sync::CancellationToken;

/// Stores the messages of the event bus.
pub struct Persistor {
    lanes: Vec<Gatherer>,
    work: Arc<Work>,
    trimmer: Option<Trimmer>,
    /// Dead letters that earlier versions left on the bus.
    left: Option<DeadLetters>,
}

/// Counts of a persistor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Readings newly stored in the database.
    pub persisted: u64,
    /// Readings that were stored already.
    pub duplicates: u64,
    /// Readings whose identity was stored already with another value.
    pub conflicts: u64,
    /// Messages that cannot be stored.
    pub dead: u64,
    /// New dead letters of rejected lines.
    pub lines: u64,
}

impl Persistor {
    /// Opens readers of every lane of this bus.
    ///
    /// # Errors
    /// [`event::Error::Url`] where the URL cannot be used.
    pub async fn readers(url: &str) -> Result<Vec<Reader>, event::Error> {
        try_join_all(Lane::ALL.map(|lane| Reader::open(url, &bus::NAMES, lane))).await
    }

    /// Makes a persistor over `store`, whose readers share one bus. It also trims the history of that bus.
    pub fn new(readers: Vec<Reader>, store: Store, options: Storing, history: History, service: &Service) -> Self {
        let trimmer = readers.first().and_then(Reader::trimmer);
        Self {
            left: readers.first().and_then(Reader::dead_letters),
            trimmer: trimmer.map(|trimmer| Trimmer::new(trimmer, history, service)),
            ..Self::over(readers, store, options, service, false)
        }
    }

    /// Makes a persistor of a history, for [`Persistor::run_once`]. It stores readings and the dead letters
    /// that the database does not know. It only reads the bus.
    pub fn of_history(reader: Reader, store: Store, options: Storing, service: &Service) -> Self {
        Self::over(vec![reader], store, options, service, true)
    }

    fn over(readers: Vec<Reader>, store: Store, options: Storing, service: &Service, once: bool) -> Self {
        let work = Arc::new(Work::new(store, &options, service, once));
        let gatherer = |reader: Reader| Gatherer::new(reader, work.clone(), &options);
        Self {
            lanes: readers.into_iter().map(gatherer).collect(),
            work,
            trimmer: None,
            left: None,
        }
    }

    /// Works until its readers are at their end and everything is stored, or until `stop`. Returns the
    /// counts.
    ///
    /// # Errors
    /// As [`Persistor::run`].
    pub async fn run_once(self, stop: CancellationToken) -> anyhow::Result<Counts> {
        let work = self.work.clone();
        self.run(stop).await?;
        Ok(Counts {
            persisted: work.metrics.persisted.get(),
            duplicates: work.metrics.duplicates.get(),
            conflicts: work.metrics.conflicts.get(),
            dead: work.metrics.dead.get(),
            lines: work.metrics.lines.get(),
        })
    }

    /// Works until `stop`, then stores the messages that it holds.
    ///
    /// # Errors
    /// Where the bus needs a person: see [`event::Error::Refused`].
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let draining = async {
            if let Some(left) = &self.left {
                self.work.drain(left, stop.clone()).await;
            }
            Ok(())
        };
        let trimming = async {
            if let Some(trimmer) = &self.trimmer {
                trimmer.run(stop.clone()).await;
            }
            Ok(())
        };
        let lanes = try_join_all(self.lanes.into_iter().map(|lane| lane.run(stop.clone())));
        let forgetting = async {
            if !self.work.once {
                self.work.forget_dead_letters(stop.clone()).await;
            }
            Ok(())
        };
        tokio::try_join!(lanes, draining, trimming, forgetting)?;
        Ok(())
    }
}
