//! The road: a closed loop of some 35 km in Istria. It leads from Višnjan down to Poreč on the coast, north
//! to Tar, and home by way of Kaštelir.
//!
//! Drawn by hand after the roads: good enough to look right on a map, not to navigate by. Outings on other roads are in
//! `roads.rs`.

use super::roads::Road;

/// Why a car may stop at the end of a stretch.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Halt {
    /// It never stops.
    Never,
    /// A junction or a light: sometimes.
    Junction,
    /// A filling station: when the tank is low.
    Station,
    /// The end of the drive.
    Home,
}

use Halt::{Home, Junction, Never, Station};

/// The limit in km/h up to which an outing has junctions: that of towns.
const TOWN: f64 = 40.0;

/// Latitude, longitude, the limit in km/h from here on, and the kind of halt here.
type Waypoint = (f64, f64, f64, Halt);

const WAYPOINTS: [Waypoint; 60] = [
    // Višnjan
    (45.27634, 13.71978, 40.0, Never),
    (45.27595, 13.71990, 40.0, Never),
    (45.27525, 13.71935, 50.0, Never),
    (45.27450, 13.71690, 50.0, Never),
    (45.27385, 13.71465, 50.0, Junction),
    (45.27335, 13.71410, 50.0, Never),
    (45.27252, 13.71245, 80.0, Never),
    (45.27105, 13.70890, 80.0, Never),
    (45.26890, 13.70460, 80.0, Never),
    (45.26610, 13.69980, 80.0, Never),
    (45.26330, 13.69420, 80.0, Never),
    // Bačva
    (45.26090, 13.68870, 50.0, Never),
    (45.25960, 13.68410, 50.0, Never),
    (45.25840, 13.67930, 80.0, Never),
    (45.25530, 13.67240, 80.0, Never),
    (45.25210, 13.66580, 90.0, Never),
    (45.24880, 13.65810, 90.0, Never),
    // Kukci
    (45.24560, 13.65060, 60.0, Never),
    (45.24390, 13.64420, 60.0, Never),
    (45.24170, 13.63790, 80.0, Never),
    (45.23830, 13.63080, 80.0, Never),
    (45.23490, 13.62350, 60.0, Never),
    // Poreč
    (45.23210, 13.61690, 50.0, Never),
    (45.23090, 13.61320, 50.0, Junction),
    (45.22960, 13.60780, 50.0, Never),
    (45.22830, 13.60290, 40.0, Junction),
    (45.22740, 13.59910, 40.0, Junction),
    (45.22890, 13.59860, 40.0, Never),
    (45.23080, 13.60040, 50.0, Junction),
    (45.23290, 13.60310, 50.0, Station),
    (45.23560, 13.60620, 60.0, Never),
    (45.23930, 13.60890, 80.0, Junction),
    // The D75 along the coast
    (45.24480, 13.61100, 80.0, Never),
    (45.25090, 13.61310, 90.0, Never),
    (45.25730, 13.61430, 90.0, Never),
    (45.26370, 13.61510, 90.0, Never),
    (45.27010, 13.61690, 90.0, Never),
    (45.27650, 13.61840, 90.0, Never),
    (45.28290, 13.62010, 80.0, Never),
    (45.28880, 13.62230, 80.0, Never),
    (45.29440, 13.62480, 50.0, Never),
    // Tar
    (45.29890, 13.62660, 50.0, Never),
    (45.30090, 13.62790, 50.0, Junction),
    (45.30120, 13.63180, 60.0, Never),
    (45.30050, 13.63840, 80.0, Never),
    (45.29960, 13.64620, 80.0, Never),
    (45.29920, 13.65430, 80.0, Never),
    (45.29870, 13.66240, 80.0, Never),
    (45.29840, 13.67050, 80.0, Never),
    (45.29790, 13.67760, 50.0, Never),
    // Kaštelir
    (45.29730, 13.68380, 50.0, Never),
    (45.29650, 13.68770, 50.0, Junction),
    (45.29390, 13.69080, 80.0, Never),
    (45.29080, 13.69510, 80.0, Never),
    (45.28760, 13.70020, 80.0, Never),
    (45.28490, 13.70590, 80.0, Never),
    (45.28240, 13.71110, 80.0, Never),
    (45.28060, 13.71560, 50.0, Never),
    (45.27900, 13.71860, 50.0, Never),
    (45.27760, 13.71970, 40.0, Junction),
];

/// Metres to a degree north and to a degree east at these latitudes. A plane is exact enough for a loop this
/// small, and needs no sine that differs between platforms.
pub(super) const METRES_NORTH: f64 = 111_140.0;
pub(super) const METRES_EAST: f64 = 78_420.0;

/// A stretch of road: from one waypoint to the next.
pub(super) struct Stretch {
    latitude: f64,
    longitude: f64,
    north: f64,
    east: f64,
    /// In metres.
    pub(super) length: f64,
    /// The speed limit in m/s.
    pub(super) limit: f64,
    /// Highest speed of the turn into the next stretch, in m/s.
    pub(super) turn: f64,
    /// The kind of halt at its end.
    pub(super) halt: Halt,
}

impl Stretch {
    /// Latitude and longitude at this many metres from its beginning.
    pub(super) fn at(&self, metres: f64) -> (f64, f64) {
        let part = metres / self.length;
        (
            self.latitude + self.north * part / METRES_NORTH,
            self.longitude + self.east * part / METRES_EAST,
        )
    }
}

/// The stretches of a road; the first follows the last.
pub(super) fn stretches(road: Road) -> Vec<Stretch> {
    let waypoints = waypoints(road);
    let mut stretches: Vec<Stretch> = (0..waypoints.len()).map(|index| stretch(&waypoints, index)).collect();
    for index in 0..stretches.len() {
        let next = &stretches[(index + 1) % stretches.len()];
        stretches[index].turn = turn(&stretches[index], next);
    }
    stretches
}

fn waypoints(road: Road) -> Vec<Waypoint> {
    let Some(points) = road.outing() else {
        return WAYPOINTS.to_vec();
    };
    let halt = |index: usize, limit: f64| match index {
        0 => Home,
        _ if limit <= TOWN => Junction,
        _ => Never,
    };
    points
        .into_iter()
        .enumerate()
        .map(|(index, (latitude, longitude, limit))| (latitude, longitude, limit, halt(index, limit)))
        .collect()
}

fn stretch(waypoints: &[Waypoint], index: usize) -> Stretch {
    let (latitude, longitude, limit, _) = waypoints[index];
    let (next_latitude, next_longitude, _, halt) = waypoints[(index + 1) % waypoints.len()];
    let north = (next_latitude - latitude) * METRES_NORTH;
    let east = (next_longitude - longitude) * METRES_EAST;
    Stretch {
        latitude,
        longitude,
        north,
        east,
        length: (north * north + east * east).sqrt(),
        limit: limit / 3.6,
        turn: f64::INFINITY,
        halt,
    }
}

/// Straight on costs no speed; a right angle is taken at one and a half times walking pace.
fn turn(from: &Stretch, to: &Stretch) -> f64 {
    let cosine = (from.north * to.north + from.east * to.east) / (from.length * to.length);
    let straight = cosine.max(0.0);
    (10.0 + 110.0 * straight * straight * straight * straight) / 3.6
}

#[cfg(test)]
mod tests {
    use super::{Halt, Road, WAYPOINTS, stretches};

    #[test]
    fn outings_are_closed_and_lead_home() {
        for road in Road::OUTINGS {
            let stretches = stretches(road);
            let length: f64 = stretches.iter().map(|stretch| stretch.length).sum();
            assert!((25_000.0..75_000.0).contains(&length), "{road:?}: {length} m");
            for (index, stretch) in stretches.iter().enumerate() {
                let piece = stretch.length;
                assert!((20.0..1_000.0).contains(&piece), "{road:?}, {index}: {piece} m");
                let is_last = index + 1 == stretches.len();
                assert_eq!(stretch.halt == Halt::Home, is_last, "{road:?}, {index}");
            }
        }
    }

    #[test]
    fn is_a_closed_loop_of_plausible_roads() {
        let road = stretches(Road::Loop);
        let length: f64 = road.iter().map(|stretch| stretch.length).sum();
        assert!((25_000.0..45_000.0).contains(&length), "{length} m");
        for (index, stretch) in road.iter().enumerate() {
            assert!(
                (20.0..1_000.0).contains(&stretch.length),
                "{index}: {} m",
                stretch.length
            );
            assert!(stretch.turn >= 10.0 / 3.6 - 1e-9);
        }
        let (latitude, longitude) = road[road.len() - 1].at(road[road.len() - 1].length);
        assert!((latitude - WAYPOINTS[0].0).abs() < 1e-9);
        assert!((longitude - WAYPOINTS[0].1).abs() < 1e-9);
    }
}
