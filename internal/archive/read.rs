//! Reads a dump back: the revision in the manifest, line by line, in constant memory.
//!
//! Reading to the end verifies the file against its manifest: its length, its SHA-256 and the number of its
//! readings. Every line is judged as the ingestor judges one. It must be of the day and in the dump's order,
//! so that dumps can be merged.
//!
//! A separate thread hashes, decompresses and decodes; decoded readings wait in a short queue.

use super::{Day, Manifest, manifest};
use blob::{Store, Version};
use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use reading::Bounds;
use reading::decode::decode;
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Readings sent at once.
const BATCH: usize = 1000;

/// Batches, and pieces of the file, that wait between two stages.
const QUEUE: usize = 2;

/// The longest line that is read. Those of a dump have at most 300 bytes.
const LINE: u64 = 4096;

/// A reading of a dump.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// A valid name, shared by consecutive readings of a series.
    pub device: Arc<str>,
    /// A valid name, shared likewise.
    pub sensor: Arc<str>,
    /// Microseconds since 1970-01-01 UTC, within the dump's day.
    pub timestamp: i64,
    /// Finite.
    pub value: f64,
}

/// Why a dump cannot be read. Readings returned before must not be relied upon.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The manifest is malformed, or of a shape that this program does not know.
    #[error(
        "{file} is not a dump's manifest that this program can read ({reason}); where it is damaged, bring it back from a copy, or, where the database has the whole day, move it away and dump the day again; where it is newer, use a newer program"
    )]
    Manifest {
        /// The manifest's name.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file in the manifest does not exist.
    #[error(
        "{file} is not there, although its manifest names it; bring it back from a copy, or, where the database has the whole day, dump the day again"
    )]
    Missing {
        /// The file's name.
        file: String,
    },
    /// The store failed; a retry may help.
    #[error(transparent)]
    Store(blob::Error),
    /// The file has another length than its manifest says.
    #[error("{file} has {found} bytes, and its manifest says {expected}; it is damaged")]
    Bytes {
        /// The file's name.
        file: String,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The file's bytes are not those that were written.
    #[error("{file} has the SHA-256 {found}, and its manifest says {expected}; it is damaged")]
    Sha256 {
        /// The file's name.
        file: String,
        /// By the manifest, in lower-case hexadecimal digits.
        expected: String,
        /// Of the file.
        found: String,
    },
    /// The file has the right bytes, but is no gzip.
    #[error("{file} cannot be decompressed")]
    Gzip {
        /// The file's name.
        file: String,
        /// The decompressor's error.
        source: io::Error,
    },
    /// The file has the right bytes, but holds a line that is not a dump's.
    #[error("{file}, line {line}: {reason}")]
    Line {
        /// The file's name.
        file: String,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The file has the right bytes, but not as many readings as its manifest says.
    #[error("{file} holds {found} readings, and its manifest says {expected}")]
    Readings {
        /// The file's name.
        file: String,
        /// Readings by the manifest.
        expected: u64,
        /// Readings of the file.
        found: u64,
    },
    /// The decoding thread has died.
    #[error("the thread that reads {file} died")]
    Thread {
        /// The file's name.
        file: String,
    },
}

/// Reads the manifest in force for a day; none if the day was never dumped.
///
/// # Errors
/// [`ReadError::Store`] and [`ReadError::Manifest`].
pub async fn in_force(store: &Store, day: Day) -> Result<Option<Manifest>, ReadError> {
    Ok(manifest_and_version(store, day).await?.map(|(manifest, _)| manifest))
}

/// Reads the manifest in force, and its version in the store.
pub(super) async fn manifest_and_version(store: &Store, day: Day) -> Result<Option<(Manifest, Version)>, ReadError> {
    let file = manifest::name(day);
    let Some((bytes, version)) = store.get(&file).await.map_err(ReadError::Store)? else {
        return Ok(None);
    };
    match serde_json::from_slice::<Manifest>(&bytes) {
        Ok(manifest) if manifest.date != day => Err(ReadError::Manifest {
            file,
            reason: format!("it is of {}", manifest.date),
        }),
        Ok(manifest) => Ok(Some((manifest, version))),
        Err(error) => Err(ReadError::Manifest {
            file,
            reason: error.to_string(),
        }),
    }
}

/// Reads the revision in a manifest to its end, and compares it with the manifest.
///
/// # Errors
/// See [`ReadError`].
pub async fn verify(store: &Store, manifest: &Manifest) -> Result<(), ReadError> {
    let mut reader = Reader::open(store, manifest).await?;
    while reader.next().await?.is_some() {}
    Ok(())
}

/// The bytes of a file from the store.
type ByteStream = BoxStream<'static, Result<Bytes, blob::Error>>;

/// The readings of a dump, in its order: bytewise by device, sensor and time.
pub struct Reader {
    file: String,
    /// None once the whole file was sent.
    source: Option<(ByteStream, mpsc::Sender<Bytes>)>,
    batches: mpsc::Receiver<Vec<Reading>>,
    /// None once its result was returned.
    decoding: Option<JoinHandle<Result<(), ReadError>>>,
}

impl Reader {
    /// Opens the revision in this manifest.
    ///
    /// # Errors
    /// [`ReadError::Manifest`], [`ReadError::Missing`] and [`ReadError::Store`].
    pub async fn open(store: &Store, manifest: &Manifest) -> Result<Self, ReadError> {
        let known = (Manifest::FORMAT, Manifest::SCHEMA_VERSION);
        if (&*manifest.format, manifest.schema_version) != known {
            return Err(ReadError::Manifest {
                file: manifest::name(manifest.date),
                reason: format!("format {}, schema version {}", manifest.format, manifest.schema_version),
            });
        }
        let file = manifest.file.clone();
        let stream = match store.stream(&file).await {
            Ok(stream) => stream.boxed(),
            Err(blob::Error::Missing { .. }) => return Err(ReadError::Missing { file }),
            Err(error) => return Err(ReadError::Store(error)),
        };
        let (pieces, to_decode) = mpsc::channel(QUEUE);
        let (decoded, batches) = mpsc::channel(QUEUE);
        let manifest = manifest.clone();
        let decoding = tokio::task::spawn_blocking(move || decode_all(&manifest, to_decode, &decoded));
        Ok(Self {
            file,
            source: Some((stream, pieces)),
            batches,
            decoding: Some(decoding),
        })
    }

    /// Returns the next readings, at least one. None at the end, once the whole file was verified against its
    /// manifest.
    ///
    /// # Errors
    /// See [`ReadError`]. After an error or the end, it returns nothing more.
    pub async fn next(&mut self) -> Result<Option<Vec<Reading>>, ReadError> {
        loop {
            let Some((stream, pieces)) = &mut self.source else {
                return match self.batches.recv().await {
                    Some(batch) => Ok(Some(batch)),
                    None => self.verdict().await,
                };
            };
            tokio::select! {
                biased;
                batch = self.batches.recv() => match batch {
                    Some(batch) => return Ok(Some(batch)),
                    None => {
                        self.source = None;
                        return self.verdict().await;
                    }
                },
                // A closed channel means that the thread has ended; its result says why.
                piece = feed(stream, pieces) => match piece {
                    Ok(true) => {}
                    Ok(false) => self.source = None,
                    Err(error) => {
                        self.source = None;
                        self.decoding = None;
                        self.batches.close();
                        return Err(ReadError::Store(error));
                    }
                },
            }
        }
    }

    async fn verdict(&mut self) -> Result<Option<Vec<Reading>>, ReadError> {
        let Some(decoding) = self.decoding.take() else {
            return Ok(None);
        };
        let died = |_| ReadError::Thread {
            file: self.file.clone(),
        };
        decoding.await.map_err(died)?.map(|()| None)
    }
}

/// Sends the next piece of the file, and returns whether more may follow. It takes a place in the queue
/// first, so that cancelling it loses nothing.
async fn feed(stream: &mut ByteStream, pieces: &mpsc::Sender<Bytes>) -> Result<bool, blob::Error> {
    let Ok(place) = pieces.reserve().await else {
        return Ok(false);
    };
    match stream.next().await.transpose()? {
        Some(piece) => place.send(piece),
        None => return Ok(false),
    }
    Ok(true)
}

/// Decodes and verifies the whole file.
fn decode_all(
    manifest: &Manifest,
    pieces: mpsc::Receiver<Bytes>,
    to: &mpsc::Sender<Vec<Reading>>,
) -> Result<(), ReadError> {
    let file = || manifest.file.clone();
    let mut inlet = Inlet {
        pieces,
        piece: Bytes::new(),
        bytes: 0,
        most: manifest.bytes,
        hash: Sha256::new(),
    };
    let decoded = lines(manifest, &mut inlet, to);
    // A damaged file is reported as damaged, not by the lines that the damage spoiled.
    inlet.drain();
    let found = inlet.hash.finalize();
    let found = format!("{found:x}");
    if inlet.bytes != manifest.bytes {
        return Err(ReadError::Bytes {
            file: file(),
            expected: manifest.bytes,
            found: inlet.bytes,
        });
    }
    if found != manifest.sha256 {
        return Err(ReadError::Sha256 {
            file: file(),
            expected: manifest.sha256.clone(),
            found,
        });
    }
    let found = decoded?;
    if found != manifest.readings {
        return Err(ReadError::Readings {
            file: file(),
            expected: manifest.readings,
            found,
        });
    }
    Ok(())
}

/// Decodes line by line, and returns the number of readings.
fn lines(manifest: &Manifest, inlet: &mut Inlet, to: &mpsc::Sender<Vec<Reading>>) -> Result<u64, ReadError> {
    let day = manifest.date;
    let bounds = Bounds {
        oldest: day.start(),
        newest: day.start() + Day::MICROSECONDS - 1,
    };
    let mut text = BufReader::with_capacity(64 << 10, MultiGzDecoder::new(inlet));
    let mut line = Vec::new();
    let mut number = 0;
    let mut batch = Vec::with_capacity(BATCH);
    let mut last: Option<Reading> = None;
    loop {
        line.clear();
        let read = (&mut text).take(LINE).read_until(b'\n', &mut line);
        let read = read.map_err(|source| ReadError::Gzip {
            file: manifest.file.clone(),
            source,
        })?;
        if read == 0 {
            break;
        }
        number += 1;
        let wrong = |reason: &str| ReadError::Line {
            file: manifest.file.clone(),
            line: number,
            reason: reason.to_owned(),
        };
        if number > manifest.readings {
            return Err(wrong("more readings than the manifest says"));
        }
        let Some(content) = line.strip_suffix(b"\n") else {
            return Err(wrong("has no end"));
        };
        let found = decode(content, bounds).map_err(|reason| wrong(&reason))?;
        let device = found.device.ok_or_else(|| wrong("device: missing"))?;
        let (device, sensor) = match &last {
            Some(last) if *last.device == *device && *last.sensor == *found.sensor => {
                (last.device.clone(), last.sensor.clone())
            }
            _ => (Arc::from(device), Arc::from(found.sensor)),
        };
        let reading = Reading {
            device,
            sensor,
            timestamp: found.timestamp,
            value: found.value,
        };
        if last.is_some_and(|last| last.identity() >= reading.identity()) {
            return Err(wrong("does not come after the line before it"));
        }
        last = Some(reading.clone());
        batch.push(reading);
        if batch.len() == BATCH && !hand_on(&mut batch, to) {
            return Ok(number);
        }
    }
    hand_on(&mut batch, to);
    Ok(number)
}

/// Sends a batch, and returns whether the receiver is open.
fn hand_on(batch: &mut Vec<Reading>, to: &mpsc::Sender<Vec<Reading>>) -> bool {
    if batch.is_empty() {
        return true;
    }
    let full = std::mem::replace(batch, Vec::with_capacity(BATCH));
    to.blocking_send(full).is_ok()
}

impl Reading {
    /// The order of dumps, and the identity of a reading.
    pub fn identity(&self) -> (&str, &str, i64) {
        (&self.device, &self.sensor, self.timestamp)
    }
}

/// The compressed file, counted and hashed as it is read.
struct Inlet {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
    bytes: u64,
    /// Most bytes to read, about: more cannot change the verdict.
    most: u64,
    hash: Sha256,
}

impl Inlet {
    fn drain(&mut self) {
        loop {
            match self.fill_buf() {
                Ok(rest) if !rest.is_empty() => {
                    let length = rest.len();
                    self.consume(length);
                }
                _ => return,
            }
        }
    }
}

impl Read for Inlet {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.len().min(to.len());
        to[..length].copy_from_slice(&self.piece[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Inlet {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() && self.bytes <= self.most {
            let Some(piece) = self.pieces.blocking_recv() else {
                break;
            };
            self.bytes += piece.len() as u64;
            self.hash.update(&piece);
            self.piece = piece;
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, length: usize) {
        self.piece.advance(length);
    }
}

#[cfg(test)]
mod tests;
