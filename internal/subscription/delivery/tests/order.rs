//! Order, parallelism and fairness.

use super::endpoint::{Endpoint, Say};
use super::fixture::{Fixture, LONG};
use crate::delivery::Limits;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testutil::poll;

#[tokio::test]
async fn deliveries_of_a_key_come_in_order() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|count, _| Say::Status(if count % 7 == 3 { 503 } else { 200 })).await;
    let hot = fixture
        .subscribe(
            "hot",
            &endpoint.url,
            &[("retries", "array_fill(interval '50 ms', ARRAY[9])")],
        )
        .await;
    fixture.deliver(hot, 0, (1, 200), "'key-' || n % 5").await;
    let _running = fixture.run(1).await;
    fixture.until("delivered", 200).await;
    let mut keys: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for seen in endpoint.seen() {
        let key = seen.json()["data"]["device"].as_str().unwrap().to_owned();
        keys.entry(key).or_default().push(seen.seq());
    }
    for (key, mut seqs) in keys {
        assert!(seqs.is_sorted(), "{key}: {seqs:?}");
        seqs.dedup();
        assert_eq!(seqs.len(), 40, "{key}");
    }
    assert!(fixture.count("retry").await > 0);
}

#[tokio::test]
async fn parallel_requests_grow_to_the_limit() {
    let fixture = Fixture::new().await;
    // The first ones are answered at once; the rest has to wait, so that they add up.
    let endpoint = Endpoint::new(|count, _| if count < 100 { Say::Status(200) } else { Say::Hang }).await;
    let hot = fixture.subscribe("hot", &endpoint.url, &[("parallel", "8")]).await;
    fixture.deliver(hot, 0, (1, 200), "NULL::text").await;
    let _running = fixture.run(1).await;
    poll(LONG, || async { (endpoint.at_once() == 8).then_some(()) }).await;
    endpoint.open();
    fixture.until("delivered", 200).await;
    assert_eq!(endpoint.most_at_once(), 8);
}

#[tokio::test]
async fn a_hanging_endpoint_delays_no_other() {
    let fixture = Fixture::new().await;
    let hanging = Endpoint::new(|_, _| Say::Hang).await;
    let good = Endpoint::new(|_, _| Say::Status(200)).await;
    for number in 0..5 {
        let hangs = fixture.subscribe(&format!("hangs-{number}"), &hanging.url, &[]).await;
        fixture.deliver(hangs, 0, (1, 100), "NULL::text").await;
    }
    for number in 0..10 {
        let works = fixture.subscribe(&format!("works-{number}"), &good.url, &[]).await;
        fixture.deliver(works, 0, (1, 30), "NULL::text").await;
    }
    let limits = Limits {
        max_in_flight: 8,
        loaded: 200,
        ..Limits::default()
    };
    let _running = fixture.run_with(1, limits).await;
    fixture.until("delivered", 300).await;
    // Each hanging one has its one request, and no more.
    assert_eq!((hanging.at_once(), hanging.seen().len()), (5, 5));
}

/// Endpoints that hang all of a sudden, with many requests on their way, leave room for the others.
#[tokio::test]
async fn busy_endpoints_that_hang_delay_no_other() {
    let fixture = Fixture::new().await;
    let busy = Endpoint::new(|count, _| if count < 200 { Say::Status(200) } else { Say::Hang }).await;
    let good = Endpoint::new(|_, _| Say::Status(200)).await;
    let columns = [("parallel", "16"), ("timeout", "interval '60 s'")];
    for number in 0..4 {
        let hangs = fixture.subscribe(&format!("hangs-{number}"), &busy.url, &columns).await;
        fixture.deliver(hangs, 0, (1, 200), "NULL::text").await;
    }
    let works = fixture.subscribe("works", &good.url, &[]).await;
    let limits = Limits {
        max_in_flight: 16,
        ..Limits::default()
    };
    let running = fixture.run_with(1, limits).await;
    poll(LONG, || async { (busy.at_once() >= 14).then_some(()) }).await;
    fixture.deliver(works, 0, (1, 30), "NULL::text").await;
    running.wake();
    poll(LONG, || async { (good.seen().len() == 30).then_some(()) }).await;
    // None of the others had to end for that.
    assert!(busy.at_once() >= 14 && fixture.count("retry").await == 0);
}

/// A key whose deliveries fail has far more of them than there is room for.
#[tokio::test]
async fn a_failing_key_delays_no_other() {
    let fixture = Fixture::new().await;
    let good = Arc::new(AtomicBool::new(false));
    let is_good = good.clone();
    let endpoint = Endpoint::new(move |_, seen| {
        let is_bad = seen.json()["data"]["device"] == "bad" && !is_good.load(Ordering::Relaxed);
        Say::Status(if is_bad { 503 } else { 200 })
    })
    .await;
    let retries = ("retries", "array_fill(interval '50 ms', ARRAY[9999])");
    let hot = fixture.subscribe("hot", &endpoint.url, &[retries]).await;
    fixture.deliver(hot, 0, (1, 1000), "'bad'").await;
    fixture.deliver(hot, 0, (1001, 1200), "'good-' || n % 3").await;
    fixture.deliver(hot, 0, (1201, 1300), "'bad'").await;
    let limits = Limits {
        loaded_each: 100,
        ..Limits::default()
    };
    let running = fixture.run_with(1, limits).await;
    fixture.until("delivered", 200).await;
    assert!(
        endpoint
            .seqs()
            .iter()
            .all(|seq| *seq == 1 || (1001..=1200).contains(seq))
    );
    // More come meanwhile, of both.
    fixture
        .deliver(hot, 0, (1301, 1500), "CASE WHEN n % 2 = 0 THEN 'bad' ELSE 'good-0' END")
        .await;
    running.wake();
    fixture.until("delivered", 300).await;
    good.store(true, Ordering::Relaxed);
    fixture.until("delivered", 1500).await;
    let mut seqs = endpoint.seqs();
    let bad: Vec<i64> = seqs.iter().copied().filter(|seq| *seq != 1).collect();
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs, (1..=1500).collect::<Vec<i64>>());
    assert_eq!(bad.len(), 1499, "none but the first was sent again");
    poll(LONG, || async {
        let rows = fixture
            .query("SELECT FROM progress WHERE lane = 0 AND upto = 1500")
            .await;
        (!rows.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn live_deliveries_come_before_replays() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|_, _| Say::Status(200)).await;
    let hot = fixture.subscribe("hot", &endpoint.url, &[("parallel", "1")]).await;
    fixture.deliver(hot, 1, (1001, 1050), "'lada'").await;
    fixture.deliver(hot, 0, (1, 50), "'lada'").await;
    let _running = fixture.run(1).await;
    fixture.until("delivered", 100).await;
    let seqs = endpoint.seqs();
    assert!(seqs.is_sorted(), "{seqs:?}");
    poll(LONG, || async {
        let rows = fixture
            .query("SELECT FROM progress WHERE (lane, upto) IN ((0, 50), (1, 1050))")
            .await;
        (rows.len() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_long_queue_is_read_in_parts() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|_, _| Say::Status(200)).await;
    let hot = fixture.subscribe("hot", &endpoint.url, &[("parallel", "64")]).await;
    fixture.deliver(hot, 0, (1, 10_000), "'key-' || n % 50").await;
    let limits = Limits {
        loaded: 100,
        bytes: 4_000,
        ..Limits::default()
    };
    let running = fixture.run_with(1, limits).await;
    let most = poll(LONG, || async {
        let most = running.metrics.most_loaded();
        (fixture.count("delivered").await == 10_000).then_some(most)
    })
    .await;
    assert!((1..=100).contains(&most), "{most}");
    let mut seqs = endpoint.seqs();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=10_000).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_rate_is_kept() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::new(|_, _| Say::Status(200)).await;
    let hot = fixture.subscribe("hot", &endpoint.url, &[("rate", "20")]).await;
    fixture.deliver(hot, 0, (1, 20), "NULL::text").await;
    let begun = std::time::Instant::now();
    let _running = fixture.run(1).await;
    fixture.until("delivered", 20).await;
    // 19 pauses of 50 ms: never less, whatever the machine is doing.
    assert!(begun.elapsed().as_millis() >= 950, "{:?}", begun.elapsed());
}
