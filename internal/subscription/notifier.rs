//! Everything of subscriptions that a program runs: evaluator, sender, retention, and the routes.

use crate::delivery::{Metrics, Sender};
use crate::evaluator::{Evaluator, Settings};
use crate::event::Event;
use crate::judge::{Rehearsed, Span, rehearse};
use crate::manage::{self, Manager, Matched};
use crate::options::Options;
use crate::publish::{self, Publisher};
use crate::rule::Rule;
use crate::rules::Rules;
use crate::{Subscription, retention};
use ::postgres::Pool;
use axum::Router;
use axum::http::StatusCode;
use futures_util::FutureExt;
use serde_json::json;
use service::Service;
use std::sync::Arc;
use tokio_postgres::IsolationLevel;
use web::Problem;

/// Most events that a rehearsal shows.
const SHOWN: usize = 100;

/// Everything of subscriptions that a program runs.
pub struct Notifier {
    evaluator: Evaluator,
    outputs: crate::evaluator::Outputs,
    /// None without a signing key: then nothing is sent.
    sender: Option<Sender>,
    pool: Pool,
    routes: Router,
    kept: std::time::Duration,
}

impl Notifier {
    /// Connections that evaluating and sending need, beside those of requests.
    pub const CONNECTIONS: usize = 5;

    /// Makes a notifier over a migrated database. The pool needs [`Notifier::CONNECTIONS`] and some for requests.
    ///
    /// # Errors
    /// Where an option cannot be used: tell the user.
    pub fn new(pool: Pool, options: &Options, service: &Service) -> Result<Self, webhook::Error> {
        let (keys, allowed) = (options.keys()?, options.allowed()?);
        let roots = tls::authorities(None).map_err(|error| webhook::Error::Tls(error.to_string()))?;
        let lookback = reading::time::micros(options.lookback);
        let settings = Settings {
            lookback,
            allowed: allowed.clone(),
        };
        let (evaluator, outputs, sender);
        {
            let mut registry = service.metrics();
            (evaluator, outputs) = Evaluator::new(pool.clone(), settings, &mut registry);
            let metrics = Metrics::register(&mut registry);
            sender = match &keys {
                None => None,
                Some(_) => {
                    let client = webhook::Client::new(roots, allowed.clone())?;
                    let keys = options.keys()?.ok_or(webhook::Error::Key("there is no signing key"))?;
                    Some(Sender::new(
                        pool.clone(),
                        client,
                        keys,
                        allowed.clone(),
                        options.limits(),
                        metrics,
                    ))
                }
            };
        }
        let mut manager = Manager::new(pool.clone(), service).allowed(allowed);
        if let Some(key) = &options.management_key {
            manager = manager.key(key);
        }
        if let Some(keys) = keys {
            manager = manager.signing(Arc::new(keys));
        }
        let tested = pool.clone();
        manager = manager.test(move |subscription, from, to| {
            let pool = tested.clone();
            async move { test(pool, subscription, Span { first: from, last: to }, lookback).await }.boxed()
        });
        let publisher = Publisher::new(pool.clone(), options.jwt_secret.as_ref(), options.require_exp, service);
        Ok(Self {
            evaluator,
            outputs,
            sender,
            pool,
            routes: manage::routes(manager).merge(publish::routes(publisher)),
            kept: options.event_retention,
        })
    }

    /// The routes of managing and publishing.
    pub fn routes(&self) -> Router {
        self.routes.clone()
    }

    /// Evaluates and sends until the service stops, then awaits what is on its way.
    pub async fn run(self, service: &Service) {
        // The lease is given back once nothing is on its way.
        let sent = tokio_util::sync::CancellationToken::new();
        let sending = async {
            let outputs = self.outputs;
            if let Some(sender) = self.sender {
                let drain = service.drain_deadline();
                sender
                    .run(outputs.term, outputs.subscriptions, outputs.wake, service.stop(), drain)
                    .await;
            } else {
                tracing::warn!("there is no signing key, so nothing is sent; give one with --signing-key");
                service.stop().cancelled().await;
            }
            sent.cancel();
        };
        let retaining = retention::run(self.pool, self.kept, service.stop());
        tokio::join!(self.evaluator.run(sent.clone()), sending, retaining);
    }
}

/// What a definition would have told of a span.
async fn test(pool: Pool, subscription: Subscription, span: Span, lookback: i64) -> Result<Matched, Problem> {
    let rule =
        Rule::compile(subscription).map_err(|invalid| Problem::new(StatusCode::BAD_REQUEST, invalid.to_string()))?;
    if !crate::take::is_judged(&rule) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "Only rules over stored readings can be tested: not \"quiet\", and not those of messages.",
        ));
    }
    let rehearsed = async {
        let mut client = pool.get().await?;
        let areas = Rules::read(&mut client, &Rules::default()).await?.areas;
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let rehearsed = rehearse(&transaction, &rule, &areas, span, lookback).await?;
        transaction.commit().await?;
        Ok::<_, ::postgres::Error>(rehearsed)
    };
    match rehearsed.await.map_err(Problem::unavailable)? {
        Rehearsed::TooMuch => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "There are more than 5,000,000 readings from \"from\" to \"to\": choose a shorter span, or one device.",
        )),
        Rehearsed::Done(events) => {
            let shown = events.iter().take(SHOWN).map(|(device, firing)| {
                let event = Event::of_reading(&rule.subscription, device, firing, firing.moment);
                json!({"type": event.kind, "timestamp": crate::event::text(event.moment), "data": event.data})
            });
            Ok(Matched {
                matched: events.len() as u64,
                events: shown.collect(),
            })
        }
    }
}
