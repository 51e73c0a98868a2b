//! Snapshots of PostgreSQL: which transactions had ended.

use std::fmt;

/// Which transactions had ended, as `pg_current_snapshot()` tells; its text is that of PostgreSQL, `XMIN:XMAX:XIP,XIP`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Every transaction below has ended.
    xmin: u64,
    /// No transaction from here on has ended.
    xmax: u64,
    /// Those in between that had not ended, in order.
    running: Vec<u64>,
}

impl Snapshot {
    /// Parses what PostgreSQL writes, or a client says; none if it is no snapshot.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // The standard parser of numbers takes a sign as well.
        let is_plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b':' | b',');
        if !text.bytes().all(is_plain) {
            return None;
        }
        let mut parts = text.splitn(3, ':');
        let (xmin, xmax): (u64, u64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let running = match parts.next()? {
            "" => Vec::new(),
            list => list
                .split(',')
                .map(|one| one.parse().ok())
                .collect::<Option<Vec<u64>>>()?,
        };
        let is_within = running.iter().all(|it| (xmin..xmax).contains(it));
        let is_whole = 0 < xmin && xmin <= xmax && is_within && running.is_sorted_by(|one, next| one < next);
        is_whole.then_some(Self { xmin, xmax, running })
    }

    /// The first transaction of those that had not begun.
    #[must_use]
    pub fn xmax(&self) -> u64 {
        self.xmax
    }

    /// The transactions below [`Self::xmax`] that had not ended, in order.
    #[must_use]
    pub fn running(&self) -> &[u64] {
        &self.running
    }

    /// What it sees of the transactions up to this number; none where that is all.
    #[must_use]
    pub fn up_to(&self, last: u64) -> Option<Self> {
        let xmax = last.checked_add(1).filter(|xmax| *xmax < self.xmax)?;
        let running = self.running.iter().copied().filter(|number| *number < xmax);
        Some(Self {
            xmin: self.xmin.min(xmax),
            xmax,
            running: running.collect(),
        })
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running: Vec<String> = self.running.iter().map(u64::to_string).collect();
        write!(f, "{}:{}:{}", self.xmin, self.xmax, running.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn snapshots_are_read_as_they_are_written() {
        for text in ["3:3:", "3:9:", "100:120:103,105", "1:18446744073709551615:1"] {
            assert_eq!(Snapshot::parse(text).unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "3",
            "3:5",
            "0:2:",
            "3:2:",
            "3:5:5",
            "3:5:2",
            "3:5:4,3",
            "3:5:3,3",
            "3:5:3,",
            "3:5:,3",
            "3:5:3:",
            "+3:5:",
            "3:5:+4",
            " 3:5:",
            "3:99999999999999999999:",
            "no snapshot",
        ] {
            assert_eq!(Snapshot::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_snapshot_is_cut_at_a_transaction() {
        for (snapshot, last, expected) in [
            ("10:20:10,14,19", 14, Some("10:15:10,14")),
            ("10:20:10,14,19", 13, Some("10:14:10")),
            ("10:20:10,14,19", 7, Some("8:8:")),
            ("20:20:", 12, Some("13:13:")),
            ("10:20:10,14,19", 19, None),
            ("10:20:10,14,19", u64::MAX, None),
        ] {
            let cut = Snapshot::parse(snapshot).unwrap().up_to(last);
            let cut = cut.as_ref().map(ToString::to_string);
            assert_eq!(cut.as_deref(), expected, "{snapshot} {last}");
        }
    }

    #[tokio::test]
    async fn a_server_writes_and_reads_them() {
        let server = testutil::database().await;
        let pool = crate::open(&server.url(), 2, Duration::from_secs(30)).unwrap();
        let (open, client) = (pool.get().await.unwrap(), pool.get().await.unwrap());
        let begin = "SELECT pg_current_xact_id()::text";
        open.batch_execute("BEGIN").await.unwrap();
        let number: String = open.query_one(begin, &[]).await.unwrap().get(0);
        let number: u64 = number.parse().unwrap();
        // One that begins later and has ended, so that the snapshot names the one before.
        client.query_one(begin, &[]).await.unwrap();
        let select = "SELECT pg_current_snapshot()::text";
        let text: String = client.query_one(select, &[]).await.unwrap().get(0);
        let snapshot = Snapshot::parse(&text).unwrap();
        assert_eq!(snapshot.to_string(), text);
        assert!(snapshot.running().contains(&number), "{number} in {text}");
        let cut = snapshot.up_to(number).unwrap().to_string();
        let select = "SELECT $1::text::pg_snapshot::text";
        let read: String = client.query_one(select, &[&cut]).await.unwrap().get(0);
        assert_eq!(read, cut);
    }
}
