//! Random drives: under way and standing, with gaps in all sensors, silences, errors of the receiver, and refuelling.

use super::naive::Recording;

const SECOND: i64 = 1_000_000;

/// Numbers that are the same in each run.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678)
    }

    /// A whole number from 0 to below `end`.
    pub(super) fn below(&mut self, end: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let bits = i64::try_from(self.0 >> 33).unwrap();
        bits % end
    }

    /// A number from 0 to 1, with a few digits.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn share(&mut self) -> f64 {
        self.below(10_000) as f64 / 10_000.0
    }
}

/// A recording of so many legs from a moment on.
pub(super) fn drive(seed: u64, start: i64, legs: usize) -> Recording {
    let mut random = Random::new(seed);
    let (mut of, mut time) = (Recording::default(), start);
    let (mut latitude, mut longitude, mut fuel, mut heading) = (45.2, 13.6, 60.0, 0.0_f64);
    for _ in 0..legs {
        let kind = random.below(10);
        if kind >= 8 {
            // A silence, during which it may have moved on.
            time += (120 + random.below(2400)) * SECOND;
            if kind == 9 {
                latitude += random.share() / 30.0;
                fuel += 20.0;
            }
            continue;
        }
        let (least, most) = [(25.0, 60.0), (60.0, 110.0), (0.0, 0.0), (1.0, 4.5)][usize::try_from(kind % 4).unwrap()];
        let has_speed = random.below(4) > 0;
        let has_places = random.below(5) > 0;
        let every = (1 + random.below(4)) * SECOND;
        for _ in 0..(30 + random.below(200)) {
            time += every + random.below(300_000);
            let speed = least + (most - least) * random.share();
            #[expect(clippy::cast_precision_loss, reason = "seconds")]
            let metres = speed / 3.6 * (every as f64 / 1e6);
            heading += random.share() - 0.5;
            latitude += metres * heading.cos() / 111_195.0;
            longitude += metres * heading.sin() / 78_000.0;
            fuel -= metres / 20_000.0;
            if has_speed && random.below(20) > 0 {
                // Some are none.
                let wrong = [65_535.0, -1.0, 1e308];
                let wrong = wrong.get(usize::try_from(time / 1000 % 300).unwrap()).copied();
                of.speeds.push((time, wrong.unwrap_or((speed * 10.0).round() / 10.0)));
            }
            if has_places && random.below(10) > 0 {
                let jump = if random.below(150) == 0 { 0.5 } else { 0.0 };
                let jitter = (random.share() - 0.5) / 20_000.0;
                of.places
                    .push((time + random.below(2) * 500, latitude + jump + jitter, longitude));
            }
            if random.below(5) == 0 {
                of.fuel.push((time, fuel + random.share() * 2.0));
            }
        }
    }
    of
}
