//! The roads of a drive: a loop without end, or an outing that ends at home in Višnjan.
//!
//! An outing is drawn by a few points a leg of some two kilometres, through which a curve is laid. The curve needs only
//! additions and multiplications, so it is the same on every platform.

/// Pieces that the curve has between two points.
const PIECES: u8 = 6;

/// Latitude, longitude, and the limit in km/h from here on.
type Point = (f64, f64, f64);

/// The road that a car takes from Višnjan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// Through Poreč and Tar, again and again: the drive never ends.
    Loop,
    /// East to Pazin, and home by way of Tinjan.
    Pazin,
    /// South to Sveti Lovreč and Vrsar, and home along the coast.
    Vrsar,
    /// North to Novigrad and Buje, and home by way of Vižinada.
    Buje,
    /// North-east to Motovun, and home by way of Karojba.
    Motovun,
}

impl Road {
    /// The roads that end at home.
    pub const OUTINGS: [Self; 4] = [Self::Pazin, Self::Vrsar, Self::Buje, Self::Motovun];

    /// The points of an outing, the first at home; none of the loop.
    pub(super) fn outing(self) -> Option<Vec<Point>> {
        match self {
            Self::Loop => None,
            Self::Pazin => Some(curve(&PAZIN)),
            Self::Vrsar => Some(curve(&VRSAR)),
            Self::Buje => Some(curve(&BUJE)),
            Self::Motovun => Some(curve(&MOTOVUN)),
        }
    }
}

/// A closed curve through these points (a Catmull-Rom spline).
fn curve(points: &[Point]) -> Vec<Point> {
    let count = points.len();
    let mut curve = Vec::with_capacity(count * usize::from(PIECES));
    for index in 0..count {
        let at = |offset: usize| points[(index + offset) % count];
        let (before, from, to, after) = (at(count - 1), at(0), at(1), at(2));
        for piece in 0..PIECES {
            let part = f64::from(piece) / f64::from(PIECES);
            let latitude = between([before.0, from.0, to.0, after.0], part);
            let longitude = between([before.1, from.1, to.1, after.1], part);
            curve.push((latitude, longitude, from.2));
        }
    }
    curve
}

/// A value between the second and the third of four, at this part of the way.
fn between([before, from, to, after]: [f64; 4], part: f64) -> f64 {
    let straight = to - before;
    let bend = 2.0 * before - 5.0 * from + 4.0 * to - after;
    let twist = 3.0 * from - before - 3.0 * to + after;
    from + 0.5 * part * (straight + part * (bend + part * twist))
}

const PAZIN: [Point; 27] = [
    // Višnjan
    (45.2763, 13.7198, 40.0),
    (45.2790, 13.7330, 60.0),
    (45.2840, 13.7480, 70.0),
    (45.2885, 13.7640, 70.0),
    (45.2900, 13.7830, 70.0),
    // Rakotule
    (45.2935, 13.8010, 70.0),
    (45.2960, 13.8190, 60.0),
    // Karojba
    (45.2990, 13.8360, 50.0),
    (45.2870, 13.8480, 70.0),
    (45.2760, 13.8630, 70.0),
    // Trviž
    (45.2660, 13.8800, 70.0),
    (45.2560, 13.8990, 70.0),
    (45.2480, 13.9180, 60.0),
    // Pazin
    (45.2406, 13.9350, 40.0),
    (45.2330, 13.9270, 60.0),
    (45.2270, 13.9080, 80.0),
    (45.2235, 13.8860, 80.0),
    (45.2210, 13.8640, 70.0),
    // Tinjan
    (45.2165, 13.8390, 50.0),
    (45.2180, 13.8170, 80.0),
    (45.2195, 13.7950, 80.0),
    (45.2190, 13.7740, 80.0),
    // Baderna
    (45.2205, 13.7540, 50.0),
    (45.2330, 13.7490, 80.0),
    (45.2450, 13.7420, 80.0),
    (45.2560, 13.7340, 70.0),
    (45.2670, 13.7260, 60.0),
];

const VRSAR: [Point; 28] = [
    // Višnjan
    (45.2763, 13.7198, 40.0),
    (45.2670, 13.7260, 60.0),
    (45.2560, 13.7340, 70.0),
    (45.2450, 13.7420, 80.0),
    (45.2330, 13.7490, 80.0),
    // Baderna
    (45.2205, 13.7540, 50.0),
    (45.2060, 13.7490, 80.0),
    (45.1920, 13.7450, 70.0),
    // Sveti Lovreč
    (45.1785, 13.7425, 50.0),
    (45.1700, 13.7260, 80.0),
    (45.1640, 13.7060, 80.0),
    (45.1600, 13.6850, 80.0),
    (45.1565, 13.6640, 80.0),
    (45.1540, 13.6430, 80.0),
    (45.1510, 13.6240, 60.0),
    // Vrsar
    (45.1500, 13.6080, 40.0),
    (45.1610, 13.6060, 70.0),
    // Funtana
    (45.1745, 13.6065, 50.0),
    (45.1880, 13.6060, 80.0),
    (45.2010, 13.6060, 70.0),
    (45.2140, 13.6040, 60.0),
    // Poreč
    (45.2265, 13.6060, 40.0),
    (45.2350, 13.6200, 60.0),
    (45.2450, 13.6330, 80.0),
    // Nova Vas
    (45.2560, 13.6440, 60.0),
    (45.2650, 13.6590, 80.0),
    (45.2700, 13.6780, 80.0),
    (45.2730, 13.6980, 70.0),
];

const BUJE: [Point; 30] = [
    // Višnjan
    (45.2763, 13.7198, 40.0),
    (45.2840, 13.7080, 70.0),
    (45.2915, 13.6940, 70.0),
    // Kaštelir
    (45.2973, 13.6838, 50.0),
    (45.2990, 13.6640, 80.0),
    (45.2997, 13.6440, 80.0),
    // Tar
    (45.3010, 13.6280, 50.0),
    (45.3085, 13.6130, 80.0),
    (45.3150, 13.5960, 80.0),
    (45.3185, 13.5780, 70.0),
    // Novigrad
    (45.3190, 13.5640, 40.0),
    (45.3310, 13.5660, 80.0),
    (45.3440, 13.5790, 80.0),
    (45.3560, 13.5960, 80.0),
    (45.3690, 13.6110, 80.0),
    // Brtonigla
    (45.3805, 13.6275, 50.0),
    (45.3920, 13.6390, 80.0),
    (45.4030, 13.6500, 70.0),
    // Buje
    (45.4095, 13.6600, 40.0),
    (45.3990, 13.6740, 70.0),
    (45.3860, 13.6850, 80.0),
    (45.3730, 13.6990, 70.0),
    (45.3610, 13.7160, 70.0),
    (45.3520, 13.7320, 80.0),
    (45.3430, 13.7480, 70.0),
    // Vižinada
    (45.3336, 13.7600, 50.0),
    (45.3210, 13.7530, 80.0),
    (45.3080, 13.7430, 80.0),
    (45.2950, 13.7330, 80.0),
    (45.2860, 13.7250, 60.0),
];

const MOTOVUN: [Point; 21] = [
    // Višnjan
    (45.2763, 13.7198, 40.0),
    (45.2860, 13.7250, 60.0),
    (45.2950, 13.7330, 80.0),
    (45.3080, 13.7430, 80.0),
    (45.3210, 13.7530, 80.0),
    // Vižinada
    (45.3336, 13.7600, 50.0),
    (45.3430, 13.7700, 70.0),
    (45.3490, 13.7860, 80.0),
    (45.3510, 13.8050, 80.0),
    // Livade
    (45.3500, 13.8230, 60.0),
    (45.3420, 13.8310, 50.0),
    // Motovun
    (45.3360, 13.8280, 40.0),
    (45.3260, 13.8340, 60.0),
    (45.3120, 13.8370, 70.0),
    // Karojba
    (45.2990, 13.8360, 50.0),
    (45.2960, 13.8190, 60.0),
    // Rakotule
    (45.2935, 13.8010, 70.0),
    (45.2900, 13.7830, 70.0),
    (45.2885, 13.7640, 70.0),
    (45.2840, 13.7480, 70.0),
    (45.2790, 13.7330, 60.0),
];
