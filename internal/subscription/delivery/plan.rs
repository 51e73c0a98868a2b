//! What all requests of a subscription share.

use crate::subscription::{Format, READINGS, Subscription};
use crate::{trial, vocabulary};
use filter::{Filter, Invalid};
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
                let compiled = Filter::compile(body, &vocabulary::of_texts(&subscription.topic));
                let text = compiled.map_err(|invalid| format!("the text cannot be read: {invalid}"))?;
                check_text(subscription, &text).map_err(|invalid| format!("the text cannot be sent: {invalid}"))?;
                Some(text)
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

/// Tries the text of a subscription over readings. Its filters compile, else it has no events.
fn check_text(subscription: &Subscription, text: &Filter) -> Result<(), Invalid> {
    if subscription.topic != READINGS {
        return Ok(());
    }
    let filters = [Some(&subscription.filter), subscription.clear.as_ref()];
    let filters = filters.into_iter().flatten();
    let compiled = filters.map(|filter| Filter::compile(filter, &vocabulary::readings()));
    match compiled.collect::<Result<Vec<_>, _>>() {
        Ok(filters) => trial::check_text(text, &filters, subscription.fire),
        Err(_) => Ok(()),
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
