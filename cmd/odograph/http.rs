//! Asks servers over HTTP.

use anyhow::{Context, bail};
use bytes::Bytes;
use reqwest::header::RETRY_AFTER;
use reqwest::{ClientBuilder, RequestBuilder, StatusCode, Url};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// A server that is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    /// What it is: `notifier`.
    pub(crate) name: &'static str,
    /// Where one usually is.
    pub(crate) usual: &'static str,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// How long the server asks to wait before another try.
    pub(crate) after: Option<Duration>,
    body: Bytes,
}

impl Server {
    /// A client whose answers come within `within`, and the parsed address.
    pub(crate) fn client(self, url: &str, within: Duration) -> anyhow::Result<(reqwest::Client, Url)> {
        self.client_with(url, |builder| builder.timeout(within))
    }

    /// A client of answers without an end, of which some bytes come within `within`; and the parsed address.
    pub(crate) fn streaming(self, url: &str, within: Duration) -> anyhow::Result<(reqwest::Client, Url)> {
        self.client_with(url, |builder| builder.connect_timeout(within).read_timeout(within))
    }

    fn client_with(
        self,
        url: &str,
        timeouts: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> anyhow::Result<(reqwest::Client, Url)> {
        let Self { name, usual } = self;
        let help = || format!("{url:?}: --url is the {name}'s address, such as {usual}");
        let parsed = Url::parse(url).with_context(help)?;
        if !matches!(parsed.scheme(), "http" | "https") {
            bail!("{}", help());
        }
        let builder = reqwest::Client::builder().user_agent(concat!("odograph/", env!("CARGO_PKG_VERSION")));
        let client = timeouts(builder)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("make an HTTP client")?;
        Ok((client, parsed))
    }

    /// The status and the JSON of an answer; null where it has no body.
    pub(crate) async fn exchange(self, request: RequestBuilder, url: &str) -> anyhow::Result<(StatusCode, Value)> {
        let answer = self.send(request, url).await?;
        Ok((answer.status, self.json(&answer, url)?))
    }

    /// The answer to a request. It fails only where there is none.
    pub(crate) async fn send(self, request: RequestBuilder, url: &str) -> anyhow::Result<Answer> {
        let name = self.name;
        let no_answer = || format!("no answer from {url}; is a {name} running there? Name another with --url");
        let answer = request
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(no_answer)?;
        let status = answer.status();
        let after = answer.headers().get(RETRY_AFTER);
        let after = after.and_then(|value| repeat::retry_after(value.as_bytes(), SystemTime::now()));
        let body = answer
            .bytes()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(no_answer)?;
        Ok(Answer { status, after, body })
    }

    /// The JSON of an answer; null where it has no body.
    pub(crate) fn json(self, answer: &Answer, url: &str) -> anyhow::Result<Value> {
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        let (name, status) = (self.name, answer.status);
        let json = serde_json::from_slice(&answer.body);
        json.with_context(|| format!("{url} answered {status} and no JSON; is it a {name}?"))
    }
}
