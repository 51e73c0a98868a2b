//! The lease, while its holder works for long.

use super::*;

/// Waits until so many connections wait for locks.
async fn until_waiting(watcher: &Client, expected: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    testutil::poll(Duration::from_secs(60), async || {
        let row = watcher.query_one(waiting, &[]).await.unwrap();
        (row.get::<_, i64>(0) == expected).then_some(())
    })
    .await;
}

/// Others do not take a lease whose time is over while a transaction of its holder goes on.
#[tokio::test]
async fn a_long_transaction_keeps_the_lease() {
    let mut setting = Setting::start().await;
    setting.settle().await;
    let pool = setting.evaluator.pool.clone();
    let settings = Settings {
        lookback: time::DAY,
        allowed: Allowed::default(),
    };
    let (mut other, _outputs) = Evaluator::new(pool.clone(), settings, &mut Registry::default());
    let over = "UPDATE evaluator SET until = '-infinity'";
    setting.client.execute(over, &[]).await.unwrap();
    let (blocker, watcher) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    let mut client = pool.get().await.unwrap();
    let block = "BEGIN; LOCK TABLE change IN ACCESS EXCLUSIVE MODE";
    blocker.batch_execute(block).await.unwrap();
    let (stepped, taken) = tokio::join!(
        setting.evaluator.step(&mut setting.client, &mut setting.term, false),
        async {
            until_waiting(&watcher, 1).await;
            let (taken, ()) = tokio::join!(other.acquire(&mut client), async {
                until_waiting(&watcher, 2).await;
                blocker.batch_execute("COMMIT").await.unwrap();
            });
            taken
        }
    );
    assert!(stepped.is_ok());
    assert!(matches!(taken, Ok(None)));
}

/// While a rule comes into force for many devices, which is one transaction, deliveries go on.
#[tokio::test]
async fn the_lease_is_relied_upon_while_a_rule_comes_into_force() {
    let mut setting = Setting::start().await;
    let readings = ["lada", "niva"].map(|device| (device, "speed", 0, 130.0));
    setting.store(&readings).await;
    let known = setting.subscribe("filter", "'speed > 120'").await;
    let pool = setting.evaluator.pool.clone();
    let (blocker, watcher) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    let insert = "INSERT INTO subscription (target_url, filter) VALUES ('https://hooks.example.com', 'speed > 100')
        RETURNING id";
    let new: Uuid = setting.client.query_one(insert, &[]).await.unwrap().get(0);
    let read = setting.evaluator.read_rules(&mut setting.client, &setting.term).await;
    assert!(read.is_ok());
    // The last moment of the second device is being written by another transaction, so the evaluator waits for it.
    blocker.batch_execute("BEGIN").await.unwrap();
    let block = "INSERT INTO told (subscription, device, kind, moment, silent)
        SELECT $2, device, kind, moment, silent FROM told WHERE subscription = $1 AND device = 'niva'";
    assert_eq!(blocker.execute(block, &[&known, &new]).await.unwrap(), 1);
    let over = Instant::now();
    setting.term.until = over;
    let term = setting.outputs.term.clone();
    let (stepped, ()) = tokio::join!(
        setting.evaluator.step(&mut setting.client, &mut setting.term, true),
        async {
            until_waiting(&watcher, 1).await;
            assert!(term.borrow().is_some_and(|term| term.until > over));
            blocker.batch_execute("ROLLBACK").await.unwrap();
        }
    );
    assert!(stepped.is_ok());
    let in_force = "SELECT FROM subscription WHERE id = $1 AND in_force = rule";
    assert!(setting.client.query_opt(in_force, &[&new]).await.unwrap().is_some());
}
