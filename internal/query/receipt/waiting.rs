//! Looks up the awaited uploads, all in one statement, ten times a second.

use super::{Sums, postgres};
use crate::words::{Database, Questions, problem};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;
use web::Problem;

/// Pause between two look-ups.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Result of a look-up of all awaited uploads.
type Found = Result<Arc<HashMap<Uuid, Sums>>, Problem>;

/// The awaited uploads. Cheap to clone.
#[derive(Clone)]
pub(super) struct Waiting {
    database: Database,
    uploads: Uploads,
    rounds: Questions<(), Found>,
}

/// Number of waiting clients of each upload; in all, at most the number of connections.
#[derive(Clone, Default)]
struct Uploads(Arc<Mutex<HashMap<Uuid, usize>>>);

/// The place of a waiting client, until it is dropped.
struct Place {
    uploads: Uploads,
    upload: Uuid,
}

impl Waiting {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            uploads: Uploads::default(),
            rounds: Questions::every(CHECK_INTERVAL),
        }
    }

    /// Returns the sums of an upload at the next look-up.
    ///
    /// # Errors
    /// The client's answer where the database does not answer.
    pub(super) async fn next(&self, upload: Uuid) -> Result<Option<Sums>, Problem> {
        let _place = self.uploads.enter(upload);
        let (database, uploads) = (self.database.clone(), self.uploads.clone());
        let look = || async move {
            let asked: Vec<Uuid> = uploads.lock().keys().copied().collect();
            postgres::sums(&database, &asked).await.map(Arc::new).map_err(problem)
        };
        Ok(self.rounds.ask((), look).await?.get(&upload).copied())
    }
}

impl Uploads {
    fn enter(&self, upload: Uuid) -> Place {
        *self.lock().entry(upload).or_default() += 1;
        Place {
            uploads: self.clone(),
            upload,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut uploads = self.uploads.lock();
        if let Some(count) = uploads.get_mut(&self.upload) {
            *count -= 1;
            if *count == 0 {
                uploads.remove(&self.upload);
            }
        }
    }
}
