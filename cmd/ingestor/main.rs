//! Accepts readings over HTTP and publishes them to the event bus.

use access::Keys;
use clap::Parser;
use ingest::{Ingest, Limits};
use service::{Arguments, Options, Program, Service, Serving};
use std::path::PathBuf;
use std::process::ExitCode;

const PROGRAM: Program = Program {
    name: "ingestor",
    admin_port: 5100,
    secrets: &["api_key", "event_writer_url"],
};

/// Accepts readings over HTTP and publishes them to the event bus.
///
/// `POST /ingest` takes readings as lines of JSON or as one JSON document, plain, gzip or zstd:
/// {"sensor":"speed","value":55.5,"timestamp":"2012-04-23T18:25:43.511Z","device":"lada"}
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Port of POST /ingest; 0 picks a free one and logs it
    #[arg(long, env, default_value_t = 5000)]
    port: u16,

    /// A key that lets clients write; may be given several times. Commas separate keys, in the
    /// variable as well, so no key holds one
    #[arg(long, env, hide_env_values = true, value_delimiter = ',', value_name = "KEY")]
    api_key: Vec<access::Secret>,

    /// File of keys, a line each: KEY-ID DEVICE-or-* SHA256-HEX; read again when it changes
    #[arg(long, env, value_name = "FILE")]
    api_keys_file: Option<PathBuf>,

    /// Event bus that readings are published to
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "nats://127.0.0.1:4222/readings",
        value_name = "URL"
    )]
    event_writer_url: String,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    serving: Serving,

    #[command(flatten)]
    service: Options,
}

impl Arguments for Args {
    fn service(&self) -> &Options {
        &self.service
    }
}

fn main() -> ExitCode {
    service::main(PROGRAM, run)
}

async fn run(args: Args, service: Service) -> anyhow::Result<()> {
    let keys = Keys::load(&args.api_key, args.api_keys_file.as_deref())
        .and_then(Keys::with_devices)
        .map_err(service::usage)?;
    // From here on only the process's own variables hold them.
    drop(args.api_key);
    let front = service.front(&args.serving)?;
    let events = event::Writer::open(&args.event_writer_url, &bus::NAMES)
        .await
        .map_err(service::usage)?;
    let bus = events.clone();
    service.keep("event bus", |latch| bus.run(move |ready| latch.set(ready)));
    let ingest = Ingest::new(events, keys, args.limits, None, &service);
    service.serve(args.port, web::finish(ingest.routes()), front).await
}
