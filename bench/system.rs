//! The servers of a run, and a fresh Odograph over them for each measurement.

use crate::data::{DAY, Data, MONTH, PARTITION, SENSORS};
use anyhow::{Context, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testutil::{Nats, Postgres, Process, Program, nats, unique};
use tokio_postgres::{Client, NoTls};

/// The key of the uploads.
pub(crate) const KEY: &str = "bench-key";

/// Deadline of a measurement.
const DEADLINE: Duration = Duration::from_secs(600);

/// PostgreSQL and nats-server, both syncing every commit to disk.
pub(crate) struct Servers {
    pub(crate) postgres: Postgres,
    nats: Nats,
}

impl Servers {
    pub(crate) async fn start() -> Self {
        // As large as the rows of a run, so that checkpoints fall between measurements, for the rival as
        // well as for us. All settings that keep data safe stay on.
        let settings = [
            ("shared_buffers", "1GB"),
            ("max_wal_size", "8GB"),
            ("checkpoint_timeout", "30min"),
        ];
        let postgres = Postgres::start_with(&settings).await;
        let nats = Nats::start(nats::Options {
            sync_always: true,
            ..nats::Options::default()
        })
        .await;
        Self { postgres, nats }
    }

    /// A new, empty database.
    pub(crate) async fn database(&self) -> anyhow::Result<Database> {
        let name = unique("bench");
        let admin = connect(self.postgres.url()).await?;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        let url = self.postgres.url().replacen("/odograph?", &format!("/{name}?"), 1);
        Ok(Database { name, url })
    }

    /// The expected count and checksum of a database with exactly this data.
    pub(crate) async fn expected(&self, data: &Data) -> anyhow::Result<(i64, i64)> {
        let database = self.database().await?;
        drop(database.prepare().await?);
        database.load(&data.copy)?;
        let expected = database.checksum().await?;
        self.forget(&database).await?;
        Ok(expected)
    }

    /// Drops a database and flushes dirty pages, so that no run pays for the previous one.
    pub(crate) async fn forget(&self, database: &Database) -> anyhow::Result<()> {
        let admin = connect(self.postgres.url()).await?;
        admin
            .batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", database.name))
            .await?;
        admin.batch_execute("CHECKPOINT").await?;
        Ok(())
    }

    /// An ingestor and a persistor over this database and a new stream.
    pub(crate) async fn start_programs(&self, database: &Database) -> System {
        self.start_programs_with(database, &[]).await
    }

    /// As [`Servers::start_programs`], with flags of the persistor.
    pub(crate) async fn start_programs_with(&self, database: &Database, flags: &[&str]) -> System {
        let bus = format!("{}/{}", self.nats.url(), unique("readings"));
        let ingestor = Program::new("ingestor")
            .env("API_KEY", KEY)
            .env("EVENT_WRITER_URL", &bus)
            .start()
            .await;
        let persistor = Program::new("persistor")
            .env("EVENT_READER_URL", &bus)
            .env("DATABASE_URL", &database.url)
            .args(flags)
            .start()
            .await;
        System {
            bus,
            ingestor,
            persistor,
        }
    }

    /// An API over this database.
    pub(crate) async fn start_api(&self, database: &Database) -> Process {
        Program::new("api").env("DATABASE_URL", &database.url).start().await
    }
}

/// A database of one measurement.
pub(crate) struct Database {
    name: String,
    pub(crate) url: String,
}

impl Database {
    /// Makes the programs' tables, the series and the partition, for rows that come by COPY.
    pub(crate) async fn prepare(&self) -> anyhow::Result<Client> {
        // The API migrates before it is ready.
        drop(Program::new("api").env("DATABASE_URL", &self.url).start().await);
        let client = connect(&self.url).await?;
        for (id, sensor) in (1_i32..).zip(SENSORS) {
            client
                .execute(
                    "INSERT INTO series (id, device, sensor) VALUES ($1, 'lada', $2)",
                    &[&id, &sensor],
                )
                .await?;
        }
        partition(&client, MONTH).await?;
        Ok(client)
    }

    /// Loads rows of PostgreSQL's binary format into the partition.
    pub(crate) fn load(&self, rows: &Path) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let load = format!("\\copy {PARTITION} from '{}' binary", rows.display());
        output(Command::new("psql").args(["-qX", "-d", &self.url, "-c", &load]))?;
        Ok(start.elapsed())
    }

    /// Count and checksum of the day's readings, without the probes'. Independent of order and ids.
    pub(crate) async fn checksum(&self) -> anyhow::Result<(i64, i64)> {
        let client = connect(&self.url).await?;
        let row = client
            .query_one(
                &format!(
                    "SELECT count(*), bit_xor(hash_record_extended(ROW(sensor, timestamp, value), 0)) FROM readings
                     WHERE timestamp >= '{DAY} 00:00+00' AND device <> 'probe'"
                ),
                &[],
            )
            .await?;
        Ok((row.get(0), row.try_get(1).unwrap_or_default()))
    }
}

/// Makes the partition of a month, named by its first day.
pub(crate) async fn partition(client: &Client, month: &str) -> anyhow::Result<()> {
    let name = format!("reading_{}", month[..7].replace('-', "_"));
    client
        .batch_execute(&format!(
            "CREATE TABLE {name} (LIKE reading INCLUDING ALL);
             ALTER TABLE reading ATTACH PARTITION {name}
             FOR VALUES FROM ('{month} 00:00+00') TO (timestamptz '{month} 00:00+00' AT TIME ZONE 'UTC' + interval '1 month')"
        ))
        .await?;
    Ok(())
}

/// The programs of one measurement.
pub(crate) struct System {
    pub(crate) bus: String,
    pub(crate) ingestor: Process,
    pub(crate) persistor: Process,
}

impl System {
    /// Waits until the persistor has judged this many readings.
    pub(crate) async fn judged(&mut self, readings: usize) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let judged = self.judged_now().await?;
            if judged >= readings {
                return Ok(());
            }
            ensure!(
                start.elapsed() < DEADLINE,
                "only {judged} of {readings} readings were stored"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl System {
    /// How many readings the persistor has judged.
    pub(crate) async fn judged_now(&mut self) -> anyhow::Result<usize> {
        let names = ["stored", "duplicate", "conflict"].map(|name| format!("persistor_readings_{name}_total"));
        sum(&mut self.persistor, &names).await
    }
}

/// The value of one of a program's counters.
pub(crate) async fn counter(process: &mut Process, name: &str) -> anyhow::Result<usize> {
    sum(process, &[name.to_owned()]).await
}

/// The sum of some of a program's counters, in one request.
async fn sum(process: &mut Process, names: &[String]) -> anyhow::Result<usize> {
    let url = format!("http://{}/metrics", process.address("admin").await);
    let text = output(Command::new("curl").args(["-s", &url]))?;
    let count = |name: &String| {
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix(name.as_str())?.strip_prefix(' '));
        count.unwrap_or("0").parse::<usize>()
    };
    Ok(names.iter().map(count).sum::<Result<usize, _>>()?)
}

/// Processor seconds of a process.
pub(crate) fn cpu(process: &Process) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: f64 = fields
        .iter()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

/// The standard output of a command that has to succeed.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

pub(crate) async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        // Ends with the client.
        let _ = connection.await;
    });
    Ok(client)
}
