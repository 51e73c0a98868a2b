//! The file of keys and its lines, `KEY-ID BINDING SHA256-HEX`; `#` begins a comment.

use super::error::Error;
use super::table::{Binding, Digest, Key, Table};
use super::user::is_user;
use reading::is_device;
use sha2::Sha256;
use sha2::digest::Output;
use std::io::Read;
use std::path::Path;

/// Largest keys file: some 150,000 keys.
const MAX_FILE: u64 = 16 << 20;

/// Reads the whole text of a keys file.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let failed = |error| Error::Read(path.to_owned(), error);
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // One byte over the limit: a truncated file would silently lack keys.
    file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(Error::TooLarge(path.to_owned(), MAX_FILE));
    }
    match String::from_utf8(text) {
        // ASCII as UTF-16 is valid UTF-8, full of zeros.
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(Error::NotText(path.to_owned())),
    }
}

pub(super) fn parse(text: &str) -> Result<Table, Error> {
    // Some editors begin a file with a byte order mark, and files may be joined.
    let lines = text.lines().map(|line| line.trim_start_matches('\u{feff}'));
    let lines = lines.map(|line| line.split('#').next().unwrap_or_default());
    let mut keys = Table::new();
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (digest, key) = key(line).map_err(|why| Error::Line(number + 1, why))?;
        if keys.insert(digest, key).is_some() {
            // It may be bound to another device there: either choice would be a guess.
            return Err(Error::Line(number + 1, "an earlier line has the same key"));
        }
    }
    if keys.is_empty() { Err(Error::Empty) } else { Ok(keys) }
}

fn key(line: &str) -> Result<(Digest, Key), &'static str> {
    let [id, bound, hash] = line.split_ascii_whitespace().collect::<Vec<_>>()[..] else {
        return Err("it has not three words");
    };
    if id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the key id is not 1 to 64 visible ASCII characters");
    }
    let digest = unhex(hash).ok_or("the hash is not 64 hex digits")?;
    Ok((digest, Key::new(id, binding(bound)?)))
}

/// The binding of keys that read. It is no name of a device, so that programs of before refuse it.
const READS: &str = "read:*";

/// Parses whom a key lets in: `*`, `DEVICE`, `read:*`, `user=NAME` or `user=NAME,device=DEVICE`, NAME percent-encoded.
fn binding(text: &str) -> Result<Binding, &'static str> {
    const NO_DEVICE: &str = "the device is not a name";
    let device = |name: &str| is_device(name).then(|| name.into()).ok_or(NO_DEVICE);
    if text == "*" {
        return Ok(Binding::Any);
    }
    if text == READS {
        return Ok(Binding::Reads);
    }
    let Some(user) = text.strip_prefix("user=") else {
        return Ok(Binding::Device(device(text)?));
    };
    let (user, bound) = match user.split_once(',') {
        Some((user, bound)) => (
            user,
            Some(
                bound
                    .strip_prefix("device=")
                    .ok_or("after the user stands device=DEVICE")?,
            ),
        ),
        None => (user, None),
    };
    let name = percent::decode(user).ok().filter(|name| is_user(name));
    let name = name.ok_or("the user is not a name of 1 to 64 characters, percent-encoded")?;
    Ok(Binding::User(name.into(), bound.map(device).transpose()?))
}

/// The line of a keys file for the key of this digest.
pub(super) fn line(id: &str, binding: &Binding, digest: &Digest) -> String {
    let bound = match binding {
        Binding::Any => "*".to_owned(),
        Binding::Reads => READS.to_owned(),
        Binding::Device(device) => device.to_string(),
        Binding::User(name, device) => {
            let device = device.as_ref().map(|device| format!(",device={device}"));
            format!(
                "user={}{}",
                percent::encode(name.as_bytes()),
                device.unwrap_or_default()
            )
        }
    };
    format!("{id} {bound} {}", hex(digest))
}

pub(super) fn hex(digest: &Digest) -> String {
    format!("{:x}", Output::<Sha256>::from(digest.0))
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
    use std::fmt::Write;

    #[test]
    fn a_file_over_its_limit_is_refused_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = line("id", &Binding::Any, &Digest::of("k"));
        let room = usize::try_from(MAX_FILE).unwrap() - line.len() - 1;
        std::fs::write(file.path(), format!("{line}\n{}", "#".repeat(room))).unwrap();
        assert_eq!(parse(&read(file.path()).unwrap()).unwrap().len(), 1);
        std::fs::write(file.path(), format!("{line}\n{}", "#".repeat(room + 1))).unwrap();
        assert!(matches!(read(file.path()), Err(Error::TooLarge(..))));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_key_id() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (first, second) = (Digest::of("k"), Digest::of("l"));
        for start in ["", "# fleet\r\n", "\r\n"] {
            let text = format!(
                "\u{feff}{start}{}\r\n\u{feff}{}\r\n",
                line("a", &Binding::Any, &first),
                line("b", &Binding::Any, &second)
            );
            std::fs::write(file.path(), text).unwrap();
            let keys = parse(&read(file.path()).unwrap()).unwrap();
            assert_eq!((&*keys[&first].id, &*keys[&second].id), ("a", "b"));
        }
    }

    #[test]
    fn a_file_in_another_encoding_is_named_as_such() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = line("a", &Binding::Any, &Digest::of("k"));
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}{text}\r\n");
            for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
                let bytes: Vec<u8> = text.encode_utf16().flat_map(bytes).collect();
                std::fs::write(file.path(), bytes).unwrap();
                let error = read(file.path()).unwrap_err();
                assert!(matches!(error, Error::NotText(_)), "{error}");
                assert!(error.to_string().contains("save it as UTF-8"), "{error}");
            }
        }
    }

    #[test]
    fn lines_that_are_no_keys() {
        let hash = hex(&Digest::of("k"));
        let mut errors = String::new();
        for text in [
            "a *".to_owned(),
            format!("a * {}", &hash[1..]),
            format!("a * +{}", &hash[1..]),
            format!("a la!da {hash}"),
            format!("a user= {hash}"),
            format!("a user=a%0Ab {hash}"),
            format!("a user=anna,lada {hash}"),
            format!("a user=anna,device= {hash}"),
            format!("ключ * {hash}"),
            format!("a * {hash}\nb lada {hash}"),
            "# nothing\n\n".to_owned(),
        ] {
            let error = parse(&text).err().unwrap();
            let _written = writeln!(errors, "{}\n    {error}", text.replace(&hash[1..], "…"));
        }
        insta::assert_snapshot!(errors);
    }
}
