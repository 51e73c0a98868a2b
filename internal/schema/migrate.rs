//! Migrates a database to the schema that a program needs.

use postgres::{Error, Pool, Timer, reach};
use refinery::{Migration, Runner, Target};
use refinery_core::AsyncMigrate;
use refinery_core::traits::r#async::{AsyncQuery, AsyncTransaction};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// Advisory lock, so that programs started together migrate once. The number is arbitrary and must never
/// change.
const LOCK: i64 = 0x6f64_6f67_7261_7068;

/// Applies missing `migrations`. Waits for the server and for other programs that migrate. Leaves a
/// newer schema as it is.
///
/// # Errors
/// [`Error::Migrate`] where a migration fails, or an applied one has been changed since;
/// [`Error::MayNotMigrate`] where the role lacks the rights; [`Error::SharedSessions`] as [`reach`].
pub(crate) async fn migrate(pool: &Pool, migrations: Runner) -> Result<(), Error> {
    let runner = migrations.set_abort_missing(false).set_target(Target::Latest);
    loop {
        reach(pool).await?;
        match apply(pool, &runner).await {
            Err(Error::Unavailable(error)) => tracing::warn!(%error, "lost the database while migrating; trying again"),
            ended => return ended,
        }
    }
}

async fn apply(pool: &Pool, runner: &Runner) -> Result<(), Error> {
    let _timer = Timer::of("migrate");
    // A connection of its own: dropping it releases the lock in every case.
    let mut client = deadpool_postgres::Object::take(pool.get().await?);
    client.batch_execute("SET statement_timeout = 0").await?;
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    match runner.run_async(&mut Ascii(&mut client)).await {
        Ok(report) => {
            for migration in report.applied_migrations() {
                tracing::info!(migration = %migration, "applied migration");
            }
            Ok(())
        }
        Err(_) if client.is_closed() => Err(Error::Unavailable("connection closed while migrating".into())),
        Err(error) => Err(failed(error)),
    }
}

/// A client that sends migrations as ASCII.
///
/// A database whose encoding lacks a character refuses the whole file, even if only a comment holds it.
/// An applied file must keep its bytes, since its checksum is compared.
struct Ascii<'a>(&'a mut Client);

impl AsyncTransaction for Ascii<'_> {
    type Error = tokio_postgres::Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, Self::Error> {
        let queries: Vec<String> = queries.map(ascii).collect();
        AsyncTransaction::execute(self.0, queries.iter().map(String::as_str)).await
    }
}

impl AsyncQuery<Vec<Migration>> for Ascii<'_> {
    async fn query(&mut self, query: &str) -> Result<Vec<Migration>, Self::Error> {
        self.0.query(query).await
    }
}

impl AsyncMigrate for Ascii<'_> {}

/// Replaces each character that is not ASCII with `?`.
fn ascii(statement: &str) -> String {
    statement.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

/// What a failed migration means for the caller.
fn failed(error: refinery::Error) -> Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = source {
        let cause_is = |state| cause.downcast_ref().and_then(tokio_postgres::Error::code) == Some(&state);
        if cause_is(SqlState::INSUFFICIENT_PRIVILEGE) {
            return Error::MayNotMigrate(error.into());
        }
        source = cause.source();
    }
    Error::Migrate(error.into())
}
