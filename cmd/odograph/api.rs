//! Asks the API for streams.

use crate::http::Server;
use crate::output::in_flags;
use anyhow::{Context, anyhow};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::Duration;

/// Longest time without a byte of an answer.
const SILENCE: Duration = Duration::from_secs(60);

/// What the API says of times to those who write URLs.
const OF_URLS: &str = ", whose + is %2B in a URL";

/// The API's names of parameters, and the flags that give them.
const FLAGS: [(&str, &str); 5] = [
    ("from", "--from"),
    ("to", "--to"),
    ("from is not before to", "--from is not before --to"),
    ("device", "--device"),
    ("sensor", "--sensor"),
];

const API: Server = Server {
    name: "api",
    usual: "http://127.0.0.1:5000",
};

/// Where the API is, and the key that reads there.
#[derive(clap::Args)]
pub(crate) struct Source {
    /// The API's address
    #[arg(
        long,
        visible_alias = "api",
        env = "API_URL",
        default_value = "http://127.0.0.1:5000"
    )]
    url: String,

    /// A key that reads, where reading is closed; better given as the variable, which other users cannot see
    #[arg(long, env, hide_env_values = true, value_name = "KEY")]
    read_key: Option<SecretString>,
}

/// The API's HTTP, with a key.
pub(crate) struct Api {
    http: reqwest::Client,
    url: Url,
    key: Option<SecretString>,
}

impl Api {
    pub(crate) fn new(source: Source) -> anyhow::Result<Self> {
        let (http, url) = API.streaming(&source.url, SILENCE)?;
        Ok(Self {
            http,
            url,
            key: source.read_key,
        })
    }

    /// A request for this path below `/api`, with these parameters.
    pub(crate) fn get(&self, path: &[&str], parameters: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.url.clone();
        // An address of HTTP has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("api").extend(path);
        }
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let request = self.http.get(url);
        match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }

    /// Sends a request. None: the API does not answer, or has no room now.
    pub(crate) async fn try_open(&self, request: RequestBuilder) -> anyhow::Result<Option<Response>> {
        let Ok(answer) = request.send().await else {
            return Ok(None);
        };
        match answer.status() {
            status if status.is_success() => Ok(Some(answer)),
            StatusCode::SERVICE_UNAVAILABLE => Ok(None),
            status => Err(refused(status, answer).await),
        }
    }

    /// Sends a request once.
    pub(crate) async fn open(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let answer = request
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(|| self.no_answer())?;
        let status = answer.status();
        if !status.is_success() {
            return Err(refused(status, answer).await);
        }
        Ok(answer)
    }

    fn no_answer(&self) -> String {
        format!(
            "no answer from {}; is an api running there? Name another with --url",
            self.url
        )
    }
}

/// Why the API does not answer a question.
async fn refused(status: StatusCode, answer: Response) -> anyhow::Error {
    let problem: Option<Value> = answer.json().await.ok();
    let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
    let detail = detail.map_or_else(|| format!("the api answered {status}."), of_flags);
    if status == StatusCode::UNAUTHORIZED {
        return anyhow!("{detail} The variable READ_KEY gives it.");
    }
    anyhow!("{detail}")
}

/// What the API says is wrong, in the words of the command line.
fn of_flags(detail: &str) -> String {
    in_flags(&shown(detail).replace(OF_URLS, ""), &FLAGS)
}

/// A text without characters that a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    let shown = |ch: char| if ch.is_control() { '\u{fffd}' } else { ch };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_of_a_flag() {
        for (detail, expected) in [
            (
                "to: write it as 2021-02-28T10:00:00Z, or with an offset, whose + is %2B in a URL; or write a date",
                "--to: write it as 2021-02-28T10:00:00Z, or with an offset; or write a date",
            ),
            (
                "from is not before to: swap them, or ask for a longer span",
                "--from is not before --to: swap them, or ask for a longer span",
            ),
            ("sensor: not a name", "--sensor: not a name"),
            ("A key is needed.", "A key is needed."),
        ] {
            assert_eq!(of_flags(detail), expected);
        }
    }
}
