//! Measures Odograph side by side with its rivals, in one run on one machine.
//!
//! Starts a PostgreSQL and a nats-server of its own (`sync_interval: always`), makes its own data, and runs
//! each workload several times, interleaved with its rival. Checks the stored readings by count and
//! checksum, prints medians and ratios, and writes BENCHMARKS.md. Figures hold for their own run only;
//! ratios are easier to compare across machines than seconds.

mod bulk;
mod chart;
mod data;
mod dump;
mod growth;
mod http;
mod journal;
mod live;
mod live_listeners;
mod load;
mod messages;
mod page;
mod peers;
mod readings;
mod rebuild;
mod report;
mod sensors;
mod size;
mod system;
mod trips;
mod webhooks;

use anyhow::Context;
use clap::Parser;
use report::Report;
use size::Size;
use std::process::ExitCode;

/// Measure Odograph against its rivals on this machine
#[derive(Parser)]
struct Args {
    /// Fewer readings and fewer runs: within five minutes
    #[arg(long)]
    quick: bool,

    /// Only the workloads whose name holds this
    #[arg(long, default_value = "", value_name = "WORD")]
    only: String,

    /// Write BENCHMARKS.md into the workspace
    #[arg(long)]
    write: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let size = if args.quick {
        Size {
            readings: 1_000_000,
            runs: 3,
            history: 3_000_000,
            live_seconds: 10,
            live_runs: 1,
            asking_seconds: 3,
            days: 10,
            deliveries: 10_000,
            held_runs: 1,
            held_seconds: 10,
            queued: 200_000,
            messages: 800_000,
            entries: 200_000,
            heap_seconds: 30,
        }
    } else {
        Size {
            readings: 3_000_000,
            runs: 5,
            history: 30_000_000,
            live_seconds: 60,
            live_runs: 3,
            asking_seconds: 5,
            days: 30,
            deliveries: 50_000,
            held_runs: 1,
            held_seconds: 600,
            queued: 1_000_000,
            messages: 8_000_000,
            entries: 1_000_000,
            heap_seconds: 1_800,
        }
    };
    let mut report = Report::new(size);
    let servers = system::Servers::start().await;
    let data = data::Data::make(size.readings).context("make the data")?;
    let wanted = |name: &str| name.contains(&args.only);
    if wanted("bulk") {
        bulk::measure(&servers, &data, size, &mut report).await?;
    }
    if wanted("live") {
        live::measure(&servers, &data, size, &mut report).await?;
    }
    if wanted("listeners") {
        live_listeners::measure(&servers, size, &mut report).await?;
    }
    if wanted("dump") {
        dump::measure(&servers, &data, size, &mut report).await?;
    }
    if wanted("growth") {
        growth::measure(&servers, &data, size, &mut report).await?;
    }
    if wanted("rebuild") {
        rebuild::measure(&servers, &data, size, &mut report).await?;
    }
    if wanted("chart") {
        chart::measure(&servers, size, &mut report).await?;
    }
    if wanted("readings") {
        readings::measure(&servers, &data, size, &mut report).await?;
    }
    if wanted("trips") {
        trips::measure(&servers, size, &mut report).await?;
    }
    if wanted("watched") {
        webhooks::watched(&servers, &data, size, &mut report).await?;
    }
    if wanted("deliveries") {
        webhooks::rate(&servers, size, &mut report).await?;
    }
    if wanted("isolation") {
        webhooks::isolation(&servers, size, &mut report).await?;
    }
    if wanted("evaluation") {
        webhooks::evaluate(&servers, &data, size, &mut report).await?;
    }
    if wanted("webhook") {
        webhooks::delay(&servers, size, &mut report).await?;
        webhooks::memory(&servers, size, &mut report).await?;
    }
    if wanted("messages") {
        messages::measure(&servers, size, &mut report).await?;
    }
    if wanted("journal") {
        journal::measure(&servers, size, &mut report).await?;
    }
    if wanted("page") {
        page::measure(&servers, size, &mut report).await?;
    }
    report.print();
    // One workload alone is no report.
    if args.write && args.only.is_empty() {
        report
            .write(&testutil::workspace().join("BENCHMARKS.md"))
            .context("write BENCHMARKS.md")?;
    }
    Ok(())
}
