//! Messages, each computed from the seed, its name and its version, so that an answer can be compared with it again.

use crate::chance::mix;
use bytes::Bytes;

/// The source of all messages.
pub(super) const SOURCE: &str = "soak";

/// What precedes the id in an encoded event: the field 1, with a length.
const ID: u8 = 1 << 3 | 2;

/// The name of a message: the writer that puts it, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) writer: u32,
    pub(super) number: u32,
}

impl Name {
    /// The message's id. Ids come in no order, as random ones do: this is the hardest order for an index.
    pub(super) fn id(self, seed: u64) -> String {
        let Self { writer, number } = self;
        let hash = mix(&[seed, 1, u64::from(writer), u64::from(number)]);
        format!("{hash:016x}-{writer}-{number}")
    }

    /// The name that has this id, if one has.
    pub(super) fn of(seed: u64, id: &str) -> Option<Self> {
        let mut parts = id.rsplit('-');
        let (number, writer) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let name = Self { writer, number };
        (name.id(seed) == id).then_some(name)
    }

    /// The encoded event. Versions are the contents that come one after the other under one name. One event in a
    /// hundred is so long that PostgreSQL stores it outside of the row.
    pub(super) fn event(self, seed: u64, version: u32) -> Bytes {
        let Self { writer, number } = self;
        let base = mix(&[seed, 2, u64::from(writer), u64::from(number), u64::from(version)]);
        let length = if base.is_multiple_of(100) {
            2_000 + base / 100 % 6_000
        } else {
            50 + base / 100 % 550
        };
        let length = usize::try_from(length).unwrap_or_default();
        // Bytes without a pattern: PostgreSQL would compress others.
        let data: Vec<u8> = (0..)
            .flat_map(|word| mix(&[base, word]).to_le_bytes())
            .take(length)
            .collect();
        let mut event = Vec::with_capacity(length + 100);
        add(&mut event, ID, self.id(seed).as_bytes());
        add(&mut event, 2 << 3 | 2, SOURCE.as_bytes());
        add(&mut event, 3 << 3 | 2, b"1.0");
        add(&mut event, 4 << 3 | 2, b"soak.v1");
        add(&mut event, 6 << 3 | 2, &data);
        event.into()
    }
}

/// The id in an encoded event that begins with it, as those here do.
pub(super) fn id_of(event: &[u8]) -> Option<&str> {
    let [ID, length, rest @ ..] = event else {
        return None;
    };
    std::str::from_utf8(rest.get(..usize::from(*length))?).ok()
}

/// Adds a field of bytes to an encoded event.
fn add(event: &mut Vec<u8>, tag: u8, value: &[u8]) {
    event.push(tag);
    let mut length = value.len();
    loop {
        let low = u8::try_from(length & 127).unwrap_or_default();
        length >>= 7;
        if length == 0 {
            event.push(low);
            break;
        }
        event.push(low | 128);
    }
    event.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_ids_lead_back_to_their_names() {
        let (seed, mut long) = (7, 0);
        for number in 0..1_000 {
            let name = Name { writer: 3, number };
            let event = name.event(seed, 2);
            let id = id_of(&event).unwrap();
            assert_eq!(id, name.id(seed));
            assert_eq!(Name::of(seed, id), Some(name));
            assert_eq!(Name::of(seed + 1, id), None);
            assert_eq!(event, name.event(seed, 2));
            assert_ne!(event, name.event(seed, 3));
            long += u32::from(event.len() > 2_000);
        }
        assert!(long > 0 && long < 50, "{long}");
        for wrong in ["", "nothing", "1-2", "0000000000000000-3-1"] {
            assert_eq!(Name::of(seed, wrong), None);
        }
    }

    #[test]
    fn lengths_are_encoded_in_groups_of_seven_bits() {
        for (length, expected) in [(1, &[1_u8][..]), (127, &[127]), (128, &[128, 1]), (300, &[0xac, 2])] {
            let mut event = Vec::new();
            add(&mut event, 9, &vec![0; length]);
            assert_eq!(event[1..=expected.len()], *expected, "{length}");
        }
    }
}
