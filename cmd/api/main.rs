//! Answers questions about the readings and the journal over HTTP, and serves the page that asks them.

use access::Secret;
use anyhow::Context;
use blob::Store;
use clap::Parser;
use query::{Admission, LiveOptions, Origin};
use service::{Arguments, Latch, Options, Program, Service, Serving};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const PROGRAM: Program = Program {
    name: "api",
    admin_port: 5101,
    secrets: &["blob_store_url", "database_url", "read_key"],
};

/// Connections for questions; further questions wait for their turn.
const CONNECTIONS: usize = 8;

/// The longest that a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(20);

/// Pause between two checks of the database, and the longest that one may take.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Answers questions about the readings and the journal over HTTP, and serves the page that asks them.
///
/// Its endpoints include GET /api/statistics/latest, /api/location/latest, /api/readings, /api/trends, /api/trips,
/// /api/live, /api/devices, /api/journal, /api/ingests, /api/dumps and /api/status.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Port of the page and the API; 0 picks a free one and logs it
    #[arg(long, env, default_value_t = 5001)]
    port: u16,

    /// Database that holds the readings: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: String,

    /// Longest time between the latitude and the longitude of one place
    #[arg(long, env, default_value = "10s", value_parser = service::duration, value_name = "DURATION")]
    location_tolerance: Duration,

    /// Longest time from the last place of a device to an entry of the journal that is shown there
    #[arg(long, env, default_value = "5m", value_parser = service::duration, value_name = "DURATION")]
    place_tolerance: Duration,

    #[command(flatten)]
    trips: query::Thresholds,

    #[command(flatten)]
    trends: query::TrendLimits,

    /// Blob store whose dumps /api/dumps lists, as the dumper's --blob-store-url names it; without it, none are
    /// listed
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    blob_store_url: Option<String>,

    /// Origin whose web pages may read the API, such as `https://dash.example`; may be given several times. Commas
    /// separate origins, in the variable as well. * is any origin
    #[arg(long, env, value_delimiter = ',', default_value = "*", value_name = "ORIGIN")]
    cors_origin: Vec<Origin>,

    /// Migrate the schema to the version needed; with false, wait until another program does it
    #[arg(long, env, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    migrate: bool,

    /// A key that lets clients read; may be given several times. Commas separate keys, in the variable as well. With
    /// a key, reading is closed to all others [default: everyone may read]
    #[arg(long, env, hide_env_values = true, value_delimiter = ',', value_name = "KEY")]
    read_key: Vec<Secret>,

    /// File of keys, a line each: KEY-ID read:* SHA256-HEX; read again when it changes. With a file, reading is closed
    /// to all others. Keys of other kinds do not read
    #[arg(long, env, value_name = "FILE")]
    api_keys_file: Option<PathBuf>,

    /// Clients that listen to GET /api/live at once; never more than three quarters of --max-connections
    #[arg(long, env, default_value_t = LiveOptions::MOST, value_name = "NUMBER")]
    max_live: usize,

    /// Questions that may wait for the database; further ones are answered with 503
    #[arg(long, env, default_value_t = postgres::Database::QUEUE, value_name = "NUMBER")]
    max_waiting: usize,

    /// Port on which browsers reach POST /ingest at this host, if it is not that of the page; the page shows it while
    /// there are no readings
    #[arg(long, env, value_name = "PORT")]
    ingest_port: Option<u16>,

    #[command(flatten)]
    page: page::Options,

    #[command(flatten)]
    serving: Serving,

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
    let front = service.front(&args.serving)?;
    let pool = postgres::open(&args.database_url, CONNECTIONS, STATEMENT_TIMEOUT).map_err(service::usage)?;
    let dumps = store(args.blob_store_url.as_deref()).map_err(service::usage)?;
    postgres::register(&mut service.metrics());
    let file = args.api_keys_file.as_deref();
    let admission = Admission::load(&args.read_key, file, false, &mut service.metrics()).map_err(service::usage)?;
    let served = page::Served {
        ingest: args.ingest_port,
        dumps: dumps.is_some(),
    };
    let page = page::routes(&args.page, served).map_err(service::usage)?;
    let page = admission.clone().cover(page);
    let (watched_keys, stop) = (admission.clone(), service.stop());
    service.spawn("watch the keys file", async move {
        watched_keys.watch(stop).await;
        Ok(())
    });
    // A connection of its own, so that many questions at once do not look like a missing database.
    let watched = postgres::open(&args.database_url, 1, CHECK_INTERVAL)?;
    let (latch, stop) = (service.latch("database"), service.stop());
    service.spawn("database", async move {
        let watching = watch(watched, args.migrate, latch);
        stop.run_until_cancelled(watching).await.unwrap_or(Ok(()))
    });
    // At once: until the database answers, /readyz says so and questions are answered with 503.
    let options = query::Options {
        tolerances: query::Tolerances {
            location: args.location_tolerance,
            place: args.place_tolerance,
            trips: args.trips,
        },
        trends: args.trends,
        origins: args.cors_origin,
        dumps,
        live: LiveOptions::within(args.max_live, front.limits.connections),
        admission,
        waiting: Some(args.max_waiting),
    };
    let routes = query::routes(pool, options, &service).merge(page);
    service.serve(args.port, web::finish(routes), front).await
}

/// Opens the store of the dumps; none without a URL.
fn store(url: Option<&str>) -> anyhow::Result<Option<Store>> {
    if url.is_some_and(|url| url.starts_with("memory:")) {
        anyhow::bail!("no dumper can write to the memory of this program; name the store that the dumper has");
    }
    Ok(url.map(Store::open).transpose()?)
}

/// Prepares the schema, then goes on reporting whether the database answers.
async fn watch(pool: postgres::Pool, migrate: bool, latch: Latch) -> anyhow::Result<()> {
    schema::prepare(&pool, migrate).await.context("prepare the database")?;
    latch.set(true);
    let mut there = true;
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let answered = answers(&pool).await;
        if answered != there {
            if answered {
                tracing::info!("the database answers again");
            } else {
                tracing::warn!("the database does not answer; trying again every {CHECK_INTERVAL:?}");
            }
            there = answered;
            latch.set(there);
        }
    }
}

async fn answers(pool: &postgres::Pool) -> bool {
    let asked = async { pool.get().await.ok()?.simple_query("SELECT 1").await.ok() };
    matches!(tokio::time::timeout(CHECK_INTERVAL, asked).await, Ok(Some(_)))
}
