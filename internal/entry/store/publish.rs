//! What subscribers are told of a change: a message of the topic `odograph.journal`, committed with the change.

use crate::Id;
use crate::draft::Draft;
use crate::moment::Moment;
use reading::time;
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

/// The topic.
pub(super) const TOPIC: &str = "odograph.journal";

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Created,
    /// At this moment, in milliseconds since 1970.
    Edited(i64),
    Deleted,
}

impl Event {
    /// The id of its message.
    pub(super) fn id(self, entry: Id) -> String {
        match self {
            Self::Created => format!("{entry}-created"),
            Self::Edited(moment) => format!("{entry}-edited-{moment}"),
            Self::Deleted => format!("{entry}-deleted"),
        }
    }

    /// The data of its message. Of a deleted entry it has no more than the id.
    pub(super) fn data(self, entry: Id, author: &str, draft: Option<&Draft>) -> Value {
        let event = match self {
            Self::Created => "created",
            Self::Edited(_) => "edited",
            Self::Deleted => "deleted",
        };
        let mut data = json!({
            "event": event,
            "id": entry.to_string(),
            "user": author,
            "timestamp": Moment(entry.moment()),
        });
        if let (Some(draft), Some(data)) = (draft, data.as_object_mut()) {
            let hashtags: Vec<&str> = draft.hashtags.iter().map(|placed| &*placed.hashtag.name).collect();
            let place = draft
                .place
                .map(|(latitude, longitude)| json!({"latitude": latitude, "longitude": longitude}));
            data.insert("text".to_owned(), json!(draft.text));
            data.insert("hashtags".to_owned(), json!(hashtags));
            data.insert("device".to_owned(), json!(draft.device));
            data.insert("place".to_owned(), json!(place));
        }
        data
    }
}

/// Whether a statement failed because the day has no partition for messages yet.
pub(super) fn has_no_partition(error: &Error) -> bool {
    error.code() == Some(&SqlState::CHECK_VIOLATION)
        && error.as_db_error().is_some_and(|error| error.constraint().is_none())
}

/// Makes the partitions of today and tomorrow, by the database's clock.
pub(super) async fn make_partitions(client: &Client) -> Result<(), Error> {
    let now = "SELECT (extract(epoch FROM now()) * 1000000)::int8";
    let now: i64 = client.query_one(now, &[]).await?.try_get(0)?;
    for at in [now, now + time::DAY] {
        store::make_day(client, "published", at).await?;
    }
    Ok(())
}
