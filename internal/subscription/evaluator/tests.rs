//! Events against a computation of their own: plain, over all readings, after each arrival.

mod lease;
mod parts;
mod plain;
mod problems;
mod rehearsal;
mod retell;
mod room;
mod slow;
mod untold;

use super::*;
use plain::{Episodes, LATITUDE, LONGITUDE};
use reading::Point;
use reading::message::Message;
use reading::segment::{Builder, Origin, join};
use std::collections::BTreeMap;
use store::Store;

/// 2024-05-31T23:50:00Z: ten minutes later another month begins.
const START: i64 = 1_717_199_400_000_000;
const SECOND: i64 = 1_000_000;

/// A reading: device, sensor, seconds since the start, value.
pub(super) type Reading = (&'static str, &'static str, i64, f64);

/// An event: kind, device, seconds since the start.
pub(super) type Noticed = (String, String, i64);

/// A database, a store over it, and an evaluator that a test drives step by step.
struct Setting {
    /// Microseconds of a step, in which the tests count.
    step: i64,
    store: Store,
    evaluator: Evaluator,
    client: deadpool_postgres::Object,
    term: Term,
    outputs: Outputs,
    _database: testutil::Database,
}

impl Setting {
    async fn start() -> Self {
        Self::with_steps_of(SECOND).await
    }

    async fn with_steps_of(step: i64) -> Self {
        let (database, pool) = crate::tests::database().await;
        let settings = Settings {
            lookback: 30 * time::DAY,
            allowed: Allowed::default(),
        };
        let (mut evaluator, outputs) = Evaluator::new(pool.clone(), settings, &mut Registry::default());
        let mut client = pool.get().await.unwrap();
        let Ok(Some(term)) = evaluator.acquire(&mut client).await else {
            panic!("no other notifier has the lease");
        };
        Self {
            step,
            store: Store::new(pool),
            evaluator,
            client,
            term,
            outputs,
            _database: database,
        }
    }

    /// Ticks until there is nothing to do.
    async fn settle(&mut self) {
        loop {
            match self.evaluator.tick(&mut self.client, &mut self.term).await {
                Ok(true) | Err(Ended::Again) => {}
                Ok(false) => return,
                Err(Ended::Lost) => panic!("the lease is lost"),
                Err(Ended::Failed(error)) => panic!("{error:?}"),
            }
        }
    }

    /// Inserts a subscription, and waits until it is in force.
    async fn subscribe(&mut self, columns: &str, values: &str) -> Uuid {
        let insert = format!(
            "INSERT INTO subscription (target_url, {columns}) VALUES ('https://hooks.example.com', {values}) RETURNING id"
        );
        let id = self.client.query_one(&insert, &[]).await.unwrap().get(0);
        // Transactions of other tests, on the same server, are waited for.
        let in_force = "SELECT FROM subscription WHERE id = $1 AND in_force = rule";
        while self.client.query_opt(in_force, &[&id]).await.unwrap().is_none() {
            self.settle().await;
        }
        id
    }

    async fn store(&mut self, readings: &[Reading]) {
        let mut builders: BTreeMap<&str, Builder> = BTreeMap::new();
        for (device, sensor, second, value) in readings {
            let point = Point {
                timestamp: START + second * self.step,
                value: *value,
            };
            assert!(
                builders
                    .entry(device)
                    .or_default()
                    .push(device, sensor, point, |_| true)
            );
        }
        let origin = Origin {
            upload: Uuid::nil(),
            correlation: String::new(),
            traceparent: String::new(),
        };
        let messages: Vec<Message> = builders
            .into_values()
            .map(|mut builder| {
                let payload = join([builder.finish(&origin, None)].iter());
                Message::read(&Uuid::now_v7().to_string(), &payload).unwrap()
            })
            .collect();
        self.store.write(&messages).await.unwrap();
    }

    /// What was noticed, in the order of the queue.
    async fn noticed(&self, id: Uuid) -> Vec<Noticed> {
        let select = "SELECT type, key, (extract(epoch FROM moment) * 1000000)::int8, id FROM delivery
            WHERE subscription = $1 ORDER BY seq";
        let rows = self.client.query(select, &[&id]).await.unwrap();
        let ids: HashSet<Uuid> = rows.iter().map(|row| row.get(3)).collect();
        assert_eq!(ids.len(), rows.len(), "an id comes twice");
        let noticed = rows.iter().map(|row| {
            let kind: String = row.get(0);
            let kind = kind.split('.').nth(2).unwrap().to_owned();
            (kind, row.get(1), (row.get::<_, i64>(2) - START) / self.step)
        });
        noticed.collect()
    }
}

fn event(kind: &str, device: &str, second: i64) -> Noticed {
    (kind.to_owned(), device.to_owned(), second)
}

#[tokio::test]
async fn nothing_that_was_stored_before_is_told() {
    let mut setting = Setting::start().await;
    setting
        .store(&[("lada", "speed", 0, 130.0), ("lada", "speed", 1, 131.0)])
        .await;
    let id = setting.subscribe("filter, fire", "'speed > 120', 'both'").await;
    assert_eq!(setting.noticed(id).await, []);
    // The run that was true then goes on, and ends.
    setting
        .store(&[("lada", "speed", 2, 140.0), ("lada", "speed", 3, 100.0)])
        .await;
    setting.settle().await;
    assert_eq!(setting.noticed(id).await, [event("fall", "lada", 3)]);
}

#[tokio::test]
async fn a_late_reading_cuts_a_run_in_two() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter", "'speed > 120'").await;
    for (second, value) in [(10, 130.0), (5, 130.0), (7, 100.0)] {
        setting.store(&[("lada", "speed", second, value)]).await;
        setting.settle().await;
    }
    let expected = [event("rise", "lada", 10), event("rise", "lada", 5)];
    assert_eq!(setting.noticed(id).await, expected);
}

/// However long a car was parked: its next run begins where it drives again.
#[tokio::test]
async fn a_run_after_a_long_silence_is_told() {
    const DAY: i64 = 24 * 3600;
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter, fire", "'speed > 120', 'both'").await;
    for (second, value) in [(0, 100.0), (200 * DAY, 130.0), (400 * DAY, 140.0), (600 * DAY, 100.0)] {
        setting.store(&[("lada", "speed", second, value)]).await;
        setting.settle().await;
    }
    // Before these, nothing that could be looked at.
    setting.store(&[("lada", "speed", 100 * DAY, 150.0)]).await;
    setting.settle().await;
    let expected = [event("rise", "lada", 200 * DAY), event("fall", "lada", 600 * DAY)];
    assert_eq!(setting.noticed(id).await, expected);
}

#[tokio::test]
async fn a_quiet_device_is_told_once_and_when_it_is_back() {
    let mut setting = Setting::start().await;
    setting.store(&[("old", "speed", 0, 1.0)]).await;
    let id = setting.subscribe("fire, hold", "'quiet', interval '1 hour'").await;
    assert_eq!(setting.noticed(id).await, []);
    // Its readings are of years ago.
    setting.store(&[("lada", "speed", 0, 1.0)]).await;
    setting.evaluator.looked = None;
    setting.settle().await;
    setting.evaluator.looked = None;
    setting.settle().await;
    assert_eq!(setting.noticed(id).await, [event("quiet", "lada", 0)]);
    let now = (time::now() - START) / SECOND;
    let back = ["lada", "old"].map(|device| (device, "speed", now, 1.0));
    setting.store(&back).await;
    setting.evaluator.looked = None;
    setting.settle().await;
    setting.evaluator.looked = None;
    setting.settle().await;
    let expected = [event("quiet", "lada", 0), event("fall", "lada", now)];
    assert_eq!(setting.noticed(id).await, expected);
}

#[tokio::test]
async fn messages_of_a_topic() {
    let mut setting = Setting::start().await;
    let id = setting
        .subscribe("topic, filter", "'t1', 'data.body.x == 1 && data.headers.y == \"z\"'")
        .await;
    store::make_day(&setting.client, "published", time::now())
        .await
        .unwrap();
    for (topic, x) in [("t1", 1), ("t1", 2), ("t2", 1)] {
        let data = serde_json::json!({"body": {"x": x}, "headers": {"y": "z"}});
        let insert = "INSERT INTO published (topic, id, key, data) VALUES ($1, 'mine-' || $2::text, 'lada', $3)";
        setting
            .client
            .execute(insert, &[&topic, &x.to_string(), &data])
            .await
            .unwrap();
    }
    setting.settle().await;
    let rows = setting
        .client
        .query("SELECT subscription, key, data->'body'->>'x' FROM delivery", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    let found: (Uuid, &str, &str) = (rows[0].get(0), rows[0].get(1), rows[0].get(2));
    assert_eq!(found, (id, "lada", "1"));
}

#[tokio::test]
async fn a_replay_sends_again_what_has_ended() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter", "'speed > 120'").await;
    for (second, value) in [(1, 130.0), (2, 100.0), (3, 130.0), (4, 100.0), (5, 130.0)] {
        setting.store(&[("lada", "speed", second, value)]).await;
    }
    setting.settle().await;
    store::make_day(&setting.client, "attempt", time::now()).await.unwrap();
    let ended = "INSERT INTO attempt (subscription, seq, number, try, ms, outcome)
        VALUES ($1, 1, 1, 1, 1, 'delivered'), ($1, 2, 1, 10, 1, 'dead')";
    setting.client.execute(ended, &[&id]).await.unwrap();
    for mode in ["missed", "all"] {
        let insert =
            "INSERT INTO replay (subscription, since, until, mode) VALUES ($1, '2024-01-01', '2025-01-01', $2)";
        setting.client.execute(insert, &[&id, &mode]).await.unwrap();
        setting.evaluator.looked = None;
        setting.settle().await;
    }
    // The third one waits on its own lane.
    let select = "SELECT replayed.seq, first.seq FROM delivery AS replayed JOIN delivery AS first USING (id)
        WHERE replayed.lane = 1 AND first.lane = 0 ORDER BY replayed.seq";
    let rows = setting.client.query(select, &[]).await.unwrap();
    let found: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(found, [(1, 2), (2, 1), (3, 2)]);
    let done = setting
        .client
        .query("SELECT queued FROM replay WHERE state = 'done' ORDER BY at", &[])
        .await
        .unwrap();
    assert_eq!(done.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [1, 2]);
}

/// Also before the notifier before it has noted how far it had come.
#[tokio::test]
async fn the_next_holder_of_the_lease_goes_on_with_the_next_number() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter, fire", "'speed > 120', 'each'").await;
    for second in 0..3 {
        setting.store(&[("lada", "speed", second, 130.0)]).await;
        setting.settle().await;
        setting.evaluator.lose();
        let Ok(Some(term)) = setting.evaluator.acquire(&mut setting.client).await else {
            panic!("no other notifier has the lease");
        };
        setting.term = term;
    }
    let select = "SELECT seq FROM delivery WHERE subscription = $1 ORDER BY seq";
    let rows = setting.client.query(select, &[&id]).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(),
        [1, 2, 3]
    );
}

/// A transaction that takes longer than the lease lasts fails, as does the next one, unless it has less to do.
#[tokio::test]
async fn after_a_failure_less_is_judged_at_once_until_all_is() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter", "'speed > 120'").await;
    let readings: Vec<Reading> = (0..100_000)
        .map(|second| {
            (
                "lada",
                "speed",
                second,
                if second % 20_000 < 10_000 { 100.0 } else { 130.0 },
            )
        })
        .collect();
    setting.store(&readings).await;
    for _ in 0..4 {
        // As if another notifier had taken the lease meanwhile.
        setting.term.number += 1;
        let stepped = setting
            .evaluator
            .step(&mut setting.client, &mut setting.term, false)
            .await;
        assert!(matches!(stepped, Err(Ended::Lost)));
        setting.term.number -= 1;
    }
    assert_eq!(setting.evaluator.portion, Portion::least());
    let stepped = setting
        .evaluator
        .step(&mut setting.client, &mut setting.term, false)
        .await;
    assert!(stepped.is_ok());
    let rest = "SELECT jsonb_array_length(rest) FROM evaluator";
    let rest: i32 = setting.client.query_one(rest, &[]).await.unwrap().get(0);
    assert_eq!(rest, 1);
    setting.settle().await;
    let rises = [10_000, 30_000, 50_000, 70_000, 90_000].map(|second| event("rise", "lada", second));
    assert_eq!(setting.noticed(id).await, rises);
}

/// What the table of told moments holds is not told again, though the evaluator does not remember it.
#[tokio::test]
async fn the_table_decides_what_was_told() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter, fire", "'speed > 120', 'each'").await;
    setting.store(&[("lada", "speed", 0, 130.0)]).await;
    setting.settle().await;
    // From here on it goes on from what it remembers.
    setting.store(&[("lada", "speed", 60, 100.0)]).await;
    setting.settle().await;
    let insert = "INSERT INTO told (subscription, device, kind, moment)
        SELECT subscription, device, kind, moment + interval '100 s' FROM told WHERE subscription = $1";
    assert_eq!(setting.client.execute(insert, &[&id]).await.unwrap(), 1);
    setting
        .store(&[("lada", "speed", 100, 130.0), ("lada", "speed", 120, 130.0)])
        .await;
    setting.settle().await;
    assert_eq!(
        setting.noticed(id).await,
        [event("each", "lada", 0), event("each", "lada", 120)]
    );
}

/// What the rules of the random tests are. A second stands for a step.
const RULES: [(&str, &str); 12] = [
    ("filter", "'a > 5.0'"),
    ("filter, fire", "'a > 5.0', 'both'"),
    ("filter, fire, hold", "'a > 5.0', 'both', interval '4 s'"),
    ("filter, hold, silence", "'a > 5.0', interval '4 s', interval '2 s'"),
    (
        "filter, fire, tolerance",
        "'a > 5.0 && b < 5.0', 'both', interval '3 s'",
    ),
    ("filter, clear, fire", "'a > 7.0', 'a < 3.0', 'both'"),
    ("filter, fire", "'int(a / 4.0)', 'change'"),
    ("filter, fire", "'a > 8.0', 'each'"),
    ("filter, every", "'a > 5.0', interval '7 s'"),
    ("filter, fire", "'near(45.0,13.0,1000.0)', 'both'"),
    (
        "filter, fire, tolerance",
        "'near(45.0,13.0,1000.0)', 'both', interval '3 s'",
    ),
    (
        "filter, fire, tolerance",
        "'near(45.0,13.0,1000.0) && a > 5.0', 'both', interval '2 s'",
    ),
];

/// Readings of two sensors and of places, each at most once at a time, in some order, in batches.
fn arrivals(seed: u64) -> Vec<Vec<Reading>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut readings: Vec<Reading> = Vec::new();
    for second in 0..40 {
        for sensor in ["a", "b"] {
            if random.u8(..4) > 0 {
                readings.push(("lada", sensor, second, f64::from(random.u8(..10))));
            }
        }
        for (sensor, degrees) in [(LATITUDE, 45.0), (LONGITUDE, 13.0)] {
            if random.u8(..3) == 0 {
                let degrees = [degrees, degrees, degrees, degrees + 1.0, 0.0][random.usize(..5)];
                readings.push(("lada", sensor, second, degrees));
            }
        }
    }
    if !seed.is_multiple_of(3) {
        random.shuffle(&mut readings);
    }
    let mut batches: Vec<Vec<Reading>> = Vec::new();
    while !readings.is_empty() {
        let size = random.usize(1..=8).min(readings.len());
        batches.push(readings.drain(..size).collect());
    }
    batches
}

/// After each arrival, the new events are those of the plain computation over what is stored then.
async fn as_plain(seeds: std::ops::Range<u64>, step: i64) {
    for seed in seeds {
        let mut setting = Setting::with_steps_of(step).await;
        if seed.is_multiple_of(2) {
            setting.evaluator.portion = Portion::of_one_piece();
        }
        let mut rules = Vec::new();
        for (columns, values) in RULES {
            let (columns_, values_) = in_steps(columns, values, step);
            let id = setting.subscribe(&columns_, &values_).await;
            rules.push((id, Episodes::of(columns, values), Vec::<Noticed>::new()));
        }
        let mut stored = BTreeMap::new();
        for batch in arrivals(seed) {
            setting.store(&batch).await;
            for (_, sensor, second, value) in &batch {
                stored.insert((*sensor, *second), *value);
            }
            setting.settle().await;
            for (id, episodes, expected) in &mut rules {
                let touched = batch.iter().map(|(_, sensor, second, _)| (*sensor, *second));
                expected.extend(episodes.after(&stored, &touched.collect::<Vec<_>>()));
                let noticed = setting.noticed(*id).await;
                assert_eq!(noticed, *expected, "seed {seed}, {episodes:?}, after {batch:?}");
            }
        }
        for (_, episodes, _) in &rules {
            episodes.every_episode_is_told(&stored);
        }
    }
}

/// The columns and values of a rule whose seconds are steps.
fn in_steps(columns: &str, values: &str, step: i64) -> (String, String) {
    let (mut columns, mut values) = (columns.to_owned(), values.to_owned());
    for (column, seconds) in [("tolerance", 10), ("silence", 60)] {
        if !columns.contains(column) {
            columns += &format!(", {column}");
            values += &format!(", interval '{seconds} s'");
        }
    }
    let mut parts = values.split("interval '");
    let mut scaled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (seconds, rest) = part.split_once(" s'").unwrap();
        let seconds: i64 = seconds.parse().unwrap();
        scaled += &format!("interval '{} s'{rest}", seconds * step / SECOND);
    }
    (columns, scaled)
}

/// More of them: `SEEDS=1000 cargo nextest run -p subscription`.
fn seeds() -> u64 {
    std::env::var("SEEDS").map_or(8, |seeds| seeds.parse().unwrap())
}

#[tokio::test]
async fn dense_readings_are_judged_as_by_a_plain_computation() {
    as_plain(0..seeds(), SECOND).await;
}

/// Steps of hours: windows have to grow until they decide.
#[tokio::test]
async fn sparse_readings_are_judged_as_by_a_plain_computation() {
    as_plain(1000..1000 + seeds(), 5 * 3600 * SECOND).await;
}
