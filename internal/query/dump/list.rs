//! Reads a page of the list of dumps from the store.

use super::Dump;
use crate::words::page::cut;
use archive::read::{ReadError, in_force};
use archive::{Day, Days};
use blob::Store;
use futures_util::StreamExt;
use serde::Serialize;
use utoipa::ToSchema;

/// Manifests read at once.
const AT_ONCE: usize = 8;

/// Some dumps, the latest day first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Dumps)]
pub(super) struct Page {
    pub(super) dumps: Vec<Dump>,
    /// Days of this page whose manifest is damaged, or newer than this program.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub(super) unreadable: Vec<Day>,
    /// The last day of this page, where there are more before it.
    #[schema(required, value_type = Option<String>, format = Date)]
    pub(super) next_cursor: Option<Day>,
}

/// The dumps in force of the latest days before `before`, `limit` days at the most.
pub(super) async fn page(store: &Store, before: Option<Day>, limit: usize) -> Result<Page, blob::Error> {
    let mut days = Days::before(before).latest(store, limit.saturating_add(1)).await?;
    let has_more = cut(&mut days, limit);
    let mut page = Page {
        next_cursor: days.last().filter(|_| has_more).copied(),
        ..Page::default()
    };
    let mut manifests = futures_util::stream::iter(days)
        .map(|day| async move { (day, in_force(store, day).await) })
        .buffered(AT_ONCE);
    while let Some((day, manifest)) = manifests.next().await {
        match manifest {
            Ok(Some(manifest)) => match Dump::of(manifest) {
                Some(dump) => page.dumps.push(dump),
                None => page.unreadable.push(day),
            },
            // It was deleted after it was listed.
            Ok(None) => {}
            Err(ReadError::Store(error)) if !matches!(error, blob::Error::TooLarge { .. }) => return Err(error),
            Err(_) => page.unreadable.push(day),
        }
    }
    Ok(page)
}
