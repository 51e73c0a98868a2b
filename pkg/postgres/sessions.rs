//! Checks that each connection has a session of its own.
//!
//! PgBouncer in transaction or statement mode lends one session of PostgreSQL to many clients in turn.
//! A statement that one client has prepared then runs with another's parameters, and one client's
//! settings apply to another. So a pool's first connection marks its session, and a second one, opened
//! for this, holds a transaction. The first must see the mark, and the second must not.
//!
//! Only behavior that proves a shared session counts as one. Without a second connection, as behind a
//! limit of one, there is no verdict, and the next new connection is checked.

use deadpool_postgres::HookError;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

/// The hook's error for shared sessions, by which [`crate::Error`] recognizes it.
pub(crate) const SHARED: &str = "the database URL leads to PgBouncer in transaction mode (pool_mode = transaction or statement), or to another pooler that shares sessions between clients and so mixes their statements; set pool_mode = session there for this database, or name PostgreSQL itself in the URL";

/// How long a statement of the check may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the second connection may take until it holds its transaction.
const SECOND_CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// Second connections, one after the other. Several PgBouncers may listen on one port (peers), each with
/// its own sessions, and the system spreads connections over them.
const ROUNDS: usize = 4;

const LOOK: &str = "SELECT current_setting('odograph.session', true)";

/// The check of a pool's connections, repeated until it passes once.
pub(crate) struct Check {
    config: Config,
    tls: MakeRustlsConnect,
    passed: OnceCell<()>,
}

/// Why the check has not passed.
enum Failed {
    /// Two connections share a session.
    Shared,
    /// There was no second connection.
    NoVerdict,
    /// The first connection failed.
    Broken(HookError),
}

impl Check {
    /// A check with the pool's configuration.
    pub(crate) fn new(config: Config, tls: MakeRustlsConnect) -> Self {
        Self {
            config,
            tls,
            passed: OnceCell::new(),
        }
    }

    /// Checks a new connection before it is used, unless an earlier one has passed.
    pub(crate) async fn pass(&self, first: &Client) -> Result<(), HookError> {
        match self.passed.get_or_try_init(|| self.run(first)).await {
            Ok(()) => Ok(()),
            Err(Failed::NoVerdict) => {
                tracing::debug!("no second connection to check for shared sessions");
                Ok(())
            }
            Err(Failed::Shared) => Err(HookError::message(SHARED)),
            Err(Failed::Broken(error)) => Err(error),
        }
    }

    async fn run(&self, first: &Client) -> Result<(), Failed> {
        let mark = Uuid::new_v4().to_string();
        answer(first.batch_execute(&format!("SET odograph.session = '{mark}'"))).await?;
        for _ in 0..ROUNDS {
            let mut connections = JoinSet::new();
            let second = timeout(SECOND_CONNECTION_TIMEOUT, self.second(&mark, &mut connections)).await;
            // Even without the second connection: another client may have this session by now.
            if value(&answer(first.simple_query(LOOK)).await?) != Some(&*mark) {
                return Err(Failed::Shared);
            }
            let second = second.unwrap_or(Err(Failed::NoVerdict))?;
            let _ = timeout(SECOND_CONNECTION_TIMEOUT, second.batch_execute("ROLLBACK")).await;
            drop(second);
            // Closes the connection properly; else the server logs an unexpected end.
            let _ = timeout(SECOND_CONNECTION_TIMEOUT, connections.join_next()).await;
        }
        Ok(())
    }

    /// A connection that holds a transaction in a session without the mark.
    async fn second(&self, mark: &str, connections: &mut JoinSet<()>) -> Result<Client, Failed> {
        let connected = self.config.connect(self.tls.clone()).await;
        let (second, connection) = connected.map_err(|_| Failed::NoVerdict)?;
        connections.spawn(async move {
            // The statement reports any error.
            let _ = connection.await;
        });
        match second.simple_query(&format!("BEGIN; {LOOK}")).await {
            Ok(answer) if value(&answer) == Some(mark) => Err(Failed::Shared),
            Ok(_) => Ok(second),
            Err(error) if is_statement_mode(&error) => Err(Failed::Shared),
            Err(_) => Err(Failed::NoVerdict),
        }
    }
}

/// Whether PgBouncer refused a transaction in statement mode.
fn is_statement_mode(error: &tokio_postgres::Error) -> bool {
    let message = error.as_db_error().map(tokio_postgres::error::DbError::message);
    message.is_some_and(|message| message.contains("statement pooling mode"))
}

/// The first connection's answer, within a deadline.
async fn answer<T>(statement: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failed> {
    match timeout(STATEMENT_TIMEOUT, statement).await {
        Ok(answered) => answered.map_err(|error| Failed::Broken(HookError::Backend(error))),
        Err(_) => Err(Failed::Broken(HookError::message(
            "a new connection has not answered in time",
        ))),
    }
}

/// The first value of the last row.
fn value(answer: &[SimpleQueryMessage]) -> Option<&str> {
    let rows = answer.iter().rev();
    rows.filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    })
    .next()
}

#[cfg(test)]
mod tests {
    use crate::{Error, Pool};
    use std::time::Duration;
    use testutil::{PgBouncer, Postgres, poll};

    const LONG: Duration = Duration::from_secs(120);

    fn pool(url: &str, size: usize) -> Pool {
        crate::open(url, size, Duration::from_secs(25)).unwrap()
    }

    async fn is_refused(url: &str) -> bool {
        match tokio::time::timeout(LONG, crate::reach(&pool(url, 1))).await {
            Ok(Ok(())) => false,
            Ok(Err(Error::SharedSessions)) => true,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[tokio::test]
    async fn shared_sessions_are_refused() {
        let database = testutil::database().await;
        for (mode, settings) in [
            ("transaction", &[][..]),
            ("transaction", &["default_pool_size = 1"]),
            ("transaction", &["server_round_robin = 1", "min_pool_size = 5"]),
            ("transaction", &["server_reset_query_always = 1"]),
            ("statement", &[]),
            ("statement", &["default_pool_size = 1"]),
            ("statement", &["server_round_robin = 1", "min_pool_size = 5"]),
        ] {
            let bouncer = PgBouncer::start(&database.url(), mode, settings).await;
            let url = bouncer.url();
            for attempt in 0..3 {
                assert!(is_refused(&url).await, "{mode} {settings:?}, attempt {attempt}");
            }
            // No statement ran through it, and the error holds no secret.
            let refused = pool(&url, 4).get().await.err().map(Error::from).unwrap();
            assert!(matches!(refused, Error::SharedSessions), "{refused:?}");
            let said = refused.to_string();
            assert!(said.contains("PgBouncer in transaction mode") && said.contains("pool_mode = session"));
        }
    }

    #[tokio::test]
    async fn shared_sessions_are_refused_among_other_clients() {
        let database = testutil::database().await;
        let bouncer = PgBouncer::start(&database.url(), "transaction", &["default_pool_size = 5"]).await;
        let mut others = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let url = bouncer.url();
            others.spawn(async move {
                let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
                let working = async {
                    loop {
                        client.simple_query("SELECT pg_sleep(0.001)").await.unwrap();
                    }
                };
                tokio::select! {
                    () = working => {}
                    ended = connection => ended.unwrap(),
                }
            });
        }
        for attempt in 0..10 {
            assert!(is_refused(&bouncer.url()).await, "attempt {attempt}");
        }
        others.shutdown().await;
    }

    #[tokio::test]
    async fn sessions_of_ones_own_are_not() {
        let database = testutil::database().await;
        assert!(!is_refused(&database.url()).await);
        for settings in [
            &[][..],
            &["default_pool_size = 1"],
            &["server_round_robin = 1", "min_pool_size = 5"],
        ] {
            let bouncer = PgBouncer::start(&database.url(), "session", settings).await;
            for _ in 0..3 {
                assert!(!is_refused(&bouncer.url()).await, "{settings:?}");
            }
        }
        // All of a pool's connections at once.
        let pool = pool(&database.url(), 8);
        let connections = (0..8).map(|_| pool.get());
        futures_util::future::try_join_all(connections).await.unwrap();
    }

    #[tokio::test]
    async fn a_role_with_one_connection_is_not() {
        let server = Postgres::start().await;
        let (client, connection) = tokio_postgres::connect(server.url(), tokio_postgres::NoTls)
            .await
            .unwrap();
        let _connection = tokio::spawn(connection);
        let make = "CREATE ROLE lonely LOGIN CONNECTION LIMIT 1";
        client.batch_execute(make).await.unwrap();
        let pool = pool(&testutil::url_as(server.url(), "lonely"), 1);
        crate::reach(&pool).await.unwrap();
        crate::reach(&pool).await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_is_down_is_waited_for() {
        let mut server = Postgres::start().await;
        let bouncer = PgBouncer::start(server.url(), "transaction", &["server_login_retry = 1"]).await;
        server.stop().await;
        let (direct, shared) = (pool(server.url(), 1), pool(&bouncer.url(), 1));
        let waiting = async { tokio::join!(crate::reach(&direct), crate::reach(&shared)) };
        let waiting = tokio::time::timeout(LONG, waiting);
        let starting = async {
            // Both have failed once.
            poll(LONG, async || direct.get().await.err()).await;
            server.restart().await;
        };
        let (reached, ()) = tokio::join!(waiting, starting);
        let (direct, shared) = reached.unwrap();
        direct.unwrap();
        assert!(matches!(shared, Err(Error::SharedSessions)), "{shared:?}");
    }
}
