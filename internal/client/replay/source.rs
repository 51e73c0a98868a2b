//! Opens an input, reads it ahead on a thread of its own, and decompresses gzip.
//!
//! A plain thread rather than the runtime's pool: reading standard input may block without end, and an ending
//! program must not wait for it.

use std::cell::Cell;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::thread;

use flate2::bufread::GzDecoder;
use tokio::sync::mpsc;

use super::lines::{Lines, Output};

/// Bytes read at once.
const BLOCK: usize = 64 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An input of readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file; a named pipe is a live stream, like standard input.
    File(PathBuf),
    /// Standard input, a live stream: its bytes are sent without waiting for more.
    Stdin,
}

impl Input {
    /// The file of its rejected lines: beside it, or in the current folder.
    #[must_use]
    pub fn rejects(&self) -> PathBuf {
        match self {
            Self::File(path) => {
                let mut name = OsString::from(path);
                name.push(".rejected.ndjson");
                name.into()
            }
            Self::Stdin => "stdin.rejected.ndjson".into(),
        }
    }

    /// Its length in bytes, still compressed; `None` for a stream of unknown length.
    pub(super) fn length(&self) -> io::Result<Option<u64>> {
        let Self::File(path) = self else {
            return Ok(None);
        };
        let about = fs::metadata(path)?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !about.is_file() {
            return Ok(None);
        }
        // Finds an unreadable file before anything is sent. Not so with a pipe: its writer would see it
        // opened and closed.
        File::open(path)?;
        Ok(Some(about.len()))
    }
}

impl fmt::Display for Input {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Stdin => formatter.write_str("standard input"),
        }
    }
}

impl From<PathBuf> for Input {
    /// `-` is standard input.
    fn from(path: PathBuf) -> Self {
        if path == Path::new("-") {
            Self::Stdin
        } else {
            Self::File(path)
        }
    }
}

/// An input being read.
pub(super) struct InputReader {
    blocks: mpsc::Receiver<Block>,
    lines: Lines,
    live: bool,
    read: u64,
    ended: Option<End>,
    /// The error that ended the input, until it is returned.
    error: Option<io::Error>,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Whole,
    Broken,
}

enum Block {
    /// Decompressed bytes, and how many of the input's own bytes were read for them.
    Bytes(Vec<u8>, u64),
    End,
    Broken(io::Error),
}

impl InputReader {
    /// Starts to read ahead, by at most one chunk.
    pub(super) fn open(input: &Input, chunk_bytes: usize) -> io::Result<Self> {
        let live = input.length()?.is_none();
        let (sender, blocks) = mpsc::channel((chunk_bytes / BLOCK).max(1));
        let input = input.clone();
        thread::Builder::new().name("replay-input".to_owned()).spawn(move || {
            let last = match read_all(&input, &sender) {
                Ok(()) => Block::End,
                Err(error) => Block::Broken(error),
            };
            // If the replay has ended first, the receiver is closed.
            let _gone = sender.blocking_send(last);
        })?;
        Ok(Self {
            blocks,
            lines: Lines::new(chunk_bytes),
            live,
            read: 0,
            ended: None,
            error: None,
        })
    }

    /// Returns the next piece, `None` at the end. An input that breaks off returns its whole lines first,
    /// then the error, then nothing more.
    pub(super) async fn next(&mut self) -> io::Result<Option<Output>> {
        while self.ended.is_none() {
            let due = self.lines.full() || (self.live && self.blocks.is_empty());
            if due && let Some(piece) = self.lines.take() {
                return self.hand_out(piece);
            }
            match self.blocks.recv().await {
                Some(Block::Bytes(bytes, read)) => {
                    self.lines.push(&bytes);
                    self.read = read;
                }
                Some(Block::End) => self.ended = Some(End::Whole),
                Some(Block::Broken(error)) => self.break_off(error),
                None => self.break_off(io::Error::other("the reading thread has died")),
            }
        }
        if let Some(piece) = self.lines.finish(self.ended == Some(End::Whole)) {
            return self.hand_out(piece);
        }
        self.error.take().map_or(Ok(None), Err)
    }

    fn hand_out(&mut self, piece: Output) -> io::Result<Option<Output>> {
        let Output::Syntax(line) = piece else {
            return Ok(Some(piece));
        };
        self.ended = Some(End::Broken);
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "it is a JSON document with a syntax error in the value that begins on line {line}; the readings before it were sent"
            ),
        ))
    }

    fn break_off(&mut self, error: io::Error) {
        self.ended = Some(End::Broken);
        self.error = Some(error);
    }

    /// How many bytes of the input itself were returned, for a progress bar.
    pub(super) fn read(&self) -> u64 {
        self.read
    }
}

fn read_all(input: &Input, sender: &mpsc::Sender<Block>) -> io::Result<()> {
    match input {
        Input::File(path) => unpack(File::open(path)?, sender),
        Input::Stdin => unpack(io::stdin(), sender),
    }
}

fn unpack(input: impl Read, sender: &mpsc::Sender<Block>) -> io::Result<()> {
    let count = Cell::new(0);
    let mut input = Counting { input, count: &count };
    let mut magic = [0; 4];
    let mut known = 0;
    // Reads on only while the bytes match: a live stream may send two bytes and wait.
    while known < magic.len()
        && [&GZIP[..], &ZSTD[..]]
            .iter()
            .any(|wanted| wanted.starts_with(&magic[..known]))
    {
        match input.read(&mut magic[known..=known]) {
            Ok(0) => break,
            Ok(_) => known += 1,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let magic = &magic[..known];
    if magic == ZSTD {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is packed with zstd; unpack it on the way: zstd -dc FILE | odograph replay -",
        ));
    }
    let input = Cursor::new(magic).chain(input);
    if magic.starts_with(&GZIP) {
        members(BufReader::with_capacity(BLOCK, input), &count, sender).map_err(explain)
    } else {
        hand_on(input, &count, sender)?;
        Ok(())
    }
}

/// Decompresses one gzip member after the other. Zeros behind a member are padding.
fn members(mut input: impl BufRead, count: &Cell<u64>, sender: &mpsc::Sender<Block>) -> io::Result<()> {
    while hand_on(GzDecoder::new(&mut input), count, sender)? {
        loop {
            let ahead = match input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                ahead => ahead?,
            };
            if ahead.is_empty() {
                return Ok(());
            }
            let zeros = ahead.iter().take_while(|byte| **byte == 0).count();
            let found = zeros < ahead.len();
            input.consume(zeros);
            if found {
                break;
            }
        }
    }
    Ok(())
}

/// Sends all of `input`; false if the receiver is closed.
fn hand_on(mut input: impl Read, count: &Cell<u64>, sender: &mpsc::Sender<Block>) -> io::Result<bool> {
    let mut buffer = vec![0; BLOCK];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(read) => {
                let block = Block::Bytes(buffer[..read].to_vec(), count.get());
                if sender.blocking_send(block).is_err() {
                    return Ok(false);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Adds advice for the user to an error in gzip data.
fn explain(error: io::Error) -> io::Error {
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof => "its gzip data breaks off: was it copied whole?",
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => "its gzip data is damaged.",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{reason} The lines before that were sent"))
}

/// Counts the bytes read through it.
struct Counting<'a, R> {
    input: R,
    count: &'a Cell<u64>,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}
