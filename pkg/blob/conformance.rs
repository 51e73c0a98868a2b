//! One conformance suite over every kind of store.

use crate::{Error, Store};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    conformance("memory:///conformance/blobs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder() {
    let folder = tempfile::tempdir().unwrap();
    conformance(&format!("file://{}/made/when%20missing", folder.path().display())).await;
    assert!(folder.path().join("made/when missing").is_dir());
}

/// What a killed process left of its uploads.
#[tokio::test(flavor = "multi_thread")]
async fn unfinished_uploads_go_with_their_blob() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("file://{}", folder.path().display())).unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    for name in ["b#1", "b#27", "b#1x", "b#", "bc#1", "b"] {
        std::fs::write(folder.path().join("a").join(name), name).unwrap();
    }
    store.delete_for_good("a/b").await.unwrap();
    store.delete_for_good("nowhere/b").await.unwrap();
    let left = std::fs::read_dir(folder.path().join("a")).unwrap();
    let mut left: Vec<String> = left
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["b#", "b#1x", "bc#1"]);
}

/// Uses the server of `make test` and makes a bucket there.
#[tokio::test(flavor = "multi_thread")]
async fn s3() {
    conformance(&s3_url("conformance/blobs").await).await;
}

/// A prefix in a bucket of the test's own.
async fn s3_url(prefix: &str) -> String {
    let Ok(endpoint) = std::env::var("TEST_S3_ENDPOINT") else {
        panic!("no S3 server to test with: run `make test`, which starts one and sets TEST_S3_ENDPOINT");
    };
    // An error means that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bucket = format!("blob-{}", std::process::id());
    make_bucket(&endpoint, &bucket).await;
    format!("s3://{bucket}/{prefix}?endpoint={endpoint}&path_style=true")
}

/// A copy through this process takes constant memory.
#[tokio::test(flavor = "multi_thread")]
async fn s3_copies_in_constant_memory() {
    const SIZE: u64 = 96 << 20;
    let store = Store::open(&(s3_url("memory").await + "&copy_limit=16777216")).unwrap();
    let mut writer = store.writer("large").await.unwrap();
    let piece = Bytes::from(vec![7; 1 << 20]);
    for _ in 0..SIZE >> 20 {
        writer.write(piece.clone()).await.unwrap();
    }
    writer.finish().await.unwrap();
    // Resets the peak, so that it is the copy's.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak();
    store.copy("large", "copy").await.unwrap();
    assert!(
        peak() - before < 64 << 20,
        "{} bytes more than {before}",
        peak() - before
    );
    assert_eq!(store.head("copy").await.unwrap().map(|meta| meta.size), Some(SIZE));
}

/// Peak memory of this process, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Above the limit, the store sends no request to copy.
#[tokio::test(flavor = "multi_thread")]
async fn s3_is_not_asked_to_copy_above_the_limit() {
    let store = Store::open(&(s3_url("limit").await + "&copy_limit=9")).unwrap();
    let parts = async |name: &str| {
        let found = store.find(name, crate::head()).await.unwrap().unwrap();
        // The tag of a blob written in parts ends with their number.
        let tag = found.meta.e_tag.unwrap();
        tag.trim_matches('"').split_once('-').map(|(_, parts)| parts.to_owned())
    };
    for (name, content, expected) in [("within", "123456789", None), ("above", "1234567890", Some("1"))] {
        assert!(
            store
                .create(name, Bytes::from_static(content.as_bytes()))
                .await
                .unwrap()
        );
        assert_eq!(parts(name).await, None);
        store.copy(name, "copy").await.unwrap();
        assert_eq!(text(&store, "copy").await.as_deref(), Some(content));
        assert_eq!(parts("copy").await.as_deref(), expected, "{name}");
    }
}

async fn conformance(url: &str) {
    let store = Store::open(url).unwrap();
    names_that_are_refused(&store).await;
    a_blob_can_be_seen_when_finished(&store).await;
    nothing_stays_of_an_aborted_blob(&store).await;
    an_empty_blob(&store).await;
    a_large_blob_in_many_pieces(&store).await;
    ranges_of_one_state(&store).await;
    replacing_needs_the_version_read(&store).await;
    creating_has_one_winner(url).await;
    replacing_has_one_winner(url).await;
    copies_and_deletes(&store).await;
    let in_parts = Store {
        copy_limit: 0,
        range: Some(5_000_001),
        ..store.clone()
    };
    copies_and_deletes(&in_parts).await;
    copies_of_any_size(&in_parts).await;
    lists_by_start_of_name(&store).await;
    too_large_to_get(&store).await;
}

async fn names_that_are_refused(store: &Store) {
    for name in ["", "/", "a//b", "..", "a/../b", ".lock", "a/.hidden"] {
        let refused = store.create(name, Bytes::from_static(b"x")).await;
        assert!(matches!(refused, Err(Error::Name { .. })), "{name:?}: {refused:?}");
    }
}

async fn a_blob_can_be_seen_when_finished(store: &Store) {
    let mut writer = store.writer("finished").await.unwrap();
    writer.write(Bytes::from_static(b"half")).await.unwrap();
    assert_eq!(store.head("finished").await.unwrap(), None);
    assert_eq!(names(store, "").await, [""; 0]);
    writer.write(Bytes::from_static(b" and half")).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(text(store, "finished").await.as_deref(), Some("half and half"));

    let mut again = store.writer("finished").await.unwrap();
    again.write(Bytes::from_static(b"anew")).await.unwrap();
    assert_eq!(text(store, "finished").await.as_deref(), Some("half and half"));
    again.finish().await.unwrap();
    assert_eq!(text(store, "finished").await.as_deref(), Some("anew"));
}

async fn nothing_stays_of_an_aborted_blob(store: &Store) {
    let mut writer = store.writer("aborted/blob").await.unwrap();
    writer.write(Bytes::from(vec![7; 9 << 20])).await.unwrap();
    writer.abort().await.unwrap();
    assert_eq!(store.head("aborted/blob").await.unwrap(), None);
    assert_eq!(names(store, "aborted").await, [""; 0]);
}

async fn an_empty_blob(store: &Store) {
    store.writer("empty").await.unwrap().finish().await.unwrap();
    assert_eq!(text(store, "empty").await.as_deref(), Some(""));
}

/// Pieces that do not divide a part, and one that is larger than a part.
async fn a_large_blob_in_many_pieces(store: &Store) {
    let content: Bytes = (0..23_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let mut writer = store.writer("large").await.unwrap();
    writer.write(content.slice(..9_000_001)).await.unwrap();
    for piece in content[9_000_001..].chunks(100_003) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.finish().await.unwrap();
    assert_eq!(
        store.head("large").await.unwrap().map(|meta| meta.size),
        Some(23_000_000)
    );
    assert!(
        self::content(store, "large").await == content,
        "what was read is not what was written"
    );
    assert!(matches!(
        store.get("large").await,
        Err(Error::TooLarge { size: 23_000_000, .. })
    ));
}

/// Of the blob of [`a_large_blob_in_many_pieces`], and of one that is replaced after it was looked up.
async fn ranges_of_one_state(store: &Store) {
    let (large, whole) = (
        store.head("large").await.unwrap().unwrap(),
        content(store, "large").await,
    );
    assert!(large.tag.is_some());
    for (from, to) in [
        (0, 0),
        (0, 1),
        (5, 1 << 20),
        (1_000_000, 5_000_001),
        (22_999_999, 99_000_000),
    ] {
        let pieces: Vec<Bytes> = store.stream_range(&large, from..to).try_collect().await.unwrap();
        let end = usize::try_from(to).unwrap().min(whole.len());
        let expected = &whole[usize::try_from(from).unwrap()..end];
        assert!(pieces.concat() == expected, "bytes {from} to {to} are others");
        assert!(pieces.iter().all(|piece| piece.len() <= 1 << 20));
    }
    let write = async |text: &'static str| {
        let mut writer = store.writer("ranged").await.unwrap();
        writer.write(Bytes::from_static(text.as_bytes())).await.unwrap();
        writer.finish().await.unwrap();
        store.head("ranged").await.unwrap().unwrap()
    };
    let (before, now) = (write("one state").await, write("another state").await);
    assert_ne!(before.tag, now.tag);
    let mut replaced = store.stream_range(&before, 0..3);
    assert!(matches!(replaced.next().await, Some(Err(Error::Unavailable { .. }))));
    let pieces: Vec<Bytes> = store.stream_range(&now, 8..13).try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"state");
}

async fn replacing_needs_the_version_read(store: &Store) {
    let write = |text: &'static str| Bytes::from_static(text.as_bytes());
    assert!(store.get("manifest").await.unwrap().is_none());
    assert!(store.replace("manifest", write("one"), None).await.unwrap());
    assert!(!store.replace("manifest", write("two"), None).await.unwrap());
    let (_, one) = store.get("manifest").await.unwrap().unwrap();
    assert!(store.replace("manifest", write("two"), Some(&one)).await.unwrap());
    assert!(!store.replace("manifest", write("three"), Some(&one)).await.unwrap());
    assert_eq!(text(store, "manifest").await.as_deref(), Some("two"));
    let (_, two) = store.get("manifest").await.unwrap().unwrap();
    store.delete("manifest").await.unwrap();
    assert!(!store.replace("manifest", write("three"), Some(&two)).await.unwrap());
    assert_eq!(text(store, "manifest").await, None);
}

async fn creating_has_one_winner(url: &str) {
    for round in 0..10 {
        let name = format!("claim.{round}");
        let won = race(url, 4, |store, me| {
            let name = name.clone();
            async move { store.create(&name, Bytes::from(me.to_string())).await.unwrap() }
        });
        let winners = won.await;
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(
            text(&Store::open(url).unwrap(), &name).await,
            Some(winners[0].to_string())
        );
    }
}

async fn replacing_has_one_winner(url: &str) {
    let store = Store::open(url).unwrap();
    assert!(store.create("contested", Bytes::from_static(b"start")).await.unwrap());
    for round in 0..10 {
        let (_, version) = store.get("contested").await.unwrap().unwrap();
        let winners = race(url, 4, |store, me| {
            let version = version.clone();
            async move {
                store
                    .replace("contested", Bytes::from(format!("{round} {me}")), Some(&version))
                    .await
                    .unwrap()
            }
        });
        let winners = winners.await;
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(text(&store, "contested").await, Some(format!("{round} {}", winners[0])));
    }
}

async fn copies_and_deletes(store: &Store) {
    assert!(store.create("original", Bytes::from_static(b"first")).await.unwrap());
    store.copy("original", "folder/copy").await.unwrap();
    store.delete("original").await.unwrap();
    assert!(store.create("original", Bytes::from_static(b"second")).await.unwrap());
    assert_eq!(text(store, "folder/copy").await.as_deref(), Some("first"));
    store.copy("original", "folder/copy").await.unwrap();
    assert_eq!(text(store, "folder/copy").await.as_deref(), Some("second"));
    store.delete("original").await.unwrap();
    store.delete("folder/copy").await.unwrap();
    store.delete("folder/copy").await.unwrap();
    assert_eq!(text(store, "folder/copy").await, None);
    assert!(matches!(
        store.copy("folder/copy", "anywhere").await,
        Err(Error::Missing { .. })
    ));
    assert!(matches!(
        store.stream("folder/copy").await.err(),
        Some(Error::Missing { .. })
    ));
}

/// Streams the blob of [`a_large_blob_in_many_pieces`], and an empty one.
async fn copies_of_any_size(store: &Store) {
    for name in ["large", "empty"] {
        store.copy(name, "copy-of-any-size").await.unwrap();
        assert!(
            content(store, "copy-of-any-size").await == content(store, name).await,
            "the copy of {name} is another"
        );
    }
    // A failed copy leaves the target as it was.
    assert!(matches!(
        store.copy("is-not-there", "copy-of-any-size").await,
        Err(Error::Missing { .. })
    ));
    assert_eq!(text(store, "copy-of-any-size").await.as_deref(), Some(""));
}

async fn lists_by_start_of_name(store: &Store) {
    for name in ["day-1.r1", "day-1.r2", "day-10.r1", "day-2.r1"] {
        assert!(store.create(name, Bytes::from_static(b"x")).await.unwrap());
    }
    assert_eq!(names(store, "day-1.").await, ["day-1.r1", "day-1.r2"]);
    assert_eq!(names(store, "day-1").await.len(), 3);
    assert!(names(store, "").await.iter().all(|name| !name.contains("lock")));
}

async fn too_large_to_get(store: &Store) {
    let limit = usize::try_from(crate::GET_LIMIT).unwrap();
    assert!(store.create("fits", Bytes::from(vec![1; limit])).await.unwrap());
    assert_eq!(
        store.get("fits").await.unwrap().map(|(bytes, _)| bytes.len()),
        Some(limit)
    );
    assert!(store.create("does-not", Bytes::from(vec![1; limit + 1])).await.unwrap());
    assert!(matches!(store.get("does-not").await, Err(Error::TooLarge { .. })));
}

/// Runs the same operation in several tasks at once, each with its own store. Returns the winners.
async fn race<F: Future<Output = bool> + Send + 'static>(
    url: &str,
    tasks: usize,
    act: impl Fn(Store, usize) -> F,
) -> Vec<usize> {
    let start = std::sync::Arc::new(tokio::sync::Barrier::new(tasks));
    let racing: Vec<_> = (0..tasks)
        .map(|me| {
            let (start, acting) = (start.clone(), act(Store::open(url).unwrap(), me));
            tokio::spawn(async move {
                start.wait().await;
                acting.await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for (me, task) in racing.into_iter().enumerate() {
        if task.await.unwrap() {
            winners.push(me);
        }
    }
    winners
}

async fn text(store: &Store, name: &str) -> Option<String> {
    let (bytes, _) = store.get(name).await.unwrap()?;
    Some(String::from_utf8(bytes.into()).unwrap())
}

async fn content(store: &Store, name: &str) -> Vec<u8> {
    let pieces = store.stream(name).await.unwrap();
    let read = pieces.try_fold(Vec::new(), |mut all, piece| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    });
    read.await.unwrap()
}

async fn names(store: &Store, prefix: &str) -> Vec<String> {
    let mut names: Vec<_> = store.list(prefix).map_ok(|meta| meta.name).try_collect().await.unwrap();
    names.sort();
    names
}

/// Makes a bucket, a request that the client library lacks.
async fn make_bucket(endpoint: &str, bucket: &str) {
    let host = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("PUT /{bucket} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
