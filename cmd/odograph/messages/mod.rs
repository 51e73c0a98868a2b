//! `odograph messages`: puts, gets, deletes, cleans and lists messages.

mod json;
mod list;
mod put;
mod server;

use crate::output::{counted, print};
use access::Secret;
use anyhow::Context;
use json::Events;
use message::Client;
use server::Server;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Ids in one call.
const AT_ONCE: usize = 1000;

/// Put, get, delete, clean or list messages (CloudEvents), which `messages` keeps for a time
#[derive(clap::Args)]
#[command(after_long_help = "Examples:
  echo '{\"id\": \"1\", \"source\": \"car\", \"textData\": \"half full\"}' | odograph messages put -
  odograph messages get 1
  odograph messages list --since 2026-11-01T00:00:00Z --database-url postgres://HOST/DATABASE")]
pub(crate) struct Args {
    /// Address of the server of messages
    #[arg(
        long,
        env = "MESSAGES_URL",
        default_value = "http://127.0.0.1:50051",
        global = true,
        value_name = "URL"
    )]
    url: String,

    /// A key of the server, where it asks for one
    #[arg(
        long,
        env = "MESSAGES_KEY",
        hide_env_values = true,
        global = true,
        value_name = "KEY"
    )]
    key: Option<Secret>,

    /// File of the authorities that signed the server's certificate [default: the system's]
    #[arg(long, env = "MESSAGES_CA", global = true, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// How long to try again while the server does not answer
    #[arg(long, default_value = "5m", value_parser = service::duration, global = true, value_name = "DURATION")]
    max_retry_time: Duration,

    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Put messages from files of JSON, one a line, as `get` prints them
    ///
    /// A message that is put twice is stored once. So if only a part of a file was put, put the whole file again.
    Put {
        /// Files; `-` is the standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Print messages as JSON, one a line
    Get {
        /// Ids; `-` reads them from the standard input, one a line
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Delete all messages of these ids
    Delete {
        /// Ids; `-` reads them from the standard input, one a line
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Remove what is expired from the disk; it also happens by itself
    Clean,
    /// List messages from the database, if the ids are lost: arrival, id and source
    List(list::Args),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let server = || -> anyhow::Result<Server> {
        Ok(Server {
            patience: args.max_retry_time,
            client: Client::new(&args.url, args.key.as_ref(), args.ca.as_deref())?,
        })
    };
    match args.command {
        Command::Put { files } => put::run(&mut server()?, &files).await,
        Command::Get { ids } => {
            let (mut server, events) = (server()?, Events::new()?);
            for ids in chunks(ids)? {
                for event in server.get(ids).await? {
                    print(&events.json(&event)?)?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Delete { ids } => {
            let (mut server, mut deleted) = (server()?, 0_u64);
            for ids in chunks(ids)? {
                let count = server.call(async |client| client.delete(ids.clone()).await).await?;
                deleted += u64::from(count);
            }
            // The server counts the ids that it was sent, missing ones too, and no messages.
            print(&format!(
                "the messages of {} are deleted",
                counted(deleted, "id", "ids")
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Clean => {
            let count = server()?.call(async |client| client.clean().await).await?;
            print(&format!(
                "{} gone from the disk",
                counted(count, "message is", "messages are")
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::List(list) => list::run(&list).await,
    }
}

/// Ids as many at once as one call takes.
fn chunks(ids: Vec<String>) -> anyhow::Result<Vec<Vec<String>>> {
    let mut all = Vec::new();
    for id in ids {
        if id == "-" {
            for line in BufReader::new(std::io::stdin()).lines() {
                all.push(line.context("read ids from the standard input")?);
            }
        } else {
            all.push(id);
        }
    }
    all.retain(|id| !id.is_empty());
    Ok(all.chunks(AT_ONCE).map(<[String]>::to_vec).collect())
}
