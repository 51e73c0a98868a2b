//! `odograph post` and `odograph journal`: the journal, for people.

mod list;
mod post;

pub(crate) use list::Args as JournalArgs;
pub(crate) use list::run as list;
pub(crate) use post::Args as PostArgs;
pub(crate) use post::run as post;

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use reqwest::{RequestBuilder, Url};
use serde_json::Value;
use std::time::Duration;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A client, and the address of a path on the journal.
fn client(url: &str, path: &str) -> anyhow::Result<(reqwest::Client, Url)> {
    let help = || format!("{url:?}: --url is the journal's address, such as http://127.0.0.1:9000");
    let mut parsed = Url::parse(url).with_context(help)?;
    if !matches!(parsed.scheme(), "http" | "https") {
        bail!("{}", help());
    }
    match parsed.path_segments_mut() {
        Ok(mut segments) => {
            segments.pop_if_empty().push(path);
        }
        Err(()) => bail!("{}", help()),
    }
    let client = reqwest::Client::builder()
        .user_agent(concat!("odograph/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("make an HTTP client")?;
    Ok((client, parsed))
}

/// The data of an answer; the reason why there is none, as an error.
async fn answer(request: RequestBuilder, url: &str) -> anyhow::Result<Value> {
    let no_answer = || format!("no answer from {url}; is a journal running there? Name another with --url");
    let answer = request
        .send()
        .await
        .map_err(reqwest::Error::without_url)
        .with_context(no_answer)?;
    let status = answer.status();
    let text = answer
        .bytes()
        .await
        .map_err(reqwest::Error::without_url)
        .with_context(no_answer)?;
    let json: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{url} answered {status} and no JSON; is it a journal?"))?;
    if status.is_success() {
        return Ok(json["data"].clone());
    }
    match json["detail"].as_str() {
        Some(detail) => bail!("{}", shown(detail)),
        None => bail!("the journal answered {status}"),
    }
}

/// A time as it is sent. One without an offset is of this machine's zone, as the times are that are shown.
fn sent(text: &str, zone: &TimeZone) -> String {
    // The parser of plain times would ignore an offset.
    if text.trim().parse::<Timestamp>().is_ok() {
        return text.to_owned();
    }
    let is_plain = text
        .trim()
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"-:. Tt".contains(&byte));
    if !is_plain || text.matches('-').count() != 2 {
        return text.to_owned();
    }
    let plain = text
        .trim()
        .parse::<DateTime>()
        .and_then(|plain| plain.to_zoned(zone.clone()));
    // The journal says what is wrong with it.
    plain.map_or_else(|_| text.to_owned(), |zoned| zoned.timestamp().to_string())
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
