//! An entry as a line of its day's dump: what everybody may read of it, and where its hashtags stood.

use crate::{Id, Moment};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An entry that is there. Its JSON is that of `/api/journal`, but for what the api finds out from readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its id.
    pub id: Id,
    /// Who wrote it.
    pub user: String,
    /// The device that it is about.
    pub device: Option<String>,
    /// May be empty, where it has hashtags.
    pub text: String,
    /// As they were written.
    pub hashtags: Vec<String>,
    /// Of each hashtag: below 0 it was named beside the text; else it is its place in the text.
    pub positions: Vec<i16>,
    /// The moment that it tells of, which its id says as well.
    pub timestamp: Moment,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// Its own place, if it has one.
    pub place: Option<Coordinates>,
}

/// A place, in degrees, WGS 84.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coordinates {
    /// North of the equator.
    pub latitude: f64,
    /// East of Greenwich.
    pub longitude: f64,
}

impl Record {
    /// Whether it was edited after this other state of the same entry.
    #[must_use]
    pub fn is_later_than(&self, other: &Self) -> bool {
        self.edited_at > other.edited_at
    }

    /// Checks what the database relies on.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if self.positions.len() != self.hashtags.len() {
            return Err("positions: each hashtag has one".to_owned());
        }
        if self.timestamp.0 != self.id.moment() {
            return Err("timestamp: is not that of the id".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_shape_is_the_public_contract() {
        let record = Record {
            id: Id::first_of(1_496_484_000_000),
            user: "anna".to_owned(),
            device: None,
            text: "#Cres".to_owned(),
            hashtags: vec!["trip".to_owned(), "Cres".to_owned()],
            positions: vec![-1, 0],
            timestamp: Moment(1_496_484_000_000),
            received_at: "2017-06-04T00:00:00.000001Z".parse().unwrap(),
            edited_at: None,
            place: Some(Coordinates {
                latitude: 45.1,
                longitude: 14.25,
            }),
        };
        let text = r##"{"id":"01BHP2G9R00000000000000000","user":"anna","device":null,"text":"#Cres","hashtags":["trip","Cres"],"positions":[-1,0],"timestamp":"2017-06-03T10:00:00Z","receivedAt":"2017-06-04T00:00:00.000001Z","editedAt":null,"place":{"latitude":45.1,"longitude":14.25}}"##;
        let written = serde_json::to_string(&record).unwrap();
        assert_eq!(
            written.replace(&record.id.to_string(), "01BHP2G9R00000000000000000"),
            text
        );
        assert_eq!(serde_json::from_str::<Record>(&written).unwrap(), record);
        assert_eq!(record.check(), Ok(()));
        let later = Record {
            edited_at: Some(record.received_at),
            ..record.clone()
        };
        assert!(later.is_later_than(&record) && !record.is_later_than(&later) && !record.is_later_than(&record));
        let moved = Record {
            timestamp: Moment(0),
            ..record.clone()
        };
        let short = Record {
            positions: Vec::new(),
            ..record
        };
        assert!(moved.check().is_err() && short.check().is_err());
    }
}
