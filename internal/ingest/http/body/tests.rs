use super::*;
use futures_util::StreamExt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::AsyncReadExt;

/// Reads to the end or to an error, from a body in chunks of this size and of unknown length.
async fn read_in(coded: &[u8], encoding: Encoding, size: usize) -> (Vec<u8>, Option<Error>) {
    let chunks: Vec<_> = coded
        .chunks(size)
        .map(|chunk| Ok::<_, io::Error>(Bytes::copy_from_slice(chunk)))
        .collect();
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    drained(BodyReader::new(body, encoding, None)).await
}

async fn read(coded: Vec<u8>, encoding: Encoding) -> (Vec<u8>, Option<Error>) {
    read_in(&coded, encoding, 7).await
}

/// The same, where the head says how long the body is.
async fn read_sized(coded: Vec<u8>, encoding: Encoding) -> (Vec<u8>, Option<Error>) {
    drained(BodyReader::new(Body::from(coded), encoding, None)).await
}

async fn drained(mut source: BodyReader) -> (Vec<u8>, Option<Error>) {
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

/// The same with all fields that a header may have.
fn named_gzip(plain: &[u8]) -> Vec<u8> {
    let header = flate2::GzBuilder::new().filename("day.ndjson").comment("{}\n");
    let header = header.extra(b"\x1f\x8b\x08\n{".to_vec()).mtime(1_714_521_600);
    let mut encoder = header.write(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

async fn zstd(plain: &[u8], window: u32) -> Vec<u8> {
    use async_compression::Level;
    use async_compression::tokio::bufread::ZstdEncoder;
    use async_compression::zstd::CParameter;
    let mut encoder = ZstdEncoder::with_quality_and_params(plain, Level::Default, &[CParameter::window_log(window)]);
    let mut coded = Vec::new();
    encoder.read_to_end(&mut coded).await.unwrap();
    coded
}

/// Bytes that hardly compress.
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
    // A body damaged in transit can come whole the next time.
    let mut coded = gzip(&plain);
    for byte in &mut coded[200_000..200_100] {
        *byte ^= 0x55;
    }
    let (_, error) = read_sized(coded, Encoding::Gzip).await;
    assert!(matches!(error, Some(Error::Undecodable)), "{error:?}");
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

/// Whether a body of these chunks is taken as a whole, and its full text.
async fn whole(chunks: Vec<io::Result<&'static str>>) -> (bool, String, Option<Error>) {
    let chunks = chunks
        .into_iter()
        .map(|chunk| chunk.map(|chunk| Bytes::from_static(chunk.as_bytes())));
    let mut source = BodyReader::new(
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
    let mut source = BodyReader::new(Body::from("small"), Encoding::Identity, None);
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
        let mut source = BodyReader::new(Body::from_stream(chunks), encoding, None);
        let first = source.next().await;
        assert_eq!(first.is_err(), encoding != Encoding::Identity, "{first:?}");
        source.drain().await;
        assert_eq!(given.load(Ordering::Relaxed), 100, "{encoding:?}");
    }
}

#[test]
fn encodings() {
    for (headers, expected) in [
        (&[][..], Some(Encoding::Identity)),
        (&[""], Some(Encoding::Identity)),
        (&["identity, Identity"], Some(Encoding::Identity)),
        (&["GZIP"], Some(Encoding::Gzip)),
        (&["x-gzip , identity"], Some(Encoding::Gzip)),
        (&["identity", "zstd"], Some(Encoding::Zstd)),
        (&["br"], None),
        (&["gzip, br"], None),
        (&["gzip", "br"], None),
        (&["br", "gzip"], None),
        (&["gzip, gzip"], None),
        (&["identity", "gzip", "zstd"], None),
    ] {
        assert_eq!(Encoding::of(headers.iter().copied()), expected, "{headers:?}");
    }
}

const LINE: &str = "{\"sensor\":\"speed\",\"value\":1,\"timestamp\":\"2024-05-01T12:00:00Z\"}\n";

/// Lines that compress to many chunks of seven bytes.
fn lines() -> Vec<u8> {
    let numbers = noise(2000);
    let lines: Vec<String> = numbers
        .iter()
        .map(|byte| LINE.replace(":1,", &format!(":{byte},")))
        .collect();
    lines.concat().into_bytes()
}

/// A skippable zstd frame.
fn skippable() -> Vec<u8> {
    [&b"\x53\x2a\x4d\x18\x05\0\0\0"[..], b"abcde"].concat()
}

#[tokio::test]
async fn what_the_head_does_not_say_is_seen() {
    use Encoding::{Gzip, Identity, Zstd};
    let plain = lines();
    let marked = [&b"\xef\xbb\xbf\n\0"[..], &plain].concat();
    let (zipped, frames) = (gzip(&plain), zstd(&plain, 20).await);
    let skipped = [skippable(), frames.clone(), skippable()].concat();
    let cases = [
        (zipped.clone(), Identity, &plain),
        (named_gzip(&plain), Identity, &plain),
        (named_gzip(&plain), Gzip, &plain),
        (frames.clone(), Identity, &plain),
        (skipped.clone(), Identity, &plain),
        (skipped, Zstd, &plain),
        (gzip(&zipped), Gzip, &plain),
        (gzip(&frames), Gzip, &plain),
        (zstd(&zipped, 20).await, Zstd, &plain),
        (gzip(&marked), Identity, &marked),
        (plain.clone(), Gzip, &plain),
        (plain.clone(), Zstd, &plain),
        (marked.clone(), Gzip, &marked),
        (marked.clone(), Identity, &marked),
        (b"[{}]".to_vec(), Gzip, &b"[{}]".to_vec()),
        (b"{".to_vec(), Gzip, &b"{".to_vec()),
        (Vec::new(), Gzip, &Vec::new()),
        (b"\0\n".to_vec(), Zstd, &b"\0\n".to_vec()),
        (b"{\0\0\0".to_vec(), Identity, &b"{\0\0\0".to_vec()),
        (b"\x1f".to_vec(), Identity, &b"\x1f".to_vec()),
    ];
    for (number, (coded, encoding, expected)) in cases.into_iter().enumerate() {
        for size in [1, 7, 1 << 20] {
            let (got, error) = read_in(&coded, encoding, size).await;
            assert!(error.is_none(), "case {number} by {size}: {error:?}");
            assert!(got == *expected, "case {number} by {size}: {} bytes", got.len());
        }
        // Blanks pass through, so that lines keep their numbers.
        let padded = [&b"\r\n\0\0\xef\xbb\xbf "[..], &coded].concat();
        let (got, error) = read_in(&padded, encoding, 3).await;
        assert!(error.is_none(), "case {number} padded: {error:?}");
        assert!(got == [&padded[..8], expected].concat(), "case {number} padded");
    }
}

#[tokio::test]
async fn what_is_neither_said_nor_readable_is_refused() {
    use Encoding::{Gzip, Identity, Zstd};
    let plain = lines();
    let utf16 = |mark: &str| -> Vec<u8> {
        let text = format!("{mark}{LINE}");
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let zipped = gzip(&plain);
    let twice = gzip(&zipped);
    let foreign = |format| format!("Foreign({format:?})");
    for (number, (coded, encoding, expected)) in [
        (utf16(""), Identity, foreign(Foreign::Utf16)),
        (utf16("\u{feff}"), Identity, foreign(Foreign::Utf16)),
        (gzip(&utf16("")), Identity, foreign(Foreign::Utf16)),
        (gzip(&utf16("\u{feff}")), Gzip, foreign(Foreign::Utf16)),
        (twice.clone(), Identity, foreign(Foreign::Gzip)),
        (gzip(&twice), Gzip, foreign(Foreign::Gzip)),
        (
            zstd(&zstd(&plain, 20).await, 20).await,
            Identity,
            foreign(Foreign::Zstd),
        ),
        (utf16(""), Gzip, "Mislabelled".into()),
        (b"this is no gzip".to_vec(), Gzip, "Mislabelled".into()),
        (zipped.clone(), Zstd, "Mislabelled".into()),
        (zstd(&plain, 20).await, Gzip, "Mislabelled".into()),
        (b"\xff".to_vec(), Gzip, "Undecodable".into()),
    ]
    .into_iter()
    .enumerate()
    {
        for size in [1, 7, 1 << 20] {
            let (got, error) = read_in(&coded, encoding, size).await;
            assert_eq!(
                (got.len(), error.map(|error| format!("{error:?}"))),
                (0, Some(expected.clone())),
                "case {number} by {size}"
            );
        }
    }
}

#[tokio::test]
async fn behind_the_last_member() {
    use Encoding::{Gzip, Identity, Zstd};
    let plain = lines();
    let (zipped, frame) = (gzip(&plain), zstd(&plain, 20).await);
    for zeros in [1, 512, 200_000] {
        let zeros = vec![0; zeros];
        for (member, encodings) in [(&zipped, [Gzip, Identity]), (&frame, [Zstd, Identity])] {
            for encoding in encodings {
                let (got, error) = read([&member[..], &zeros].concat(), encoding).await;
                assert!(error.is_none() && got == plain, "{encoding:?}: {error:?}");
                // A member written after the power cut is read too.
                let (got, error) = read([&member[..], &zeros, member].concat(), encoding).await;
                assert!(error.is_none() && got == plain.repeat(2), "{encoding:?}: {error:?}");
            }
        }
    }
    for (coded, encoding) in [
        ([&zipped[..], LINE.as_bytes()].concat(), Gzip),
        ([&zipped[..], b"\0\0", LINE.as_bytes()].concat(), Identity),
        ([&zipped[..], &frame].concat(), Gzip),
        ([&frame[..], &zipped].concat(), Zstd),
        ([&frame[..], b"y"].concat(), Zstd),
    ] {
        let (got, error) = read(coded, encoding).await;
        assert!(matches!(error, Some(Error::Mixed)), "{encoding:?}: {error:?}");
        assert!(got == plain, "{encoding:?}: {}", got.len());
    }
}

/// A cut file is told from a cut upload.
#[tokio::test]
async fn a_body_that_came_whole_and_is_cut_is_damaged() {
    use Encoding::{Gzip, Identity, Zstd};
    let plain = lines();
    let (zipped, frame) = (gzip(&plain), zstd(&plain, 20).await);
    for (coded, encodings) in [(&zipped, [Gzip, Identity]), (&frame, [Zstd, Identity])] {
        for end in [4, 12, coded.len() / 2, coded.len() - 9, coded.len() - 1] {
            for encoding in encodings {
                let cut = coded[..end].to_vec();
                let (from_sized, error) = read_sized(cut.clone(), encoding).await;
                assert!(
                    matches!(error, Some(Error::Damaged)),
                    "{encoding:?} to {end}: {error:?}"
                );
                let (from_unsized, error) = read(cut.clone(), encoding).await;
                assert!(
                    matches!(error, Some(Error::Undecodable)),
                    "{encoding:?} to {end}: {error:?}"
                );
                assert!(plain.starts_with(&from_sized) && from_sized == from_unsized);
                // A complete layer around it proves that all came.
                let (got, error) = read(gzip(&cut), Gzip).await;
                assert!(
                    matches!(error, Some(Error::Damaged)),
                    "{encoding:?} to {end}: {error:?}"
                );
                assert!(got == from_sized);
            }
        }
        // The upload cut both layers.
        let (_, error) = read(gzip(&coded[..coded.len() / 2])[..coded.len() / 4].to_vec(), Gzip).await;
        assert!(matches!(error, Some(Error::Undecodable)), "{error:?}");
    }
    // The connection broke off.
    let chunks = [Ok(Bytes::from(zipped[..2000].to_vec())), Err(io::Error::other("gone"))];
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    let (got, error) = drained(BodyReader::new(body, Gzip, None)).await;
    assert!(matches!(error, Some(Error::Broken)) && !got.is_empty(), "{error:?}");
    // A single byte of the declared format.
    let (_, error) = read_sized(b"\x1f".to_vec(), Gzip).await;
    assert!(matches!(error, Some(Error::Damaged)), "{error:?}");
}

#[tokio::test]
async fn what_is_not_declared_is_bounded_too() {
    let zeros = vec![b'\n'; 64 << 20];
    let bomb = gzip(&zeros);
    // Two layers, each of which grows less than the limit.
    let nested = gzip(&bomb);
    for (coded, encoding) in [
        (bomb, Encoding::Identity),
        (nested, Encoding::Gzip),
        (zstd(&zeros, 20).await, Encoding::Identity),
    ] {
        let (got, error) = read(coded, encoding).await;
        assert!(matches!(error, Some(Error::Bomb)), "{error:?} after {}", got.len());
    }
    let (_, error) = read(zstd(&noise(1 << 20), 27).await, Encoding::Identity).await;
    assert!(matches!(error, Some(Error::Window)), "{error:?}");
    // It grows without output: blanks between the members of a layer.
    let (_, error) = read(gzip(&[&gzip(b"x")[..], &vec![0; 64 << 20]].concat()), Encoding::Gzip).await;
    assert!(matches!(error, Some(Error::Bomb)), "{error:?}");
    let mut source = BodyReader::new(Body::from(gzip(LINE.as_bytes())), Encoding::Identity, Some(8));
    assert!(matches!(source.next().await, Err(Error::TooLarge)));
}

#[tokio::test]
async fn a_small_body_is_whole_only_if_it_is_plain() {
    for (coded, encoding, is_whole) in [
        (LINE.as_bytes().to_vec(), Encoding::Identity, true),
        (LINE.as_bytes().to_vec(), Encoding::Gzip, false),
        (gzip(LINE.as_bytes()), Encoding::Identity, false),
        (gzip(LINE.as_bytes()), Encoding::Gzip, false),
    ] {
        let mut source = BodyReader::new(Body::from(coded), encoding, None);
        let whole = source.whole();
        assert_eq!(whole.is_some(), is_whole);
        if let Some(whole) = whole {
            source.put_back(whole);
        }
        let (read, error) = drained(source).await;
        assert!(error.is_none() && read == LINE.as_bytes(), "{error:?}");
    }
}
