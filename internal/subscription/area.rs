//! Places with borders, and distances.

use serde_json::Value;
use std::collections::HashMap;

/// The areas that filters may name.
pub(crate) type Areas = HashMap<String, Area>;

/// The mean radius of the earth, in metres (IUGG).
const RADIUS: f64 = 6_371_008.8;

/// A polygon or several, each with holes.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// Rings of (longitude, latitude), closed.
    rings: Vec<Vec<(f64, f64)>>,
}

impl Area {
    /// Reads a Polygon or MultiPolygon of GeoJSON.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub fn parse(geojson: &Value) -> Result<Self, String> {
        let kind = geojson.get("type").and_then(Value::as_str);
        let coordinates = geojson.get("coordinates").and_then(Value::as_array);
        let coordinates = coordinates.ok_or("An area has coordinates.")?;
        let polygons: Vec<&Value> = match kind {
            Some("Polygon") => vec![&geojson["coordinates"]],
            Some("MultiPolygon") => coordinates.iter().collect(),
            _ => return Err("An area is a Polygon or a MultiPolygon.".to_owned()),
        };
        let mut rings = Vec::new();
        for polygon in polygons {
            for ring in polygon.as_array().ok_or("A polygon is a list of rings.")? {
                let points: Option<Vec<(f64, f64)>> = ring.as_array().and_then(|ring| {
                    let point = |point: &Value| Some((point.get(0)?.as_f64()?, point.get(1)?.as_f64()?));
                    ring.iter().map(point).collect()
                });
                rings.push(points.ok_or("A ring is a list of [longitude, latitude].")?);
            }
        }
        Ok(Self { rings })
    }

    /// Whether a place is within the borders: an even number of borders around it is outside.
    pub fn contains(&self, latitude: f64, longitude: f64) -> bool {
        let mut inside = false;
        for ring in &self.rings {
            for pair in ring.windows(2) {
                let [(x1, y1), (x2, y2)] = pair else { continue };
                if (*y1 > latitude) != (*y2 > latitude) && longitude < (x2 - x1) * (latitude - y1) / (y2 - y1) + x1 {
                    inside = !inside;
                }
            }
        }
        inside
    }
}

/// Metres between two places of (latitude, longitude), along a great circle.
pub(crate) fn metres(one: (f64, f64), other: (f64, f64)) -> f64 {
    let (one, other) = (
        (one.0.to_radians(), one.1.to_radians()),
        (other.0.to_radians(), other.1.to_radians()),
    );
    let half = |difference: f64| (difference / 2.0).sin().powi(2);
    let chord = half(other.0 - one.0) + one.0.cos() * other.0.cos() * half(other.1 - one.1);
    2.0 * RADIUS * chord.sqrt().min(1.0).asin()
}
