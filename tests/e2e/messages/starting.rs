//! How a server starts: before its database is migrated, and with flags that it cannot use.

use super::{calls, port, server};
use crate::system::LONG;
use serde_json::json;
use testutil::{Process, Program, poll};

fn log(process: &Process) -> String {
    process.output().join("\n")
}

/// A server that does not migrate waits for the tables. It looks for no epochs before.
#[tokio::test]
async fn epochs_are_looked_for_after_the_migration() {
    let database = testutil::database().await;
    let mut waiting = server(&database).args(["--migrate", "false"]).spawn();
    let at = port(&mut waiting).await;
    poll(LONG, async || {
        log(&waiting).contains("waiting for the schema").then_some(())
    })
    .await;
    let answers = calls(at, json!([{"health": "awakari.messages.Service"}])).await;
    assert_eq!(answers[0]["status"], "NOT_SERVING");
    let _migrating = server(&database).start().await;
    waiting.ready().await;
    let answers = calls(
        at,
        json!([{"health": "awakari.messages.Service"}, {"method": "PutBatch", "id": "a"}]),
    )
    .await;
    assert_eq!(
        (&answers[0]["status"], &answers[1]["status"]),
        (&json!("SERVING"), &json!("OK"))
    );
    assert!(!log(&waiting).contains("epochs that are due"), "{}", log(&waiting));
}

/// What cannot be used ends the program with 2, before anything is asked of a database, and says what to write.
#[tokio::test]
async fn flags_that_cannot_be_used_say_what_to_write() {
    let shortest = "it is less than a minute; write 1m or more";
    let longest = "it is more than a hundred years; write 36500d or less";
    let cases = [
        ("DB_RETENTION_PERIOD", "59s", shortest),
        ("DB_RETENTION_PERIOD", "59999ms", shortest),
        ("DB_RETENTION_PERIOD", "0s", shortest),
        ("DB_RETENTION_PERIOD", "36601d", longest),
        (
            "DB_TABLE_NAME",
            "events",
            "the table of messages is called messages; leave DB_TABLE_NAME out, or write messages",
        ),
        (
            "DB_TABLE_NAME",
            "messages; DROP TABLE message",
            "the table of messages is called messages; leave DB_TABLE_NAME out, or write messages",
        ),
        (
            "MAX_MESSAGE",
            "5MiB",
            "--max-message is 0 or above --max-request; a request holds one message at least",
        ),
    ];
    for (name, value, said) in cases {
        let mut refused = Program::new("messages")
            .env("DATABASE_URL", "postgres://127.0.0.1:1/nothing")
            .env(name, value)
            .spawn();
        assert_eq!(refused.wait(LONG).await, 2, "{name}={value}: {}", log(&refused));
        assert!(log(&refused).contains(said), "{name}={value}: {}", log(&refused));
    }
}

/// The shortest retention is a minute, and it is the one that epochs get.
#[tokio::test]
async fn a_minute_is_a_retention() {
    let database = testutil::database().await;
    let mut server = server(&database).env("DB_RETENTION_PERIOD", "1m").start().await;
    let answers = calls(port(&mut server).await, json!([{"method": "PutBatch", "id": "a"}])).await;
    assert_eq!(answers[0]["status"], "OK");
    let client = super::client(&database).await;
    let select = "SELECT DISTINCT extract(epoch FROM retention)::int8 FROM epoch";
    assert_eq!(client.query_one(select, &[]).await.unwrap().get::<_, i64>(0), 60);
}
