//! A request's body as plain bytes, of any content encoding, in constant memory.
//!
//! A body's first bytes decide how it is read. One layer of gzip or zstd that its head does not name is
//! decoded too, and plain JSON is accepted under any name.

mod error;
mod joined;
mod layer;

pub(super) use error::Error;

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use http_body::Body as _;
use http_body_util::BodyExt;
use joined::joined;
use layer::{Layer, Step};
use reading::signature::{Foreign, blanks, foreign, undecided};

/// The encoding of a body, by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// Parses all `Content-Encoding` headers; `None` for an unknown encoding, or for several.
    pub(super) fn of<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut codings = headers
            .into_iter()
            .flat_map(|header| header.split(','))
            .map(|coding| coding.trim().to_ascii_lowercase())
            .filter(|coding| !matches!(&**coding, "" | "identity"));
        let encoding = match codings.next().as_deref() {
            None => Self::Identity,
            Some("gzip" | "x-gzip") => Self::Gzip,
            Some("zstd") => Self::Zstd,
            Some(_) => return None,
        };
        codings.next().is_none().then_some(encoding)
    }
}

/// A body being read.
pub(super) struct BodyReader {
    body: Body,
    /// The head says how long the body is.
    sized: bool,
    max: Option<u64>,
    received: u64,
    /// The result received ahead of the first request for bytes.
    first: Option<Result<Option<Bytes>, Error>>,
    /// Decoders, from the outermost to the innermost; two at most.
    layers: Vec<Layer>,
    /// Set until something other than blanks was returned.
    beginning: Option<Beginning>,
}

/// State at the beginning of a body, or of a layer's output.
struct Beginning {
    /// The start of a possible signature.
    held: Bytes,
    /// The encoding in the head, until it is found.
    declared: Option<Foreign>,
    /// Whether a layer that the head does not name has been found.
    undeclared: bool,
}

impl BodyReader {
    /// Reads `body`, up to `max` encoded bytes.
    pub(super) fn new(body: Body, encoding: Encoding, max: Option<u64>) -> Self {
        Self {
            sized: body.size_hint().exact().is_some(),
            body,
            max,
            received: 0,
            first: None,
            layers: Vec::new(),
            beginning: Some(Beginning {
                held: Bytes::new(),
                declared: match encoding {
                    Encoding::Identity => None,
                    Encoding::Gzip => Some(Foreign::Gzip),
                    Encoding::Zstd => Some(Foreign::Zstd),
                },
                undeclared: false,
            }),
        }
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let chunk = match layer::pull(&mut self.layers, self.received)? {
                Step::Bytes(chunk) => Some(chunk),
                Step::End => None,
                Step::Hungry => {
                    let received = self.receive().await?;
                    match (self.layers.first_mut(), received) {
                        (None, received) => received,
                        (Some(outermost), Some(bytes)) => {
                            outermost.feed(bytes);
                            continue;
                        }
                        (Some(outermost), None) => {
                            outermost.close(self.sized);
                            continue;
                        }
                    }
                }
            };
            let Some(beginning) = self.beginning.take() else {
                return Ok(chunk);
            };
            match self.begin(beginning, chunk)? {
                Some(chunk) if chunk.is_empty() => {}
                chunk => return Ok(chunk),
            }
        }
    }

    /// Returns the whole body if it is plain and came together with its head, as small ones do. Call it
    /// first; it loses nothing where it returns `None`.
    pub(super) fn whole(&mut self) -> Option<Bytes> {
        if self.beginning.as_ref()?.declared.is_some() {
            return None;
        }
        let first = self.receive().now_or_never()?;
        match first {
            Ok(Some(chunk)) if self.body.is_end_stream() && foreign(&chunk).is_none() => Some(chunk),
            first => {
                self.first = Some(first);
                None
            }
        }
    }

    /// Takes back the result of [`BodyReader::whole`], to be read again.
    pub(super) fn put_back(&mut self, whole: Bytes) {
        self.first = Some(Ok(Some(whole)));
    }

    /// Reads and discards the rest, so that a client that is still sending gets to see its answer.
    pub(super) async fn drain(mut self) {
        while let Ok(Some(_)) = data(&mut self.body).await {}
    }

    /// The next bytes of the body, still encoded.
    async fn receive(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(first) = self.first.take() {
            return first;
        }
        let chunk = data(&mut self.body).await?;
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.max.is_some_and(|max| self.received > max) {
            return Err(Error::TooLarge);
        }
        Ok(chunk)
    }

    /// Examines the first bytes. Returns those known to be plain, perhaps none yet.
    fn begin(&mut self, beginning: Beginning, chunk: Option<Bytes>) -> Result<Option<Bytes>, Error> {
        let Beginning {
            held,
            declared,
            undeclared,
        } = beginning;
        let ended = chunk.is_none();
        let mut chunk = joined(held, chunk.unwrap_or_default());
        let start = chunk.split_off(blanks(&chunk));
        if !ended && undecided(&start) {
            self.beginning = Some(Beginning {
                held: start,
                declared,
                undeclared,
            });
            return Ok(Some(chunk));
        }
        let found = foreign(&start);
        let plain = start.is_empty() || matches!(start[0], b'{' | b'[');
        let format = match (declared, found) {
            // The body ends within a signature.
            (Some(declared), None) if undecided(&start) && !plain => Some(declared),
            (Some(declared), _) if found != Some(declared) && (found.is_some() || !plain) => {
                return Err(Error::Mislabelled);
            }
            (_, found) => found,
        };
        let Some(format) = format else {
            let all = joined(chunk, start);
            return Ok((!ended || !all.is_empty()).then_some(all));
        };
        let layer = Layer::new(format, start).filter(|_| !undeclared);
        let mut layer = layer.ok_or(Error::Foreign(format))?;
        if ended {
            layer.close(self.sized);
        }
        self.layers.push(layer);
        self.beginning = Some(Beginning {
            held: Bytes::new(),
            declared: None,
            undeclared: declared.is_none(),
        });
        Ok(Some(chunk))
    }
}

/// The next bytes of a body, without trailers.
async fn data(body: &mut Body) -> Result<Option<Bytes>, Error> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Error::Broken),
            Some(Ok(frame)) => {
                if let Ok(chunk) = frame.into_data() {
                    return Ok(Some(chunk));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
