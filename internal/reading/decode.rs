//! Decodes one JSON line into one reading, or the reason for its rejection.

use super::{Bounds, bad_time, is_device, is_name, time};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// The reading of a line.
#[derive(Debug, PartialEq)]
pub struct Decoded<'a> {
    /// A valid name.
    pub sensor: Cow<'a, str>,
    /// A valid name, if the line gives one.
    pub device: Option<Cow<'a, str>>,
    /// Microseconds since 1970 UTC, within the bounds asked for.
    pub timestamp: i64,
    /// Finite.
    pub value: f64,
}

/// Decodes a line that holds one reading, without its line end.
///
/// # Errors
/// The reason, for the sender of the line.
pub fn decode<'a>(line: &'a [u8], bounds: Bounds) -> Result<Decoded<'a>, String> {
    let text = std::str::from_utf8(line).map_err(|error| not_utf8(error.valid_up_to()))?;
    match serde_json::from_str(text) {
        Ok(raw) => check(raw, bounds),
        Err(error) if error.is_eof() => Err(breaks_off(text.len())),
        Err(error) => Err(reason(&error)),
    }
}

/// The beginning of a text.
#[derive(Debug)]
pub enum First<'a> {
    /// A whole JSON object of this many bytes: a reading, or the reason for its rejection.
    Whole(Result<Decoded<'a>, String>, usize),
    /// No JSON object, and why.
    Malformed(Malformed),
    /// An object that the text does not end.
    Open,
}

/// Why a text does not begin with a JSON object.
#[derive(Debug)]
pub enum Malformed {
    /// A field of a reading holds something that JSON lacks, such as NaN.
    Field(String),
    /// The text is not JSON: why, and behind how many bytes that is known.
    Syntax(String, usize),
}

/// Reads the object at the start of `text`, and ignores what follows it.
pub fn first<'a>(text: &'a str, bounds: Bounds) -> First<'a> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Raw<'a>>();
    let error = match values.next() {
        Some(Ok(raw)) => return First::Whole(check(raw, bounds), values.byte_offset()),
        Some(Err(error)) => error,
        None => return First::Open,
    };
    if error.is_eof() {
        return First::Open;
    }
    if !error.is_data() {
        return First::Malformed(Malformed::Syntax(reason(&error), error.column()));
    }
    // The parser stopped at the field; the end of the object is still unknown.
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => First::Whole(Err(reason(&error)), values.byte_offset()),
        // Zeros behind a value that a power cut has torn, for example.
        Some(Err(end)) if end.to_string().starts_with("control character") => {
            First::Malformed(Malformed::Syntax(reason(&end), end.column()))
        }
        Some(Err(end)) if !end.is_eof() => First::Malformed(Malformed::Field(reason(&error))),
        _ => First::Open,
    }
}

/// Checks what JSON does not: names, and the time with its bounds.
#[inline(always)]
fn check(raw: Raw<'_>, bounds: Bounds) -> Result<Decoded<'_>, String> {
    if !is_name(&raw.sensor) {
        return Err("sensor: not a name (1 to 64 of A-Z a-z 0-9 _ . : -, a letter first)".into());
    }
    if raw.device.as_deref().is_some_and(|device| !is_device(device)) {
        return Err("device: not a name (1 to 64 of A-Z a-z 0-9 _ . : -, a letter or a digit first)".into());
    }
    let Some(timestamp) = time::parse(&raw.timestamp) else {
        return Err(format!("timestamp: {}", bad_time::malformed(&raw.timestamp)));
    };
    if !(bounds.oldest..=bounds.newest).contains(&timestamp)
        && let Some(reason) = bad_time::outside(timestamp, &bounds)
    {
        return Err(reason);
    }
    Ok(Decoded {
        sensor: raw.sensor,
        device: raw.device,
        timestamp,
        value: raw.value,
    })
}

/// Why a line is rejected that holds an invalid byte behind `valid` good ones.
pub fn not_utf8(valid: usize) -> String {
    format!("not UTF-8 at byte {}", valid + 1)
}

/// Why a value without its end is rejected.
pub fn breaks_off(length: usize) -> String {
    format!("not a JSON object: it breaks off after {length} bytes")
}

/// The parser's reason, without a line number: each line is a document of its own.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    match error.classify() {
        serde_json::error::Category::Data => text.to_owned(),
        _ => format!("not a JSON object: {text}, at character {}", error.column()),
    }
}

/// The JSON fields of a line, names and time unchecked.
struct Raw<'a> {
    sensor: Cow<'a, str>,
    value: f64,
    timestamp: Cow<'a, str>,
    device: Option<Cow<'a, str>>,
}

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with sensor, value and timestamp")
    }

    #[inline(always)]
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
        let (mut sensor, mut value, mut timestamp, mut device) = (None, None, None, None);
        // Only lines with unknown fields pay for remembering them.
        let mut others: Option<HashSet<Cow<'de, str>>> = None;
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            match &*key {
                "sensor" if sensor.is_none() => sensor = Some(text(&mut map, "sensor")?),
                "timestamp" if timestamp.is_none() => timestamp = Some(text(&mut map, "timestamp")?),
                "device" if device.is_none() => device = Some(text(&mut map, "device")?),
                "value" if value.is_none() => {
                    let number = map.next_value::<f64>().ok().filter(|number| number.is_finite());
                    value = Some(number.ok_or_else(|| de::Error::custom("value: not a finite number"))?);
                }
                "sensor" | "timestamp" | "device" | "value" => return Err(twice()),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    if !others.get_or_insert_default().insert(key) {
                        return Err(twice());
                    }
                }
            }
        }
        let missing = |name: &str| de::Error::custom(format_args!("{name}: missing"));
        Ok(Raw {
            sensor: sensor.ok_or_else(|| missing("sensor"))?,
            value: value.ok_or_else(|| missing("value"))?,
            timestamp: timestamp.ok_or_else(|| missing("timestamp"))?,
            device,
        })
    }
}

/// The value of a field that is a text.
#[inline(always)]
fn text<'de, A: MapAccess<'de>>(map: &mut A, name: &'static str) -> Result<Cow<'de, str>, A::Error> {
    match map.next_value::<Text<'de>>() {
        Ok(Text(text)) => Ok(text),
        Err(error) => Err(no_text(name, &error)),
    }
}

/// Why the value of a field is no text. Out of line, to keep the path of good lines short.
#[cold]
fn no_text<E: de::Error>(name: &'static str, error: &E) -> E {
    // An IMEI is often written as a number, which many readers of JSON round.
    if name == "device" && error.to_string().starts_with("invalid type: integer") {
        return E::custom("device: a number; write it in quotes");
    }
    E::custom(format_args!("{name}: not a string"))
}

#[cold]
fn twice<E: de::Error>() -> E {
    E::custom("a key appears twice")
}

/// A string, borrowed from the line where it holds no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    #[inline(always)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write;

    const BOUNDS: Bounds = Bounds {
        oldest: 946_684_800_000_000,
        newest: 4_000_000_000_000_000,
    };

    fn check(line: &str, expected: Result<(&str, Option<&str>, f64), &str>) {
        let found = decode(line.as_bytes(), BOUNDS);
        match expected {
            Ok((sensor, device, value)) => {
                let found = found.unwrap();
                assert_eq!(
                    (&*found.sensor, found.device.as_deref(), found.value),
                    (sensor, device, value),
                    "{line}"
                );
                assert_eq!(found.timestamp, 1_335_205_543_511_000, "{line}");
            }
            Err(word) => {
                let reason = found.unwrap_err();
                assert!(reason.contains(word), "{line}: {reason}");
            }
        }
    }

    #[test]
    fn good_lines() {
        let t = r#""timestamp":"2012-04-23T18:25:43.511Z""#;
        check(
            &format!(r#"{{"sensor":"speed","value":55.5,{t}}}"#),
            Ok(("speed", None, 55.5)),
        );
        check(
            &format!(r#" {{ {t} , "value" : -0 , "sensor":"a.b", "device":"lada" }} "#),
            Ok(("a.b", Some("lada"), -0.0)),
        );
        check(
            &format!(r#"{{"sensor":"\u0073peed","value":1E3,{t},"extra":[{{"value":"x"}}],"more":null}}"#),
            Ok(("speed", None, 1000.0)),
        );
        check(
            &format!(r#"{{"sensor":"x","value":18446744073709551616,{t}}}"#),
            Ok(("x", None, 18_446_744_073_709_551_616.0)),
        );
        check(
            &format!(r#"{{"sensor":"x","value":5e-324,{t}}}"#),
            Ok(("x", None, 5e-324)),
        );
    }

    #[test]
    fn bad_lines() {
        let with = |value: &str| format!(r#"{{"sensor":"x","value":{value},"timestamp":"2012-04-23T18:25:43.511Z"}}"#);
        for value in [
            "NaN", "Infinity", "1e400", "-1e400", r#""5""#, "null", "true", "[1]", "01",
        ] {
            check(&with(value), Err("value: not a finite number"));
        }
        let mut reasons = String::new();
        for line in [
            "[]",
            "7",
            "",
            "{",
            "{}",
            r#"{"sensor":"x","value":1}"#,
            r#"{"sensor":"x","sensor":"x"}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"sensor":5}"#,
            r#"{"sensor":"x","value":1,"timestamp":1335205543}"#,
            r#"{"sensor":"x","value":1,"timestamp":"yesterday"}"#,
            r#"{"sensor":"x","value":1,"timestamp":"2012-04-23T18:25:60Z"}"#,
            r#"{"sensor":"x","value":1,"timestamp":"9999-12-31T23:59:59Z"}"#,
            r#"{"sensor":"x","value":1,"timestamp":"2012-04-23T18:25:43Z","device":356000000000017}"#,
            r#"{"sensor":"x","value":1,"timestamp":"1901-12-13T20:45:52Z"}"#,
            r#"{"sensor":"5x","value":1,"timestamp":"2012-04-23T18:25:43Z"}"#,
            r#"{"sensor":"x","value":1,"timestamp":"2012-04-23T18:25:43Z","device":""}"#,
            r#"{"sensor":"x","value":1,"timestamp":"2012-04-23T18:25:43Z"} {}"#,
        ] {
            let reason = decode(line.as_bytes(), BOUNDS).unwrap_err();
            let _written = writeln!(reasons, "{line}\n    {reason}");
        }
        insta::assert_snapshot!(reasons);
        // This one tells the time.
        check(
            r#"{"sensor":"x","value":1,"timestamp":"2099-01-01T00:00:00Z"}"#,
            Err("timestamp: too far in the future, "),
        );
        assert!(
            decode(b"{\"sensor\":\"\xff\"}", BOUNDS)
                .unwrap_err()
                .contains("not UTF-8 at byte 12")
        );
    }

    proptest! {
        #[test]
        fn values_arrive_bit_for_bit(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let line = format!(r#"{{"sensor":"x","value":{},"timestamp":"2012-04-23T18:25:43Z"}}"#, ryu::Buffer::new().format(value));
            prop_assert_eq!(decode(line.as_bytes(), BOUNDS).unwrap().value.to_bits(), bits);
        }

        #[test]
        fn never_panics(line: Vec<u8>) {
            let _ = decode(&line, BOUNDS);
        }
    }
}
