//! Readings of which nothing is told: old ones, those of dropped days, and those of another database.

use super::*;
use std::slice;

/// An old event says that it is late, and is silent where the rule has an age. What was silent stays so.
#[tokio::test]
async fn what_is_older_than_the_age_is_silent() {
    let mut setting = Setting::start().await;
    let all = setting.subscribe("filter", "'speed > 120'").await;
    let recent = setting
        .subscribe("filter, max_age", "'speed > 120', interval '1 hour'")
        .await;
    let now = (time::now() - START) / SECOND;
    let readings = [(0, 130.0), (now - 20, 100.0), (now - 10, 130.0)];
    setting
        .store(&readings.map(|(second, value)| ("lada", "speed", second, value)))
        .await;
    setting.settle().await;
    let new = event("rise", "lada", now - 10);
    assert_eq!(setting.noticed(all).await, [event("rise", "lada", 0), new.clone()]);
    assert_eq!(setting.noticed(recent).await, slice::from_ref(&new));
    let late = "SELECT data->>'late' FROM delivery WHERE subscription = $1 ORDER BY seq";
    let rows = setting.client.query(late, &[&all]).await.unwrap();
    let late: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(late, ["true", "false"]);

    let ageless = "UPDATE subscription SET max_age = NULL WHERE id = $1";
    setting.client.execute(ageless, &[&recent]).await.unwrap();
    setting.settle().await;
    setting.store(&[("lada", "speed", 1, 140.0)]).await;
    setting.settle().await;
    assert_eq!(setting.noticed(recent).await, [new]);
}

/// What retention has left of a day, or what arrives for it later, is not the whole day.
#[tokio::test]
async fn a_dropped_day_is_not_told() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter", "'speed > 120'").await;
    let dropped = "INSERT INTO dropped_day (day, version, revision) VALUES ('2024-06-01', 1, 1)";
    setting.client.execute(dropped, &[]).await.unwrap();
    setting.evaluator.looked = None;
    // The second one is of the dropped day.
    setting
        .store(&[("lada", "speed", 0, 130.0), ("niva", "speed", 700, 130.0)])
        .await;
    setting.settle().await;
    assert_eq!(setting.noticed(id).await, [event("rise", "lada", 0)]);
}

/// A database that was restored elsewhere holds readings that may have been told before.
#[tokio::test]
async fn another_database_begins_anew() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter", "'speed > 120'").await;
    setting.store(&[("lada", "speed", 0, 130.0)]).await;
    let other = "UPDATE evaluator SET origin = 'another'";
    setting.client.execute(other, &[]).await.unwrap();
    setting.evaluator.lose();
    let Ok(Some(term)) = setting.evaluator.acquire(&mut setting.client).await else {
        panic!("no other notifier has the lease");
    };
    setting.term = term;
    setting.settle().await;
    // The run that was true then goes on.
    setting.store(&[("lada", "speed", 1, 140.0)]).await;
    setting.settle().await;
    assert_eq!(setting.noticed(id).await, []);
    setting
        .store(&[("lada", "speed", 2, 100.0), ("lada", "speed", 3, 130.0)])
        .await;
    setting.settle().await;
    assert_eq!(setting.noticed(id).await, [event("rise", "lada", 3)]);
}
