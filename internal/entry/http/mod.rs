//! The journal over HTTP, on the paths of its forerunner: `/message` and `/trend`.

mod answer;
mod body;
mod journal;
mod list;
mod message;
mod trend;

pub use journal::Journal;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::get;

impl Journal {
    /// Its routes.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/message", get(list::messages).post(message::post))
            .route(
                "/message/{id}",
                get(message::find).patch(message::edit).delete(message::delete),
            )
            .route("/trend", get(trend::trend))
            .layer(DefaultBodyLimit::max(self.0.options.max_body))
            .layer(axum::middleware::map_response(answer::with_error))
            .layer(axum::middleware::map_response(must_be_asked_again))
            .with_state(self.clone())
    }
}

/// Forbids caching: entries of any day may still arrive, or be edited.
async fn must_be_asked_again(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
    response
}
