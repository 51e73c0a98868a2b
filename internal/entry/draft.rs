//! What a client wants to write, checked.

use crate::hashtag::{self, Hashtag, MOST};
use crate::moment::Moment;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

/// The body of a post.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hashtags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
}

/// The body of an edit. What is missing stays; null takes it away.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    #[serde(default, deserialize_with = "given")]
    text: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    hashtags: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "given")]
    device: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    latitude: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given")]
    longitude: Option<Option<f64>>,
}

fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A hashtag at its place: below 0 beside the text, else in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) hashtag: Hashtag,
    pub(crate) position: i16,
}

/// An entry that can be stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    pub(crate) text: String,
    pub(crate) hashtags: Vec<Placed>,
    pub(crate) device: Option<String>,
    pub(crate) place: Option<(f64, f64)>,
}

/// Why a body cannot be stored: the member, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {reason}")]
pub(crate) struct Invalid {
    member: &'static str,
    reason: String,
}

fn invalid(member: &'static str, reason: impl Into<String>) -> Invalid {
    Invalid {
        member,
        reason: reason.into(),
    }
}

impl Body {
    /// The moment that the client names.
    pub(crate) fn created(&self) -> Option<Moment> {
        self.created_at
    }

    /// What tells this body from others. It is kept for ever: a member that is added later must not change it.
    pub(crate) fn digest(&self) -> [u8; 32] {
        // A structure of texts and numbers can be written.
        Sha256::digest(serde_json::to_vec(self).unwrap_or_default()).into()
    }

    /// Checks the body. `device` is the author's own, where it names none.
    pub(crate) fn draft(self, device: Option<&str>, max_text: usize) -> Result<Draft, Invalid> {
        Draft::of(
            self.text.unwrap_or_default(),
            &self.hashtags.unwrap_or_default(),
            self.device.or_else(|| device.map(str::to_owned)),
            (self.latitude, self.longitude),
            max_text,
        )
    }
}

impl Edit {
    /// The device that it names.
    pub(crate) fn device(&self) -> Option<&str> {
        self.device.as_ref()?.as_deref()
    }

    /// What an entry becomes by it.
    pub(crate) fn of(self, before: Draft, max_text: usize) -> Result<Draft, Invalid> {
        let beside: Vec<String> = match self.hashtags {
            Some(hashtags) => hashtags.unwrap_or_default(),
            None => {
                let beside = before.hashtags.into_iter().filter(|placed| placed.position < 0);
                beside.map(|placed| placed.hashtag.spelling).collect()
            }
        };
        let (latitude, longitude) = before.place.unzip();
        Draft::of(
            self.text.map_or(before.text, Option::unwrap_or_default),
            &beside,
            self.device.unwrap_or(before.device),
            (self.latitude.unwrap_or(latitude), self.longitude.unwrap_or(longitude)),
            max_text,
        )
    }
}

impl Draft {
    fn of(
        text: String,
        beside: &[String],
        device: Option<String>,
        place: (Option<f64>, Option<f64>),
        max_text: usize,
    ) -> Result<Self, Invalid> {
        if text.contains('\0') {
            return Err(invalid(
                "text",
                "it holds a character that is no text, U+0000; leave it out",
            ));
        }
        if text.chars().count() > max_text {
            return Err(invalid(
                "text",
                format!("it has more than {max_text} characters; write several entries"),
            ));
        }
        let hashtags = placed(&text, beside)?;
        if text.trim().is_empty() && hashtags.is_empty() {
            return Err(invalid("text", "write a text, or name a hashtag"));
        }
        if device.as_deref().is_some_and(|device| !reading::is_device(device)) {
            return Err(invalid(
                "device",
                "not a name: write 1 to 64 of A-Z a-z 0-9 _ . : - with a letter or a digit first",
            ));
        }
        let place = match place {
            (None, None) => None,
            (Some(latitude), Some(longitude)) => {
                if latitude.abs() > 90.0 || longitude.abs() > 180.0 {
                    return Err(invalid(
                        "latitude",
                        "not on earth: write degrees, latitude from -90 to 90 and longitude from -180 to 180",
                    ));
                }
                Some((latitude, longitude))
            }
            (Some(_), None) => return Err(invalid("longitude", "missing: a latitude needs one")),
            (None, Some(_)) => return Err(invalid("latitude", "missing: a longitude needs one")),
        };
        Ok(Self {
            text,
            hashtags,
            device,
            place,
        })
    }
}

/// The hashtags named beside a text, then those in it, each name once.
fn placed(text: &str, beside: &[String]) -> Result<Vec<Placed>, Invalid> {
    let mut all: Vec<Hashtag> = Vec::new();
    let add = |hashtag: Hashtag, all: &mut Vec<Hashtag>| {
        if !all.iter().any(|known| known.name == hashtag.name) {
            all.push(hashtag);
        }
    };
    for named in beside {
        let hashtag = Hashtag::parse(named).map_err(|error| invalid("hashtags", error.to_string()))?;
        add(hashtag, &mut all);
    }
    let first = all.len();
    for hashtag in hashtag::of_text(text).map_err(|error| invalid("text", error.to_string()))? {
        add(hashtag, &mut all);
    }
    if all.len() > MOST {
        return Err(invalid("hashtags", format!("more than {MOST}; write several entries")));
    }
    let position = |at: usize| i16::try_from(at).unwrap_or(i16::MAX) - i16::try_from(first).unwrap_or(0);
    let all = all.into_iter().enumerate();
    Ok(all
        .map(|(at, hashtag)| Placed {
            hashtag,
            position: position(at),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(json: &str) -> Result<Draft, String> {
        let body: Body = serde_json::from_str(json).map_err(|error| error.to_string())?;
        body.draft(None, 20).map_err(|error| error.to_string())
    }

    fn tags(draft: &Draft) -> Vec<(&str, i16)> {
        draft
            .hashtags
            .iter()
            .map(|placed| (placed.hashtag.spelling.as_str(), placed.position))
            .collect()
    }

    #[test]
    fn hashtags_come_from_both() {
        let draft = draft(r##"{"text":"#b and #A","hashtags":["a","#c"]}"##).unwrap();
        assert_eq!(tags(&draft), [("a", -2), ("c", -1), ("b", 0)]);
    }

    #[test]
    fn an_edit_keeps_what_it_does_not_name() {
        let before =
            draft(r##"{"text":"to #b","hashtags":["a"],"device":"lada","latitude":1,"longitude":2}"##).unwrap();
        let edit = |json: &str| serde_json::from_str::<Edit>(json).unwrap().of(before.clone(), 20);
        assert_eq!(edit("{}").unwrap(), before);
        let text = edit(r##"{"text":"to #d"}"##).unwrap();
        assert_eq!(tags(&text), [("a", -1), ("d", 0)]);
        let moved = edit(r#"{"latitude":null,"longitude":null,"device":null,"hashtags":null}"#).unwrap();
        assert_eq!(
            (moved.place, moved.device.clone(), tags(&moved)),
            (None, None, vec![("b", 0)])
        );
        assert!(edit(r#"{"latitude":null}"#).is_err());
        assert!(edit(r#"{"text":null,"hashtags":[]}"#).is_err());
    }

    #[test]
    fn what_cannot_be_stored_says_why() {
        for (json, expected) in [
            ("{}", "text: write a text, or name a hashtag"),
            (r#"{"text":" "}"#, "text: write a text, or name a hashtag"),
            (
                r#"{"text":"\u0000"}"#,
                "text: it holds a character that is no text, U+0000; leave it out",
            ),
            (
                r#"{"text":"123456789012345678901"}"#,
                "text: it has more than 20 characters; write several entries",
            ),
            (
                r#"{"hashtags":["a b"]}"#,
                "hashtags: write letters, digits, _ and emoji, and more than digits",
            ),
            (
                r#"{"text":"a","latitude":1}"#,
                "longitude: missing: a latitude needs one",
            ),
        ] {
            assert_eq!(draft(json).unwrap_err(), expected, "{json}");
        }
        assert!(draft(r#"{"text":"a","latitude":91,"longitude":0}"#).is_err());
        assert!(draft(r#"{"text":"a","device":"-"}"#).is_err());
        let many = |count: usize| {
            let many: Vec<String> = (0..count).map(|at| format!("t{at}")).collect();
            draft(&serde_json::json!({"hashtags": many, "text": "#t0 #last"}).to_string())
        };
        assert_eq!(many(31).unwrap().hashtags.len(), 32);
        assert_eq!(many(32).unwrap_err(), "hashtags: more than 32; write several entries");
        assert!(draft(r#"{"text":"a","colour":"red"}"#).unwrap_err().contains("colour"));
    }

    #[test]
    fn a_digest_is_of_the_content() {
        let digest = |json: &str| serde_json::from_str::<Body>(json).unwrap().digest();
        assert_eq!(digest(r#"{"text":"a", "device":null}"#), digest(r#" {"text": "a"}"#));
        assert_ne!(digest(r#"{"text":"a"}"#), digest(r#"{"text":"b"}"#));
        let pinned = Sha256::digest(br#"{"text":"a","created_at":"2019-09-22T00:00:00Z"}"#);
        assert_eq!(
            digest(r#"{"created_at":"2019-09-22","text":"a"}"#),
            <[u8; 32]>::from(pinned)
        );
        let (one, same) = (r#"{"created_at":"2019-09-22"}"#, r#"{"created_at":1569110400}"#);
        assert_eq!(digest(one), digest(same));
    }
}
