//! Query parameters that answer with a problem document when they are wrong.

use crate::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The request's query string as a `T`; 400 with the reason where it is not one.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            // The text names the client's own parameter and why it does not fit.
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}
