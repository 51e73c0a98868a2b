//! Pages and trends, beside pgbench and psql, and beside a small journal.

use super::server::{FEW, Server, over, pgbench as beside};
use crate::http::Connection;
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::connect;
use std::time::{Duration, Instant};

/// Pages in a run, and at once.
const PAGES: usize = 1_000;
const AT_ONCE: usize = 8;

/// Entries of a page.
const LIMIT: usize = 20;

/// What pgbench asks: in one statement, as a person would write it.
const SCRIPT: &str = "\\set tag random(0, 9)
\\set author random(1, 100)
SELECT entry.id, author.name, body, ARRAY(SELECT spelling FROM entry_hashtag WHERE entry_id = entry.id ORDER BY position)
FROM entry JOIN author ON author.id = author_id JOIN entry_hashtag ON entry_id = entry.id
    JOIN hashtag ON hashtag.id = hashtag_id
WHERE hashtag.name = 'tag' || :tag AND author.name = 'user-' || :author AND deleted IS NULL
    AND entry.id >= '0194b000-0000-0000-0000-000000000000' AND entry.id < '019a0000-0000-0000-0000-000000000000'
ORDER BY entry.id DESC LIMIT 20;
";

pub(super) async fn measure(many: &Server, few: &Server, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let [mut ours, mut small, mut pgbench, mut words] = std::array::from_fn(|_| Figure::default());
    for _ in 0..size.runs {
        ours.add_rate(PAGES, pages(many, filtered).await?);
        small.add_rate(PAGES, pages(few, filtered).await?);
        words.add_rate(PAGES, pages(many, searched).await?);
        pgbench.add(beside(many, SCRIPT, PAGES, AT_ONCE)?);
    }
    let name = format!(
        "journal: {LIMIT} of {} entries by hashtag, author and dates",
        size.entries
    );
    report.ratio(&name, "pages/s", &ours, "pgbench, one statement", &pgbench, 0.5);
    report.ratio(
        &name,
        "pages/s",
        &ours,
        &format!("the same of {FEW} entries"),
        &small,
        0.9,
    );
    report.beside(
        "journal: the same by words",
        "pages/s",
        &words,
        "by hashtag, author and dates",
        &ours,
    );
    trends(many, size, report).await
}

fn filtered() -> String {
    let (tag, author) = (fastrand::usize(..10), 1 + fastrand::usize(..100));
    format!("/message?hashtag=tag{tag}&user_name=user-{author}&from_date=2025-01-29&to_date=2025-10-19&limit={LIMIT}")
}

fn searched() -> String {
    format!(
        "/message?q=%22the+way%22+{}&limit={LIMIT}",
        1 + fastrand::usize(..10_000)
    )
}

async fn pages(server: &Server, path: fn() -> String) -> anyhow::Result<Duration> {
    let mut connections = Vec::new();
    for _ in 0..AT_ONCE {
        connections.push(Connection::open(server.address).await?);
    }
    over(&mut connections, PAGES, || {
        async |connection: &mut Connection| connection.get(&path()).await.map(drop)
    })
    .await
}

/// A year by days, beside the statement that counts all entries by their day.
async fn trends(server: &Server, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let (mut ours, mut rival) = (Figure::default(), Figure::default());
    let client = connect(&server.database.url).await?;
    let mut connection = Connection::open(server.address).await?;
    let count = "SELECT date_bin('1 day', timestamp, '1970-01-01Z') AS day, count(*) FROM journal
        WHERE timestamp >= '2025-01-01Z' AND timestamp < '2026-01-01Z' GROUP BY day ORDER BY day";
    for _ in 0..size.runs {
        let begin = Instant::now();
        let answer = connection
            .get("/trend?aggregation=24h&from_date=2025-01-01&to_date=2026-01-01")
            .await?;
        ours.add_time(begin.elapsed());
        let begin = Instant::now();
        let rows = client.query(count, &[]).await?;
        rival.add_time(begin.elapsed());
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        let buckets = answer["data"]["trends"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(buckets == rows.len(), "{buckets} days, and {} by SQL", rows.len());
    }
    report.times(
        &format!("journal: a year of {} entries by days", size.entries),
        &ours,
        "date_bin and GROUP BY",
        &rival,
        1.0,
    );
    Ok(())
}
