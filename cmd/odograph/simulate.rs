//! `odograph simulate`: writes a simulated drive to standard output.

use std::io::{self, ErrorKind};
use std::num::NonZeroU8;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use client::simulate::{Drive, Options, Road, as_fast_as_possible, in_real_time};
use jiff::Timestamp;
use service::Signals;
use tokio::sync::oneshot;

/// How long writing the present tick may take after a signal.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Make up a drive and write it as readings, one line each, to standard output
///
/// Without --for it goes on in real time until it is stopped. The same seed, start, rate and
/// device give the same bytes.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Seed of the random numbers; another seed gives another drive
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// The device to name in every line; without it, the key that sends them decides
    #[arg(long, value_parser = crate::key::device)]
    device: Option<String>,

    /// When the drive begins, such as 2026-06-01T08:00:00Z [default: now, or the span of --for ago]
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,

    /// Write this much driving as fast as possible, such as 2h or 90s, and end
    #[arg(long = "for", value_name = "SPAN", value_parser = service::duration)]
    span: Option<Duration>,

    /// Readings of each sensor in a second; the position always comes once a second
    #[arg(long, value_name = "HZ", default_value = "2")]
    rate: NonZeroU8,
}

/// Writes the drive until the span is over, the reader closes, or a signal comes.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen().context("listen for signals")?;
    let (stop, stopped) = channel();
    let (done, mut ended) = oneshot::channel();
    // A thread that may be left behind: a write to a stalled reader never returns.
    thread::Builder::new()
        .name("simulate".to_owned())
        .spawn(move || done.send(drive(args, &stopped)))
        .context("start the simulation")?;
    tokio::select! {
        written = &mut ended => return written.context("the thread of the simulation panicked")?,
        _ = signals.next() => {}
    }
    drop(stop);
    match tokio::time::timeout(TIMEOUT, ended).await {
        Ok(written) => written.context("the thread of the simulation panicked")?,
        Err(_stalled) => Ok(ExitCode::SUCCESS),
    }
}

fn drive(args: Args, stop: &Receiver<()>) -> anyhow::Result<ExitCode> {
    let now = Timestamp::now();
    let start = match (args.start, args.span) {
        (Some(start), _) => start,
        (None, Some(span)) => now
            .checked_sub(span)
            .context("--for reaches back too far; make it shorter")?,
        (None, None) => now,
    };
    // Cut like the drive's start, so that every span holds the same number of readings.
    let start = Timestamp::from_microsecond(start.as_microsecond()).context("--start is out of range")?;
    let drive = Drive::new(&Options {
        seed: args.seed,
        device: args.device,
        start,
        rate: args.rate,
        road: Road::Loop,
        fuel: None,
    });
    let mut output = io::stdout().lock();
    let written = match args.span {
        Some(span) => {
            let end = start
                .checked_add(span)
                .context("--for reaches too far ahead; make it shorter")?;
            as_fast_as_possible(drive, end, &mut output, stop)
        }
        None => in_real_time(drive, &mut output, stop),
    };
    match written {
        // The reader, such as `head`, has closed.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => written.map(|()| ExitCode::SUCCESS).context("write to standard output"),
    }
}
