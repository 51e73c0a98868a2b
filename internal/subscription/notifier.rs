//! Everything of subscriptions that a program runs: evaluator, sender, retention, and the routes.

use crate::delivery::{Metrics, Sender};
use crate::evaluator::{Evaluator, Settings};
use crate::judge::Span;
use crate::manage::{self, Manager};
use crate::options::Options;
use crate::publish::{self, Publisher};
use crate::rehearsal::Rehearsals;
use crate::retention;
use ::postgres::Pool;
use axum::Router;
use futures_util::FutureExt;
use service::Service;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

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
    /// Connections that evaluating, sending and tests of definitions need, beside those of requests.
    pub const CONNECTIONS: usize = 7;

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
        let rehearsals = Arc::new(Rehearsals::new(pool.clone(), lookback));
        manager = manager.test(move |subscription, from, to| {
            let rehearsals = rehearsals.clone();
            async move { rehearsals.test(subscription, Span { first: from, last: to }).await }.boxed()
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
        // A task of its own, which renews the lease: neither waits while the other is busy.
        let evaluating = AbortOnDropHandle::new(tokio::spawn(self.evaluator.run(sent.clone())));
        let evaluated = async {
            if let Err(failed) = evaluating.await
                && failed.is_panic()
            {
                std::panic::resume_unwind(failed.into_panic());
            }
        };
        let retaining = retention::run(self.pool, self.kept, service.stop());
        tokio::join!(evaluated, sending, retaining);
    }
}
