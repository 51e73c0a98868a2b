//! Writes lines to an upload: gzip, checksum, in constant memory.
//!
//! Three stages run at once, joined by short queues. The producer fills buffers of lines, a thread compresses
//! and hashes them, and the upload sends the result.

use anyhow::Context;
use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use tokio::sync::mpsc;

/// About how many bytes of lines a piece holds.
const PIECE: usize = 256 << 10;

/// Pieces that wait between two stages.
const QUEUE: usize = 4;

/// Takes the lines of a file.
#[derive(Debug)]
pub(super) struct Lines {
    to: mpsc::Sender<Vec<u8>>,
    /// Whole lines. After adding some, call [`Lines::pass_on`].
    pub(super) buffer: Vec<u8>,
}

/// The written file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// Writes lines into a blob, which the caller then finishes, or aborts after an error. `produce` passes every line
/// on and returns what it took them by, together with what it found out.
pub(super) async fn write<T, F>(to: &mut blob::Writer, produce: impl FnOnce(Lines) -> F) -> anyhow::Result<(File, T)>
where
    F: Future<Output = anyhow::Result<(Lines, T)>>,
{
    let (lines, to_compress) = mpsc::channel(QUEUE);
    let (compressed, mut to_upload) = mpsc::channel::<Bytes>(QUEUE);
    let compressing = tokio::task::spawn_blocking(move || compress(to_compress, compressed));
    let upload = async {
        while let Some(piece) = to_upload.recv().await {
            to.write(piece).await.context("upload the dump")?;
        }
        anyhow::Ok(())
    };
    let compressed = async {
        compressing
            .await
            .context("the compressing thread ended")?
            .context("compress the dump")
    };
    let producing = async {
        let (mut lines, found) = produce(Lines::new(lines)).await?;
        lines.flush().await?;
        // Dropping the sender tells the next stage that its input is complete.
        drop(lines);
        anyhow::Ok(found)
    };
    // The upload comes first: if it fails, the earlier stages fail as a consequence, and the first error is
    // the one to report.
    let ((), file, found) = tokio::try_join!(upload, compressed, producing)?;
    Ok((file, found))
}

impl Lines {
    fn new(to: mpsc::Sender<Vec<u8>>) -> Self {
        let buffer = Vec::with_capacity(PIECE + 1024);
        Self { to, buffer }
    }

    /// Passes on what was added, once it is enough.
    pub(super) async fn pass_on(&mut self) -> anyhow::Result<()> {
        if self.buffer.len() >= PIECE {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE + 1024));
        self.to
            .send(piece)
            .await
            .ok()
            .context("the compressing thread has gone")
    }
}

fn compress(mut lines: mpsc::Receiver<Vec<u8>>, to: mpsc::Sender<Bytes>) -> io::Result<File> {
    let outlet = Outlet {
        to,
        buffer: Vec::with_capacity(PIECE),
        bytes: 0,
        hash: Sha256::new(),
    };
    // No time and no name in the header: the same readings give the same bytes.
    let mut gzip = GzBuilder::new().mtime(0).write(outlet, Compression::new(7));
    while let Some(piece) = lines.blocking_recv() {
        gzip.write_all(&piece)?;
    }
    let mut outlet = gzip.finish()?;
    outlet.flush()?;
    let digest = outlet.hash.finalize();
    Ok(File {
        bytes: outlet.bytes,
        sha256: format!("{digest:x}"),
    })
}

/// Counts, hashes and sends the compressed bytes.
struct Outlet {
    to: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
    bytes: u64,
    hash: Sha256,
}

impl Write for Outlet {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.hash.update(data);
        self.bytes += data.len() as u64;
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.to
            .blocking_send(piece.into())
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
