//! The compiled part of a subscription: when something is noticed.

use crate::area::{self, Area};
use crate::cost::Cost;
use crate::subscription::{Fire, READINGS, Subscription};
use crate::trial;
use crate::vocabulary::{self, LATITUDE, LONGITUDE};
use filter::{Filter, Invalid, Value, Variable, Variables};
use jiff::Timestamp;
use reading::pairing::Pair;
use std::collections::HashMap;

/// The areas that filters may name.
pub(crate) type Areas = HashMap<String, Area>;

/// When something is noticed.
pub(crate) struct Rule {
    pub(crate) subscription: Subscription,
    pub(crate) filter: Filter,
    clear: Option<Filter>,
    pub(crate) cost: Cost,
    /// The sensors that the filters name, sorted.
    pub(crate) sensors: Vec<String>,
    /// Whether the filters ask where the device is.
    pub(crate) needs_place: bool,
    /// Why its events cannot be sent; set by `Rules`, which knows the allowed targets.
    pub(crate) unsendable: Option<String>,
}

/// What a device's sensors said at a moment.
pub(crate) struct Moment<'a> {
    pub(crate) device: &'a str,
    /// Microseconds since 1970.
    pub(crate) time: i64,
    /// By [`Rule::sensors`].
    pub(crate) values: &'a [Option<f64>],
    pub(crate) place: Option<Pair>,
}

impl Rule {
    /// Compiles the filters of a subscription.
    ///
    /// # Errors
    /// What is wrong with a filter, and what to write instead.
    pub(crate) fn compile(subscription: Subscription) -> Result<Self, Invalid> {
        let vocabulary = vocabulary::of(&subscription.topic);
        let filter = Filter::compile(&subscription.filter, &vocabulary)?;
        let clear = subscription.clear.as_deref();
        let clear = clear.map(|clear| Filter::compile(clear, &vocabulary)).transpose()?;
        let (mut sensors, mut needs_place) = (Vec::new(), false);
        if subscription.topic == READINGS {
            for filter in [Some(&filter), clear.as_ref()].into_iter().flatten() {
                let names = filter.names().iter().filter(|name| !is_no_sensor(name));
                sensors.extend(names.chain(filter.keys()).cloned());
                needs_place |= !filter.functions().is_empty();
            }
            sensors.sort();
            sensors.dedup();
            if sensors.is_empty() && !needs_place && subscription.fire != Fire::Quiet {
                return Err(Invalid {
                    position: filter::Position { line: 1, column: 1 },
                    message: "The filter names no sensor, so there is no moment at which to look.".to_owned(),
                    hint: "Name one, such as speed > 120, or write \"fire\": \"quiet\".".to_owned(),
                });
            }
            trial::check_filter(&filter, subscription.fire)?;
            if let Some(clear) = &clear {
                trial::check_filter(clear, Fire::Rise)?;
            }
        }
        Ok(Self {
            subscription,
            filter,
            clear,
            cost: Cost::default(),
            sensors,
            needs_place,
            unsendable: None,
        })
    }

    /// The sensors whose readings it needs: those that the filters name, and those of places.
    pub(crate) fn watched(&self) -> Vec<&str> {
        let places = if self.needs_place {
            &[LATITUDE, LONGITUDE][..]
        } else {
            &[]
        };
        let mut watched: Vec<&str> = self.sensors.iter().map(String::as_str).collect();
        watched.extend(
            places
                .iter()
                .filter(|place| !self.sensors.iter().any(|one| one == *place)),
        );
        watched
    }

    /// An area that a filter names and that is not there.
    pub(crate) fn missing_area(&self, areas: &Areas) -> Option<&str> {
        let filters = [Some(&self.filter), self.clear.as_ref()].into_iter().flatten();
        let mut named = filters.flat_map(|filter| filter.texts_of(vocabulary::INSIDE));
        named.find(|name| !areas.contains_key(*name))
    }

    /// The result at a moment. With a `clear`, it is on or off since the last moment that decided it.
    pub(crate) fn judge(&self, moment: &Moment<'_>, areas: &Areas, was_on: Option<bool>) -> Judged {
        let variables = Sensors {
            rule: self,
            moment,
            areas,
        };
        let Ok(value) = self.cost.of(|| self.filter.evaluate(&variables)) else {
            return Judged::PassedOver;
        };
        if self.subscription.fire == Fire::Change {
            return match value {
                Value::Other => Judged::PassedOver,
                value => Judged::State(value),
            };
        }
        let Value::Bool(is_true) = value else {
            return Judged::PassedOver;
        };
        let Some(clear) = &self.clear else {
            return Judged::State(Value::Bool(is_true));
        };
        let Ok(Value::Bool(is_cleared)) = self.cost.of(|| clear.evaluate(&variables)) else {
            return Judged::PassedOver;
        };
        match (is_true, is_cleared, was_on) {
            (true, ..) => Judged::State(Value::Bool(true)),
            (false, true, _) => Judged::State(Value::Bool(false)),
            (false, false, Some(was_on)) => Judged::State(Value::Bool(was_on)),
            (false, false, None) => Judged::Undecided,
        }
    }
}

/// What a rule says of a moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judged {
    /// The filter has no result.
    PassedOver,
    /// Neither filter is true, and the moments before were not looked at.
    Undecided,
    /// The result.
    State(Value),
}

fn is_no_sensor(name: &str) -> bool {
    name == vocabulary::DEVICE || name == vocabulary::TIME
}

/// Answers what a filter asks.
struct Sensors<'a> {
    rule: &'a Rule,
    moment: &'a Moment<'a>,
    areas: &'a Areas,
}

impl Variables for Sensors<'_> {
    fn name(&self, name: &str) -> Option<Variable<'_>> {
        match name {
            vocabulary::DEVICE => Some(Variable::Text(self.moment.device)),
            vocabulary::TIME => Timestamp::from_microsecond(self.moment.time).ok().map(Variable::Time),
            sensor => self.key(sensor),
        }
    }

    fn key(&self, key: &str) -> Option<Variable<'_>> {
        let at = self.rule.sensors.iter().position(|sensor| sensor == key)?;
        self.moment.values.get(at).copied().flatten().map(Variable::Double)
    }

    fn call(&self, function: &str, arguments: &[Value]) -> Result<Value, String> {
        let place = self.moment.place.ok_or("The device has no place at the moment.")?;
        match (function, arguments) {
            (vocabulary::INSIDE, [Value::Text(name)]) => {
                let area = self
                    .areas
                    .get(name)
                    .ok_or_else(|| format!("There is no area {name:?}."))?;
                Ok(Value::Bool(area.contains(place.latitude, place.longitude)))
            }
            (vocabulary::NEAR, [latitude, longitude, metres]) => {
                let here = (place.latitude, place.longitude);
                let there = (number(latitude)?, number(longitude)?);
                Ok(Value::Bool(area::near(here, there, number(metres)?)))
            }
            _ => Err("inside takes the name of an area, near a latitude, a longitude and metres.".to_owned()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "degrees and metres are small numbers")]
fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Double(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Uint(number) => Ok(*number as f64),
        _ => Err("near takes numbers.".to_owned()),
    }
}
