//! One body of all readings through ingestor, JetStream and persistor until every row is
//! committed, beside psql's binary COPY of the same rows, sorted by series, straight into the
//! partition; then the same body again, when every row is there already.

use crate::Size;
use crate::data::{Data, PARTITION};
use crate::report::{Figure, Report};
use crate::system::{Database, KEY, Servers, System, cpu, output};
use anyhow::ensure;
use std::process::Command;
use std::time::Instant;

pub(crate) async fn measure(servers: &Servers, data: &Data, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let (mut ours, mut again, mut copy) = (Figure::default(), Figure::default(), Figure::default());
    for _ in 0..size.runs {
        let rival = servers.database().await?;
        rival.prepare().await?;
        let start = Instant::now();
        let load = format!("\\copy {PARTITION} from '{}' binary", data.copy.display());
        output(Command::new("psql").args(["-qX", "-d", &rival.url, "-c", &load]))?;
        copy.add_rate(data.readings, start.elapsed());
        let expected = rival.checksum().await?;
        servers.forget(&rival).await?;

        let database = servers.database().await?;
        let mut system = servers.start_programs(&database).await;
        let seconds = upload(&mut system, data, data.readings).await?;
        ours.add_rate(data.readings, seconds);
        check(&database, expected).await?;
        let seconds = upload(&mut system, data, 2 * data.readings).await?;
        again.add_rate(data.readings, seconds);
        check(&database, expected).await?;
        report.service(
            "ingestor",
            "bulk, twice",
            system.ingestor.peak_memory(),
            cpu(&system.ingestor),
        );
        report.service(
            "persistor",
            "bulk, twice",
            system.persistor.peak_memory(),
            cpu(&system.persistor),
        );
        drop(system);
        servers.forget(&database).await?;
    }
    report.ratio(
        "bulk",
        "readings/s",
        &ours,
        "psql COPY, binary, sorted, into the partition",
        &copy,
        0.8,
    );
    report.ratio(
        "bulk, all rows there already",
        "readings/s",
        &again,
        "its own first time",
        &ours,
        1.0,
    );
    Ok(())
}

/// Uploads the body and waits until the persistor has judged as many readings.
async fn upload(system: &mut System, data: &Data, judged: usize) -> anyhow::Result<std::time::Duration> {
    let url = format!("{}/ingest", system.ingestor.url().await);
    let start = Instant::now();
    let answer = output(
        Command::new("curl")
            .args(["-sS", "-u", &format!("{KEY}:"), "-X", "POST", "-T"])
            .arg(&data.ndjson)
            .arg(&url),
    )?;
    ensure!(
        answer.contains(&format!("\"accepted\":{},\"rejected\":0", data.readings)),
        "{answer}"
    );
    system.judged(judged).await?;
    Ok(start.elapsed())
}

async fn check(database: &Database, expected: (i64, i64)) -> anyhow::Result<()> {
    let found = database.checksum().await?;
    ensure!(
        found == expected,
        "the rows are not those that were sent: {found:?}, not {expected:?}"
    );
    Ok(())
}
