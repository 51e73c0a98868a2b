//! Opens pools.

use crate::sessions::Check;
use crate::{Error, tls};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, RecyclingMethod, Runtime};
use repeat::Pauses;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres_rustls::MakeRustlsConnect;

/// A bounded pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    connections: deadpool_postgres::Pool,
    /// Protects requests to the server outside the connections.
    pub(crate) tls: MakeRustlsConnect,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.connections.status()).finish()
    }
}

impl Deref for Pool {
    type Target = deadpool_postgres::Pool;

    fn deref(&self) -> &Self::Target {
        &self.connections
    }
}

/// How long making a connection may take, or waiting for a free one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a pool of at most `size` connections, without connecting yet, for a URL such as
/// `postgres://user:password@host:5432/odograph?sslmode=verify-full`.
///
/// Without an `sslmode`, the certificate of a server on another machine is verified.
/// `statement_timeout` bounds every statement; zero is no bound. The server neither compiles statements
/// nor runs them by parallel workers. Behind a pooler that shares sessions, the pool gives out no
/// connection: [`Error::SharedSessions`].
///
/// # Errors
/// [`Error::Url`] where the URL cannot be used.
pub fn open(url: &str, size: usize, statement_timeout: Duration) -> Result<Pool, Error> {
    let (url, mode) = tls::Mode::split(url)?;
    let mut config: tokio_postgres::Config = url.parse().map_err(|error: tokio_postgres::Error| {
        // The parser's own text can repeat parts of the URL, which holds the password.
        let reason = std::error::Error::source(&error).map_or(
            "it is not a PostgreSQL URL",
            |_| "one of its parameters is unknown or malformed",
        );
        Error::Url(format!("{reason}; write postgres://user:password@host:port/database"))
    })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        // A server that vanished silently is noticed after this time.
        config.tcp_user_timeout(Duration::from_secs(20));
    }
    config.keepalives_idle(Duration::from_secs(20));
    if config.get_application_name().is_none() {
        config.application_name("odograph");
    }
    let mode = mode.unwrap_or_else(|| tls::Mode::unsaid(config.get_hosts()));
    if !mode.verifies() && config.get_password().is_some() && config.get_hosts().iter().any(tls::is_far) {
        static TOLD: std::sync::Once = std::sync::Once::new();
        TOLD.call_once(|| {
            tracing::warn!("the database server is not verified; say sslmode=verify-full in the URL where the server has a certificate");
        });
    }
    config.ssl_mode(mode.protocol());
    let manager_config = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let tls = mode.connector()?;
    let check = Arc::new(Check::new(config.clone(), tls.clone()));
    let manager = Manager::from_config(config, tls.clone(), manager_config);
    // Statements here are short, or bound by the rows they read. Compiling one, or starting workers for
    // it, cost more than it gained in all measurements (docs/decisions/0029).
    // A machine that vanished silently must not keep its locks for hours: the server asks whether it is there.
    let settings = format!(
        "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = '5min'; SET timezone = 'UTC';
         SET jit = off; SET max_parallel_workers_per_gather = 0; SET tcp_keepalives_idle = 20;
         SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4; SET tcp_user_timeout = '40s'",
        statement_timeout.as_millis()
    );
    let set_up = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
        let (settings, check) = (settings.clone(), check.clone());
        Box::pin(async move {
            check.pass(client).await?;
            client.batch_execute(&settings).await.map_err(HookError::Backend)
        })
    });
    let connections = deadpool_postgres::Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT * 2))
        .recycle_timeout(Some(CONNECT_TIMEOUT))
        .post_create(set_up)
        .build()
        .map_err(|error| Error::Url(error.to_string()))?;
    Ok(Pool { connections, tls })
}

/// Waits until the server answers, without a deadline, and logs each failed try.
///
/// # Errors
/// [`Error::SharedSessions`] where the URL leads to a pooler that shares sessions.
pub async fn reach(pool: &Pool) -> Result<(), Error> {
    let attempt = || async { pool.get().await?.simple_query("SELECT 1").await.map_err(Error::from) };
    let log = |cause, wait| tracing::warn!(cause, ?wait, "the database does not answer; trying again");
    retry(attempt, log).await.map(|_| ())
}

/// Tries until it succeeds, or no further try can. Passes the cause of each failure to `log`, and the pause after it.
pub(crate) async fn retry<T, F>(mut attempt: impl FnMut() -> F, log: impl Fn(String, Duration)) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut pauses = Pauses::outage();
    loop {
        match attempt().await {
            Err(error) if !matches!(error, Error::SharedSessions) => {
                let pause = pauses.grow();
                log(cause(&error), pause);
                tokio::time::sleep(pause).await;
            }
            ended => return ended,
        }
    }
}

/// Why a try failed, and what to do where retrying does not help.
fn cause(error: &Error) -> String {
    let mut cause = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let text = error.to_string();
        // Some errors repeat their source.
        if cause.is_empty() {
            cause = text;
        } else if !cause.contains(&text) {
            cause = format!("{cause}: {text}");
        }
        source = error.source();
    }
    if cause.contains("certificate") {
        format!(
            "{cause}; name the file of the authority that signed the server's certificate with sslrootcert=FILE in the URL, and write the host as the certificate names it; or say sslmode=prefer, if the network in between is safe"
        )
    } else if cause.contains("does not support TLS") {
        format!(
            "{cause}; turn it on there (ssl = on), or say sslmode=disable in the URL, if the network in between is safe"
        )
    } else {
        cause
    }
}
