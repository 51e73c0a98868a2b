//! The stream read again into an empty database, beside psql's COPY of the same rows.

use crate::bulk;
use crate::data::Data;
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::Servers;
use anyhow::ensure;
use std::time::{Duration, Instant};
use testutil::Program;

pub(crate) async fn measure(servers: &Servers, data: &Data, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let live = servers.database().await?;
    let mut system = servers.start_programs(&live).await;
    bulk::upload(&mut system, data, data.readings).await?;
    let expected = servers.expected(data).await?;
    bulk::check(&live, expected).await?;
    let (mut ours, mut copy) = (Figure::default(), Figure::default());
    for _ in 0..size.runs {
        let rival = servers.database().await?;
        drop(rival.prepare().await?);
        copy.add_rate(data.readings, rival.load(&data.copy)?);
        servers.forget(&rival).await?;

        let database = servers.database().await?;
        let start = Instant::now();
        let mut rebuild = Program::new("odograph")
            .arg("rebuild")
            .env("EVENT_READER_URL", &system.bus)
            .env("DATABASE_URL", &database.url)
            .spawn();
        let code = rebuild.wait(Duration::from_secs(600)).await;
        ours.add_rate(data.readings, start.elapsed());
        ensure!(code == 0, "the rebuild ended with {code}: {:?}", rebuild.output());
        report.service("odograph rebuild", "rebuild", &rebuild);
        bulk::check(&database, expected).await?;
        servers.forget(&database).await?;
    }
    drop(system);
    servers.forget(&live).await?;
    report.ratio(
        "rebuild, from start to end of the program",
        "readings/s",
        &ours,
        "psql COPY, binary, sorted, into the partition",
        &copy,
        0.9,
    );
    Ok(())
}
