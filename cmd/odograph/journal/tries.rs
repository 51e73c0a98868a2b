//! Tries to post an entry until the journal has taken it: once, however often it is sent.

use super::{JOURNAL, data};
use anyhow::Context;
use repeat::Pauses;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The time that each try has at least.
const SHORTEST: Duration = Duration::from_secs(1);

/// Sends a post under the name `request`, again while the journal does not answer or asks to wait, for `within`. Returns
/// the data of the answer.
pub(super) async fn post(posting: RequestBuilder, url: &str, request: &str, within: Duration) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let mut pauses = Pauses::outage();
    // A second try of a request whose answer was lost must not post twice.
    let posting = posting.header("Idempotency-Key", request);
    let mut is_first = true;
    loop {
        let left = within.saturating_sub(begun.elapsed()).max(SHORTEST);
        let (error, after) = match JOURNAL.send(repeated(&posting)?.timeout(left), url).await {
            Ok(answer) => {
                let tried = JOURNAL.json(&answer, url).and_then(|json| data(answer.status, &json));
                match tried {
                    Err(error) if asks_to_wait(answer.status) => (error, answer.after),
                    tried => return tried,
                }
            }
            Err(error) => (error, None),
        };
        let pause = pauses.grow();
        let pause = after.map_or(pause, |after| after.max(pause));
        if pause >= within.saturating_sub(begun.elapsed()) {
            return Err(error.context(format!(
                "gave up within {within:?}; the entry may be stored all the same. With --idempotency-key {request}, a new try stores it once"
            )));
        }
        if std::mem::take(&mut is_first) {
            let _unread = writeln!(std::io::stderr(), "{error:#}; trying again for up to {within:?}");
        }
        sleep(pause).await;
    }
}

/// Whether the journal, or a proxy before it, has not done what it was asked, and may later.
fn asks_to_wait(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// The same request again; one that can never be sent is not tried.
fn repeated(posting: &RequestBuilder) -> anyhow::Result<RequestBuilder> {
    let repeated = posting.try_clone();
    repeated.context("this cannot be sent; is the key as `odograph key new` prints it?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    const POSTED: &str = "201 Created\r\n\r\n{\"data\":{\"id\":\"01J\"}}";
    const BUSY: &str = "503 Busy\r\nRetry-After: 0\r\n\r\n<html>";
    const LATER: &str = "429 Slow\r\nRetry-After: 99999999999999999999999\r\n\r\n{\"detail\":\"too fast\"}";
    const WRONG: &str = "400 Wrong\r\n\r\n{\"detail\":\"no text\"}";

    /// A server that gives these answers, one a connection; an empty one closes it. Returns what it was asked.
    async fn server(answers: &'static [&'static str]) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/message", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"}") {
                    assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
                }
                asked.push(String::from_utf8(request).unwrap());
                if let Some((status, rest)) = answer.split_once("\r\n") {
                    let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{rest}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
            asked
        });
        (url, serving)
    }

    async fn tried(url: &str, within: Duration) -> Result<String, String> {
        service::install_tls();
        let posting = reqwest::Client::new().post(url).json(&serde_json::json!({"text": "a"}));
        let posted = post(posting, url, "mine", within).await;
        posted
            .map(|data| data["id"].as_str().unwrap().to_owned())
            .map_err(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn a_lost_or_late_answer_is_asked_for_again_under_the_same_name() {
        let (url, serving) = server(&["", BUSY, POSTED]).await;
        assert_eq!(tried(&url, Duration::from_secs(60)).await.as_deref(), Ok("01J"));
        let asked = serving.await.unwrap();
        assert_eq!(asked.len(), 3);
        for request in asked {
            assert!(
                request.to_ascii_lowercase().contains("idempotency-key: mine\r\n"),
                "{request}"
            );
        }
    }

    #[tokio::test]
    async fn it_ends_with_the_reason() {
        // A wait beyond the deadline is not begun.
        let (url, _serving) = server(&[LATER]).await;
        let error = tried(&url, Duration::from_secs(60)).await.unwrap_err();
        assert!(
            error.contains("--idempotency-key mine") && error.ends_with("too fast"),
            "{error}"
        );
        let (url, _serving) = server(&[WRONG]).await;
        assert_eq!(tried(&url, Duration::from_secs(60)).await, Err("no text".to_owned()));
        // Nothing listens on a port that was just given back.
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let url = format!("http://{closed}/message");
        let error = tried(&url, Duration::ZERO).await.unwrap_err();
        assert!(
            error.contains("--idempotency-key mine") && error.contains("no answer from"),
            "{error}"
        );
    }
}
