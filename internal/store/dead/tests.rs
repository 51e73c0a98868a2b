use super::*;
use crate::{InvalidLine, Look, Store};
use reading::message::Message;
use reading::time;
use std::time::Duration;
use uuid::Uuid;

struct Setting {
    pool: Pool,
    store: Store,
    _database: testutil::Database,
}

impl Setting {
    async fn start() -> Self {
        Self::over(testutil::database().await).await
    }

    async fn over(database: testutil::Database) -> Self {
        let pool = ::postgres::open(&database.url(), 8, Duration::from_secs(30)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        Self {
            store: Store::new(pool.clone()),
            pool,
            _database: database,
        }
    }

    async fn store(&self, letters: &[DeadLetter]) -> u64 {
        self.store.store_dead_letters(letters, &[]).await.unwrap()
    }

    async fn all(&self) -> Vec<StoredLetter> {
        let (mut all, mut number) = (Vec::new(), 0);
        while let Some(kept) = after(&self.pool, number).await.unwrap() {
            number = kept.number;
            all.push(kept);
        }
        all
    }

    /// Id and mark of all letters.
    async fn ids(&self) -> Vec<String> {
        let shown = |kept: &StoredLetter| format!("{} {}", kept.letter.id, kept.letter.mark).trim().to_owned();
        self.all().await.iter().map(shown).collect()
    }

    async fn count(&self, what: &str) -> i64 {
        let client = self.pool.get().await.unwrap();
        let count = format!("SELECT count(*) FROM {what}");
        client.query_one(&count, &[]).await.unwrap().get(0)
    }
}

fn letter(id: &str, mark: &str) -> DeadLetter {
    DeadLetter {
        id: id.into(),
        mark: mark.into(),
        kind: "test".into(),
        source: "/test".into(),
        payload: "x".into(),
        reason: "why".into(),
        ..DeadLetter::default()
    }
}

fn lines(number: usize, bytes: usize) -> DeadLetter {
    DeadLetter {
        kind: rejected::KIND.into(),
        payload: vec![b'x'; bytes].into(),
        ..letter(&format!("lines {number}"), "")
    }
}

/// A dead letter stored while the clocks were behind is as young as the last look at the clock.
#[tokio::test]
async fn a_letters_age_counts_from_a_plausible_moment() {
    let setting = Setting::start().await;
    let look = Look {
        at: time::now() + 100 * time::DAY,
        ..Look::now()
    };
    look.remember(&setting.pool.get().await.unwrap()).await.unwrap();
    setting.store(&[letter("1", "")]).await;
    let told = DeadLetter {
        since: Some(1_700_000_000_000_000),
        ..letter("2", "")
    };
    setting.store(&[told]).await;
    let all = setting.all().await;
    assert_eq!([all[0].since, all[1].since], [look.at, 1_700_000_000_000_000]);
    assert_eq!(setting.store.forget_dead_letters(look.at).await.unwrap(), 1);
    assert!(delete(&setting.pool, all[0].number).await.unwrap());
    assert_eq!(setting.count("dead_letter_gone").await, 1);
    assert_eq!(setting.store.forget_dead_letters(look.at).await.unwrap(), 0);
    assert_eq!(setting.count("dead_letter_gone").await, 1);
    assert_eq!(setting.store.forget_dead_letters(look.at + 1).await.unwrap(), 0);
    assert_eq!(setting.count("dead_letter_gone").await, 0, "ids go by their age, too");
}

#[tokio::test]
async fn every_encoding_keeps_a_letter_as_it_came() {
    for encoding in ["UTF8", "LATIN1", "SQL_ASCII"] {
        let setting = Setting::over(testutil::database_in(encoding).await).await;
        let all: String = (0..0x300).filter_map(char::from_u32).collect();
        let texts = ["", "plain", "50%, 100%25 and \\041", "nul \0, €, 速度, 🚗", &all];
        for (number, text) in (1..).zip(texts) {
            let header = text.replace(['\n', '\r'], " ");
            let mut letter = DeadLetter {
                id: format!("{number} {}", text.chars().take(100).collect::<String>()),
                mark: text.chars().take(40).collect(),
                kind: text.to_owned(),
                source: text.to_owned(),
                payload: [text.as_bytes(), b"\0\xff"].concat().into(),
                cut_from: Some(7),
                lane: Some("bulk".into()),
                headers: vec![("Who".into(), header.clone()), ("who".into(), format!("{header}: x"))],
                reason: format!("{text}!"),
                since: None,
            };
            for stored in [1, 0] {
                assert_eq!(setting.store(std::slice::from_ref(&letter)).await, stored);
            }
            let number = newest(&setting.pool).await.unwrap();
            let kept = after(&setting.pool, number - 1).await.unwrap().unwrap();
            letter.since = Some(kept.since);
            assert_eq!(kept.letter, letter, "{encoding}");
        }
        assert_eq!(setting.count("dead_letter").await, texts.len() as i64, "{encoding}");
    }
}

/// A dropped dead letter stays dropped, however its event comes again. A redriven one that is refused again
/// is a dead letter again.
#[tokio::test]
async fn a_letter_that_was_dropped_does_not_come_back() {
    let setting = Setting::start().await;
    let both = [letter("b", ""), letter("a", ""), letter("b", "")];
    assert_eq!(setting.store(&both).await, 2);
    assert_eq!(setting.store(&both).await, 0);
    assert_eq!(setting.ids().await, ["a", "b"], "in order of their ids");
    let number = newest(&setting.pool).await.unwrap();
    assert!(delete(&setting.pool, number).await.unwrap());
    assert!(!delete(&setting.pool, number).await.unwrap());
    assert_eq!(setting.store(&both).await, 0);
    assert_eq!(setting.ids().await, ["a"]);

    // Redriven and refused before the dead letter is dropped: it has another number then.
    let before = setting.all().await[0].number;
    assert_eq!(setting.store(&[letter("a", "17")]).await, 1);
    assert!(!delete(&setting.pool, before).await.unwrap());
    // And afterwards.
    assert_eq!(setting.store(&[letter("b", "18"), letter("a", "")]).await, 1);
    assert_eq!(setting.ids().await, ["a 17", "b 18"]);
    // The first copy, and one that was redriven and dropped: neither comes back.
    let number = setting.all().await[0].number;
    assert!(delete(&setting.pool, number).await.unwrap());
    assert_eq!(setting.store(&[letter("a", "17"), letter("a", "")]).await, 0);
    // Of two copies together the last one stays.
    assert_eq!(
        setting
            .store(&[letter("a", "19"), letter("c", ""), letter("a", "20")])
            .await,
        3
    );
    assert_eq!(setting.ids().await, ["b 18", "c", "a 20"]);
    assert_eq!(setting.store(&[letter("a", "19")]).await, 0);
}

/// A dead letter that is stored while another transaction drops it is gone afterwards.
#[tokio::test]
async fn who_drops_a_letter_is_not_overtaken() {
    let setting = Setting::start().await;
    setting.store(&[letter("a", "")]).await;
    let mut client = setting.pool.get().await.unwrap();
    let dropping = client.transaction().await.unwrap();
    let purge = "WITH dropped AS (DELETE FROM dead_letter RETURNING event_id, mark)
        INSERT INTO dead_letter_gone SELECT event_id, mark, now() FROM dropped";
    dropping.execute(purge, &[]).await.unwrap();
    let letters = [letter("a", ""), letter("b", "")];
    let storing = setting.store.store_dead_letters(&letters, &[]);
    let commit = async {
        testutil::poll(Duration::from_secs(60), async || {
            let waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            (setting.count(waiting).await > 0).then_some(())
        })
        .await;
        dropping.commit().await.unwrap();
    };
    let (stored, ()) = tokio::join!(storing, commit);
    assert_eq!(stored.unwrap(), 1);
    assert_eq!(setting.ids().await, ["b"]);
}

/// The oldest lines go, as many as are too much; messages never do.
#[tokio::test]
async fn lines_make_room_among_themselves() {
    let setting = Setting::start().await;
    let message = DeadLetter {
        payload: vec![0; 100_000].into(),
        ..letter("message", "")
    };
    let mut letters = vec![message];
    letters.extend((10..90).map(|number| lines(number, 488)));
    setting.store(&letters).await;
    assert_eq!(setting.store.bytes_of_lines().await.unwrap(), 80_000);
    // One byte less would need one dead letter less.
    let evicted = setting.store.evict_dead_letters(9_001).await.unwrap();
    assert_eq!((evicted.letters, evicted.bytes), (10, 10_000));
    let ids = setting.ids().await;
    // The message's id is greater than those of the lines.
    assert_eq!((ids.len(), &*ids[0], &*ids[70]), (71, "lines 20", "message"));
    // They do not come back, and their ids are not kept without end.
    assert_eq!(setting.store(&letters).await, 0);
    assert_eq!(setting.count("dead_letter_gone WHERE evicted").await, 10);
    setting.store.evict_dead_letters(1).await.unwrap();
    setting.store.forget_evicted_but(0).await.unwrap();
    assert_eq!(setting.count("dead_letter_gone").await, 1, "those of the last moment");
    assert_eq!(setting.store.evict_dead_letters(u64::MAX).await.unwrap().letters, 69);
    assert_eq!(setting.ids().await, ["message"]);
}

#[tokio::test]
async fn a_refused_message_is_counted_and_kept_at_once() {
    let setting = Setting::start().await;
    let point = reading::Point {
        timestamp: 1,
        value: 1.0,
    };
    let mut builder = reading::segment::Builder::default();
    builder.push("lada", "speed", point, |_| true);
    let origin = reading::segment::Origin {
        upload: Uuid::now_v7(),
        correlation: String::new(),
        traceparent: String::new(),
    };
    let payload = reading::segment::join([builder.finish(&origin, None)].iter());
    let id = Uuid::now_v7().to_string();
    let message = Message::read(&id, &payload).unwrap();
    let letter = letter(&id, "");
    assert!(setting.store.store_refused(&message, &letter).await.unwrap());
    assert!(!setting.store.store_refused(&message, &letter).await.unwrap());
    assert_eq!(setting.count("receipt WHERE failed = 1").await, 1);
    assert_eq!(setting.count("dead_letter").await, 1);
    // Both are stored, or none.
    let client = setting.pool.get().await.unwrap();
    let refuse = "ALTER TABLE dead_letter ADD CHECK (reason <> 'why') NOT VALID";
    client.batch_execute(refuse).await.unwrap();
    let other = Uuid::now_v7().to_string();
    let message = Message::read(&other, &payload).unwrap();
    let refused = setting.store.store_refused(&message, &self::letter(&other, "")).await;
    assert!(matches!(refused, Err(crate::Error::Data(_))), "{refused:?}");
    assert_eq!(setting.count("receipt").await, 1);
}

#[tokio::test]
async fn the_lines_of_a_receipt_are_there_once_and_go_with_it() {
    let setting = Setting::start().await;
    let line = |upload, ordinal: u32| InvalidLine {
        upload,
        ordinal,
        line: u64::from(ordinal) * 2,
        value: (ordinal == 2).then_some(3),
        reason: "€".into(),
        reading: "🚗".repeat(300),
    };
    let (upload, old) = (Uuid::now_v7(), Uuid::from_u128(0x7000 << 64));
    let all = [line(upload, 2), line(upload, 1), line(old, 1), line(Uuid::nil(), 1)];
    for _ in 0..2 {
        setting.store.store_dead_letters(&[], &all).await.unwrap();
    }
    let client = setting.pool.get().await.unwrap();
    let rows = "SELECT ordinal, line, value, reason, reading FROM receipt_line ORDER BY ordinal";
    let rows = client.query(rows, &[]).await.unwrap();
    assert_eq!(rows.len(), 2);
    let second = &rows[1];
    assert_eq!(second.get::<_, i64>(1), 4);
    assert_eq!(second.get::<_, Option<i64>>(2), Some(3));
    assert_eq!(decoded(second.get(3)), "€");
    assert_eq!(decoded(second.get(4)), "🚗".repeat(256));
    // A dropped partition is made again.
    let drop =
        "SELECT drop_partition('receipt_line', relname) FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
         WHERE inhparent = 'receipt_line'::regclass";
    client.execute(drop, &[]).await.unwrap();
    // A new connection succeeds at once, another at the second try.
    let _unless_new = setting.store.store_dead_letters(&[], &all).await;
    setting.store.store_dead_letters(&[], &all).await.unwrap();
    assert_eq!(setting.count("receipt_line").await, 2);
    let mut other = setting.pool.get().await.unwrap();
    for days in [8, 10] {
        let look = Look {
            at: time::now() + days * time::DAY,
            process: Uuid::from_u128(u128::try_from(days).unwrap()),
            running: 0,
        };
        crate::receipts::drop_old(&mut other, look).await.unwrap();
    }
    assert_eq!(setting.count("receipt_line").await, 0);
    assert_eq!(
        setting
            .count("pg_inherits WHERE inhparent = 'receipt_line'::regclass")
            .await,
        0
    );
}
