//! Takes readings from the event bus, has them stored, and only then acknowledges them.
//!
//! Each lane of the bus is read by itself and has connections of its own, so that a small upload
//! never waits for a month of history. A batch closes when it is full, or when nothing more is
//! waiting and a connection is free to store it: while some batches are being stored, the next one
//! gathers. Small batches keep a short distance, because a transaction costs the database about
//! the same whether it holds six readings or a thousand. A batch that the database
//! cannot take now is kept and tried again without end, its messages told to be still in work. One
//! whose data is refused is taken apart: each message alone, and one that fails alone becomes a
//! dead letter, as what cannot be read does.
//!
//! Dead letters are stored in PostgreSQL, with every event bus, and only then acknowledged. Rejected lines come
//! as events of the bulk lane; they gather, and are stored, apart from readings and over a connection of
//! their own.

mod backoff;
pub mod dead;
mod drain;
mod gather;
mod letters;
mod metrics;
mod options;
mod room;
mod trim;
mod work;

pub use self::options::Storing;
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

/// Stores what the event bus brings.
pub struct Persistor {
    lanes: Vec<Gatherer>,
    work: Arc<Work>,
    trimmer: Option<Trimmer>,
    /// Those that earlier versions have left on the bus.
    left: Option<DeadLetters>,
}

/// What a persistor has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Readings stored.
    pub stored: u64,
    /// Readings that were there already.
    pub duplicates: u64,
    /// Readings whose identity was there already with another value.
    pub conflicts: u64,
    /// Messages that cannot be stored.
    pub dead: u64,
    /// Dead letters of rejected lines that were not there.
    pub lines: u64,
}

impl Persistor {
    /// Readers of every lane of this bus.
    ///
    /// # Errors
    /// [`event::Error::Url`] where the URL cannot be used.
    pub async fn readers(url: &str) -> Result<Vec<Reader>, event::Error> {
        try_join_all(Lane::ALL.map(|lane| Reader::open(url, lane))).await
    }

    /// Stores what these readers bring through `store`, and trims the history that their bus
    /// keeps. They read one bus.
    pub fn new(readers: Vec<Reader>, store: Store, options: Storing, history: History, service: &Service) -> Self {
        let trimmer = readers.first().and_then(Reader::trimmer);
        Self {
            left: readers.first().and_then(Reader::dead_letters),
            trimmer: trimmer.map(|trimmer| Trimmer::new(trimmer, history, service)),
            ..Self::over(readers, store, options, service, false)
        }
    }

    /// Stores a history, for [`Persistor::run_once`]: readings, and the dead letters that the database
    /// does not know. The bus is only read.
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

    /// Works until all that its readers have is stored, or until `stop`, and tells what it did.
    ///
    /// # Errors
    /// As [`Persistor::run`].
    pub async fn run_once(self, stop: CancellationToken) -> anyhow::Result<Counts> {
        let work = self.work.clone();
        self.run(stop).await?;
        Ok(Counts {
            stored: work.metrics.stored.get(),
            duplicates: work.metrics.duplicates.get(),
            conflicts: work.metrics.conflicts.get(),
            dead: work.metrics.dead.get(),
            lines: work.metrics.lines.get(),
        })
    }

    /// Works until `stop`, then stores what it holds.
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
