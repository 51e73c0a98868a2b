//! Reads a file of lines back: decompressed and verified against what its manifest says, in constant memory.
//!
//! A separate thread hashes, decompresses and decodes; decoded lines wait in a short queue.

use blob::Store;
use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, BufReader, Read};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Lines sent at once.
const BATCH: usize = 1000;

/// About how many bytes the lines have that are sent at once.
const BATCH_BYTES: usize = 1 << 20;

/// Batches, and pieces of the file, that wait between two stages.
const QUEUE: usize = 2;

/// Why a dump cannot be read. What was returned before must not be relied upon.
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
    /// The file has the right bytes, but not as many lines as its manifest says.
    #[error("{file} holds {found} {of}, and its manifest says {expected}")]
    Count {
        /// The file's name.
        file: String,
        /// What a line holds, in the plural.
        of: &'static str,
        /// Lines by the manifest.
        expected: u64,
        /// Lines of the file.
        found: u64,
    },
    /// The decoding thread has died.
    #[error("the thread that reads {file} died")]
    Thread {
        /// The file's name.
        file: String,
    },
}

/// What a manifest says of its file.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// The file's name.
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// How many lines it has.
    pub(super) count: u64,
    /// What a line holds, in the plural.
    pub(super) of: &'static str,
    /// The longest line that is read.
    pub(super) longest: u64,
}

/// The bytes of a file from the store.
type ByteStream = BoxStream<'static, Result<Bytes, blob::Error>>;

/// The decoded lines of a file, in its order.
pub(super) struct Unpacked<T> {
    file: String,
    /// None once the whole file was sent.
    source: Option<(ByteStream, mpsc::Sender<Bytes>)>,
    batches: mpsc::Receiver<Vec<T>>,
    /// None once its result was returned.
    pub(super) decoding: Option<JoinHandle<Result<(), ReadError>>>,
}

impl<T: Send + 'static> Unpacked<T> {
    /// Opens a file. `decode` gets its lines without their ends, and says why one is wrong.
    ///
    /// # Errors
    /// [`ReadError::Missing`] and [`ReadError::Store`].
    pub(super) async fn open(
        store: &Store,
        expected: Expected,
        decode: impl FnMut(&[u8]) -> Result<T, String> + Send + 'static,
    ) -> Result<Self, ReadError> {
        let file = expected.file.clone();
        let stream = match store.stream(&file).await {
            Ok(stream) => stream.boxed(),
            Err(blob::Error::Missing { .. }) => return Err(ReadError::Missing { file }),
            Err(error) => return Err(ReadError::Store(error)),
        };
        let (pieces, to_decode) = mpsc::channel(QUEUE);
        let (decoded, batches) = mpsc::channel(QUEUE);
        let decoding = tokio::task::spawn_blocking(move || decode_all(&expected, to_decode, decode, &decoded));
        Ok(Self {
            file,
            source: Some((stream, pieces)),
            batches,
            decoding: Some(decoding),
        })
    }

    /// Returns the next lines, at least one. None at the end, once the whole file was verified against its
    /// manifest.
    ///
    /// # Errors
    /// See [`ReadError`]. After an error or the end, it returns nothing more.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<T>>, ReadError> {
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

    async fn verdict(&mut self) -> Result<Option<Vec<T>>, ReadError> {
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
fn decode_all<T>(
    expected: &Expected,
    pieces: mpsc::Receiver<Bytes>,
    decode: impl FnMut(&[u8]) -> Result<T, String>,
    to: &mpsc::Sender<Vec<T>>,
) -> Result<(), ReadError> {
    let file = || expected.file.clone();
    let mut inlet = Inlet {
        pieces,
        piece: Bytes::new(),
        bytes: 0,
        most: expected.bytes,
        hash: Sha256::new(),
    };
    let decoded = lines(expected, &mut inlet, decode, to);
    // A damaged file is reported as damaged, not by the lines that the damage spoiled.
    inlet.drain();
    let found = inlet.hash.finalize();
    let found = format!("{found:x}");
    if inlet.bytes != expected.bytes {
        return Err(ReadError::Bytes {
            file: file(),
            expected: expected.bytes,
            found: inlet.bytes,
        });
    }
    if found != expected.sha256 {
        return Err(ReadError::Sha256 {
            file: file(),
            expected: expected.sha256.clone(),
            found,
        });
    }
    let found = decoded?;
    if found != expected.count {
        return Err(ReadError::Count {
            file: file(),
            of: expected.of,
            expected: expected.count,
            found,
        });
    }
    Ok(())
}

/// Decodes line by line, and returns the number of lines.
fn lines<T>(
    expected: &Expected,
    inlet: &mut Inlet,
    mut decode: impl FnMut(&[u8]) -> Result<T, String>,
    to: &mpsc::Sender<Vec<T>>,
) -> Result<u64, ReadError> {
    let mut text = BufReader::with_capacity(64 << 10, MultiGzDecoder::new(inlet));
    let mut line = Vec::new();
    let mut number = 0;
    let mut batch = Vec::with_capacity(BATCH);
    let mut bytes = 0;
    loop {
        line.clear();
        let read = (&mut text).take(expected.longest).read_until(b'\n', &mut line);
        let read = read.map_err(|source| ReadError::Gzip {
            file: expected.file.clone(),
            source,
        })?;
        if read == 0 {
            break;
        }
        number += 1;
        let wrong = |reason: String| ReadError::Line {
            file: expected.file.clone(),
            line: number,
            reason,
        };
        if number > expected.count {
            return Err(wrong(format!("more {} than the manifest says", expected.of)));
        }
        let Some(content) = line.strip_suffix(b"\n") else {
            return Err(wrong("has no end".to_owned()));
        };
        batch.push(decode(content).map_err(wrong)?);
        bytes += read;
        if batch.len() == BATCH || bytes >= BATCH_BYTES {
            bytes = 0;
            if !hand_on(&mut batch, to) {
                return Ok(number);
            }
        }
    }
    hand_on(&mut batch, to);
    Ok(number)
}

/// Sends a batch, and returns whether the receiver is open.
fn hand_on<T>(batch: &mut Vec<T>, to: &mpsc::Sender<Vec<T>>) -> bool {
    if batch.is_empty() {
        return true;
    }
    let full = std::mem::replace(batch, Vec::with_capacity(BATCH));
    to.blocking_send(full).is_ok()
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
