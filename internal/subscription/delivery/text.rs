//! The values that the text of a subscription names.

use super::queue::Item;
use crate::subscription::{READINGS, Subscription};
use filter::{Variable, Variables};
use jiff::Timestamp;
use serde_json::Value as Json;

/// An event, as texts see it.
///
/// Over readings: `device`, `time`, each sensor of the event, then `state`, `since`, `late` and `subscription`. Over
/// messages: `data`, `topic`, `id`, `key` and `time`.
pub(super) struct Event<'a> {
    pub(super) subscription: &'a Subscription,
    pub(super) item: &'a Item,
    pub(super) id: &'a str,
    pub(super) data: &'a Json,
}

impl Variables for Event<'_> {
    fn name(&self, name: &str) -> Option<Variable<'_>> {
        if name == "time" {
            return Timestamp::from_microsecond(self.item.moment).ok().map(Variable::Time);
        }
        if self.subscription.topic != READINGS {
            return match name {
                "data" => Some(Variable::Json(self.data)),
                "topic" => Some(Variable::Text(&self.subscription.topic)),
                "id" => Some(Variable::Text(self.id)),
                "key" => self.item.key.as_deref().map(Variable::Text),
                _ => None,
            };
        }
        if name == "device" {
            return self.data.get(name).map(Variable::Json);
        }
        self.key(name).or_else(|| match name {
            "state" | "since" | "late" | "subscription" => self.data.get(name).map(Variable::Json),
            _ => None,
        })
    }

    fn key(&self, key: &str) -> Option<Variable<'_>> {
        self.data.get("values")?.get(key).map(Variable::Json)
    }
}
