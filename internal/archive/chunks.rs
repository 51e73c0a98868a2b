//! A day's readings in order, in chunks of bounded size.

use reading::{Name, Point};
use tokio::sync::mpsc;

/// Most readings of a chunk.
pub const POINTS: usize = 4096;

/// Pieces that wait between the reader of a day and its receiver.
pub const QUEUE: usize = 4;

/// Some readings of one series, in order of time. The chunks of a day come in bytewise order of device, then
/// sensor, then time.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesChunk {
    /// The series.
    pub name: Name,
    /// At least one, in order of time.
    pub points: Vec<Point>,
}

/// Gathers ordered readings into chunks.
pub(crate) struct ChunkWriter {
    to: mpsc::Sender<SeriesChunk>,
    chunk: Option<SeriesChunk>,
}

/// The receiver of the chunks is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl ChunkWriter {
    /// Sends chunks to `to`.
    pub(crate) fn new(to: mpsc::Sender<SeriesChunk>) -> Self {
        Self { to, chunk: None }
    }

    /// Adds the next reading.
    pub(crate) async fn push(&mut self, device: &str, sensor: &str, point: Point) -> Result<(), Closed> {
        if let Some(chunk) = &mut self.chunk
            && chunk.name.device == device
            && chunk.name.sensor == sensor
            && chunk.points.len() < POINTS
        {
            chunk.points.push(point);
            return Ok(());
        }
        let name = Name {
            device: device.to_owned(),
            sensor: sensor.to_owned(),
        };
        let points = vec![point];
        match self.chunk.replace(SeriesChunk { name, points }) {
            Some(full) => self.to.send(full).await.map_err(|_| Closed),
            None => Ok(()),
        }
    }

    /// Sends the rest.
    pub(crate) async fn finish(self) -> Result<(), Closed> {
        match self.chunk {
            Some(last) => self.to.send(last).await.map_err(|_| Closed),
            None => Ok(()),
        }
    }
}
