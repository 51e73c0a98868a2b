//! Asks the notifier.

use crate::http::Server;
use anyhow::bail;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than an answer waits for a rule to come into force.
const TIMEOUT: Duration = Duration::from_secs(60);

const NOTIFIER: Server = Server {
    name: "notifier",
    usual: "http://127.0.0.1:5002",
};

/// The notifier's HTTP, with a key.
pub(super) struct Api {
    http: reqwest::Client,
    url: Url,
    key: Option<SecretString>,
}

impl Api {
    pub(super) fn new(url: &str, key: Option<SecretString>) -> anyhow::Result<Self> {
        let (http, parsed) = NOTIFIER.client(url, TIMEOUT)?;
        Ok(Self { http, url: parsed, key })
    }

    pub(super) async fn get(&self, path: &[&str]) -> anyhow::Result<Value> {
        self.answer(self.request(Method::GET, path)?, None)
            .await
            .map(|(_, answer)| answer)
    }

    /// At most so many rows.
    pub(super) async fn rows(&self, path: &[&str], limit: u32) -> anyhow::Result<Value> {
        let mut url = self.at(path)?;
        url.query_pairs_mut().append_pair("limit", &limit.to_string());
        let request = self.of(Method::GET, url);
        self.answer(request, None).await.map(|(_, answer)| answer)
    }

    pub(super) async fn post(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.answer(self.request(Method::POST, path)?, Some(body))
            .await
            .map(|(_, answer)| answer)
    }

    pub(super) async fn put(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.answer(self.request(Method::PUT, path)?, Some(body))
            .await
            .map(|(_, answer)| answer)
    }

    pub(super) async fn delete(&self, path: &[&str]) -> anyhow::Result<()> {
        self.answer(self.request(Method::DELETE, path)?, None).await.map(drop)
    }

    /// Creates a subscription, or replaces that of this name if it may. Returns it, and whether it is new.
    pub(super) async fn store(&self, name: &str, body: Value, replace: bool) -> anyhow::Result<(Value, bool)> {
        if replace {
            let put = self.request(Method::PUT, &["subscriptions", name])?;
            let (status, answer) = self.exchange(put, Some(&body)).await?;
            if status != StatusCode::NOT_FOUND {
                return Ok((accepted(status, answer, Some(&body))?, false));
            }
        }
        Ok((self.post(&["subscriptions"], &body).await?, true))
    }

    /// Redrives all at once, however many they are.
    pub(super) async fn redrive(&self, name: &str, body: &Value) -> anyhow::Result<Value> {
        let path = ["subscriptions", name, "redrive"];
        let mut all = self.post(&path, body).await?;
        while all["more"] == json!(true) {
            let next = self.post(&path, body).await?;
            all["redriven"] = (all["redriven"].as_u64().unwrap_or(0) + next["redriven"].as_u64().unwrap_or(0)).into();
            all["more"] = next["more"].clone();
        }
        Ok(all)
    }

    fn request(&self, method: Method, path: &[&str]) -> anyhow::Result<RequestBuilder> {
        Ok(self.of(method, self.at(path)?))
    }

    /// The address of this path below `/api`.
    fn at(&self, path: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.url.clone();
        let Ok(mut segments) = url.path_segments_mut() else {
            bail!("{} is not the address of a notifier", self.url);
        };
        segments.pop_if_empty().push("api").extend(path);
        drop(segments);
        Ok(url)
    }

    fn of(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }

    async fn answer(&self, request: RequestBuilder, body: Option<&Value>) -> anyhow::Result<(StatusCode, Value)> {
        let (status, answer) = self.exchange(request, body).await?;
        Ok((status, accepted(status, answer, body)?))
    }

    async fn exchange(&self, request: RequestBuilder, body: Option<&Value>) -> anyhow::Result<(StatusCode, Value)> {
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        NOTIFIER.exchange(request, self.url.as_str()).await
    }
}

/// The answer to a request that was taken; the reason why it was not, as an error.
fn accepted(status: StatusCode, answer: Value, body: Option<&Value>) -> anyhow::Result<Value> {
    if status.is_success() {
        return Ok(answer);
    }
    let detail = match answer["detail"].as_str() {
        Some(detail) => super::text::text_of(&detail.into()),
        None => format!("the notifier answered {status}"),
    };
    if status == StatusCode::UNAUTHORIZED {
        bail!("{detail} The variable MANAGEMENT_KEY gives it, or --data-dir names the folder that has it.");
    }
    bail!("{detail}{}", pointed(&answer, body).unwrap_or_default())
}

/// The line of a filter in which a problem is, with a mark below its place.
fn pointed(problem: &Value, body: Option<&Value>) -> Option<String> {
    let place = |name: &str| {
        problem["position"][name]
            .as_u64()?
            .checked_sub(1)
            .and_then(|at| usize::try_from(at).ok())
    };
    let text = body?[problem["member"].as_str()?].as_str()?;
    let line = text.lines().nth(place("line")?)?;
    let shown = super::text::text_of(&line.into());
    Some(format!(
        "\n\n  {shown}\n  {:>width$}",
        "^",
        width = place("column")? + 1
    ))
}
