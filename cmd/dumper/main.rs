//! Dumps a day of readings to blob storage; a job, run once a day.

use anyhow::Context;
use blob::Store;
use clap::Parser;
use internal::dump::{Day, Dumper};
use internal::schema;
use service::{Arguments, Options, Program, Service};
use std::process::ExitCode;
use std::time::Duration;

const PROGRAM: Program = Program {
    name: "dumper",
    admin_port: 0,
    secrets: &["database_url"],
};

/// A job gives up where a service would go on waiting; whoever started it will start it again.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(300);

/// Dumps the readings of one UTC day to blob storage: YYYY-MM-DD.json.gz, and beside it a manifest
/// that says what it holds. A day whose dump is up to date is not written again.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Database that readings are read from: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: String,

    /// Where dumps go: s3://BUCKET/PREFIX (with ?endpoint=…&region=…&path_style=true where needed),
    /// gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or file:///FOLDER
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    blob_store_url: String,

    /// The UTC day to dump, YYYY-MM-DD [default: yesterday]
    #[arg(long, env, value_name = "DAY")]
    dump_date: Option<Day>,

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
    let day = args.dump_date.unwrap_or_else(|| Day::before(jiff::Timestamp::now()));
    if args.blob_store_url.starts_with("memory:") {
        return Err(service::usage(anyhow::anyhow!(
            "memory:// ends with this job; name a store that stays"
        )));
    }
    let store = Store::open(&args.blob_store_url).map_err(service::usage)?;
    let pool = postgres::open(&args.database_url, 1, DATABASE_TIMEOUT).map_err(service::usage)?;
    // Waiting ends with the first signal; a dump then has the time to finish. One that is broken
    // off is not in force, and the job has failed.
    let prepared = service.stop().run_until_cancelled(prepare(&pool)).await;
    prepared.with_context(|| not_dumped(day))??;
    let dumper = Dumper::new(pool, store);
    let dumped = service.hurry().run_until_cancelled(dumper.dump(day)).await;
    dumped
        .with_context(|| not_dumped(day))?
        .with_context(|| format!("dump {day}"))?;
    Ok(())
}

async fn prepare(pool: &postgres::Pool) -> anyhow::Result<()> {
    let prepared = tokio::time::timeout(DATABASE_TIMEOUT, schema::prepare(pool, false)).await;
    prepared.with_context(|| {
        format!(
            "the database has not answered, or has not the tables, for {DATABASE_TIMEOUT:?}; a persistor makes them"
        )
    })??;
    Ok(())
}

fn not_dumped(day: Day) -> String {
    format!("{day} was not dumped before the end was asked for; run the job again")
}
