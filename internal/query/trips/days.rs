//! Days with trips, for a calendar.

use super::answer::Told;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The trips that began on a day.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DayOfTrips)]
pub(super) struct Day {
    /// In the zone of the question.
    #[schema(format = Date)]
    date: String,
    trips: usize,
    /// In metres.
    distance: f64,
    /// In seconds.
    moving_time: f64,
}

/// The days on which these trips began, in order. Days without a trip are left out.
pub(super) fn days(trips: &[Told]) -> Vec<Day> {
    let mut days: BTreeMap<&str, Day> = BTreeMap::new();
    for trip in trips {
        let day = days.entry(&trip.date).or_insert_with(|| Day {
            date: trip.date.clone(),
            trips: 0,
            distance: 0.0,
            moving_time: 0.0,
        });
        day.trips += 1;
        day.distance += trip.distance;
        day.moving_time += trip.moving_time;
    }
    days.into_values().collect()
}
