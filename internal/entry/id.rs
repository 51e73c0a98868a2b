//! Ids of entries: ULIDs, which begin with the moment that an entry tells of.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use ulid::Ulid;
use uuid::Uuid;

/// The id of an entry. Ids are in the order of their moments; within a millisecond their order is random, and fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Ulid);

/// The text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: write the 26 letters and digits that the answer to a post has")]
pub struct NoId;

impl Id {
    /// A new id for this moment, in milliseconds since 1970.
    pub(crate) fn new(moment: i64) -> Self {
        // Of the 16 bytes, the 7th and the 9th are not all random.
        let random = Uuid::new_v4().into_bytes();
        let mut bytes = [0; 16];
        bytes[6..12].copy_from_slice(&random[..6]);
        bytes[12..].copy_from_slice(&random[10..14]);
        Self(Ulid::from_parts(
            u64::try_from(moment).unwrap_or(0),
            u128::from_be_bytes(bytes),
        ))
    }

    /// Smaller than every id of this moment and later.
    #[must_use]
    pub fn first_of(moment: i64) -> Self {
        Self(Ulid::from_parts(u64::try_from(moment).unwrap_or(0), 0))
    }

    /// The moment, in milliseconds since 1970.
    #[must_use]
    pub fn moment(self) -> i64 {
        i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX)
    }

    /// As the database has it.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        Uuid::from_bytes(self.0.to_bytes())
    }
}

impl From<Uuid> for Id {
    fn from(uuid: Uuid) -> Self {
        Self(Ulid::from_bytes(uuid.into_bytes()))
    }
}

impl FromStr for Id {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        // The first letter has three bits; the library drops further ones.
        if text.as_bytes().first().is_some_and(|first| *first > b'7') {
            return Err(NoId);
        }
        Ulid::from_string(text).map(Self).map_err(|_| NoId)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<Self>().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_their_moments() {
        let (one, same, later) = (Id::new(1000), Id::new(1000), Id::new(1001));
        assert_ne!(one, same);
        assert!(Id::first_of(1000) < one && one < Id::first_of(1001) && same < later);
        assert_eq!((one.moment(), later.moment()), (1000, 1001));
        assert_eq!(Id::from(one.uuid()), one);
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(one.to_string().to_lowercase().parse(), Ok(one));
        assert!(one.uuid() < later.uuid());
    }

    #[test]
    fn other_texts_are_none() {
        let id = Id::new(1).to_string();
        for text in [
            "",
            "1",
            &id[1..],
            &format!("{id}0"),
            "81ARZ3NDEKTSV4RRFFQ69G5FAV",
            "0!ARZ3NDEKTSV4RRFFQ69G5FAV",
        ] {
            assert_eq!(text.parse::<Id>(), Err(NoId), "{text}");
        }
    }
}
