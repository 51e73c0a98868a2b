//! One program for people: everything in one process, and the tools around it.

mod api;
mod data;
mod dead;
mod demo;
mod device;
mod export;
mod http;
mod journal;
mod key;
mod messages;
mod migrate;
mod output;
mod rebuild;
mod replay;
mod restore;
mod simulate;
mod subscriptions;
mod tail;
mod up;
mod verify;

use anyhow::Context;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use service::Program;
use std::io::Write;
use std::process::ExitCode;

const UP: Program = Program {
    name: "odograph",
    admin_port: 5100,
    secrets: &["api_key", "read_key", "database_url", "event_url"],
};

const REBUILD: Program = Program {
    name: "odograph",
    admin_port: 0,
    secrets: &["database_url", "event_reader_url"],
};

const MIGRATE: Program = Program {
    name: "odograph",
    admin_port: 0,
    secrets: &["database_url"],
};

const RESTORE: Program = Program {
    name: "odograph",
    admin_port: 0,
    secrets: &["database_url"],
};

const VERIFY: Program = Program {
    name: "odograph",
    admin_port: 0,
    secrets: &["first_url", "second_url"],
};

/// Telemetry for vehicles: stores each sensor reading once in PostgreSQL
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(Box<up::Args>),
    Replay(replay::Args),
    Rebuild(Box<rebuild::Args>),
    Migrate(Box<migrate::Args>),
    Restore(Box<restore::Args>),
    Verify(Box<verify::Args>),
    Simulate(simulate::Args),
    Key(key::Args),
    Dead(dead::Args),
    Device(device::Args),
    Tail(tail::Args),
    Export(export::Args),
    Post(journal::PostArgs),
    Journal(journal::JournalArgs),
    Messages(Box<messages::Args>),
    Subscriptions(Box<subscriptions::Args>),
}

fn main() -> ExitCode {
    let matches = Args::command()
        .mut_subcommand("up", |up| service::admin_port(up, UP))
        .get_matches();
    let args = match Args::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    match args.command {
        Command::Up(args) => match matches.subcommand_matches("up") {
            Some(matches) => service::start(UP, *args, matches, up::run),
            None => ExitCode::FAILURE,
        },
        Command::Rebuild(args) => match matches.subcommand_matches("rebuild") {
            Some(matches) => service::start(REBUILD, *args, matches, rebuild::run),
            None => ExitCode::FAILURE,
        },
        Command::Migrate(args) => match matches.subcommand_matches("migrate") {
            Some(matches) => service::start(MIGRATE, *args, matches, migrate::run),
            None => ExitCode::FAILURE,
        },
        Command::Restore(args) => match matches.subcommand_matches("restore") {
            Some(matches) => service::start(RESTORE, *args, matches, restore::run),
            None => ExitCode::FAILURE,
        },
        Command::Verify(args) => match matches.subcommand_matches("verify") {
            Some(matches) => service::start(VERIFY, *args, matches, verify::run),
            None => ExitCode::FAILURE,
        },
        Command::Replay(args) => {
            let given = matches
                .subcommand_matches("replay")
                .and_then(|replay| replay.value_source("api_key"));
            if given == Some(ValueSource::CommandLine) {
                let _unread = writeln!(
                    std::io::stderr(),
                    "--api-key on the command line is visible to every user of this machine; pass it as the variable API_KEY instead"
                );
            }
            tool(replay::run(args))
        }
        Command::Simulate(args) => tool(simulate::run(args)),
        Command::Key(args) => tool(quietly(async { key::run(&args) })),
        Command::Dead(args) => tool(quietly(dead::run(args))),
        Command::Device(args) => tool(quietly(device::run(args))),
        Command::Tail(args) => tool(tail::run(args)),
        Command::Export(args) => tool(export::run(args)),
        Command::Post(args) => tool(quietly(journal::post(args))),
        Command::Journal(args) => tool(quietly(journal::list(args))),
        Command::Messages(args) => tool(quietly(messages::run(*args))),
        Command::Subscriptions(args) => tool(quietly(subscriptions::run(*args))),
    }
}

/// Runs a command that ends when its work is done.
fn tool(work: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    service::install_tls();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let ended = runtime.block_on(work);
            // A read from a terminal cannot be cancelled.
            runtime.shutdown_background();
            ended
        });
    ended.unwrap_or_else(|error| {
        if error.is::<output::Closed>() {
            return ExitCode::SUCCESS;
        }
        let _unread = writeln!(std::io::stderr(), "odograph: {error:#}");
        ExitCode::FAILURE
    })
}

/// Ignores SIGUSR1 and SIGUSR2 before the work. Not for a command that listens for signals: it would catch
/// these before those that end it.
async fn quietly(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    service::ignore_user_signals().context("ignore SIGUSR1 and SIGUSR2")?;
    work.await
}
