//! A subscription as its row has it.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

/// The topic of stored readings. Every other topic is one of published messages.
pub const READINGS: &str = "odograph.readings";

/// What an endpoint is told, and how. Spans are in microseconds, instants in microseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// Never changes.
    pub id: Uuid,
    /// Unique; what people call it.
    pub name: String,
    /// [`READINGS`], or the topic of messages.
    pub topic: String,
    /// Which devices: `*` stands for any characters.
    pub device: String,
    /// The condition, in CEL.
    pub filter: String,
    /// A second filter, which ends what the first began.
    pub clear: Option<String>,
    /// At which moments an event is made.
    pub fire: Fire,
    /// How long the condition has to be true.
    pub hold: i64,
    /// A longer time without a moment begins `hold` anew.
    pub silence: i64,
    /// How old the last value of another sensor may be.
    pub tolerance: i64,
    /// The least time between two events of a device.
    pub every: Option<i64>,
    /// Older events are not sent.
    pub max_age: Option<i64>,
    /// Where events are sent.
    pub target_url: String,
    /// What a request looks like.
    pub format: Format,
    /// The text, in CEL, for [`Format::Text`].
    pub body: Option<String>,
    /// The method of a request.
    pub method: String,
    /// Headers that are sent beside our own.
    pub headers: BTreeMap<String, String>,
    /// Which requests wait for one another.
    pub ordering: Ordering,
    /// Most requests at once.
    pub parallel: usize,
    /// Most requests a second.
    pub rate: Option<f64>,
    /// How long a request may take.
    pub timeout: Duration,
    /// Waits before the tries, from the first; none: the usual ones.
    pub retries: Option<Vec<Duration>>,
    /// Whether its events are sent. They are queued in any case.
    pub enabled: bool,
    /// Of the secret.
    pub generation: i32,
    /// Until then the secret of the generation before signs as well.
    pub previous_until: Option<i64>,
    /// Why it does nothing, where it cannot.
    pub problem: Option<String>,
    /// Counts edits of what is noticed.
    pub rule: i32,
    /// The rule that is evaluated.
    pub in_force: Option<i32>,
    /// Events that were noticed and not queued.
    pub gaps: i64,
    /// When it was made.
    pub created: i64,
}

/// At which moments an event is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fire {
    /// It has become true, and stayed so.
    Rise,
    /// It is no longer true.
    Fall,
    /// Rise and fall.
    Both,
    /// Its value is another.
    Change,
    /// It is true.
    Each,
    /// No reading came.
    Quiet,
}

/// What a request looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The JSON of Standard Webhooks.
    Standard,
    /// A structured CloudEvent.
    CloudEvents,
    /// The request that a message describes.
    Request,
    /// A text of the subscription's own.
    Text,
}

/// Which requests wait for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    /// Those of one key.
    Key,
    /// None.
    None,
}

/// Gives an enum its names in SQL and JSON.
macro_rules! named {
    ($kind:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $kind {
            /// Every name, in the order of the documentation.
            pub const NAMES: &[&str] = &[$($name),+];

            /// Its name in SQL and JSON.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What has this name.
            pub fn of(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

named!(Fire { Rise = "rise", Fall = "fall", Both = "both", Change = "change", Each = "each", Quiet = "quiet" });
named!(Format { Standard = "standard", CloudEvents = "cloudevents", Request = "request", Text = "text" });
named!(Ordering { Key = "key", None = "none" });

/// A span or a time in microseconds, as SQL. What SQL alone can write, such as `infinity`, is cut to 285 years, so that
/// one row does not keep the others from being read.
macro_rules! micros {
    ($value:literal) => {
        concat!(
            "(CASE WHEN ",
            $value,
            " IS NOT NULL THEN greatest(least(extract(epoch FROM ",
            $value,
            "), 9e9), -9e9) END * 1000000)::int8"
        )
    };
}

/// The columns that [`Subscription::of`] reads, for a query of `subscription`.
pub const COLUMNS: &str = concat!(
    "id, name, topic, device, filter, clear, fire, ",
    micros!("hold"),
    " AS hold, ",
    micros!("silence"),
    " AS silence, ",
    micros!("tolerance"),
    " AS tolerance, ",
    micros!("every"),
    " AS every, ",
    micros!("max_age"),
    " AS max_age, target_url, format, body, method, headers::text AS headers, ordering, parallel, rate, ",
    micros!("timeout"),
    " AS timeout, (SELECT array_agg(",
    micros!("wait"),
    ") FROM unnest(retries) AS wait WHERE wait IS NOT NULL) AS retries, enabled, generation, ",
    micros!("previous_until"),
    " AS previous_until, problem, rule, in_force, gaps, ",
    micros!("created"),
    " AS created"
);

impl Subscription {
    /// Reads every subscription, in order of name.
    ///
    /// # Errors
    /// Where the database cannot tell.
    pub async fn all(client: &impl GenericClient) -> Result<Vec<Self>, tokio_postgres::Error> {
        let all = format!("SELECT {COLUMNS} FROM subscription ORDER BY name");
        client.query(&all, &[]).await?.iter().map(Self::of).collect()
    }

    /// Reads a row of [`COLUMNS`]. What no constraint of the table bounds, such as headers that are no texts, is
    /// left out.
    ///
    /// # Errors
    /// Where the row has other columns.
    pub fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        // As text: what is nested more deeply than can be read has no texts.
        let headers: serde_json::Value = serde_json::from_str(row.try_get("headers")?).unwrap_or_default();
        let headers = headers.as_object().into_iter().flatten();
        let headers = headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        let (fire, format, ordering): (&str, &str, &str) =
            (row.try_get("fire")?, row.try_get("format")?, row.try_get("ordering")?);
        let retries: Option<Vec<i64>> = row.try_get("retries")?;
        let parallel: i32 = row.try_get("parallel")?;
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            topic: row.try_get("topic")?,
            device: row.try_get("device")?,
            filter: row.try_get("filter")?,
            clear: row.try_get("clear")?,
            fire: Fire::of(fire).unwrap_or(Fire::Rise),
            hold: row.try_get("hold")?,
            silence: row.try_get("silence")?,
            tolerance: row.try_get("tolerance")?,
            every: row.try_get("every")?,
            max_age: row.try_get("max_age")?,
            target_url: row.try_get("target_url")?,
            format: Format::of(format).unwrap_or(Format::Standard),
            body: row.try_get("body")?,
            method: row.try_get("method")?,
            headers: headers.collect(),
            ordering: Ordering::of(ordering).unwrap_or(Ordering::Key),
            parallel: usize::try_from(parallel).unwrap_or(1),
            rate: row.try_get("rate")?,
            timeout: micros(row.try_get("timeout")?),
            retries: retries.map(|waits| waits.into_iter().map(micros).collect()),
            enabled: row.try_get("enabled")?,
            generation: row.try_get("generation")?,
            previous_until: row.try_get("previous_until")?,
            problem: row.try_get("problem")?,
            rule: row.try_get("rule")?,
            in_force: row.try_get("in_force")?,
            gaps: row.try_get("gaps")?,
            created: row.try_get("created")?,
        })
    }
}

fn micros(span: i64) -> Duration {
    Duration::from_micros(u64::try_from(span).unwrap_or_default())
}
