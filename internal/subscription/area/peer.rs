//! Agreement with shapely (`scripts/install-peers.sh` installs it) on what is inside.

use super::Area;
use fastrand::Rng;
use serde_json::{Value, json};
use std::f64::consts::TAU;

/// Points that each area is asked about; 10,000 in all.
const POINTS: usize = 1000;

/// Nearer to a border than this, in degrees, rounding decides on which side a point is. Corners are exact.
const BORDER: f64 = 1e-12;

/// A longitude and a latitude.
type Point = [f64; 2];

/// A ring around a centre, with dents. Its corners are at least half of the radius away from the centre.
fn star(random: &mut Rng, [x, y]: Point, radius: f64) -> Vec<Point> {
    let corners = random.u32(5..60);
    let corner = |at: u32, random: &mut Rng| {
        let reach = radius * (0.5 + random.f64() / 2.0);
        let (sin, cos) = (f64::from(at) / f64::from(corners) * TAU).sin_cos();
        [x + reach * cos, y + reach * sin]
    };
    closed((0..corners).map(|at| corner(at, random)).collect())
}

fn closed(mut ring: Vec<Point>) -> Vec<Point> {
    ring.extend(ring.first().copied());
    ring
}

/// Rings: a star and, within its least reach, holes that do not touch.
fn polygon(random: &mut Rng, centre: Point, radius: f64) -> Vec<Vec<Point>> {
    let mut rings = vec![star(random, centre, radius)];
    // Both holes fit into the circle of the inner quarter of the radius.
    if random.bool() {
        rings.push(star(random, [centre[0] - radius / 8.0, centre[1]], radius / 9.0));
        rings.push(star(random, [centre[0] + radius / 8.0, centre[1]], radius / 9.0));
    } else {
        rings.push(star(random, centre, radius / 5.0));
    }
    rings
}

/// Polygons, each a list of rings.
fn areas(random: &mut Rng) -> Vec<Vec<Vec<Vec<Point>>>> {
    // Corners that share latitudes and longitudes with others, and borders along them.
    let comb = closed(vec![
        [0.0, 0.0],
        [9.0, 0.0],
        [9.0, 4.0],
        [8.0, 4.0],
        [8.0, 1.0],
        [7.0, 1.0],
        [7.0, 4.0],
        [5.0, 4.0],
        [5.0, 2.0],
        [4.0, 2.0],
        [3.0, 4.0],
        [2.0, 2.0],
        [1.0, 4.0],
        [0.0, 4.0],
    ]);
    let hole = closed(vec![[5.5, 1.0], [6.0, 2.0], [6.5, 1.0]]);
    let west = closed(vec![[177.0, -20.0], [180.0, -20.0], [180.0, -15.0], [177.0, -15.0]]);
    let east = closed(vec![[-180.0, -20.0], [-178.0, -20.0], [-178.0, -15.0], [-180.0, -15.0]]);
    let mut all = vec![vec![vec![comb, hole]], vec![vec![west], vec![east]]];
    for (centre, radius) in [
        ([13.7, 45.2], 0.01),
        ([0.0, 0.0], 20.0),
        ([-73.9, 40.7], 0.5),
        ([151.2, -33.9], 3.0),
    ] {
        all.push(vec![polygon(random, centre, radius)]);
        // Several apart, one of them in the hole of another.
        let mut polygons = vec![polygon(random, centre, radius / 4.0)];
        polygons.push(polygon(random, [centre[0] + radius, centre[1]], radius / 3.0));
        polygons.push(polygon(random, [centre[0], centre[1] - radius], radius / 2.0));
        let around = [centre[0] - 2.0 * radius, centre[1] + radius / 3.0];
        let outer = vec![star(random, around, radius), star(random, around, radius / 3.0)];
        polygons.push(outer);
        polygons.push(vec![star(random, around, radius / 7.0)]);
        all.push(polygons);
    }
    all
}

/// Points around an area, at its corners, beside its borders, and at the latitudes and longitudes of corners.
fn points(random: &mut Rng, area: &[Vec<Vec<Point>>]) -> Vec<Point> {
    let corners: Vec<Point> = area.iter().flatten().flatten().copied().collect();
    let bounds = |axis: usize| {
        let values = corners.iter().map(|corner| corner[axis]);
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let greatest = values.fold(f64::NEG_INFINITY, f64::max);
        (least, greatest - least)
    };
    let bounds = [bounds(0), bounds(1)];
    let anywhere = |random: &mut Rng, axis: usize| {
        let (least, length): (f64, f64) = bounds[axis];
        least + length * (random.f64() * 1.2 - 0.1)
    };
    let point = |kind: usize, random: &mut Rng| {
        let at = random.usize(..corners.len() - 1);
        let (corner, next) = (corners[at], corners[at + 1]);
        match kind % 6 {
            0 => corner,
            1 => [anywhere(random, 0), corner[1]],
            2 => [corner[0], anywhere(random, 1)],
            3 => {
                let (part, aside) = (random.f64(), (random.f64() - 0.5) * 1e-6);
                let along = |axis: usize| corner[axis] + part * (next[axis] - corner[axis]) + aside * bounds[axis].1;
                [along(0), along(1)]
            }
            _ => [anywhere(random, 0), anywhere(random, 1)],
        }
    };
    (0..POINTS).map(|kind| point(kind, random)).collect()
}

#[tokio::test]
async fn what_is_inside_is_so_for_shapely() {
    let mut random = Rng::with_seed(10_000);
    let areas: Vec<_> = areas(&mut random)
        .into_iter()
        .map(|polygons| {
            let points = points(&mut random, &polygons);
            (json!({"type": "MultiPolygon", "coordinates": polygons}), points)
        })
        .collect();
    let questions: Value = areas
        .iter()
        .map(|(area, points)| json!({"area": area, "points": points}))
        .collect();
    let script = testutil::workspace().join("internal/subscription/area/peer.py");
    let answers = testutil::python(&script, &questions).await;
    let (mut asked, mut inside, mut on_border, mut left_out) = (0, 0, 0, 0);
    let mut different = Vec::new();
    for (number, (geojson, points)) in areas.iter().enumerate() {
        let area = Area::parse(geojson).unwrap();
        for (point, answer) in points.iter().zip(answers[number].as_array().unwrap()) {
            let (is_inside, distance) = (answer[0].as_bool().unwrap(), answer[1].as_f64().unwrap());
            asked += 1;
            if distance > 0.0 && distance < BORDER {
                left_out += 1;
                continue;
            }
            inside += usize::from(is_inside);
            on_border += usize::from(distance == 0.0);
            if area.contains(point[1], point[0]) != is_inside {
                different.push(format!("area {number}, {point:?}: {answer} by shapely"));
            }
        }
    }
    assert!(
        different.is_empty(),
        "{} points differ:\n{}",
        different.len(),
        different.join("\n")
    );
    assert_eq!(asked, 10_000);
    // All kinds of points are there, and few are so near to a border that rounding decides.
    assert!(inside > 3000 && asked - inside > 3000, "{inside} points are inside");
    assert!(
        on_border > 1000 && left_out < 100,
        "{on_border} on borders, {left_out} left out"
    );
}
