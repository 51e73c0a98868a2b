//! A thousand clients listen to the live stream beside ten vehicles that send once a second: what that costs the API.

use crate::http::Connection;
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{KEY, Servers, cpu};
use anyhow::{Context, ensure};
use hyper::body::Bytes;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

const LISTENERS: usize = 1_000;
const VEHICLES: usize = 10;
const SENSORS: usize = 10;

/// How much of a processor the API may take, in percent.
const MOST: f64 = 50.0;

/// How long listeners may take to begin.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn measure(servers: &Servers, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let [mut share, mut told] = std::array::from_fn(|_| Figure::default());
    for _ in 0..size.live_runs {
        let database = servers.database().await?;
        let mut system = servers.start_programs(&database).await;
        let mut api = servers.start_api(&database).await;
        let address = api.address("main").await;
        let bytes = Arc::new(AtomicU64::new(0));
        let mut listeners = JoinSet::new();
        for _ in 0..LISTENERS {
            let stream = timeout(TIMEOUT, listen(address)).await.context("no stream in time")??;
            let bytes = bytes.clone();
            listeners.spawn(take(stream, bytes));
        }
        let mut ingestor = Connection::open(system.ingestor.address("main").await)
            .await?
            .bearing(KEY);
        let (begun, before) = (Instant::now(), (cpu(&api), bytes.load(Ordering::Relaxed)));
        let mut seconds = interval(Duration::from_secs(1));
        for second in 0..size.live_seconds {
            seconds.tick().await;
            for vehicle in 0..VEHICLES {
                ingestor.post("/ingest", body(vehicle, second)).await?;
            }
        }
        let elapsed = begun.elapsed().as_secs_f64();
        share.add(100.0 * (cpu(&api) - before.0) / elapsed);
        let taken = bytes.load(Ordering::Relaxed) - before.1;
        ensure!(listeners.len() == LISTENERS && taken > 0, "listeners were lost");
        told.add(as_mebibytes(taken) / elapsed);
        report.service("api", "live listeners", &api);
        listeners.shutdown().await;
        drop((system, api));
        servers.forget(&database).await?;
    }
    let name = "live listeners: a thousand, beside ten vehicles at 1 Hz";
    report.limit(name, "% of a processor", &share, MOST);
    report.note(&format!("The listeners got {} MiB a second together.", told.cell()));
    Ok(())
}

/// Begins to listen.
async fn listen(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET /api/live HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await?;
    ensure!(&first == b"HTTP/1.1 200", "{}", String::from_utf8_lossy(&first));
    Ok(stream)
}

/// Takes what comes, until the end.
async fn take(mut stream: TcpStream, bytes: Arc<AtomicU64>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        bytes.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// What a vehicle sends in a second: a reading of each of its sensors.
fn body(vehicle: usize, second: u64) -> Bytes {
    let mut body = String::new();
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    for sensor in 0..SENSORS {
        // Writing to a String does not fail.
        let _ = writeln!(
            body,
            r#"{{"device":"car{vehicle}","sensor":"s{sensor}","value":{second}.5,"timestamp":"2024-05-01T{hour:02}:{minute:02}:{second:02}Z"}}"#
        );
    }
    body.into()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn as_mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
