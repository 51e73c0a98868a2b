//! What all requests of a subscription share.

use crate::subscription::{Format, READINGS, Subscription};
use filter::{Filter, Vocabulary};
use webhook::{Allowed, Headers, Keys, Request, Schedule, Signature, Target};

/// What all requests of a subscription share, judged and compiled once.
pub(super) struct Plan {
    pub(super) target: Target,
    /// The text of [`Format::Text`].
    pub(super) text: Option<Filter>,
    pub(super) schedule: Schedule,
}

/// Says what of a subscription cannot be sent: its URL, headers, method or text. For those who set up subscriptions.
///
/// # Errors
/// A sentence on what is wrong and what to do.
pub fn check(subscription: &Subscription, allowed: &Allowed) -> Result<(), String> {
    Plan::of(subscription, allowed).map(drop)
}

impl Plan {
    pub(super) fn of(subscription: &Subscription, allowed: &Allowed) -> Result<Self, String> {
        let target = Target::parse(&subscription.target_url, allowed).map_err(|error| error.to_string())?;
        let headers = subscription.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = Headers::new(headers).map_err(|error| error.to_string())?;
        check_method(headers, &subscription.method)?;
        let text = match (subscription.format, &subscription.body) {
            (Format::Text, Some(body)) => {
                let compiled = Filter::compile(body, &vocabulary(&subscription.topic));
                Some(compiled.map_err(|invalid| format!("the text cannot be read: {invalid}"))?)
            }
            (Format::Text, None) => {
                return Err("the format text needs a text: set body, such as device + \" is hot\"".to_owned());
            }
            _ => None,
        };
        let schedule = subscription
            .retries
            .clone()
            .map_or_else(Schedule::default, Schedule::new);
        Ok(Self { target, text, schedule })
    }
}

/// What texts may name.
fn vocabulary(topic: &str) -> Vocabulary {
    if topic == READINGS {
        Vocabulary::fitting(reading::is_name).map("value")
    } else {
        Vocabulary::of(["data", "topic", "id", "time", "key"])
    }
}

/// The client judges methods with a request at hand.
fn check_method(headers: Headers, method: &str) -> Result<(), String> {
    let trial = || {
        let keys = Keys::new("the key of a request that is never sent".to_owned().into(), None)?;
        let signature = Signature::new(&keys.secrets([0; 16], 1), "trial", 0, b"")?;
        Request::new(headers, signature, Default::default()).with_method(method)
    };
    trial().map(drop).map_err(|error: webhook::Error| error.to_string())
}
