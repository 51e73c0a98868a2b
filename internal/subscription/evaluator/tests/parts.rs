//! What one transaction leaves to the next one.

use super::*;

/// A long run is judged in parts. Its end says when it began, not when the part began that the end is in.
#[tokio::test]
async fn a_fall_says_when_a_run_began_that_was_judged_in_parts() {
    let mut setting = Setting::start().await;
    setting.evaluator.portion = Portion::of_one_piece();
    let id = setting.subscribe("filter, fire", "'speed > 120', 'fall'").await;
    setting.store(&[("lada", "speed", 0, 100.0)]).await;
    setting.settle().await;
    // Ten hours: a part is of two.
    let speed = |second: i64| if (10..35_000).contains(&second) { 130.0 } else { 100.0 };
    let readings: Vec<Reading> = (1..3600)
        .map(|step| ("lada", "speed", step * 10, speed(step * 10)))
        .collect();
    setting.store(&readings).await;
    setting.settle().await;
    // As after restarts: nothing is known of what was before.
    let readings: Vec<Reading> = (0..3600)
        .map(|step| ("niva", "speed", step * 10, speed(step * 10)))
        .collect();
    for readings in readings.chunks(900) {
        setting.evaluator.judge.forget();
        setting.store(readings).await;
        setting.settle().await;
    }
    let select = "SELECT key, (extract(epoch FROM (data->>'since')::timestamptz) * 1000000)::int8 FROM delivery
        WHERE subscription = $1 ORDER BY seq";
    let rows = setting.client.query(select, &[&id]).await.unwrap();
    let told: Vec<(String, i64)> = rows
        .iter()
        .map(|row| (row.get(0), (row.get::<_, i64>(1) - START) / SECOND))
        .collect();
    assert_eq!(told, [("lada".to_owned(), 10), ("niva".to_owned(), 10)]);
}
