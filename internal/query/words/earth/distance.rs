//! Distances on a sphere.

use reading::pairing::Pair;

/// The mean radius of the WGS 84 ellipsoid, in metres.
pub(super) const RADIUS: f64 = 6_371_008.771_4;

/// The distance of two places along a great circle, in metres.
pub(crate) fn distance(one: Pair, other: Pair) -> f64 {
    let (latitude, other_latitude) = (one.latitude.to_radians(), other.latitude.to_radians());
    let north = ((other_latitude - latitude) / 2.0).sin();
    let east = ((other.longitude - one.longitude).to_radians() / 2.0).sin();
    let chord = north * north + latitude.cos() * other_latitude.cos() * east * east;
    2.0 * RADIUS * chord.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(latitude: f64, longitude: f64) -> Pair {
        Pair {
            latitude,
            longitude,
            time: 0,
        }
    }

    #[test]
    fn known_distances() {
        let degree = RADIUS * std::f64::consts::PI / 180.0;
        for (one, other, expected) in [
            (place(45.0, 13.0), place(45.0, 13.0), 0.0),
            (place(0.0, 13.0), place(0.0, 14.0), degree),
            (place(45.0, 13.0), place(46.0, 13.0), degree),
            // Over the date line, over a pole, and to the other side.
            (place(0.0, 179.5), place(0.0, -179.5), degree),
            (place(89.5, 0.0), place(89.5, 180.0), degree),
            (place(0.0, 0.0), place(0.0, 180.0), 180.0 * degree),
        ] {
            let found = distance(one, other);
            assert!(
                (found - expected).abs() < 1e-3,
                "{one:?} {other:?}: {found}, not {expected}"
            );
            assert!((distance(other, one) - found).abs() < 1e-6);
        }
    }
}
