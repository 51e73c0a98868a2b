//! Small uploads do not wait behind large ones.

use crate::system::{LONG, System, connect};
use std::fmt::Write;
use testutil::poll;

/// A large upload that the database cannot take now, and a small one after it that it can.
#[tokio::test]
async fn a_small_post_is_stored_while_a_large_upload_is_stuck() {
    const LARGE: usize = 50_000;
    let system = System::start(1).await;
    let database = connect(&system.database.url()).await;
    // The months' partitions have to exist before one can be locked.
    let line = |sensor: &str, month: &str, second: usize| {
        format!(
            "{{\"sensor\":\"{sensor}\",\"value\":1,\"timestamp\":\"2024-{month}-01T{:02}:{:02}:{:02}Z\",\"device\":\"lada\"}}\n",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    };
    assert_eq!(
        system.post(line("history", "05", 0) + &line("now", "06", 0)).await.0,
        200
    );
    system.wait_for_rows(2).await;

    database
        .batch_execute("BEGIN; LOCK TABLE reading_2024_05 IN EXCLUSIVE MODE")
        .await
        .unwrap();
    let mut large = String::new();
    for second in 1..=LARGE {
        write!(large, "{}", line("history", "05", second)).unwrap();
    }
    let (status, answer) = system.post(large).await;
    assert_eq!(
        (status, answer["accepted"].as_u64()),
        (200, Some(LARGE as u64)),
        "{answer}"
    );
    assert_eq!(system.post(line("now", "06", 1)).await.0, 200);
    let shown = async || {
        let (_, latest) = system.get("statistics/latest").await;
        (latest["sensors"]["now"]["timestamp"] == "2024-06-01T00:00:01Z").then_some(())
    };
    poll(LONG, shown).await;
    let stuck: i64 = database
        .query_one("SELECT count(*) FROM readings WHERE sensor = 'history'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(stuck, 1, "the large upload was not stuck, so this shows nothing");
    database.batch_execute("COMMIT").await.unwrap();
    system.wait_for_rows(LARGE as i64 + 3).await;
}
