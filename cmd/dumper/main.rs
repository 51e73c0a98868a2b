//! Dumps days of readings to a blob store, and drops dumped months from the database. It is a job that runs
//! once a day.

use anyhow::Context;
use archive::{Day, Dumper, Fate, Month, Reason, Retention, Swept};
use blob::Store;
use clap::Parser;
use service::{Arguments, Options, Program, Service};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PROGRAM: Program = Program {
    name: "dumper",
    admin_port: 0,
    secrets: &["database_url"],
};

/// How long the job waits for the database. It gives up where a service would wait on; its scheduler starts
/// it again.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(300);

/// The error after a signal.
const ENDED: &str = "a signal ended the job before its work was done; run the job again";

/// Dumps the readings of one UTC day to blob storage: YYYY-MM-DD.json.gz, and beside it a manifest
/// that says what it holds. A day whose dump is up to date is not written again.
///
/// Run it as a nightly job: dumper --stale, or dumper --stale --retention 90d
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Database to read readings from; it also stores which dumps were written from it:
    /// postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: String,

    /// Where dumps go: s3://BUCKET/PREFIX (with ?endpoint=…&region=…&path_style=true where needed),
    /// gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or file:///FOLDER
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    blob_store_url: String,

    /// The UTC day to dump, YYYY-MM-DD [default: yesterday]
    #[arg(long, env, value_name = "DAY")]
    dump_date: Option<Day>,

    /// Dump every day up to yesterday that has changed since its dump, or has none, oldest first
    #[arg(long, env, conflicts_with = "dump_date")]
    stale: bool,

    /// Dump the journal of the same days as well, as every reader of it sees it: YYYY-MM-DD.journal.rN.json.gz, under
    /// a manifest of its own. Former revisions of it are deleted, so that a deleted post is gone. Off by default,
    /// because posts are personal
    #[arg(long, env)]
    journal: bool,

    /// After dumping, drop months of readings from the database that are older than this, such as 90d, once
    /// each of their days has a dump that was read back, is whole and holds all of the day
    #[arg(long, env, value_name = "DAYS")]
    retention: Option<Retention>,

    /// Change nothing, dump nothing; show which months --retention would drop, and what keeps others
    #[arg(long, env, requires = "retention")]
    dry_run: bool,

    #[command(flatten)]
    service: Options,
}

impl Arguments for Args {
    fn service(&self) -> &Options {
        &self.service
    }
}

fn main() -> ExitCode {
    service::main(PROGRAM, run)
}

async fn run(args: Args, service: Service) -> anyhow::Result<()> {
    if args.blob_store_url.starts_with("memory:") {
        return Err(service::usage(anyhow::anyhow!(
            "memory:// ends with this job; name a store that stays"
        )));
    }
    let store = Store::open(&args.blob_store_url).map_err(service::usage)?;
    let pool = postgres::open(&args.database_url, 1, DATABASE_TIMEOUT).map_err(service::usage)?;
    postgres::register(&mut service.metrics());
    // The first signal ends the waiting; a dump then has time to finish. An interrupted dump is not in force,
    // and the job has failed.
    let prepared = service.stop().run_until_cancelled(prepare(&pool)).await;
    prepared.context(ENDED)??;
    let dumper = Dumper::new(pool, store);
    let stop = service.stop();
    let work = async {
        // A day that could not be dumped keeps its month, and hinders nothing else.
        let dumped = if args.dry_run {
            Ok(())
        } else {
            let readings = dump(&args, &dumper, &stop).await;
            let journal = if args.journal && !stop.is_cancelled() {
                dump_journal(&args, &dumper, &stop).await
            } else {
                Ok(())
            };
            readings.and(journal)
        };
        let retained = match args.retention {
            Some(retention) if !stop.is_cancelled() => retain(&dumper, retention, args.dry_run).await,
            _ => Ok(()),
        };
        dumped.and(retained)
    };
    service
        .drain_deadline()
        .run_until_cancelled(work)
        .await
        .context(ENDED)?
}

/// Dumps the readings of the chosen days.
async fn dump(args: &Args, dumper: &Dumper, stop: &CancellationToken) -> anyhow::Result<()> {
    if args.stale {
        return all_dumped(dumper.dump_stale(yesterday(), stop).await?);
    }
    let day = args.dump_date.unwrap_or_else(yesterday);
    dumper.dump(day).await.with_context(|| format!("dump {day}"))?;
    Ok(())
}

/// Dumps the journal of the chosen days.
async fn dump_journal(args: &Args, dumper: &Dumper, stop: &CancellationToken) -> anyhow::Result<()> {
    if args.stale {
        let swept = dumper.dump_stale_journal(yesterday(), stop).await;
        return all_dumped(swept.context("dump the journal")?);
    }
    let day = args.dump_date.unwrap_or_else(yesterday);
    let dumped = dumper.dump_journal(day).await;
    dumped.with_context(|| format!("dump the journal of {day}"))?;
    Ok(())
}

/// The last day to dump. Today is not over: its dump would be stale at once.
fn yesterday() -> Day {
    Day::before(jiff::Timestamp::now())
}

fn all_dumped(Swept { failed, .. }: Swept) -> anyhow::Result<()> {
    anyhow::ensure!(
        failed == 0,
        "{failed} days could not be dumped; the log says why, and the next run tries them again"
    );
    Ok(())
}

/// Drops the months that are in their dumps, or only reports them.
async fn retain(dumper: &Dumper, retention: Retention, dry_run: bool) -> anyhow::Result<()> {
    let mut troubled = 0;
    let report = |month: &Month| {
        if let Fate::Kept(reasons) = &month.fate {
            troubled += u32::from(reasons.iter().any(Reason::is_trouble));
        }
        if dry_run {
            let _unread = writeln!(std::io::stdout(), "{month}");
        } else {
            month.log();
        }
    };
    let retained = dumper.retain(retention, dry_run, report).await;
    retained.context("drop the months that are older than the retention")?;
    anyhow::ensure!(
        troubled == 0 || dry_run,
        "{troubled} months older than {retention} stay until their dumps are repaired; see the log"
    );
    Ok(())
}

async fn prepare(pool: &postgres::Pool) -> anyhow::Result<()> {
    let prepared = tokio::time::timeout(DATABASE_TIMEOUT, postgres::wait_for_version(pool, store::SCHEMA)).await;
    prepared.with_context(|| {
        format!(
            "the database did not answer, or had no tables of this version, within {DATABASE_TIMEOUT:?}; start a persistor, which makes them"
        )
    })??;
    Ok(())
}
