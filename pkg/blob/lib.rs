//! Blobs: named byte strings in S3, Google Cloud Storage, Azure, a folder or memory, behind one
//! [`Store`] that a URL opens.
//!
//! ```no_run
//! # async fn run() -> Result<(), blob::Error> {
//! let store = blob::Store::open("file:///var/backups/shop")?;
//! let created = store.create("2024-05-01.r1.claim", bytes::Bytes::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Promises:
//! - A reader sees a blob whole or not at all.
//! - Concurrent [`Store::create`] and [`Store::replace`] of a blob have one winner, across processes.
//! - A reported write survives a power cut (a folder is synced, the others promise it).
//! - Every operation ends within a deadline, its retries included; one on a blob of any size has the
//!   deadline for each of its steps.
//!
//! No request to a cloud grows with the blob: clouds limit a request's length and time (S3 copies 5 GiB
//! in one), and the client ends a request after some minutes. So blobs are read in ranges, written in
//! parts, and above a limit copied by reading and writing.
//!
//! Deliberately not here: attributes, and cleaning up the unfinished uploads of a killed process in a bucket. The bucket's
//! lifecycle rule does that; in a folder, [`Store::delete_for_good`] does.

mod address;
#[cfg(test)]
mod conformance;
mod deadline;
mod error;
mod folder;
mod writer;

#[cfg(fuzzing)]
pub use address::parse;
pub use error::Error;
pub use writer::Writer;

use bytes::Bytes;
use deadline::within;
use folder::Folder;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion,
};
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

/// The largest blob that [`Store::get`] reads into memory.
pub const GET_LIMIT: u64 = 1 << 20;

/// Ranges read at once.
const RANGES: usize = 2;

/// Bytes that a request of [`Store::stream_range`] reads. Many clients may stream at once, so it is small.
const PIECE: u64 = 1 << 20;

/// A place for blobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    folder: Option<Arc<Folder>>,
    /// Bytes that a request reads at the most; `None` where a request may read any blob whole.
    range: Option<u64>,
    /// The largest blob that the store copies by itself.
    copy_limit: u64,
}

/// The state of a blob as it was read, for [`Store::replace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(Tag);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tag {
    /// The store's own version.
    Named(UpdateVersion),
    /// The content. A folder's times are inexact: two files within a tick of its clock look alike.
    /// Replaced blobs are small enough to compare.
    Content(Bytes),
}

/// A blob's name, size and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written, by the store's clock. A copy within a folder keeps the time of the
    /// original.
    pub modified: SystemTime,
    /// The store's tag of this content, where it has tags. Another content has another one.
    pub tag: Option<String>,
}

impl Store {
    /// Reads a small blob and its version; `None` where it is missing.
    pub async fn get(&self, name: &str) -> Result<Option<(Bytes, Version)>, Error> {
        let get = async {
            let Some(found) = self.find(name, GetOptions::default()).await? else {
                return Ok(None);
            };
            if found.meta.size > GET_LIMIT {
                return Err(Error::TooLarge {
                    name: name.to_owned(),
                    size: found.meta.size,
                });
            }
            let tag = UpdateVersion {
                e_tag: found.meta.e_tag.clone(),
                version: found.meta.version.clone(),
            };
            let bytes = found
                .bytes()
                .await
                .map_err(|error| error::explain("read", name, error))?;
            let tag = if self.folder.is_some() {
                Tag::Content(bytes.clone())
            } else {
                Tag::Named(tag)
            };
            Ok(Some((bytes, Version(tag))))
        };
        within("read", name, get).await
    }

    /// Streams a blob of any size in pieces of a few KiB to a few MiB. Fails if the blob is replaced
    /// meanwhile.
    pub async fn stream(&self, name: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let Some(range) = self.range else {
            return self.stream_whole(name).await;
        };
        let missing = || Error::Missing { name: name.to_owned() };
        let meta = self.head(name).await?.ok_or_else(missing)?;
        Ok(self.pieces(&meta, (0, meta.size), range))
    }

    /// Streams a range of a blob in pieces of at most a MiB. Fails if the blob was replaced since [`Store::head`]
    /// described it.
    pub fn stream_range(&self, meta: &Meta, range: Range<u64>) -> BoxStream<'static, Result<Bytes, Error>> {
        self.pieces(meta, (range.start, range.end.min(meta.size)), PIECE)
    }

    /// Reads from a place to another one in requests of `piece` bytes.
    fn pieces(&self, meta: &Meta, (from, to): (u64, u64), piece: u64) -> BoxStream<'static, Result<Bytes, Error>> {
        let (store, name, tag) = (self.clone(), meta.name.clone(), meta.tag.clone());
        let count = to.saturating_sub(from).div_ceil(piece);
        let ranges = (0..count).map(move |at| {
            let start = from + at * piece;
            let options = GetOptions {
                range: Some(GetRange::Bounded(start..to.min(start + piece))),
                if_match: tag.clone(),
                ..GetOptions::default()
            };
            let (store, name) = (store.clone(), name.clone());
            async move {
                let read = async {
                    let found = store.find(&name, options).await?;
                    let found = found.ok_or_else(|| Error::Missing { name: name.clone() })?;
                    found
                        .bytes()
                        .await
                        .map_err(|error| error::explain("read", &name, error))
                };
                within("read", &name, read).await
            }
        });
        futures_util::stream::iter(ranges).buffered(RANGES).boxed()
    }

    async fn stream_whole(&self, name: &str) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let found = within("read", name, self.find(name, GetOptions::default())).await?;
        let found = found.ok_or_else(|| Error::Missing { name: name.to_owned() })?;
        let state = Some((found.into_stream(), name.to_owned()));
        let pieces = futures_util::stream::unfold(state, |state| async move {
            let (mut pieces, name) = state?;
            let next = async {
                pieces
                    .next()
                    .await
                    .transpose()
                    .map_err(|error| error::explain("read", &name, error))
            };
            match within("read", &name, next).await.transpose()? {
                Ok(piece) => Some((Ok(piece), Some((pieces, name)))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(pieces.boxed())
    }

    /// Looks a blob up without reading it; `None` where it is missing.
    pub async fn head(&self, name: &str) -> Result<Option<Meta>, Error> {
        let found = within("look up", name, self.find(name, head())).await?;
        Ok(found.map(|found| Meta::from(found.meta)))
    }

    /// Starts writing a blob of any size, in constant memory. Readers see it from [`Writer::finish`] on,
    /// which replaces a blob of that name.
    pub async fn writer(&self, name: &str) -> Result<Writer, Error> {
        let path = path(name)?;
        let start = async {
            self.inner
                .put_multipart(&path)
                .await
                .map_err(|error| error::explain("write", name, error))
        };
        Ok(Writer::new(name, within("write", name, start).await?))
    }

    /// Writes a small blob if there is none of this name. Returns whether it did.
    ///
    /// After a lost answer and a repeated request, it may return `false` although it wrote the blob.
    pub async fn create(&self, name: &str, bytes: Bytes) -> Result<bool, Error> {
        self.put(name, bytes, PutMode::Create).await
    }

    /// Writes a small blob if its state is the expected one (`None`: no such blob). Returns whether it
    /// did, with the same caveat as [`Store::create`].
    pub async fn replace(&self, name: &str, bytes: Bytes, expected: Option<&Version>) -> Result<bool, Error> {
        match expected {
            None => self.put(name, bytes, PutMode::Create).await,
            Some(Version(Tag::Named(version))) => self.put(name, bytes, PutMode::Update(version.clone())).await,
            Some(Version(Tag::Content(content))) => {
                let Some(folder) = &self.folder else { return Ok(false) };
                let guarded = async {
                    let _lock = folder.lock(name).await?;
                    match self.get(name).await? {
                        Some((now, _)) if now == content => self.put(name, bytes, PutMode::Overwrite).await,
                        _ => Ok(false),
                    }
                };
                within("replace", name, guarded).await
            }
        }
    }

    /// Copies a blob within the store. Readers of `to` see the old blob or the new one. Above a limit, the
    /// copy goes through this process, in constant memory.
    pub async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        let (source, target) = (path(from)?, path(to)?);
        if self.copy_limit < u64::MAX {
            let found = self.head(from).await?;
            let size = found.ok_or_else(|| Error::Missing { name: from.to_owned() })?.size;
            if size > self.copy_limit {
                return self.copy_in_parts(from, to).await;
            }
        }
        let copy = async {
            self.inner
                .copy(&source, &target)
                .await
                .map_err(|error| error::explain("copy", from, error))
        };
        within("copy", from, copy).await
    }

    async fn copy_in_parts(&self, from: &str, to: &str) -> Result<(), Error> {
        let mut pieces = self.stream(from).await?;
        let mut writer = self.writer(to).await?;
        let copied = async {
            while let Some(piece) = pieces.next().await {
                writer.write(piece?).await?;
            }
            Ok(())
        };
        match copied.await {
            Ok(()) => writer.finish().await,
            Err(error) => {
                // If this fails, the bucket's lifecycle rule deletes the parts.
                let _ = writer.abort().await;
                Err(error)
            }
        }
    }

    /// Deletes a blob. A missing blob is no error.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let path = path(name)?;
        let delete = async {
            match self.inner.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(error::explain("delete", name, error)),
            }
        };
        within("delete", name, delete).await
    }

    /// Deletes a blob that no process needs any more, and in a folder its unfinished uploads: those of killed processes,
    /// and of those that still write, which then fail. A missing blob is no error.
    pub async fn delete_for_good(&self, name: &str) -> Result<(), Error> {
        self.delete(name).await?;
        match &self.folder {
            Some(folder) => within("delete", name, folder.delete_unfinished(name)).await,
            None => Ok(()),
        }
    }

    /// Lists the blobs whose names start with `prefix`, in no promised order.
    pub fn list(&self, prefix: &str) -> impl Stream<Item = Result<Meta, Error>> + Send + use<> {
        let (all, prefix) = (self.inner.list(None), prefix.to_owned());
        let listed = futures_util::stream::unfold(Some(all), |all| async move {
            let mut all: BoxStream<'static, _> = all?;
            let next = async {
                all.next()
                    .await
                    .transpose()
                    .map_err(|error| error::explain("list", "", error))
            };
            match within("list", "", next).await.transpose()? {
                Ok(meta) => Some((Ok(Meta::from(meta)), Some(all))),
                Err(error) => Some((Err(error), None)),
            }
        });
        listed.filter(move |meta| {
            let wanted = meta
                .as_ref()
                .map_or(true, |meta| meta.name.starts_with(&prefix) && !hidden(&meta.name));
            futures_util::future::ready(wanted)
        })
    }

    async fn find(&self, name: &str, options: GetOptions) -> Result<Option<GetResult>, Error> {
        match self.inner.get_opts(&path(name)?, options).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error::explain("read", name, error)),
        }
    }

    async fn put(&self, name: &str, bytes: Bytes, mode: PutMode) -> Result<bool, Error> {
        use object_store::Error::{AlreadyExists, Precondition};
        let path = path(name)?;
        let put = async {
            match self.inner.put_opts(&path, bytes.into(), PutOptions::from(mode)).await {
                Ok(_) => Ok(true),
                Err(AlreadyExists { .. } | Precondition { .. }) => Ok(false),
                Err(error) => Err(error::explain("write", name, error)),
            }
        };
        within("write", name, put).await
    }
}

impl From<ObjectMeta> for Meta {
    fn from(meta: ObjectMeta) -> Self {
        Self {
            name: meta.location.into(),
            size: meta.size,
            modified: meta.last_modified.into(),
            tag: meta.e_tag,
        }
    }
}

/// Options of a request without the blob's content.
fn head() -> GetOptions {
    GetOptions {
        head: true,
        ..GetOptions::default()
    }
}

fn path(name: &str) -> Result<Path, Error> {
    match Path::parse(name) {
        Ok(path) if path.as_ref() == name && !name.is_empty() && !hidden(name) => Ok(path),
        _ => Err(Error::Name { name: name.to_owned() }),
    }
}

/// Whether a name is of a file that this crate keeps for itself in a folder.
fn hidden(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|last| last.starts_with('.'))
}
