//! `GET /message`: entries, the newest first.

use super::answer::{Failed, Message, data};
use super::journal::Journal;
use super::message::parse;
use crate::moment::Moment;
use crate::{Filter, Id, Page};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use web::{Parameters, wrong};

/// Entries of a page, unless the client says how many, and at the most.
const LIMIT: usize = 100;
pub(crate) const MOST: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Asked {
    ulid: Option<String>,
    from_date: Option<Moment>,
    to_date: Option<Moment>,
    #[serde(default)]
    user_name: Vec<String>,
    #[serde(default)]
    hashtag: Vec<String>,
    #[serde(default)]
    device: Vec<String>,
    q: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

pub(super) async fn messages(
    State(journal): State<Journal>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, Failed> {
    if let Some(id) = &asked.ulid {
        return journal.one(parse(id)?).await;
    }
    let limit = asked.limit.unwrap_or(LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(wrong("limit", format!("write a number from 1 to {MOST}")).into());
    }
    let cursor: Option<Id> = asked.cursor.as_deref().map(parse).transpose()?;
    let filter = Filter {
        since: asked.from_date.map(|moment| moment.0),
        before: asked.to_date.map(|moment| moment.0),
        authors: asked.user_name,
        devices: asked.device,
        all: asked.hashtag,
        any: Vec::new(),
        words: asked.q,
    };
    let filter = filter.checked().map_err(|(name, reason)| wrong(name, reason))?;
    let Page { entries, next } = journal.0.reader.page(&filter, cursor, limit).await?;
    let mut page = serde_json::Map::new();
    // As the forerunner: what is empty is left out.
    if !entries.is_empty() {
        let entries: Vec<Message> = entries.into_iter().map(Message::from).collect();
        page.insert("messages".to_owned(), json!(entries));
    }
    if let Some(next) = next {
        page.insert("next_cursor".to_owned(), json!(next.to_string()));
    }
    Ok(data(page).into_response())
}
