//! Who may read: everyone, unless reading is closed.

use access::{Error, Keys, Secret};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;
use web::Problem;

/// Who may read. Cheap to clone. The default lets everyone read.
#[derive(Clone, Default)]
pub struct Admission(Option<Arc<Inner>>);

struct Inner {
    keys: Keys,
    /// Once closed, reading stays so: a line that goes missing must not open it.
    is_closed: AtomicBool,
    unauthenticated: Counter,
}

impl Admission {
    /// Closes reading to all but these keys, and those of `file` that are bound to `read:*`. Without either, everyone
    /// may read. If the file serves writers as well (`is_shared`), it closes reading only once it has such a line.
    ///
    /// # Errors
    /// Where the file cannot be used.
    pub fn load(keys: &[Secret], file: Option<&Path>, is_shared: bool, registry: &mut Registry) -> Result<Self, Error> {
        if keys.is_empty() && file.is_none() {
            return Ok(Self::default());
        }
        let is_closed = !keys.is_empty() || !is_shared;
        let inner = Inner {
            keys: Keys::load_readers(keys, file)?,
            is_closed: is_closed.into(),
            unauthenticated: Counter::default(),
        };
        registry.register(
            "api_questions_unauthenticated",
            "Questions without a valid key, where reading is closed",
            inner.unauthenticated.clone(),
        );
        Ok(Self(Some(Arc::new(inner))))
    }

    /// Reads the keys again whenever their file changes, until `stop`.
    pub async fn watch(&self, stop: CancellationToken) {
        if let Some(inner) = &self.0 {
            inner.keys.watch(stop).await;
        }
    }

    /// Lets only those who may read reach these routes, which are not the API's own.
    pub fn cover(self, routes: Router) -> Router {
        routes.layer(axum::middleware::from_fn_with_state(self, admit))
    }

    /// Whether reading needs a key.
    pub fn is_closed(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.is_closed())
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        self.0.as_ref().is_none_or(|inner| inner.admits(headers))
    }
}

impl Inner {
    fn is_closed(&self) -> bool {
        if !self.is_closed.load(Ordering::Relaxed) && self.keys.has_reader() {
            self.is_closed.store(true, Ordering::Relaxed);
        }
        self.is_closed.load(Ordering::Relaxed)
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        if !self.is_closed() {
            return true;
        }
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let is_reader = self.keys.authenticate_reader(given).is_some();
        if !is_reader {
            // A request without a key only increments a counter: no log line, no memory of its own.
            self.unauthenticated.inc();
        }
        is_reader
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = self.0.as_ref().map(|inner| &inner.keys);
        f.debug_tuple("Admission").field(&keys).finish()
    }
}

/// Middleware: answers 401 to those who may not read. A preflight request of a browser never has a key.
pub(crate) async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS || admission.admits(request.headers()) {
        return next.run(request).await;
    }
    let text = "Reading needs a key here, one that reads: curl -u KEY: or Authorization: Bearer KEY. Keys that write do not read; odograph key new --read makes one.";
    // Browsers ask their user for what the second one says.
    let schemes = HeaderValue::from_static("Bearer, Basic realm=\"odograph\", charset=\"UTF-8\"");
    Problem::new(StatusCode::UNAUTHORIZED, text)
        .header(header::WWW_AUTHENTICATE, schemes)
        .into_response()
}
