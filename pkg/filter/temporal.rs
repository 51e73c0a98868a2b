//! CEL's functions of timestamps and durations.
#![expect(clippy::needless_pass_by_value, reason = "the library's type of functions")]

use crate::hook::refuse;
use crate::hook::unfit;
use crate::instant::Instant;
use crate::span::Span;
use cel::common::types::{CelInt, CelString, DURATION_TYPE, INT_TYPE, STRING_TYPE, TIMESTAMP_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};

type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// Adds the functions to an environment that has none of them.
pub(crate) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload("timestamp", "text_to_timestamp", vec![STRING_TYPE], timestamp)?;
    env.add_overload("timestamp", "int_to_timestamp", vec![INT_TYPE], timestamp)?;
    env.add_overload("timestamp", "same_timestamp", vec![TIMESTAMP_TYPE], timestamp)?;
    env.add_overload("duration", "text_to_duration", vec![STRING_TYPE], duration)?;
    env.add_overload("duration", "same_duration", vec![DURATION_TYPE], duration)?;
    env.add_overload("int", "timestamp_to_int", vec![TIMESTAMP_TYPE], seconds)?;
    env.add_overload("string", "timestamp_to_text", vec![TIMESTAMP_TYPE], text)?;
    env.add_overload("string", "duration_to_text", vec![DURATION_TYPE], text)?;
    macro_rules! part {
        ($name:literal, $part:expr) => {{
            fn utc<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
                zoned(&arguments).map(|zoned| whole(i64::from($part(&zoned))))
            }
            let zone = concat!($name, "_zone");
            env.add_member_overload($name, $name, TIMESTAMP_TYPE, vec![], utc)?;
            env.add_member_overload($name, zone, TIMESTAMP_TYPE, vec![STRING_TYPE], utc)?;
        }};
    }
    part!("getFullYear", |at: &Zoned| at.year());
    part!("getMonth", |at: &Zoned| at.month() - 1);
    part!("getDate", |at: &Zoned| at.day());
    part!("getDayOfMonth", |at: &Zoned| at.day() - 1);
    part!("getDayOfWeek", |at: &Zoned| at.weekday().to_sunday_zero_offset());
    part!("getDayOfYear", |at: &Zoned| at.day_of_year() - 1);
    part!("getHours", |at: &Zoned| at.hour());
    part!("getMinutes", |at: &Zoned| at.minute());
    part!("getSeconds", |at: &Zoned| at.second());
    part!("getMilliseconds", |at: &Zoned| at.millisecond());
    macro_rules! total {
        ($name:literal, $total:expr) => {{
            fn total<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
                let span = arguments.first().and_then(|span| span.downcast_ref::<Span>());
                span.map(|span| whole($total(span.0))).ok_or_else(|| wrong($name))
            }
            env.add_member_overload($name, concat!($name, "_total"), DURATION_TYPE, vec![], total)?;
        }};
    }
    total!("getHours", |span: SignedDuration| span.as_hours());
    total!("getMinutes", |span: SignedDuration| span.as_mins());
    total!("getSeconds", |span: SignedDuration| span.as_secs());
    total!("getMilliseconds", |span: SignedDuration| i64::from(
        span.subsec_millis()
    ));
    Ok(())
}

fn timestamp<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let value: &dyn Val = arguments
        .first()
        .map(CowVal::as_ref)
        .ok_or_else(|| wrong("timestamp"))?;
    let moment = if let Some(moment) = value.downcast_ref::<Instant>() {
        Some(moment.0)
    } else if let Some(text) = value.downcast_ref::<CelString>() {
        text.inner().parse().ok()
    } else {
        let seconds = value.downcast_ref::<CelInt>();
        seconds.and_then(|seconds| Timestamp::from_second(*seconds.inner()).ok())
    };
    let moment = moment.ok_or_else(|| refuse("timestamp", "This is no timestamp such as 2026-01-31T12:00:00Z."))?;
    Ok(CowVal::owned(Instant(moment)))
}

fn duration<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let value: &dyn Val = arguments.first().map(CowVal::as_ref).ok_or_else(|| wrong("duration"))?;
    let text = value.downcast_ref::<CelString>();
    let span = value.downcast_ref::<Span>().copied();
    let span = span.or_else(|| text.and_then(|text| Span::read(text.inner())));
    let span = span.ok_or_else(|| refuse("duration", "This is no duration such as 1h30m or 1.5s."))?;
    Ok(CowVal::owned(span))
}

fn seconds<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let moment = arguments.first().and_then(|moment| moment.downcast_ref::<Instant>());
    moment
        .map(|moment| whole(moment.0.as_second()))
        .ok_or_else(|| wrong("int"))
}

fn text<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let value: &dyn Val = arguments.first().map(CowVal::as_ref).ok_or_else(|| wrong("string"))?;
    let text = match (value.downcast_ref::<Instant>(), value.downcast_ref::<Span>()) {
        (Some(moment), _) => moment.0.to_string(),
        (None, Some(span)) => span.show(),
        (None, None) => return Err(unfit("string", value, value)),
    };
    Ok(CowVal::owned(CelString::from(text)))
}

/// A timestamp in UTC, or in the zone of the second argument: `Europe/Zagreb`, `+02:00`.
fn zoned(arguments: &[CowVal<'_, '_>]) -> Result<Zoned, ExecutionError> {
    let moment = arguments.first().and_then(|moment| moment.downcast_ref::<Instant>());
    let moment = moment.ok_or_else(|| wrong("timestamp"))?;
    let zone = match arguments.get(1).and_then(|zone| zone.downcast_ref::<CelString>()) {
        None => TimeZone::UTC,
        Some(name) => zone(name.inner())
            .ok_or_else(|| refuse("timestamp", "This is no time zone such as Europe/Zagreb or +02:00."))?,
    };
    Ok(moment.0.to_zoned(zone))
}

fn zone(name: &str) -> Option<TimeZone> {
    let (sign, digits) = match name.as_bytes().first()? {
        b'-' => (-1, &name[1..]),
        b'+' => (1, &name[1..]),
        _ => (1, name),
    };
    let Some((hours, minutes)) = digits.split_once(':') else {
        return TimeZone::get(name).ok();
    };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60))
        .ok()
        .map(TimeZone::fixed)
}

fn whole<'b, 'v>(value: i64) -> CowVal<'b, 'v> {
    CowVal::owned(CelInt::from(value))
}

fn wrong(function: &str) -> ExecutionError {
    refuse(function, "The types of the values do not fit.")
}
