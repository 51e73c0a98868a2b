//! Writing a blob of any size in constant memory.

use crate::deadline::within;
use crate::error::{self, Error};
use bytes::Bytes;
use object_store::{MultipartUpload, WriteMultipart};

/// Bytes of a part. S3 takes 10,000 parts: 80 GiB.
const PART: usize = 8 << 20;

/// Parts in flight before a writer waits; with the part being filled, it holds at most three in memory.
const IN_FLIGHT: usize = 2;

/// A blob that is being written. Readers see it from [`Writer::finish`] on. Dropping it leaves nothing
/// in a folder or in memory; elsewhere call [`Writer::abort`], which also frees the stored parts.
#[derive(Debug)]
pub struct Writer {
    name: String,
    upload: WriteMultipart,
    /// Bytes in the part that is being filled.
    filled: usize,
}

impl Writer {
    pub(crate) fn new(name: &str, upload: Box<dyn MultipartUpload>) -> Self {
        Self {
            name: name.to_owned(),
            upload: WriteMultipart::new_with_chunk_size(upload, PART),
            filled: 0,
        }
    }

    /// Appends bytes; waits while too many parts are in flight.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PART - self.filled));
            if self.filled + piece.len() == PART {
                // This piece completes a part and sends it off.
                let capacity = async {
                    let free = self.upload.wait_for_capacity(IN_FLIGHT).await;
                    free.map_err(|error| error::explain("write", &self.name, error))
                };
                within("write", &self.name, capacity).await?;
            }
            self.filled = (self.filled + piece.len()) % PART;
            self.upload.put(piece);
        }
        Ok(())
    }

    /// Completes the blob: from here on readers see it. After an error they may or may not.
    pub async fn finish(self) -> Result<(), Error> {
        let Self { name, upload, .. } = self;
        let finish = async {
            upload
                .finish()
                .await
                .map_err(|error| error::explain("finish", &name, error))
        };
        within("finish", &name, finish).await.map(|_| ())
    }

    /// Gives up and frees the stored parts.
    pub async fn abort(self) -> Result<(), Error> {
        let Self { name, upload, .. } = self;
        let abort = async {
            upload
                .abort()
                .await
                .map_err(|error| error::explain("abort", &name, error))
        };
        within("abort", &name, abort).await
    }
}
