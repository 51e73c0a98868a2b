//! Answers as people read them.

use super::table::table;
use super::text::text_of;
use super::time;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Every subscription, a line each: first those that need a look.
pub(super) fn subscriptions(answer: &Value) -> String {
    let mut all: Vec<&Value> = rows_of(&answer["subscriptions"]).collect();
    all.sort_by_key(|it| {
        let has_gaps = it["gaps"].as_u64().is_some_and(|gaps| gaps > 0);
        let states = ["problem", "failing", "pending", "active"];
        let state = states.iter().position(|state| it["state"] == *state);
        (!has_gaps, state.unwrap_or(states.len()))
    });
    let rows: Vec<[String; 5]> = all.into_iter().map(summary).collect();
    if rows.is_empty() {
        return "There are no subscriptions. Make one: odograph subscriptions create --help\n".to_owned();
    }
    table(["NAME", "STATE", "PENDING", "LAST ANSWER", "PROBLEM"], &rows)
}

fn summary(it: &Value) -> [String; 5] {
    let last = &it["lastAttempt"];
    let answer = time_of(&last["at"]).map(|at| format!("{}, {}", outcome(last), time::since(at, Timestamp::now())));
    let mut problem = text_of(&it["problem"]);
    if let Some(gaps) = it["gaps"].as_u64().filter(|gaps| *gaps > 0) {
        let told = format!("{gaps} events were not queued; replay them");
        problem = if problem.is_empty() {
            told
        } else {
            format!("{problem} {told}")
        };
    }
    [
        text_of(&it["name"]),
        text_of(&it["state"]),
        text_of(&it["pending"]),
        answer.unwrap_or_else(|| "none yet".to_owned()),
        problem,
    ]
}

/// What an endpoint did: its status, or why there is none.
fn outcome(attempt: &Value) -> String {
    let status = text_of(&attempt["status"]);
    if status.is_empty() {
        text_of(&attempt["error"])
    } else {
        status
    }
}

/// A subscription that was just stored.
pub(super) fn stored(answer: &Value) -> String {
    let (name, state) = (text_of(&answer["name"]), text_of(&answer["state"]));
    let dropped = match answer["dropped"].as_u64() {
        Some(dropped) if dropped > 0 => format!("; {dropped} deliveries dropped"),
        _ => String::new(),
    };
    match answer["problem"].as_str() {
        Some(problem) => format!("{name}: {state}: {}{dropped}\n", text_of(&problem.into())),
        None => format!("{name}: {state}{dropped}\n"),
    }
}

/// Tries, a line each.
pub(super) fn attempts(answer: &Value) -> String {
    let (list, none) = match answer.get("dead") {
        Some(dead) => (dead, "No delivery was given up.\n"),
        None => (&answer["attempts"], "Nothing was tried yet.\n"),
    };
    let zone = TimeZone::system();
    let local = |value: &Value| {
        time_of(value)
            .map(|at| time::local(at, zone.clone()))
            .unwrap_or_default()
    };
    let rows: Vec<[String; 8]> = rows_of(list)
        .map(|it| {
            [
                local(&it["at"]),
                text_of(&it["key"]),
                text_of(&it["try"]),
                outcome(it),
                text_of(&it["ms"]),
                text_of(&it["outcome"]),
                local(&it["due"]),
                text_of(&it["id"]),
            ]
        })
        .collect();
    if rows.is_empty() {
        return none.to_owned();
    }
    table(
        ["TIME", "DEVICE", "TRY", "ANSWER", "MS", "OUTCOME", "NEXT TRY", "ID"],
        &rows,
    )
}

/// What a test found.
pub(super) fn matched(answer: &Value) -> String {
    let count = answer["matched"].as_u64().unwrap_or(0);
    let mut text = format!("{count} event{}\n", if count == 1 { "" } else { "s" });
    for event in rows_of(&answer["events"]) {
        text += &format!("{}\n", event_line(event, &TimeZone::system()));
    }
    let shown = rows_of(&answer["events"]).count() as u64;
    if shown < count {
        text += &format!("… and {} more\n", count - shown);
    }
    text
}

/// An event in one line: its time, device, kind and values.
pub(super) fn event_line(event: &Value, zone: &TimeZone) -> String {
    let data = &event["data"];
    let at = [&event["timestamp"], &event["time"], &data["since"]]
        .into_iter()
        .find_map(time_of);
    let at = at.map(|at| time::local(at, zone.clone())).unwrap_or_default();
    // odograph.reading.rise.v1
    let kind = text_of(&event["type"]);
    let kind = kind.strip_prefix("odograph.reading.").unwrap_or(&kind);
    let kind = kind.strip_suffix(".v1").unwrap_or(kind);
    let values = data["values"].as_object().into_iter().flatten();
    let values = values.map(|(sensor, value)| format!("{}={}", text_of(&sensor.as_str().into()), text_of(value)));
    let late = (data["late"] == Value::Bool(true)).then(|| "late".to_owned());
    let parts = [at, text_of(&data["device"]), kind.to_owned()]
        .into_iter()
        .chain(values)
        .chain(late);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

/// What a redrive did.
pub(super) fn redriven(answer: &Value) -> String {
    let count = text_of(&answer["redriven"]);
    let what = if count == "1" { "delivery is" } else { "deliveries are" };
    let mut text = format!("{count} {what} sent once more\n");
    for id in rows_of(&answer["unknown"]) {
        text += &format!("{}: no delivery that was given up\n", text_of(id));
    }
    text
}

/// A secret; after a rotation, until when the one before signs as well.
pub(super) fn secret(answer: &Value) -> String {
    let secret = text_of(&answer["secret"]);
    match time_of(&answer["previousUntil"]) {
        Some(until) => format!(
            "{secret}\nThe secret before signs as well until {}.\n",
            time::local(until, TimeZone::system())
        ),
        None => format!("{secret}\n"),
    }
}

fn rows_of(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn time_of(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
