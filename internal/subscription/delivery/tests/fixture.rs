//! A database with subscriptions and deliveries, and senders over it.

use crate::delivery::{Limits, Metrics, Sender};
use crate::{Subscription, Term};
use ::postgres::Pool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use webhook::{Allowed, Client, Keys};

pub(super) const LONG: Duration = Duration::from_secs(60);
pub(super) const KEY: &str = "0123456789abcdef0123456789abcdef";

pub(super) struct Fixture {
    pub(super) pool: Pool,
    _database: testutil::Database,
}

pub(super) struct Running {
    pub(super) term: watch::Sender<Option<Term>>,
    subscriptions: watch::Sender<Arc<Vec<Subscription>>>,
    wake: Arc<Notify>,
    pub(super) stop: CancellationToken,
    pub(super) drain: CancellationToken,
    pub(super) metrics: Metrics,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// Ends as a killed process does: nothing more is done.
    pub(super) async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    pub(super) async fn stopped(&mut self) {
        self.stop.cancel();
        tokio::time::timeout(LONG, &mut self.task).await.unwrap().unwrap();
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) async fn sync(&self, fixture: &Fixture) {
        self.subscriptions.send_replace(Arc::new(fixture.subscriptions().await));
    }
}

pub(super) fn term(number: i64) -> Option<Term> {
    Some(Term {
        number,
        until: Instant::now() + Duration::from_secs(600),
    })
}

impl Fixture {
    pub(super) async fn new() -> Self {
        let (database, pool) = crate::tests::database().await;
        let now = jiff::Timestamp::now().as_microsecond();
        let client = pool.get().await.unwrap();
        for at in [now, now + reading::time::DAY] {
            store::make_day(&client, "delivery", at).await.unwrap();
        }
        Self {
            pool,
            _database: database,
        }
    }

    pub(super) async fn query(&self, statement: &str) -> Vec<Row> {
        self.pool.get().await.unwrap().query(statement, &[]).await.unwrap()
    }

    /// Makes a subscription, with more columns.
    pub(super) async fn subscribe(&self, name: &str, url: &str, more: &[(&str, &str)]) -> Uuid {
        let columns: String = more.iter().map(|(column, _)| format!(", {column}")).collect();
        let values: String = more.iter().map(|(_, value)| format!(", {value}")).collect();
        let statement = format!(
            "INSERT INTO subscription (name, target_url{columns}) VALUES ('{name}', '{url}'{values}) RETURNING id"
        );
        self.query(&statement).await[0].get(0)
    }

    /// Adds deliveries from `first` to `last`, whose keys are this SQL over `n`.
    pub(super) async fn deliver(&self, subscription: Uuid, lane: i16, (first, last): (i64, i64), key: &str) {
        self.query(&format!(
            "INSERT INTO delivery (subscription, lane, seq, id, key, type, moment, data)
             SELECT '{subscription}', {lane}, n, gen_random_uuid(), {key}, 'odograph.reading.rise.v1',
                 '2026-01-02T03:04:05Z', jsonb_build_object('device', {key}, 'seq', n)
             FROM generate_series({first}, {last}) AS n"
        ))
        .await;
    }

    async fn subscriptions(&self) -> Vec<Subscription> {
        let client = self.pool.get().await.unwrap();
        Subscription::all(&**client).await.unwrap()
    }

    pub(super) async fn run(&self, number: i64) -> Running {
        self.run_with(number, Limits::default()).await
    }

    pub(super) async fn run_with(&self, number: i64, limits: Limits) -> Running {
        let allowed = Allowed::parse(["127.0.0.1"]).unwrap();
        let client = Client::new(rustls::RootCertStore::empty(), allowed.clone()).unwrap();
        let keys = Keys::new(KEY.to_owned().into(), None).unwrap();
        let metrics = Metrics::default();
        let sender = Sender::new(self.pool.clone(), client, keys, allowed, limits, metrics.clone());
        let (term, holds) = watch::channel(term(number));
        let (subscriptions, rows) = watch::channel(Arc::new(self.subscriptions().await));
        let (wake, stop, drain) = (
            Arc::new(Notify::new()),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let task = tokio::spawn(sender.run(holds, rows, wake.clone(), stop.clone(), drain.clone()));
        Running {
            term,
            subscriptions,
            wake,
            stop,
            drain,
            metrics,
            task,
        }
    }

    /// The number of rows of `attempt` with this outcome.
    pub(super) async fn count(&self, outcome: &str) -> i64 {
        let rows = self
            .query(&format!("SELECT count(*) FROM attempt WHERE outcome = '{outcome}'"))
            .await;
        rows[0].get(0)
    }

    /// Waits until there are so many rows of `attempt` with this outcome.
    pub(super) async fn until(&self, outcome: &str, count: i64) {
        testutil::poll(LONG, || async { (self.count(outcome).await >= count).then_some(()) }).await;
        assert_eq!(self.count(outcome).await, count);
    }
}
