//! How pages are found, by the plan that PostgreSQL makes.

use super::Setting;
use crate::filter::Known;

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
    let explain = format!("EXPLAIN {}", question.sql());
    let rows = client.query_typed(&explain, &question.parameters()).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    for tag in [1, 2] {
        assert!(plan.contains(&format!("Index Cond: (hashtag_id = {tag})")), "{plan}");
    }
    // The index that has the entries of all hashtags finds the hashtags of an entry, and nothing else.
    for scan in plan.split("using entry_hashtag_entry").skip(1) {
        let condition = scan.lines().nth(1).unwrap_or_default();
        assert!(condition.contains("Index Cond: (entry_id = "), "{plan}");
    }
}
