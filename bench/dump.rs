//! A day to json.gz, beside psql and gzip.

use crate::data::{DAY, Data};
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{Servers, output};
use anyhow::ensure;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testutil::Program;
use tokio_postgres::Client;

pub(crate) async fn measure(servers: &Servers, data: &Data, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let database = servers.database().await?;
    let client = database.prepare().await?;
    database.load(&data.copy)?;
    // Like the persistor: the dumper skips series that end before the day.
    client
        .batch_execute("UPDATE series SET latest_timestamp = (SELECT max(timestamp) FROM reading WHERE series_id = id)")
        .await?;
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(statement).await?;
    }

    let folder = tempfile::tempdir()?;
    let (mut ours, mut rival) = (Figure::default(), Figure::default());
    let (mut our_bytes, mut rival_bytes, mut first_bytes) = (0, 0, None);
    let expected = database.checksum().await?;
    for run in 0..size.runs {
        let file = folder.path().join("rival.json.gz");
        let query = "copy (select row_to_json(r) from (select sensor, value, timestamp, device from readings order by device, sensor, timestamp) r) to stdout";
        let start = Instant::now();
        let piped = format!(
            "psql -qX -d '{}' -c '{query}' | gzip -6 > {}",
            database.url,
            file.display()
        );
        output(Command::new("bash").args(["-o", "pipefail", "-c", &piped]))?;
        rival.add_rate(data.readings, start.elapsed());
        rival_bytes = std::fs::metadata(&file)?.len();

        let target = folder.path().join(format!("run{run}"));
        let start = Instant::now();
        let mut dumper = Program::new("dumper")
            .env("DATABASE_URL", &database.url)
            .env("BLOB_STORE_URL", format!("file://{}", target.display()))
            .args(["--dump-date", DAY])
            .spawn();
        let code = dumper.wait(Duration::from_secs(600)).await;
        ours.add_rate(data.readings, start.elapsed());
        ensure!(code == 0, "the dumper ended with {code}: {:?}", dumper.output());
        our_bytes = std::fs::metadata(target.join(format!("{DAY}.json.gz")))?.len();
        if run == 0 {
            holds(&client, &database.url, &target.join(format!("{DAY}.json.gz")), expected).await?;
        }
        ensure!(
            our_bytes == *first_bytes.get_or_insert(our_bytes),
            "the same readings gave another file"
        );
        report.service("dumper", "dump", &dumper);
    }
    drop(client);
    servers.forget(&database).await?;
    report.ratio("dump", "readings/s", &ours, "psql row_to_json to gzip -6", &rival, 2.0);
    report.note(&format!("The dump takes {our_bytes} bytes, the rival's {rival_bytes}."));
    Ok(())
}

/// Checks that the lines of a dump are the readings of the checksum.
async fn holds(client: &Client, url: &str, dump: &Path, expected: (i64, i64)) -> anyhow::Result<()> {
    client.batch_execute("CREATE TABLE dumped (line jsonb)").await?;
    let copy = format!("\\copy dumped from program 'zcat {}'", dump.display());
    output(Command::new("psql").args(["-qX", "-d", url, "-c", &copy]))?;
    let sum = "SELECT count(*), bit_xor(hash_record_extended(ROW((line->>'sensor') COLLATE \"C\", (line->>'timestamp')::timestamptz, (line->>'value')::float8), 0)) FROM dumped";
    let row = client.query_one(sum, &[]).await?;
    let found = (row.get(0), row.try_get(1).unwrap_or_default());
    ensure!(found == expected, "the dump holds {found:?}, not {expected:?}");
    client.batch_execute("DROP TABLE dumped").await?;
    Ok(())
}
