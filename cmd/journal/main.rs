//! Keeps the journal: messages with hashtags beside the readings.

mod config;
mod forerunner;

use access::Keys;
use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser};
use entry::{Admission, Journal};
use forerunner::Forerunner;
use service::{Arguments, Options, Program, Service, Serving};
use std::io::Write;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const PROGRAM: Program = Program {
    name: "journal",
    admin_port: 5104,
    secrets: &["database_url"],
};

/// The longest that a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(20);

/// Keeps the journal: messages with hashtags beside the readings.
///
/// Users write with keys that `odograph key new --user NAME` makes; reading needs no key. Try it:
///
///   curl -d '{"text": "ferry to #Cres, 14 euros"}' -H "Authorization: Bearer $TOKEN" http://localhost:9000/message
///   curl 'http://localhost:9000/message?hashtag=cres&limit=10'
///   curl 'http://localhost:9000/trend?aggregation=24h&from_date=2026-01-01'
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Args {
    /// Port of the journal; 0 picks a free one and logs it
    #[arg(long, env, default_value_t = 9000)]
    port: u16,

    /// Database that holds the journal: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,

    /// File of keys, a line each: KEY-ID user=NAME SHA256-HEX; others in it are for other programs. Read again when it
    /// changes
    #[arg(long, env, value_name = "FILE")]
    api_keys_file: Option<PathBuf>,

    /// Let everybody write under any name: clients send Bearer and the base64 of the name. For trials only
    #[arg(long, env, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    demo_users: bool,

    /// Most bytes of a request's body (413)
    #[arg(long, env, default_value = "64KiB", value_parser = service::bytes, value_name = "SIZE")]
    max_body: u64,

    /// Most characters of a text (400)
    #[arg(long, env, default_value_t = 5000, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_text: u32,

    /// Writes a second with one key (429); without it, any number
    #[arg(long, env, value_name = "NUMBER")]
    max_rate_per_key: Option<NonZeroU32>,

    /// Oldest moment that an entry may tell of: earlier ones come from clocks that were never set
    #[arg(long, env, default_value = "2001-01-01T00:00:00Z", value_parser = service::moment, value_name = "TIME")]
    oldest: jiff::Timestamp,

    /// How far ahead of this machine's clock that moment may be
    #[arg(long, env, default_value = "24h", value_parser = service::duration, value_name = "DURATION")]
    max_future: Duration,

    /// How long messages to subscribers are kept where no notifier works; a notifier keeps them as its own flag says
    #[arg(long, env, default_value = "30d", value_parser = service::duration, value_name = "DURATION")]
    event_retention: Duration,

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

fn main() -> ExitCode {
    let command = forerunner::aliases(service::admin_port(Args::command(), PROGRAM));
    let config = match config::Config::find() {
        Ok(config) => config,
        Err(error) => {
            // Logs begin with the arguments, which the file is a part of.
            let _unread = writeln!(std::io::stderr(), "error: {error:#}");
            return ExitCode::from(2);
        }
    };
    let matches = config.defaults(command).get_matches();
    match Args::from_arg_matches(&matches) {
        Ok(mut args) => {
            args.forerunner.unused = config.unused;
            service::start(PROGRAM, args, &matches, run)
        }
        Err(error) => error.exit(),
    }
}

async fn run(mut args: Args, service: Service) -> anyhow::Result<()> {
    args.forerunner.warn();
    args.forerunner.check(&mut args.serving).map_err(service::usage)?;
    let front = service.front(&args.serving)?;
    let url = args
        .forerunner
        .database(args.database_url.as_deref())
        .map_err(service::usage)?;
    let admission = admission(&args)?;
    let pool = postgres::open(&url, Journal::CONNECTIONS, STATEMENT_TIMEOUT).map_err(service::usage)?;
    postgres::register(&mut service.metrics());
    let journal = Journal::new(pool.clone(), options(&args), admission, &service);
    let migrate = args.migrate && args.forerunner.may_migrate();
    service.keep("database", async move |latch| {
        schema::prepare(&pool, migrate).await.context("prepare the database")?;
        latch.set(true);
        anyhow::Ok(())
    });
    service.serve(args.port, web::finish(journal.routes()), front).await
}

fn admission(args: &Args) -> anyhow::Result<Admission> {
    let file = args.api_keys_file.as_deref();
    if file.is_none() && !args.demo_users {
        return Err(service::usage(anyhow::anyhow!(
            "no user could write: give --api-keys-file, with keys that `odograph key new --user NAME` makes, or --demo-users to try it out"
        )));
    }
    let loaded = file.map(|file| Keys::load(&[], Some(file))).transpose();
    let keys = loaded.map_err(service::usage)?;
    // Beside claims, the file may be without users.
    let keys = if args.demo_users {
        keys
    } else {
        keys.map(Keys::with_users).transpose().map_err(service::usage)?
    };
    let admission = Admission::of(keys).limited(args.max_rate_per_key);
    if args.demo_users {
        tracing::warn!("--demo-users lets everybody write under any name; leave it out if others reach this port");
        return Ok(admission.with_claims());
    }
    Ok(admission)
}

fn options(args: &Args) -> entry::Options {
    entry::Options {
        max_body: usize::try_from(args.max_body).unwrap_or(usize::MAX),
        max_text: usize::try_from(args.max_text).unwrap_or(usize::MAX),
        oldest: args.oldest,
        max_future: args.max_future,
        event_retention: args.event_retention,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `odograph up` takes the defaults without the flags.
    #[test]
    fn the_defaults_are_those_of_the_flags() {
        assert_eq!(options(&Args::parse_from(["journal"])), entry::Options::default());
    }
}
