//! Forms of answers that have places.

use serde::Deserialize;
use utoipa::ToSchema;

/// JSON, or what maps and GPS tools read, as the parameter `format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Json,
    Geojson,
    Gpx,
}
