//! How many entries there were, by time; and which hashtags they have.

use crate::filter::Known;
use crate::question::{Question, Value};
use crate::{Filter, Id};
use serde::Deserialize;
use tokio_postgres::{Error, Row};

/// Most buckets of an answer, with empty ones. Bounds its memory.
pub const MOST_BUCKETS: i64 = 10_000;

/// A minute, in milliseconds.
const MINUTE: i64 = 60_000;

/// A span of time in buckets of whole minutes, aligned to 1970. Times are milliseconds since then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    from: i64,
    to: i64,
    width: i64,
}

/// The width of buckets, as it is asked for: whole minutes, such as `1m`, `2h` or `24h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Aggregation(i64);

impl Aggregation {
    /// Its minutes.
    #[must_use]
    pub fn minutes(self) -> i64 {
        self.0
    }
}

impl TryFrom<String> for Aggregation {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const HELP: &str = "write whole minutes, hours or days, such as 1m, 2h or 1d, up to 36500d";
        let span: jiff::Span = text.parse().map_err(|_| HELP)?;
        let span = span
            .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
            .map_err(|_| HELP)?;
        let minutes = span.as_secs() / 60;
        let is_whole = span.subsec_nanos() == 0 && span.as_secs() % 60 == 0;
        if is_whole && (1..=36_500 * 1440).contains(&minutes) {
            Ok(Self(minutes))
        } else {
            Err(HELP)
        }
    }
}

/// What becomes of empty buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// They are left out.
    #[default]
    None,
    /// They count 0.
    Zero,
}

/// Why a span cannot be counted. The texts are for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBuckets {
    /// The span is empty.
    #[error("from_date is not before to_date: swap them, or ask for a longer span")]
    Empty,
    /// There are more than [`MOST_BUCKETS`].
    #[error("more than {MOST_BUCKETS} buckets: ask for a wider aggregation or a shorter span")]
    TooMany,
}

impl Buckets {
    /// Cuts a span, `to` exclusive, into buckets of `minutes`.
    ///
    /// # Errors
    /// See [`NoBuckets`].
    pub fn new(from: i64, to: i64, minutes: i64) -> Result<Self, NoBuckets> {
        if from >= to {
            return Err(NoBuckets::Empty);
        }
        let buckets = Self {
            from,
            to,
            width: minutes.max(1).saturating_mul(MINUTE),
        };
        if buckets.len() > MOST_BUCKETS {
            return Err(NoBuckets::TooMany);
        }
        Ok(buckets)
    }

    fn first(self) -> i64 {
        self.from.div_euclid(self.width) * self.width
    }

    fn len(self) -> i64 {
        let length = self.to.saturating_sub(self.first());
        length / self.width + i64::from(length % self.width > 0)
    }

    /// Where each bucket begins and ends, in order of time. The first may begin before the span, and the last end
    /// after it; they hold only what is in the span.
    pub fn bounds(self) -> impl Iterator<Item = (i64, i64)> {
        (0..self.len()).map(move |at| {
            let start = self.first() + at * self.width;
            (start, start + self.width)
        })
    }
}

impl Known {
    /// Asks how many entries each bucket has: its number, from 1, and the count. Empty ones are left out. The filter's own
    /// span and words do not count.
    ///
    /// Each bucket is a range of an index: nothing but its entries is read.
    pub(crate) fn trend(&self, buckets: Buckets) -> Question {
        let mut question = Question::default();
        let clamp = |moment: i64| Id::first_of(moment.clamp(buckets.from, buckets.to)).uuid();
        let (since, before) = buckets.bounds().map(|(start, end)| (clamp(start), clamp(end))).unzip();
        let since = question.parameter(Value::Ids(since));
        let before = question.parameter(Value::Ids(before));
        let count = if let Some((first, others)) = self.all.split_first() {
            let first = question.parameter(Value::Numbers(vec![*first]));
            let others: String = others
                .iter()
                .map(|other| {
                    let other = question.parameter(Value::Numbers(vec![*other]));
                    format!(
                        " AND EXISTS (SELECT FROM entry_hashtag AS other
                              WHERE other.hashtag_id = ({other}::int[])[1] AND other.entry_id = tagged.entry_id
                                  AND other.entry_id >= since AND other.entry_id < before)"
                    )
                })
                .collect();
            format!(
                "SELECT count(*) AS entries FROM entry_hashtag AS tagged
                 WHERE tagged.hashtag_id = ({first}::int[])[1] AND entry_id >= since AND entry_id < before {others}"
            )
        } else {
            "SELECT count(*) AS entries FROM entry WHERE deleted IS NULL AND id >= since AND id < before".to_owned()
        };
        question.sql = format!(
            "SELECT number, entries FROM unnest({since}::uuid[], {before}::uuid[]) WITH ORDINALITY AS bucket (since, before, number),
                 LATERAL ({count} OFFSET 0) AS counted
             WHERE entries > 0 ORDER BY number"
        );
        question
    }
}

/// The buckets and their counts, from the rows of [`Known::trend`]: beginning, end, entries.
///
/// # Errors
/// The rows are not those of the question.
pub(crate) fn counts(buckets: Buckets, rows: &[Row], fill: Fill) -> Result<Vec<(i64, i64, i64)>, Error> {
    let mut rows = rows.iter().peekable();
    let mut counted = Vec::new();
    for (number, (start, end)) in (1_i64..).zip(buckets.bounds()) {
        let row = match rows.peek() {
            Some(row) if row.try_get::<_, i64>(0)? == number => rows.next(),
            _ => None,
        };
        match row {
            Some(row) => counted.push((start, end, row.try_get(1)?)),
            None if fill == Fill::Zero => counted.push((start, end, 0)),
            None => {}
        }
    }
    Ok(counted)
}

impl Filter {
    /// Asks for the hashtags that most entries of the span have: name, spelling as last written, number of entries.
    pub(crate) fn hashtags(&self, limit: usize) -> Question {
        let mut question = Question::default();
        let mut bound = |moment: Option<i64>, otherwise: i64| {
            question.parameter(Value::Id(Id::first_of(moment.unwrap_or(otherwise)).uuid()))
        };
        let (since, before) = (bound(self.since, 0), bound(self.before, (1 << 48) - 1));
        let limit = question.parameter(Value::Count(i64::try_from(limit).unwrap_or(i64::MAX)));
        question.sql = format!(
            "SELECT name, spelling, entries FROM (
                 SELECT hashtag_id, count(*) AS entries FROM entry_hashtag
                 WHERE entry_id >= {since} AND entry_id < {before}
                 GROUP BY hashtag_id ORDER BY entries DESC, hashtag_id LIMIT {limit}) AS most
             JOIN hashtag ON hashtag.id = hashtag_id, LATERAL (
                 SELECT spelling FROM entry_hashtag AS last WHERE last.hashtag_id = most.hashtag_id
                     AND entry_id >= {since} AND entry_id < {before} ORDER BY entry_id DESC LIMIT 1) AS written
             ORDER BY entries DESC, name"
        );
        question
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_whole_minutes() {
        let minutes = |text: &str| Aggregation::try_from(text.to_owned()).map(Aggregation::minutes).ok();
        for (text, expected) in [
            ("1m", 1),
            ("90m", 90),
            ("24h", 1440),
            ("1d", 1440),
            ("1h30m", 90),
            ("60s", 1),
        ] {
            assert_eq!(minutes(text), Some(expected), "{text}");
        }
        for text in ["", "1", "30s", "0m", "-1m", "1mo", "40000d", "1500ms"] {
            assert_eq!(minutes(text), None, "{text}");
        }
    }

    #[test]
    fn buckets_are_aligned_and_cover_the_span() {
        let bounds =
            |from, to, minutes| Buckets::new(from, to, minutes).map(|buckets| buckets.bounds().collect::<Vec<_>>());
        assert_eq!(
            bounds(90_000, 180_001, 1),
            Ok(vec![(60_000, 120_000), (120_000, 180_000), (180_000, 240_000)])
        );
        assert_eq!(bounds(0, 60_000, 1), Ok(vec![(0, 60_000)]));
        assert_eq!(bounds(-1, 1, 1), Ok(vec![(-60_000, 0), (0, 60_000)]));
        assert_eq!(bounds(5, 5, 1), Err(NoBuckets::Empty));
        assert_eq!(bounds(0, 60_000 * MOST_BUCKETS, 1).map(|all| all.len()), Ok(10_000));
        assert_eq!(bounds(0, 60_000 * MOST_BUCKETS + 1, 1), Err(NoBuckets::TooMany));
    }
}
