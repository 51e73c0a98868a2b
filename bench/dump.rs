//! A day to json.gz, beside psql and gzip.

use crate::Size;
use crate::data::{DAY, Data, PARTITION};
use crate::report::{Figure, Report};
use crate::system::{Servers, connect, output};
use anyhow::ensure;
use std::process::Command;
use std::time::{Duration, Instant};
use testutil::Program;

pub(crate) async fn measure(servers: &Servers, data: &Data, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let database = servers.database().await?;
    // The tables as the programs make them, the rows by COPY.
    let system = servers.start_programs(&database).await;
    drop(system);
    let client = connect(&database.url).await?;
    for (id, sensor) in (1_i32..).zip(crate::data::SENSORS) {
        client
            .execute(
                "INSERT INTO series (id, device, sensor, latest_timestamp) VALUES ($1, 'lada', $2, '2024-05-02Z')",
                &[&id, &sensor],
            )
            .await?;
    }
    client
        .batch_execute(&format!(
            "CREATE TABLE {PARTITION} (LIKE reading INCLUDING ALL);
             ALTER TABLE reading ATTACH PARTITION {PARTITION} FOR VALUES FROM ('2024-05-01 00:00+00') TO ('2024-06-01 00:00+00')"
        ))
        .await?;
    let load = format!("\\copy {PARTITION} from '{}' binary", data.copy.display());
    output(Command::new("psql").args(["-qX", "-d", &database.url, "-c", &load]))?;
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
        report.service("dumper", "dump", dumper.peak_memory(), 0.0);
    }
    drop(client);
    servers.forget(&database).await?;
    report.ratio("dump", "readings/s", &ours, "psql row_to_json to gzip -6", &rival, 2.0);
    report.note(&format!("The dump takes {our_bytes} bytes, the rival's {rival_bytes}."));
    Ok(())
}
