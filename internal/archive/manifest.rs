//! The manifest of a dump, and the names of its files.

use super::Day;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names the revision of a day's dump in force, and describes it. Stored beside the data as
/// `YYYY-MM-DD.manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The UTC day.
    pub date: Day,
    /// The id of this dump, which the database that wrote it records. None in manifests older than ids.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// Ids of the dumps that it was built upon, and which it holds: the latest first. Leaves out dumps whose
    /// readings were all in the database when it was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub based_on: Vec<Uuid>,
    /// Counts the dumps of this day, with gaps.
    pub revision: u64,
    /// How many readings it holds.
    pub readings: u64,
    /// How many devices have readings in it.
    pub devices: u64,
    /// The earliest reading's time, RFC 3339 UTC; none when it is empty.
    pub first_timestamp: Option<String>,
    /// The latest reading's time, RFC 3339 UTC; none when it is empty.
    pub last_timestamp: Option<String>,
    /// The size of the compressed file.
    pub bytes: u64,
    /// The SHA-256 of the compressed file, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The day's version when it was read, in the database that it was read from.
    pub day_version: i64,
    /// `json.gz`.
    pub format: String,
    /// The version of the shape of the lines and of this document.
    pub schema_version: u32,
    /// The name of the file that holds this revision, beside the manifest.
    pub file: String,
}

impl Manifest {
    /// The shape version that this program writes.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The format that this program writes.
    pub const FORMAT: &str = "json.gz";
}

/// The names of a dump's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) day: Day,
    /// What stands behind the day.
    of: &'static str,
}

impl Names {
    /// Those of a day's readings.
    pub(super) fn readings(day: Day) -> Self {
        Self { day, of: "" }
    }

    /// Those of a day's journal.
    pub(super) fn journal(day: Day) -> Self {
        Self { day, of: ".journal" }
    }

    /// The name of the manifest.
    pub(super) fn manifest(self) -> String {
        let Self { day, of } = self;
        format!("{day}{of}.manifest.json")
    }

    /// The name of a revision's data; never written twice.
    pub(super) fn data(self, revision: u64) -> String {
        let Self { day, of } = self;
        format!("{day}{of}.r{revision}.{}", Manifest::FORMAT)
    }

    /// The name of a copy of the data in force, which stays the same.
    pub(super) fn stable(self) -> String {
        let Self { day, of } = self;
        format!("{day}{of}.{}", Manifest::FORMAT)
    }

    /// The name of a claim, by which a dumper reserves a revision.
    pub(super) fn claim(self, revision: u64) -> String {
        let Self { day, of } = self;
        format!("{day}{of}.r{revision}.claim")
    }

    /// All claims, as a pattern for people.
    pub(super) fn claims(self) -> String {
        let Self { day, of } = self;
        format!("{day}{of}.r*.claim")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_shape_is_the_public_contract() {
        let day = "2017-06-03".parse().unwrap();
        let manifest = Manifest {
            date: day,
            id: Some(Uuid::nil()),
            based_on: Vec::new(),
            revision: 3,
            readings: 2,
            devices: 1,
            first_timestamp: Some("2017-06-03T10:00:00Z".to_owned()),
            last_timestamp: None,
            bytes: 120,
            sha256: "ab".to_owned(),
            day_version: 7,
            format: Manifest::FORMAT.to_owned(),
            schema_version: Manifest::SCHEMA_VERSION,
            file: Names::readings(day).data(3),
        };
        let text = r#"{"date":"2017-06-03","id":"00000000-0000-0000-0000-000000000000","revision":3,"readings":2,"devices":1,"firstTimestamp":"2017-06-03T10:00:00Z","lastTimestamp":null,"bytes":120,"sha256":"ab","dayVersion":7,"format":"json.gz","schemaVersion":1,"file":"2017-06-03.r3.json.gz"}"#;
        assert_eq!(serde_json::to_string(&manifest).unwrap(), text);
        assert_eq!(serde_json::from_str::<Manifest>(text).unwrap(), manifest);
        let earlier = text.replace(r#""id":"00000000-0000-0000-0000-000000000000","#, "");
        assert_eq!(
            serde_json::from_str::<Manifest>(&earlier).unwrap(),
            Manifest {
                id: None,
                ..manifest.clone()
            }
        );
        let later = text.replace("\"file\"", "\"addedLater\":[1],\"file\"");
        assert_eq!(serde_json::from_str::<Manifest>(&later).unwrap(), manifest);
    }
}
