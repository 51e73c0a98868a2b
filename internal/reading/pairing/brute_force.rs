//! The pairs by comparing all points, for tests.

use super::Pair;
use std::collections::BTreeMap;

/// Finds every pair in order of time by comparing all points. Times and values by axis.
pub(crate) fn brute_force(
    latitudes: &BTreeMap<i64, f64>,
    longitudes: &BTreeMap<i64, f64>,
    tolerance: i64,
) -> Vec<Pair> {
    // At equal distances: to a latitude the longitude after it, to a longitude the latitude before it.
    let to_latitude = |time: i64| {
        let others = longitudes.keys().copied();
        others.min_by_key(|other| ((other - time).abs(), *other < time))
    };
    let to_longitude = |time: i64| {
        let others = latitudes.keys().copied();
        others.min_by_key(|other| ((other - time).abs(), *other > time))
    };
    let mut pairs = Vec::new();
    for (latitude, value) in latitudes {
        let Some(longitude) = to_latitude(*latitude) else {
            continue;
        };
        if to_longitude(longitude) == Some(*latitude) && (latitude - longitude).abs() <= tolerance {
            pairs.push(Pair {
                latitude: *value,
                longitude: longitudes[&longitude],
                time: longitude.max(*latitude),
            });
        }
    }
    pairs
}
