//! Whole dumps, and every kind of damage.

use super::*;
use crate::tests::pin;
use crate::write;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::io::Write as _;

fn day() -> Day {
    "2017-06-03".parse().unwrap()
}

fn store(name: &str) -> Store {
    Store::open(&format!("memory:///dump-read/{name}")).unwrap()
}

/// Writes these bytes as a revision, with a manifest that matches them.
async fn file(store: &Store, bytes: Vec<u8>, readings: u64) -> Manifest {
    let file = testutil::unique("revision");
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    let length = bytes.len() as u64;
    assert!(store.create(&file, bytes.into()).await.unwrap());
    Manifest {
        date: day(),
        revision: 1,
        readings,
        devices: 1,
        first_timestamp: None,
        last_timestamp: None,
        bytes: length,
        sha256,
        id: None,
        based_on: Vec::new(),
        day_version: 1,
        format: Manifest::FORMAT.to_owned(),
        schema_version: Manifest::SCHEMA_VERSION,
        file,
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

async fn readings(store: &Store, manifest: &Manifest) -> Result<Vec<Reading>, ReadError> {
    let mut reader = Reader::open(store, manifest).await?;
    let mut all = Vec::new();
    while let Some(batch) = reader.next().await? {
        assert!(!batch.is_empty());
        all.extend(batch);
    }
    assert!(reader.next().await?.is_none(), "something after the end");
    Ok(all)
}

const A: &str = r#"{"sensor":"speed","value":1,"timestamp":"2017-06-03T10:00:00Z","device":"a"}"#;
const B: &str = r#"{"sensor":"fuel","value":-0,"timestamp":"2017-06-03T00:00:00.000001Z","device":"b"}"#;

/// Reads back what was written, many batches and pieces long.
#[tokio::test]
async fn what_was_written_is_read() {
    let store = store("written");
    let series = [
        ("Z", "speed"),
        ("a", "Fuel"),
        ("a", "fuel"),
        ("a-1", "fuel"),
        ("a.1", "fuel"),
    ];
    let mut expected = Vec::new();
    let mut value = 0.1_f64;
    for (device, sensor) in series {
        let (device, sensor): (Arc<str>, Arc<str>) = (device.into(), sensor.into());
        for second in 0..30_000 {
            value = (value * 7.3) % 1e9 - 1e8;
            let timestamp = day().start() + second * 1_000_001;
            expected.push(Reading {
                device: device.clone(),
                sensor: sensor.clone(),
                timestamp,
                value,
            });
        }
    }
    let mut writer = store.writer("file").await.unwrap();
    let written = write::write(day(), &mut writer, |mut sink| async {
        for series in expected.chunk_by(|one, next| one.device == next.device && one.sensor == next.sensor) {
            sink.series(&series[0].device, &series[0].sensor);
            for reading in series {
                sink.reading(reading.timestamp, reading.value).await?;
            }
        }
        Ok(sink)
    });
    let written = written.await.unwrap();
    writer.finish().await.unwrap();
    let manifest = Manifest {
        file: "file".to_owned(),
        readings: written.readings,
        bytes: written.bytes,
        sha256: written.sha256,
        ..file(&store, Vec::new(), 0).await
    };
    assert!(readings(&store, &manifest).await.unwrap() == expected);
    verify(&store, &manifest).await.unwrap();
}

#[tokio::test]
async fn an_empty_dump_and_one_of_several_members() {
    let store = store("members");
    let empty = file(&store, gzip(""), 0).await;
    assert_eq!(readings(&store, &empty).await.unwrap(), []);
    let both = [gzip(&format!("{A}\n")), gzip(&format!("{B}\n"))].concat();
    let both = file(&store, both, 2).await;
    let found = readings(&store, &both).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].identity(), ("b", "fuel", day().start() + 1));
    assert!(found[1].value == 0.0 && found[1].value.is_sign_negative());
}

#[tokio::test]
async fn damage_is_told_from_what_was_never_a_dump() {
    let store = store("damage");
    let good = file(&store, gzip(&format!("{A}\n{B}\n")), 2).await;
    verify(&store, &good).await.unwrap();
    let (bytes, _) = store.get(&good.file).await.unwrap().unwrap();

    let gone = Manifest {
        file: "gone".to_owned(),
        ..good.clone()
    };
    assert!(matches!(verify(&store, &gone).await, Err(ReadError::Missing { .. })));

    let cut = file(&store, bytes[..bytes.len() - 9].to_vec(), 2).await;
    let cut = Manifest {
        file: cut.file,
        ..good.clone()
    };
    assert!(matches!(verify(&store, &cut).await, Err(ReadError::Bytes { .. })));

    let longer = file(&store, [&bytes[..], b"x"].concat(), 2).await;
    let longer = Manifest {
        file: longer.file,
        ..good.clone()
    };
    assert!(matches!(verify(&store, &longer).await, Err(ReadError::Bytes { .. })));

    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1;
        let flipped = file(&store, flipped, 2).await;
        let flipped = Manifest {
            file: flipped.file,
            ..good.clone()
        };
        let found = verify(&store, &flipped).await;
        assert!(matches!(found, Err(ReadError::Sha256 { .. })), "{at}: {found:?}");
    }

    for readings in [1, 3] {
        let found = verify(
            &store,
            &Manifest {
                readings,
                ..good.clone()
            },
        )
        .await;
        assert!(
            matches!(found, Err(ReadError::Count { .. } | ReadError::Line { line: 2, .. })),
            "{found:?}"
        );
    }

    let plain = file(&store, format!("{A}\n").into_bytes(), 1).await;
    assert!(matches!(verify(&store, &plain).await, Err(ReadError::Gzip { .. })));

    let newer = Manifest {
        schema_version: 2,
        ..good
    };
    assert!(matches!(verify(&store, &newer).await, Err(ReadError::Manifest { .. })));
}

#[tokio::test]
async fn lines_that_are_not_a_dumps() {
    let store = store("lines");
    let of = |timestamp: &str| format!(r#"{{"sensor":"speed","value":1,"timestamp":"{timestamp}","device":"a"}}"#);
    let mut said = Vec::new();
    for (name, text) in [
        ("in another order", format!("{B}\n{A}\n")),
        ("twice", format!("{A}\n{A}\n")),
        ("without a line end", format!("{A}\n{B}")),
        ("an empty line", format!("{A}\n\n")),
        ("a later day", format!("{}\n", of("2017-06-04T00:00:00Z"))),
        ("an earlier day", format!("{}\n", of("2017-06-02T23:59:59.999999Z"))),
        ("no device", format!("{}\n", A.replace(r#","device":"a""#, ""))),
        ("a line that is too long", format!("{A}\n{}\n", "x".repeat(1 << 20))),
    ] {
        let readings = text.lines().count() as u64;
        let manifest = file(&store, gzip(&text), readings).await;
        match verify(&store, &manifest).await {
            Err(ReadError::Line { line, reason, .. }) => said.push(format!("{name}: line {line}: {reason}")),
            other => panic!("{name}: {other:?}"),
        }
    }
    pin("lines_that_are_not_a_dumps", said.join("\n"));
}

/// A receiver may stop early; the thread then ends by itself.
#[tokio::test]
async fn a_reader_may_be_left_in_the_middle() {
    let store = store("left");
    let mut text = String::new();
    for second in 0..86_400 {
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        text += &format!(
            "{{\"sensor\":\"speed\",\"value\":1,\"timestamp\":\"2017-06-03T{hour:02}:{minute:02}:{second:02}Z\",\"device\":\"a\"}}\n"
        );
    }
    let manifest = file(&store, gzip(&text), 86_400).await;
    let mut reader = Reader::open(&store, &manifest).await.unwrap();
    assert!(reader.next().await.unwrap().is_some());
    let decoding = reader.0.decoding.take().unwrap();
    drop(reader);
    let verdict = tokio::time::timeout(std::time::Duration::from_secs(20), decoding).await;
    verdict.expect("the thread does not end").unwrap().unwrap_err();
}

proptest! {
    /// No bytes make it panic, or hang, or accept them as a dump of another content.
    #[test]
    fn any_bytes_end_in_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..300), compressed: bool) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = store("any");
            let bytes = if compressed { gzip(&String::from_utf8_lossy(&bytes)) } else { bytes };
            let manifest = file(&store, bytes, 1).await;
            assert!(verify(&store, &manifest).await.is_err());
        });
    }
}
