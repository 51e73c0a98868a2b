//! Why a keys file cannot be used.

use std::path::PathBuf;

/// Why a keys file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("the keys file {0} cannot be read")]
    Read(PathBuf, #[source] std::io::Error),
    /// It is larger than this many bytes.
    #[error("the keys file {0} is larger than {1} bytes; remove keys that are not in use")]
    TooLarge(PathBuf, u64),
    /// It is in another encoding.
    #[error("the keys file {0} is not UTF-8 text, perhaps UTF-16; save it as UTF-8")]
    NotText(PathBuf),
    /// A line is not a key; with the line's number and the reason.
    #[error("the keys file, line {0}: {1}; write KEY-ID DEVICE-or-* SHA256-HEX, as `odograph key new` prints it")]
    Line(usize, &'static str),
    /// It holds no key; perhaps it is being written.
    #[error("the keys file holds no key; `odograph key new` prints a line for it")]
    Empty,
    /// All keys are users', so no client could write readings.
    #[error(
        "all keys of the keys file are users', so no client could write readings; pass API_KEY, or add a line that \
         `odograph key new` prints"
    )]
    UsersAlone,
    /// No key is a user's, so no user could write.
    #[error(
        "no key of the keys file is a user's, so no user could write; add a line that `odograph key new --user NAME` prints"
    )]
    NoUser,
    /// Neither flags nor the file give any key.
    #[error("no key is given, so no client could write; pass API_KEY, or name a file with --api-keys-file")]
    None,
}
