//! Writes readings to an upload, as lines.

use super::Day;
use super::pack::{self, Lines};
use anyhow::Context;
use reading::{Line, time};

/// The written file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) readings: u64,
    pub(super) devices: u64,
    pub(super) first_timestamp: Option<String>,
    pub(super) last_timestamp: Option<String>,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// Takes the readings of a day: series by series, sorted bytewise by device and then sensor, each
/// in order of time.
#[derive(Debug)]
pub(super) struct Sink {
    day: Day,
    lines: Lines,
    series: Option<(String, Line)>,
    /// The device of the last reading.
    device: String,
    readings: u64,
    devices: u64,
    span: Option<(i64, i64)>,
}

/// Writes a day's dump into a blob, which the caller then finishes, or aborts after an error. `produce`
/// passes every reading to the sink and returns the sink.
pub(super) async fn write<F>(
    day: Day,
    to: &mut blob::Writer,
    produce: impl FnOnce(Sink) -> F,
) -> anyhow::Result<Written>
where
    F: Future<Output = anyhow::Result<Sink>>,
{
    let producing = |lines: Lines| async move {
        let Sink {
            lines,
            readings,
            devices,
            span,
            ..
        } = produce(Sink::new(day, lines)).await?;
        anyhow::Ok((lines, (readings, devices, span)))
    };
    let (file, (readings, devices, span)) = pack::write(to, producing).await?;
    Ok(Written {
        readings,
        devices,
        first_timestamp: span.map(|(first, _)| time::exact(first)),
        last_timestamp: span.map(|(_, last)| time::exact(last)),
        bytes: file.bytes,
        sha256: file.sha256,
    })
}

impl Sink {
    fn new(day: Day, lines: Lines) -> Self {
        Self {
            day,
            lines,
            series: None,
            device: String::new(),
            readings: 0,
            devices: 0,
            span: None,
        }
    }

    /// Starts a series.
    pub(super) fn series(&mut self, device: &str, sensor: &str) {
        self.series = Some((device.to_owned(), Line::new(self.day.start(), Some(device), sensor)));
    }

    /// Adds a reading of the series: microseconds since 1970, within the day, and its value.
    pub(super) async fn reading(&mut self, timestamp: i64, value: f64) -> anyhow::Result<()> {
        let (device, line) = self.series.as_ref().context("a reading came before its series")?;
        // JSON cannot express it, and the ingestor never accepts such a value.
        anyhow::ensure!(
            value.is_finite(),
            "the value of device {device} at {} is {value}, which a dump cannot hold; correct that row and dump the day again",
            time::exact(timestamp)
        );
        line.write(timestamp, value, &mut self.lines.buffer);
        self.readings += 1;
        if self.device != *device {
            self.device.clone_from(device);
            self.devices += 1;
        }
        let (first, last) = self.span.unwrap_or((timestamp, timestamp));
        self.span = Some((first.min(timestamp), last.max(timestamp)));
        self.lines.pass_on().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::io::Read;

    fn day() -> Day {
        "2017-06-03".parse().unwrap()
    }

    async fn dump(store: &blob::Store, name: &str, series: &[(&str, &str, Vec<f64>)]) -> anyhow::Result<Written> {
        let mut writer = store.writer(name).await.unwrap();
        let written = write(day(), &mut writer, |mut sink| async move {
            for (device, sensor, values) in series {
                sink.series(device, sensor);
                for (second, value) in (0_i64..).zip(values) {
                    sink.reading(day().start() + second * 1_000_000, *value).await?;
                }
            }
            Ok(sink)
        });
        let written = written.await;
        match written {
            Ok(_) => writer.finish().await.unwrap(),
            Err(_) => writer.abort().await.unwrap(),
        }
        written
    }

    async fn lines(store: &blob::Store, name: &str) -> String {
        let (file, _) = store.get(name).await.unwrap().unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&file[..])
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[tokio::test]
    async fn writes_lines_and_says_what_they_are() {
        let store = blob::Store::open("memory:///dump-write").unwrap();
        let series = [
            ("a", "rpm", vec![]),
            ("b", "fuel", vec![50.0]),
            ("b", "speed", vec![1.0, 2.5]),
            ("c", "fuel", vec![7.0]),
        ];
        let written = dump(&store, "one", &series).await.unwrap();
        assert_eq!(
            lines(&store, "one").await,
            "{\"sensor\":\"fuel\",\"value\":50,\"timestamp\":\"2017-06-03T00:00:00Z\",\"device\":\"b\"}\n\
             {\"sensor\":\"speed\",\"value\":1,\"timestamp\":\"2017-06-03T00:00:00Z\",\"device\":\"b\"}\n\
             {\"sensor\":\"speed\",\"value\":2.5,\"timestamp\":\"2017-06-03T00:00:01Z\",\"device\":\"b\"}\n\
             {\"sensor\":\"fuel\",\"value\":7,\"timestamp\":\"2017-06-03T00:00:00Z\",\"device\":\"c\"}\n"
        );
        let (file, _) = store.get("one").await.unwrap().unwrap();
        assert_eq!(
            (written.readings, written.devices, written.bytes),
            (4, 2, file.len() as u64)
        );
        assert_eq!(written.first_timestamp.as_deref(), Some("2017-06-03T00:00:00Z"));
        assert_eq!(written.last_timestamp.as_deref(), Some("2017-06-03T00:00:01Z"));
        let digest = format!("{:x}", Sha256::digest(&file));
        assert_eq!(written.sha256, digest);
        assert_eq!(
            dump(&store, "two", &series).await.unwrap(),
            written,
            "the same readings, other bytes"
        );
    }

    #[tokio::test]
    async fn a_day_without_readings_is_an_empty_file() {
        let store = blob::Store::open("memory:///dump-empty").unwrap();
        let written = dump(&store, "empty", &[]).await.unwrap();
        assert_eq!(lines(&store, "empty").await, "");
        assert_eq!(
            (
                written.readings,
                written.devices,
                written.first_timestamp,
                written.last_timestamp
            ),
            (0, 0, None, None)
        );
    }

    #[tokio::test]
    async fn many_pieces_arrive_whole_and_in_order() {
        let store = blob::Store::open("memory:///dump-pieces").unwrap();
        let values: Vec<f64> = (0..80_000).map(|n| f64::from(n) * 1.1).collect();
        let written = dump(&store, "large", &[("a", "speed", values.clone())]).await.unwrap();
        assert_eq!(written.readings, 80_000);
        let text = lines(&store, "large").await;
        let read = text.lines().map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["value"]
                .as_f64()
                .unwrap()
        });
        assert!(read.eq(values));
    }

    #[tokio::test]
    async fn a_value_that_json_cannot_hold_is_named_and_nothing_is_written() {
        let store = blob::Store::open("memory:///dump-nan").unwrap();
        let error = dump(&store, "nan", &[("a", "speed", vec![1.0, f64::NAN])])
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("device a at 2017-06-03T00:00:01Z is NaN"),
            "{error}"
        );
        assert!(store.head("nan").await.unwrap().is_none());
    }
}
