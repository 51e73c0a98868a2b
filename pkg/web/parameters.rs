//! Parameters of a URL.

mod given;

use crate::Problem;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserializer;
use serde::de::value::Error;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use std::fmt::Display;

/// Least similarity of a suggested name, from 0 to 1.
const LIKE: f64 = 0.75;

/// Characters of an unknown name that an answer repeats.
const SHOWN: usize = 64;

/// The parameters of a request, which are the fields of the structure `T`. A field that is a list may be given
/// several times.
///
/// An unknown parameter is answered with 400, and with a similar known one: if ignored, it would widen the
/// answer. A malformed one is answered with 400, too, and one that is repeated and no list.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<T>(pub T);

/// 400 about a parameter or a member of this name: what is wrong with it, or what to write.
pub fn wrong(name: &str, reason: impl Display) -> Problem {
    Problem::bad_request(format!("{name}: {reason}"))
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = |rejection: QueryRejection| {
            let text = rejection.body_text();
            // The text before it names the library.
            let (_, reason) = text.split_once(": ").unwrap_or(("", &text));
            Problem::bad_request(own_words(reason))
        };
        let given: Query<Vec<(String, String)>> = Query::from_request_parts(parts, state).await.map_err(text)?;
        parse(given.0).map(Self).map_err(Problem::bad_request)
    }
}

fn parse<T: DeserializeOwned>(given: Vec<(String, String)>) -> Result<T, String> {
    let known = names::<T>();
    if let Some((name, _)) = given.iter().find(|(name, _)| !known.contains(&&**name)) {
        return Err(unknown(known, name));
    }
    T::deserialize(given::Given::new(given)).map_err(|error| own_words(&error.to_string()))
}

/// What serde says of parameters, as this API says it.
fn own_words(reason: &str) -> String {
    if let Some(name) = reason.strip_prefix("missing field `") {
        let name = name.trim_end_matches('`');
        return format!("{name}: missing; add {name}=... to the URL");
    }
    match reason.split_once(": unknown variant ") {
        Some((name, rest)) => {
            let expected = rest.split_once("expected ").map_or(rest, |(_, expected)| expected);
            let several = expected.trim_start_matches("one of ").replace('`', "");
            if several.contains([' ', ',']) {
                format!("{name}: write one of {several}")
            } else {
                format!("{name}: write {several}")
            }
        }
        None => reason.to_owned(),
    }
}

fn unknown(known: &[&str], name: &str) -> String {
    let shown: String = name.chars().take(SHOWN).collect();
    let meant = match meant(known, name) {
        Some(meant) => format!("; write {meant} if you mean that"),
        None => String::new(),
    };
    let all = match known {
        [] => "no parameters".to_owned(),
        _ => known.join(", "),
    };
    format!("{shown:?}: unknown parameter{meant}. This endpoint takes {all}.")
}

/// The known name most similar to this one, if any. It may have other letters or case, be in the plural, or
/// have words before or after it.
fn meant<'a>(known: &[&'a str], name: &str) -> Option<&'a str> {
    // No name is longer, and the time to compare grows with the length.
    if name.len() > SHOWN {
        return None;
    }
    let plain = |name: &str| name.replace(['_', '-', ' '], "").to_lowercase();
    let name = plain(name);
    let like = known.iter().map(|known| {
        let plain = plain(known);
        // Short names are similar to many.
        let holds = plain.len() > 2 && name.contains(&plain);
        let like = strsim::jaro(&plain, &name);
        (*known, if holds { like.max(LIKE) } else { like })
    });
    let best = like.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    (best.1 >= LIKE).then_some(best.0)
}

/// The names of the fields of a structure.
fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Fails always: it only reports the fields that it would read.
    let _failed = T::deserialize(Names(&mut names));
    names
}

/// Reads nothing, and keeps the names of the requested fields.
struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a structure"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("names only"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only their names are looked at")]
    struct All {
        sensor: String,
        device: Option<String>,
        from: Option<String>,
        to: Option<String>,
        aggregation: Option<String>,
        function: Option<String>,
        fill: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    struct Nothing {}

    #[derive(Debug, PartialEq, Deserialize)]
    struct Several {
        #[serde(default)]
        tag: Vec<String>,
        limit: Option<usize>,
        #[serde(default)]
        all: bool,
    }

    fn given(names: &[&str]) -> Vec<(String, String)> {
        names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect()
    }

    #[test]
    fn lists_may_be_given_several_times() {
        let parse = |text: &str| {
            let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
            parse::<Several>(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
        };
        let several = |tag: &[&str], limit, all| Several {
            tag: tag.iter().map(|tag| (*tag).to_owned()).collect(),
            limit,
            all,
        };
        assert_eq!(parse(""), Ok(several(&[], None, false)));
        assert_eq!(
            parse("tag=a&limit=3&tag=b&all=true"),
            Ok(several(&["a", "b"], Some(3), true))
        );
        assert_eq!(
            parse("limit=1&limit=2"),
            Err("limit: given twice; give it once".to_owned())
        );
        assert_eq!(parse("limit=many"), Err("limit: write a whole number".to_owned()));
        // Beyond every range: who has that of the limit tells it.
        assert_eq!(parse("limit=-1"), Ok(several(&[], Some(0), false)));
        assert_eq!(
            parse("limit=99999999999999999999"),
            Ok(several(&[], Some(usize::MAX), false))
        );
        assert_eq!(parse("limit=-"), Err("limit: write a whole number".to_owned()));
        assert_eq!(parse("all=x"), Err("all: write true or false".to_owned()));
    }

    #[test]
    fn what_was_meant() {
        assert_eq!(
            names::<All>(),
            ["sensor", "device", "from", "to", "aggregation", "function", "fill"]
        );
        for (name, expected) in [
            ("devise", Some("device")),
            ("device_id", Some("device")),
            ("deviceId", Some("device")),
            ("device-name", Some("device")),
            ("Device", Some("device")),
            ("DEVICES", Some("device")),
            ("dev", Some("device")),
            ("my_device", Some("device")),
            ("sensors", Some("sensor")),
            ("sensr", Some("sensor")),
            ("functions", Some("function")),
            ("func", Some("function")),
            ("fn", Some("function")),
            ("form", Some("from")),
            ("fromTime", Some("from")),
            ("too", Some("to")),
            ("tO", Some("to")),
            ("aggregate", Some("aggregation")),
            ("fil", Some("fill")),
            ("filling", Some("fill")),
            ("limit", None),
            ("cursor", None),
            ("order", None),
            ("x", None),
            ("", None),
            ("%00", None),
        ] {
            assert_eq!(meant(names::<All>(), name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_told() {
        for (given, expected) in [
            (vec![], Some("sensor: missing; add sensor=... to the URL")),
            (vec!["sensor", "device", "to"], None),
            (
                vec!["sensor", "to", "sensor"],
                Some("sensor: given twice; give it once"),
            ),
            (
                vec!["sensor", "devise"],
                Some(
                    "\"devise\": unknown parameter; write device if you mean that. This endpoint takes sensor, device, from, to, aggregation, function, fill.",
                ),
            ),
            (
                vec!["q\n"],
                Some(
                    "\"q\\n\": unknown parameter. This endpoint takes sensor, device, from, to, aggregation, function, fill.",
                ),
            ),
        ] {
            let told = parse::<All>(self::given(&given)).err();
            assert_eq!(told.as_deref(), expected, "{given:?}");
        }
        let told = parse::<Nothing>(given(&["a"])).unwrap_err();
        assert_eq!(told, "\"a\": unknown parameter. This endpoint takes no parameters.");
        let long = "device".repeat(10_000);
        assert!(unknown(names::<All>(), &long).len() < 300);
    }
}
