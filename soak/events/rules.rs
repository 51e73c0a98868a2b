//! The subscriptions of a run.

use serde_json::{Value, json};

/// The topic that the publisher publishes to.
pub(super) const TOPIC: &str = "soak";

/// The subscription of published messages.
pub(super) const MESSAGES: &str = "messages";

/// A subscription to readings of one sensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) sensor: &'static str,
    /// A reading is a true moment where its value is greater.
    pub(super) above: f64,
    pub(super) fire: Fire,
    /// How long a run must last, in microseconds.
    pub(super) hold: i64,
    /// Whether events of one device are sent one after the other.
    pub(super) ordered: bool,
}

/// When a rule makes an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fire {
    Rise,
    Fall,
    Both,
    Change,
    Each,
}

/// Values are spread evenly from -90 to 90, so a rule above 89.5 holds for one reading in 360.
pub(super) const RULES: [Rule; 6] = [
    rule("rises", "speed", 89.5, Fire::Rise),
    rule("falls", "fuel", 89.5, Fire::Fall),
    rule("both", "revolution", 89.8, Fire::Both).ordered(),
    rule("each", "soak:extra", 89.5, Fire::Each),
    rule("changes", "location_latitude", 89.8, Fire::Change).ordered(),
    // Eleven readings of a series, at the least.
    rule("lasting", "location_longitude", 0.0, Fire::Rise).lasting(10_000),
];

const fn rule(name: &'static str, sensor: &'static str, above: f64, fire: Fire) -> Rule {
    Rule {
        name,
        sensor,
        above,
        fire,
        hold: 0,
        ordered: false,
    }
}

impl Rule {
    const fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    const fn lasting(mut self, hold: i64) -> Self {
        self.hold = hold;
        self
    }

    /// Its definition, with the address of its endpoint.
    pub(super) fn definition(&self, target: &str) -> Value {
        let mut definition = json!({
            "name": self.name,
            "filter": format!("value[\"{}\"] > {:?}", self.sensor, self.above),
            "fire": self.fire.name(),
            "ordering": if self.ordered { "key" } else { "none" },
        });
        if self.hold > 0 {
            definition["for"] = format!("{}us", self.hold).into();
        }
        with_delivery(definition, target)
    }
}

impl Fire {
    fn name(self) -> &'static str {
        match self {
            Self::Rise => "rise",
            Self::Fall => "fall",
            Self::Both => "both",
            Self::Change => "change",
            Self::Each => "each",
        }
    }
}

/// The definition of the subscription of messages.
pub(super) fn messages(target: &str) -> Value {
    let definition = json!({"name": MESSAGES, "topic": TOPIC, "filter": "data.body.wanted == true"});
    with_delivery(definition, target)
}

/// Adds how events are sent: with a short schedule that no endpoint of ours outlasts.
fn with_delivery(mut definition: Value, target: &str) -> Value {
    let mut retries = vec!["0s", "50ms", "100ms", "200ms", "500ms"];
    retries.resize(30, "1s");
    definition["targetUrl"] = target.into();
    definition["retries"] = retries.into();
    definition["timeout"] = "1s".into();
    definition
}
