//! `odograph restore`: loads dumps into a database.

use archive::restore::Restorer;
use archive::restore::journal::Restored;
use archive::{Day, Days};
use service::{Arguments, Options, Service};
use std::io::Write;
use std::time::Duration;

/// A statement may be slow, since no bus waits for an acknowledgement.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(300);

/// One connection stores readings, and one records which dumps the database holds.
const CONNECTIONS: usize = 2;

/// Load dumps into a database
///
/// Loads the dump in force of every day from --from to --to. Each is verified first. The database
/// may be empty, hold some of the readings already, or take new ones meanwhile: each is there once
/// in the end, and a stored value stays. If it is interrupted, start it again. Of an entry of the journal, the later
/// edit stays, and what was deleted stays deleted.
///
/// Ends with exit code 1 if a day failed; the other days are restored. Days without a dump are named
/// and are no failure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Blob store that holds the dumps: s3://BUCKET/PREFIX, gs://…, az://… or file:///FOLDER
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    blob_store_url: String,

    /// Database that the readings are stored in: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: String,

    /// The first UTC day, such as 2024-05-01
    #[arg(long, value_name = "DATE")]
    from: Option<Day>,

    /// The last UTC day
    #[arg(long, value_name = "DATE")]
    to: Option<Day>,

    /// Approximate number of readings in one transaction
    #[arg(long, env, default_value_t = 50_000, value_name = "NUMBER")]
    batch_readings: usize,

    /// Restore the journal too, where the blob store has dumps of it. Only the role that owns the tables can store
    /// it; with false, it is left out
    #[arg(long, env, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    journal: bool,

    /// Migrate the schema to the version needed; with false, wait until another program does it
    #[arg(long, env, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    migrate: bool,

    #[command(flatten)]
    service: Options,
}

impl Arguments for Args {
    fn service(&self) -> &Options {
        &self.service
    }
}

/// Restores until the end or a signal, and writes the counts to standard output.
pub(crate) async fn run(args: Args, service: Service) -> anyhow::Result<()> {
    let days = Days::new(args.from, args.to).map_err(service::usage)?;
    let dumps = blob::Store::open(&args.blob_store_url).map_err(service::usage)?;
    let pool = postgres::open(&args.database_url, CONNECTIONS, STATEMENT_TIMEOUT).map_err(service::usage)?;
    postgres::register(&mut service.metrics());
    let migrated = service.latch("database");
    let stop = service.stop();
    let restored = stop.run_until_cancelled(async {
        schema::prepare(&pool, args.migrate).await?;
        migrated.set(true);
        let restorer = Restorer::new(dumps, pool, args.batch_readings);
        restorer.check(days, args.journal).await?;
        let readings = restorer.restore(days, |step| say(step)).await?;
        say(&readings);
        let journal = if args.journal {
            restorer.restore_journal(days, |step| say(step)).await?
        } else {
            Restored::default()
        };
        anyhow::Ok((readings, journal))
    });
    let Some(restored) = restored.await else {
        anyhow::bail!("interrupted before the last day; start it again");
    };
    let (readings, journal) = restored?;
    if journal != Restored::default() {
        say(&journal);
    }
    let failed = readings.failed + journal.failed;
    anyhow::ensure!(
        failed == 0,
        "{failed} days could not be restored; dump them again if a database still has them, or bring their files back from a copy"
    );
    Ok(())
}

/// Ignores a closed standard output.
fn say(line: &dyn std::fmt::Display) {
    let _unread = writeln!(std::io::stdout(), "{line}");
}
