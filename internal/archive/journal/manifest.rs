//! The manifest of a day's journal.

use crate::Day;
use serde::{Deserialize, Serialize};

/// Names the revision of a day's journal in force, and describes it. Stored beside the data as
/// `YYYY-MM-DD.journal.manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The UTC day.
    pub date: Day,
    /// Counts the dumps of this day's journal, with gaps.
    pub revision: u64,
    /// How many entries it holds.
    pub entries: u64,
    /// The earliest entry's time, RFC 3339 UTC; none when it is empty.
    pub first_timestamp: Option<String>,
    /// The latest entry's time, RFC 3339 UTC; none when it is empty.
    pub last_timestamp: Option<String>,
    /// The size of the compressed file.
    pub bytes: u64,
    /// The SHA-256 of the compressed file, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The version of the day's entries in the database that it was read from.
    pub day_version: String,
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
    pub const FORMAT: &str = crate::Manifest::FORMAT;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Names;

    #[test]
    fn its_shape_is_the_public_contract() {
        let day = "2017-06-03".parse().unwrap();
        let manifest = Manifest {
            date: day,
            revision: 3,
            entries: 2,
            first_timestamp: Some("2017-06-03T10:00:00Z".to_owned()),
            last_timestamp: None,
            bytes: 120,
            sha256: "ab".to_owned(),
            day_version: "3:-17".to_owned(),
            format: Manifest::FORMAT.to_owned(),
            schema_version: Manifest::SCHEMA_VERSION,
            file: Names::journal(day).data(3),
        };
        let text = r#"{"date":"2017-06-03","revision":3,"entries":2,"firstTimestamp":"2017-06-03T10:00:00Z","lastTimestamp":null,"bytes":120,"sha256":"ab","dayVersion":"3:-17","format":"json.gz","schemaVersion":1,"file":"2017-06-03.journal.r3.json.gz"}"#;
        assert_eq!(serde_json::to_string(&manifest).unwrap(), text);
        assert_eq!(serde_json::from_str::<Manifest>(text).unwrap(), manifest);
    }
}
