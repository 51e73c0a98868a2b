//! Explains to the user why the intended server did not answer a request.

use std::error::Error as _;

use reqwest::header::{HeaderMap, LOCATION, SERVER};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

/// Most characters of a server's text that are shown.
const SHOWN: usize = 200;

/// A server's answer in words.
pub(super) struct Answered {
    /// The status, and the server's explanation.
    pub(super) words: String,
    /// Whether an Odograph answered, not a server in between.
    pub(super) ours: bool,
}

/// Explains an answer without counts or a receipt.
pub(super) fn answered(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answered {
    if let Some(detail) = problem(status, body) {
        return Answered {
            words: format!("{status}: {}", one_line(&detail)),
            ours: true,
        };
    }
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(one_line);
    let mut words = format!("{status}, not from Odograph but from something in between");
    if let Some(server) = header(SERVER) {
        words.push_str(&format!(" ({server})"));
    }
    match header(LOCATION) {
        Some(location) => words.push_str(&format!(
            ", which points to {location}; is that the address now, or a page to sign in?"
        )),
        None => match text(body) {
            said if said.is_empty() => {}
            said => words.push_str(&format!(": {said}")),
        },
    }
    Answered { words, ours: false }
}

/// Explains why a request had no answer.
pub(super) fn unanswered(error: &reqwest::Error, url: &Url) -> String {
    let (host, cause) = (host(url), root_cause(error));
    if url.scheme() == "https" && cause.starts_with(NO_TLS) {
        format!("{host} does not speak TLS: write http:// in the place of https://")
    } else if url.scheme() == "http" && cause == NO_HTTP {
        format!("{host} does not answer in plain HTTP: if it speaks TLS, write https:// in the place of http://")
    } else if error.is_connect() {
        format!("no connection to {host}: {cause}")
    } else {
        format!("the connection broke: {cause}")
    }
}

/// The words of rustls and hyper for an answer of the other protocol: no TLS, and no HTTP, such as a TLS
/// server's alert. A test pins them.
const NO_TLS: &str = "received corrupt message";
const NO_HTTP: &str = "invalid HTTP version parsed";

pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    // The outermost error would show the URL with its password.
    cause.map_or_else(|| "no reason given".to_owned(), ToString::to_string)
}

/// The host and port only: the address may hold a password, which must not be logged.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The detail of a problem document in Odograph's form.
fn problem(status: StatusCode, body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        status: u16,
        detail: String,
    }
    let problem: Problem = serde_json::from_slice(body).ok()?;
    (problem.status == status.as_u16()).then_some(problem.detail)
}

/// The title of a page, or the beginning of a text.
fn text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    if !text.trim_start().starts_with('<') {
        return one_line(&text);
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").map(|start| start + "<title>".len());
    let title = title.and_then(|start| Some(&text[start..start + lower[start..].find("</title>")?]));
    title.map(one_line).unwrap_or_default()
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_are_short_and_on_one_line() {
        let check = |status: u16, body: &str, expected: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            let answered = answered(status, &HeaderMap::new(), body.as_bytes());
            assert_eq!(
                answered.words.split_once(expected).map(|(_, rest)| rest),
                Some(""),
                "{}",
                answered.words
            );
            assert_eq!(answered.ours, !answered.words.contains("in between"), "{body}");
        };
        let ours = r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"unknown\nkey"}"#;
        check(401, ours, "401 Unauthorized: unknown key");
        check(403, ours, r#""detail":"unknown\nkey"}"#);
        check(401, "", "from something in between");
        check(502, "bad\n\n  gateway ", "in between: bad gateway");
        let page = "<!doctype html>\n<HTML><head><Title>\n Hotel Wifi </TITLE></head><body>Hello";
        check(200, page, "in between: Hotel Wifi");
        check(200, "<html><title>Hotel", "in between");
        let long = answered(StatusCode::OK, &HeaderMap::new(), "x".repeat(5_000).as_bytes());
        assert!(long.words.len() < 300, "{}", long.words);
    }

    #[test]
    fn what_is_in_between_is_named() {
        let headers = [(SERVER, "nginx"), (LOCATION, "https://portal.example/login")];
        let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
        let told = answered(StatusCode::FOUND, &headers.into_iter().collect(), b"").words;
        assert!(
            told.contains("(nginx)") && told.contains("https://portal.example/login"),
            "{told}"
        );
    }
}
