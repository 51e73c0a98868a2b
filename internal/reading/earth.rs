//! Distances on the earth, which is a sphere here: off by 0.5 % at most.

/// The mean radius of the WGS 84 ellipsoid, in metres.
pub const RADIUS: f64 = 6_371_008.771_4;

/// The distance of two places along a great circle, in metres. Each is a latitude and a longitude, in degrees.
pub fn distance(one: (f64, f64), other: (f64, f64)) -> f64 {
    let (latitude, other_latitude) = (one.0.to_radians(), other.0.to_radians());
    let north = ((other_latitude - latitude) / 2.0).sin();
    let east = ((other.1 - one.1).to_radians() / 2.0).sin();
    let chord = north * north + latitude.cos() * other_latitude.cos() * east * east;
    // Leaves what is no number as it is.
    2.0 * RADIUS * chord.sqrt().clamp(0.0, 1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_distances() {
        let degree = RADIUS * std::f64::consts::PI / 180.0;
        for (one, other, expected) in [
            ((45.0, 13.0), (45.0, 13.0), 0.0),
            ((0.0, 13.0), (0.0, 14.0), degree),
            ((45.0, 13.0), (46.0, 13.0), degree),
            ((45.2, 13.6), (45.2045, 13.6), 0.0045 * degree),
            // Over the date line, over a pole, from pole to pole, and to the other side.
            ((0.0, 179.5), (0.0, -179.5), degree),
            ((89.5, 0.0), (89.5, 180.0), degree),
            ((90.0, 0.0), (-90.0, 77.0), 180.0 * degree),
            ((0.0, 0.0), (0.0, 180.0), 180.0 * degree),
        ] {
            let found = distance(one, other);
            assert!(
                (found - expected).abs() < 1e-3,
                "{one:?} {other:?}: {found}, not {expected}"
            );
            assert!((distance(other, one) - found).abs() < 1e-6);
        }
        // From Berlin to Paris.
        let found = distance((52.5200, 13.4050), (48.8566, 2.3522));
        assert!((found - 877_464.0).abs() < 10.0, "{found}");
        assert!(distance((f64::NAN, 0.0), (0.0, 0.0)).is_nan());
    }
}
