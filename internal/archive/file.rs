//! Names of the files that hold dumps.

use super::manifest::Names;
use super::{Day, Manifest};
use std::fmt;

/// A file that holds a dump: a revision of a day, or the copy of the revision in force.
///
/// Only its name is judged. Whether the store has it is another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    day: Day,
    revision: Option<u64>,
}

impl File {
    /// Reads a name, exactly as it is written: no other text names a file of a dump.
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_suffix(Manifest::FORMAT)?.strip_suffix('.')?;
        let (day, revision) = match rest.split_once(".r") {
            None => (rest, None),
            Some((day, revision)) => (day, Some(revision.parse::<u64>().ok()?)),
        };
        let day = day.parse::<Day>().ok()?;
        let file = Self { day, revision };
        // A number may be written in other ways.
        (file.to_string() == name).then_some(file)
    }

    /// Whether its content never changes: it is a revision.
    pub fn is_revision(self) -> bool {
        self.revision.is_some()
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.revision {
            Some(revision) => Names::readings(self.day).data(revision),
            None => Names::readings(self.day).stable(),
        };
        f.write_str(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        for (name, is_revision) in [
            ("2024-05-01.r1.json.gz", true),
            ("2024-05-01.r18446744073709551615.json.gz", true),
            ("2024-05-01.json.gz", false),
        ] {
            let file = File::parse(name).unwrap();
            assert_eq!((file.to_string().as_str(), file.is_revision()), (name, is_revision));
        }
        for name in [
            "",
            ".json.gz",
            "2024-05-01.r1",
            "2024-05-01.r1.claim",
            "2024-05-01.manifest.json",
            "2024-05-01.r.json.gz",
            "2024-05-01.r01.json.gz",
            "2024-05-01.r+1.json.gz",
            "2024-05-01.r-1.json.gz",
            "2024-05-01.r1.r2.json.gz",
            "2024-05-01.r99999999999999999999.json.gz",
            "2024-02-30.json.gz",
            "2024-5-1.json.gz",
            "../2024-05-01.json.gz",
            "other/2024-05-01.json.gz",
            "2024-05-01.json.gz/",
            "2024-05-01.json.gz\0",
            " 2024-05-01.json.gz",
            ".lock",
        ] {
            assert_eq!(File::parse(name), None, "{name:?}");
        }
    }
}
