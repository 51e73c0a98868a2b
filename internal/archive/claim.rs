//! Claims the number of a revision by making its claim file, which only one dumper can.

use super::manifest::Names;
use anyhow::{Context, bail};
use blob::Store;
use bytes::Bytes;
use serde::Deserialize;

/// How many numbers that others have claimed to pass over.
const CLAIMED: u64 = 1000;

/// What each kind of manifest says.
#[derive(Deserialize)]
struct InForce {
    revision: u64,
}

/// Claims the first free number above this one; none where another dumper has committed it since, and freed its
/// claim.
pub(super) async fn claim(store: &Store, names: Names, above: u64) -> anyhow::Result<Option<u64>> {
    for revision in above + 1..=above + CLAIMED {
        let name = names.claim(revision);
        if !store.create(&name, Bytes::new()).await.context("claim a revision")? {
            continue;
        }
        if in_force(store, names).await? >= revision {
            store.delete(&name).await.context("delete the claim")?;
            return Ok(None);
        }
        // Of a manifest that was moved away, or set back: those files are not written over.
        let data = names.data(revision);
        if store.head(&data).await.context("look up the revision")?.is_some() {
            store.delete(&name).await.context("delete the claim")?;
            continue;
        }
        return Ok(Some(revision));
    }
    bail!(
        "{CLAIMED} revisions of {} are claimed and not written, or there and not in force; move {}, and the files above the manifest's revision, away while no dumper runs",
        names.day,
        names.claims()
    )
}

/// The revision in force; 0 where there is none.
async fn in_force(store: &Store, names: Names) -> anyhow::Result<u64> {
    let file = names.manifest();
    let Some((bytes, _)) = store.get(&file).await.context("read the manifest")? else {
        return Ok(0);
    };
    let manifest: InForce = serde_json::from_slice(&bytes).with_context(|| format!("read {file}"))?;
    Ok(manifest.revision)
}
