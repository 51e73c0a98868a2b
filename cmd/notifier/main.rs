//! Tells subscribers what happens: evaluates subscriptions, and sends webhooks.

use anyhow::Context;
use clap::Parser;
use service::{Arguments, Options, Program, Service, Serving};
use std::process::ExitCode;
use std::time::Duration;
use subscription::Notifier;

const PROGRAM: Program = Program {
    name: "notifier",
    admin_port: 5103,
    secrets: &["database_url", "management_key", "signing_key", "jwt_secret"],
};

/// Connections for requests, beside those of evaluating and sending.
const CONNECTIONS: usize = 8;

/// The longest that a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

/// Tells subscribers what happens: evaluates subscriptions, and sends webhooks.
///
/// It also takes messages that programs publish (POST /publish), and lets subscriptions be managed
/// (/api/subscriptions). Any number of notifiers serve; one of them evaluates and sends.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Port of POST /publish and /api/subscriptions; 0 picks a free one and logs it
    #[arg(long, env, default_value_t = 5002)]
    port: u16,

    /// Database that holds readings and subscriptions: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: String,

    /// Migrate the schema to the version needed; with false, wait until another program does it
    #[arg(long, env, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    migrate: bool,

    #[command(flatten)]
    subscriptions: subscription::Options,

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
    let connections = Notifier::CONNECTIONS + CONNECTIONS;
    let pool = postgres::open(&args.database_url, connections, STATEMENT_TIMEOUT).map_err(service::usage)?;
    postgres::register(&mut service.metrics());
    let notifier = Notifier::new(pool.clone(), &args.subscriptions, &service).map_err(service::usage)?;
    let (migrated, routes, running) = (service.latch("database"), notifier.routes(), service.clone());
    service.spawn("notifier", async move {
        let prepared = schema::prepare(&pool, args.migrate);
        let Some(prepared) = running.stop().run_until_cancelled(prepared).await else {
            return Ok(());
        };
        prepared.context("prepare the database")?;
        migrated.set(true);
        notifier.run(&running).await;
        Ok(())
    });
    // At once: until the database answers, /readyz says so and requests are answered with 503.
    service.serve(args.port, web::finish(routes), front).await
}
