//! Around every request: its caller is let in, it gets a place and a deadline, and statuses of the library are made to
//! say what to do next.

use crate::limits::Limits;
use crate::status::{INTERNAL, busy, invalid, too_large};
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

/// After this time, others may have ended.
const SOON: Duration = Duration::from_secs(1);

/// Who looks after a server must reach it while it is busy, and without a key.
const APART: [&str; 2] = ["/grpc.health.", "/grpc.reflection."];

/// Lets a caller in by the metadata of a request, or says why not.
pub type Guard = Arc<dyn Fn(&HeaderMap) -> Result<(), Status> + Send + Sync>;

/// What each request of a server is given.
#[derive(Clone)]
pub(crate) struct Outcomes {
    limits: Limits,
    /// A place for each request under way.
    places: Arc<Semaphore>,
    guard: Guard,
}

impl<S> Layer<S> for Outcomes {
    type Service = Outcome<S>;

    fn layer(&self, inner: S) -> Outcome<S> {
        Outcome {
            inner,
            of: self.clone(),
        }
    }
}

/// A server's services within [`Outcomes`].
#[derive(Clone)]
pub(crate) struct Outcome<S> {
    inner: S,
    of: Outcomes,
}

impl<S, B> Service<Request<B>> for Outcome<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if APART.iter().any(|path| request.uri().path().starts_with(path)) {
            return Box::pin(self.inner.call(request));
        }
        // Before anything of the body is read.
        let place = (self.of.guard)(request.headers()).and_then(|()| self.of.place());
        let place = match place {
            Ok(place) => place,
            Err(status) => return Box::pin(async { Ok(status.into_http()) }),
        };
        let asked = request
            .headers()
            .get("grpc-timeout")
            .and_then(|value| span(value.to_str().ok()?));
        let (deadline, of) = (
            self.of.limits.deadline.min(asked.unwrap_or(Duration::MAX)),
            self.of.clone(),
        );
        let answering = self.inner.call(request);
        Box::pin(async move {
            let Ok(answer) = timeout(deadline, answering).await else {
                let text = "The request took too long; send the same again.";
                return Ok(Status::deadline_exceeded(text).into_http());
            };
            let answer = answer?;
            if let Some(status) = of.rewritten(&answer) {
                return Ok(status.into_http());
            }
            // Until its last byte is sent.
            Ok(answer.map(|body| Body::new(Held { body, _place: place })))
        })
    }
}

impl Outcomes {
    pub(crate) fn new(limits: Limits, guard: Guard) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.max_in_flight)),
            limits,
            guard,
        }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        let place = self.places.clone().try_acquire_owned();
        place.map_err(|_| busy("The server has too many requests under way.", SOON))
    }

    /// What stands for an answer, if the library made it and it says too little or too much.
    fn rewritten(&self, answer: &Response<Body>) -> Option<Status> {
        let status = Status::from_header_map(answer.headers())?;
        let text = status.message();
        match status.code() {
            Code::OutOfRange => Some(self.too_large()),
            Code::ResourceExhausted if text.starts_with("Error decompressing") => Some(self.too_large()),
            Code::Internal if text != INTERNAL => {
                tracing::debug!(text, "a request could not be decoded");
                let text = "The request is no message of this service, or its compression is damaged.";
                Some(invalid(text, Vec::new()))
            }
            _ => None,
        }
    }

    fn too_large(&self) -> Status {
        let most = self.limits.max_request;
        too_large(&format!("The request has more than {most} bytes; send it in parts."))
    }
}

/// A span of time as `grpc-timeout` has it: up to eight digits, and a unit.
fn span(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// An answer that keeps its request's place.
struct Held {
    body: Body,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Held {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        assert_eq!(span("5S"), Some(Duration::from_secs(5)));
        assert_eq!(span("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(span("20u"), Some(Duration::from_micros(20)));
        for wrong in ["", "S", "5", "5s", "-5S", "123456789S", "5é"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }
}
