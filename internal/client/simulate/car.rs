//! The car and its driver: enough physics to look right on a chart.
//!
//! Only additions, multiplications, divisions and square roots, which IEEE 754 defines to the
//! last bit: the same seed drives the same way on every platform. No exponentials, no sines.

use super::random::Random;
use super::roads::Road;
use super::route::{self, Halt, METRES_EAST, METRES_NORTH, Stretch};

/// A comfortable deceleration, in m/s².
const BRAKING: f64 = 1.8;
/// How far ahead the driver looks, in metres: well over the stopping distance from the highest limit.
const HORIZON: f64 = 300.0;
/// Kilograms, with a driver.
const MASS: f64 = 1_120.0;
/// Litres.
const TANK: f64 = 45.0;
/// Engine turns a minute for each km/h, by gear.
const GEARS: [f64; 5] = [125.0, 69.0, 46.0, 34.0, 27.5];
/// Percentage of fuel below which the driver stops at the filling station.
const LOW: f64 = 15.0;
/// Percentage of fuel at which the driver stops filling.
const FULL: f64 = 97.0;

/// The driver's state.
enum Doing {
    Driving,
    /// Standing at a junction for this many more seconds.
    Standing(f64),
    /// Filling up, engine off, this many seconds before paying.
    Filling(f64),
    /// At home again, for good.
    Parked,
}

/// A car somewhere on its road.
pub(super) struct Car {
    random: Random,
    road: Vec<Stretch>,
    /// For each stretch, whether the junction at its end is closed on this lap.
    closed: Vec<bool>,
    stretch: usize,
    metres: f64,
    doing: Doing,
    /// How the driver takes speed limits on this stretch; 1 is exactly.
    keenness: f64,
    /// Seconds left behind a slower car, and until the next one.
    held_up: f64,
    until_held_up: f64,
    /// In m/s and m/s².
    speed: f64,
    acceleration: f64,
    gear: usize,
    revolutions: f64,
    ambient: f64,
    temperature: f64,
    litres: f64,
    /// The error of the GPS, in metres north and east; it wanders.
    drift: (f64, f64),
}

impl Car {
    /// Makes a car that was parked overnight in Višnjan. `fuel` is in per cent; without it, the seed decides.
    pub(super) fn new(seed: u64, road: Road, fuel: Option<f64>) -> Self {
        let mut random = Random::new(seed);
        let road = route::stretches(road);
        let ambient = random.between(6.0, 24.0);
        let drawn = random.between(0.3, 0.9);
        let litres = TANK * fuel.map_or(drawn, |fuel| fuel / 100.0);
        let mut car = Self {
            closed: vec![false; road.len()],
            road,
            stretch: 0,
            metres: 0.0,
            doing: Doing::Standing(random.between(3.0, 15.0)),
            keenness: 1.0,
            held_up: 0.0,
            until_held_up: random.between(60.0, 400.0),
            speed: 0.0,
            acceleration: 0.0,
            gear: 0,
            revolutions: 900.0,
            ambient,
            temperature: ambient,
            litres,
            drift: (0.0, 0.0),
            random,
        };
        for stretch in 0..car.road.len() {
            car.draw_junction(stretch);
        }
        car
    }

    /// Advances by `seconds`; at most a tenth, or braking turns coarse.
    pub(super) fn step(&mut self, seconds: f64) {
        match self.doing {
            Doing::Driving => self.drive(seconds),
            Doing::Standing(left) => self.stand(left - seconds),
            Doing::Filling(left) => self.fill(left, seconds),
            Doing::Parked => {}
        }
        let power = self.power();
        self.turn_over(seconds);
        self.heat(power, seconds);
        self.burn(power, seconds);
    }

    /// Whether the drive has ended.
    pub(super) fn is_parked(&self) -> bool {
        matches!(self.doing, Doing::Parked)
    }

    /// In km/h.
    pub(super) fn speed(&self) -> f64 {
        self.speed * 3.6
    }

    /// Engine turns a minute, with a sensor's flutter.
    pub(super) fn revolutions(&mut self) -> f64 {
        if self.engine_off() {
            return 0.0;
        }
        self.revolutions + 8.0 * self.random.noise()
    }

    /// Of the coolant, in degrees Celsius.
    pub(super) fn temperature(&self) -> f64 {
        self.temperature
    }

    /// The fuel in the tank, in per cent.
    pub(super) fn fuel(&self) -> f64 {
        self.litres / TANK * 100.0
    }

    /// Latitude and longitude as a GPS receiver reports them, called once a second.
    pub(super) fn fix(&mut self) -> (f64, f64) {
        self.drift.0 += 0.4 * self.random.noise() - 0.05 * self.drift.0;
        self.drift.1 += 0.4 * self.random.noise() - 0.05 * self.drift.1;
        let (latitude, longitude) = self.road[self.stretch].at(self.metres);
        (
            latitude + self.drift.0 / METRES_NORTH,
            longitude + self.drift.1 / METRES_EAST,
        )
    }

    fn engine_off(&self) -> bool {
        matches!(self.doing, Doing::Filling(_))
    }

    fn drive(&mut self, seconds: f64) {
        self.meet_traffic(seconds);
        let wanted = self.allowed();
        self.acceleration = if wanted < self.speed {
            ((wanted - self.speed) / seconds).max(-4.0)
        } else {
            // Acceleration falls with air resistance and higher gears.
            let pull = (2.4 - self.speed * 0.06).max(0.3);
            ((wanted - self.speed) / 1.5).min(pull)
        };
        self.speed = (self.speed + self.acceleration * seconds).max(0.0);

        let left = self.road[self.stretch].length - self.metres;
        let way = self.speed * seconds;
        if way < left && left > 0.02 {
            self.metres += way;
        } else if self.halts(self.stretch) {
            self.metres = self.road[self.stretch].length;
            self.speed = 0.0;
            self.acceleration = 0.0;
            self.doing = match self.road[self.stretch].halt {
                Halt::Station => Doing::Filling(self.random.between(30.0, 120.0)),
                Halt::Home => Doing::Parked,
                _ => Doing::Standing(self.random.between(1.0, 14.0)),
            };
        } else {
            self.pass((way - left).max(0.0));
        }
    }

    fn stand(&mut self, left: f64) {
        self.doing = Doing::Standing(left);
        if left <= 0.0 {
            self.set_off();
        }
    }

    fn fill(&mut self, left: f64, seconds: f64) {
        if self.fuel() < FULL {
            self.litres += 0.5 * seconds;
        } else if left > 0.0 {
            self.doing = Doing::Filling(left - seconds);
        } else {
            self.set_off();
        }
    }

    fn set_off(&mut self) {
        self.doing = Doing::Driving;
        // A drive begins at the start of a stretch; every other halt is at the end of one.
        if self.metres > 0.0 {
            self.pass(0.0);
        }
    }

    /// Enters the next stretch, `metres` into it.
    fn pass(&mut self, metres: f64) {
        self.draw_junction(self.stretch);
        self.stretch = (self.stretch + 1) % self.road.len();
        self.metres = metres;
        self.keenness = self.random.between(0.9, 1.04);
    }

    fn draw_junction(&mut self, stretch: usize) {
        self.closed[stretch] = self.random.unit() < 0.7;
    }

    fn meet_traffic(&mut self, seconds: f64) {
        if self.held_up > 0.0 {
            self.held_up -= seconds;
            return;
        }
        self.until_held_up -= seconds;
        if self.until_held_up <= 0.0 {
            self.held_up = self.random.between(10.0, 45.0);
            self.until_held_up = self.random.between(90.0, 500.0);
        }
    }

    /// The speed that still allows comfortable braking for everything ahead.
    fn allowed(&self) -> f64 {
        let patience = if self.held_up > 0.0 { 0.65 } else { 1.0 };
        let keen = self.keenness * patience;
        let mut speed = self.road[self.stretch].limit * keen;
        let mut stretch = self.stretch;
        let mut distance = self.road[stretch].length - self.metres;
        while distance < HORIZON {
            let next = (stretch + 1) % self.road.len();
            let cap = if self.halts(stretch) {
                0.0
            } else {
                self.road[stretch].turn.min(self.road[next].limit * keen)
            };
            // Creeps at the end, or it would never arrive.
            speed = speed.min((cap * cap + 2.0 * BRAKING * distance).sqrt().max(0.3));
            distance += self.road[next].length;
            stretch = next;
        }
        speed
    }

    fn halts(&self, stretch: usize) -> bool {
        match self.road[stretch].halt {
            Halt::Never => false,
            Halt::Junction => self.closed[stretch],
            Halt::Station => self.fuel() < LOW,
            Halt::Home => true,
        }
    }

    /// The engine's power at the wheels, in kW.
    fn power(&self) -> f64 {
        let rolling = 0.013 * MASS * 9.81;
        let air = 0.41 * self.speed * self.speed;
        ((MASS * self.acceleration + rolling + air) * self.speed / 1_000.0).max(0.0)
    }

    fn turn_over(&mut self, seconds: f64) {
        let speed = self.speed();
        let upshift = 2_300.0 + 500.0 * self.acceleration.clamp(0.0, 2.0);
        if speed * GEARS[self.gear] > upshift && self.gear + 1 < GEARS.len() {
            self.gear += 1;
        } else if speed * GEARS[self.gear] < 1_250.0 && self.gear > 0 {
            self.gear -= 1;
        }
        // A cold engine idles faster.
        let idle = 820.0 + 5.0 * (70.0 - self.temperature).max(0.0);
        let wanted = (speed * GEARS[self.gear]).max(idle);
        let wanted = if self.engine_off() { 0.0 } else { wanted };
        self.revolutions += (wanted - self.revolutions) * (seconds / 0.35).min(1.0);
    }

    fn heat(&mut self, power: f64, seconds: f64) {
        let burning = if self.engine_off() { 0.0 } else { 0.08 + 0.012 * power };
        let excess = self.temperature - self.ambient;
        let body = 0.000_5 * excess * (1.0 + self.speed / 20.0);
        let thermostat = ((self.temperature - 87.0) / 8.0).clamp(0.0, 1.0);
        let radiator = thermostat * 0.5 * (0.5 + self.speed / 20.0);
        self.temperature += (burning - body - radiator) * seconds;
    }

    fn burn(&mut self, power: f64, seconds: f64) {
        if self.engine_off() {
            return;
        }
        let enrichment = if self.temperature < 60.0 { 1.2 } else { 1.0 };
        let millilitres = (0.25 + 0.085 * power) * enrichment * seconds;
        self.litres = (self.litres - millilitres / 1_000.0).max(0.0);
    }
}
