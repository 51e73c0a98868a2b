//! Readings and timestamps in PostgreSQL's binary format.

use crate::batch::Part;
use bytes::{BufMut, Bytes, BytesMut};
use deadpool_postgres::Transaction;
use futures_util::SinkExt;
use std::error::Error;
use std::pin::pin;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL's own count begins.
const EPOCH: i64 = 946_684_800_000_000;

/// Signature, no flags, no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Bytes of a row: the number of fields, then three fields each after its length.
const ROW: usize = 2 + (4 + 4) + (4 + 8) + (4 + 8);

/// About how many bytes are sent at once.
const CHUNK: usize = 64 * 1024;

/// Microseconds since 1970 as a `timestamptz`.
#[derive(Debug)]
pub struct Timestamptz(pub i64);

/// A timestamp as PostgreSQL counts it.
fn moment(timestamp: i64) -> i64 {
    timestamp - EPOCH
}

impl ToSql for Timestamptz {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(moment(self.0));
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Timestamptz {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let since_2000 = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(since_2000.checked_add(EPOCH).ok_or("a timestamp without end")?))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TIMESTAMPTZ
    }
}

/// Rows of (series id, timestamp, value), as chunks to be sent in order.
pub struct Rows<'a> {
    parts: std::slice::Iter<'a, Part<'a>>,
    part: Part<'a>,
    buffer: BytesMut,
    ended: bool,
}

impl<'a> Rows<'a> {
    /// Makes the rows of these parts, in their order.
    pub fn new(parts: &'a [Part<'a>]) -> Self {
        let mut buffer = BytesMut::with_capacity(CHUNK + ROW);
        buffer.put_slice(HEADER);
        Self {
            parts: parts.iter(),
            part: Part { series: 0, points: &[] },
            buffer,
            ended: false,
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        while self.buffer.len() < CHUNK {
            let Some((point, rest)) = self.part.points.split_first() else {
                if let Some(part) = self.parts.next() {
                    self.part = *part;
                    continue;
                }
                self.buffer.put_i16(-1);
                self.ended = true;
                break;
            };
            self.part.points = rest;
            let mut row = [0; ROW];
            row[..2].copy_from_slice(&3_i16.to_be_bytes());
            row[2..6].copy_from_slice(&4_i32.to_be_bytes());
            row[6..10].copy_from_slice(&self.part.series.to_be_bytes());
            row[10..14].copy_from_slice(&8_i32.to_be_bytes());
            row[14..22].copy_from_slice(&moment(point.timestamp).to_be_bytes());
            row[22..26].copy_from_slice(&8_i32.to_be_bytes());
            row[26..].copy_from_slice(&point.value.to_be_bytes());
            self.buffer.put_slice(&row);
        }
        let chunk = self.buffer.split().freeze();
        if !self.ended {
            self.buffer.reserve(CHUNK + ROW);
        }
        Some(chunk)
    }
}

/// Copies the rows of these parts, at least one, into a partition.
pub(super) async fn copy_in(
    transaction: &Transaction<'_>,
    table: &str,
    parts: &[Part<'_>],
) -> Result<(), tokio_postgres::Error> {
    let statement = format!("COPY {table} (series_id, timestamp, value) FROM STDIN BINARY");
    let mut sink = pin!(transaction.copy_in(&statement).await?);
    for chunk in Rows::new(parts) {
        sink.feed(chunk).await?;
    }
    sink.finish().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reading::Point;

    #[test]
    fn rows_as_postgres_reads_them() {
        let points = [Point {
            timestamp: EPOCH + 1,
            value: 1.0,
        }];
        let parts = [
            Part {
                series: 1,
                points: &points,
            },
            Part {
                series: 2,
                points: &points,
            },
        ];
        let sent: Vec<u8> = Rows::new(&parts).flatten().collect();
        let row = |series: u8| {
            let mut row = vec![
                0, 3, 0, 0, 0, 4, 0, 0, 0, series, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8,
            ];
            row.extend(1.0_f64.to_be_bytes());
            row
        };
        assert_eq!(sent, [HEADER, &row(1), &row(2), &[0xff, 0xff]].concat());
    }

    #[test]
    fn chunks_stay_small() {
        let points = vec![
            Point {
                timestamp: 0,
                value: 0.0
            };
            10_000
        ];
        let parts = [Part {
            series: 1,
            points: &points,
        }];
        let chunks: Vec<Bytes> = Rows::new(&parts).collect();
        assert!(chunks.iter().all(|chunk| chunk.len() < CHUNK + ROW + 2));
        assert_eq!(
            chunks.iter().map(Bytes::len).sum::<usize>(),
            HEADER.len() + 10_000 * ROW + 2
        );
    }
}
