//! Begins tries, and takes what became of them.

use super::attempts::Row;
use super::flights::{Flight, Stale};
use super::notes;
use super::now::Now;
use super::request;
use super::state::State;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use webhook::{Attempt, Keys, Outcome, Request, Target};

/// The longest that a request may take.
const LONGEST: Duration = Duration::from_secs(60);

/// A request that is to be sent.
pub(super) struct Start {
    pub(super) number: u64,
    pub(super) request: Request,
    pub(super) target: Target,
    pub(super) timeout: Duration,
}

impl State {
    /// The next request, if one may begin.
    pub(super) fn start(&mut self, keys: &Keys, number: i64, now: Now) -> Option<Start> {
        let half = self.half();
        while self.flights.len() < self.limits.max_in_flight {
            let light = if self.heavy < half {
                self.heavy_line.pop_front()
            } else {
                None
            };
            let id = light.or_else(|| self.line.pop_front())?;
            let most_each = self.most_each();
            let Some(feed) = self.feeds.get_mut(&id) else {
                continue;
            };
            if feed.pace.is_heavy() && self.heavy >= half {
                self.heavy_line.push_back(id);
                continue;
            }
            feed.in_line = false;
            if !feed.is_sendable() || !feed.pace.has_room(most_each) || !feed.queue.has_ready(now.instant) {
                self.touch(id, now);
                continue;
            }
            if let Err(wait) = feed.pace.take() {
                feed.not_before = Some(now.instant + wait);
                self.touch(id, now);
                continue;
            }
            if let Some(start) = self.launch(id, keys, number, now) {
                return Some(start);
            }
        }
        None
    }

    fn launch(&mut self, id: Uuid, keys: &Keys, number: i64, now: Now) -> Option<Start> {
        let feed = self.feeds.get_mut(&id)?;
        let (epoch, plan) = (feed.epoch, feed.plan.clone()?);
        let place = feed.queue.next(now.instant)?;
        feed.queue.tried(place);
        let item = feed.queue.get(place)?;
        let flight = Flight {
            subscription: id,
            epoch,
            place,
            attempt: item.tries,
            base: item.base,
            plan,
            slow: false,
        };
        let stale = item.is_stale(now.instant).then_some(item.at);
        let flight = self.flights.add(flight, now.instant);
        self.change(id, epoch, now, |feed| feed.pace.begin());
        let Some(at) = stale else {
            return self.request(flight, keys, number, now);
        };
        self.stale.push(Stale {
            number: flight,
            subscription: id,
            place,
            at,
        });
        None
    }

    /// The request of a flight whose data was read again. Without data, retention has dropped the delivery.
    pub(super) fn refreshed(
        &mut self,
        flight: u64,
        data: Option<Arc<str>>,
        keys: &Keys,
        number: i64,
        now: Now,
    ) -> Option<Start> {
        let begun = self.flights.get(flight)?.clone();
        let Some(data) = data else {
            self.flights.remove(flight);
            self.change(begun.subscription, begun.epoch, now, |feed| {
                feed.pace.cancel(begun.slow);
                feed.queue.remove(begun.place, now.instant);
            });
            return None;
        };
        self.change(begun.subscription, begun.epoch, now, |feed| {
            feed.queue.refresh(begun.place, data, now.instant);
        });
        self.request(flight, keys, number, now)
    }

    /// Builds the request of a flight.
    fn request(&mut self, number: u64, keys: &Keys, term: i64, now: Now) -> Option<Start> {
        let flight = self.flights.get(number)?;
        let feed = self.feeds.get(&flight.subscription);
        let feed = feed.filter(|feed| feed.epoch == flight.epoch);
        let Some((feed, item)) = feed.and_then(|feed| Some((feed, feed.queue.get(flight.place)?))) else {
            // The subscription was deleted or disabled meanwhile.
            self.flights.remove(number);
            return None;
        };
        let built = request::build(&feed.subscription, &flight.plan, (flight.place, item), keys, now.wall);
        let timeout = feed.subscription.timeout.min(LONGEST);
        match built {
            Ok((request, target)) => Some(Start {
                number,
                request,
                target,
                timeout,
            }),
            Err(error) => {
                // Another try would build the same.
                let flight = self.flights.remove(number)?;
                self.record(row(&flight, term, "dead", now).with_error(error));
                self.change(flight.subscription, flight.epoch, now, |feed| {
                    feed.pace.cancel(flight.slow);
                    feed.queue.release(flight.place, now.instant);
                });
                None
            }
        }
    }

    /// Takes what became of a try.
    pub(super) fn answered(&mut self, flight: &Flight, attempt: Attempt, number: i64, now: Now) {
        let tries = usize::try_from(flight.attempt.saturating_sub(flight.base)).unwrap_or(usize::MAX);
        // What an endpoint says that the subscription no longer names tells nothing of the one that it names now.
        let feed = self.feeds.get(&flight.subscription);
        let is_former = feed
            .filter(|feed| feed.epoch == flight.epoch)
            .is_some_and(|feed| feed.plan.as_ref().is_none_or(|plan| plan.target != flight.plan.target));
        let (outcome, error, due) = match attempt.outcome {
            Outcome::Delivered => ("delivered", None, None),
            Outcome::Gone if is_former => failed(flight, tries, webhook::Reason::Status(410), None),
            Outcome::Gone => ("gone", Some("the endpoint answered 410, it is gone".to_owned()), None),
            Outcome::Retry { reason, after } => failed(flight, tries, reason, after),
            Outcome::Refused(reason) => failed(flight, tries, reason, None),
        };
        let due = due.map(|wait| now.after(wait));
        let (success, proven) = (outcome == "delivered", self.limits.proven);
        let mut notes = Vec::new();
        self.change(flight.subscription, flight.epoch, now, |feed| {
            feed.pace.end(success, flight.slow, feed.subscription.parallel);
            if due.is_none() {
                feed.queue.release(flight.place, now.instant);
            }
            if success {
                feed.failing.end();
            } else if !feed.stopped && !is_former {
                let reason = error.as_deref().unwrap_or_default();
                (notes, feed.stopped) = match outcome {
                    "gone" => (notes::gone(&feed.subscription, now.wall), true),
                    _ => notes::after_failure(&feed.subscription, &mut feed.failing, reason, proven, now),
                };
                if feed.stopped {
                    let subscription = &feed.subscription.name;
                    tracing::warn!(subscription, reason, "disables a subscription, because of its endpoint");
                }
            }
        });
        self.notes.extend(notes);
        let mut row = row(flight, number, outcome, now);
        row.ms = i32::try_from(attempt.ms).unwrap_or(i32::MAX);
        row.status = attempt.status.map(i32::from);
        row.body = Some(attempt.body).filter(|body| !body.is_empty());
        (row.error, row.due) = (error, due);
        self.record(row);
    }

    fn record(&mut self, row: Row) {
        self.metrics.tried(row.outcome);
        self.rows.push(row);
    }

    /// Takes note that rows are committed: what has ended is forgotten, the rest waits for its next try.
    pub(super) fn recorded(&mut self, rows: &[Row], now: Now) {
        self.hungry = true;
        for row in rows {
            self.change(row.subscription, row.epoch, now, |feed| match row.due {
                Some(due) => feed.queue.wait(row.place, due.instant, now.instant),
                None => feed.queue.remove(row.place, now.instant),
            });
        }
    }
}

/// What became of a try that failed, and the wait before the next one.
fn failed(
    flight: &Flight,
    tries: usize,
    reason: webhook::Reason,
    after: Option<Duration>,
) -> (&'static str, Option<String>, Option<Duration>) {
    let wait = flight.plan.schedule.wait(tries, after);
    let outcome = if wait.is_some() { "retry" } else { "dead" };
    (outcome, Some(reason.to_string()), wait)
}

fn row(flight: &Flight, number: i64, outcome: &'static str, now: Now) -> Row {
    Row {
        subscription: flight.subscription,
        place: flight.place,
        number,
        attempt: flight.attempt,
        at: now.wall,
        ms: 0,
        status: None,
        error: None,
        body: None,
        outcome,
        due: None,
        epoch: flight.epoch,
    }
}

impl Row {
    fn with_error(mut self, error: String) -> Self {
        self.error = Some(error);
        self
    }
}
