//! An answer of any length: lines, made a piece at a time while the client takes them.
//!
//! It has no deadline of its own; each chunk has. Where it fails, or at the drain deadline, it breaks off without
//! HTTP's last chunk. So clients know that it is not whole.

use super::Row;
use super::lines::{Kind, Lines};
use super::reader::Reader;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reading::time;
use std::io;
use tokio_util::sync::CancellationToken;
use web::Problem;

/// About how many bytes a piece has.
const PIECE: usize = 64 << 10;

/// The lines of a reader's readings.
#[derive(Debug)]
pub(super) struct Export {
    reader: Reader,
    lines: Lines,
    /// Readings of the reader's last chunk that are not written yet.
    rows: std::vec::IntoIter<Row>,
    piece: Vec<u8>,
}

impl Export {
    pub(super) fn new(reader: Reader, kind: Kind) -> Self {
        Self {
            reader,
            lines: Lines::new(kind),
            rows: Vec::new().into_iter(),
            piece: kind.head().into(),
        }
    }

    /// Makes the body. The first piece is made now: if that fails, the client gets a problem with a status.
    pub(super) async fn body(mut self, drain_deadline: CancellationToken) -> Result<Body, Problem> {
        let first = self.next().await?;
        let rest = stream::try_unfold(self, move |mut export| {
            let drain_deadline = drain_deadline.clone();
            async move {
                let piece = tokio::select! {
                    biased;
                    () = drain_deadline.cancelled() => return Err(io::Error::other("the server ends")),
                    piece = export.next() => piece,
                };
                // A failure was logged where it arose.
                let piece = piece.map_err(|_| io::Error::other("the database failed"))?;
                Ok(piece.map(|piece| (piece, export)))
            }
        });
        Ok(Body::from_stream(stream::iter(first.map(Ok)).chain(rest)))
    }

    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        while self.piece.len() < PIECE {
            let Some(row) = self.rows.next() else {
                match self.reader.next().await? {
                    Some(chunk) => self.rows = chunk.into_iter(),
                    None => break,
                }
                continue;
            };
            let Some(series) = self.reader.series(&row) else {
                return Err(Problem::internal("the database sent a reading of an unknown series"));
            };
            // JSON cannot express it, and the ingestor never accepts such a value.
            if !row.value.is_finite() {
                let (device, moment) = (&series.device, time::exact(row.timestamp));
                return Err(Problem::internal(format!(
                    "the value of device {device} at {moment} is {}, which no line can hold; correct that row",
                    row.value
                )));
            }
            self.lines.write(series, row, &mut self.piece);
        }
        if self.piece.is_empty() {
            return Ok(None);
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE + 1024));
        Ok(Some(piece.into()))
    }
}
