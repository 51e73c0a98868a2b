//! A day to json.gz, beside psql and gzip.

use crate::Size;
use crate::data::{DAY, Data};
use crate::report::{Figure, Report};
use crate::system::{Servers, output};
use anyhow::ensure;
use std::process::Command;
use std::time::{Duration, Instant};
use testutil::Program;

pub(crate) async fn measure(servers: &Servers, data: &Data, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let database = servers.database().await?;
    let client = database.prepare().await?;
    database.load(&data.copy)?;
    // As the persistor leaves them: the dumper passes over series that end before the day.
    client
        .batch_execute("UPDATE series SET latest_timestamp = (SELECT max(timestamp) FROM reading WHERE series_id = id)")
        .await?;
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(statement).await?;
    }

    let folder = tempfile::tempdir()?;
    let (mut ours, mut rival) = (Figure::default(), Figure::default());
    let (mut our_bytes, mut rival_bytes) = (0, 0);
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
        let lines = output(Command::new("bash").args([
            "-c",
            &format!("zcat {} | wc -l", target.join(format!("{DAY}.json.gz")).display()),
        ]))?;
        ensure!(
            lines.trim() == data.readings.to_string(),
            "the dump holds {lines} readings"
        );
        report.service("dumper", "dump", &dumper);
    }
    drop(client);
    servers.forget(&database).await?;
    report.ratio("dump", "readings/s", &ours, "psql row_to_json to gzip -6", &rival, 2.0);
    report.note(&format!("The dump takes {our_bytes} bytes, the rival's {rival_bytes}."));
    Ok(())
}
