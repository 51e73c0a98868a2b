//! The file of keys and its lines, `KEY-ID DEVICE-or-* SHA256-HEX`; `#` begins a comment.

use super::{Digest, Error, Key, Table};
use crate::reading::is_device;
use std::io::Read;
use std::path::Path;

/// Keys files larger than this are refused: some 150,000 keys.
const MAX_FILE: u64 = 16 << 20;

/// The text of a keys file, all of it.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let failed = |error| Error::Read(path.to_owned(), error);
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // One byte more than may be there: a file that is cut off would lack keys in silence.
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(Error::TooLarge(path.to_owned(), MAX_FILE));
    }
    Ok(text)
}

pub(super) fn parse(text: &str) -> Result<Table, Error> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut keys = Table::new();
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (digest, key) = key(line).map_err(|why| Error::Line(number + 1, why))?;
        if keys.insert(digest, key).is_some() {
            // Bound to another device there, perhaps: which of the two counts would be a guess.
            return Err(Error::Line(number + 1, "an earlier line has the same key"));
        }
    }
    if keys.is_empty() { Err(Error::Empty) } else { Ok(keys) }
}

fn key(line: &str) -> Result<(Digest, Key), &'static str> {
    let [id, device, hash] = line.split_ascii_whitespace().collect::<Vec<_>>()[..] else {
        return Err("it has not three words");
    };
    if id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the key id is not 1 to 64 visible ASCII characters");
    }
    let device = match device {
        "*" => None,
        name if is_device(name) => Some(name.into()),
        _ => return Err("the device is not a name"),
    };
    let digest = unhex(hash).ok_or("the hash is not 64 hex digits")?;
    Ok((digest, Key::new(id, device)))
}

/// The line of a keys file that lets in the key of this digest.
pub(super) fn line(id: &str, device: Option<&str>, digest: &Digest) -> String {
    format!("{id} {} {}", device.unwrap_or("*"), hex(digest))
}

pub(super) fn hex(digest: &Digest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(Digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_its_limit_is_refused_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = line("id", None, &Digest::of("k"));
        let room = usize::try_from(MAX_FILE).unwrap() - line.len() - 1;
        std::fs::write(file.path(), format!("{line}\n{}", "#".repeat(room))).unwrap();
        assert_eq!(parse(&read(file.path()).unwrap()).unwrap().len(), 1);
        std::fs::write(file.path(), format!("{line}\n{}", "#".repeat(room + 1))).unwrap();
        assert!(matches!(read(file.path()), Err(Error::TooLarge(..))));
    }

    #[test]
    fn lines_that_are_no_keys() {
        let hash = hex(&Digest::of("k"));
        for (text, why) in [
            ("a *".to_owned(), "three words"),
            (format!("a * {}", &hash[1..]), "64 hex digits"),
            (format!("a * +{}", &hash[1..]), "64 hex digits"),
            (format!("a la!da {hash}"), "not a name"),
            (format!("ключ * {hash}"), "visible ASCII"),
            (format!("a * {hash}\nb lada {hash}"), "line 2: an earlier line"),
            ("# nothing\n\n".to_owned(), "holds no key"),
        ] {
            let error = parse(&text).err().unwrap().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
