//! Recognises other formats than JSON lines by their first bytes: gzip, zstd, UTF-16, and unsupported
//! compression.

/// A format of a body that its head may not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A gzip member.
    Gzip,
    /// A zstd frame, or a skippable one.
    Zstd,
    /// UTF-16 in either order, with or without a mark.
    Utf16,
    /// Compressed in an unsupported way, such as xz, bzip2, zip or zlib.
    Compressed,
}

/// The byte order mark in UTF-8.
pub const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Unsupported compression: xz, bzip2, zip, 7z, rar, lzip, lz4, framed snappy, compress, and zlib of its
/// three usual levels.
const NOT_TAKEN: [&[u8]; 12] = [
    b"\xfd7zXZ\0",
    b"BZh",
    b"PK\x03\x04",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"LZIP",
    b"\x04\x22\x4d\x18",
    b"\xff\x06\0\0sNaPpY",
    b"\x1f\x9d",
    b"x\x01",
    b"x\x9c",
    b"x\xda",
];
/// What follows 0x50 to 0x5f at the start of a skippable zstd frame.
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// The foreign format at `start`, after blanks.
#[inline]
pub fn foreign(start: &[u8]) -> Option<Foreign> {
    match start {
        // The start of nearly every line.
        [b'{', b'"', ..] => None,
        start => of(&start[blanks(start)..]),
    }
}

/// How many bytes at `start` are blanks: white space, NULs and UTF-8 byte order marks.
pub fn blanks(start: &[u8]) -> usize {
    let mut rest = start;
    loop {
        rest = match rest {
            [byte, rest @ ..] if is_blank(*byte) => rest,
            [a, b, c, rest @ ..] if [*a, *b, *c] == MARK => rest,
            rest => return start.len() - rest.len(),
        }
    }
}

/// Whether this byte alone is a blank: white space or a NUL.
pub fn is_blank(byte: u8) -> bool {
    byte == 0 || byte.is_ascii_whitespace()
}

/// Whether the bytes after `start` may still change the result of [`foreign`].
pub fn undecided(start: &[u8]) -> bool {
    match &start[blanks(start)..] {
        [] | [0xff | 0xfe | b'{' | b'['] => true,
        [b'{' | b'[', 0] => true,
        [b'{' | b'[', 0, third] => *third != 0,
        [0x50..=0x5f, rest @ ..] if rest.len() < SKIPPABLE.len() && SKIPPABLE.starts_with(rest) => true,
        rest => [&MARK[..], &GZIP, &ZSTD]
            .iter()
            .chain(&NOT_TAKEN)
            .any(|signature| rest.len() < signature.len() && signature.starts_with(rest)),
    }
}

fn of(start: &[u8]) -> Option<Foreign> {
    match start {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some(Foreign::Utf16),
        // In either order, a zero follows each of the first characters. A reading torn by a power cut has
        // several zeros there.
        [b'{' | b'[', 0] | [b'{' | b'[', 0, 1..=0xff, 0, ..] => Some(Foreign::Utf16),
        [0x50..=0x5f, rest @ ..] if rest.starts_with(&SKIPPABLE) => Some(Foreign::Zstd),
        start if start.starts_with(&GZIP) => Some(Foreign::Gzip),
        start if start.starts_with(&ZSTD) => Some(Foreign::Zstd),
        start if NOT_TAKEN.iter().any(|signature| start.starts_with(signature)) => Some(Foreign::Compressed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` as UTF-16, low byte first and high byte first.
    fn utf16(text: &str) -> [Vec<u8>; 2] {
        [
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ]
    }

    #[test]
    fn signatures() {
        let mut cases: Vec<(Vec<u8>, Option<Foreign>)> = vec![
            (b"\x1f\x8b\x08\0".to_vec(), Some(Foreign::Gzip)),
            (b"\x1f\x8b".to_vec(), Some(Foreign::Gzip)),
            (b"\x28\xb5\x2f\xfd\0".to_vec(), Some(Foreign::Zstd)),
            (b"\x50\x2a\x4d\x18\0".to_vec(), Some(Foreign::Zstd)),
            (b"\x5f\x2a\x4d\x18\0".to_vec(), Some(Foreign::Zstd)),
            (b"\x60\x2a\x4d\x18\0".to_vec(), None),
            (b"P*M".to_vec(), None),
            (b"\xfd7zXZ\0\0".to_vec(), Some(Foreign::Compressed)),
            (b"BZh91AY".to_vec(), Some(Foreign::Compressed)),
            (b"PK\x03\x04\x14".to_vec(), Some(Foreign::Compressed)),
            (b"PKW".to_vec(), None),
            (b"7z\xbc\xaf\x27\x1c\0".to_vec(), Some(Foreign::Compressed)),
            (b"Rar!\x1a\x07\x01".to_vec(), Some(Foreign::Compressed)),
            (b"LZIP\x01".to_vec(), Some(Foreign::Compressed)),
            (b"\x04\x22\x4d\x18\x64".to_vec(), Some(Foreign::Compressed)),
            (b"\xff\x06\0\0sNaPpY\x01".to_vec(), Some(Foreign::Compressed)),
            (b"\x1f\x9d\x90".to_vec(), Some(Foreign::Compressed)),
            (b"x\x01\xab".to_vec(), Some(Foreign::Compressed)),
            (b"x\x9c\xab".to_vec(), Some(Foreign::Compressed)),
            (b"x\xda\xab".to_vec(), Some(Foreign::Compressed)),
            (b"x=1".to_vec(), None),
            (b"LZ".to_vec(), None),
            (b"(".to_vec(), None),
            (b"\x1f".to_vec(), None),
            (b"{".to_vec(), None),
            (b"{\0\0\0{\"a\":1}".to_vec(), None),
            (b"{\0{\"a\":1}".to_vec(), None),
            (b"\0\0\0{\"a\":1}".to_vec(), None),
            (b"\n\0{\"a\":1}".to_vec(), None),
            (b"[{}]".to_vec(), None),
            (Vec::new(), None),
        ];
        for text in [
            "{\"a\":1}",
            "[{}]",
            "\u{feff}{",
            "  {\r\n",
            "\r\n[\n  {}",
            "\u{feff}\n{}",
        ] {
            cases.extend(utf16(text).map(|coded| (coded, Some(Foreign::Utf16))));
        }
        for (start, expected) in cases {
            for before in [
                &b""[..],
                b"\n",
                b"\0\0\0",
                b" \t\r\n",
                b"\xef\xbb\xbf",
                b"\xef\xbb\xbf\n\0",
            ] {
                let padded = [before, &start].concat();
                assert_eq!(foreign(&padded), expected, "{padded:x?}");
                // Any cut of it keeps a decided result.
                for end in 0..padded.len() {
                    let cut = &padded[..end];
                    assert!(undecided(cut) || foreign(cut) == expected, "{cut:x?} of {padded:x?}");
                }
            }
        }
    }

    #[test]
    fn what_is_decided_asks_for_no_more() {
        for plain in [
            &b"{\""[..],
            b"{}",
            b"[{",
            b"y",
            b"x=",
            b" {\n",
            b"(x",
            b"P*x",
            b"{\0\0",
            b"\x1f\x1f",
            b"\xef\xbb{",
        ] {
            assert!(!undecided(plain), "{plain:x?}");
        }
    }
}
