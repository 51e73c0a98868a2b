//! Twelve rules of all kinds, each as a notifier takes it and as the plain computation does.

use super::plain::{At, Fire, Rule, SECOND, distance, is_within};
use serde_json::{Value, json};

/// The corners of an area through which the recorded track leads: latitude and longitude, against the clock.
const HOME: [(f64, f64); 4] = [
    (45.2752, 13.7183),
    (45.2757, 13.7236),
    (45.2816, 13.7231),
    (45.2811, 13.7186),
];

/// A place that the recorded track passes.
const FERRY: (f64, f64) = (45.2765, 13.7198);

/// The area `home`.
pub(super) fn home() -> Value {
    let corners = HOME.iter().chain(&HOME[..1]);
    let ring: Vec<[f64; 2]> = corners.map(|(latitude, longitude)| [*longitude, *latitude]).collect();
    json!({"type": "Polygon", "coordinates": [ring]})
}

/// A definition without its name and target, and the rule.
pub(super) fn all() -> Vec<(Value, Rule)> {
    vec![
        (
            json!({"filter": "speed > 40"}),
            of(&["speed"], Fire::Rise, |at, _| is(at.value("speed")? > 40.0)),
        ),
        (
            json!({"filter": "revolution < 900", "fire": "fall"}),
            of(&["revolution"], Fire::Fall, |at, _| is(at.value("revolution")? < 900.0)),
        ),
        (
            json!({"filter": "speed > 30.0", "fire": "both"}),
            of(&["speed"], Fire::Both, |at, _| is(at.value("speed")? > 30.0)),
        ),
        (
            json!({"filter": "int(value[\"speed\"] / 10.0)", "fire": "change"}),
            of(&["speed"], Fire::Change, |at, _| tens(at.value("speed")?)),
        ),
        (
            json!({"filter": "speed > 50", "fire": "each"}),
            of(&["speed"], Fire::Each, |at, _| is(at.value("speed")? > 50.0)),
        ),
        (
            json!({"filter": "revolution > 1500", "fire": "both", "for": "5s"}),
            Rule {
                hold: 5 * SECOND,
                ..of(
                    &["revolution"],
                    Fire::Both,
                    |at, _| is(at.value("revolution")? > 1500.0),
                )
            },
        ),
        (
            json!({"filter": "throttle > 18", "for": "4s", "silence": "2s"}),
            Rule {
                hold: 4 * SECOND,
                silence: 2 * SECOND,
                ..of(&["throttle"], Fire::Rise, |at, _| is(at.value("throttle")? > 18.0))
            },
        ),
        (
            json!({"filter": "engine_temperature > 87", "clear": "engine_temperature < 84", "fire": "both"}),
            of(&["engine_temperature"], Fire::Both, |at, was_on| {
                let value = at.value("engine_temperature")?;
                is(value > 87.0 || (was_on && value >= 84.0))
            }),
        ),
        (
            json!({"filter": "speed > 20", "every": "1m"}),
            Rule {
                every: 60 * SECOND,
                ..of(&["speed"], Fire::Rise, |at, _| is(at.value("speed")? > 20.0))
            },
        ),
        (
            json!({"filter": "speed > 20 && throttle > 20", "fire": "both", "tolerance": "2s"}),
            Rule {
                tolerance: 2 * SECOND,
                ..of(&["speed", "throttle"], Fire::Both, |at, _| {
                    let halves = [
                        at.value("speed").map(|speed| speed > 20.0),
                        at.value("throttle").map(|throttle| throttle > 20.0),
                    ];
                    // A half that is false decides, also where the other one is absent.
                    if halves.contains(&Some(false)) {
                        return is(false);
                    }
                    is(halves[0]? && halves[1]?)
                })
            },
        ),
        (
            json!({"filter": "inside(\"home\")", "fire": "both"}),
            of(&[], Fire::Both, |at, _| is(is_within(&HOME, at.place()?))),
        ),
        (
            json!({"filter": "near(45.2765, 13.7198, 150.0)", "fire": "both", "for": "3s"}),
            Rule {
                hold: 3 * SECOND,
                ..of(&[], Fire::Both, |at, _| is(distance(at.place()?, FERRY) <= 150.0))
            },
        ),
    ]
}

fn of(sensors: &'static [&'static str], fire: Fire, judge: fn(&At<'_>, bool) -> Option<i64>) -> Rule {
    Rule {
        sensors,
        judge,
        fire,
        hold: 0,
        silence: 60 * SECOND,
        tolerance: 10 * SECOND,
        every: 0,
    }
}

fn is(state: bool) -> Option<i64> {
    Some(i64::from(state))
}

#[expect(clippy::cast_possible_truncation, reason = "a speed is small")]
fn tens(speed: f64) -> Option<i64> {
    Some((speed / 10.0) as i64)
}
