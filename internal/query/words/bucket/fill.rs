//! Values of buckets without readings.
//!
//! They are filled here and not in the database, where each way of filling would need its own statement.

use super::function::Function;
use serde::Deserialize;
use utoipa::ToSchema;

/// The value of a bucket without readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fill {
    Zero,
    Null,
    /// The value before it; before the first, that of the last reading before the span; null without one.
    Previous,
    /// A point on the straight line between its neighbours; null before the first and after the last.
    Linear,
    /// Nothing: the bucket is left out.
    #[default]
    None,
}

/// Fills the empty buckets of a function's values, in order of time. `held` says which buckets hold readings: these
/// keep their values. `before` is the value of the last reading before them. [`Fill::None`] fills nothing: the caller
/// leaves buckets out.
///
/// A count, a sum or a deviation is never carried or interpolated, since nothing was measured there. Counts and sums
/// are 0, or null with [`Fill::Null`]. A deviation is null, or 0 with [`Fill::Zero`].
pub(super) fn filled(
    function: Function,
    values: &[Option<f64>],
    held: &[bool],
    fill: Fill,
    before: Option<f64>,
) -> Vec<Option<f64>> {
    let fill = match (function, fill) {
        (Function::Count | Function::Sum, Fill::Previous | Fill::Linear) => Fill::Zero,
        (Function::Stddev, Fill::Previous | Fill::Linear) => Fill::Null,
        _ => fill,
    };
    match fill {
        Fill::Zero => {
            let filled = values.iter().zip(held);
            filled
                .map(|(value, held)| if *held { *value } else { Some(0.0) })
                .collect()
        }
        Fill::Null | Fill::None => values.to_vec(),
        Fill::Previous => {
            let mut previous = before;
            let carried = values.iter().map(|value| {
                previous = value.or(previous);
                previous
            });
            carried.collect()
        }
        Fill::Linear => linear(values),
    }
}

fn linear(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut filled = values.to_vec();
    let known: Vec<(usize, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(at, value)| Some((at, (*value)?)))
        .collect();
    for pair in known.windows(2) {
        let [(from, first), (to, last)] = *pair else { continue };
        let steps = share(to - from);
        for (step, value) in filled[from + 1..to].iter_mut().enumerate() {
            *value = Some(between(first, last, share(step + 1) / steps));
        }
    }
    filled
}

/// The point on the straight line between two values, this share of the way. Rounding never leads beyond them.
fn between(first: f64, last: f64, way: f64) -> f64 {
    let distance = last - first;
    let point = if distance.is_finite() {
        first + distance * way
    } else {
        // Weighs each end: a double holds no such distance.
        first * (1.0 - way) + last * way
    };
    point.max(first.min(last)).min(first.max(last))
}

/// A count of buckets, at most thousands, as a number to divide by.
fn share(buckets: usize) -> f64 {
    f64::from(u32::try_from(buckets).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fills buckets that hold readings where they have values.
    fn filled(function: Function, values: &[Option<f64>], fill: Fill, before: Option<f64>) -> Vec<Option<f64>> {
        let held: Vec<bool> = values.iter().map(Option::is_some).collect();
        super::filled(function, values, &held, fill, before)
    }

    fn check_filled(fill: Fill, values: &[Option<f64>], expected: &[Option<f64>]) {
        assert_eq!(
            filled(Function::Avg, values, fill, None),
            expected,
            "{fill:?} of {values:?}"
        );
    }

    #[test]
    fn gaps_are_filled() {
        const GAP: Option<f64> = None;
        let day = [GAP, Some(1.0), GAP, GAP, GAP, Some(5.0), GAP];
        check_filled(
            Fill::Zero,
            &day,
            &[
                Some(0.0),
                Some(1.0),
                Some(0.0),
                Some(0.0),
                Some(0.0),
                Some(5.0),
                Some(0.0),
            ],
        );
        check_filled(Fill::Null, &day, &day);
        check_filled(
            Fill::Previous,
            &day,
            &[GAP, Some(1.0), Some(1.0), Some(1.0), Some(1.0), Some(5.0), Some(5.0)],
        );
        check_filled(
            Fill::Linear,
            &day,
            &[GAP, Some(1.0), Some(2.0), Some(3.0), Some(4.0), Some(5.0), GAP],
        );
        for fill in [Fill::Previous, Fill::Linear, Fill::Null] {
            check_filled(fill, &[GAP; 3], &[GAP; 3]);
            check_filled(fill, &[Some(1.0), Some(-1.0)], &[Some(1.0), Some(-1.0)]);
        }
        check_filled(Fill::Zero, &[GAP; 2], &[Some(0.0); 2]);
        check_filled(
            Fill::Linear,
            &[Some(2.0), GAP, Some(-2.0), GAP],
            &[Some(2.0), Some(0.0), Some(-2.0), GAP],
        );
        check_filled(
            Fill::Linear,
            &[Some(f64::MAX), GAP, Some(f64::MIN)],
            &[Some(f64::MAX), Some(0.0), Some(f64::MIN)],
        );
    }

    #[test]
    fn the_value_before_all_is_carried_up_to_the_first() {
        let (values, before) = ([None, None, Some(1.0), None], Some(7.0));
        for (fill, expected) in [
            (Fill::Previous, [Some(7.0), Some(7.0), Some(1.0), Some(1.0)]),
            (Fill::Linear, [None, None, Some(1.0), None]),
            (Fill::Null, values),
        ] {
            assert_eq!(filled(Function::Last, &values, fill, before), expected, "{fill:?}");
        }
    }

    #[test]
    fn counts_are_not_made_up() {
        let counts = [None, Some(2.0), None, Some(4.0)];
        let zero = [Some(0.0), Some(2.0), Some(0.0), Some(4.0)];
        for (fill, expected) in [
            (Fill::Zero, zero),
            (Fill::Previous, zero),
            (Fill::Linear, zero),
            (Fill::Null, counts),
            (Fill::None, counts),
        ] {
            assert_eq!(filled(Function::Count, &counts, fill, Some(7.0)), expected, "{fill:?}");
        }
    }

    #[test]
    fn sums_and_deviations_are_not_made_up() {
        let values = [None, Some(2.0), None, None];
        // The third one has a reading: its deviation is not known.
        let held = [false, true, true, false];
        for (function, fill, expected) in [
            (Function::Sum, Fill::Previous, [Some(0.0), Some(2.0), None, Some(0.0)]),
            (Function::Sum, Fill::Linear, [Some(0.0), Some(2.0), None, Some(0.0)]),
            (Function::Sum, Fill::Null, values),
            (Function::Stddev, Fill::Previous, values),
            (Function::Stddev, Fill::Linear, values),
            (Function::Stddev, Fill::Zero, [Some(0.0), Some(2.0), None, Some(0.0)]),
        ] {
            let found = super::filled(function, &values, &held, fill, Some(7.0));
            assert_eq!(found, expected, "{function:?} {fill:?}");
        }
    }

    #[test]
    fn points_lie_between_values_of_any_size() {
        let least = f64::from_bits(1);
        let sizes = [0.0, least, 3.0 * least, 1e-310, 0.1, 0.3, 1e16, f64::MAX];
        let values: Vec<f64> = sizes.into_iter().flat_map(|value| [-value, value]).collect();
        for first in &values {
            for last in &values {
                let mut filled = filled(
                    Function::Avg,
                    &[Some(*first), None, None, Some(*last)],
                    Fill::Linear,
                    None,
                );
                if first > last {
                    filled.reverse();
                }
                assert!(filled.is_sorted(), "{first:e} to {last:e}: {filled:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn filling_keeps_what_is_there(values in prop::collection::vec(prop::option::of(-1e308..1e308), 0..96)) {
            for fill in [Fill::Zero, Fill::Null, Fill::Previous, Fill::Linear, Fill::None] {
                let filled = filled(Function::Avg, &values, fill, Some(7.0));
                prop_assert_eq!(filled.len(), values.len());
                for (found, value) in filled.iter().zip(&values) {
                    prop_assert!(value.is_none() || found == value);
                    prop_assert!(found.is_none_or(f64::is_finite));
                }
            }
        }
    }
}
