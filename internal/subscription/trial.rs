//! Tries filters and texts over readings with made-up values. What can have no result with any values is refused when
//! it is written, instead of doing nothing in silence.

use crate::subscription::Fire;
use crate::vocabulary::{self, LATITUDE, LONGITUDE};
use filter::{Failed, Filter, Invalid, Position, Value, Variable, Variables};
use jiff::Timestamp;
use std::sync::OnceLock;

/// Values of all sensors, on both sides of the limits that filters have.
const VALUES: [f64; 6] = [0.0, 1.0, -1.5, 3.0, 50.0, 1e6];

/// What texts may name beside sensors.
const OF_EVENTS: [&str; 6] = ["device", "time", "state", "since", "late", "subscription"];

const PLACES: &str =
    "Write inside(\"home\"), or near(45.2, 13.6, 500.0): latitude and longitude in degrees, and metres.";

/// What has to come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Condition,
    /// Any value that can be told from another one.
    State,
    Text,
}

/// Tries a filter of a rule over readings.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_filter(filter: &Filter, fire: Fire) -> Result<(), Invalid> {
    match fire {
        // Only the sensors that it names count.
        Fire::Quiet => Ok(()),
        Fire::Change => check(filter, Wanted::State),
        Fire::Rise | Fire::Fall | Fire::Both | Fire::Each => check(filter, Wanted::Condition),
    }
}

/// Tries the text that is sent for an event of readings.
///
/// # Errors
/// As [`check`], and for a sensor that no event of these filters has.
pub(crate) fn check_text(text: &Filter, filters: &[Filter], fire: Fire) -> Result<(), Invalid> {
    let has = |sensor: &str| {
        fire != Fire::Quiet
            && filters.iter().any(|filter| {
                let mut named = filter.names().iter().chain(filter.keys());
                let has_place = !filter.functions().is_empty();
                named.any(|name| name == sensor) || (has_place && [LATITUDE, LONGITUDE].contains(&sensor))
            })
    };
    let names = text.names().iter().filter(|name| !OF_EVENTS.contains(&name.as_str()));
    if let Some(sensor) = names.chain(text.keys()).find(|sensor| !has(sensor)) {
        let message = format!("An event has no {sensor}: it has the sensors that the filter names.");
        return Err(invalid(
            message,
            "Name one of them, or device, time, state, since, late or subscription.",
        ));
    }
    check(text, Wanted::Text)
}

/// Tries a filter or a text over readings.
///
/// # Errors
/// If types do not fit in some part, or if no result is of the kind that is wanted. What depends on more than types is
/// not refused.
pub(crate) fn check(filter: &Filter, wanted: Wanted) -> Result<(), Invalid> {
    let mut refused = None;
    let mut taken = false;
    for value in VALUES {
        for answer in [true, false] {
            let made = Made {
                value,
                answer,
                of_event: wanted == Wanted::Text,
                problem: OnceLock::new(),
            };
            let result = filter.evaluate(&made);
            if let Some(problem) = made.problem.get() {
                return Err(invalid((*problem).to_owned(), PLACES));
            }
            match result {
                Err(Failed::Types(sentence)) => {
                    let hint = "The value of a sensor is a double: write 2.0 instead of 2 beside + - * / %, and \
                        string(x) where a text is needed.";
                    return Err(invalid(sentence, hint));
                }
                Ok(result) if !wanted.is(&result) => {
                    refused.get_or_insert_with(|| wanted.refuse(&result));
                }
                // Also an error: with other values there may be a result.
                _ => taken = true,
            }
        }
    }
    match refused {
        Some((message, hint)) if !taken => Err(invalid(message, hint)),
        _ => Ok(()),
    }
}

fn invalid(message: String, hint: &str) -> Invalid {
    Invalid {
        position: Position { line: 1, column: 1 },
        message,
        hint: hint.to_owned(),
    }
}

impl Wanted {
    fn is(self, result: &Value) -> bool {
        match self {
            Self::Condition => matches!(result, Value::Bool(_)),
            Self::State => *result != Value::Other,
            Self::Text => matches!(result, Value::Text(_)),
        }
    }

    fn refuse(self, result: &Value) -> (String, &'static str) {
        let kind = match result {
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Uint(_) | Value::Double(_) => "a number",
            Value::Text(_) => "a text",
            Value::Null => "null",
            Value::Other => "a list, a map, bytes, a time or a duration",
        };
        match self {
            Self::Condition => (
                format!("The result is {kind}, not true or false."),
                "Compare it, as in speed > 120, or write \"fire\": \"change\" to be told of each other value.",
            ),
            Self::State => (
                format!("The result is {kind}, and these are not compared."),
                "Make a number, a text or a condition of it, as with size(x) or string(x).",
            ),
            Self::Text => (
                format!("The result is {kind}, not a text."),
                "Write string(…) around it.",
            ),
        }
    }
}

/// Values that are made up: each sensor has the same one, and each question about the place the same answer.
struct Made {
    value: f64,
    answer: bool,
    /// Whether a text names them.
    of_event: bool,
    /// What is wrong with the arguments of a call.
    problem: OnceLock<&'static str>,
}

impl Variables for Made {
    fn name(&self, name: &str) -> Option<Variable<'_>> {
        match name {
            vocabulary::DEVICE => Some(Variable::Text("lada")),
            vocabulary::TIME => Some(Variable::Time(Timestamp::UNIX_EPOCH)),
            // Of any type.
            "state" if self.of_event => None,
            "since" | "subscription" if self.of_event => Some(Variable::Text("")),
            "late" if self.of_event => Some(Variable::Bool(self.answer)),
            _ => Some(Variable::Double(self.value)),
        }
    }

    fn key(&self, _: &str) -> Option<Variable<'_>> {
        Some(Variable::Double(self.value))
    }

    fn call(&self, function: &str, arguments: &[Value]) -> Result<Value, String> {
        if let Some(problem) = self.wrong(function, arguments) {
            self.problem.get_or_init(|| problem);
        }
        Ok(Value::Bool(self.answer))
    }
}

impl Made {
    /// What is wrong with the arguments of a call. Numbers that are made up are not judged.
    #[expect(clippy::cast_precision_loss, reason = "degrees and metres are small numbers")]
    fn wrong(&self, function: &str, arguments: &[Value]) -> Option<&'static str> {
        if function == vocabulary::INSIDE {
            let fits = matches!(arguments, [Value::Text(_)]);
            return (!fits).then_some("inside takes the name of an area, in quotes.");
        }
        let number = |value: &Value| match value {
            Value::Double(number) => Some(*number),
            Value::Int(number) => Some(*number as f64),
            _ => None,
        };
        let numbers: Option<Vec<f64>> = arguments.iter().map(number).collect();
        let Some([latitude, longitude, metres]) = numbers.as_deref() else {
            return Some("near takes three numbers.");
        };
        let is_beyond = |value: f64, limit: f64| value.abs() > limit && value.to_bits() != self.value.to_bits();
        if is_beyond(*latitude, 90.0) || is_beyond(*longitude, 180.0) {
            return Some("The latitude is beyond 90 degrees, or the longitude beyond 180.");
        }
        let is_nothing = *metres <= 0.0 && metres.to_bits() != self.value.to_bits();
        is_nothing.then_some("Nothing is nearer than no metres.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(text: &str, wanted: Wanted) -> String {
        let filter = Filter::compile(text, &vocabulary::readings()).unwrap();
        match check(&filter, wanted) {
            Ok(()) => "taken".to_owned(),
            Err(invalid) => invalid.message,
        }
    }

    #[test]
    fn what_can_have_no_result_is_refused() {
        use Wanted::{Condition, State, Text};
        for (text, wanted, expected) in [
            ("speed > 120", Condition, "taken"),
            ("speed == 120 || fuel < 5", Condition, "taken"),
            ("!(speed > 120)", Condition, "taken"),
            ("inside(\"home\") && speed > 1", Condition, "taken"),
            ("speed > 120 ? fuel < 5.0 : fuel < 3.0", Condition, "taken"),
            ("100.0 / speed > 2.0", Condition, "taken"),
            ("int(speed) % 2 == 0", Condition, "taken"),
            ("device.startsWith(\"truck\") && speed > 50", Condition, "taken"),
            ("int(device) > speed", Condition, "taken"),
            ("time.getHours() > 20 && speed > 1", Condition, "taken"),
            ("speed", Condition, "The result is a number, not true or false."),
            ("speed + fuel", Condition, "The result is a number, not true or false."),
            ("device", Condition, "The result is a text, not true or false."),
            ("speed * 2 > 100", Condition, "* does not take double and int."),
            (
                "speed > 1.0 && speed * 2 > 100",
                Condition,
                "* does not take double and int.",
            ),
            (
                "inside(home)",
                Condition,
                "inside takes the name of an area, in quotes.",
            ),
            ("near(\"45\", 13.6, 5)", Condition, "near takes three numbers."),
            (
                "near(95.0, 13.6, 500.0)",
                Condition,
                "The latitude is beyond 90 degrees, or the longitude beyond 180.",
            ),
            ("near(45.2, 13.6, -5.0)", Condition, "Nothing is nearer than no metres."),
            ("near(45.2, 13.6, 500) && speed > 50", Condition, "taken"),
            ("speed", State, "taken"),
            ("int(speed / 10.0)", State, "taken"),
            (
                "[speed]",
                State,
                "The result is a list, a map, bytes, a time or a duration, and these are not compared.",
            ),
            ("device + \" is hot: \" + string(speed)", Text, "taken"),
            ("speed", Text, "The result is a number, not a text."),
            ("device + speed", Text, "+ does not take string and double."),
        ] {
            assert_eq!(tried(text, wanted), expected, "{text}");
        }
        let speed = Filter::compile("speed > 120 || inside(\"home\")", &vocabulary::readings()).unwrap();
        for (text, fire, expected) in [
            ("device + string(speed) + string(location_latitude)", Fire::Rise, true),
            ("string(speed)", Fire::Quiet, false),
            ("subscription + since + string(late) + string(state)", Fire::Quiet, true),
            ("string(fuel)", Fire::Rise, false),
            ("string(value[\"speed\"])", Fire::Rise, true),
        ] {
            let compiled = Filter::compile(text, &vocabulary::readings()).unwrap();
            assert_eq!(
                check_text(&compiled, std::slice::from_ref(&speed), fire).is_ok(),
                expected,
                "{text}"
            );
        }
        assert_ne!(tried("speed > \"fast\"", Condition), "taken");
        assert_ne!(tried("!speed", Condition), "taken");
    }
}
