//! One layer of compression: decodes chunks of bytes in constant memory.

use super::error::Error;
use super::joined::joined;
use async_compression::codecs::DecodeV2;
use async_compression::codecs::gzip::GzipDecoder;
use async_compression::codecs::zstd::ZstdDecoder;
use async_compression::core::util::{PartialBuffer, WriteBuffer};
use async_compression::zstd::DParameter;
use bytes::{Buf, Bytes};
use reading::signature::{Foreign, blanks, foreign, undecided};
use std::io;

/// Decoded bytes returned at once.
const CHUNK: usize = 64 * 1024;

/// Largest window of a zstd frame, as a power of two: 8 MiB.
const ZSTD_WINDOW: u32 = 23;

/// Most growth from a body to a layer's output, past [`FREE`] bytes.
const MAX_GROWTH: u64 = 1000;
const FREE: u64 = 1 << 20;

/// The result of one pull.
pub(super) enum Step {
    /// Decoded bytes, at least one.
    Bytes(Bytes),
    /// Needs input first.
    Hungry,
    /// No more output.
    End,
}

/// A sequence of gzip members, or of zstd frames.
pub(super) struct Layer {
    format: Foreign,
    decoder: Box<dyn DecodeV2 + Send>,
    /// Input that is not decoded yet.
    input: Bytes,
    /// Set after the last input: whether the input is known to be complete.
    closed: Option<bool>,
    /// The decoder is inside a member or a frame.
    within: bool,
    /// The decoder may hold more output than the buffer had room for.
    more: bool,
    buffer: Box<[u8]>,
    given: u64,
    /// An error that follows the last output.
    failed: Option<Error>,
}

/// Pulls from the last of the layers, each of which feeds the next. `received` is the number of body bytes
/// that they were fed.
pub(super) fn pull(layers: &mut [Layer], received: u64) -> Result<Step, Error> {
    let Some((layer, outer)) = layers.split_last_mut() else {
        return Ok(Step::Hungry);
    };
    loop {
        match layer.read(received)? {
            Step::Hungry => match pull(outer, received)? {
                Step::Bytes(bytes) => layer.feed(bytes),
                // A layer that ends has verified its checksums.
                Step::End => layer.close(true),
                Step::Hungry => return Ok(Step::Hungry),
            },
            step => return Ok(step),
        }
    }
}

impl Layer {
    /// Makes a layer that begins with `input`; `None` where the format is no compression.
    pub(super) fn new(format: Foreign, input: Bytes) -> Option<Self> {
        let decoder: Box<dyn DecodeV2 + Send> = match format {
            Foreign::Gzip => Box::new(GzipDecoder::new()),
            Foreign::Zstd => Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(ZSTD_WINDOW)])),
            Foreign::Utf16 | Foreign::Compressed | Foreign::Coded | Foreign::Binary => return None,
        };
        Some(Self {
            format,
            decoder,
            input,
            closed: None,
            within: false,
            more: false,
            buffer: vec![0; CHUNK].into(),
            given: 0,
            failed: None,
        })
    }

    /// Appends input.
    pub(super) fn feed(&mut self, bytes: Bytes) {
        self.input = joined(std::mem::take(&mut self.input), bytes);
    }

    /// Ends the input. `whole` says whether the input is known to be complete.
    pub(super) fn close(&mut self, whole: bool) {
        self.closed = Some(whole);
    }

    fn read(&mut self, received: u64) -> Result<Step, Error> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut filled = 0;
        while filled < self.buffer.len() {
            let stop = if self.within {
                self.decode(&mut filled)
            } else {
                self.seek()
            };
            match stop {
                None => {}
                Some(stop) if filled == 0 => return stop,
                Some(stop) => {
                    self.failed = stop.err();
                    break;
                }
            }
        }
        self.given += filled as u64;
        if self.given > FREE && self.given > received.saturating_mul(MAX_GROWTH) {
            return Err(Error::Bomb);
        }
        Ok(Step::Bytes(Bytes::copy_from_slice(&self.buffer[..filled])))
    }

    /// Skips blanks up to the next member; `None` where one begins. Tapes and power cuts leave zeros behind a
    /// member.
    fn seek(&mut self) -> Option<Result<Step, Error>> {
        self.input.advance(blanks(&self.input));
        if foreign(&self.input) == Some(self.format) {
            self.within = true;
            return None;
        }
        Some(if !undecided(&self.input) {
            Err(Error::Mixed)
        } else if self.input.is_empty() && self.closed.is_some() {
            Ok(Step::End)
        } else {
            self.starve()
        })
    }

    /// Decodes into the buffer behind its filled part; `None` where more output may follow.
    fn decode(&mut self, filled: &mut usize) -> Option<Result<Step, Error>> {
        let starved = self.input.is_empty();
        if starved && !self.more {
            return Some(self.starve());
        }
        let mut input = PartialBuffer::new(&self.input[..]);
        let mut output = WriteBuffer::new_initialized(&mut self.buffer[*filled..]);
        let decoded = self.decoder.decode(&mut input, &mut output);
        let (read, written) = (input.written_len(), output.written_len());
        self.more = output.has_no_spare_space();
        self.input.advance(read);
        *filled += written;
        match decoded {
            Ok(true) => {
                (self.within, self.more) = (false, false);
                self.decoder.reinit().err().map(|error| Err(judge(&error)))
            }
            Ok(false) if read == 0 && written == 0 && !starved => Some(Err(Error::Undecodable)),
            Ok(false) => None,
            // An empty output is no error: the decoder held no more than there was room for.
            Err(_) if starved && self.format == Foreign::Gzip => None,
            Err(error) => Some(Err(judge(&error))),
        }
    }

    /// The result when the data goes on and the input does not.
    fn starve(&self) -> Result<Step, Error> {
        match self.closed {
            None => Ok(Step::Hungry),
            Some(true) => Err(Error::Damaged),
            Some(false) => Err(Error::Undecodable),
        }
    }
}

fn judge(error: &io::Error) -> Error {
    if error.to_string().contains("too much memory") {
        // zstd's own words for a window above the limit; a test pins them.
        Error::Window
    } else {
        Error::Undecodable
    }
}
