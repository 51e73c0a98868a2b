//! Messages that programs published, as rules see them.

use crate::event::{self, Event};
use crate::rule::Rule;
use filter::{Value, Variable, Variables};
use jiff::Timestamp;
use uuid::Uuid;

/// The type of an event of a message.
pub(crate) const KIND: &str = "odograph.message.v1";

/// A row of `published`.
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) id: String,
    /// The id was made here, as a UUID; else the publisher chose it.
    pub(crate) made: bool,
    pub(crate) key: Option<String>,
    pub(crate) author: Option<String>,
    /// The whole message: `body`, `headers` and all other members.
    pub(crate) data: serde_json::Value,
    /// When it was published, in microseconds since 1970.
    pub(crate) at: i64,
}

/// The event that a rule makes of a message of its topic; none where the filter is not true.
pub(crate) fn judge(rule: &Rule, message: &Message) -> Option<Event> {
    if rule.cost.of(|| rule.filter.evaluate(message)) != Ok(Value::Bool(true)) {
        return None;
    }
    let made = Uuid::parse_str(&message.id).ok().filter(|_| message.made);
    let id = made.unwrap_or_else(|| {
        let name = [message.topic.as_bytes(), &[0], message.id.as_bytes()].concat();
        event::named(&name)
    });
    Some(Event {
        subscription: rule.subscription.id,
        id,
        key: message.key.clone(),
        kind: KIND.to_owned(),
        moment: message.at,
        data: message.data.clone(),
    })
}

impl Variables for Message {
    fn name(&self, name: &str) -> Option<Variable<'_>> {
        match name {
            "data" => Some(Variable::Json(&self.data)),
            "topic" => Some(Variable::Text(&self.topic)),
            "id" => Some(Variable::Text(&self.id)),
            "time" => Timestamp::from_microsecond(self.at).ok().map(Variable::Time),
            "author" => self.author.as_deref().map(Variable::Text),
            _ => None,
        }
    }
}
