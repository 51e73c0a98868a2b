//! `odograph rebuild`: stores the event bus's history in a database again.

use anyhow::Context;
use event::Reader;
use persist::{Persistor, Storing};
use service::{Arguments, Options, Service};
use std::io::Write;
use std::time::Duration;
use store::Store;

/// Shorter than the event bus waits for an acknowledgement.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

/// Read the event bus's history again into a database
///
/// Stores every reading that the stream holds at the start of the rebuild. The database may be empty, or hold some of
/// these readings already: in the end it holds each reading once. Rejected lines and refused messages become dead
/// letters, unless the database knows them already. Ingestors and persistors go on working meanwhile. If the rebuild
/// is interrupted, start it again.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Event bus whose history is read
    #[arg(
        long,
        alias = "event-writer-url",
        env,
        hide_env_values = true,
        default_value = "nats://127.0.0.1:4222/readings",
        value_name = "URL"
    )]
    event_reader_url: String,

    /// Database that the readings are stored in: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: String,

    /// Read only what the bus has stored since this moment, such as 2024-05-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<jiff::Timestamp>,

    /// Migrate the schema to the version needed; with false, wait until another program does it
    #[arg(long, env, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    migrate: bool,

    #[command(flatten)]
    storing: Storing,

    #[command(flatten)]
    service: Options,
}

impl Arguments for Args {
    fn service(&self) -> &Options {
        &self.service
    }
}

/// Rebuilds until the end or a signal, and writes the counts to standard output.
pub(crate) async fn run(args: Args, service: Service) -> anyhow::Result<()> {
    let since = args.from.map(jiff::Timestamp::as_microsecond);
    let reader = Reader::history(&args.event_reader_url, &bus::NAMES, since)
        .await
        .map_err(service::usage)?;
    let pool =
        postgres::open(&args.database_url, args.storing.connections(), STATEMENT_TIMEOUT).map_err(service::usage)?;
    postgres::register(&mut service.metrics());
    let migrated = service.latch("database");
    let prepared = schema::prepare(&pool, args.migrate);
    let prepared = service.stop().run_until_cancelled(prepared).await;
    prepared.context("interrupted before the database answered; start it again")??;
    migrated.set(true);
    let persistor = Persistor::of_history(reader, Store::of_history(pool), args.storing, &service);
    let done = persistor.run_once(service.stop()).await?;
    // Ignores a closed standard output.
    let _unread = writeln!(
        std::io::stdout(),
        "{} readings persisted, {} duplicates, {} conflicts; {} messages cannot be stored, {} dead letters of rejected lines added",
        done.persisted,
        done.duplicates,
        done.conflicts,
        done.dead,
        done.lines
    );
    anyhow::ensure!(
        !service.stop().is_cancelled(),
        "interrupted before the end of the history; start it again"
    );
    Ok(())
}
