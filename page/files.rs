//! The files of `site/`: as they were when the program was built, or as they are in the folder now.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

/// The folder, which a debug build reads.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/site");

/// The base map; too large to be read again and again.
pub(crate) const MAP: &[u8] = include_bytes!("world.pmtiles");

/// Bytes by name, such as `live/live.js`.
pub(crate) type Files = BTreeMap<String, Cow<'static, [u8]>>;

/// The files that the program holds.
pub(crate) fn embedded() -> Files {
    let files: &[(&str, &'static [u8])] = &include!(concat!(env!("OUT_DIR"), "/files.rs"));
    let owned = files
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), Cow::Borrowed(*bytes)));
    owned.collect()
}

/// The files in the folder. It is there on the machine that built the program.
pub(crate) fn in_folder() -> io::Result<Files> {
    let mut files = Files::new();
    read(Path::new(FOLDER), "", &mut files)?;
    Ok(files)
}

fn read(folder: &Path, prefix: &str, into: &mut Files) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{name}/"), into)?;
        } else {
            into.insert(name, Cow::Owned(fs::read(entry.path())?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_holds_what_the_folder_has() {
        let (held, there) = (embedded(), in_folder().unwrap());
        assert!(held.contains_key("index.html") && held.contains_key("text/en.js"));
        assert!(held == there, "{:?} and {:?}", held.keys(), there.keys());
    }
}
