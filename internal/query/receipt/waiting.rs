//! Looks up the uploads that clients wait for: all of them in one statement, ten times a second.

use super::{Sums, postgres};
use crate::words::{Database, Questions, problem};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;
use web::Problem;

/// Between two look-ups.
const LOOK: Duration = Duration::from_millis(100);

/// What a look-up found, of every upload that was waited for.
type Found = Result<Arc<HashMap<Uuid, Sums>>, Problem>;

/// The uploads that clients wait for. Cheap to clone.
#[derive(Clone)]
pub(super) struct Waiting {
    database: Database,
    uploads: Uploads,
    rounds: Questions<(), Found>,
}

/// How many wait for each upload; no more in all than there are connections.
#[derive(Clone, Default)]
struct Uploads(Arc<Mutex<HashMap<Uuid, usize>>>);

/// One that waits, until it is dropped.
struct Place {
    uploads: Uploads,
    upload: Uuid,
}

impl Waiting {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            uploads: Uploads::default(),
            rounds: Questions::every(LOOK),
        }
    }

    /// The sums of an upload at the next look-up.
    ///
    /// # Errors
    /// What the client is told where the database does not answer.
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
