//! `odograph post` and `odograph journal`: the journal, for people.

mod list;
mod post;
mod tries;

pub(crate) use list::Args as JournalArgs;
pub(crate) use list::run as list;
pub(crate) use post::Args as PostArgs;
pub(crate) use post::run as post;

use crate::http::Server;
use crate::output::in_flags;
use anyhow::bail;
use jiff::tz::TimeZone;
use reqwest::{RequestBuilder, StatusCode, Url};
use serde_json::Value;
use std::time::Duration;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);

const JOURNAL: Server = Server {
    name: "journal",
    usual: "http://127.0.0.1:9000",
};

/// The journal's names of parameters and members, and the flags that give them.
const FLAGS: [(&str, &str); 12] = [
    ("hashtag", "--hashtag"),
    ("hashtags", "--hashtag"),
    ("user", "--user"),
    ("user_name", "--user"),
    ("device", "--device"),
    ("q", "--words"),
    ("from_date", "--since"),
    ("to_date", "--until"),
    ("limit", "--limit"),
    ("created_at", "--time"),
    ("latitude", "--place"),
    ("longitude", "--place"),
];

/// A client, and the address of the journal's entries.
fn client(url: &str) -> anyhow::Result<(reqwest::Client, Url)> {
    let (client, mut parsed) = JOURNAL.client(url, TIMEOUT)?;
    // An address of HTTP has a path.
    if let Ok(mut segments) = parsed.path_segments_mut() {
        segments.pop_if_empty().push("message");
    }
    Ok((client, parsed))
}

/// The data of an answer; the reason why there is none, as an error.
async fn answer(request: RequestBuilder, url: &str) -> anyhow::Result<Value> {
    let (status, json) = JOURNAL.exchange(request, url).await?;
    data(status, &json)
}

/// The data of an answer's JSON.
fn data(status: StatusCode, json: &Value) -> anyhow::Result<Value> {
    if status.is_success() {
        return Ok(json["data"].clone());
    }
    match json["detail"].as_str() {
        Some(detail) => bail!("{}", in_flags(&shown(detail), &FLAGS)),
        None => bail!("the journal answered {status}"),
    }
}

/// The text of a time, checked here: the journal does not know the flag's name.
fn time(text: &str) -> Result<String, String> {
    let checked: Result<entry::Moment, _> = text.parse();
    checked.map(|_moment| text.to_owned()).map_err(str::to_owned)
}

/// A time as it is sent. One without an offset is of this machine's zone, as the times are that are shown.
fn sent(text: &str, zone: &TimeZone) -> String {
    let zoned = entry::plain_time(text).and_then(|plain| plain.to_zoned(zone.clone()).ok());
    zoned.map_or_else(|| text.to_owned(), |zoned| zoned.timestamp().to_string())
}

/// A text without characters that a terminal would obey; lines stay.
fn shown(text: &str) -> String {
    let shown = |ch: char| if ch.is_control() && ch != '\n' { '\u{fffd}' } else { ch };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_of_a_flag() {
        let told = |detail: &str| {
            let problem = serde_json::json!({"detail": detail});
            data(StatusCode::BAD_REQUEST, &problem).unwrap_err().to_string()
        };
        assert_eq!(told("to_date: write a date"), "--until: write a date");
        assert_eq!(told("latitude: not on earth"), "--place: not on earth");
        assert_eq!(told("There is no entry."), "There is no entry.");
        assert!(time("2026-11-26 18:30").is_ok());
        assert!(time("tomorrow").unwrap_err().starts_with("write a date"));
    }

    #[test]
    fn times_are_of_this_machines_zone_unless_they_say_otherwise() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for (text, expected) in [
            ("2026-11-26", "2026-11-25T23:00:00Z"),
            ("2026-11-26 18:30", "2026-11-26T17:30:00Z"),
            ("2026-11-26T18:30:00Z", "2026-11-26T18:30:00Z"),
            ("2026-11-26T18:30:00+02:00", "2026-11-26T18:30:00+02:00"),
            ("1780000000", "1780000000"),
            ("2026-11-26 18:30+0200", "2026-11-26 18:30+0200"),
            ("tomorrow", "tomorrow"),
        ] {
            assert_eq!(sent(text, &zone), expected, "{text}");
        }
    }
}
