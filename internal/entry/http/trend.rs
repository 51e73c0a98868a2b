//! `GET /trend`: how many entries there were, by time.

use super::answer::{Failed, data};
use super::journal::Journal;
use crate::Filter;
use crate::moment::Moment;
use crate::trend::{Aggregation, Buckets, Fill};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use reading::time;
use serde::{Deserialize, Serialize};
use serde_json::json;
use web::{Parameters, Problem, wrong};

/// A day, in milliseconds.
const DAY: i64 = 86_400_000;

#[derive(Deserialize)]
pub(super) struct Asked {
    aggregation: Aggregation,
    from_date: Option<Moment>,
    to_date: Option<Moment>,
    #[serde(default)]
    hashtag: Vec<String>,
    #[serde(default)]
    fill: Fill,
}

#[derive(Serialize)]
struct Bucket {
    from_date: Moment,
    to_date: Moment,
    count: i64,
}

pub(super) async fn trend(
    State(journal): State<Journal>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, Failed> {
    let to = asked
        .to_date
        .map_or_else(|| time::now().div_euclid(1000), |moment| moment.0);
    let from = asked.from_date.map_or(to - DAY, |moment| moment.0);
    let buckets =
        Buckets::new(from, to, asked.aggregation.minutes()).map_err(|error| Problem::bad_request(error.to_string()))?;
    let filter = Filter {
        all: asked.hashtag,
        ..Filter::default()
    };
    let filter = filter.checked().map_err(|(name, reason)| wrong(name, reason))?;
    let counted = journal.0.reader.trend(&filter, buckets, asked.fill).await?;
    let trends: Vec<Bucket> = counted
        .into_iter()
        .map(|(from, to, count)| Bucket {
            from_date: Moment(from),
            to_date: Moment(to),
            count,
        })
        .collect();
    let mut answer = serde_json::Map::new();
    if !trends.is_empty() {
        answer.insert("trends".to_owned(), json!(trends));
    }
    Ok(data(answer).into_response())
}
