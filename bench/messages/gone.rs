//! How an epoch that is past its time goes from the disk, beside DELETE and VACUUM, each with puts meanwhile.

use super::events::{Copy, event};
use super::server::{Server, load};
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::{Database, connect};
use anyhow::ensure;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// Puts in each measurement of how long they take.
const PUTS: usize = 400;

pub(super) async fn measure(
    database: &Database,
    server: &Server,
    size: Size,
    report: &mut Report,
) -> anyhow::Result<()> {
    let client = connect(&database.url).await?;
    let (mut dropping, mut deleting) = (Figure::default(), Figure::default());
    let (mut quiet, mut meanwhile) = (Figure::default(), Figure::default());
    let count = size.messages / 8;
    for run in 0..size.runs {
        let run = i32::try_from(run)?;
        let (first, second) = (100 + run * 2, 101 + run * 2);
        for epoch in [first, second] {
            fill(&client, database, epoch, count).await?;
        }
        quiet.add(put(server, run, "quiet").await?);
        // What a table without epochs would do, beside the same puts.
        let name = format!("deleting-{run}");
        let deleted = async {
            let begin = Instant::now();
            client.batch_execute(&format!("DELETE FROM message_{first}")).await?;
            client.batch_execute(&format!("VACUUM message_{first}")).await?;
            Ok::<_, anyhow::Error>(begin.elapsed())
        };
        let (took, _slow) = tokio::try_join!(deleted, put(server, run, &name))?;
        deleting.add_rate(count, took);
        client
            .batch_execute(&format!(
                "SELECT drop_partition('message', 'message_{first}'); DELETE FROM epoch WHERE number = {first}"
            ))
            .await?;
        let old = format!("UPDATE epoch SET closed = now() - interval '1 year' WHERE number = {second}");
        client.batch_execute(&old).await?;
        let (mut cleaner, name) = (server.client()?, format!("meanwhile-{run}"));
        let cleaning = async {
            let begin = Instant::now();
            let gone = cleaner.clean().await?;
            let took = begin.elapsed();
            // The server may have been first.
            ensure!(gone == count as u64 || gone == 0, "{gone} messages went");
            Ok::<_, anyhow::Error>((gone, took))
        };
        let (cleaned, slow) = tokio::join!(cleaning, put(server, run, &name));
        let (gone, took) = cleaned?;
        if gone > 0 {
            dropping.add_rate(count, took);
        }
        meanwhile.add(slow?);
    }
    report.ratio(
        &format!("messages: removing {count} that are past their time"),
        "messages/s",
        &dropping,
        "DELETE and VACUUM",
        &deleting,
        4.0,
    );
    report.times(
        "messages: 99 of 100 puts meanwhile",
        &meanwhile,
        "while nothing goes",
        &quiet,
        0.5,
    );
    Ok(())
}

async fn fill(client: &Client, database: &Database, epoch: i32, count: usize) -> anyhow::Result<()> {
    let next = epoch + 1;
    client
        .batch_execute(&format!(
            "SELECT make_partition('message', 'message_{epoch}', '{epoch}', '{next}');
             INSERT INTO epoch VALUES ({epoch}, now(), now(), '168 hours')"
        ))
        .await?;
    let rows = (0..count).map(|number| {
        let id = format!("gone-{epoch}-{number}");
        let event = event(&id);
        (id, event)
    });
    load(database, &Copy::write(epoch, rows)?)?;
    // As it is when its last message is past its time, days after the last one came.
    client.batch_execute(&format!("VACUUM message_{epoch}")).await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

/// Puts one after the other. Returns how long 99 of 100 of them take at the most, in milliseconds.
async fn put(server: &Server, run: i32, name: &str) -> anyhow::Result<f64> {
    let mut client = server.client()?;
    let mut took: Vec<Duration> = Vec::with_capacity(PUTS);
    for number in 0..PUTS {
        let begin = Instant::now();
        client
            .put(vec![event(&format!("{name}-{run}-{number}")).into()])
            .await?;
        took.push(begin.elapsed());
    }
    took.sort_unstable();
    Ok(took[PUTS * 99 / 100].as_secs_f64() * 1e3)
}
