//! Sends chunks to the ingestor and retries until it has judged them.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use repeat::Pauses;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::error::Error;
use super::options::Options;
use super::progress::Progress;
use super::reason::{Answered, answered, root_cause, unanswered};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A server may ask for a longer wait than ours, but not for one without end.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);
/// Longest answer that is read: an ingestor lists at most a hundred lines.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Each value is a line of its own, also where it begins as a document does.
const LINES: &str = "application/x-ndjson; form=lines";

/// The ingestor's answer to a body that it has judged as a whole.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    /// The upload's id, by which the API knows it.
    pub(super) id: Uuid,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    /// The first hundred rejected lines.
    #[serde(default)]
    pub(super) invalid: Vec<Invalid>,
}

/// A rejected line.
#[derive(Debug, Deserialize)]
pub(super) struct Invalid {
    /// Its number in the body, from 1.
    pub(super) line: u64,
    pub(super) reason: String,
}

/// A client of the ingestor.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    user: Option<(String, SecretString)>,
    run: String,
    request_timeout: Duration,
    max_retry_time: Option<Duration>,
}

/// Why a try had no answer.
enum Failure {
    Refused(Error),
    Again { reason: String, after: Option<Duration> },
}

impl Client {
    pub(super) fn new(options: &Options, run: String) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("odograph/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(options.request_timeout)
            // A redirected upload would arrive as a GET without its body.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| Error::Usage(format!("no HTTP client: {}", root_cause(&error))))?;
        let user = match (&options.device, &options.api_key) {
            (None, None) => None,
            (Some(_), None) => {
                return Err(Error::Usage("a device needs its key: give it as API_KEY".to_owned()));
            }
            (None, Some(key)) => Some((key.expose_secret().to_owned(), SecretString::default())),
            (Some(device), Some(key)) => Some((device.clone(), key.clone())),
        };
        Ok(Self {
            http,
            url: ingest(&options.url)?,
            user,
            run,
            request_timeout: options.request_timeout,
            max_retry_time: options.max_retry_time,
        })
    }

    /// Sends a body until it is answered, a retry is useless, or the time for retries is over. Counts the
    /// retries.
    pub(super) async fn send(&self, body: &Bytes, retries: &mut u64, progress: &mut Progress) -> Result<Answer, Error> {
        let mut pauses = Pauses::between(FIRST_WAIT, LONGEST_WAIT);
        let mut failing_since = None;
        loop {
            let (reason, after) = match self.try_once(body.clone()).await {
                Ok(answer) => {
                    progress.answered();
                    return Ok(answer);
                }
                Err(Failure::Refused(error)) => return Err(error),
                Err(Failure::Again { reason, after }) => (reason, after),
            };
            let since = *failing_since.get_or_insert_with(Instant::now);
            let pause = pauses.grow().max(after.unwrap_or_default());
            if self
                .max_retry_time
                .is_some_and(|longest| since.elapsed() + pause > longest)
            {
                return Err(Error::GaveUp { reason });
            }
            *retries += 1;
            progress.waiting(&reason, pause);
            sleep(pause).await;
        }
    }

    async fn try_once(&self, body: Bytes) -> Result<Answer, Failure> {
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, LINES)
            .header("X-Correlation-Id", &self.run)
            .body(body);
        if let Some((name, password)) = &self.user {
            request = request.basic_auth(name, Some(password.expose_secret()));
        }
        let response = request.send().await.map_err(|error| self.again(&error))?;
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER);
        let after = after.and_then(|value| repeat::retry_after(value.as_bytes(), SystemTime::now()));
        let after = after.map(|wait| wait.min(LONGEST_RETRY_AFTER));
        let headers = response.headers().clone();
        let text = body_of(response).await.map_err(|error| self.again(&error));

        match status {
            StatusCode::OK | StatusCode::BAD_REQUEST => {
                // Only an ingestor's answer has this shape; a portal's welcome page has not.
                let text = text?;
                serde_json::from_slice(&text).map_err(|_| Failure::Again {
                    reason: answered(status, &headers, &text).words,
                    after,
                })
            }
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                let Answered { words, ours } = answered(status, &headers, &text.unwrap_or_default());
                Err(Failure::Refused(Error::Refused {
                    answer: words,
                    advice: advice(status, ours),
                }))
            }
            _ => Err(Failure::Again {
                reason: answered(status, &headers, &text.unwrap_or_default()).words,
                after,
            }),
        }
    }

    fn again(&self, error: &reqwest::Error) -> Failure {
        let reason = if error.is_timeout() && !error.is_connect() {
            format!(
                "no answer within {:?}; on a slow line try a longer --request-timeout or smaller --chunk-bytes",
                self.request_timeout
            )
        } else {
            unanswered(error, &self.url)
        };
        Failure::Again { reason, after: None }
    }
}

/// The address of the endpoint at an ingestor's address.
fn ingest(url: &str) -> Result<Url, Error> {
    let help = "--url is the ingestor's address, such as http://127.0.0.1:5000";
    let wrong = |reason: String| Error::Usage(format!("{reason}; {help}"));
    let mut url = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("{}: is neither http nor https", url.scheme())));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with("/ingest") {
        url.set_path(&format!("{path}/ingest"));
    }
    Ok(url)
}

pub(super) async fn body_of(mut response: Response) -> Result<Bytes, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            // A truncated answer is no JSON, and counts as none.
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn advice(status: StatusCode, ours: bool) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "try again with smaller --chunk-bytes",
        _ if !ours => "a proxy, a page to sign in or another server answered: check --url and the way there",
        StatusCode::UNAUTHORIZED => "give the ingestor's key as API_KEY, and --device where the key is bound to one",
        StatusCode::FORBIDDEN => "this key may not write here; ask for one that may",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "change the input as it says, and send it again",
        _ => "is --url the ingestor's address? Its endpoint is /ingest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_follows_from_the_address() {
        let check = |url, expected| assert_eq!(ingest(url).unwrap().as_str(), expected);
        check("http://127.0.0.1:5000", "http://127.0.0.1:5000/ingest");
        check("http://127.0.0.1:5000/", "http://127.0.0.1:5000/ingest");
        check("https://example.org/cars", "https://example.org/cars/ingest");
        check("https://example.org/ingest", "https://example.org/ingest");
        for wrong in ["", "127.0.0.1:5000", "ftp://example.org", "http://"] {
            assert!(matches!(ingest(wrong), Err(Error::Usage(_))), "{wrong:?}");
        }
    }
}
