//! A request's body as plain bytes, whatever its content encoding, in constant memory.

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use http_body::Body as _;
use http_body_util::BodyExt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::AsyncReadExt;
use tokio_util::io::StreamReader;

/// Plain bytes given out at once.
const CHUNK: usize = 64 * 1024;

/// The largest window that zstd frames may ask for, as a power of two: 8 MiB.
const ZSTD_WINDOW: u32 = 23;

/// A body may grow this much when it is decoded, once it is past [`FREE`] bytes.
const MAX_GROWTH: u64 = 1000;
const FREE: u64 = 1 << 20;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// By the value of `Content-Encoding`; `None` where it is not known here.
    pub(super) fn of(header: Option<&str>) -> Option<Self> {
        match header.map(|value| value.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Some(Self::Identity),
            Some("gzip" | "x-gzip") => Some(Self::Gzip),
            Some("zstd") => Some(Self::Zstd),
            Some(_) => None,
        }
    }
}

/// Why there is no more to read. What was read before stands.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the body broke off")]
    Broken,
    #[error("the body cannot be decoded")]
    Undecodable,
    #[error("the body is larger than allowed")]
    TooLarge,
    #[error("the body grows more than a thousand times when it is decoded")]
    Bomb,
    #[error("the zstd window is larger than 8 MiB")]
    Window,
}

/// A body being read.
pub(super) struct Source {
    coded: Arc<AtomicU64>,
    max: Option<u64>,
    plain: u64,
    /// What was read before anybody wanted it.
    first: Option<Result<Option<Bytes>, Error>>,
    inner: Inner,
}

enum Inner {
    Identity(Body),
    Decoder { decoder: Box<Decoder>, buffer: BytesMut },
}

/// The bytes of a body as they come.
type Coded = BoxStream<'static, io::Result<Bytes>>;

enum Decoder {
    Gzip(GzipDecoder<StreamReader<Coded, Bytes>>),
    Zstd(ZstdDecoder<StreamReader<Coded, Bytes>>),
}

impl Decoder {
    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read_buf(buffer).await,
            Self::Zstd(decoder) => decoder.read_buf(buffer).await,
        }
    }

    /// What comes of the body from now on.
    fn into_coded(self) -> Coded {
        let coded = match self {
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.into_inner(),
        };
        coded.into_inner()
    }
}

/// Marks an error of the connection on its way through a decoder.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
struct Broke;

impl Source {
    /// Reads `body`, of which no more than `max` encoded bytes are taken.
    pub(super) fn new(body: Body, encoding: Encoding, max: Option<u64>) -> Self {
        let coded = Arc::new(AtomicU64::new(0));
        let inner = match encoding {
            Encoding::Identity => Inner::Identity(body),
            Encoding::Gzip | Encoding::Zstd => {
                let count = coded.clone();
                let counted = body.into_data_stream().map(move |chunk| match chunk {
                    Ok(chunk) => {
                        count.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                        Ok(chunk)
                    }
                    Err(_) => Err(io::Error::other(Broke)),
                });
                let bytes = StreamReader::new(counted.boxed());
                let decoder = if encoding == Encoding::Gzip {
                    let mut decoder = GzipDecoder::new(bytes);
                    decoder.multiple_members(true);
                    Decoder::Gzip(decoder)
                } else {
                    let mut decoder = ZstdDecoder::with_params(bytes, &[DParameter::window_log_max(ZSTD_WINDOW)]);
                    decoder.multiple_members(true);
                    Decoder::Zstd(decoder)
                };
                Inner::Decoder {
                    decoder: Box::new(decoder),
                    buffer: BytesMut::new(),
                }
            }
        };
        Self {
            coded,
            max,
            plain: 0,
            first: None,
            inner,
        }
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(first) = self.first.take() {
            return first;
        }
        let chunk = match &mut self.inner {
            Inner::Identity(body) => {
                let chunk = data(body).await?;
                let bytes = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                self.coded.fetch_add(bytes, Ordering::Relaxed);
                chunk
            }
            Inner::Decoder { decoder, buffer } => {
                buffer.reserve(CHUNK);
                let read = decoder.read(buffer).await.map_err(|error| judge(&error))?;
                (read > 0).then(|| buffer.split().freeze())
            }
        };
        let coded = self.coded.load(Ordering::Relaxed);
        self.plain += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.max.is_some_and(|max| coded > max) {
            return Err(Error::TooLarge);
        }
        if self.plain > FREE && self.plain > coded.saturating_mul(MAX_GROWTH) {
            return Err(Error::Bomb);
        }
        Ok(chunk)
    }

    /// All of the body, where it is plain and came together with its head, as small ones do. To be
    /// asked before anything else; loses nothing where it answers `None`.
    pub(super) fn whole(&mut self) -> Option<Bytes> {
        if !matches!(self.inner, Inner::Identity(_)) {
            return None;
        }
        let first = self.next().now_or_never()?;
        let ended = matches!(&self.inner, Inner::Identity(body) if body.is_end_stream());
        match first {
            Ok(Some(chunk)) if ended => Some(chunk),
            first => {
                self.first = Some(first);
                None
            }
        }
    }

    /// Gives back what [`Source::whole`] gave, to be read again.
    pub(super) fn put_back(&mut self, whole: Bytes) {
        self.first = Some(Ok(Some(whole)));
    }

    /// Reads on without looking at what comes, so that a client that is still sending gets to see
    /// its answer.
    pub(super) async fn drain(self) {
        match self.inner {
            Inner::Identity(mut body) => while let Ok(Some(_)) = data(&mut body).await {},
            // Past the decoder: one that has failed would read no further.
            Inner::Decoder { decoder, .. } => {
                let mut coded = decoder.into_coded();
                while let Some(Ok(_)) = coded.next().await {}
            }
        }
    }
}

/// The next bytes of a body that is not encoded. Trailers are passed over.
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

fn judge(error: &io::Error) -> Error {
    if error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Broke>)
    {
        Error::Broken
    } else if error.to_string().contains("too much memory") {
        // zstd's own words for a frame whose window is above the limit; a test pins them.
        Error::Window
    } else {
        Error::Undecodable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    async fn read(coded: Vec<u8>, encoding: Encoding) -> (Vec<u8>, Option<Error>) {
        let chunks: Vec<_> = coded
            .chunks(7)
            .map(|chunk| Ok::<_, io::Error>(Bytes::copy_from_slice(chunk)))
            .collect();
        let body = Body::from_stream(futures_util::stream::iter(chunks));
        let mut source = Source::new(body, encoding, None);
        let mut plain = Vec::new();
        loop {
            match source.next().await {
                Ok(Some(chunk)) => plain.extend_from_slice(&chunk),
                Ok(None) => return (plain, None),
                Err(error) => return (plain, Some(error)),
            }
        }
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    async fn zstd(plain: &[u8], window: u32) -> Vec<u8> {
        use async_compression::Level;
        use async_compression::tokio::bufread::ZstdEncoder;
        use async_compression::zstd::CParameter;
        let mut encoder =
            ZstdEncoder::with_quality_and_params(plain, Level::Default, &[CParameter::window_log(window)]);
        let mut coded = Vec::new();
        encoder.read_to_end(&mut coded).await.unwrap();
        coded
    }

    /// Bytes that do not compress to nothing.
    fn noise(size: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        (0..size).map(|_| next()).collect()
    }

    #[tokio::test]
    async fn every_encoding_gives_the_same_bytes() {
        let plain = noise(300_000);
        let members = [gzip(&plain[..1000]), gzip(&plain[1000..])].concat();
        let frames = [zstd(&plain[..1000], 20).await, zstd(&plain[1000..], 23).await].concat();
        for (coded, encoding) in [
            (plain.clone(), Encoding::Identity),
            (members, Encoding::Gzip),
            (frames, Encoding::Zstd),
        ] {
            let (read, error) = read(coded, encoding).await;
            assert!(error.is_none(), "{encoding:?}: {error:?}");
            assert!(read == plain, "{encoding:?}");
        }
    }

    #[tokio::test]
    async fn what_comes_before_the_break_is_given() {
        let plain = noise(300_000);
        for (coded, encoding) in [(gzip(&plain), Encoding::Gzip), (zstd(&plain, 20).await, Encoding::Zstd)] {
            let (read, error) = read(coded[..coded.len() - 20_000].to_vec(), encoding).await;
            assert!(matches!(error, Some(Error::Undecodable)), "{encoding:?}: {error:?}");
            assert!(
                read.len() > 100_000 && plain.starts_with(&read),
                "{encoding:?}: {}",
                read.len()
            );
        }
        let (_, error) = read(b"this is no gzip".to_vec(), Encoding::Gzip).await;
        assert!(matches!(error, Some(Error::Undecodable)));
    }

    #[tokio::test]
    async fn bombs_and_windows_are_refused() {
        let (read_bytes, error) = read(gzip(&vec![b'\n'; 64 << 20]), Encoding::Gzip).await;
        assert!(
            matches!(error, Some(Error::Bomb)),
            "{error:?} after {}",
            read_bytes.len()
        );
        let (_, error) = read(zstd(&noise(1 << 20), 27).await, Encoding::Zstd).await;
        assert!(matches!(error, Some(Error::Window)), "{error:?}");
    }

    /// Whether a body of these chunks is taken as a whole, and what comes in all.
    async fn whole(chunks: Vec<io::Result<&'static str>>) -> (bool, String, Option<Error>) {
        let chunks = chunks
            .into_iter()
            .map(|chunk| chunk.map(|chunk| Bytes::from_static(chunk.as_bytes())));
        let mut source = Source::new(
            Body::from_stream(futures_util::stream::iter(chunks)),
            Encoding::Identity,
            Some(8),
        );
        let whole = source.whole();
        let (is_whole, mut text) = (whole.is_some(), whole.unwrap_or_default().to_vec());
        loop {
            match source.next().await {
                Ok(Some(chunk)) => text.extend_from_slice(&chunk),
                Ok(None) => return (is_whole, String::from_utf8(text).unwrap(), None),
                Err(error) => return (is_whole, String::from_utf8(text).unwrap(), Some(error)),
            }
        }
    }

    #[tokio::test]
    async fn what_is_not_here_as_a_whole_is_not_lost() {
        let mut source = Source::new(Body::from("small"), Encoding::Identity, None);
        assert_eq!(source.whole().as_deref(), Some(&b"small"[..]));
        let (is_whole, text, error) = whole(vec![Ok("in "), Ok("two")]).await;
        assert!(!is_whole && text == "in two" && error.is_none(), "{text} {error:?}");
        let (is_whole, text, error) = whole(vec![Err(io::Error::other("gone"))]).await;
        assert!(
            !is_whole && text.is_empty() && matches!(error, Some(Error::Broken)),
            "{text} {error:?}"
        );
        let (is_whole, _, error) = whole(vec![Ok("much too large")]).await;
        assert!(!is_whole && matches!(error, Some(Error::TooLarge)), "{error:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_decoded_is_drained_to_its_end() {
        for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
            let given = Arc::new(AtomicU64::new(0));
            let count = given.clone();
            let chunks = futures_util::stream::iter(0..100).map(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
                Ok::<_, io::Error>(Bytes::from_static(b"neither gzip nor zstd"))
            });
            let mut source = Source::new(Body::from_stream(chunks), encoding, None);
            let first = source.next().await;
            assert_eq!(first.is_err(), encoding != Encoding::Identity, "{first:?}");
            source.drain().await;
            assert_eq!(given.load(Ordering::Relaxed), 100, "{encoding:?}");
        }
    }

    #[test]
    fn encodings() {
        assert_eq!(Encoding::of(None), Some(Encoding::Identity));
        assert_eq!(Encoding::of(Some("GZIP")), Some(Encoding::Gzip));
        assert_eq!(Encoding::of(Some("br")), None);
    }
}
