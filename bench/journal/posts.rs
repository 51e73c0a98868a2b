//! Posts, beside pgbench with the same inserts.

use super::server::{Server, over, pgbench as beside};
use crate::http::Connection;
use crate::report::{Figure, Report};
use crate::size::Size;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

/// Posts in a run, and at once.
const POSTS: usize = 8_000;
const AT_ONCE: usize = 16;

/// What a post writes, as pgbench does.
const SCRIPT: &str = "\\set tag random(1, 1000)
\\set author random(1, 100)
SELECT id FROM author WHERE name = 'user-' || :author;
SELECT id FROM hashtag WHERE name = 'tag' || :tag;
BEGIN;
INSERT INTO entry (id, author_id, body, words) VALUES (gen_random_uuid(), :author, 'on the way to the #tag' || :tag,
    to_tsvector('simple'::regconfig, 'on the way to the #tag' || :tag)) RETURNING id \\gset
INSERT INTO entry_hashtag VALUES (:tag, :id::uuid, :author, 'tag' || :tag, 0);
INSERT INTO published (topic, id, key, author, data) VALUES ('bench', :id::text || '-created', 'user', 'user',
    jsonb_build_object('event', 'created', 'id', :id::text, 'text', 'on the way to the #tag' || :tag));
COMMIT;
";

pub(super) async fn measure(server: &Server, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let (mut ours, mut pgbench) = (Figure::default(), Figure::default());
    // The day's partition of what subscribers are told.
    let _first = post(server, 1).await?;
    for _ in 0..size.runs {
        ours.add_rate(POSTS, post(server, POSTS).await?);
        pgbench.add(beside(server, SCRIPT, POSTS, AT_ONCE)?);
    }
    report.ratio(
        &format!("journal: posts, {AT_ONCE} at once, beside {} entries", size.entries),
        "posts/s",
        &ours,
        "pgbench, the same inserts",
        &pgbench,
        0.5,
    );
    Ok(())
}

async fn post(server: &Server, count: usize) -> anyhow::Result<Duration> {
    let mut connections = Vec::new();
    for _ in 0..AT_ONCE {
        let name = STANDARD.encode(format!("user-{}", 1 + fastrand::usize(..100)));
        connections.push(Connection::open(server.address).await?.bearing(&name));
    }
    over(&mut connections, count, || {
        async |connection: &mut Connection| {
            let tag = 1 + fastrand::usize(..1000);
            let body = format!("{{\"text\":\"on the way to the #tag{tag}\"}}");
            connection.post("/message", body.into()).await.map(drop)
        }
    })
    .await
}
