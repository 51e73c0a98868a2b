//! Keeps messages (CloudEvents) for a time, over gRPC.

mod forerunner;

use access::Secret;
use anyhow::Context;
use clap::Parser;
use forerunner::Forerunner;
use message::{Admission, Messages};
use service::{Arguments, Options, Program, Service, Serving};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::oneshot;

const PROGRAM: Program = Program {
    name: "messages",
    admin_port: 5105,
    secrets: &["database_url", "api_key", "db_password"],
};

/// The longest that a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

/// Keeps messages (CloudEvents) for a time, over gRPC: PutBatch, GetBatch, DeleteBatch, Clean.
///
/// Without keys it listens on this machine alone. Try it:
///
///   grpcurl -plaintext -d '{"msgs": [{"id": "1", "source": "car", "text_data": "hi"}]}' \
///     localhost:50051 awakari.messages.Service/PutBatch
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Args {
    /// Port of the gRPC services; 0 picks a free one and logs it
    #[arg(long, env = "API_PORT", default_value_t = 50051)]
    port: u16,

    /// Database that holds the messages: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,

    /// How long messages are kept, from their arrival; at least 1m. Messages that are stored already keep the
    /// retention that held when they arrived
    #[arg(long, env = "DB_RETENTION_PERIOD", default_value = "168h", value_parser = message::retention, value_name = "DURATION")]
    retention: Duration,

    /// Most bytes of a request; stock servers take as many
    #[arg(long, env, default_value = "4MiB", value_parser = size, value_name = "SIZE")]
    max_request: usize,

    /// Most bytes of an answer for several ids; stock clients take as many
    #[arg(long, env, default_value = "4MiB", value_parser = size, value_name = "SIZE")]
    max_answer: usize,

    /// Most messages, or ids, in a request
    #[arg(long, env, default_value_t = 10_000, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    max_batch: u32,

    /// Most bytes of a message
    #[arg(long, env, default_value = "1MiB", value_parser = size, value_name = "SIZE")]
    max_message: usize,

    /// Most requests at once
    #[arg(long, env, default_value_t = 256, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    max_in_flight: u16,

    /// Take no more messages while they fill so much of the database's disk, such as 20GiB [default: no limit]
    #[arg(long, env, value_parser = service::bytes, value_name = "SIZE")]
    max_store: Option<u64>,

    /// Take only messages that have all that CloudEvents 1.0 asks for: a type, a source, a version
    #[arg(long, env, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    strict: bool,

    /// A key that lets clients in; may be given several times. Commas separate keys, in the variable as well
    #[arg(long, env, hide_env_values = true, value_delimiter = ',', value_name = "KEY")]
    api_key: Vec<Secret>,

    /// File of keys, a line each: KEY-ID messages SHA256-HEX; keys of devices are refused. Read again when it changes
    #[arg(long, env, value_name = "FILE")]
    api_keys_file: Option<PathBuf>,

    /// Let every client that reaches the port call, without a key
    #[arg(long, env, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    open: bool,

    /// Migrate the schema to the version needed; with false, wait until another program does it
    #[arg(long, env, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    migrate: bool,

    #[command(flatten)]
    forerunner: Forerunner,

    #[command(flatten)]
    serving: Serving,

    #[command(flatten)]
    service: Options,
}

impl Arguments for Args {
    fn service(&self) -> &Options {
        &self.service
    }

    fn log_level(&self) -> Option<&'static str> {
        self.forerunner.log_level()
    }
}

fn size(text: &str) -> Result<usize, String> {
    usize::try_from(service::bytes(text)?).map_err(|_| "it is more than this machine can hold".to_owned())
}

fn main() -> ExitCode {
    service::main(PROGRAM, run)
}

async fn run(args: Args, service: Service) -> anyhow::Result<()> {
    let front = service.front(&args.serving)?;
    let url = args
        .forerunner
        .database(args.database_url.as_deref())
        .map_err(service::usage)?;
    let pool = postgres::open(&url, Messages::CONNECTIONS, STATEMENT_TIMEOUT).map_err(service::usage)?;
    postgres::register(&mut service.metrics());
    let admission = Admission::of(&args.api_key, args.api_keys_file.as_deref()).map_err(service::usage)?;
    if args.max_message > args.max_request || args.max_message == 0 {
        return Err(service::usage(anyhow::anyhow!(
            "--max-message is 0 or above --max-request; a request holds one message at least"
        )));
    }
    let is_local = admission.is_open() && !args.open;
    let messages = Messages::new(pool.clone(), options(&args), admission, &service);
    let (migrated, is_migrated) = oneshot::channel();
    service.keep("database", async move |latch| {
        schema::prepare(&pool, args.migrate)
            .await
            .context("prepare the database")?;
        latch.set(true);
        // The server may have ended.
        let _unheard = migrated.send(());
        anyhow::Ok(())
    });
    let listener = if is_local {
        tracing::info!(
            "no key is given, so only this machine may connect; give --api-key, or --open for every machine"
        );
        service.listen_locally("messages", args.port).await?
    } else {
        service.listen("messages", args.port).await?
    };
    // If it is not migrated, the program ends.
    let migrated = async {
        let _ended = is_migrated.await;
    };
    messages.serve(listener, front, migrated).await
}

fn options(args: &Args) -> message::Options {
    message::Options {
        retention: args.retention,
        max_request: args.max_request,
        max_answer: args.max_answer,
        max_batch: usize::try_from(args.max_batch).unwrap_or(usize::MAX),
        max_message: args.max_message,
        max_in_flight: usize::from(args.max_in_flight),
        max_store: args.max_store,
        strict: args.strict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `odograph up` takes the defaults without the flags.
    #[test]
    fn the_defaults_are_those_of_the_flags() {
        assert_eq!(options(&Args::parse_from(["messages"])), message::Options::default());
    }
}
