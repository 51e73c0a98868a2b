//! The members of a JSON object, whatever the case of their names.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// A member's value, as its text.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    /// The name as it is written.
    pub(super) name: String,
    /// The value's JSON. Numbers, texts and depth in it are not checked yet.
    pub(super) json: &'a str,
}

/// The members of an object, by their names in lower case (ASCII). No two names differ only in case.
#[derive(Debug)]
pub(super) struct Members<'a>(pub(super) BTreeMap<String, Member<'a>>);

/// Why bytes are no such object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoMembers {
    /// They are no JSON object, as seen at this line and column.
    NoObject(usize, usize),
    /// Two members have this name, in any case.
    Twice(String),
}

impl<'a> Members<'a> {
    /// Parses an object.
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, NoMembers> {
        let parsed: Parsed<'a> =
            serde_json::from_slice(json).map_err(|error| NoMembers::NoObject(error.line(), error.column()))?;
        match parsed.twice {
            Some(name) => Err(NoMembers::Twice(name)),
            None => Ok(Self(parsed.members)),
        }
    }

    /// The value of this member as `T`; none where it is missing or null.
    pub(super) fn get<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        let json = self.0.get(name).map(|member| member.json);
        json.map_or(Ok(None), serde_json::from_str)
    }

    /// As [`Members::get`], where the name is written in lower case.
    pub(super) fn get_exact<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        match self.0.get(name) {
            Some(member) if member.name == name => serde_json::from_str(member.json),
            _ => Ok(None),
        }
    }
}

struct Parsed<'a> {
    members: BTreeMap<String, Member<'a>>,
    twice: Option<String>,
}

impl<'de> Deserialize<'de> for Parsed<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Parsed<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut members, mut twice) = (BTreeMap::new(), None);
        while let Some((name, json)) = map.next_entry::<String, &'de RawValue>()? {
            let known = name.to_ascii_lowercase();
            if members.contains_key(&known) {
                twice.get_or_insert(name);
                continue;
            }
            members.insert(known, Member { name, json: json.get() });
        }
        Ok(Parsed { members, twice })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        let members = Members::parse(br#"{"Topic":"t","exp": 1.5, "x":null}"#).unwrap();
        assert_eq!(members.get("topic").unwrap(), Some("t"));
        assert_eq!(members.get_exact::<&str>("topic").unwrap(), None);
        assert_eq!(members.get_exact("exp").unwrap(), Some(1.5));
        assert_eq!(members.get::<&str>("x").unwrap(), None);
        assert!(members.get::<&str>("exp").is_err());
    }

    #[test]
    fn one_object_without_equal_names() {
        for (json, expected) in [
            (&br#"{"a":1,"A":1}"#[..], NoMembers::Twice("A".into())),
            (br#"{"a":1,"\u0061":1}"#, NoMembers::Twice("a".into())),
            (b"[1]", NoMembers::NoObject(1, 0)),
            (b"{}\n{}", NoMembers::NoObject(2, 1)),
            (b"", NoMembers::NoObject(1, 0)),
            (b"{\"a\":1,}", NoMembers::NoObject(1, 8)),
            (b"{\"\xff\":1}", NoMembers::NoObject(1, 3)),
        ] {
            assert_eq!(Members::parse(json).unwrap_err(), expected, "{}", json.escape_ascii());
        }
    }
}
