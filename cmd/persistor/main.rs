//! Takes readings from the event bus and stores them in PostgreSQL, once each.

use clap::Parser;
use persist::{History, Persistor, Storing};
use service::{Arguments, Options, Program, Service};
use std::process::ExitCode;
use std::time::Duration;

const PROGRAM: Program = Program {
    name: "persistor",
    admin_port: 5102,
    secrets: &["event_reader_url", "database_url"],
};

/// Shorter than the event bus waits for an acknowledgement.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

/// Takes readings from the event bus and stores them in PostgreSQL, once each.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Event bus that readings are taken from
    #[arg(
        long,
        alias = "event-writer-url",
        env,
        hide_env_values = true,
        default_value = "nats://127.0.0.1:4222/readings",
        value_name = "URL"
    )]
    event_reader_url: String,

    /// Database that readings are stored in: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: String,

    /// Migrate the schema to the version needed; with false, wait until another program does it
    #[arg(long, env, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    migrate: bool,

    #[command(flatten)]
    storing: Storing,

    #[command(flatten)]
    history: History,

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
    let readers = Persistor::readers(&args.event_reader_url)
        .await
        .map_err(service::usage)?;
    let pool =
        postgres::open(&args.database_url, args.storing.connections(), STATEMENT_TIMEOUT).map_err(service::usage)?;
    postgres::register(&mut service.metrics());
    let migrated = service.latch("database");
    let bus = readers[0].writer();
    service.keep("event bus", |latch| bus.run(move |ready| latch.set(ready)));
    let prepared = schema::prepare(&pool, args.migrate);
    let Some(prepared) = service.stop().run_until_cancelled(prepared).await else {
        return Ok(());
    };
    prepared?;
    migrated.set(true);
    let store = args.storing.store(pool);
    Persistor::new(readers, store, args.storing, args.history, &service)
        .run(service.stop())
        .await
}
