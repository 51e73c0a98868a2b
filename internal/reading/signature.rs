//! Recognises other formats than JSON lines by their first bytes: gzip, zstd, UTF-16, UTF-32, unsupported
//! compression, and texts that stand for other bytes.

/// A format of a body that its head may not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A gzip member.
    Gzip,
    /// A zstd frame, or a skippable one.
    Zstd,
    /// UTF-16 or UTF-32 in either order, with or without a mark.
    Utf16,
    /// Percent-encoded, as of a form, in base64 or hexadecimal digits, or in a string of JSON.
    Coded,
    /// Bytes that are no text, of a format without a signature, such as Brotli.
    Binary,
    /// Compressed in an unsupported way, such as xz, bzip2, zip or zlib.
    Compressed,
}

/// The byte order mark in UTF-8.
pub const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Unsupported compression: xz, bzip2, zip, 7z, rar, lzip, lz4 and its old form, framed snappy, compress, and zlib of
/// all levels.
const NOT_TAKEN: [&[u8]; 14] = [
    b"\xfd7zXZ\0",
    b"BZh",
    b"PK\x03\x04",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"LZIP",
    b"\x04\x22\x4d\x18",
    b"\x02\x21\x4c\x18",
    b"\xff\x06\0\0sNaPpY",
    b"\x1f\x9d",
    b"x\x01",
    b"x^",
    b"x\x9c",
    b"x\xda",
];
/// `{` and `[` percent-encoded; in base64 `{` with a blank or a name, `[` with a blank or a `{`, a byte order mark with
/// `{`, gzip and zstd; `{"` with a letter and `[{"` in hexadecimal digits; and JSON in a string of JSON.
const CODED: [&[u8]; 26] = [
    b"%7B%", b"%7b%", b"%5B%", b"%5b%", b"eyJ", b"eyAi", b"ewog", b"ewoi", b"ewoJ", b"ew0K", b"W3si", b"W3sK", b"WyB7",
    b"Wwog", b"Wwp7", b"77u/e", b"H4sI", b"KLUv/", b"7b226", b"7b227", b"7B226", b"7B227", b"5b7b22", b"5B7B22",
    b"\"{\\", b"\"[{\\",
];
/// Longest name of a field of a form.
const FIELD: usize = 64;
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

/// The same, where runs of NULs were cut to two.
pub fn foreign_value(start: &[u8]) -> Option<Foreign> {
    match &start[blanks(start)..] {
        // UTF-32 has three zeros beside each of these signs.
        [b'{' | b'[', 0, 0, 1..=0xff, 0, 0, 1..=0xff, 0, ..] => Some(Foreign::Utf16),
        rest => foreign(rest),
    }
}

/// The same at the start of a line that is no reading. It may also be the field of a form that holds percent-encoded
/// JSON, such as `data=%7B%22`.
pub fn foreign_line(start: &[u8]) -> Option<Foreign> {
    foreign_value(start).or_else(|| is_field(&start[blanks(start)..]).then_some(Foreign::Coded))
}

/// How many bytes at `start` are blanks: white space, NULs, record separators and UTF-8 byte order marks.
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

/// Whether this byte alone is a blank: white space, a NUL, or the record separator that begins each value of a JSON text
/// sequence (RFC 7464).
pub fn is_blank(byte: u8) -> bool {
    matches!(byte, 0 | 0x1e) || byte.is_ascii_whitespace()
}

/// Whether the bytes after `start` may still change the result of [`foreign`].
pub fn undecided(start: &[u8]) -> bool {
    match &start[blanks(start)..] {
        [] | [0xff | 0xfe | b'{' | b'['] => true,
        [b'{' | b'[', 0] | [b'{' | b'[', 0, _] => true,
        [b'{' | b'[', 0, 0, rest @ ..] if rest.len() < 6 => is_utf32(rest),
        [0x50..=0x5f, rest @ ..] if rest.len() < SKIPPABLE.len() && SKIPPABLE.starts_with(rest) => true,
        rest => [&MARK[..], &GZIP, &ZSTD]
            .iter()
            .chain(&NOT_TAKEN)
            .chain(&CODED)
            .any(|signature| rest.len() < signature.len() && signature.starts_with(rest)),
    }
}

fn of(start: &[u8]) -> Option<Foreign> {
    match start {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some(Foreign::Utf16),
        // In either order, a zero follows each of the first characters. A reading torn by a power cut has
        // several zeros there.
        [b'{' | b'[', 0] | [b'{' | b'[', 0, 1..=0xff, 0, ..] => Some(Foreign::Utf16),
        [b'{' | b'[', 0, 0, rest @ ..] if rest.len() >= 6 && is_utf32(rest) => Some(Foreign::Utf16),
        [0x50..=0x5f, rest @ ..] if rest.starts_with(&SKIPPABLE) => Some(Foreign::Zstd),
        start if start.starts_with(&GZIP) => Some(Foreign::Gzip),
        start if start.starts_with(&ZSTD) => Some(Foreign::Zstd),
        start if NOT_TAKEN.iter().any(|signature| start.starts_with(signature)) => Some(Foreign::Compressed),
        start if CODED.iter().any(|signature| start.starts_with(signature)) => Some(Foreign::Coded),
        _ => None,
    }
}

fn is_field(start: &[u8]) -> bool {
    let near = &start[..start.len().min(FIELD)];
    near.iter().position(|byte| *byte == b'=').is_some_and(|name| {
        let value = &start[name + 1..];
        let is_json = [b"%7B", b"%7b", b"%5B", b"%5b"]
            .iter()
            .any(|brace| value.starts_with(*brace));
        is_json && name > 0 && near[..name].iter().all(u8::is_ascii_graphic)
    })
}

/// Whether UTF-32 goes on like this behind a first sign and two of its zeros: with another sign between three zeros each,
/// and one more. A reading torn by a power cut has more zeros, or a reading behind them.
fn is_utf32(rest: &[u8]) -> bool {
    let zero = |at: usize| rest.get(at).is_none_or(|byte| *byte == 0);
    let sign = |at: usize| rest.get(at).is_none_or(|byte| *byte != 0);
    zero(0) && sign(1) && zero(2) && zero(3) && zero(4) && sign(5)
}

/// Whether a text that is no reading is no text at all: it has several kinds of bytes that no text has. Erased memory
/// has one.
pub fn is_binary(bytes: &[u8]) -> bool {
    let mut strange = match std::str::from_utf8(bytes) {
        Ok(_) => None,
        Err(error) => bytes.get(error.valid_up_to()).copied(),
    };
    bytes.iter().any(|byte| {
        let is_strange =
            (*byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n' | 0)) || (strange.is_some() && *byte >= 0x80);
        is_strange && strange.replace(*byte).is_some_and(|before| before != *byte)
    })
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
            (b"x^\xab".to_vec(), Some(Foreign::Compressed)),
            (b"\x02\x21\x4c\x18\0".to_vec(), Some(Foreign::Compressed)),
            (b"%7B%22sensor".to_vec(), Some(Foreign::Coded)),
            (b"%5b%7b".to_vec(), Some(Foreign::Coded)),
            (b"eyJzZW5zb3Ii".to_vec(), Some(Foreign::Coded)),
            (b"ewogICJzZW5zb3Ii".to_vec(), Some(Foreign::Coded)),
            (b"W3sic2Vuc29yIjoi".to_vec(), Some(Foreign::Coded)),
            (b"77u/eyJzZW5zb3Ii".to_vec(), Some(Foreign::Coded)),
            (b"H4sIAAAAAAAAA6tW".to_vec(), Some(Foreign::Coded)),
            (b"KLUv/SQNaQAAeyJz".to_vec(), Some(Foreign::Coded)),
            (b"7b2273656e736f72".to_vec(), Some(Foreign::Coded)),
            (b"5B7B2273656E736F72".to_vec(), Some(Foreign::Coded)),
            (br#""{\"sensor\":\"x\"}""#.to_vec(), Some(Foreign::Coded)),
            (br#""[{\"sensor\":\"x\"}]""#.to_vec(), Some(Foreign::Coded)),
            (br#""{}""#.to_vec(), None),
            (b"7b2".to_vec(), None),
            (b"7b22f\"".to_vec(), None),
            (b"eyes".to_vec(), None),
            (b"%7".to_vec(), None),
            (b"{\0\0\0\"\0\0\0s\0\0\0".to_vec(), Some(Foreign::Utf16)),
            (b"{\0\0\0\"\0\0\0\0".to_vec(), None),
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
                b"\x1e",
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
    fn fields_of_forms() {
        for field in [&b"data=%7B%22sensor"[..], b"\nx=%5b%7b", b"body=%7B+%22", b"eyJz"] {
            assert_eq!(foreign_line(field), Some(Foreign::Coded), "{field:x?}");
        }
        let long = [&[b'x'; FIELD][..], b"=%7B"].concat();
        for other in [
            &b"data={\"a\":1}"[..],
            b"=%7B",
            b"a b=%7B",
            b"speed=7",
            b"data",
            b"",
            &long[..],
        ] {
            assert_eq!(foreign_line(other), None, "{other:x?}");
        }
    }

    #[test]
    fn utf32_whose_runs_of_nulls_are_cut() {
        for line in [
            &b"{\0\0\"\0\0s\0\0"[..],
            b"\0\0[\0\0{\0\0\"\0\0",
            b" \0\0{\0\0\n\0\0 \0\0",
        ] {
            assert_eq!(foreign_line(line), Some(Foreign::Utf16), "{line:x?}");
        }
        for torn in [
            &b"{\0\0{\"sensor\":1}"[..],
            b"{\0\0\"sensor\"",
            b"{\"sensor\":\0\0",
            b"{\0\0",
        ] {
            assert_eq!(foreign_line(torn), None, "{torn:x?}");
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
            b"{\0\0\0{\"",
            b"{\0\0\0\0",
            b"\x1f\x1f",
            b"\xef\xbb{",
        ] {
            assert!(!undecided(plain), "{plain:x?}");
        }
    }

    #[test]
    fn binary_data_has_several_bytes_that_no_text_has() {
        for binary in [&b"\x8b\x01\x80"[..], b"\x1b\x0f\x00", b"a\xffb\xfe"] {
            assert!(is_binary(binary), "{binary:x?}");
        }
        for text in [
            &b"speed 12"[..],
            b"",
            "\u{17e} \u{10d}".as_bytes(),
            &[0xff; 100],
            b"\0\0\t\r",
            b"\x1bx\x1b",
            b"{\"sensor\":\"\xff\"}",
        ] {
            assert!(!is_binary(text), "{text:x?}");
        }
    }
}
