//! Lists messages from the database.

use crate::output::{none, print};
use anyhow::Context;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

/// The longest that the statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(600);

#[derive(clap::Args)]
pub(super) struct Args {
    /// Database that holds the messages: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: String,

    /// Only messages that arrived at this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,

    /// Only messages of this source
    #[arg(long)]
    source: Option<String>,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let pool = postgres::open(&args.database_url, 1, STATEMENT_TIMEOUT)?;
    let client = pool.get().await.map_err(postgres::Error::from)?;
    let select = "SELECT received, id, source FROM messages
        WHERE ($1::timestamptz IS NULL OR received >= $1) AND ($2::text IS NULL OR source = $2)
        ORDER BY received, id, source";
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&args.since, &args.source];
    let rows = client.query_raw(select, parameters).await;
    let mut rows = pin!(rows.context("list the messages; does the role have rights on them?")?);
    let mut is_empty = true;
    while let Some(row) = rows.try_next().await.context("list the messages")? {
        let (received, id, source): (Timestamp, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        print(&format!("{received:.3}\t{id}\t{source}"))?;
        is_empty = false;
    }
    if is_empty {
        none("such messages");
    }
    Ok(ExitCode::SUCCESS)
}
