//! The secrets that receivers verify signatures with.

use super::body::{Named, Object, unknown};
use super::manager::{Manager, Shared};
use super::members::Members;
use super::postgres;
use super::shown::instant;
use crate::Subscription;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::FutureExt;
use jiff::Timestamp;
use reading::time::DAY;
use secrecy::ExposeSecret;
use serde::Serialize;
use web::Problem;

/// The longest that two secrets sign.
const LONGEST: i64 = 30 * DAY;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secret {
    secret: String,
    /// Until then the secret before signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_until: Option<Timestamp>,
}

/// The secret of a subscription.
pub(super) async fn secret(State(manager): State<Shared>, Named(name): Named) -> Result<Json<Secret>, Problem> {
    manager.may_sign()?;
    let found = manager
        .database
        .run(move |client| async move { Ok(postgres::named(&*client, &name, false).await?) }.boxed())
        .await?
        .ok_or_else(|| unknown("subscription"))?;
    manager.secret_of(&found).map(Json)
}

/// Makes a new secret. The one before signs as well for `overlap`.
pub(super) async fn rotate(
    State(manager): State<Shared>,
    Named(name): Named,
    Object(body): Object,
) -> Result<Json<Secret>, Problem> {
    manager.may_sign()?;
    let mut members = Members::of(body, &["overlap"], &[])?;
    let overlap = members.span("overlap", 0..=LONGEST)?.unwrap_or(DAY);
    let rotated = manager
        .database
        .run(move |client| async move { Ok(postgres::rotate(&*client, &name, overlap).await?) }.boxed())
        .await?
        .ok_or_else(|| unknown("subscription"))?;
    manager.secret_of(&rotated).map(Json)
}

impl Manager {
    fn may_sign(&self) -> Result<&webhook::Keys, Problem> {
        self.signing.as_deref().ok_or_else(|| {
            let text = "This server has no signing key, so there are no secrets. Start it with --signing-key.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, text)
        })
    }

    fn secret_of(&self, it: &Subscription) -> Result<Secret, Problem> {
        let secrets = self
            .may_sign()?
            .secrets(it.id.into_bytes(), it.generation.unsigned_abs());
        let secret = secrets
            .first()
            .ok_or_else(|| Problem::internal("a signing key makes a secret"))?;
        let previous = it.previous_until.filter(|until| *until > reading::time::now());
        Ok(Secret {
            secret: secret.text().expose_secret().to_owned(),
            previous_until: previous.and_then(instant),
        })
    }
}
