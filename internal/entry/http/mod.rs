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
            .layer(axum::middleware::map_response(web::must_be_asked_again))
            .with_state(self.clone())
    }
}
