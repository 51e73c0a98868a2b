//! Around every request: a place among those under way, and statuses of the library made to say what to do next.

use crate::limits::Limits;
use crate::status::{INTERNAL, busy, invalid, too_large};
use http::{Request, Response};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

/// After this time, others may have ended.
const SOON: Duration = Duration::from_secs(1);

/// What each request of a service is given.
#[derive(Clone, Debug)]
pub(crate) struct Outcomes {
    /// The longest request, in bytes.
    max_request: usize,
    /// A place for each request under way.
    places: Arc<Semaphore>,
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

/// A service whose statuses are rewritten.
#[derive(Clone, Debug)]
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
        let of = self.of.clone();
        // Who looks after the server must reach it while it is busy.
        let is_apart = request.uri().path().starts_with("/grpc.");
        let place = of.places.clone().try_acquire_owned();
        if place.is_err() && !is_apart {
            return Box::pin(async { Ok(busy("The server has too many requests under way.", SOON).into_http()) });
        }
        let answering = self.inner.call(request);
        Box::pin(async move {
            let answer = answering.await?;
            drop(place);
            Ok(match of.rewritten(&answer) {
                Some(status) => status.into_http(),
                None => answer,
            })
        })
    }
}

impl Outcomes {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            max_request: limits.max_request,
            places: Arc::new(Semaphore::new(limits.max_in_flight)),
        }
    }

    /// What stands for an answer, if the library made it and it says too little or too much.
    fn rewritten(&self, answer: &Response<Body>) -> Option<Status> {
        let status = Status::from_header_map(answer.headers())?;
        let text = status.message();
        match status.code() {
            Code::OutOfRange => Some(self.too_large()),
            Code::ResourceExhausted if text.starts_with("Error decompressing") => Some(self.too_large()),
            // Its time is over: the library has no other cause for this.
            Code::Cancelled => Some(Status::deadline_exceeded(
                "The request took too long; send the same again.",
            )),
            Code::Internal if text != INTERNAL => {
                tracing::debug!(text, "a request could not be decoded");
                Some(invalid(
                    "The request is no message of this service, or its compression is damaged.",
                    Vec::new(),
                ))
            }
            _ => None,
        }
    }

    fn too_large(&self) -> Status {
        let most = self.max_request;
        too_large(&format!("The request has more than {most} bytes; send it in parts."))
    }
}
