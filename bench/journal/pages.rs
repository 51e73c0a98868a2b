//! Pages and trends, beside pgbench, psql and Datasette, beside a small journal, and over skewed entries.

use super::server::{FEW, Server, authors, over, pgbench as beside};
use crate::http::Connection;
use crate::peers::{self, Datasette};
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::connect;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Pages in a run, and at once.
const PAGES: usize = 1_000;
const AT_ONCE: usize = 8;

/// Pages in a run where they may be slow: of Datasette, and over skewed entries.
const FEWER_PAGES: usize = 200;

/// Entries of a page.
const LIMIT: usize = 20;

/// The dates of a page, as ids have them: from 2025-01-29 to 2025-10-19.
const SINCE: &str = "0194af5b-8c00-0000-0000-000000000000";
const BEFORE: &str = "0199f9c4-1000-0000-0000-000000000000";

/// What pgbench asks: in one statement, as a person would write it.
const BY_HAND: &str =
    "SELECT entry.id, author.name, body, ARRAY(SELECT spelling FROM entry_hashtag WHERE entry_id = entry.id ORDER BY position)
FROM entry JOIN author ON author.id = author_id JOIN entry_hashtag ON entry_id = entry.id
    JOIN hashtag ON hashtag.id = hashtag_id
WHERE hashtag.name = 'tag' || :tag AND author.name = 'user-' || :author AND deleted IS NULL
    AND entry.id >= '<since>' AND entry.id < '<before>'
ORDER BY entry.id DESC LIMIT 20;
";

/// What pgbench asks, too: the statements of the journal itself (`internal/entry/filter.rs` and `page.rs`).
const AS_THE_JOURNAL: &str = "SELECT false, name, id FROM author WHERE name = ANY(ARRAY['user-' || :author])
    UNION ALL SELECT true, name, id FROM hashtag WHERE name = ANY(ARRAY['tag' || :tag]);
SELECT * FROM (
    SELECT entry.id, entry.author_id, author.name, device, body,
        ARRAY(SELECT spelling FROM entry_hashtag AS tagged WHERE tagged.entry_id = entry.id ORDER BY position) AS hashtags,
        latitude, longitude, received, edited, count(*) OVER () AS found,
        coalesce(sum(octet_length(body) + 200) OVER (ORDER BY entry.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
    FROM (
        SELECT id FROM (
            SELECT tagged.entry_id AS id FROM entry_hashtag AS tagged
            WHERE tagged.hashtag_id = (ARRAY[:tag]::int[])[1] AND tagged.author_id = (ARRAY[:author]::int[])[1]
                AND tagged.entry_id >= '<since>' AND tagged.entry_id < '<before>'
            ORDER BY tagged.entry_id DESC LIMIT 101
        ) AS newest ORDER BY id DESC LIMIT 21
    ) AS page JOIN entry ON entry.id = page.id JOIN author ON author.id = author_id
) AS told WHERE before < 1048576 ORDER BY id DESC;
";

/// Pages over entries that are not spread evenly.
const SKEWED: [(&str, &str); 6] = [
    ("a hashtag of every second entry", "hashtag=half"),
    ("an author of nine entries in ten", "user_name=most"),
    (
        "both, and dates",
        "hashtag=half&user_name=most&from_date=2025-01-29&to_date=2025-10-19",
    ),
    ("a hashtag of twenty entries", "hashtag=rare"),
    ("both hashtags", "hashtag=half&hashtag=rare"),
    ("the rare hashtag and that author", "hashtag=rare&user_name=most"),
];

pub(super) async fn measure(many: &Server, few: &Server, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let [mut ours, mut small, mut by_hand, mut same, mut words] = std::array::from_fn(|_| Figure::default());
    let [mut datasette, mut datasette_words] = std::array::from_fn(|_| Figure::default());
    let mut skewed = SKEWED.map(|(name, filter)| (name, filter, Figure::default()));
    let of_many = authors(size.entries);
    let (by_hand_script, same_script) = (script(BY_HAND, of_many), script(AS_THE_JOURNAL, of_many));
    let peer = Datasette::start(&many.database.url).await?;
    if let Some(peer) = &peer {
        agree(many, peer, of_many).await?;
    }
    for _ in 0..size.runs {
        let of_one = authors(FEW);
        ours.add_rate(PAGES, pages(many.address, PAGES, || filtered(of_many)).await?);
        small.add_rate(PAGES, pages(few.address, PAGES, || filtered(of_one)).await?);
        by_hand.add(beside(many, &by_hand_script, PAGES, AT_ONCE)?);
        same.add(beside(many, &same_script, PAGES, AT_ONCE)?);
        words.add_rate(PAGES, pages(many.address, PAGES, searched).await?);
        if let Some(peer) = &peer {
            let (address, count) = (peer.address(), FEWER_PAGES);
            let path = || {
                let (tag, author) = picked(of_many);
                peers::datasette_page(&tag, &author, SINCE, BEFORE)
            };
            datasette.add_rate(count, pages(address, count, path).await?);
            let path = || peers::datasette_search(&sought());
            datasette_words.add_rate(count, pages(address, count, path).await?);
        }
        for (_, filter, figure) in &mut skewed {
            let filter = *filter;
            let path = || format!("/message?{filter}&limit={LIMIT}");
            figure.add_rate(FEWER_PAGES, pages(many.address, FEWER_PAGES, path).await?);
        }
    }
    let name = format!(
        "journal: {LIMIT} of {} entries by hashtag, author and dates",
        size.entries
    );
    report.ratio(&name, "pages/s", &ours, "pgbench, one statement", &by_hand, 0.5);
    report.ratio(&name, "pages/s", &ours, "pgbench, the same statements", &same, 0.5);
    let rival = format!("the same of {FEW} entries");
    report.ratio(&name, "pages/s", &ours, &rival, &small, 0.9);
    let by_words = "journal: the same by words";
    if datasette.is_empty() {
        report.note(&peers::absent("Datasette"));
        report.beside(by_words, "pages/s", &words, "by hashtag, author and dates", &ours);
    } else {
        let rival = "Datasette over SQLite, an index of hashtag, author and id";
        report.ratio(&name, "pages/s", &ours, rival, &datasette, 5.0);
        report.ratio(by_words, "pages/s", &words, "Datasette, FTS5", &datasette_words, 5.0);
    }
    for (name, _, figure) in &skewed {
        let name = format!("journal: {LIMIT} by {name}");
        report.beside(&name, "pages/s", figure, "by hashtag, author and dates", &ours);
    }
    trends(many, size, report).await
}

fn script(statements: &str, authors: usize) -> String {
    let statements = statements.replace("<since>", SINCE).replace("<before>", BEFORE);
    format!("\\set tag random(1, 10)\n\\set author random(1, {authors})\n{statements}")
}

/// A hashtag that many use, and an author.
fn picked(authors: usize) -> (String, String) {
    let (tag, author) = (1 + fastrand::usize(..10), 1 + fastrand::usize(..authors));
    (format!("tag{tag}"), format!("user-{author}"))
}

fn filtered(authors: usize) -> String {
    of(&picked(authors))
}

fn of((tag, author): &(String, String)) -> String {
    format!("/message?hashtag={tag}&user_name={author}&from_date=2025-01-29&to_date=2025-10-19&limit={LIMIT}")
}

/// Words as they are searched for, which one entry has.
fn sought() -> String {
    format!("\"the way\" {}", 1 + fastrand::usize(..10_000))
}

fn searched() -> String {
    format!("/message?q={}&limit={LIMIT}", percent::encode(sought().as_bytes()))
}

/// Fails unless Datasette has the same page.
async fn agree(server: &Server, peer: &Datasette, authors: usize) -> anyhow::Result<()> {
    let picked = picked(authors);
    let ours = Connection::open(server.address).await?.get(&of(&picked)).await?;
    let ours: serde_json::Value = serde_json::from_slice(&ours)?;
    let path = peers::datasette_page(&picked.0, &picked.1, SINCE, BEFORE);
    let theirs = Connection::open(peer.address()).await?.get(&path).await?;
    let theirs: serde_json::Value = serde_json::from_slice(&theirs)?;
    let texts = |all: &serde_json::Value, name: &str| -> Vec<String> {
        let all = all.as_array().into_iter().flatten();
        all.map(|one| one[name].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let (ours, theirs) = (texts(&ours["data"]["messages"], "text"), texts(&theirs, "body"));
    anyhow::ensure!(
        ours == theirs && !ours.is_empty(),
        "{picked:?}: {ours:?}, not {theirs:?}"
    );
    Ok(())
}

async fn pages(address: SocketAddr, count: usize, path: impl Fn() -> String) -> anyhow::Result<Duration> {
    let mut connections = Vec::new();
    for _ in 0..AT_ONCE {
        connections.push(Connection::open(address).await?);
    }
    let path = &path;
    over(&mut connections, count, || {
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
