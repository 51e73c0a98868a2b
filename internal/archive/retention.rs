//! Drops months that are in their dumps.
//!
//! A month is dropped whole, once all of it is older than the retention and every day of it is in a verified
//! dump. Each dump is read back, and must match its manifest and the day in the database. A lock then blocks
//! all writers of the month, and the versions are compared once more.

use super::postgres::{self, Counted, Partition, States};
use super::read::{self, ReadError};
use super::{Day, Dumper, Manifest, Retention};
use futures_util::{StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use store::Look;

/// Manifests read at once.
const AT_ONCE: usize = 8;

/// A month that is older than the retention.
#[derive(Debug)]
pub struct Month {
    /// `2017-06`.
    pub month: String,
    /// Bytes on disk, with indexes.
    pub bytes: u64,
    /// Days with readings in the database.
    pub days: usize,
    /// Its readings in the database; none if not counted, since the month stays for another reason.
    pub readings: Option<u64>,
    /// Its fate.
    pub fate: Fate,
}

/// The fate of a month.
#[derive(Debug)]
pub enum Fate {
    /// It was dropped, or would be in a dry run.
    Dropped,
    /// It stays, for these reasons.
    Kept(Vec<Reason>),
}

/// Why a month stays.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The day has no dump in this store.
    #[error("{0} has no dump in this store")]
    Undumped(Day),
    /// The dump is of an older version of the day: late data has come. The next dump resolves this.
    #[error("{day} has changed since its dump: it is of version {dumped}, and the day's is {version}")]
    Stale {
        /// The day.
        day: Day,
        /// The manifest's version of the day.
        dumped: i64,
        /// The database's.
        version: i64,
    },
    /// Another database, or this one before a restore, wrote the dump. The next dump resolves this.
    #[error("the dump of {0} was written from another database, or from this one before it was restored from a backup")]
    Foreign(Day),
    /// The dump cannot be read back.
    #[error(
        "the dump of {day} is unreliable: {error}; restore the file from a copy. If the database has the whole day, delete the file instead: the next dump writes it again"
    )]
    Unverified {
        /// The day.
        day: Day,
        /// What is wrong with it.
        error: ReadError,
    },
    /// The dump has fewer readings than the database, although the versions are equal.
    #[error("{day} has {readings} readings, and its dump only {dumped}; was the table changed by hand?")]
    Differs {
        /// The day.
        day: Day,
        /// Readings in the database.
        readings: u64,
        /// Readings in the dump.
        dumped: u64,
    },
    /// Readings arrived during the verification. The next dump and run resolve this.
    #[error("it changed while its dumps were verified, for example by late readings; the next run tries again")]
    Changed,
    /// The clock may have jumped ahead. The month was not that old at the release of this program, nor at a
    /// look at the clock a day ago.
    #[error(
        "it was not old enough at a look at the clock a day ago; a later run that finds it old enough again drops it"
    )]
    Early,
    /// A reader or writer did not release it; the next run tries again.
    #[error("it is in use, by a dump or another long statement")]
    Busy,
}

impl Reason {
    /// Whether an operator has to act: the next run does not resolve it.
    pub fn is_trouble(&self) -> bool {
        match self {
            Self::Undumped(_) | Self::Unverified { .. } | Self::Differs { .. } => true,
            Self::Stale { .. } | Self::Foreign(_) | Self::Changed | Self::Early | Self::Busy => false,
        }
    }
}

impl Month {
    /// Logs the fate of the month.
    pub fn log(&self) {
        let Self {
            month,
            bytes,
            days,
            readings,
            fate,
        } = self;
        match fate {
            Fate::Dropped => tracing::info!(month, bytes, days, readings, "dropped a month that is in its dumps"),
            Fate::Kept(reasons) => {
                for reason in reasons {
                    if reason.is_trouble() {
                        tracing::error!(month, %reason, "a month older than the retention stays");
                    } else {
                        tracing::info!(month, %reason, "a month older than the retention stays for now");
                    }
                }
            }
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { month, bytes, days, .. } = self;
        let size = format!(
            "{days} days with readings, {:.1} MiB",
            *bytes as f64 / f64::from(1 << 20)
        );
        let readings = self
            .readings
            .map(|readings| format!("{readings} readings in "))
            .unwrap_or_default();
        match &self.fate {
            Fate::Dropped => write!(f, "{month}: goes: {readings}{size}"),
            Fate::Kept(reasons) => {
                write!(f, "{month}: stays: {readings}{size}")?;
                reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
            }
        }
    }
}

impl Dumper {
    /// Drops old months that are in their dumps, oldest first. They must have been older than the retention a
    /// day ago, too. With `dry_run`, it only reports what it would do. It calls `report` with each month as
    /// soon as its fate is known.
    ///
    /// # Errors
    /// Where the database or the store fails. Months dropped before stay dropped and recorded.
    pub async fn retain(&self, retention: Retention, dry_run: bool, report: impl FnMut(&Month)) -> anyhow::Result<()> {
        self.retain_at(Look::now(), retention, dry_run, report).await
    }

    /// Drops months as of this look at the clock.
    pub(super) async fn retain_at(
        &self,
        look: Look,
        retention: Retention,
        dry_run: bool,
        mut report: impl FnMut(&Month),
    ) -> anyhow::Result<()> {
        for partition in postgres::expired(&self.pool, retention, look, dry_run).await? {
            report(&self.judge(&partition, dry_run).await?);
        }
        Ok(())
    }

    async fn judge(&self, partition: &Partition, dry_run: bool) -> anyhow::Result<Month> {
        let mut month = Month {
            month: partition.month.clone(),
            bytes: partition.bytes,
            days: 0,
            readings: None,
            fate: Fate::Dropped,
        };
        // Read the versions first: a reading counted later that is not in them has changed them.
        let states = postgres::states(&self.pool, partition).await?;
        let manifests = self.manifests(&states).await?;
        // One reason a day: the first that is found.
        let mut reasons = BTreeMap::new();
        let changed = in_question(&states, &Counted::new());
        for day in &changed {
            reasons.extend(unfit(*day, &states, manifests.get(day)).map(|reason| (*day, reason)));
        }
        month.days = changed.len();
        if !partition.confirmed {
            month.fate = Fate::Kept(vec![Reason::Early]);
            return Ok(month);
        }
        if !reasons.is_empty() && !dry_run {
            month.fate = Fate::Kept(reasons.into_values().collect());
            return Ok(month);
        }
        let Some(counted) = postgres::count(&self.pool, partition).await? else {
            month.fate = Fate::Kept(vec![Reason::Changed]);
            return Ok(month);
        };
        month.days = counted.len();
        month.readings = Some(counted.values().sum());
        let mut dropped = Vec::new();
        for day in in_question(&states, &counted) {
            if reasons.contains_key(&day) {
                continue;
            }
            let readings = counted.get(&day).copied().unwrap_or(0);
            match self.verified(day, &states, manifests.get(&day), readings).await? {
                Ok(revision) => dropped.push((day, revision)),
                Err(reason) => {
                    reasons.insert(day, reason);
                }
            }
        }
        if !reasons.is_empty() {
            month.fate = Fate::Kept(reasons.into_values().collect());
        } else if !dry_run {
            month.fate = match postgres::drop_month(&self.pool, partition, &states, &dropped).await? {
                postgres::Drop::Dropped => Fate::Dropped,
                postgres::Drop::Changed => Fate::Kept(vec![Reason::Changed]),
                postgres::Drop::Busy => Fate::Kept(vec![Reason::Busy]),
            };
        }
        Ok(month)
    }

    /// The manifests in force of these days. An unreadable one counts as none.
    async fn manifests(&self, states: &States) -> anyhow::Result<BTreeMap<Day, Manifest>> {
        let days: Vec<Day> = states.keys().copied().collect();
        let manifests = futures_util::stream::iter(days)
            .map(|day| async move {
                match read::in_force(&self.store, day).await {
                    Ok(manifest) => Ok(manifest.map(|manifest| (day, manifest))),
                    Err(ReadError::Store(error)) => Err(error),
                    Err(error) => {
                        tracing::error!(%day, %error, "the day's manifest cannot be read");
                        Ok(None)
                    }
                }
            })
            .buffered(AT_ONCE);
        Ok(manifests.try_filter_map(async |found| Ok(found)).try_collect().await?)
    }

    /// Verifies the revision for the day. It must be of the day's version, be whole, and hold at least the
    /// database's readings. It may hold more: those dropped before.
    async fn verified(
        &self,
        day: Day,
        states: &States,
        manifest: Option<&Manifest>,
        readings: u64,
    ) -> anyhow::Result<Result<u64, Reason>> {
        let (None, Some(manifest)) = (unfit(day, states, manifest), manifest) else {
            return Ok(Err(unfit(day, states, manifest).unwrap_or(Reason::Undumped(day))));
        };
        let dumped = manifest.readings;
        if dumped < readings {
            return Ok(Err(Reason::Differs { day, readings, dumped }));
        }
        match read::verify(&self.store, manifest).await {
            Ok(()) => Ok(Ok(manifest.revision)),
            Err(ReadError::Store(error)) => Err(error.into()),
            Err(error) => Ok(Err(Reason::Unverified { day, error })),
        }
    }
}

/// Why a manifest's dump cannot stand for the day. Readings inserted by hand are in no version.
fn unfit(day: Day, states: &States, manifest: Option<&Manifest>) -> Option<Reason> {
    let (Some(state), Some(manifest)) = (states.get(&day), manifest) else {
        return Some(Reason::Undumped(day));
    };
    if manifest.id.is_some_and(|id| state.fresh.contains(&id)) {
        return None;
    }
    let (version, dumped) = (state.version, manifest.day_version);
    Some(if dumped == version {
        Reason::Foreign(day)
    } else {
        Reason::Stale { day, dumped, version }
    })
}

/// The days whose dumps must be verified. Days dropped at their present version, with nothing in the
/// database, are left out.
fn in_question(states: &States, counted: &Counted) -> BTreeSet<Day> {
    let changed = states.iter().filter(|(_, state)| state.dropped != Some(state.version));
    changed.map(|(day, _)| *day).chain(counted.keys().copied()).collect()
}
