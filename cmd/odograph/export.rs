//! `odograph export`: readings and tracks of a span, as a file.

mod content;
mod output;
mod part;

use crate::api::{Api, Source};
use anyhow::{Context, bail};
use content::Content;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use output::Output;
use service::Signals;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Exit code after any signal: what a shell reports for a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// How often the progress is drawn while nothing arrives.
const TICK: Duration = Duration::from_millis(200);

/// Write the readings or the track of a span of time to a file
///
/// Readings (ndjson, csv) come in the order of daily dumps; odograph replay sends
/// an export of ndjson again. Tracks (gpx, geojson) are places: they take no
/// --sensor. With --output, the file is there only once it is whole.
///
/// Examples:
///
///   odograph export --from 2026-06-01 --to 2026-07-01 --format csv -o june.csv
///   odograph export --from -2h --device lada --format gpx --output drive.gpx
///   odograph export --from -1d --sensor speed --format ndjson | gzip > day.gz
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// From then on: 2026-06-01T08:00:00Z, a date (midnight UTC), or how long ago, such as -2h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: String,

    /// Until before then [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,

    /// Only this device; of several, any
    #[arg(long)]
    device: Vec<String>,

    /// Only this sensor; of several, any
    #[arg(long)]
    sensor: Vec<String>,

    /// What to write
    #[arg(long, value_enum)]
    format: Format,

    /// Where to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    api: Source,
}

/// What is written.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// A reading a line, as JSON
    Ndjson,
    /// A reading a line, with a header
    Csv,
    /// The track, for maps and GPS devices
    Gpx,
    /// The track, for maps and programs
    Geojson,
}

impl Format {
    /// The name of the format, and the question that answers in it.
    fn question(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Ndjson => ("ndjson", &["readings"]),
            Self::Csv => ("csv", &["readings"]),
            Self::Gpx => ("gpx", &["location", "track"]),
            Self::Geojson => ("geojson", &["location", "track"]),
        }
    }

    /// What shows that an answer has a reading or a place.
    fn content(self) -> Content {
        match self {
            Self::Ndjson => Content::new(b"\n", 1),
            // The header comes first.
            Self::Csv => Content::new(b"\n", 2),
            Self::Gpx => Content::new(b"<trkpt", 1),
            Self::Geojson => Content::new(b"\"coordinates\"", 1),
        }
    }

    fn is_track(self) -> bool {
        matches!(self, Self::Gpx | Self::Geojson)
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen().context("listen for signals")?;
    let is_standard = args.output.is_none();
    tokio::select! {
        done = export(args) => done.map(|()| ExitCode::SUCCESS),
        // While the api is silent, no write fails.
        () = crate::output::closed(), if is_standard => Ok(ExitCode::SUCCESS),
        _signal = signals.next() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

async fn export(args: Args) -> anyhow::Result<()> {
    if args.format.is_track() && !args.sensor.is_empty() {
        bail!("--sensor is for ndjson and csv: a track has places alone");
    }
    if let Some(file) = &args.output {
        output::check(file)?;
    }
    let (format, path) = args.format.question();
    let now = Timestamp::now().to_string();
    let mut parameters = vec![
        ("format", format),
        ("from", args.from.as_str()),
        ("to", args.to.as_deref().unwrap_or(&now)),
    ];
    parameters.extend(args.device.iter().map(|device| ("device", device.as_str())));
    parameters.extend(args.sensor.iter().map(|sensor| ("sensor", sensor.as_str())));
    let api = Api::new(args.api)?;
    let mut answer = api.open(api.get(path, &parameters)).await?;
    let mut output = Output::open(args.output.as_deref()).await?;
    let mut content = args.format.content();
    let bar = bar(answer.content_length(), output.is_apart());
    let mut bytes: u64 = 0;
    loop {
        // Without its last piece, the answer is not whole.
        let piece = answer.chunk().await.map_err(reqwest::Error::without_url);
        let piece = piece.with_context(|| {
            format!("the answer broke off after {bytes} bytes, so the export is not whole; run it again")
        })?;
        let Some(piece) = piece else { break };
        if !output.write(&piece)? {
            bar.finish_and_clear();
            return Ok(());
        }
        content.take(&piece);
        bytes += piece.len() as u64;
        bar.set_position(bytes);
    }
    output.finish()?;
    bar.finish();
    if content.is_empty() {
        let what = if args.format.is_track() { "places" } else { "readings" };
        let _unread = writeln!(
            std::io::stderr(),
            "odograph: the span has no such {what}; the export is empty"
        );
    }
    Ok(())
}

/// A bar on a terminal, else nothing. Nearly all answers have no known length.
fn bar(length: Option<u64>, is_apart: bool) -> ProgressBar {
    if !is_apart || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match length {
        Some(length) => (
            ProgressBar::new(length),
            "{bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {binary_bytes} in {elapsed}, {binary_bytes_per_sec}",
        ),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}
