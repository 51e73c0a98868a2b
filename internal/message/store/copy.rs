//! Rows of messages in the binary format of COPY.

use crate::message::Message;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;
use std::pin::pin;
use store::Timestamptz;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Statement};

/// The statement. Its rows go to the partition of their epoch.
pub(super) const COPY: &str = "COPY message (epoch, id, source, received, event) FROM STDIN (FORMAT binary)";

/// Signature, no flags, no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// About how many bytes are sent at once.
const CHUNK: usize = 64 * 1024;

/// Adds messages to an epoch, as received at this time.
///
/// # Errors
/// Those of the database, such as that one is there already.
pub(super) async fn add(
    client: &Client,
    statement: &Statement,
    epoch: i32,
    received: &Timestamptz,
    messages: &[&Message],
) -> Result<(), Error> {
    let mut sink = pin!(client.copy_in::<_, Bytes>(statement).await?);
    let mut rows = BytesMut::with_capacity(CHUNK);
    let mut when = BytesMut::with_capacity(8);
    if received.to_sql(&Type::TIMESTAMPTZ, &mut when).is_err() {
        debug_assert!(false, "a time is eight bytes");
    }
    rows.put_slice(HEADER);
    for message in messages {
        rows.put_i16(5);
        field(&mut rows, &epoch.to_be_bytes());
        field(&mut rows, message.id.as_bytes());
        field(&mut rows, message.source.as_bytes());
        field(&mut rows, &when);
        field(&mut rows, &message.event);
        if rows.len() >= CHUNK {
            sink.feed(rows.split().freeze()).await?;
        }
    }
    rows.put_i16(-1);
    sink.feed(rows.freeze()).await?;
    sink.finish().await?;
    Ok(())
}

fn field(rows: &mut BytesMut, bytes: &[u8]) {
    // A message is far shorter than 2 GiB.
    rows.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    rows.put_slice(bytes);
}
