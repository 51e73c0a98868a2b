//! Members of a JSON object, taken one by one, so that an error names the member.

use super::span;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;
use web::{Problem, wrong};

/// Characters of an unknown member's name that an answer repeats.
const SHOWN: usize = 64;

/// The members of a body.
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// Takes an object whose members are all known. Those that are `ignored` may be there, and are not read.
    ///
    /// # Errors
    /// 400 that names each unknown member.
    pub(super) fn of(map: Map<String, Value>, known: &[&str], ignored: &[&str]) -> Result<Self, Problem> {
        let unknown: Vec<String> = map
            .keys()
            .filter(|name| !known.contains(&name.as_str()) && !ignored.contains(&name.as_str()))
            .take(10)
            .map(|name| format!("{:?}", name.chars().take(SHOWN).collect::<String>()))
            .collect();
        if unknown.is_empty() {
            return Ok(Self(map));
        }
        let (named, known) = (unknown.join(", "), known.join(", "));
        Err(Problem::bad_request(format!(
            "{named}: unknown. The members here are {known}."
        )))
    }

    /// Whether a member is there, and not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a member; none if it is absent or null. `read` says what to write where it cannot read it.
    pub(super) fn take<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).map_err(|problem| wrong(name, &problem)),
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        self.take(name, text)
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        self.take(name, |value| {
            value.as_bool().ok_or_else(|| "write true or false".to_owned())
        })
    }

    /// A span of time in microseconds.
    pub(super) fn span(&mut self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        self.take(name, |value| span::parse(&text(value)?, range))
    }

    /// One of these names.
    pub(super) fn one_of<T>(
        &mut self,
        name: &str,
        names: &[&str],
        of: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let expected = format!("write one of {}", names.join(", "));
        self.take(name, |value| value.as_str().and_then(of).ok_or(expected))
    }

    /// A time, in microseconds since 1970.
    pub(super) fn time(&mut self, name: &str) -> Result<Option<i64>, Problem> {
        self.take(name, |value| {
            let time = value.as_str().and_then(reading::time::parse);
            time.ok_or_else(|| "write a time such as 2026-11-26T12:00:00Z".to_owned())
        })
    }
}

pub(super) fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err("write a text, in quotes".to_owned()),
    }
}
