//! `odograph migrate`: migrates the database's schema, and does nothing else.

use service::{Arguments, Options, Service};
use std::io::Write;
use std::time::Duration;

/// For statements outside migrations; migrations have no limit.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

/// Bring a database's schema to the version that these programs need
///
/// Run it as the role that owns the tables, where the programs' own roles may not change them
/// (scripts/roles.sql). Those programs run with --migrate=false.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Database to migrate: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: String,

    #[command(flatten)]
    service: Options,
}

impl Arguments for Args {
    fn service(&self) -> &Options {
        &self.service
    }
}

/// Migrates, and writes the schema version to standard output.
pub(crate) async fn run(args: Args, service: Service) -> anyhow::Result<()> {
    let pool = postgres::open(&args.database_url, 1, STATEMENT_TIMEOUT).map_err(service::usage)?;
    let prepared = service.stop().run_until_cancelled(schema::prepare(&pool, true)).await;
    let Some(prepared) = prepared else {
        anyhow::bail!("interrupted before the database answered; start it again");
    };
    prepared?;
    // Ignores a closed standard output.
    let _unread = writeln!(std::io::stdout(), "the schema is at version {}", schema::version());
    Ok(())
}
