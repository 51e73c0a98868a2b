//! The rights of the journal's role, and of others over the journal.

use crate::roles::refuses;
use crate::system::connect;
use testutil::workspace;

#[tokio::test]
async fn the_journal_has_a_role_of_its_own() {
    let database = testutil::database().await;
    testutil::give_roles(&database.url()).await;
    let journal = connect(&database.url_as("odograph_journal")).await;
    journal
        .batch_execute(
            "SELECT make_partition('published', 'published_2024_05_01', '2024-05-01Z', '2024-05-02Z');
             INSERT INTO author (name) VALUES ('anna');
             INSERT INTO hashtag (name) VALUES ('cres');
             INSERT INTO entry (id, author_id, body, request) SELECT gen_random_uuid(), id, 'hello', 'k' FROM author;
             INSERT INTO entry_hashtag SELECT hashtag.id, entry.id, author_id, 'Cres', 0 FROM hashtag, entry;
             INSERT INTO published (topic, id, data, at) VALUES ('odograph.journal', 'a', '{}', '2024-05-01 10:00Z');
             UPDATE entry SET body = '';
             DELETE FROM entry_hashtag;
             SELECT retell_entry('a', '{}'), until FROM evaluator;
             INSERT INTO clock_look VALUES (now(), gen_random_uuid(), 1); DELETE FROM clock_look;
             SELECT is_journals_day('published_2024_05_01'), drop_partition('published', 'published_2024_05_01');
             SELECT FROM journal, refinery_schema_history",
        )
        .await
        .unwrap();
    let refused = [
        "DELETE FROM entry",
        "DELETE FROM author",
        "UPDATE hashtag SET name = 'krk'",
        "SELECT FROM published",
        "UPDATE published SET data = '{}'",
        "SELECT owner FROM evaluator",
        "SELECT drop_partition('delivery', 'delivery_2024')",
        "SELECT FROM reading",
        "SELECT FROM subscription",
        "SELECT FROM message",
        "DROP TABLE entry",
    ];
    refuses(&journal, "the role of the journal", &refused).await;
    let reader = connect(&database.url_as("odograph_reader")).await;
    let read = "SELECT FROM journal, entry_hashtag, hashtag; SELECT id, author_id, device, body, words FROM entry";
    reader.batch_execute(read).await.unwrap();
    let refused = [
        "SELECT request FROM entry",
        "SELECT digest FROM entry",
        "UPDATE entry SET body = ''",
    ];
    refuses(&reader, "the reader", &refused).await;
    for role in ["odograph_writer", "odograph_notifier", "odograph_messages"] {
        let other = connect(&database.url_as(role)).await;
        let tables = ["entry", "journal", "author", "hashtag"].map(|table| format!("SELECT FROM {table}"));
        let refused: Vec<&str> = tables.iter().map(String::as_str).collect();
        refuses(&other, role, &refused).await;
        if role != "odograph_notifier" {
            refuses(&other, role, &["SELECT retell_entry('a', '{}')"]).await;
        }
    }
}

/// An upgrade gives the roles what they need of its tables, before the script runs again.
#[tokio::test]
async fn an_upgrade_gives_the_roles_what_they_need() {
    let database = testutil::database().await;
    testutil::give_roles(&database.url()).await;
    let admin = connect(&database.url()).await;
    let migration = std::fs::read_to_string(workspace().join("migrations/V13__retell.sql")).unwrap();
    let before = "DROP FUNCTION retell_entry, is_journals_day; DROP INDEX delivery_entry, gap_entry;
        REVOKE ALL ON evaluator, clock_look FROM odograph_journal; REVOKE DELETE ON published FROM odograph_journal;
        REVOKE EXECUTE ON FUNCTION drop_partition FROM odograph_journal";
    admin.batch_execute(before).await.unwrap();
    let journal = connect(&database.url_as("odograph_journal")).await;
    refuses(&journal, "the role of the journal", &["SELECT until FROM evaluator"]).await;
    admin.batch_execute(&migration).await.unwrap();
    let notifier = connect(&database.url_as("odograph_notifier")).await;
    notifier.batch_execute("SELECT retell_entry('a', '{}')").await.unwrap();
    journal
        .batch_execute(
            "SELECT make_partition('published', 'published_2024_05_01', '2024-05-01Z', '2024-05-02Z');
             SELECT retell_entry('a', '{}'), until FROM evaluator;
             INSERT INTO clock_look VALUES (now(), gen_random_uuid(), 1); DELETE FROM clock_look;
             SELECT is_journals_day('published_2024_05_01'), drop_partition('published', 'published_2024_05_01')",
        )
        .await
        .unwrap();
}
