//! What one try sends, in each format.

use super::plan::Plan;
use super::queue::{Item, Place};
use super::text::Event;
use crate::event;
use crate::subscription::{Format, READINGS, Subscription};
use filter::Value;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use webhook::{Headers, Keys, Request, Signature, Target};

/// What one try sends, before it is signed.
struct Parts<'a> {
    method: &'a str,
    /// Of the message, and of the format; the subscription's headers hide those of the same name.
    headers: Vec<(String, String)>,
    body: String,
    /// Another path and query than the URL's.
    path: Option<String>,
}

#[derive(Serialize)]
struct Standard<'a> {
    r#type: &'a str,
    timestamp: String,
    data: Box<RawValue>,
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: String,
    /// With zeros before it, so that it sorts as text.
    sequence: String,
    datacontenttype: &'static str,
    data: Box<RawValue>,
}

/// The data of an event of readings, in the order that people read it; the table does not keep an order.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct OfReadings<'a> {
    #[serde(borrow)]
    subscription: &'a RawValue,
    device: &'a RawValue,
    state: &'a RawValue,
    since: &'a RawValue,
    values: BTreeMap<String, &'a RawValue>,
    late: bool,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// Builds and signs the request of a delivery. `now` in microseconds since 1970.
///
/// # Errors
/// A sentence on why there is no request. It would be the same at the next try.
pub(super) fn build(
    subscription: &Subscription,
    plan: &Plan,
    (place, item): (Place, &Item),
    keys: &Keys,
    now: i64,
) -> Result<(Request, Target), String> {
    let id = item.id.to_string();
    let parts = match subscription.format {
        Format::Standard => standard(subscription, item)?,
        Format::CloudEvents => cloud_event(subscription, item, &id, place.1)?,
        Format::Request if subscription.topic == READINGS => standard(subscription, item)?,
        Format::Request => message(subscription, item, plan)?,
        Format::Text => text(subscription, item, &id, plan)?,
    };
    let ours = &subscription.headers;
    let is_hidden = |name: &str| ours.keys().any(|other| other.eq_ignore_ascii_case(name));
    let theirs = parts.headers.iter().filter(|(name, _)| !is_hidden(name));
    let theirs = theirs.map(|(name, value)| (name.as_str(), value.as_str()));
    let headers = theirs.chain(ours.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let wrong = |error: webhook::Error| error.to_string();
    let headers = Headers::new(headers).map_err(wrong)?;
    let target = match &parts.path {
        Some(path) => plan.target.at(path).map_err(wrong)?,
        None => plan.target.clone(),
    };
    let signature = sign(subscription, keys, &id, parts.body.as_bytes(), now).map_err(wrong)?;
    let request = Request::new(headers, signature, parts.body.into());
    Ok((request.with_method(parts.method).map_err(wrong)?, target))
}

/// Signs with the secret of the current generation, and with the one before while a receiver may still have that.
fn sign(
    subscription: &Subscription,
    keys: &Keys,
    id: &str,
    body: &[u8],
    now: i64,
) -> Result<Signature, webhook::Error> {
    let generation = u32::try_from(subscription.generation).unwrap_or_default();
    let owner = subscription.id.into_bytes();
    let mut secrets = keys.secrets(owner, generation);
    if subscription.previous_until.is_some_and(|until| until > now)
        && let Some(previous) = generation.checked_sub(1)
    {
        secrets.extend(keys.secrets(owner, previous));
    }
    let seconds = u64::try_from(now / reading::time::SECOND).unwrap_or_default();
    Signature::new(&secrets, id, seconds, body)
}

fn standard<'a>(subscription: &'a Subscription, item: &Item) -> Result<Parts<'a>, String> {
    let body = json(&Standard {
        r#type: &item.kind,
        timestamp: event::text(item.moment),
        data: data(item)?,
    })?;
    Ok(Parts {
        method: &subscription.method,
        headers: Vec::new(),
        body,
        path: None,
    })
}

fn cloud_event<'a>(subscription: &'a Subscription, item: &Item, id: &str, seq: i64) -> Result<Parts<'a>, String> {
    let body = json(&CloudEvent {
        specversion: "1.0",
        id,
        source: format!("/api/subscriptions/{}", percent::encode(subscription.name.as_bytes())),
        r#type: &item.kind,
        subject: item.key.as_deref(),
        time: event::text(item.moment),
        sequence: format!("{seq:019}"),
        datacontenttype: "application/json",
        data: data(item)?,
    })?;
    Ok(Parts {
        method: &subscription.method,
        headers: content_type("application/cloudevents+json"),
        body,
        path: None,
    })
}

fn text<'a>(subscription: &'a Subscription, item: &Item, id: &str, plan: &Plan) -> Result<Parts<'a>, String> {
    let data = &parse(item)?;
    let event = Event {
        subscription,
        item,
        id,
        data,
    };
    let text = plan.text.as_ref().ok_or("the subscription has no text")?;
    let body = match text.evaluate(&event) {
        Ok(Value::Text(body)) => body,
        Ok(_) => return Err("the text is no string for this event; write string(…) around it".to_owned()),
        Err(failed) => return Err(format!("the text has no value for this event: {failed}")),
    };
    Ok(Parts {
        method: &subscription.method,
        headers: content_type("text/plain; charset=utf-8"),
        body,
        path: None,
    })
}

/// The request that a message describes.
fn message<'a>(subscription: &'a Subscription, item: &Item, plan: &Plan) -> Result<Parts<'a>, String> {
    let data = parse(item)?;
    let method = data.get("http_method").and_then(Json::as_str).unwrap_or_default();
    let method = method_of(method).ok_or_else(|| format!("the message's method {method:?} is unknown"))?;
    // As it is stored: numbers keep their digits.
    let Body { body } = serde_json::from_str(&item.data).map_err(|_| unreadable())?;
    Ok(Parts {
        method: if method.is_empty() {
            &subscription.method
        } else {
            method
        },
        // What only the sender sets is left out: a message may repeat the headers of the request that made it.
        headers: pairs(&data, "headers")
            .filter(|(name, value)| Headers::new([(name.as_str(), value.as_str())]).is_ok())
            .collect(),
        body: body.map(|body| body.get().to_owned()).unwrap_or_default(),
        path: Some(path(plan.target.as_str(), &data)?),
    })
}

fn method_of(name: &str) -> Option<&'static str> {
    let known = ["", "POST", "GET", "PUT", "PATCH", "DELETE", "HEAD"];
    known.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

/// The URL's path with its `:name` filled in, and the query with the message's.
fn path(url: &str, data: &Json) -> Result<String, String> {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(after_scheme..).unwrap_or_default();
    let rest = rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/");
    let (path, query) = rest.split_once('?').map_or((rest, ""), |(path, query)| (path, query));
    let segments: Result<Vec<Cow<'_, str>>, String> = path.split('/').map(|segment| fill(segment, data)).collect();
    let mut filled = segments?.join("/");
    let own = Some(query.to_owned()).filter(|query| !query.is_empty());
    let theirs = pairs(data, "query_params").map(|(name, value)| {
        format!(
            "{}={}",
            percent::encode(name.as_bytes()),
            percent::encode(value.as_bytes())
        )
    });
    let query: Vec<String> = own.into_iter().chain(theirs).collect();
    if !query.is_empty() {
        filled.push('?');
        filled.push_str(&query.join("&"));
    }
    Ok(filled)
}

fn fill<'a>(segment: &'a str, data: &Json) -> Result<Cow<'a, str>, String> {
    let Some(name) = segment.strip_prefix(':').filter(|name| !name.is_empty()) else {
        return Ok(segment.into());
    };
    let value = data
        .get("path_params")
        .and_then(|params| params.get(name))
        .and_then(plain);
    match value.filter(|value| !value.is_empty()) {
        Some(value) => Ok(percent::encode(value.as_bytes()).into()),
        None => Err(format!(
            "the URL has :{name}, and path_params of the message have no {name}"
        )),
    }
}

/// The names and values of an object in a message; a list is its values, one after the other.
fn pairs(data: &Json, member: &str) -> impl Iterator<Item = (String, String)> {
    let object = data.get(member).and_then(Json::as_object);
    object.into_iter().flatten().flat_map(|(name, value)| {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        values.iter().filter_map(plain).map(|value| (name.clone(), value))
    })
}

fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn content_type(value: &str) -> Vec<(String, String)> {
    vec![("Content-Type".to_owned(), value.to_owned())]
}

fn parse(item: &Item) -> Result<Json, String> {
    serde_json::from_str(&item.data).map_err(|_| unreadable())
}

fn data(item: &Item) -> Result<Box<RawValue>, String> {
    let data = match serde_json::from_str::<OfReadings<'_>>(&item.data) {
        Ok(ordered) => serde_json::value::to_raw_value(&ordered),
        // A message: as it is stored.
        Err(_) => serde_json::from_str(&item.data),
    };
    data.map_err(|_| unreadable())
}

fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|_| unreadable())
}

fn unreadable() -> String {
    "the delivery's data cannot be read".to_owned()
}
