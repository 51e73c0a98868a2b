//! Testing a definition over stored readings, apart from what is under way.

use crate::Subscription;
use crate::answer::problem;
use crate::evaluator::is_judged;
use crate::event::{self, Event};
use crate::judge::{Rehearsed, Span, rehearse};
use crate::lent::Lent;
use crate::manage::Matched;
use crate::rule::Rule;
use crate::rules::Rules;
use ::postgres::Pool;
use axum::http::StatusCode;
use serde_json::json;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_postgres::IsolationLevel;
use web::Problem;

/// Most events that a test shows.
const SHOWN: usize = 100;

/// Tests at once: each holds a connection, perhaps for long.
const TOGETHER: usize = 2;

/// Tests definitions.
pub(crate) struct Rehearsals {
    pool: Pool,
    lookback: i64,
    turns: Semaphore,
}

impl Rehearsals {
    pub(crate) fn new(pool: Pool, lookback: i64) -> Self {
        Self {
            pool,
            lookback,
            turns: Semaphore::new(TOGETHER),
        }
    }

    /// What a definition would have told of a span.
    pub(crate) async fn test(&self, subscription: Subscription, span: Span) -> Result<Matched, Problem> {
        let Ok(_turn) = self.turns.try_acquire() else {
            let text = "Other definitions are being tested; try again.";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, text).retry_after(Duration::from_secs(1)));
        };
        let rule = Rule::compile(subscription)
            .map_err(|invalid| Problem::new(StatusCode::BAD_REQUEST, invalid.to_string()))?;
        if !is_judged(&rule) {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "Only rules over stored readings can be tested: not \"quiet\", and not those of messages.",
            ));
        }
        match self.rehearse(&rule, span).await.map_err(problem)? {
            Rehearsed::TooMuch => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "There are more than 5,000,000 readings from \"from\" to \"to\": choose a shorter span, or one device.",
            )),
            Rehearsed::NoArea(area) => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                format!("There is no area {area}: set it, or name another one."),
            )),
            Rehearsed::Done(events) => {
                let shown = events.iter().take(SHOWN).map(|(device, firing)| {
                    let event = Event::of_reading(&rule.subscription, device, firing, firing.moment);
                    json!({"type": event.kind, "timestamp": event::text(event.moment), "data": event.data})
                });
                Ok(Matched {
                    matched: events.len() as u64,
                    events: shown.collect(),
                })
            }
        }
    }

    async fn rehearse(&self, rule: &Rule, span: Span) -> Result<Rehearsed, ::postgres::Error> {
        // Closed if the client leaves meanwhile.
        let mut lent = Lent::new(self.pool.get().await?);
        let client = lent.connection()?;
        let areas = Rules::read(client, &Rules::default()).await?.areas;
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let rehearsed = rehearse(&transaction, rule, &areas, span, self.lookback).await?;
        transaction.commit().await?;
        drop(lent.give_back());
        Ok(rehearsed)
    }
}
