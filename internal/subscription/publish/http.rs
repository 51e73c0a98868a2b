//! `POST /publish` and `GET /refresh`.

use super::{Claims, Invalid, LARGEST, Message, NotStored, Publisher, Refused};
use crate::answer::problem;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt;
use repeat::LogLimit;
use std::time::Duration;
use tokio::time::timeout;
use web::Problem;

/// How long a client may take to send its message.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may go on sending after the answer, so that it gets to read the answer.
const DRAIN: Duration = Duration::from_secs(2);

/// The routes of publishers.
pub fn routes(publisher: Publisher) -> Router {
    Router::new()
        .route("/publish", post(publish))
        // Clients of the forerunner ask it to read its subscriptions again. Here each commit is in force by itself.
        .route("/refresh", get(async || StatusCode::NO_CONTENT))
        .with_state(publisher)
}

async fn publish(State(publisher): State<Publisher>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let claims = match publisher.judge_head(&head.headers) {
        Ok(claims) => claims,
        Err(problem) => {
            // A client that waits for permission to send has sent no body.
            if !head.headers.contains_key(header::EXPECT) {
                publisher.drain(body);
            }
            return problem.into_response();
        }
    };
    let body = match publisher.read(body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let message = match judge(&body, &claims) {
        Ok(message) => message,
        Err(problem) => return problem.into_response(),
    };
    // A client that vanishes does not interrupt a transaction.
    let service = publisher.0.service.clone();
    let stored = service.run_to_end(async move { publisher.store(&message, claims.author.as_deref()).await });
    match stored.await {
        Ok(Ok(published)) => Json(published).into_response(),
        Ok(Err(error)) => not_stored(error).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}

impl Publisher {
    /// Judges a request by its head.
    fn judge_head(&self, headers: &HeaderMap) -> Result<Claims, Problem> {
        let Some(verifier) = &self.0.verifier else {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "Publishing is off here: start the notifier with --jwt-secret or JWT_SECRET.",
            ));
        };
        let given: Vec<_> = headers.get_all(header::AUTHORIZATION).into_iter().collect();
        let given = match given[..] {
            [given] => given.to_str().map_err(|_| Refused::Form),
            _ => Err(Refused::Missing),
        };
        let claims = given
            .and_then(|given| verifier.verify(given, now()))
            .map_err(unauthorized)?;
        let codings = headers.get_all(header::CONTENT_ENCODING).into_iter();
        if codings
            .filter(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
            .count()
            > 0
        {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "A message is sent plain, without Content-Encoding.",
            ));
        }
        let length = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok());
        if length
            .and_then(|length| length.parse::<usize>().ok())
            .is_some_and(|length| length > LARGEST)
        {
            return Err(too_large());
        }
        Ok(claims)
    }

    /// Reads a body of up to [`LARGEST`] bytes within [`BODY_TIMEOUT`].
    async fn read(&self, body: Body) -> Result<Vec<u8>, Problem> {
        let mut stream = body.into_data_stream();
        let mut read = Vec::new();
        let reading = async {
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(|_| Problem::bad_request("The body broke off; send it again."))?;
                if read.len() + chunk.len() > LARGEST {
                    return Err(too_large());
                }
                read.extend_from_slice(&chunk);
            }
            Ok(())
        };
        match timeout(BODY_TIMEOUT, reading).await {
            Ok(Ok(())) => Ok(read),
            Ok(Err(problem)) => {
                self.drain(Body::from_stream(stream));
                Err(problem)
            }
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "The body did not come within 10 s; send it again.",
            )),
        }
    }

    /// Reads and discards the rest of a body for a while.
    fn drain(&self, body: Body) {
        // The service awaits it.
        let _task = self.0.service.run_to_end(async move {
            let mut stream = body.into_data_stream();
            let _late = timeout(DRAIN, async { while let Some(Ok(_)) = stream.next().await {} }).await;
        });
    }
}

/// Judges a request by its body.
fn judge(body: &[u8], claims: &Claims) -> Result<Message, Problem> {
    let message = Message::parse(body).map_err(|invalid| match invalid {
        Invalid::Content(_) => Problem::bad_request(invalid.to_string()),
        Invalid::Reserved => Problem::new(StatusCode::FORBIDDEN, invalid.to_string()),
    })?;
    if !claims.allow(&message.topic) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "This token may not publish to this topic; its claim \"topics\" says to which.",
        ));
    }
    Ok(message)
}

fn not_stored(error: NotStored) -> Problem {
    match error {
        NotStored::Other => Problem::new(
            StatusCode::CONFLICT,
            "This topic has another message with this id; send the message with a new id.",
        ),
        NotStored::Data(error) => {
            let code = error.code().map_or("", |state| state.code());
            tracing::info!(code, "refused a message that the database cannot hold");
            Problem::bad_request(
                "The database cannot hold this message: a number has too many digits, or a text has characters that the database's encoding lacks.",
            )
        }
        NotStored::Unavailable(error) => problem(error),
    }
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "A message has at most 64 KiB; send a smaller one.",
    )
}

fn unauthorized(reason: Refused) -> Problem {
    // At most a line a second: without a token, anybody may ask for more.
    static REFUSALS: LogLimit = LogLimit::every(Duration::from_secs(1));
    if REFUSALS.allows("a publisher") {
        tracing::info!(%reason, "refused a publisher");
    }
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "A valid token is needed, as Authorization: Bearer TOKEN: a JSON Web Token in force, signed with HS256 and the notifier's secret.",
    )
    .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// Seconds since 1970.
fn now() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}
