//! A term: the loop that sends.

use super::job::{Done, JOBS, Job, SAVE};
use super::metrics::signed;
use super::now::Now;
use super::parts::Parts;
use super::read::Cursor;
use super::state::State;
use super::tries::Start;
use crate::{Subscription, Term};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;
use webhook::Attempt;

/// Why serving a term has ended.
pub(super) enum Ended {
    /// The lease is lost, or another term has begun.
    Lost,
    Stopped,
}

/// A term, as it is served.
pub(super) struct Session<'a> {
    pub(super) parts: &'a Parts,
    pub(super) term: Term,
    pub(super) state: State,
    pub(super) tries: FuturesUnordered<BoxFuture<'static, (u64, Attempt)>>,
    pub(super) work: FuturesUnordered<BoxFuture<'static, Done>>,
    pub(super) running: [bool; JOBS.len()],
    /// When each job may begin next.
    pub(super) next: [Instant; JOBS.len()],
    /// Days that have a partition of `attempt`.
    pub(super) made: BTreeSet<i64>,
    pub(super) read_begun: Instant,
    /// Where the reading of all new redrives goes on.
    pub(super) redrives: Cursor,
    /// Feeds whose earlier redrives are read, and where that goes on.
    pub(super) fresh: Option<(Vec<Uuid>, Cursor)>,
    /// When the rows of `attempt` that wait are to be written.
    pub(super) gathered: Option<Instant>,
    /// The last statement of each job failed.
    pub(super) failed: [bool; JOBS.len()],
    pub(super) draining: bool,
    /// When everything is looked at again.
    pub(super) look: Instant,
}

impl<'a> Session<'a> {
    pub(super) fn new(parts: &'a Parts, term: Term) -> Self {
        let now = Now::new();
        Self {
            parts,
            term,
            state: State::new(parts.limits, parts.allowed.clone(), parts.metrics.clone()),
            tries: FuturesUnordered::new(),
            work: FuturesUnordered::new(),
            running: [false; JOBS.len()],
            next: [now.instant; JOBS.len()],
            made: BTreeSet::new(),
            read_begun: now.instant,
            redrives: Cursor::since(None),
            fresh: None,
            gathered: None,
            failed: [false; JOBS.len()],
            draining: false,
            look: now.instant + SAVE,
        }
    }

    pub(super) async fn serve(
        &mut self,
        term: &mut watch::Receiver<Option<Term>>,
        subscriptions: &mut watch::Receiver<Arc<Vec<Subscription>>>,
        wake: &Notify,
        stop: &CancellationToken,
        drain: &CancellationToken,
    ) -> Ended {
        let rows = subscriptions.borrow_and_update().clone();
        self.state.sync(&rows, Now::new());
        let (mut has_rows, mut has_term) = (true, true);
        loop {
            let now = Now::new();
            if !self.term.is_in_force() {
                return Ended::Lost;
            }
            self.state.ripen(now);
            if !self.draining {
                self.start(now);
            } else if self.is_drained(drain) {
                return Ended::Stopped;
            }
            self.begin_jobs(now);
            self.parts.metrics.in_flight.set(signed(self.state.flights.len()));
            let timer = self.next_due(now);
            tokio::select! {
                Some((number, attempt)) = self.tries.next(), if !self.tries.is_empty() => {
                    self.answered(number, attempt);
                }
                Some(done) = self.work.next(), if !self.work.is_empty() => self.did(done),
                changed = term.changed(), if has_term => match changed {
                    Ok(()) => {
                        let renewed = *term.borrow_and_update();
                        // A term that ended before the next one is seen may have had another in between.
                        match renewed.filter(|_| self.term.is_in_force()) {
                            Some(renewed) => self.term = renewed,
                            None => return Ended::Lost,
                        }
                    }
                    Err(_) => has_term = false,
                },
                changed = subscriptions.changed(), if has_rows => match changed {
                    Ok(()) => {
                        let rows = subscriptions.borrow_and_update().clone();
                        self.state.sync(&rows, Now::new());
                    }
                    Err(_) => has_rows = false,
                },
                () = wake.notified() => self.state.look(),
                () = stop.cancelled(), if !self.draining => self.draining = true,
                () = drain.cancelled(), if self.draining && !self.tries.is_empty() => self.tries.clear(),
                () = sleep_until(timer) => {}
            }
        }
    }

    /// Begins as many requests as may begin.
    fn start(&mut self, now: Now) {
        // Without a database, what becomes of tries cannot be written: they would be made again.
        if self.failed[Job::Write as usize] {
            return;
        }
        while let Some(start) = self.state.start(&self.parts.keys, self.term.number, now) {
            self.send(start);
        }
    }

    pub(super) fn send(&mut self, start: Start) {
        let client = self.parts.client.clone();
        // A task of its own: the loop alone would keep one core busy, and the others idle.
        let sending = async move { client.send(&start.request, &start.target, start.timeout).await };
        let sending = AbortOnDropHandle::new(tokio::spawn(sending));
        self.tries.push(Box::pin(async move {
            match sending.await {
                Ok(attempt) => (start.number, attempt),
                // It is not aborted while it is awaited.
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            }
        }));
    }

    fn answered(&mut self, number: u64, attempt: Attempt) {
        if let Some(flight) = self.state.flights.remove(number) {
            self.state.answered(&flight, attempt, self.term.number, Now::new());
        }
    }

    /// Whether all is written after the last try.
    fn is_drained(&mut self, drain: &CancellationToken) -> bool {
        let is_written = self.state.rows.is_empty() && self.state.notes.is_empty() && self.work.is_empty();
        if !self.tries.is_empty() {
            return false;
        }
        // Beyond the drain only rows are waited for, and only while the database takes them.
        let write = Job::Write as usize;
        let is_late =
            drain.is_cancelled() && (self.failed[write] || (self.state.rows.is_empty() && !self.running[write]));
        (is_written && self.state.unsaved().is_empty()) || is_late
    }

    /// When the loop has to look again.
    fn next_due(&self, now: Now) -> Instant {
        let jobs = JOBS
            .iter()
            .filter(|job| !self.running[**job as usize] && self.is_wanted(**job));
        let jobs = jobs.map(|job| self.begins(*job));
        let state = self.state.next_due().filter(|_| !self.draining);
        let due = jobs.chain(state).chain([self.term.until, self.look]).min();
        // Never at once: what could be begun was begun.
        due.unwrap_or(self.look).max(now.instant + Duration::from_millis(1))
    }
}
