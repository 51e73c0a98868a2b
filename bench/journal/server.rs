//! A journal of so many entries, and what pgbench says of it.

use crate::http::Connection;
use crate::system::{Database, Servers, connect, output};
use anyhow::Context;
use futures_util::future::try_join_all;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testutil::{Process, Program};
use tokio_postgres::Client;

/// Entries of a small journal.
pub(super) const FEW: usize = 10_000;

/// A journal in which everybody writes, and its database.
pub(super) struct Server {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
    pub(super) database: Database,
}

/// Authors and hashtags by number. Those after them are skewed: one author wrote nine entries of ten, one hashtag is in
/// every second entry, and one is in twenty.
const AUTHORS: usize = 100;
const HASHTAGS: usize = 1_000;

/// Entries of an author who wrote some: in a small journal fewer authors did, so that its pages are as full.
const OF_AUTHOR: usize = 1_000;

/// How many authors wrote the entries that the skewed one did not: `user-1` and the following.
pub(super) fn authors(entries: usize) -> usize {
    (entries / 10 / OF_AUTHOR).clamp(1, AUTHORS)
}

/// A journal of so many entries, in a year: each with two of 1,000 hashtags. Half of the entries have one of ten hashtags
/// that many use, `tag1` to `tag10`.
pub(super) async fn start(servers: &Servers, entries: usize) -> anyhow::Result<Server> {
    let database = servers.database().await?;
    let mut process = Program::new("journal")
        .env("DATABASE_URL", &database.url)
        .args(["--port", "0", "--demo-users"])
        .start()
        .await;
    let client = connect(&database.url).await?;
    let indexes = without_indexes(&client).await?;
    fill(&client, entries).await?;
    client.batch_execute(&indexes).await?;
    // Each by itself: VACUUM runs in no transaction.
    for table in ["author", "hashtag", "entry", "entry_hashtag"] {
        client.batch_execute(&format!("VACUUM ANALYZE {table}")).await?;
    }
    client.batch_execute("CHECKPOINT").await?;
    let address = process.address("main").await;
    Ok(Server {
        process,
        address,
        database,
    })
}

/// Drops the indexes that are no constraints, and returns what makes them again: over all rows at once, that is far faster
/// than row by row.
async fn without_indexes(client: &Client) -> anyhow::Result<String> {
    let select = "SELECT format('DROP INDEX %I', indexname), indexdef FROM pg_indexes
        WHERE schemaname = current_schema() AND tablename IN ('entry', 'entry_hashtag')
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)";
    let rows = client.query(select, &[]).await?;
    anyhow::ensure!(rows.len() > 4, "the journal has other indexes: {}", rows.len());
    let all = |at: usize| -> Vec<String> { rows.iter().map(|row| row.get(at)).collect() };
    client.batch_execute(&all(0).join(";")).await?;
    Ok(format!("SET maintenance_work_mem = '256MB'; {}", all(1).join(";")))
}

async fn fill(client: &Client, entries: usize) -> anyhow::Result<()> {
    let authors = authors(entries);
    // About twenty entries, however many there are.
    let rare = (entries / 20).max(1);
    let fill = format!(
        "INSERT INTO author (name)
         SELECT 'user-' || number FROM generate_series(1, {AUTHORS}) AS number
             UNION ALL VALUES ('most');
         INSERT INTO hashtag (name) SELECT 'tag' || number FROM generate_series(1, {HASHTAGS}) AS number
             UNION ALL VALUES ('half'), ('rare');
         INSERT INTO entry (id, author_id, device, body, words)
         SELECT (lpad(to_hex(1735689600000 + (number * 31536000000::numeric / {entries})::int8), 12, '0')
                 || left(md5(number::text), 20))::uuid,
             CASE WHEN number % 10 = 0 THEN 1 + (hashint4(number) & 65535) % {authors} ELSE {AUTHORS} + 1 END,
             'car-' || number % 50,
             'entry ' || number || ' of the way to the #tag' || number % 1000 || ', with words as people write them: '
                 || md5(number::text),
             to_tsvector('simple'::regconfig, 'entry ' || number || ' of the way to the words as people write them')
         FROM generate_series(1, {entries}) AS number;
         INSERT INTO entry_hashtag
         SELECT hashtag.id, entry.id, author_id, name, position
         FROM entry, LATERAL (VALUES
             (CASE WHEN hashtextextended(entry.id::text, 1) % 2 = 0 THEN 1 + abs(hashtextextended(entry.id::text, 2) % 10)
                   ELSE 11 + abs(hashtextextended(entry.id::text, 3) % 490) END, 0),
             (501 + abs(hashtextextended(entry.id::text, 4) % 500), 1),
             (CASE WHEN hashtextextended(entry.id::text, 5) % 2 = 0 THEN {HASHTAGS} + 1 END, 2),
             (CASE WHEN hashtextextended(entry.id::text, 6) % {rare} = 0 THEN {HASHTAGS} + 2 END, 3)) AS tag (number, position)
         JOIN hashtag ON hashtag.id = tag.number"
    );
    client.batch_execute(&fill).await?;
    Ok(())
}

/// Transactions a second of pgbench with a script: so many in all, by so many clients.
pub(super) fn pgbench(server: &Server, script: &str, count: usize, clients: usize) -> anyhow::Result<f64> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), script)?;
    let (each, clients) = ((count / clients).to_string(), clients.to_string());
    let mut command = Command::new("pgbench");
    command.args(["-n", "-M", "prepared", "-c", &clients, "-j", "2", "-t", &each, "-f"]);
    let planner = "-c jit=off -c max_parallel_workers_per_gather=0";
    let command = command.arg(file.path()).arg(&server.database.url);
    let said = output(command.env("PGOPTIONS", planner))?;
    let rate = said
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.with_context(|| format!("pgbench said no rate: {said}"))
}

/// Does something so many times, over so many connections at once. Returns how long that took.
pub(super) async fn over<F>(
    connections: &mut [Connection],
    count: usize,
    does: impl Fn() -> F + Copy,
) -> anyhow::Result<Duration>
where
    F: AsyncFnOnce(&mut Connection) -> anyhow::Result<()>,
{
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    let doing = connections.iter_mut().map(|connection| {
        let next = &next;
        async move {
            while next.fetch_add(1, Ordering::Relaxed) < count {
                does()(connection).await?;
            }
            Ok::<_, anyhow::Error>(())
        }
    });
    try_join_all(doing).await?;
    Ok(begin.elapsed())
}
