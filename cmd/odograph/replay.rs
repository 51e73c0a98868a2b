//! `odograph replay`: uploads recordings to an ingestor.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use client::replay::{Error, Options, Progress};
use service::Signals;

/// Exit code after any signal: what a shell reports for a program that SIGINT ended.
const INTERRUPTED: u8 = 130;
const USAGE: u8 = 2;

/// How long after the end of the input the signal of a closed terminal may come.
const HANG_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// Upload recordings, newline-delimited JSON, to an ingestor
///
/// Retries every failure that a retry can change, by default without end; sending a reading twice is
/// safe. Lines that the ingestor rejects are kept with the reasons in FILE.rejected.ndjson. The exit
/// code is 0 only when every line was accepted, and with --api-url, is in the database.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files to send, plain or gzip; - is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// The ingestor's address
    #[arg(long, default_value = "http://127.0.0.1:5000")]
    url: String,

    /// The key to authenticate with; better given as the variable, which other users cannot see
    #[arg(long, env = "API_KEY", hide_env_values = true, value_name = "KEY")]
    api_key: Option<String>,

    /// The device of readings that name none
    #[arg(long, requires = "api_key")]
    device: Option<String>,

    /// The most that one request carries
    #[arg(long, default_value = "4MiB", value_parser = chunk_bytes, value_name = "SIZE")]
    chunk_bytes: usize,

    /// The most that one request may take
    #[arg(long, default_value = "5m", value_parser = service::duration, value_name = "SPAN")]
    request_timeout: Duration,

    /// How long to retry while every try fails [default: for ever]
    #[arg(long, value_parser = service::duration, value_name = "SPAN")]
    max_retry_time: Option<Duration>,

    /// The API's address, such as http://127.0.0.1:5000: the summary then tells what became of the
    /// accepted readings in the database, proved by the receipt of each upload
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,

    /// How long to wait for receipts while none comes
    #[arg(long, default_value = "10m", value_parser = service::duration, value_name = "SPAN")]
    prove_timeout: Duration,
}

/// Replays until the end or a signal, and writes the summary to standard output.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen().context("listen for signals")?;
    let options = Options {
        url: args.url,
        api_key: args.api_key.map(Into::into),
        device: args.device,
        inputs: args.files.into_iter().map(Into::into).collect(),
        chunk_bytes: args.chunk_bytes,
        request_timeout: args.request_timeout,
        max_retry_time: args.max_retry_time,
        api_url: args.api_url,
        prove_timeout: args.prove_timeout,
    };
    let progress = if io::stderr().is_terminal() {
        Progress::bar()
    } else {
        Progress::lines()
    };
    let on_terminal = io::stdin().is_terminal();
    let stop = async {
        signals.next().await;
    };
    let (summary, mut ended) = client::replay::run(&options, progress, stop).await;
    // A closed terminal ends the input as well, and the end may be seen before the signal.
    if ended.is_ok() && on_terminal && !io::stdin().is_terminal() {
        let signal = tokio::time::timeout(HANG_UP_TIMEOUT, signals.next()).await;
        ended = signal.map_or(Ok(()), |_| Err(Error::Interrupted));
    }
    match &ended {
        Err(Error::Usage(_) | Error::Input { .. }) => {}
        // Ignores a closed standard output.
        _ => drop(write!(io::stdout(), "{summary}")),
    }
    match ended {
        Ok(()) if summary.complete() => Ok(ExitCode::SUCCESS),
        Ok(()) => Ok(ExitCode::FAILURE),
        Err(error) => {
            let code = match &error {
                Error::Interrupted => ExitCode::from(INTERRUPTED),
                Error::Usage(_) => ExitCode::from(USAGE),
                _ => ExitCode::FAILURE,
            };
            let _unread = writeln!(io::stderr(), "{:#}", anyhow::Error::from(error));
            Ok(code)
        }
    }
}

/// Parses a chunk size, which must fit in memory. It is at least the longest line that an ingestor accepts by
/// default, so that no good line is longer than a chunk.
fn chunk_bytes(text: &str) -> Result<usize, String> {
    match usize::try_from(service::bytes(text)?) {
        Ok(bytes @ 65_536..=268_435_456) => Ok(bytes),
        _ => Err("at least 64KiB, at most 256MiB".to_owned()),
    }
}
