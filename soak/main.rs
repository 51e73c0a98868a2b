//! `soak`: the fault suite in its long form. See the library.

use clap::Parser;
use service::Signals;
use soak::{Options, Report, messages};
use std::io::Write as _;
use std::ops::Range;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Break everything for a while, then see whether every acknowledged reading is there, once
#[derive(Parser)]
struct Args {
    /// Run the short form, as `make test` does, to repeat one of its seeds
    #[arg(long)]
    short: bool,

    /// Run the fault suite of messages instead: each acknowledged message must be answered for a minute, and no longer
    #[arg(long, conflicts_with_all = ["short", "clients", "pace", "stream_bytes", "disk_bytes"])]
    messages: bool,

    /// How long faults go on, each run [default: 600, 15 in the short form, 300 of messages]
    #[arg(long)]
    seconds: Option<u64>,

    /// The first run's seed [default: the clock]; the others' follow it
    #[arg(long)]
    seed: Option<u64>,

    /// Runs, one after the other
    #[arg(long, default_value_t = 1)]
    seeds: u64,

    /// Faults that have to happen, each run [default: one every three seconds, of messages every five]
    #[arg(long)]
    faults: Option<u32>,

    /// Clients that send; every fourth sends bodies of megabytes
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=500))]
    clients: Option<u32>,

    /// Readings a second in large bodies, over all clients
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pace: Option<u64>,

    /// Bytes that the stream may hold
    #[arg(long)]
    stream_bytes: Option<u64>,

    /// Bytes of PostgreSQL's file system; they are taken from memory as far as they are used
    #[arg(long)]
    disk_bytes: Option<u64>,

    /// Say nothing of each fault
    #[arg(long)]
    quiet: bool,

    /// Leave the logs in target/soak/SEED also where nothing was wrong
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            say(&format!("soak: signals cannot be waited for: {error}"));
            return ExitCode::FAILURE;
        }
    };
    // Dropping a run kills its processes and removes their files.
    tokio::select! {
        code = run(&args) => code,
        _ = signals.next() => ExitCode::from(130),
    }
}

async fn run(args: &Args) -> ExitCode {
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |since| since.as_secs());
    let first = args.seed.unwrap_or(clock);
    let seeds = first..first + args.seeds;
    let failed = if args.messages {
        run_messages(args, seeds).await
    } else {
        run_readings(args, seeds).await
    };
    if failed {
        say("soak: something was wrong; the logs and journals are in target/soak");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Runs the suite of readings with each seed. Returns whether anything was wrong.
async fn run_readings(args: &Args, seeds: Range<u64>) -> bool {
    let (mut reports, mut failed) = (Vec::new(), false);
    for seed in seeds {
        let options = options(args, seed);
        begin(seed, options.duration);
        match soak::run(&options).await {
            Ok(report) => {
                failed |= is_wrong(seed, report.wrong());
                reports.push(report);
            }
            Err(error) => failed |= is_unfinished(&error),
        }
    }
    if !reports.is_empty() {
        say(&format!(
            "\n{}\n{}",
            Report::table(&reports),
            Report::faults_table(&reports)
        ));
        reports.iter().flat_map(Report::notes).for_each(|note| say(&note));
    }
    failed
}

/// Runs the suite of messages with each seed. Returns whether anything was wrong.
async fn run_messages(args: &Args, seeds: Range<u64>) -> bool {
    let (mut reports, mut failed) = (Vec::new(), false);
    for seed in seeds {
        let usual = messages::Options::month(seed);
        let fifth = |seconds: u64| u32::try_from(seconds / 5).unwrap_or(u32::MAX);
        let options = messages::Options {
            duration: args.seconds.map_or(usual.duration, Duration::from_secs),
            faults: args.faults.or(args.seconds.map(fifth)).unwrap_or(usual.faults),
            aloud: !args.quiet,
            keep: args.keep,
            ..usual
        };
        begin(seed, options.duration);
        match messages::run(&options).await {
            Ok(report) => {
                failed |= is_wrong(seed, report.wrong());
                reports.push(report);
            }
            Err(error) => failed |= is_unfinished(&error),
        }
    }
    if !reports.is_empty() {
        say(&format!(
            "\n{}\n{}",
            messages::Report::table(&reports),
            messages::Report::faults_table(&reports)
        ));
    }
    failed
}

fn begin(seed: u64, duration: Duration) {
    say(&format!("seed {seed}: {duration:?} of faults"));
}

/// Says what was wrong, and returns whether anything was.
fn is_wrong(seed: u64, wrong: &[String]) -> bool {
    for text in wrong {
        say(&format!("seed {seed}: WRONG: {text}"));
    }
    !wrong.is_empty()
}

/// Says why a run could not be finished, which is wrong.
fn is_unfinished(error: &anyhow::Error) -> bool {
    say(&format!("soak: {error:#}"));
    true
}

fn options(args: &Args, seed: u64) -> Options {
    let usual = if args.short {
        Options::short(seed)
    } else {
        Options::long(seed)
    };
    let third = |seconds: u64| u32::try_from(seconds / 3).unwrap_or(u32::MAX);
    Options {
        duration: args.seconds.map_or(usual.duration, Duration::from_secs),
        faults: args.faults.or(args.seconds.map(third)).unwrap_or(usual.faults),
        clients: args.clients.unwrap_or(usual.clients),
        pace: args.pace.unwrap_or(usual.pace),
        stream_bytes: args.stream_bytes.unwrap_or(usual.stream_bytes),
        disk_bytes: args.disk_bytes.unwrap_or(usual.disk_bytes),
        aloud: !args.quiet,
        keep: args.keep,
        ..usual
    }
}

fn say(text: &str) {
    // Ignores a closed standard output.
    let _ = writeln!(std::io::stdout(), "{text}");
}
