//! Lines of fewer points.
//!
//! The line is fitted from one kept point to the next. All directions from a kept point that pass each point since at
//! no more than the tolerance are a sector. A point outside it, or nearer than one before it, ends the line at the
//! point before. So each point left out lies within the tolerance of the line between two kept ones. Time is
//! proportional to the points for any of them, and memory is constant, which ranking points by their distance from the
//! line (Douglas and Peucker) does not promise.

use reading::earth::RADIUS;
use reading::pairing::Pair;

/// The tolerances that [`kept_at_most`] tries, in powers of two of a metre: a centimetre to the earth's circumference.
const EXPONENTS: (f64, f64) = (-7.0, 26.0);

/// Tolerances tried. They find the least one within a sixth of a percent.
const TRIES: usize = 14;

/// A vector on the plane that touches the earth at a kept point, in metres: east and north.
#[derive(Clone, Copy, Debug)]
struct Vector(f64, f64);

impl Vector {
    fn length(self) -> f64 {
        self.0.hypot(self.1)
    }

    /// Above 0 where the other one is to the left of this one.
    fn cross(self, other: Self) -> f64 {
        self.0 * other.1 - self.1 * other.0
    }

    /// Turned by an angle to the left.
    fn turned(self, sine: f64, cosine: f64) -> Self {
        Self(self.0 * cosine - self.1 * sine, self.0 * sine + self.1 * cosine)
    }
}

/// Decides which points of a line are kept, while they come one by one.
#[derive(Clone, Debug)]
pub(crate) struct Simplifier {
    /// In metres.
    tolerance: f64,
    line: Option<Line>,
}

/// The line since a kept point.
#[derive(Clone, Debug)]
struct Line {
    start: Pair,
    /// Metres of a degree of longitude, as a share of those of latitude.
    scale: f64,
    /// The directions that pass all points since, from right to left; none while all are within the tolerance.
    sector: Option<(Vector, Vector)>,
    /// The distance of the farthest point since.
    farthest: f64,
    /// The point taken last.
    last: Option<Pair>,
}

impl Simplifier {
    /// Makes one that moves no point by more than `tolerance` metres.
    pub(crate) fn new(tolerance: f64) -> Self {
        Self { tolerance, line: None }
    }

    /// Takes the next point, and returns whether the one before it is kept. The first and the last one always are.
    pub(crate) fn take(&mut self, point: Pair) -> bool {
        let Some(line) = &mut self.line else {
            self.line = Some(Line::new(point));
            return false;
        };
        let mut ended = false;
        let mut vector = line.vector(point);
        if let Some(last) = line.last.filter(|_| !line.passes(vector)) {
            *line = Line::new(last);
            vector = line.vector(point);
            ended = true;
        }
        line.narrow(vector, self.tolerance);
        line.last = Some(point);
        ended
    }
}

impl Line {
    fn new(start: Pair) -> Self {
        Self {
            start,
            scale: start.latitude.to_radians().cos(),
            sector: None,
            farthest: 0.0,
            last: None,
        }
    }

    fn vector(&self, point: Pair) -> Vector {
        let mut east = point.longitude - self.start.longitude;
        if east.abs() > 180.0 {
            // Over the date line.
            east -= 360.0_f64.copysign(east);
        }
        let north = point.latitude - self.start.latitude;
        Vector(east.to_radians() * self.scale * RADIUS, north.to_radians() * RADIUS)
    }

    /// Whether the line to this point passes all points since its start.
    fn passes(&self, vector: Vector) -> bool {
        let Some((right, left)) = self.sector else {
            return true;
        };
        vector.length() >= self.farthest && right.cross(vector) >= 0.0 && vector.cross(left) >= 0.0
    }

    /// Narrows the sector to the directions that pass this point, too.
    fn narrow(&mut self, vector: Vector, tolerance: f64) {
        let length = vector.length();
        if length <= tolerance {
            return;
        }
        let unit = Vector(vector.0 / length, vector.1 / length);
        let sine = tolerance / length;
        let cosine = (1.0 - sine * sine).max(0.0).sqrt();
        let (mut right, mut left) = (unit.turned(-sine, cosine), unit.turned(sine, cosine));
        if let Some((before, _)) = self.sector.filter(|(before, _)| before.cross(right) < 0.0) {
            right = before;
        }
        if let Some((_, before)) = self.sector.filter(|(_, before)| left.cross(*before) < 0.0) {
            left = before;
        }
        self.sector = Some((right, left));
        self.farthest = length;
    }
}

/// The numbers of the points that are kept of a line, with a tolerance in metres. Both ends are.
pub(crate) fn kept(points: &[Pair], tolerance: f64) -> Vec<usize> {
    let mut simplifier = Simplifier::new(tolerance);
    let mut kept = Vec::new();
    for (at, point) in points.iter().enumerate() {
        if simplifier.take(*point) || at == 1 {
            kept.push(at - 1);
        }
    }
    kept.extend(points.len().checked_sub(1));
    kept
}

/// As [`kept`] for each of these lines, with the least tolerance that keeps `most` points of all together. A line's two
/// ends are kept, also where they alone are more.
pub(crate) fn kept_at_most(lines: &[&[Pair]], most: usize) -> Vec<Vec<usize>> {
    let all = |tolerance: f64| -> Vec<Vec<usize>> { lines.iter().map(|line| kept(line, tolerance)).collect() };
    let count = |kept: &[Vec<usize>]| kept.iter().map(Vec::len).sum::<usize>();
    if lines.iter().map(|line| line.len()).sum::<usize>() <= most {
        return lines.iter().map(|line| (0..line.len()).collect()).collect();
    }
    let (mut low, mut high) = EXPONENTS;
    let mut best = all(high.exp2());
    for _ in 0..TRIES {
        let middle = f64::midpoint(low, high);
        let found = all(middle.exp2());
        if count(&found) <= most {
            (best, high) = (found, middle);
        } else {
            low = middle;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(points: &[(f64, f64)]) -> Vec<Pair> {
        let point = |(time, (latitude, longitude)): (i64, &(f64, f64))| Pair {
            latitude: *latitude,
            longitude: *longitude,
            time,
        };
        (0..).zip(points).map(point).collect()
    }

    /// The distance of a point from the line between two others, in metres, on the plane at the first.
    fn deviation(from: Pair, to: Pair, point: Pair) -> f64 {
        let metres = |place: Pair| {
            let east = (place.longitude - from.longitude).to_radians() * from.latitude.to_radians().cos();
            (east * RADIUS, (place.latitude - from.latitude).to_radians() * RADIUS)
        };
        let ((east, north), (x, y)) = (metres(to), metres(point));
        let square = east * east + north * north;
        let share = if square > 0.0 {
            ((x * east + y * north) / square).clamp(0.0, 1.0)
        } else {
            0.0
        };
        (x - share * east).hypot(y - share * north)
    }

    #[test]
    fn few_points() {
        for (points, expected) in [
            (&[][..], &[][..]),
            (&[(45.0, 13.0)], &[0_usize]),
            (&[(45.0, 13.0), (46.0, 13.0)], &[0, 1]),
            (&[(45.0, 13.0), (45.5, 13.0), (46.0, 13.0)], &[0, 2]),
            // There and back: the turn is kept.
            (&[(45.0, 13.0), (46.0, 13.0), (45.0, 13.0)], &[0, 1, 2]),
            // Over the date line, along the equator.
            (&[(0.0, 179.0), (0.0, -179.5), (0.0, -178.0)], &[0, 2]),
        ] {
            assert_eq!(kept(&line(points), 20.0), expected, "{points:?}");
        }
    }

    #[test]
    fn the_ends_of_each_line_stay() {
        let zigzag: Vec<(f64, f64)> = (0..50)
            .map(|at| (45.0 + f64::from(at % 2) / 100.0, 13.0 + f64::from(at) / 100.0))
            .collect();
        let zigzag = line(&zigzag);
        let lines = [&zigzag[..20], &zigzag[20..]];
        assert_eq!(kept_at_most(&lines, 2), [vec![0, 19], vec![0, 29]]);
        assert_eq!(kept_at_most(&lines, 50).concat().len(), 50);
        let fewer = kept_at_most(&lines, 30).concat().len();
        assert!((4..=30).contains(&fewer), "{fewer}");
    }

    proptest! {
        #[test]
        fn no_point_left_out_is_far_from_the_line(
            steps in prop::collection::vec((-0.002..0.002, -0.002..0.002), 0..200),
            tolerance in 0.0..500.0,
        ) {
            let (mut latitude, mut longitude) = (45.0, 13.0);
            let points: Vec<(f64, f64)> = steps
                .iter()
                .map(|(north, east)| {
                    latitude += north;
                    longitude += east;
                    (latitude, longitude)
                })
                .collect();
            let points = line(&points);
            let kept = kept(&points, tolerance);
            prop_assert_eq!(kept.first().copied(), (!points.is_empty()).then_some(0));
            prop_assert_eq!(kept.last().copied(), points.len().checked_sub(1));
            for ends in kept.windows(2) {
                prop_assert!(ends[0] < ends[1]);
                for point in &points[ends[0]..ends[1]] {
                    let deviation = deviation(points[ends[0]], points[ends[1]], *point);
                    prop_assert!(deviation <= tolerance + 1e-6, "{} m, not {}", deviation, tolerance);
                }
            }
        }
    }
}
