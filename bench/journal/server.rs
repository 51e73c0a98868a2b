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

/// Entries of a small journal.
pub(super) const FEW: usize = 10_000;

/// A journal in which everybody writes, and its database.
pub(super) struct Server {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
    pub(super) database: Database,
}

/// A journal of so many entries, in a year: of 100 authors, each entry with two of 1,000 hashtags. Half of the entries have
/// one of ten hashtags that many use.
pub(super) async fn start(servers: &Servers, entries: usize) -> anyhow::Result<Server> {
    let database = servers.database().await?;
    let mut process = Program::new("journal")
        .env("DATABASE_URL", &database.url)
        .args(["--port", "0", "--demo-users"])
        .start()
        .await;
    let client = connect(&database.url).await?;
    let fill = format!(
        "INSERT INTO author (name) SELECT 'user-' || number FROM generate_series(1, 100) AS number;
         INSERT INTO hashtag (name) SELECT 'tag' || number FROM generate_series(1, 1000) AS number;
         INSERT INTO entry (id, author_id, device, body, words)
         SELECT (lpad(to_hex(1735689600000 + (number * 31536000000::numeric / {entries})::int8), 12, '0')
                 || left(md5(number::text), 20))::uuid,
             1 + (hashint4(number) & 1023) % 100, 'car-' || number % 50,
             'entry ' || number || ' of the way to the #tag' || number % 1000 || ', with words as people write them: '
                 || md5(number::text),
             to_tsvector('simple'::regconfig, 'entry ' || number || ' of the way to the words as people write them')
         FROM generate_series(1, {entries}) AS number;
         INSERT INTO entry_hashtag
         SELECT 1 + number, id, author_id, 'tag' || number, position
         FROM entry, LATERAL (VALUES
             (CASE WHEN hashtextextended(id::text, 1) % 2 = 0 THEN abs(hashtextextended(id::text, 2) % 10)
                   ELSE abs(hashtextextended(id::text, 3) % 500) END, 0),
             (500 + abs(hashtextextended(id::text, 4) % 500), 1)) AS tag (number, position)"
    );
    client.batch_execute(&fill).await?;
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
