//! Who may write, and as which device.
//!
//! Keys are kept as SHA-256 hashes and compared in constant time. They come from flags, which name
//! no device, and from a file with a line a key, `KEY-ID DEVICE-or-* SHA256-HEX`; `#` begins a
//! comment.

use super::is_name;
use secrecy::ExposeSecret;
pub use secrecy::SecretString as Secret;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio_util::sync::CancellationToken;

/// How often the file is looked at for changes.
const LOOK: Duration = Duration::from_secs(2);

/// Keys files larger than this are refused.
const MAX_FILE: u64 = 16 << 20;

/// The keys in force. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    flags: Arc<[Key]>,
    file: Option<Arc<File>>,
}

struct File {
    path: PathBuf,
    keys: RwLock<(String, Arc<[Key]>)>,
}

#[derive(Clone, Debug)]
struct Key {
    id: Arc<str>,
    device: Option<Arc<str>>,
    hash: [u8; 32],
}

/// Who is writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The id of the key, safe to log.
    pub key: Arc<str>,
    /// The device of readings that name none.
    pub device: Arc<str>,
    /// Whether readings may name no other device.
    pub bound: bool,
}

/// Why a keys file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("the keys file {0} cannot be read")]
    Read(PathBuf, #[source] std::io::Error),
    /// A line is not a key; the line's number and why.
    #[error("the keys file, line {0}: {1}; write KEY-ID DEVICE-or-* SHA256-HEX, as `odograph key new` prints it")]
    Line(usize, &'static str),
    /// It holds no key; perhaps it is just being written.
    #[error("the keys file holds no key; `odograph key new` prints a line for it")]
    Empty,
    /// Neither flags nor the file give any key.
    #[error("no key is given, so nobody could write; pass API_KEY, or name a file with --api-keys-file")]
    None,
}

impl Keys {
    /// Keys from flags and from a file; at least one.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn load(flags: &[Secret], path: Option<&Path>) -> Result<Self, Error> {
        let flags: Arc<[Key]> = flags
            .iter()
            .map(|key| key.expose_secret().trim())
            .filter(|key| !key.is_empty())
            .enumerate()
            .map(|(number, key)| Key {
                id: format!("flag-{}", number + 1).into(),
                device: None,
                hash: hash(key),
            })
            .collect();
        let file = match path {
            Some(path) => {
                let text = read(path)?;
                let keys = parse(&text)?;
                Some(Arc::new(File {
                    path: path.to_owned(),
                    keys: RwLock::new((text, keys)),
                }))
            }
            None => None,
        };
        if flags.is_empty() && file.is_none() {
            return Err(Error::None);
        }
        Ok(Self { flags, file })
    }

    /// Reads the file again whenever it changes, until `stop`. A file that cannot be used leaves
    /// the keys as they were.
    pub async fn watch(&self, stop: CancellationToken) {
        let Some(file) = &self.file else { return };
        let mut ticks = tokio::time::interval(LOOK);
        let mut told = false;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match file.refresh() {
                Ok(changed) => {
                    told = false;
                    if changed {
                        tracing::info!(file = %file.path.display(), "read the changed keys file");
                    }
                }
                Err(error) if !told => {
                    told = true;
                    tracing::error!(%error, "the keys file cannot be used; the keys stay as they were");
                }
                Err(_) => {}
            }
        }
    }

    /// The caller that these credentials belong to: a key, and the device they name if they do.
    pub fn find(&self, key: &str, device: Option<&str>) -> Option<Caller> {
        let given = hash(key);
        let from_file = self
            .file
            .as_ref()
            .map(|file| file.keys.read().unwrap_or_else(PoisonError::into_inner).1.clone());
        let all = self.flags.iter().chain(from_file.iter().flat_map(|keys| keys.iter()));
        // Every key is looked at, whatever matched before it.
        let (mut found, mut at) = (Choice::from(0), 0_u64);
        for (number, key) in all.clone().enumerate() {
            let same = key.hash.ct_eq(&given);
            at.conditional_assign(&(number as u64), same & !found);
            found |= same;
        }
        if !bool::from(found) {
            return None;
        }
        let key = all.clone().nth(usize::try_from(at).ok()?)?;
        if device.is_some_and(|device| !is_name(device)) {
            return None;
        }
        match (&key.device, device) {
            (Some(bound), Some(named)) if **bound != *named => None,
            (Some(bound), _) => Some(Caller {
                key: key.id.clone(),
                device: bound.clone(),
                bound: true,
            }),
            (None, named) => {
                let device = named.unwrap_or(super::DEFAULT_DEVICE).into();
                Some(Caller {
                    key: key.id.clone(),
                    device,
                    bound: false,
                })
            }
        }
    }
}

impl File {
    fn refresh(&self) -> Result<bool, Error> {
        let text = read(&self.path)?;
        if self.keys.read().unwrap_or_else(PoisonError::into_inner).0 == text {
            return Ok(false);
        }
        let keys = parse(&text)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = (text, keys);
        Ok(true)
    }
}

/// A new key, and the line of a keys file that lets it in, bound to `device` or to none.
pub fn generate(device: Option<&str>) -> (String, String) {
    // Two random UUIDs: 244 random bits, in letters that need no quoting anywhere.
    let key = format!("odo_{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let id = &uuid::Uuid::now_v7().simple().to_string()[..12];
    let line = format!("{id} {} {}", device.unwrap_or("*"), hex(&hash(&key)));
    (key, line)
}

fn read(path: &Path) -> Result<String, Error> {
    use std::io::Read;
    let failed = |error| Error::Read(path.to_owned(), error);
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_string(&mut text))
        .map_err(failed)?;
    Ok(text)
}

fn parse(text: &str) -> Result<Arc<[Key]>, Error> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let filled = lines.enumerate().filter(|(_, line)| !line.trim().is_empty());
    let keys: Arc<[Key]> = filled
        .map(|(number, line)| key(line).map_err(|why| Error::Line(number + 1, why)))
        .collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(Error::Empty) } else { Ok(keys) }
}

fn key(line: &str) -> Result<Key, &'static str> {
    let [id, device, hash] = line.split_ascii_whitespace().collect::<Vec<_>>()[..] else {
        return Err("it has not three words");
    };
    if id.len() > 64 {
        return Err("the key id is longer than 64 characters");
    }
    let device = match device {
        "*" => None,
        name if is_name(name) => Some(name.into()),
        _ => return Err("the device is not a name"),
    };
    let hash = unhex(hash).ok_or("the hash is not 64 hex digits")?;
    Ok(Key {
        id: id.into(),
        device,
        hash,
    })
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(lines: &str) -> (Keys, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines).unwrap();
        (Keys::load(&[], Some(file.path())).unwrap(), file)
    }

    fn caller(key: &str, device: &str, bound: bool) -> Option<Caller> {
        Some(Caller {
            key: key.into(),
            device: device.into(),
            bound,
        })
    }

    #[test]
    fn a_key_is_its_device() {
        let flags = Keys::load(&["secret".into()], None).unwrap();
        assert_eq!(flags.find("secret", None), caller("flag-1", "default", false));
        assert_eq!(flags.find("secret", Some("lada")), caller("flag-1", "lada", false));
        assert_eq!(flags.find("secret", Some("la da")), None);
        assert_eq!(flags.find("Secret", None), None);
        assert_eq!(flags.find("", None), None);

        let lada = hex(&hash("k1"));
        let (file, _kept) = keys(&format!("# fleet\nid1 lada {lada}\n"));
        assert_eq!(file.find("k1", None), caller("id1", "lada", true));
        assert_eq!(file.find("k1", Some("lada")), caller("id1", "lada", true));
        assert_eq!(file.find("k1", Some("niva")), None);
    }

    #[test]
    fn a_changed_file_is_read_and_a_broken_one_is_not() {
        let (old, new) = (hex(&hash("old")), hex(&hash("new")));
        let (keys, file) = keys(&format!("a * {old}\n"));
        let read = || keys.file.as_ref().unwrap().refresh();
        std::fs::write(file.path(), format!("a * {old}\nb * {new}\n")).unwrap();
        assert!(read().unwrap());
        assert!(keys.find("old", None).is_some() && keys.find("new", None).is_some());
        std::fs::write(file.path(), "b *\n").unwrap();
        assert!(matches!(read(), Err(Error::Line(1, _))));
        assert!(keys.find("old", None).is_some());
        std::fs::write(file.path(), format!("b * {new}\n")).unwrap();
        assert!(read().unwrap());
        assert!(keys.find("old", None).is_none() && keys.find("new", None).is_some());
    }

    #[test]
    fn a_new_key_fits_its_line() {
        let (key, line) = generate(Some("lada"));
        let (keys, _kept) = keys(&line);
        assert_eq!(&*keys.find(&key, None).unwrap().device, "lada");
        assert!(matches!(Keys::load(&["".into()], None), Err(Error::None)));
    }
}
