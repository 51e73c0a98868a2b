//! Reads a day's dump in force, in chunks.

use super::chunks::{ChunkWriter, SeriesChunk};
use super::read::{self, Reader};
use super::{Day, Manifest};
use anyhow::Context;
use blob::Store;
use reading::Point;
use tokio::sync::mpsc;

/// Reads a day's dump to its end, to verify it against its manifest.
pub(crate) async fn check(store: &Store, day: Day) -> anyhow::Result<()> {
    read::verify(store, &in_force(store, day).await?).await?;
    Ok(())
}

/// Sends the readings of a day's dump to `to`, and returns their manifest. After an error, the readings sent
/// must not be relied upon.
///
/// # Errors
/// Where the dump is missing or damaged, the store fails, or `to` is closed.
pub async fn read(store: &Store, day: Day, to: mpsc::Sender<SeriesChunk>) -> anyhow::Result<Manifest> {
    let manifest = in_force(store, day).await?;
    let mut reader = Reader::open(store, &manifest).await?;
    let mut chunks = ChunkWriter::new(to);
    let unwanted = "the receiver of the dump has ended";
    while let Some(readings) = reader.next().await? {
        for reading in readings {
            let point = Point {
                timestamp: reading.timestamp,
                value: reading.value,
            };
            let pushed = chunks.push(&reading.device, &reading.sensor, point).await;
            pushed.ok().context(unwanted)?;
        }
    }
    chunks.finish().await.ok().context(unwanted)?;
    Ok(manifest)
}

async fn in_force(store: &Store, day: Day) -> anyhow::Result<Manifest> {
    let manifest = read::in_force(store, day).await?;
    manifest.context("the day's manifest has vanished; is a dumper or another program writing to this store?")
}
