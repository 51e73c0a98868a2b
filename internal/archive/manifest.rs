//! What is published beside a dump, and the names of its files.

use super::Day;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Says which revision of a day's dump is in force and what it holds. It lies beside the data as
/// `YYYY-MM-DD.manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The UTC day.
    pub date: Day,
    /// Of this dump alone; the database that it was written from knows it. None in those of before
    /// dumps had one.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// The dumps that it was built upon, and which it holds: the latest first. None of those whose
    /// readings were all in the database when it was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub based_on: Vec<Uuid>,
    /// Counts the dumps of this day; numbers can be missing.
    pub revision: u64,
    /// How many readings it holds.
    pub readings: u64,
    /// How many devices have readings in it.
    pub devices: u64,
    /// The earliest reading's time, RFC 3339 UTC; none when it is empty.
    pub first_timestamp: Option<String>,
    /// The latest reading's time, RFC 3339 UTC; none when it is empty.
    pub last_timestamp: Option<String>,
    /// The size of the file, compressed as it is.
    pub bytes: u64,
    /// The SHA-256 of the file, compressed as it is, in lower-case hexadecimal digits.
    pub sha256: String,
    /// How often the day had changed when it was read, in the database that it was read from.
    pub day_version: i64,
    /// `json.gz`.
    pub format: String,
    /// The version of the lines' and this document's shape.
    pub schema_version: u32,
    /// The name of the file that holds this revision, beside the manifest.
    pub file: String,
}

impl Manifest {
    /// The shape that this program writes.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The format that this program writes.
    pub const FORMAT: &str = "json.gz";
}

/// The manifest of a day.
pub(super) fn name(day: Day) -> String {
    format!("{day}.manifest.json")
}

/// The data of a revision; never written twice.
pub(super) fn data(day: Day, revision: u64) -> String {
    format!("{day}.r{revision}.{}", Manifest::FORMAT)
}

/// The data in force, under a name that stays.
pub(super) fn stable(day: Day) -> String {
    format!("{day}.{}", Manifest::FORMAT)
}

/// Reserves a revision for the dumper that made it.
pub(super) fn claim(day: Day, revision: u64) -> String {
    format!("{day}.r{revision}.claim")
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
            file: data(day, 3),
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
