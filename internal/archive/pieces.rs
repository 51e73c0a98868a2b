//! A day's readings in order, handed on in pieces of bounded size.

use reading::{Name, Point};
use tokio::sync::mpsc;

/// Readings in a piece, at the most.
pub const POINTS: usize = 4096;

/// Pieces that wait between whoever reads a day and whoever takes it.
pub const QUEUE: usize = 4;

/// Some readings of one series in order of time. The pieces of a day come in bytewise order of
/// device, then sensor, then time.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// The series.
    pub name: Name,
    /// In order of time; one at least.
    pub points: Vec<Point>,
}

/// Gathers readings that come in order into pieces.
pub(crate) struct Pieces {
    to: mpsc::Sender<Piece>,
    piece: Option<Piece>,
}

/// The receiver of the pieces is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unwanted;

impl Pieces {
    /// Sends pieces to `to`.
    pub(crate) fn new(to: mpsc::Sender<Piece>) -> Self {
        Self { to, piece: None }
    }

    /// Takes the reading that comes next.
    pub(crate) async fn push(&mut self, device: &str, sensor: &str, point: Point) -> Result<(), Unwanted> {
        if let Some(piece) = &mut self.piece
            && piece.name.device == device
            && piece.name.sensor == sensor
            && piece.points.len() < POINTS
        {
            piece.points.push(point);
            return Ok(());
        }
        let name = Name {
            device: device.to_owned(),
            sensor: sensor.to_owned(),
        };
        let points = vec![point];
        match self.piece.replace(Piece { name, points }) {
            Some(full) => self.to.send(full).await.map_err(|_| Unwanted),
            None => Ok(()),
        }
    }

    /// Sends what is left.
    pub(crate) async fn finish(self) -> Result<(), Unwanted> {
        match self.piece {
            Some(last) => self.to.send(last).await.map_err(|_| Unwanted),
            None => Ok(()),
        }
    }
}
