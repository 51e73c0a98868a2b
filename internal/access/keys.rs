//! The keys of clients, and the devices that they write for.
//!
//! Keys are kept as SHA-256 digests, in memory as in the file, and compared in constant time. They come from
//! flags, which name no device, and from a file, which is read again when it changes. The file has one line a
//! key, `KEY-ID BINDING SHA256-HEX`. A binding is a device, `*` for any, `user=NAME` or `user=NAME,device=DEVICE`
//! for a user of the journal, or `read:*` for reading. One file serves all programs: each takes its own kinds.

mod error;
mod line;
mod metrics;
mod table;
mod user;

pub use error::Error;
pub use user::{User, is_user};

use reading::is_device;
use secrecy::ExposeSecret;
pub use secrecy::SecretString as Secret;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
pub(super) use table::Digest;
use table::{Binding, Key, Table};
use tokio_util::sync::CancellationToken;

/// Most bytes of a key: a stranger must not make us hash whole heads.
pub(super) const LONGEST: usize = 1024;

/// Bytes below which a key may be guessed.
const SHORT: usize = 16;

/// The keys in force. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    flags: Arc<Table>,
    file: Option<Arc<File>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count: usize = self.tables().iter().map(|table| table.len()).sum();
        write!(f, "Keys({count})")
    }
}

struct File {
    path: PathBuf,
    in_force: RwLock<InForce>,
}

struct InForce {
    /// The digest of the text read last.
    text: Digest,
    keys: Arc<Table>,
    /// Whether any of them reads.
    has_reader: bool,
}

/// The client that writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The id of the key, safe to log.
    pub key: Arc<str>,
    /// The device of readings that name none.
    pub device: Arc<str>,
    /// Whether readings must not name another device.
    pub bound: bool,
}

impl Keys {
    /// Loads keys from flags and from a file; at least one. Keeps only digests of the flags.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn load(flags: &[Secret], path: Option<&Path>) -> Result<Self, Error> {
        Self::load_as(&Binding::Any, flags, path)
    }

    /// As [`Keys::load`], but keys from flags read, and write nothing.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn load_readers(flags: &[Secret], path: Option<&Path>) -> Result<Self, Error> {
        Self::load_as(&Binding::Reads, flags, path)
    }

    fn load_as(binding: &Binding, flags: &[Secret], path: Option<&Path>) -> Result<Self, Error> {
        let given = flags.iter().map(|key| key.expose_secret().trim());
        let flags: Table = given
            .filter(|key| !key.is_empty())
            .enumerate()
            .map(|(number, key)| {
                let id = format!("flag-{}", number + 1);
                if key.len() < SHORT {
                    tracing::warn!(
                        key = id,
                        "a key of fewer than {SHORT} characters may be guessed; `odograph key new` makes a better one"
                    );
                }
                (Digest::of(key), Key::new(&id, binding.clone()))
            })
            .collect();
        let file = match path {
            Some(path) => {
                let text = line::read(path)?;
                let in_force = RwLock::new(InForce::new(Digest::of(&text), line::parse(&text)?));
                let path = path.to_owned();
                Some(Arc::new(File { path, in_force }))
            }
            None => None,
        };
        if flags.is_empty() && file.is_none() {
            return Err(Error::None);
        }
        let keys = Self {
            flags: Arc::new(flags),
            file,
        };
        let from_file = keys.file.as_ref().map_or(0, |file| file.keys().len());
        tracing::info!(from_flags = keys.flags.len(), from_file, "loaded the keys");
        Ok(keys)
    }

    /// These keys, if one of them may write readings. A file that changes later is not looked at in this way.
    ///
    /// # Errors
    /// [`Error::UsersAlone`].
    pub fn with_devices(self) -> Result<Self, Error> {
        if self.any(|binding| matches!(binding, Binding::Any | Binding::Device(_))) {
            Ok(self)
        } else {
            Err(Error::UsersAlone)
        }
    }

    /// These keys, if one of them is a user's. A file that changes later is not looked at in this way.
    ///
    /// # Errors
    /// [`Error::NoUser`].
    pub fn with_users(self) -> Result<Self, Error> {
        if self.any(|binding| matches!(binding, Binding::User(..))) {
            Ok(self)
        } else {
            Err(Error::NoUser)
        }
    }

    /// Reads the file again whenever it changes, until `stop`. If the file is unusable, the keys stay.
    pub async fn watch(&self, stop: CancellationToken) {
        let Some(file) = &self.file else { return };
        let checked = file.clone();
        let check = move || {
            if let Some(keys) = checked.refresh()? {
                tracing::info!(file = %checked.path.display(), keys, "read the changed keys file");
            }
            Ok(())
        };
        repeat::refresh(stop, check, |error: &Error| {
            tracing::error!(%error, "the keys file cannot be used; the keys stay as they were");
        })
        .await;
    }

    /// Returns the caller of these credentials: of a key, and of a device if they name one.
    pub fn find(&self, key: &str, device: Option<&str>) -> Option<Caller> {
        if key.len() > LONGEST || device.is_some_and(|device| !is_device(device)) {
            return None;
        }
        self.look_up(key, |key| match (&key.binding, device) {
            (Binding::User(..) | Binding::Reads, _) => None,
            (Binding::Device(bound), Some(named)) if **bound != *named => None,
            (Binding::Device(bound), _) => Some(Caller {
                key: key.id.clone(),
                device: bound.clone(),
                bound: true,
            }),
            (Binding::Any, named) => Some(Caller {
                key: key.id.clone(),
                device: named.unwrap_or(reading::DEFAULT_DEVICE).into(),
                bound: false,
            }),
        })
    }

    /// Returns the user whose key this is; none where it is no key in force, or a device's.
    pub fn user(&self, key: &str) -> Option<User> {
        if key.len() > LONGEST {
            return None;
        }
        self.look_up(key, |key| match &key.binding {
            Binding::User(name, device) => Some(User {
                key: key.id.clone(),
                name: name.clone(),
                device: device.clone(),
            }),
            Binding::Any | Binding::Device(_) | Binding::Reads => None,
        })
    }

    /// Returns the id of the key if it reads, safe to log; none where it is no key in force, or one that writes.
    pub fn reader(&self, key: &str) -> Option<Arc<str>> {
        if key.len() > LONGEST {
            return None;
        }
        self.look_up(key, |key| (key.binding == Binding::Reads).then(|| key.id.clone()))
    }

    /// Whether any key in force reads.
    pub fn has_reader(&self) -> bool {
        let in_file = self.file.as_ref().is_some_and(|file| file.in_force().has_reader);
        in_file || has_reader(&self.flags)
    }

    /// Whether a key in force is bound so.
    fn any(&self, is_so: impl Fn(&Binding) -> bool) -> bool {
        let tables = self.tables();
        tables
            .iter()
            .flat_map(|table| table.values())
            .any(|key| is_so(&key.binding))
    }

    /// What a key in force stands for; notes its use, unless that is nothing.
    fn look_up<T>(&self, given: &str, stands_for: impl FnOnce(&Key) -> Option<T>) -> Option<T> {
        let given = Digest::of(given);
        let tables = self.tables();
        let key = tables.iter().find_map(|table| table.get(&given))?;
        let found = stands_for(key)?;
        key.used.store(jiff::Timestamp::now().as_second(), Ordering::Relaxed);
        Some(found)
    }

    /// The keys of the flags, and those of the file when it was last read.
    fn tables(&self) -> Vec<Arc<Table>> {
        let from_file = self.file.as_ref().map(|file| file.keys());
        std::iter::once(self.flags.clone()).chain(from_file).collect()
    }
}

impl InForce {
    fn new(text: Digest, keys: Table) -> Self {
        Self {
            text,
            has_reader: has_reader(&keys),
            keys: Arc::new(keys),
        }
    }
}

fn has_reader(keys: &Table) -> bool {
    keys.values().any(|key| key.binding == Binding::Reads)
}

impl File {
    fn in_force(&self) -> RwLockReadGuard<'_, InForce> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> Arc<Table> {
        self.in_force().keys.clone()
    }

    /// Reads the file's keys if it has changed, and returns their number.
    fn refresh(&self) -> Result<Option<usize>, Error> {
        let text = line::read(&self.path)?;
        let digest = Digest::of(&text);
        let old = {
            let in_force = self.in_force();
            if in_force.text == digest {
                return Ok(None);
            }
            in_force.keys.clone()
        };
        let mut keys = line::parse(&text)?;
        for (digest, key) in &mut keys {
            if let Some(same) = old.get(digest) {
                key.used = same.used.clone();
            }
        }
        let count = keys.len();
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = InForce::new(digest, keys);
        Ok(Some(count))
    }
}

/// Generates a key, and its line for a keys file, bound to `user` and `device` or to none.
pub fn generate(user: Option<&str>, device: Option<&str>) -> (String, String) {
    let (key, id) = new_key();
    let device = device.map(Into::into);
    let binding = match (user, device) {
        (Some(user), device) => Binding::User(user.into(), device),
        (None, Some(device)) => Binding::Device(device),
        (None, None) => Binding::Any,
    };
    let line = line::line(&id, &binding, &Digest::of(&key));
    (key, line)
}

/// Generates a key that reads, and its line for a keys file.
pub fn generate_reader() -> (String, String) {
    let (key, id) = new_key();
    let line = line::line(&id, &Binding::Reads, &Digest::of(&key));
    (key, line)
}

/// A new key, and an id for it.
fn new_key() -> (String, String) {
    // Two random UUIDs: 244 random bits, in letters that need no quoting anywhere.
    let key = format!("odo_{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let id = uuid::Uuid::now_v7().simple().to_string()[..12].to_owned();
    (key, id)
}

#[cfg(test)]
mod tests {
    use super::line::hex;
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

    fn hash(key: &str) -> String {
        hex(&Digest::of(key))
    }

    #[test]
    fn a_key_is_its_device() {
        let flags = Keys::load(&["secret".into()], None).unwrap();
        assert_eq!(flags.find("secret", None), caller("flag-1", "default", false));
        assert_eq!(flags.find("secret", Some("lada")), caller("flag-1", "lada", false));
        assert_eq!(flags.find("secret", Some("la da")), None);
        assert_eq!(flags.find("Secret", None), None);
        assert_eq!(flags.find("", None), None);
        assert_eq!(flags.find(&"s".repeat(LONGEST + 1), None), None);
        assert_eq!(flags.find(&hash("secret"), None), None);

        let (file, _kept) = keys(&format!("# fleet\nid1 lada {}\n", hash("k1")));
        assert_eq!(file.find("k1", None), caller("id1", "lada", true));
        assert_eq!(file.find("k1", Some("lada")), caller("id1", "lada", true));
        assert_eq!(file.find("k1", Some("niva")), None);
    }

    #[test]
    fn a_changed_file_is_read_and_a_broken_one_is_not() {
        let (old, new) = (hash("old"), hash("new"));
        let (keys, file) = keys(&format!("a * {old}\n"));
        let read = || keys.file.as_ref().unwrap().refresh();
        let used = || {
            keys.last_used()
                .iter()
                .map(|(id, _)| id.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(read().unwrap(), None);
        assert!(used().is_empty() && keys.find("old", None).is_some());
        std::fs::write(file.path(), format!("a * {old}\nb * {new}\n")).unwrap();
        assert_eq!(read().unwrap(), Some(2));
        // The last use of the old key is kept.
        assert_eq!(used(), ["a"]);
        assert!(keys.find("old", None).is_some() && keys.find("new", None).is_some());
        std::fs::write(file.path(), "b *\n").unwrap();
        assert!(matches!(read(), Err(Error::Line(1, _))));
        assert!(keys.find("old", None).is_some());
        assert_eq!(used(), ["a", "b"]);
        std::fs::write(file.path(), format!("b * {new}\n")).unwrap();
        assert_eq!(read().unwrap(), Some(1));
        assert!(keys.find("old", None).is_none() && keys.find("new", None).is_some());
        assert_eq!(used(), ["b"]);
    }

    #[test]
    fn metrics_name_ids_and_no_keys() {
        let (lines, mut text) = (
            format!(
                "same * {}\nsame lada {}\nidle * {}\n",
                hash("k1"),
                hash("k2"),
                hash("k3")
            ),
            String::new(),
        );
        let (keys, _kept) = keys(&lines);
        for key in ["k1", "k2", "wrong"] {
            keys.find(key, None);
        }
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(keys));
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines[0], "ingestor_keys 3");
        assert!(
            lines[1].starts_with("ingestor_key_last_used_timestamp_seconds{key=\"same\"} "),
            "{text}"
        );
        assert_eq!(lines.len(), 2, "{text}");
    }

    #[test]
    fn keys_that_read_write_nothing_and_the_other_way_round() {
        let flags = Keys::load_readers(&["secret".into()], None).unwrap();
        assert_eq!(flags.reader("secret").as_deref(), Some("flag-1"));
        assert!(flags.has_reader() && flags.find("secret", None).is_none() && flags.user("secret").is_none());
        let (key, line) = generate_reader();
        let (file, _kept) = keys(&format!("{line}\na * {}\nb lada {}\n", hash("k1"), hash("k2")));
        assert!(file.reader(&key).is_some() && file.find(&key, None).is_none());
        for writes in ["k1", "k2", "k3"] {
            assert_eq!(file.reader(writes), None, "{writes}");
        }
        let (file, _kept) = keys(&format!("a * {}\n", hash("k1")));
        assert!(!file.has_reader());
    }

    #[test]
    fn a_new_key_fits_its_line() {
        let (key, line) = generate(None, Some("lada"));
        let (of_device, _kept) = keys(&line);
        assert_eq!(&*of_device.find(&key, None).unwrap().device, "lada");
        assert_eq!(of_device.user(&key), None);
        // An IMEI, and a VIN that begins with a digit.
        for device in ["356000000000017", "5ABCD12E3FG000017"] {
            let (key, line) = generate(None, Some(device));
            let (of_device, _kept) = keys(&line);
            assert_eq!(&*of_device.find(&key, Some(device)).unwrap().device, device);
        }
        let (key, line) = generate(Some("Ana, 50 % #"), Some("lada"));
        let (of_user, _kept) = keys(&line);
        let user = of_user.user(&key).unwrap();
        assert_eq!((&*user.name, user.device.as_deref()), ("Ana, 50 % #", Some("lada")));
        // It lets no device in.
        assert_eq!(
            (of_user.find(&key, None), of_user.find(&key, Some("lada"))),
            (None, None)
        );
        assert!(matches!(Keys::load(&["".into()], None), Err(Error::None)));
    }

    #[test]
    fn a_file_may_lack_the_keys_that_a_program_takes() {
        let of_user = format!("a user=anna,device=lada {}\n", hash("k1"));
        for (line, has_devices, has_users) in [
            (format!("b * {}", hash("k2")), true, false),
            (format!("b lada {}", hash("k2")), true, false),
            (of_user.clone(), false, true),
            (format!("{of_user}b lada {}", hash("k2")), true, true),
        ] {
            let (keys, _kept) = keys(&line);
            let (devices, users) = (keys.clone().with_devices(), keys.with_users());
            assert!(
                matches!((&devices, has_devices), (Ok(_), true) | (Err(Error::UsersAlone), false)),
                "{line}: {devices:?}"
            );
            assert!(
                matches!((&users, has_users), (Ok(_), true) | (Err(Error::NoUser), false)),
                "{line}: {users:?}"
            );
        }
        // A key of a flag may write readings, beside a file of users alone.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), of_user).unwrap();
        let both = Keys::load(&["a-key-of-its-own".into()], Some(file.path())).unwrap();
        assert!(both.with_devices().is_ok());
    }
}
