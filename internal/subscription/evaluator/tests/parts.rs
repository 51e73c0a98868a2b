//! What one transaction leaves to the next one.

use super::*;

impl Setting {
    /// How many series wait for the next transactions.
    async fn rest(&self) -> i32 {
        let rest = "SELECT jsonb_array_length(rest) FROM evaluator";
        self.client.query_one(rest, &[]).await.unwrap().get(0)
    }

    /// How many deliveries a subscription has, and how many ids they have.
    async fn told(&self, id: Uuid) -> (i64, i64) {
        let count = "SELECT count(*), count(DISTINCT id) FROM delivery WHERE subscription = $1";
        let row = self.client.query_one(count, &[&id]).await.unwrap();
        (row.get(0), row.get(1))
    }
}

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

/// What was stored before a rule is no event of it, also where it is still to be judged when the rule comes.
#[tokio::test]
async fn a_rule_that_comes_in_a_backlog_tells_nothing_of_it() {
    let mut setting = Setting::start().await;
    let before = setting.subscribe("filter", "'speed > 120'").await;
    setting.evaluator.portion = Portion::of_one_piece();
    let speed = |second: i64| if second % 7200 < 3600 { 100.0 } else { 130.0 };
    let readings: Vec<Reading> = (0..3600)
        .map(|step| ("lada", "speed", step * 10, speed(step * 10)))
        .collect();
    setting.store(&readings).await;
    let stepped = setting.evaluator.tick(&mut setting.client, &mut setting.term).await;
    assert!(matches!(stepped, Ok(true)));
    assert_ne!(setting.rest().await, 0);
    let after = setting.subscribe("filter", "'speed > 125'").await;
    setting.settle().await;
    assert_eq!(setting.noticed(before).await.len(), 5);
    assert_eq!(setting.noticed(after).await, []);
}

/// A device with much to judge does not hold up the others.
#[tokio::test]
async fn each_device_has_its_turn() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter", "'speed > 120'").await;
    setting.evaluator.portion = Portion::of_one_piece();
    let speed = |second: i64| if second % 7200 < 3600 { 100.0 } else { 130.0 };
    let readings: Vec<Reading> = (0..3600)
        .map(|step| ("audi", "speed", step * 10, speed(step * 10)))
        .chain([("volvo", "speed", 7, 130.0)])
        .collect();
    setting.store(&readings).await;
    for _ in 0..2 {
        let stepped = setting.evaluator.tick(&mut setting.client, &mut setting.term).await;
        assert!(matches!(stepped, Ok(true)));
    }
    assert_ne!(setting.rest().await, 0);
    assert!(setting.noticed(id).await.contains(&event("rise", "volvo", 7)));
}

/// A holder of the lease that wakes late writes nothing of what it read before.
#[tokio::test]
async fn what_is_of_interest_is_written_by_the_holder_of_the_lease_alone() {
    let mut setting = Setting::start().await;
    setting.subscribe("filter", "'speed > 120'").await;
    let interest = "SELECT patterns::text FROM interest";
    let before: String = setting.client.query_one(interest, &[]).await.unwrap().get(0);
    let other = "UPDATE evaluator SET owner = gen_random_uuid(), number = number + 1";
    setting.client.execute(other, &[]).await.unwrap();
    let insert = "INSERT INTO subscription (target_url, filter) VALUES ('https://hooks.example.com', 'fuel < 5')";
    setting.client.execute(insert, &[]).await.unwrap();
    let read = setting.evaluator.read_rules(&mut setting.client, &setting.term).await;
    assert!(matches!(read, Err(Ended::Lost)));
    let after: String = setting.client.query_one(interest, &[]).await.unwrap().get(0);
    assert_eq!(after, before);
}

/// What was published while no notifier worked is taken in parts, each message once: also one whose transaction ends late.
#[tokio::test]
async fn a_backlog_of_messages_is_taken_in_parts() {
    let mut setting = Setting::start().await;
    let before = setting.subscribe("topic", "'t1'").await;
    store::make_day(&setting.client, "published", time::now())
        .await
        .unwrap();
    let late = setting.evaluator.pool.get().await.unwrap();
    let begin = "BEGIN; INSERT INTO published (topic, id, data) VALUES ('t1', 'late', '{}')";
    late.batch_execute(begin).await.unwrap();
    // Each in a transaction of its own.
    let publish = "DO $$ BEGIN
        FOR i IN 1..2500 LOOP
            INSERT INTO published (topic, id, data) VALUES ('t1', 'mine-' || i, '{}');
            COMMIT;
        END LOOP;
    END $$";
    setting.client.batch_execute(publish).await.unwrap();
    let stepped = setting.evaluator.tick(&mut setting.client, &mut setting.term).await;
    assert!(matches!(stepped, Ok(true)));
    assert_eq!(setting.told(before).await, (1000, 1000));
    late.batch_execute("COMMIT").await.unwrap();
    // It comes in the backlog, and is told nothing of it.
    let after = setting.subscribe("topic", "'t1'").await;
    setting.settle().await;
    assert_eq!(setting.told(before).await, (2501, 2501));
    assert_eq!(setting.told(after).await, (0, 0));
}
