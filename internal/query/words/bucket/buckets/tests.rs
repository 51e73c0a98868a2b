use super::*;
use crate::words::bucket::width::Calendar;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{ToSpan, Zoned};

fn buckets(from: &str, to: &str, seconds: i64) -> Buckets {
    Buckets::even(from.parse().unwrap(), to.parse().unwrap(), seconds * 1_000_000)
}

fn starts(buckets: &Buckets) -> Vec<String> {
    buckets.starts().map(|start| start.to_string()).collect()
}

#[test]
fn they_are_aligned_and_cover_the_span() {
    for (from, to, seconds, expected) in [
        (
            "2021-02-28T10:00:00Z",
            "2021-02-28T10:30:00Z",
            900,
            vec!["2021-02-28T10:00:00Z", "2021-02-28T10:15:00Z"],
        ),
        (
            "2021-02-28T10:14:59.999999Z",
            "2021-02-28T10:15:00.000001Z",
            900,
            vec!["2021-02-28T10:00:00Z", "2021-02-28T10:15:00Z"],
        ),
        (
            "2021-02-28T10:01:00Z",
            "2021-02-28T10:02:00Z",
            86_400,
            vec!["2021-02-28T00:00:00Z"],
        ),
        // Seven seconds do not divide an hour: the epoch decides.
        (
            "1970-01-01T00:00:15Z",
            "1970-01-01T00:00:22Z",
            7,
            vec!["1970-01-01T00:00:14Z", "1970-01-01T00:00:21Z"],
        ),
        (
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:01Z",
            60,
            vec!["1969-12-31T23:59:00Z", "1970-01-01T00:00:00Z"],
        ),
    ] {
        let buckets = buckets(from, to, seconds);
        assert_eq!(starts(&buckets), expected, "{from} to {to}");
        assert_eq!(buckets.len(), expected.len(), "{from} to {to}");
        for (number, start) in buckets.starts().enumerate() {
            assert_eq!(buckets.number(start), Some(number));
        }
        let ends: Vec<Timestamp> = buckets.ends().collect();
        assert_eq!(ends.len(), buckets.len());
        assert!(
            ends.iter()
                .zip(buckets.starts().skip(1))
                .all(|(end, next)| *end == next)
        );
        assert_eq!(ends.last().map(Timestamp::to_string).as_deref(), Some(to));
        let width = Width::Every(seconds * 1_000_000);
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        assert_eq!(Buckets::new(from, to, &width, expected.len()), Ok(buckets));
        assert_eq!(Buckets::new(from, to, &width, expected.len() - 1), Err(expected.len()));
    }
}

#[test]
fn halves_share_no_bucket_and_leave_none_out() {
    for (minutes, lengths) in [(1, (1, 0)), (15, (1, 1)), (31, (2, 1)), (60, (3, 2))] {
        let from: Timestamp = "2021-02-28T10:07:00Z".parse().unwrap();
        let to = Timestamp::from_second(from.as_second() + minutes * 60).unwrap();
        let all = Buckets::even(from, to, 900_000_000);
        let (earlier, later) = all.clone().halves();
        let mut both = starts(&earlier);
        both.extend(later.iter().flat_map(starts));
        assert_eq!(both, starts(&all), "{minutes} minutes");
        assert_eq!((earlier.len(), later.as_ref().map_or(0, Buckets::len)), lengths);
        assert_eq!(earlier.from, all.from);
        assert_eq!(later.as_ref().map_or(all.to, |later| later.from), earlier.to);
        assert_eq!(later.unwrap_or(earlier).to, all.to);
    }
}

#[test]
fn one_bucket_over_the_span() {
    let (from, to) = (
        "2021-02-28T10:07:00.5Z".parse().unwrap(),
        "2031-02-28T10:00:00Z".parse().unwrap(),
    );
    let all = Buckets::new(from, to, &Width::All, 1).unwrap();
    assert_eq!(starts(&all), ["2021-02-28T10:07:00.5Z"]);
    assert_eq!(all.ends().collect::<Vec<_>>(), [to]);
}

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

/// Buckets of the calendar between two local times.
fn calendar(units: Calendar, name: &str, from: &str, to: &str) -> Vec<String> {
    let moment = |text: &str| -> Timestamp { text.parse().unwrap() };
    let width = Width::Calendar(units, zone(name));
    starts(&Buckets::new(moment(from), moment(to), &width, 100).unwrap())
}

#[test]
fn days_begin_at_midnight_in_their_zone() {
    for (name, from, to, expected) in [
        // Spring: 23 hours.
        (
            "Europe/Berlin",
            "2026-03-28T23:00:00Z",
            "2026-03-30T22:00:00Z",
            vec!["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"],
        ),
        // Autumn: 25 hours.
        (
            "Europe/Berlin",
            "2026-10-24T22:00:00Z",
            "2026-10-26T23:00:00.000001Z",
            vec!["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"],
        ),
        (
            "America/St_Johns",
            "2026-03-08T12:00:00Z",
            "2026-03-09T12:00:00Z",
            vec!["2026-03-08T03:30:00Z", "2026-03-09T02:30:00Z"],
        ),
        // In 2010 its clocks went back at a minute past midnight, to the day before: the first midnight counts.
        (
            "America/St_Johns",
            "2010-11-07T03:00:00Z",
            "2010-11-08T04:00:00Z",
            vec!["2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"],
        ),
        // Half an hour.
        (
            "Australia/Lord_Howe",
            "2026-04-04T13:00:00Z",
            "2026-04-06T13:30:00Z",
            vec!["2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"],
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-03T13:30:00Z",
            "2026-10-05T13:00:00Z",
            vec!["2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z"],
        ),
        // Midnight is skipped: the day begins at one.
        (
            "Africa/Cairo",
            "2026-04-23T12:00:00Z",
            "2026-04-24T12:00:00Z",
            vec!["2026-04-22T22:00:00Z", "2026-04-23T22:00:00Z"],
        ),
        // 2011-12-30 is skipped.
        (
            "Pacific/Apia",
            "2011-12-29T12:00:00Z",
            "2011-12-31T12:00:00Z",
            vec!["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"],
        ),
    ] {
        assert_eq!(calendar(Calendar::Days(1), name, from, to), expected, "{name} {from}");
    }
}

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    for (units, name, from, to, expected) in [
        (
            Calendar::Weeks(1),
            "Europe/Berlin",
            "2026-03-27T00:00:00Z",
            "2026-04-05T22:00:00.000001Z",
            vec!["2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z", "2026-04-05T22:00:00Z"],
        ),
        (
            Calendar::Months(1),
            "America/St_Johns",
            "2026-02-28T00:00:00Z",
            "2026-04-01T02:30:00Z",
            vec!["2026-02-01T03:30:00Z", "2026-03-01T03:30:00Z"],
        ),
        (
            Calendar::Months(3),
            "UTC",
            "2025-12-31T00:00:00Z",
            "2026-04-01T00:00:00Z",
            vec!["2025-10-01T00:00:00Z", "2026-01-01T00:00:00Z"],
        ),
        (
            Calendar::Months(12),
            "Australia/Lord_Howe",
            "2025-12-31T12:00:00Z",
            "2025-12-31T14:00:00Z",
            vec!["2024-12-31T13:00:00Z", "2025-12-31T13:00:00Z"],
        ),
        (
            Calendar::Months(120),
            "UTC",
            "2026-01-01T00:00:00Z",
            "2026-01-02T00:00:00Z",
            vec!["2020-01-01T00:00:00Z"],
        ),
    ] {
        assert_eq!(calendar(units, name, from, to), expected, "{units:?} {name}");
    }
}

/// Days of some years, one after the other by jiff's own calendar.
#[test]
fn each_day_of_years_with_changes_of_clocks() {
    for name in [
        "UTC",
        "Europe/Berlin",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Africa/Cairo",
    ] {
        let day = |year| Date::new(year, 1, 1).unwrap().to_zoned(zone(name)).unwrap();
        let (first, end): (Zoned, Zoned) = (day(2009), day(2013));
        let width = Width::Calendar(Calendar::Days(1), zone(name));
        let found = Buckets::new(first.timestamp(), end.timestamp(), &width, 10_000).unwrap();
        let mut date = first.date();
        let mut expected = Vec::new();
        while date < end.date() {
            expected.push(date.to_zoned(zone(name)).unwrap().timestamp());
            date = date.checked_add(1.day()).unwrap();
        }
        assert!(found.starts().eq(expected), "{name}");
    }
}

#[test]
fn the_ends_of_the_calendar_are_cut_off() {
    let (from, to) = (
        "9999-12-29T00:00:00Z".parse().unwrap(),
        "9999-12-30T21:59:59Z".parse().unwrap(),
    );
    for (units, number) in [
        (Calendar::Days(1), 2),
        (Calendar::Weeks(1), 1),
        (Calendar::Months(1200), 1),
    ] {
        let width = Width::Calendar(units, TimeZone::UTC);
        assert_eq!(
            Buckets::new(from, to, &width, 10).map(|buckets| buckets.len()),
            Ok(number),
            "{units:?}"
        );
    }
    let (from, to) = (
        "0000-01-01T00:00:00Z".parse().unwrap(),
        "9999-12-30T21:59:59Z".parse().unwrap(),
    );
    let width = |units| Width::Calendar(units, zone("Europe/Berlin"));
    assert_eq!(
        Buckets::new(from, to, &width(Calendar::Months(1200)), 10_000)
            .unwrap()
            .len(),
        100
    );
    assert_eq!(
        Buckets::new(from, to, &width(Calendar::Days(1)), 10_000),
        Err(3_652_424)
    );
}
