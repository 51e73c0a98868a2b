//! What is done beside the tries: reading and writing, one statement of each kind at a time.

use super::attempts::{self, Row};
use super::flights::Stale;
use super::job::{Done, JOBS, Job, SAVE};
use super::notes;
use super::now::Now;
use super::read::{self, Cursor, Loaded, Page};
use super::save;
use super::session::Session;
use ::postgres::Error;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// A row of `attempt` is written after this time at most, with those that came meanwhile.
const GATHER: Duration = Duration::from_millis(20);
/// Rows of `attempt` in one statement.
const MOST_ROWS: usize = 400;
/// How often redrives are looked for.
const REDRIVES: Duration = Duration::from_secs(1);
/// Redrives in one statement.
const MOST_REDRIVES: i64 = 256;
/// After a statement has failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Reading takes at most this part of the time: 1 / (1 + READ_PAUSE).
const READ_PAUSE: u32 = 3;

impl Session<'_> {
    /// When a job may begin.
    pub(super) fn begins(&self, job: Job) -> Instant {
        let next = self.next[job as usize];
        match (job, self.gathered) {
            (Job::Write, Some(gathered)) if self.state.rows.len() < MOST_ROWS && !self.draining => next.max(gathered),
            _ => next,
        }
    }

    pub(super) fn is_wanted(&self, job: Job) -> bool {
        match job {
            Job::Start => !self.draining && !self.state.unstarted.is_empty(),
            Job::Read => !self.draining && self.state.hungry,
            Job::Redrive => !self.draining && self.state.has_room_for_redrives(),
            Job::Refresh => !self.draining && !self.state.stale.is_empty(),
            Job::Write => !self.state.rows.is_empty(),
            Job::Save => true,
            Job::Note => !self.state.notes.is_empty(),
        }
    }

    pub(super) fn begin_jobs(&mut self, now: Now) {
        if now.instant >= self.look {
            self.look = now.instant + SAVE;
            self.state.look();
            self.parts.client.close_idle();
        }
        self.gathered = match self.gathered {
            _ if self.state.rows.is_empty() => None,
            gathered => Some(gathered.unwrap_or(now.instant + GATHER)),
        };
        if self.draining && !self.failed[Job::Save as usize] && self.tries.is_empty() && self.state.rows.is_empty() {
            self.next[Job::Save as usize] = now.instant;
        }
        for job in JOBS {
            let at = job as usize;
            if self.running[at] || self.begins(job) > now.instant || !self.is_wanted(job) {
                continue;
            }
            if let Some(work) = self.job(job, now) {
                self.running[at] = true;
                self.work.push(work);
            }
        }
    }

    fn job(&mut self, job: Job, now: Now) -> Option<BoxFuture<'static, Done>> {
        let database = self.parts.database.clone();
        Some(match job {
            Job::Start => {
                let feeds = self.state.unstarted.iter();
                let feeds = feeds.filter_map(|id| Some((*id, self.state.feeds.get(id)?.epoch)));
                let feeds: Vec<(Uuid, u64)> = feeds.collect();
                Box::pin(async move {
                    let ids: Vec<Uuid> = feeds.iter().map(|(id, _)| *id).collect();
                    let starts = read::starts(&database, &ids).await;
                    Done::Started(feeds, starts)
                })
            }
            Job::Read => {
                let Some((asks, since)) = self.state.asks(now) else {
                    self.state.hungry = false;
                    return None;
                };
                self.read_begun = now.instant;
                Box::pin(async move { Done::Read(now.wall, read::pages(&database, asks, since).await) })
            }
            Job::Redrive => {
                if self.fresh.is_none() && !self.state.fresh.is_empty() {
                    self.fresh = Some((self.state.fresh.iter().copied().collect(), Cursor::since(Some(0))));
                }
                let (only, cursor) = match &self.fresh {
                    Some((only, cursor)) => (Some(only.clone()), *cursor),
                    None => (None, self.redrives),
                };
                Box::pin(async move {
                    let found = read::redrives(&database, cursor, only.as_deref(), MOST_REDRIVES).await;
                    Done::Redriven(found)
                })
            }
            Job::Refresh => {
                let stale = std::mem::take(&mut self.state.stale);
                Box::pin(async move {
                    let read = read::again(&database, &stale).await;
                    Done::Refreshed(stale, read)
                })
            }
            Job::Write => {
                let rows: Vec<Row> = self.state.rows.drain(..).collect();
                let mut made = std::mem::take(&mut self.made);
                Box::pin(async move {
                    let inserted = attempts::insert(&database, &mut made, &rows).await;
                    Done::Written(rows, made, inserted)
                })
            }
            Job::Save => {
                let (unsaved, number) = (self.state.unsaved(), self.term.number);
                Box::pin(async move {
                    let saved = save::save(&database, number, &unsaved).await;
                    Done::Saved(unsaved, saved)
                })
            }
            Job::Note => {
                let note = self.state.notes.front()?.clone();
                Box::pin(async move {
                    let written = notes::write(&database, &note, now.wall).await;
                    Done::Noted(note, written)
                })
            }
        })
    }

    pub(super) fn did(&mut self, done: Done) {
        let now = Now::new();
        let (job, error) = match done {
            Done::Started(asked, starts) => (
                Job::Start,
                starts.map(|starts| self.state.begun(&starts, &asked, now)).err(),
            ),
            Done::Read(asked, pages) => (Job::Read, pages.map(|pages| self.took(pages, asked, now)).err()),
            Done::Redriven(found) => (
                Job::Redrive,
                found.map(|(rows, next)| self.redriven(rows, next, now)).err(),
            ),
            Done::Refreshed(stale, Ok(read)) => {
                self.refreshed(&stale, read, now);
                (Job::Refresh, None)
            }
            Done::Refreshed(stale, Err(error)) => {
                self.state.stale.extend(stale);
                (Job::Refresh, Some(error))
            }
            Done::Written(rows, made, inserted) => {
                self.made = made;
                match inserted {
                    Ok(()) => {
                        self.state.recorded(&rows, now);
                        (Job::Write, None)
                    }
                    Err(error) => {
                        self.state.rows.splice(0..0, rows);
                        if matches!(error, Error::Refused(_)) {
                            self.state.rows.iter_mut().for_each(Row::simplify);
                        }
                        (Job::Write, Some(error))
                    }
                }
            }
            Done::Saved(unsaved, last) => {
                self.next[Job::Save as usize] = now.instant + SAVE;
                (Job::Save, last.map(|last| self.state.saved(&unsaved, &last)).err())
            }
            Done::Noted(note, Ok(())) => {
                self.state.notes.retain(|other| *other != note);
                (Job::Note, None)
            }
            Done::Noted(_, Err(error)) => (Job::Note, Some(error)),
        };
        self.running[job as usize] = false;
        self.state.measure();
        let at = job as usize;
        if let Some(error) = &error {
            self.next[at] = now.instant + PAUSE;
            if !self.failed[at] {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::warn!(%error, cause, ?job, "deliveries wait for the database; trying again");
            }
        }
        self.failed[at] = error.is_some();
    }

    fn took(&mut self, pages: Vec<Page>, asked: i64, now: Now) {
        if pages.iter().all(|page| page.rows.is_empty()) {
            // Many looks that find nothing must not keep the database busy.
            let pause = (now.instant - self.read_begun) * READ_PAUSE;
            self.next[Job::Read as usize] = now.instant + pause;
        }
        self.state.took(pages, asked, now);
    }

    /// Sends what was read again. During a drain it is left to the next holder of the lease.
    fn refreshed(&mut self, stale: &[Stale], read: Vec<Option<Arc<str>>>, now: Now) {
        if self.draining {
            return;
        }
        for (stale, data) in stale.iter().zip(read) {
            let start = self
                .state
                .refreshed(stale.number, data, &self.parts.keys, self.term.number, now);
            if let Some(start) = start {
                self.send(start);
            }
        }
    }

    fn redriven(&mut self, rows: Vec<Loaded>, next: Option<Cursor>, now: Now) {
        self.state.redriven(rows, now);
        match (self.fresh.take(), next) {
            (Some((only, _)), Some(next)) => self.fresh = Some((only, next)),
            (Some((only, _)), None) => self.state.fresh.retain(|id| !only.contains(id)),
            (None, Some(next)) => self.redrives = next,
            (None, None) => {
                self.redrives = Cursor::since(None);
                self.next[Job::Redrive as usize] = now.instant + REDRIVES;
            }
        }
    }
}
