//! `odograph device`: names of devices for display.

use crate::dead::prepared;
use crate::output::{none, print};
use postgres::Pool;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use store::device_names;

/// The longest that a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

/// Devices listed at once.
const PAGE: u32 = 1000;

/// Name devices for display, or list them with their names
///
/// Uploads, questions and dumps still use the name that readings give the device. The API shows the names in
/// /api/devices.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Database that keeps the names: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, global = true, value_name = "URL")]
    database_url: Option<String>,

    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Give a device a name for display, as in: odograph device name lada "Grandpa's Lada"
    Name {
        /// The device, as its readings name it
        #[arg(value_parser = crate::key::device)]
        device: String,

        /// Its name: 1 to 100 characters, none of them a control character. An empty one, "", removes the name
        #[arg(value_parser = name)]
        name: String,
    },
    /// List the devices that have readings or a name, a line each: the device, a tab, its name
    List,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Some(url) = &args.database_url else {
        return wrong("no database is given; add --database-url postgres://…");
    };
    let pool = match postgres::open(url, 1, STATEMENT_TIMEOUT) {
        Ok(pool) => pool,
        Err(error) => return wrong(&format!("{:#}", anyhow::Error::from(error))),
    };
    prepared(&pool).await?;
    match args.command {
        Command::Name { device, name } => {
            let name = Some(&*name).filter(|name| !name.is_empty());
            let is_changed = device_names::set(&pool, &device, name).await?;
            print(&done(&device, name, is_changed))?;
        }
        Command::List => list(&pool).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What naming a device has done.
fn done(device: &str, name: Option<&str>, is_changed: bool) -> String {
    match (name, is_changed) {
        (Some(name), true) => format!("{device} is shown as {name}"),
        (Some(name), false) => format!("{device} is shown as {name}, as before"),
        (None, true) => format!("the name of {device} is removed"),
        (None, false) => format!("{device} had no name"),
    }
}

async fn list(pool: &Pool) -> anyhow::Result<()> {
    let mut after: Option<String> = None;
    loop {
        let page = device_names::list(pool, after.as_deref(), PAGE).await?;
        for (device, name) in &page {
            print(&format!("{device}\t{}", name.as_deref().unwrap_or_default()))?;
        }
        match page.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => {
                if after.is_none() {
                    none("devices");
                }
                return Ok(());
            }
        }
    }
}

/// A name for display, or an empty text.
fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || device_names::is_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name has 1 to 100 characters, none of them a control character, and is not blank".to_owned())
}

/// Reports a wrong command line.
fn wrong(what: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stderr(), "odograph device: {what}")?;
    Ok(ExitCode::from(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_is_said() {
        let database = testutil::database().await;
        let pool = postgres::open(&database.url(), 1, STATEMENT_TIMEOUT).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        for (name, expected) in [
            (None, "lada had no name"),
            (Some("Grandpa's Lada"), "lada is shown as Grandpa's Lada"),
            (Some("Grandpa's Lada"), "lada is shown as Grandpa's Lada, as before"),
            (None, "the name of lada is removed"),
        ] {
            let is_changed = device_names::set(&pool, "lada", name).await.unwrap();
            assert_eq!(done("lada", name, is_changed), expected);
        }
    }
}
