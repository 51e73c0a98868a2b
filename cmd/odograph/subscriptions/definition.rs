//! The flags that define a subscription, as members of its JSON.

use crate::output::in_flags;
use anyhow::anyhow;
use serde_json::{Map, Value, json};

/// The notifier's names of what the command line gives, and the flags or arguments that give it.
const FLAGS: [(&str, &str); 26] = [
    ("name", "NAME"),
    ("device", "--device"),
    ("filter", "--filter"),
    ("for", "--for"),
    ("clear", "--clear"),
    ("fire", "--fire"),
    ("every", "--every"),
    ("maxAge", "--max-age"),
    ("silence", "--silence"),
    ("tolerance", "--tolerance"),
    ("topic", "--topic"),
    ("targetUrl", "--to"),
    ("format", "--format"),
    ("body", "--body"),
    ("method", "--method"),
    ("headers", "--header"),
    ("ordering", "--ordering"),
    ("parallel", "--parallel"),
    ("rate", "--rate"),
    ("timeout", "--timeout"),
    ("retries", "--retries"),
    // Of a span of time: `--to` is a URL.
    ("from", "--from"),
    ("to", "--to-time"),
    ("limit", "--limit"),
    ("ids", "ID"),
    ("overlap", "--overlap"),
];

/// What the notifier says to write in JSON, and the same on a command line.
const EXAMPLES: [(&str, &str); 2] = [("\"format\":\"text\"", "--format text"), ("[\"0s\",\"30s\"]", "0s,30s")];

/// What the notifier says is wrong, in the words of the command line.
pub(super) fn of_flags(error: anyhow::Error) -> anyhow::Error {
    let told = error.to_string();
    let named = in_flags(&told, &FLAGS);
    if named == told {
        return error;
    }
    let examples = EXAMPLES.iter();
    anyhow!(examples.fold(named, |text, (json, flag)| text.replace(json, flag)))
}

/// What is noticed, and how it is sent. An empty text takes a member away.
#[derive(clap::Args, Default)]
pub(super) struct Definition {
    /// Only these devices; * stands for any characters, as in truck-* [default: all]
    #[arg(long)]
    device: Option<String>,
    /// The condition, in CEL: 'engine_temperature > 105', 'inside("home")', 'value["gear-no"] == 5.0'
    #[arg(long, value_name = "CEL")]
    filter: Option<String>,
    /// How long the condition has to be true, such as 30s
    #[arg(long = "for", value_name = "SPAN")]
    hold: Option<String>,
    /// A second condition: an episode ends when it becomes true
    #[arg(long, value_name = "CEL")]
    clear: Option<String>,
    /// When to make an event: the filter became true (rise), became false (fall), both, has another value (change), at
    /// each moment at which it is true (each), or no reading came for --for (quiet) [default: rise]
    #[arg(long, value_name = "WHEN")]
    fire: Option<String>,
    /// Least time between two events of a device
    #[arg(long, value_name = "SPAN")]
    every: Option<String>,
    /// Do not send events that are older than this
    #[arg(long, value_name = "SPAN")]
    max_age: Option<String>,
    /// If a device has no moment for longer than this, the time of --for starts again [default: 1m]
    #[arg(long, value_name = "SPAN")]
    silence: Option<String>,
    /// How old the last value of another sensor may be [default: 10s]
    #[arg(long, value_name = "SPAN")]
    tolerance: Option<String>,
    /// The topic whose published messages are sent instead of events of readings
    #[arg(long)]
    topic: Option<String>,
    /// Where events are sent: an https URL
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// What a request looks like: standard, cloudevents, request, text [default: standard]
    #[arg(long)]
    format: Option<String>,
    /// The text to send, in CEL, for --format text
    #[arg(long, value_name = "CEL")]
    body: Option<String>,
    /// The method of requests [default: POST]
    #[arg(long)]
    method: Option<String>,
    /// A header to send as well; may be given several times. "NAME:" keeps the value that the notifier has
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, Option<String>)>,
    /// Which requests wait for one another: those of one device (key), or none [default: key]
    #[arg(long)]
    ordering: Option<String>,
    /// Most requests at once [default: 16]
    #[arg(long, value_name = "NUMBER")]
    parallel: Option<u32>,
    /// Most requests a second [default: any number]
    #[arg(long, value_name = "NUMBER")]
    rate: Option<f64>,
    /// How long a request may take [default: 15s]
    #[arg(long, value_name = "SPAN")]
    timeout: Option<String>,
    /// The wait before each try, separated by commas: 0s,30s,10m [default: ten tries in 28 hours]
    #[arg(long, value_delimiter = ',', value_name = "SPANS")]
    retries: Vec<String>,
}

impl Definition {
    /// The members that were given.
    pub(super) fn members(&self) -> Map<String, Value> {
        let texts = [
            ("device", &self.device),
            ("filter", &self.filter),
            ("for", &self.hold),
            ("clear", &self.clear),
            ("fire", &self.fire),
            ("every", &self.every),
            ("maxAge", &self.max_age),
            ("silence", &self.silence),
            ("tolerance", &self.tolerance),
            ("topic", &self.topic),
            ("targetUrl", &self.to),
            ("format", &self.format),
            ("body", &self.body),
            ("method", &self.method),
            ("ordering", &self.ordering),
            ("timeout", &self.timeout),
        ];
        let texts = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_deref()?)));
        let mut members: Map<String, Value> = texts
            .map(|(name, text)| (name.to_owned(), if text.is_empty() { Value::Null } else { text.into() }))
            .collect();
        if let Some(parallel) = self.parallel {
            members.insert("parallel".to_owned(), parallel.into());
        }
        if let Some(rate) = self.rate {
            members.insert("rate".to_owned(), rate.into());
        }
        if !self.header.is_empty() {
            let headers: Map<String, Value> = self
                .header
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            members.insert("headers".to_owned(), headers.into());
        }
        match self.retries.as_slice() {
            [] => {}
            [none] if none.is_empty() => drop(members.insert("retries".to_owned(), Value::Null)),
            retries => drop(members.insert("retries".to_owned(), json!(retries))),
        }
        members
    }

    /// Sets the members that were given in a definition. Headers come beside those that it has.
    pub(super) fn change(&self, definition: &mut Value) {
        for (name, value) in self.members() {
            match (&mut definition[&name], value) {
                (Value::Object(headers), Value::Object(given)) => headers.extend(given),
                (member, value) => *member = value,
            }
        }
    }
}

/// `NAME: VALUE`; without a value, the one that is stored.
fn header(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = text.split_once(':').ok_or("write it like 'Authorization: Bearer …'")?;
    let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
    Ok((name.trim().to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_values_or_keep_them() {
        for (text, expected) in [
            (
                "Authorization: Bearer a:b",
                Ok(("Authorization".to_owned(), Some("Bearer a:b".to_owned()))),
            ),
            ("X:", Ok(("X".to_owned(), None))),
        ] {
            assert_eq!(header(text), expected);
        }
        assert!(header("Authorization").is_err());
    }

    #[test]
    fn what_is_given_changes_a_definition() {
        let mut stored = json!({"filter": "speed > 1", "clear": "speed < 1", "headers": {"A": null}});
        let given = Definition {
            clear: Some(String::new()),
            max_age: Some("1h".to_owned()),
            header: vec![("B".to_owned(), Some("b".to_owned()))],
            retries: vec!["0s".to_owned(), "5s".to_owned()],
            rate: Some(0.5),
            ..Definition::default()
        };
        given.change(&mut stored);
        let expected = json!({"filter": "speed > 1", "clear": null, "headers": {"A": null, "B": "b"}, "maxAge": "1h",
            "retries": ["0s", "5s"], "rate": 0.5});
        assert_eq!(stored, expected);
        assert!(Definition::default().members().is_empty());
    }
}
