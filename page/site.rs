//! The files as they are sent: named after their hash, and compressed once.

use crate::comments::left_out;
use crate::files::{Files, MAP};
use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;

/// The name of the base map among the files.
const MAP_NAME: &str = "world.pmtiles";

/// The content type of a page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// The content type of what browsers only pass on.
const BYTES: &str = "application/octet-stream";

/// The hash of the base map, made once: a debug build makes that of the files again and again.
static MAP_HASH: LazyLock<[u8; 32]> = LazyLock::new(|| Sha256::digest(MAP).into());

/// The files of one state of the folder.
pub(crate) struct Site {
    /// Of all files, in hex.
    pub(crate) hash: String,
    pub(crate) files: BTreeMap<String, File>,
}

/// A file as it is sent.
pub(crate) struct File {
    pub(crate) kind: &'static str,
    pub(crate) bytes: Bytes,
    /// None where it would not be shorter.
    pub(crate) gzip: Option<Bytes>,
}

impl Site {
    pub(crate) fn new(files: Files) -> Self {
        let hash = hash(&files);
        let mut files: BTreeMap<String, File> = files
            .into_iter()
            .map(|(name, bytes)| file(name, bytes.into_owned()))
            .collect();
        let map = File {
            kind: BYTES,
            bytes: Bytes::from_static(MAP),
            gzip: None,
        };
        files.insert(MAP_NAME.to_owned(), map);
        Self { hash, files }
    }

    /// The text of a file; none without it, or if it is no text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(&self.files.get(name)?.bytes).ok()
    }
}

/// Tells two states of the files apart.
pub(crate) fn hash(files: &Files) -> String {
    let mut hash = Sha256::new();
    hash.update(*MAP_HASH);
    for (name, bytes) in files {
        hash.update(Sha256::digest(name));
        hash.update(Sha256::digest(bytes));
    }
    // 80 bits.
    hash.finalize()
        .iter()
        .take(10)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn file(name: String, bytes: Vec<u8>) -> (String, File) {
    let kind = kind(&name);
    // Comments of foreign code hold its licences.
    let is_ours = (name.ends_with(".js") || name.ends_with(".css")) && !name.starts_with("vendor/");
    let bytes = match std::str::from_utf8(&bytes) {
        Ok(text) if is_ours => left_out(text).into_bytes(),
        _ => bytes,
    };
    let gzip = compressed(&bytes).filter(|gzip| gzip.len() < bytes.len());
    let file = File {
        kind,
        bytes: bytes.into(),
        gzip: gzip.map(Bytes::from),
    };
    (name, file)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => HTML,
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => BYTES,
    }
}

pub(crate) fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}
