//! One body of all readings through ingestor, JetStream and persistor until every row is
//! committed, beside psql's binary COPY of the same rows, sorted by series, straight into the
//! partition; then the same body again, as duplicates.

use crate::data::Data;
use crate::peers;
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{Database, KEY, Servers, System, output};
use anyhow::ensure;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) async fn measure(servers: &Servers, data: &Data, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let expected = servers.expected(data).await?;
    let (mut ours, mut again, mut copy) = (Figure::default(), Figure::default(), Figure::default());
    let mut peers = peers::Bulk::of(data);
    for _ in 0..size.runs {
        let rival = servers.database().await?;
        drop(rival.prepare().await?);
        copy.add_rate(data.readings, rival.load(&data.copy)?);
        check(&rival, expected).await?;
        servers.forget(&rival).await?;

        let database = servers.database().await?;
        let mut system = servers.start_programs(&database).await;
        let seconds = upload(&mut system, data, data.readings).await?;
        ours.add_rate(data.readings, seconds);
        check(&database, expected).await?;
        let seconds = upload(&mut system, data, 2 * data.readings).await?;
        again.add_rate(data.readings, seconds);
        check(&database, expected).await?;
        report.service("ingestor", "bulk, twice", &system.ingestor);
        report.service("persistor", "bulk, twice", &system.persistor);
        drop(system);
        servers.forget(&database).await?;
        peers.run().await?;
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
    peers.tell(&ours, report);
    Ok(())
}

/// Uploads the body and waits until the persistor has judged as many readings.
pub(crate) async fn upload(system: &mut System, data: &Data, judged: usize) -> anyhow::Result<Duration> {
    let mut posting = post(data, &system.ingestor.url().await);
    let start = Instant::now();
    all_accepted(&output(&mut posting)?, data)?;
    system.judged(judged).await?;
    Ok(start.elapsed())
}

/// A curl command that uploads all readings to this ingestor as one body.
pub(crate) fn post(data: &Data, ingestor: &str) -> Command {
    let mut command = Command::new("curl");
    command
        .args(["-sS", "-u", &format!("{KEY}:"), "-X", "POST", "-T"])
        .arg(&data.ndjson)
        .arg(format!("{ingestor}/ingest"));
    command
}

/// Fails unless the answer accepts all readings.
pub(crate) fn all_accepted(answer: &str, data: &Data) -> anyhow::Result<()> {
    ensure!(
        answer.contains(&format!("\"accepted\":{},\"rejected\":0", data.readings)),
        "{answer}"
    );
    Ok(())
}

pub(crate) async fn check(database: &Database, expected: (i64, i64)) -> anyhow::Result<()> {
    let found = database.checksum().await?;
    ensure!(
        found == expected,
        "the rows are not those that were sent: {found:?}, not {expected:?}"
    );
    Ok(())
}
