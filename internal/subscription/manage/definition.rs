//! What a definition may say: JSON into a checked [`Subscription`].

use super::body::{NO_NAME, is_name};
use super::members::{Members, text};
use super::span;
use crate::subscription::{Fire, Format, Ordering, READINGS};
use crate::{Subscription, trial, vocabulary};
use filter::{Filter, Invalid, Vocabulary};
use reading::time::{DAY, SECOND};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;
use web::{Problem, wrong};
use webhook::{Allowed, Error, Headers, Target};

/// What a definition says.
const MEMBERS: [&str; 22] = [
    "name",
    "topic",
    "device",
    "filter",
    "clear",
    "fire",
    "for",
    "silence",
    "tolerance",
    "every",
    "maxAge",
    "targetUrl",
    "format",
    "body",
    "method",
    "headers",
    "ordering",
    "parallel",
    "rate",
    "timeout",
    "retries",
    "enabled",
];

/// What an answer has beside these. A definition may have them, so that an answer can be changed and sent back.
const ANSWERED: [&str; 8] = [
    "id",
    "state",
    "pending",
    "gaps",
    "problem",
    "created",
    "previousUntil",
    "lastAttempt",
];

/// Members that are about readings only.
const OF_READINGS: [&str; 8] = [
    "device",
    "clear",
    "fire",
    "for",
    "silence",
    "tolerance",
    "every",
    "maxAge",
];

/// Most characters of a topic and of a pattern of devices.
const LONGEST_TEXT: usize = 256;

/// Most tries of a delivery.
const TRIES: usize = 32;

/// What a definition is read for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To be stored. The headers that are stored already, for those whose values are null.
    Store(&'a Allowed, &'a BTreeMap<String, String>),
    /// To be tested: it needs neither name nor target.
    Test,
}

/// Reads a definition whose name, if it has none, is `name`.
///
/// # Errors
/// 400, which names the member, and for a filter and a URL has the members `hint`, and `position`.
pub(super) fn read(
    map: Map<String, Value>,
    name: Option<String>,
    purpose: Purpose<'_>,
) -> Result<Subscription, Problem> {
    let mut members = Members::of(map, &MEMBERS, &ANSWERED)?;
    let topic = members.take("topic", topic)?.unwrap_or_else(|| READINGS.to_owned());
    if topic != READINGS
        && let Some(name) = OF_READINGS.iter().find(|name| members.has(name))
    {
        let problem = format!("is about readings, and {topic:?} is a topic of messages; leave one of both out");
        return Err(wrong(name, &problem));
    }
    let of_readings = topic == READINGS;
    let vocabulary = vocabulary::of(&topic);
    let fire = members.one_of("fire", Fire::NAMES, Fire::of)?.unwrap_or(Fire::Rise);
    let format = members
        .one_of("format", Format::NAMES, Format::of)?
        .unwrap_or(Format::Standard);
    let filter = members.text("filter")?;
    if filter.is_none() && of_readings && fire != Fire::Quiet {
        return Err(wrong("filter", "it is missing; write one like speed > 120"));
    }
    let filter = filter.unwrap_or_else(|| "true".to_owned());
    let compiled = compile("filter", &filter, &vocabulary)?;
    if of_readings && fire != Fire::Quiet && !names_sensors(&compiled) {
        return Err(wrong(
            "filter",
            "it names no sensor, so no reading is judged by it; write one like speed > 120",
        ));
    }
    if of_readings {
        trial::check_filter(&compiled, fire).map_err(|invalid| refused("filter", invalid))?;
    }
    let mut filters = vec![compiled];
    let clear = members.text("clear")?;
    if let Some(clear) = &clear {
        let compiled = compile("clear", clear, &vocabulary)?;
        trial::check_filter(&compiled, Fire::Rise).map_err(|invalid| refused("clear", invalid))?;
        filters.push(compiled);
        if !matches!(fire, Fire::Rise | Fire::Fall | Fire::Both) {
            return Err(wrong("clear", "it works only if fire is rise, fall or both"));
        }
    }
    if fire == Fire::Quiet
        && let Some(name) = ["every", "maxAge"].iter().find(|name| members.has(name))
    {
        return Err(wrong(
            name,
            "it works only if fire is not quiet; a silence makes one event",
        ));
    }
    let hold = members.span("for", 0..=span::LONGEST)?.unwrap_or(0);
    if fire == Fire::Quiet && hold < SECOND {
        return Err(wrong(
            "for",
            "if fire is quiet, write how long no reading comes, such as 1h",
        ));
    }
    let subscription = Subscription {
        id: Uuid::nil(),
        name: members.take("name", self::name)?.or(name).unwrap_or_default(),
        device: members.take("device", device)?.unwrap_or_else(|| "*".to_owned()),
        clear,
        fire,
        hold,
        silence: members.span("silence", SECOND..=span::LONGEST)?.unwrap_or(60 * SECOND),
        tolerance: members.span("tolerance", 0..=DAY)?.unwrap_or(10 * SECOND),
        every: members.span("every", 1..=span::LONGEST)?,
        max_age: members.span("maxAge", 1..=span::LONGEST)?,
        target_url: target(&mut members, purpose)?,
        body: body(&mut members, format, &topic, of_readings.then_some((&*filters, fire)))?,
        format,
        method: members.take("method", method)?.unwrap_or_else(|| "POST".to_owned()),
        headers: headers(&mut members, purpose)?,
        ordering: members
            .one_of("ordering", Ordering::NAMES, Ordering::of)?
            .unwrap_or(Ordering::Key),
        parallel: members.take("parallel", parallel)?.unwrap_or(16),
        rate: members.take("rate", rate)?,
        timeout: duration(
            members
                .span("timeout", SECOND / 10..=60 * SECOND)?
                .unwrap_or(15 * SECOND),
        ),
        retries: members.take("retries", retries)?,
        enabled: members.boolean("enabled")?.unwrap_or(true),
        topic,
        filter,
        generation: 1,
        previous_until: None,
        problem: None,
        rule: 1,
        in_force: None,
        gaps: 0,
        created: 0,
    };
    if matches!(purpose, Purpose::Store(..)) && subscription.name.is_empty() {
        return Err(wrong("name", format!("it is missing; {NO_NAME}")));
    }
    Ok(subscription)
}

/// The text where a filter cannot be compiled: 400 with its position, and what to write instead.
fn compile(member: &str, text: &str, vocabulary: &Vocabulary) -> Result<Filter, Problem> {
    Filter::compile(text, vocabulary).map_err(|invalid| refused(member, invalid))
}

fn refused(member: &str, invalid: Invalid) -> Problem {
    let problem = wrong(member, invalid.to_string());
    let Invalid { position, hint, .. } = invalid;
    problem
        .with("member", member)
        .with("position", json!({"line": position.line, "column": position.column}))
        .with("hint", hint)
}

/// Whether a filter is about readings at all.
fn names_sensors(filter: &Filter) -> bool {
    let of_moments = [vocabulary::DEVICE, vocabulary::TIME];
    let names = filter.names().iter().any(|name| !of_moments.contains(&name.as_str()));
    names || !filter.keys().is_empty() || !filter.functions().is_empty()
}

fn target(members: &mut Members, purpose: Purpose<'_>) -> Result<String, Problem> {
    let url = members.text("targetUrl")?;
    let Purpose::Store(allowed, _) = purpose else {
        return Ok(url.unwrap_or_default());
    };
    let Some(url) = url else {
        return Err(wrong(
            "targetUrl",
            "it is missing; write where events are sent, such as https://hooks.example.com/cars",
        ));
    };
    match Target::parse(&url, allowed) {
        Ok(_) => Ok(url),
        Err(Error::Target { wrong: problem, hint }) => {
            let told = wrong("targetUrl", format!("{problem}; {hint}"));
            Err(told.with("member", "targetUrl").with("hint", hint))
        }
        Err(error) => Err(wrong("targetUrl", error.to_string())),
    }
}

/// The text; `of_readings` has the filters of a subscription over readings.
fn body(
    members: &mut Members,
    format: Format,
    topic: &str,
    of_readings: Option<(&[Filter], Fire)>,
) -> Result<Option<String>, Problem> {
    let body = members.text("body")?;
    match (&body, format) {
        (Some(text), Format::Text) => {
            let compiled = compile("body", text, &vocabulary::of_texts(topic))?;
            if let Some((filters, fire)) = of_readings {
                trial::check_text(&compiled, filters, fire).map_err(|invalid| refused("body", invalid))?;
            }
        }
        (None, Format::Text) => {
            let problem = "where format is text, write the text in CEL, such as device + \" is hot\"";
            return Err(wrong("body", problem));
        }
        (Some(_), _) => return Err(wrong("body", "it is for the format text; add \"format\":\"text\"")),
        (None, _) => {}
    }
    Ok(body)
}

/// Headers; one whose value is null keeps the value that is stored.
fn headers(members: &mut Members, purpose: Purpose<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let empty = BTreeMap::new();
    let stored = match purpose {
        Purpose::Store(_, stored) => stored,
        Purpose::Test => &empty,
    };
    let headers = members.take("headers", |value| {
        let Value::Object(map) = value else {
            return Err("write an object of texts, such as {\"Authorization\":\"Bearer …\"}".to_owned());
        };
        let mut headers = BTreeMap::new();
        for (name, value) in map {
            let value = match value {
                Value::Null if matches!(purpose, Purpose::Test) => continue,
                Value::Null => match stored.get(&name) {
                    Some(value) => value.clone(),
                    None => {
                        return Err(format!(
                            "there is no value of {name} to keep; write it, or leave {name} out"
                        ));
                    }
                },
                value => text(value).map_err(|problem| format!("{name}: {problem}"))?,
            };
            headers.insert(name, value);
        }
        Ok(headers)
    })?;
    let headers = headers.unwrap_or_default();
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Headers::new(pairs).map_err(|error| wrong("headers", error.to_string()))?;
    Ok(headers)
}

fn name(value: Value) -> Result<String, String> {
    text(value).and_then(|name| {
        if is_name(&name) {
            Ok(name)
        } else {
            Err(NO_NAME.to_owned())
        }
    })
}

fn topic(value: Value) -> Result<String, String> {
    let topic = text(value)?;
    let fits = !topic.is_empty() && topic.len() <= LONGEST_TEXT && !topic.contains(char::is_control);
    let problem = format!("write 1 to {LONGEST_TEXT} characters, or {READINGS} for readings");
    if fits { Ok(topic) } else { Err(problem) }
}

fn device(value: Value) -> Result<String, String> {
    let device = text(value)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-*".contains(&byte);
    if (1..=LONGEST_TEXT).contains(&device.len()) && device.bytes().all(fits) {
        return Ok(device);
    }
    Err("write the name of a device; * in it stands for any characters, as in truck-*".to_owned())
}

fn method(value: Value) -> Result<String, String> {
    let methods = ["POST", "GET", "PUT", "PATCH", "DELETE", "HEAD"];
    let method = text(value)?;
    if methods.contains(&method.as_str()) {
        return Ok(method);
    }
    Err(format!("write one of {}", methods.join(", ")))
}

#[expect(clippy::needless_pass_by_value, reason = "as the others")]
fn parallel(value: Value) -> Result<usize, String> {
    let parallel = value.as_u64().and_then(|parallel| usize::try_from(parallel).ok());
    let parallel = parallel.filter(|parallel| (1..=1000).contains(parallel));
    parallel.ok_or_else(|| "write a number from 1 to 1000".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "as the others")]
fn rate(value: Value) -> Result<f64, String> {
    let rate = value.as_f64().filter(|rate| (0.001..=100_000.0).contains(rate));
    rate.ok_or_else(|| "write how many requests a second, from 0.001 to 100000".to_owned())
}

fn retries(value: Value) -> Result<Vec<Duration>, String> {
    let problem = || format!("write a list of 1 to {TRIES} spans, the wait before each try, such as [\"0s\",\"30s\"]");
    let Value::Array(waits) = value else {
        return Err(problem());
    };
    if waits.is_empty() || waits.len() > TRIES {
        return Err(problem());
    }
    let wait = |value| Ok(duration(span::parse(&text(value)?, 0..=30 * DAY)?));
    waits.into_iter().map(wait).collect()
}

fn duration(span: i64) -> Duration {
    Duration::from_micros(span.unsigned_abs())
}
