//! How pages are found, by the plan that PostgreSQL makes.

use super::Setting;
use crate::filter::Known;
use crate::question::Question;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

/// Pages of the database. The table of 50,000 entries has more than 800.
const FEW: u64 = 150;

/// A plan that `explain` has made.
async fn plan(client: &Client, explain: &str, question: &Question) -> String {
    let explain = format!("{explain} {}", question.sql());
    let rows = client.query_typed(&explain, &question.parameters()).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    lines.join("\n")
}

/// How many pages of tables and indexes a statement has read.
async fn pages_read(client: &Client, question: &Question) -> u64 {
    let plan = plan(client, "EXPLAIN (ANALYZE, BUFFERS)", question).await;
    let whole = plan.lines().find(|line| line.contains("Buffers: shared")).expect(&plan);
    let counts = whole
        .split(' ')
        .filter_map(|word| word.strip_prefix("hit=").or_else(|| word.strip_prefix("read=")));
    counts.map(|count| count.parse::<u64>().unwrap()).sum()
}

/// 50,000 entries with the word `way`, a number of their own and the hashtag 1, by the author 1.
async fn fill(client: &Client) {
    let fill = "INSERT INTO author (name) VALUES ('anna');
        INSERT INTO entry (id, author_id, body, words)
        SELECT (lpad(to_hex(1788220800000 + i * 1000), 12, '0') || substr(md5(i::text), 1, 20))::uuid, 1,
            'on the way ' || i, to_tsvector('simple'::regconfig, 'on the way ' || i)
        FROM generate_series(1, 50000) AS i;
        INSERT INTO entry_hashtag (hashtag_id, entry_id, author_id, spelling, position)
        SELECT 1, id, 1, 'tag', 0 FROM entry";
    client.batch_execute(fill).await.unwrap();
    for table in ["author", "entry", "entry_hashtag"] {
        client.batch_execute(&format!("VACUUM ANALYZE {table}")).await.unwrap();
    }
}

/// Of all these filters, with a rare word in the oldest entry and with a frequent one.
#[tokio::test]
async fn words_are_found_in_few_pages() {
    let setting = Setting::start().await;
    let client = setting.pool.get().await.unwrap();
    fill(&client).await;
    let all = Known::default;
    let one_hashtag = Known { all: vec![1], ..all() };
    let one_author = Known {
        authors: Some(vec![1]),
        ..all()
    };
    for filter in [all(), one_hashtag, one_author] {
        for (words, found) in [("\"the way\" 1", 1), ("way", 11), ("away", 0)] {
            let filter = Known {
                words: Some(words.to_owned()),
                ..filter.clone()
            };
            let question = filter.page(None, 10);
            let rows = client
                .query_typed(question.sql(), &question.parameters())
                .await
                .unwrap();
            assert_eq!(rows.len(), found, "{filter:?}");
            let read = pages_read(&client, &question).await;
            assert!(read < FEW, "{read} pages for {filter:?}");
        }
    }
}

/// A connection plans pages of the usual forms once, and not for each page.
#[tokio::test]
async fn pages_of_one_form_share_a_plan() {
    let setting = Setting::start().await;
    let client = setting.pool.get().await.unwrap();
    fill(&client).await;
    let all = Known::default;
    let forms = [
        Known { all: vec![1], ..all() },
        Known {
            all: vec![1],
            authors: Some(vec![1]),
            ..all()
        },
        Known {
            words: Some("way".to_owned()),
            ..all()
        },
    ];
    for form in forms {
        let question = form.page(None, 20);
        assert!(question.fixed, "{form:?}");
        let (values, types): (Vec<&(dyn ToSql + Sync)>, Vec<Type>) = question.parameters().into_iter().unzip();
        let statement = client.prepare_typed(question.sql(), &types).await.unwrap();
        // PostgreSQL plans for the very parameters five times, then compares.
        for _ in 0..7 {
            client.query(&statement, &values).await.unwrap();
        }
        let select = "SELECT generic_plans FROM pg_prepared_statements WHERE statement = $1";
        let shared: i64 = client.query_one(select, &[&question.sql()]).await.unwrap().get(0);
        assert!(shared > 0, "{form:?}");
    }
}

/// Of two hashtags that many entries have and none has both, nothing is read but the entries of these two.
#[tokio::test]
async fn two_common_hashtags_are_read_beside_each_other() {
    let setting = Setting::start().await;
    let client = setting.pool.get().await.unwrap();
    // The others have one of a hundred.
    let fill = "INSERT INTO entry_hashtag (hashtag_id, entry_id, author_id, spelling, position)
        SELECT CASE i % 10 WHEN 0 THEN 1 WHEN 1 THEN 2 ELSE 3 + i % 100 END,
            (lpad(to_hex(1788220800000 + i * 1000), 12, '0') || substr(md5(i::text), 1, 20))::uuid, 1, 'tag', 0
        FROM generate_series(1, 50000) AS i";
    client.batch_execute(fill).await.unwrap();
    client.batch_execute("VACUUM ANALYZE entry_hashtag").await.unwrap();
    let known = Known {
        all: vec![1, 2],
        ..Known::default()
    };
    let question = known.page(None, 100);
    let plan = plan(&client, "EXPLAIN", &question).await;
    for tag in [1, 2] {
        assert!(plan.contains(&format!("Index Cond: (hashtag_id = {tag})")), "{plan}");
    }
    // The index that has the entries of all hashtags finds the hashtags of an entry, and nothing else.
    for scan in plan.split("using entry_hashtag_entry").skip(1) {
        let condition = scan.lines().nth(1).unwrap_or_default();
        assert!(condition.contains("Index Cond: (entry_id = "), "{plan}");
    }
}
