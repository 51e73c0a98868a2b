//! Receipts stay exact, however often messages come and with which others.

use super::{DeadLetter, Look, Store, Stored, receipts};
use bytes::Bytes;
use futures_util::future::join_all;
use reading::message::Message;
use reading::segment::{Builder, Origin, UploadTotals, join};
use reading::{Point, time};
use std::time::Duration;
use uuid::Uuid;

struct Setting {
    pool: ::postgres::Pool,
    _database: testutil::Database,
}

/// Persisted, duplicates, conflicts, failed, accepted and rejected, summed over the rows of an upload.
type Sums = (i64, i64, i64, i64, Option<i64>, Option<i64>);

impl Setting {
    async fn start() -> Self {
        let database = testutil::database().await;
        let pool = ::postgres::open(&database.url(), 8, Duration::from_secs(30)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        Self {
            pool,
            _database: database,
        }
    }

    async fn sums(&self, upload: Uuid) -> Sums {
        let client = self.pool.get().await.unwrap();
        let row = client
            .query_one(
                "SELECT coalesce(sum(persisted), 0)::int8, coalesce(sum(duplicates), 0)::int8, coalesce(sum(conflicts), 0)::int8,
                        coalesce(sum(failed), 0)::int8, max(accepted), max(rejected)
                 FROM receipt WHERE upload = $1",
                &[&upload],
            )
            .await
            .unwrap();
        (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5))
    }

    async fn rows(&self, count: i64) {
        let client = self.pool.get().await.unwrap();
        let found: i64 = client
            .query_one("SELECT count(*) FROM reading", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(found, count);
    }
}

/// Readings (moment, value) of one upload.
fn segment(upload: Uuid, readings: &[(i64, f64)], totals: Option<UploadTotals>) -> Bytes {
    let mut builder = Builder::default();
    for (timestamp, value) in readings {
        let (timestamp, value) = (*timestamp, *value);
        builder.push("lada", "speed", Point { timestamp, value }, |_| true);
    }
    let origin = Origin {
        upload,
        correlation: String::new(),
        traceparent: String::new(),
    };
    builder.finish(&origin, totals)
}

fn message(segments: &[Bytes]) -> Message {
    Message::read(&Uuid::now_v7().to_string(), &join(segments.iter())).unwrap()
}

/// Makes a dead letter of a message.
async fn fail(store: &Store, message: &Message) {
    let letter = DeadLetter {
        id: message.id.to_string(),
        ..DeadLetter::default()
    };
    store.store_refused(message, &letter).await.unwrap();
}

fn totals(accepted: u64, rejected: u64) -> Option<UploadTotals> {
    Some(UploadTotals { accepted, rejected })
}

#[tokio::test]
async fn a_message_that_comes_again_is_not_counted_twice() {
    let setting = Setting::start().await;
    let store = Store::new(setting.pool.clone());
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let first = message(&[segment(one, &[(1, 1.0), (2, 1.0)], None)]);
    let stored = store.write(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(stored.persisted, 2);
    // Again: beside new messages, through a store that remembers nothing, and twice in a batch.
    let second = message(&[
        segment(one, &[(2, 1.0), (3, 1.0)], totals(4, 1)),
        segment(other, &[(3, 1.0), (1, 9.0), (4, 1.0)], totals(3, 0)),
    ]);
    let store = Store::new(setting.pool.clone());
    let stored = store
        .write(&[first.clone(), second.clone(), first.clone(), second.clone()])
        .await
        .unwrap();
    let expected = Stored {
        persisted: 2,
        duplicates: 2,
        conflicts: 1,
    };
    assert_eq!(stored, expected);
    assert_eq!(store.write(&[second, first]).await.unwrap(), Stored::default());
    assert_eq!(setting.sums(one).await, (3, 1, 0, 0, Some(4), Some(1)));
    assert_eq!(setting.sums(other).await, (1, 1, 1, 0, Some(3), Some(0)));
    setting.rows(4).await;
}

/// Two persistors get the same messages at the same time.
#[tokio::test]
async fn persistors_side_by_side_count_a_message_once() {
    let setting = Setting::start().await;
    for round in 0..20_i64 {
        let uploads: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
        let messages: Vec<Message> = (0..8)
            .map(|number| {
                let readings: Vec<(i64, f64)> = (0..50).map(|at| (round * 1000 + number * 40 + at, 0.0)).collect();
                let upload = uploads[usize::try_from(number % 4).unwrap()];
                message(&[segment(
                    upload,
                    &readings,
                    (number >= 4).then_some(UploadTotals {
                        accepted: 100,
                        rejected: 0,
                    }),
                )])
            })
            .collect();
        let writers = (0..3).map(|writer| {
            let (pool, mut mine) = (setting.pool.clone(), messages.clone());
            mine.rotate_left(writer * 3);
            async move {
                let store = Store::new(pool);
                for batch in mine.chunks(3) {
                    store.write(batch).await.unwrap();
                }
            }
        });
        join_all(writers).await;
        let mut persisted = 0;
        for upload in uploads {
            let sums = setting.sums(upload).await;
            assert_eq!(sums.0 + sums.1, 100, "{sums:?}");
            assert_eq!((sums.2, sums.3, sums.4), (0, 0, Some(100)));
            persisted += sums.0;
        }
        // Each message overlaps its neighbours by ten readings.
        assert_eq!(persisted, 8 * 50 - 7 * 10);
    }
}

#[tokio::test]
async fn what_failed_is_counted_until_it_is_mended() {
    let setting = Setting::start().await;
    let store = Store::new(setting.pool.clone());
    let upload = Uuid::now_v7();
    let bad = message(&[segment(upload, &[(1, 1.0), (2, 1.0)], totals(2, 0))]);
    fail(&store, &bad).await;
    fail(&store, &bad).await;
    assert_eq!(setting.sums(upload).await, (0, 0, 0, 2, Some(2), Some(0)));
    assert_eq!(store.write(std::slice::from_ref(&bad)).await.unwrap().persisted, 2);
    assert_eq!(setting.sums(upload).await, (2, 0, 0, 0, Some(2), Some(0)));
    // Too late to fail.
    fail(&store, &bad).await;
    assert_eq!(setting.sums(upload).await, (2, 0, 0, 0, Some(2), Some(0)));
}

/// A message may bring nothing of an upload but its totals: that row never fails.
#[tokio::test]
async fn what_failed_beside_totals_alone_is_mended() {
    let setting = Setting::start().await;
    let store = Store::new(setting.pool.clone());
    let (large, small) = (Uuid::now_v7(), Uuid::now_v7());
    let bad = message(&[
        segment(large, &[], totals(0, 3)),
        segment(small, &[(1, 1.0), (2, 1.0)], totals(2, 0)),
    ]);
    fail(&store, &bad).await;
    assert_eq!(store.write(std::slice::from_ref(&bad)).await.unwrap().persisted, 2);
    assert_eq!(setting.sums(small).await, (2, 0, 0, 0, Some(2), Some(0)));
    assert_eq!(setting.sums(large).await, (0, 0, 0, 0, Some(0), Some(3)));
    // And once more, when it is known.
    assert_eq!(store.write(&[bad]).await.unwrap(), Stored::default());
    setting.rows(2).await;
}

#[tokio::test]
async fn a_history_is_stored_again_and_its_receipts_stay() {
    let setting = Setting::start().await;
    let upload = Uuid::now_v7();
    let all = [message(&[segment(upload, &[(1, 1.0), (2, 1.0)], totals(2, 0))])];
    Store::new(setting.pool.clone()).write(&all).await.unwrap();
    let client = setting.pool.get().await.unwrap();
    client.batch_execute("DELETE FROM reading").await.unwrap();
    let stored = Store::of_history(setting.pool.clone()).write(&all).await.unwrap();
    assert_eq!(stored.persisted, 2);
    assert_eq!(setting.sums(upload).await, (2, 0, 0, 0, Some(2), Some(0)));
    setting.rows(2).await;
    // Except for a message that failed when it came first.
    let unlucky = Uuid::now_v7();
    let bad = [message(&[segment(unlucky, &[(3, 1.0)], totals(1, 0))])];
    fail(&Store::new(setting.pool.clone()), &bad[0]).await;
    Store::of_history(setting.pool.clone()).write(&bad).await.unwrap();
    assert_eq!(setting.sums(unlucky).await, (1, 0, 0, 0, Some(1), Some(0)));
    setting.rows(3).await;
    // Beside another message of its upload that did not fail, in either order.
    for first in 0..2 {
        let upload = Uuid::now_v7();
        let at = 10 + 10 * first;
        let mut both = vec![
            message(&[segment(upload, &[(at, 1.0)], None)]),
            message(&[segment(upload, &[(at + 1, 1.0), (at + 2, 1.0)], totals(3, 0))]),
        ];
        let store = Store::new(setting.pool.clone());
        store.write(&both[..1]).await.unwrap();
        fail(&store, &both[1]).await;
        both.rotate_left(usize::try_from(first).unwrap());
        Store::of_history(setting.pool.clone()).write(&both).await.unwrap();
        assert_eq!(setting.sums(upload).await, (3, 0, 0, 0, Some(3), Some(0)));
    }
}

/// A redriven message is in the history twice.
#[tokio::test]
async fn a_history_may_hold_a_message_twice() {
    let setting = Setting::start().await;
    let upload = Uuid::now_v7();
    let one = message(&[segment(upload, &[(1, 1.0), (2, 1.0)], totals(2, 0))]);
    let history = Store::of_history(setting.pool.clone());
    history.write(&[one.clone(), one]).await.unwrap();
    assert_eq!(setting.sums(upload).await, (2, 0, 0, 0, Some(2), Some(0)));
    setting.rows(2).await;
}

#[tokio::test]
async fn receipts_are_kept_for_a_week_and_go_by_the_day() {
    let setting = Setting::start().await;
    let client = setting.pool.get().await.unwrap();
    let at = |days: i64| {
        let milliseconds = u128::try_from((time::now() - days * time::DAY) / 1000).unwrap();
        Uuid::from_u128(milliseconds << 80 | 0x7000 << 64 | 0x8000 << 48)
    };
    // Partitions of long ago and of days that still count.
    for days in [30, 9, 8, 7, 1] {
        let from = Uuid::from_u128(at(days).as_u128() >> 80 << 80);
        let (year, month, day) = time::civil_from_days(time::now().div_euclid(time::DAY) - days);
        let name = format!("receipt_{year:04}_{month:02}_{day:02}");
        let to = Uuid::from_u128(from.as_u128() + (1 << 80));
        client
            .batch_execute(&format!(
                "CREATE TABLE {name} PARTITION OF receipt FOR VALUES FROM ('{from}') TO ('{to}')"
            ))
            .await
            .unwrap();
    }
    let store = Store::new(setting.pool.clone());
    let (old, new) = (at(8), at(0));
    let both = message(&[
        segment(old, &[(1, 1.0)], totals(1, 0)),
        segment(new, &[(2, 1.0)], totals(1, 0)),
    ]);
    store.write(&[both]).await.unwrap();
    assert_eq!(setting.sums(old).await, (0, 0, 0, 0, None, None), "its time is over");
    assert_eq!(setting.sums(new).await, (1, 0, 0, 0, Some(1), Some(0)));
    setting.rows(2).await;
    let mut other = setting.pool.get().await.unwrap();
    let mut kept = async |look: Option<Look>| {
        if let Some(look) = look {
            receipts::drop_old(&mut other, look).await.unwrap();
        }
        let kept = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'receipt'::regclass";
        client.query_one(kept, &[]).await.unwrap().get::<_, i64>(0)
    };
    let look = |process, days: i64| {
        Some(Look {
            at: time::now() + days * time::DAY,
            process: Uuid::from_u128(process),
            running: 0,
        })
    };
    assert_eq!(kept(None).await, 6, "no look a day earlier found any of them too old");
    // Today's, yesterday's, and that of seven days ago. A clock that is ahead, and right again, drops only
    // what was too old at the look before.
    for (process, days) in [(1, 400), (1, 0), (2, 401), (2, 0)] {
        assert_eq!(kept(look(process, days)).await, 3, "day {days}");
    }
    assert_eq!(kept(look(3, 1)).await, 3);
    assert_eq!(kept(look(4, 2)).await, 2, "a day after it was too old");
}
