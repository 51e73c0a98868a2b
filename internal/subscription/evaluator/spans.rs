//! Spans of series that got new readings: taken from `change`, merged, cut, kept.

use crate::judge::Span;
use std::collections::BTreeMap;

/// Spans that are nearer than this are judged together.
const APART: i64 = 10 * 60 * 1_000_000;

/// Spans of a series, at most; beyond, the nearest are merged.
const MOST: usize = 4096;

/// Spans by series, each list in order of time and apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spans(BTreeMap<i32, Vec<Span>>);

impl Spans {
    pub(crate) fn add(&mut self, series: i32, span: Span) {
        self.0.entry(series).or_default().push(span);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.values().all(Vec::is_empty)
    }

    /// The series, in order of id.
    pub(crate) fn series(&self) -> Vec<i32> {
        self.0.keys().copied().collect()
    }

    /// Merges spans that overlap or are near.
    pub(crate) fn merge(&mut self) {
        for spans in self.0.values_mut() {
            *spans = merged(std::mem::take(spans), APART);
            let mut apart = APART;
            while spans.len() > MOST {
                apart *= 2;
                *spans = merged(std::mem::take(spans), apart);
            }
        }
    }

    /// The pieces of time, in order, that spans of these series are in. `longest` in microseconds.
    pub(crate) fn pieces(&self, series: &[i32], longest: i64) -> Vec<Span> {
        let all = series.iter().filter_map(|id| self.0.get(id)).flatten().copied();
        let mut pieces = Vec::new();
        for mut span in merged(all.collect(), APART) {
            while span.last - span.first > longest {
                pieces.push(Span {
                    first: span.first,
                    last: span.first + longest - 1,
                });
                span.first += longest;
            }
            pieces.push(span);
        }
        pieces
    }

    /// What spans of these series hold of a piece; none where they hold nothing of it.
    pub(crate) fn within(&self, series: &[i32], piece: Span) -> Option<Span> {
        let all = series.iter().filter_map(|id| self.0.get(id)).flatten();
        let inside = all.filter(|span| span.first <= piece.last && span.last >= piece.first);
        inside.fold(None, |found: Option<Span>, span| {
            let (first, last) = (span.first.max(piece.first), span.last.min(piece.last));
            Some(found.map_or(Span { first, last }, |found| Span {
                first: found.first.min(first),
                last: found.last.max(last),
            }))
        })
    }

    /// Removes these series.
    pub(crate) fn remove(&mut self, series: &[i32]) {
        for id in series {
            self.0.remove(id);
        }
    }

    /// Removes of these series what is before a time.
    pub(crate) fn remove_before(&mut self, series: &[i32], time: i64) {
        for id in series {
            let Some(spans) = self.0.get_mut(id) else { continue };
            spans.retain_mut(|span| {
                span.first = span.first.max(time);
                span.first <= span.last
            });
            if spans.is_empty() {
                self.0.remove(id);
            }
        }
    }

    /// As JSON: `[[series, first, last], …]`.
    pub(crate) fn json(&self) -> serde_json::Value {
        let all = self
            .0
            .iter()
            .flat_map(|(id, spans)| spans.iter().map(move |span| (id, span)));
        all.map(|(id, span)| serde_json::json!([id, span.first, span.last]))
            .collect()
    }

    /// Adds what [`Spans::json`] wrote.
    pub(crate) fn add_json(&mut self, json: &serde_json::Value) {
        for one in json.as_array().into_iter().flatten() {
            let number = |at: usize| one.get(at).and_then(serde_json::Value::as_i64);
            if let (Some(series), Some(first), Some(last)) = (number(0), number(1), number(2))
                && let Ok(series) = i32::try_from(series)
            {
                self.add(series, Span { first, last });
            }
        }
    }
}

fn merged(mut spans: Vec<Span>, apart: i64) -> Vec<Span> {
    spans.sort_by_key(|span| span.first);
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.first <= last.last.saturating_add(apart) => last.last = last.last.max(span.last),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600 * 1_000_000;

    fn span(first: i64, last: i64) -> Span {
        Span { first, last }
    }

    #[test]
    fn near_spans_are_judged_together_and_long_ones_in_pieces() {
        let mut spans = Spans::default();
        spans.add(1, span(0, 5 * HOUR));
        spans.add(2, span(5 * HOUR + APART, 5 * HOUR + APART));
        spans.add(2, span(9 * HOUR, 9 * HOUR));
        spans.merge();
        let cut = 2 * HOUR;
        let pieces = spans.pieces(&[1, 2], cut);
        let expected = [
            span(0, cut - 1),
            span(cut, 2 * cut - 1),
            span(2 * cut, 5 * HOUR + APART),
            span(9 * HOUR, 9 * HOUR),
        ];
        assert_eq!(pieces, expected);
        assert_eq!(spans.within(&[2], pieces[0]), None);
        let only = 5 * HOUR + APART;
        assert_eq!(spans.within(&[2], pieces[2]), Some(span(only, only)));
        let mut again = Spans::default();
        again.add_json(&spans.json());
        assert_eq!(again, spans);
        spans.remove_before(&[1, 2], 9 * HOUR);
        assert_eq!(spans.series(), [2]);
    }
}
