//! Areas: places with borders, from GeoJSON, and which places are near each other.
//!
//! Coordinates are degrees, and borders are straight lines in latitude and longitude, as GeoJSON has them. An area
//! that crosses the antimeridian is cut there into two polygons, one on each side (RFC 7946, 3.1.9): a border from
//! 179 to -179 is read as one around the whole earth.

use reading::earth::distance;
use serde_json::Value;

/// Most points of an area, the last one of each ring included.
pub const MAX_POINTS: usize = 10_000;

/// A place with borders: polygons, each with holes or without.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    polygons: Vec<Polygon>,
}

/// Rings: the outer border first, then those of holes.
#[derive(Clone, Debug, PartialEq)]
struct Polygon {
    rings: Vec<Ring>,
}

/// A closed border: (latitude, longitude), the last point equal to the first.
#[derive(Clone, Debug, PartialEq)]
struct Ring {
    points: Vec<(f64, f64)>,
    /// Least and greatest latitude, least and greatest longitude: most points are far outside.
    bounds: [f64; 4],
}

/// Why a document is no area.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Area {
    /// Reads a Polygon or MultiPolygon. Takes the geometry of a Feature, and of a FeatureCollection of one Feature,
    /// as editors of maps write them.
    ///
    /// # Errors
    /// [`Invalid`] for another geometry, an open ring, coordinates out of range, and more than [`MAX_POINTS`].
    pub fn parse(geojson: &Value) -> Result<Self, Invalid> {
        let geometry = geometry(geojson)?;
        let coordinates = &geometry["coordinates"];
        let mut room = MAX_POINTS;
        let polygons = match geometry["type"].as_str() {
            Some("Polygon") => vec![polygon(coordinates, &mut room)?],
            Some("MultiPolygon") => {
                let polygons = list(coordinates, "the coordinates of a MultiPolygon are lists of polygons")?;
                let polygons: Result<Vec<_>, _> = polygons.iter().map(|rings| polygon(rings, &mut room)).collect();
                polygons?
            }
            _ => return Err(wrong("an area is a Polygon or a MultiPolygon of GeoJSON")),
        };
        if polygons.is_empty() {
            return Err(wrong("the area has no polygon"));
        }
        Ok(Self { polygons })
    }

    /// The number of its points, the last one of each ring included.
    #[must_use]
    pub fn points(&self) -> usize {
        let rings = self.polygons.iter().flat_map(|polygon| &polygon.rings);
        rings.map(|ring| ring.points.len()).sum()
    }

    /// Whether a point is in the area. The border counts as inside, that of a hole as well.
    #[must_use]
    pub fn contains(&self, latitude: f64, longitude: f64) -> bool {
        self.polygons
            .iter()
            .any(|polygon| polygon.contains(latitude, longitude))
    }
}

/// The geometry of a document that GeoJSON allows: its own, or that of its only feature.
///
/// # Errors
/// [`Invalid`] for a document without a geometry, or with several.
pub fn geometry(geojson: &Value) -> Result<&Value, Invalid> {
    match geojson["type"].as_str() {
        Some("Feature") => Ok(&geojson["geometry"]),
        Some("FeatureCollection") => match geojson["features"].as_array().map(Vec::as_slice) {
            Some([feature]) => Ok(&feature["geometry"]),
            _ => Err(wrong("the document has no feature, or several; an area is one feature")),
        },
        Some(_) => Ok(geojson),
        None => Err(wrong("the document is no GeoJSON: it has no type")),
    }
}

/// Whether two points are at most so many metres apart.
#[must_use]
pub fn near(one: (f64, f64), other: (f64, f64), metres: f64) -> bool {
    distance(one, other) <= metres
}

impl Polygon {
    /// Even-odd over the rings: a hole takes away what the outer border holds.
    fn contains(&self, latitude: f64, longitude: f64) -> bool {
        let mut inside = false;
        for ring in &self.rings {
            match ring.locate(latitude, longitude) {
                Located::On => return true,
                Located::In => inside = !inside,
                Located::Out => {}
            }
        }
        inside
    }
}

enum Located {
    In,
    On,
    Out,
}

impl Ring {
    fn new(points: Vec<(f64, f64)>) -> Self {
        let empty = [f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY];
        let bounds = points
            .iter()
            .fold(empty, |[south, north, west, east], (latitude, longitude)| {
                [
                    south.min(*latitude),
                    north.max(*latitude),
                    west.min(*longitude),
                    east.max(*longitude),
                ]
            });
        Self { points, bounds }
    }

    /// Counts the borders that a line from the point to the east crosses.
    fn locate(&self, latitude: f64, longitude: f64) -> Located {
        let [south, north, west, east] = self.bounds;
        // A latitude that is no number is in no bounds.
        if !((south..=north).contains(&latitude) && (west..=east).contains(&longitude)) {
            return Located::Out;
        }
        let mut inside = false;
        for border in self.points.windows(2) {
            let [from, to] = [border[0], border[1]];
            // Twice the area of the triangle of the border and the point, with the sign of its turn.
            let turn = (to.1 - from.1) * (latitude - from.0) - (longitude - from.1) * (to.0 - from.0);
            let between = |one: f64, other: f64, value: f64| one.min(other) <= value && value <= one.max(other);
            if turn == 0.0 && between(from.0, to.0, latitude) && between(from.1, to.1, longitude) {
                return Located::On;
            }
            // Half open, so that a corner is crossed once.
            if (from.0 > latitude) != (to.0 > latitude) && (turn < 0.0) == (to.0 < from.0) {
                inside = !inside;
            }
        }
        if inside { Located::In } else { Located::Out }
    }
}

fn polygon(rings: &Value, room: &mut usize) -> Result<Polygon, Invalid> {
    let rings = list(rings, "the coordinates of a Polygon are lists of rings")?;
    let rings: Result<Vec<_>, _> = rings.iter().map(|points| ring(points, room)).collect();
    let rings = rings?;
    if rings.is_empty() {
        return Err(wrong("a polygon has no ring"));
    }
    Ok(Polygon { rings })
}

fn ring(points: &Value, room: &mut usize) -> Result<Ring, Invalid> {
    let points = list(points, "a ring is a list of points")?;
    let Some(left) = room.checked_sub(points.len()) else {
        return Err(wrong(format!(
            "the area has more than {MAX_POINTS} points; simplify its borders"
        )));
    };
    *room = left;
    let points: Result<Vec<_>, _> = points.iter().map(point).collect();
    let points = points?;
    if points.len() < 4 {
        return Err(wrong(
            "a ring has fewer than four points, the last one equal to the first",
        ));
    }
    if points.first() != points.last() {
        return Err(wrong("a ring is not closed: repeat its first point as the last"));
    }
    Ok(Ring::new(points))
}

fn point(point: &Value) -> Result<(f64, f64), Invalid> {
    let shape = "a point is [longitude, latitude]";
    let numbers = list(point, shape)?;
    let number = |at: usize| numbers.get(at).and_then(Value::as_f64).ok_or_else(|| wrong(shape));
    let (longitude, latitude) = (number(0)?, number(1)?);
    if !(-90.0..=90.0).contains(&latitude) {
        return Err(wrong(format!(
            "the latitude {latitude} is outside of -90 to 90; a point is [longitude, latitude], in this order"
        )));
    }
    if !(-180.0..=180.0).contains(&longitude) {
        return Err(wrong(format!(
            "the longitude {longitude} is outside of -180 to 180; cut an area in two where it crosses 180"
        )));
    }
    Ok((latitude, longitude))
}

fn list<'a>(value: &'a Value, shape: &str) -> Result<&'a Vec<Value>, Invalid> {
    value.as_array().ok_or_else(|| wrong(shape))
}

fn wrong(text: impl Into<String>) -> Invalid {
    Invalid(text.into())
}

#[cfg(test)]
mod peer;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// From (0, 0) to (10, 10), with a hole from (4, 4) to (6, 6).
    fn square() -> Value {
        json!({"type": "Polygon", "coordinates": [
            [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]],
            [[4, 4], [4, 6], [6, 6], [6, 4], [4, 4]],
        ]})
    }

    #[test]
    fn points_are_inside_on_the_border_or_outside() {
        let area = Area::parse(&square()).unwrap();
        assert_eq!(area.points(), 10);
        for (latitude, longitude, expected) in [
            (1.0, 1.0, true),
            (5.0, 2.0, true),
            (5.0, 5.0, false),
            (4.0, 5.0, true),
            (0.0, 0.0, true),
            (0.0, 5.0, true),
            (10.0, 10.0, true),
            (10.0, 3.0, true),
            (4.0, 1.0, true),
            (6.0, 1.0, true),
            (10.1, 3.0, false),
            (5.0, -0.1, false),
            (5.0, 10.1, false),
            (-80.0, 170.0, false),
            (f64::NAN, 5.0, false),
            (5.0, f64::INFINITY, false),
        ] {
            assert_eq!(area.contains(latitude, longitude), expected, "{latitude} {longitude}");
        }
    }

    #[test]
    fn a_border_on_the_antimeridian_is_cut_there() {
        let fiji = json!({"type": "MultiPolygon", "coordinates": [
            [[[177, -20], [180, -20], [180, -15], [177, -15], [177, -20]]],
            [[[-180, -20], [-178, -20], [-178, -15], [-180, -15], [-180, -20]]],
        ]});
        let area = Area::parse(&fiji).unwrap();
        for (longitude, expected) in [
            (178.0, true),
            (180.0, true),
            (-180.0, true),
            (-179.0, true),
            (-177.0, false),
            (0.0, false),
        ] {
            assert_eq!(area.contains(-17.0, longitude), expected, "{longitude}");
        }
    }

    #[test]
    fn editors_wrap_the_geometry() {
        let feature = json!({"type": "Feature", "properties": {}, "geometry": square()});
        let collection = json!({"type": "FeatureCollection", "features": [feature]});
        let area = Area::parse(&square()).unwrap();
        assert_eq!(Area::parse(&feature).unwrap(), area);
        assert_eq!(Area::parse(&collection).unwrap(), area);
        assert_eq!(geometry(&collection).unwrap(), &square());
    }

    #[test]
    fn what_is_no_area_is_told() {
        let ring = |points: Value| json!({"type": "Polygon", "coordinates": [points]});
        let many: Vec<[f64; 2]> = vec![[0.0, 0.0]; MAX_POINTS + 1];
        for (document, expected) in [
            (json!({}), "no GeoJSON"),
            (json!([]), "no GeoJSON"),
            (json!(null), "no GeoJSON"),
            (
                json!({"type": "Point", "coordinates": [0, 0]}),
                "Polygon or a MultiPolygon",
            ),
            (
                json!({"type": "Feature", "geometry": null}),
                "Polygon or a MultiPolygon",
            ),
            (json!({"type": "FeatureCollection", "features": []}), "no feature"),
            (json!({"type": "Polygon"}), "lists of rings"),
            (json!({"type": "Polygon", "coordinates": []}), "no ring"),
            (json!({"type": "MultiPolygon", "coordinates": []}), "no polygon"),
            (
                json!({"type": "MultiPolygon", "coordinates": square()["coordinates"]}),
                "[longitude, latitude]",
            ),
            (ring(json!([[0, 0], [1, 0], [0, 0]])), "fewer than four"),
            (ring(json!([[0, 0], [1, 0], [1, 1], [0, 1]])), "not closed"),
            (ring(json!([[0, 0], [1, 0], [1, "1"], [0, 0]])), "[longitude, latitude]"),
            (ring(json!([[0, 0], [1, 0], [1], [0, 0]])), "[longitude, latitude]"),
            (ring(json!([[0, 0], [1, 0], [1, 90.5], [0, 0]])), "in this order"),
            (ring(json!([[0, 0], [1, 0], [180.5, 1], [0, 0]])), "crosses 180"),
            (ring(json!(many)), "more than 10000 points"),
        ] {
            let told = Area::parse(&document).unwrap_err().to_string();
            assert!(told.contains(expected), "{document}: {told}");
        }
    }

    #[test]
    fn near_is_up_to_a_distance() {
        assert!(near((45.2, 13.6), (45.2045, 13.6), 501.0));
        assert!(!near((45.2, 13.6), (45.2045, 13.6), 500.0));
        assert!(!near((f64::NAN, 0.0), (0.0, 0.0), 1e9));
    }

    proptest! {
        #[test]
        fn a_convex_border_holds_what_is_left_of_each_side(
            latitude in -2.0..2.0_f64, longitude in -2.0..2.0_f64, corners in 3_u32..40,
        ) {
            let corner = |at: u32| (f64::from(at % corners) / f64::from(corners) * std::f64::consts::TAU).sin_cos();
            let points: Vec<_> = (0..=corners).map(|at| { let (y, x) = corner(at); [x, y] }).collect();
            let area = Area::parse(&json!({"type": "Polygon", "coordinates": [points]})).unwrap();
            let expected = (0..corners).all(|at| {
                let ((y, x), (to_y, to_x)) = (corner(at), corner(at + 1));
                (to_x - x) * (latitude - y) - (longitude - x) * (to_y - y) >= 0.0
            });
            prop_assert_eq!(area.contains(latitude, longitude), expected);
        }
    }
}
