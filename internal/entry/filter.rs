//! Which entries are asked for.

use crate::hashtag::fold;
use crate::question::{Question, Value};
use crate::{Hashtag, Id};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

/// Most names of one kind.
const MOST_NAMES: usize = 32;

/// Most bytes of words.
const LONGEST_WORDS: usize = 1000;

/// Which entries are asked for: those that all of these select.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In milliseconds since 1970, inclusive.
    pub since: Option<i64>,
    /// Exclusive.
    pub before: Option<i64>,
    /// Names of authors, of which an entry has one.
    pub authors: Vec<String>,
    /// Names of devices, of which an entry is about one.
    pub devices: Vec<String>,
    /// Hashtags that an entry has all.
    pub all: Vec<String>,
    /// Hashtags of which an entry has one.
    pub any: Vec<String>,
    /// Words of the text, as a person types them into a search: `"of a row"`, `or`, `-without`.
    pub words: Option<String>,
}

/// A filter with numbers in the place of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) since: Option<Uuid>,
    pub(crate) before: Option<Uuid>,
    pub(crate) authors: Option<Vec<i32>>,
    pub(crate) devices: Option<Vec<String>>,
    pub(crate) all: Vec<i32>,
    pub(crate) any: Option<Vec<i32>>,
    pub(crate) words: Option<String>,
}

impl Filter {
    /// Checks names, and makes hashtags what they are compared by.
    ///
    /// # Errors
    /// The parameter, and what to write.
    pub fn checked(mut self) -> Result<Self, (&'static str, String)> {
        for tag in self.all.iter_mut().chain(&mut self.any) {
            *tag = Hashtag::parse(tag)
                .map_err(|error| ("hashtag", error.to_string()))?
                .name;
        }
        self.all.sort_unstable();
        self.all.dedup();
        self.any.sort_unstable();
        self.any.dedup();
        let names = [
            ("user", &self.authors),
            ("device", &self.devices),
            ("hashtag", &self.all),
            ("hashtag", &self.any),
        ];
        for (parameter, names) in names {
            if names.len() > MOST_NAMES {
                return Err((parameter, format!("more than {MOST_NAMES} of them; ask several times")));
            }
        }
        // PostgreSQL has no texts with a NUL, so nothing is found under them.
        let of = |parameter: &'static str| move |text: &String| text.contains('\0').then_some(parameter);
        let authors = self.authors.iter().find_map(of("user"));
        let devices = || self.devices.iter().find_map(of("device"));
        if let Some(parameter) = authors.or_else(devices).or_else(|| self.words.iter().find_map(of("q"))) {
            let text = "it holds a character that is no text, U+0000; leave it out";
            return Err((parameter, text.to_owned()));
        }
        if self.words.as_ref().is_some_and(|words| words.len() > LONGEST_WORDS) {
            return Err(("q", format!("longer than {LONGEST_WORDS} bytes; look for fewer words")));
        }
        Ok(self)
    }

    /// Asks for the numbers of the names; none where there are no names.
    pub(crate) fn names(&self) -> Option<Question> {
        if self.authors.is_empty() && self.all.is_empty() && self.any.is_empty() {
            return None;
        }
        let hashtags = self.all.iter().chain(&self.any).map(|tag| fold(tag)).collect();
        let mut question = Question::default();
        let authors = question.parameter(Value::Texts(self.authors.clone()));
        let hashtags = question.parameter(Value::Texts(hashtags));
        question.sql = format!(
            "SELECT false, name, id FROM author WHERE name = ANY({authors})
             UNION ALL SELECT true, name, id FROM hashtag WHERE name = ANY({hashtags})"
        );
        question.fixed = true;
        Some(question)
    }

    /// The filter with these numbers; none where no entry can fit, because a hashtag was never used.
    ///
    /// # Errors
    /// The rows are not those of [`Filter::names`].
    pub(crate) fn known(&self, rows: &[Row]) -> Result<Option<Known>, Error> {
        let mut numbers: Vec<(bool, String, i32)> = Vec::with_capacity(rows.len());
        for row in rows {
            numbers.push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        }
        let find = |is_hashtag: bool, names: &[String]| -> Vec<i32> {
            let of = |name: &String| {
                let found = numbers
                    .iter()
                    .find(|(kind, known, _)| *kind == is_hashtag && known == name);
                found.map(|(_, _, number)| *number)
            };
            names.iter().filter_map(of).collect()
        };
        let some = |is_hashtag, names: &[String]| (!names.is_empty()).then(|| find(is_hashtag, names));
        let all = find(true, &self.all);
        let (authors, any) = (some(false, &self.authors), some(true, &self.any));
        let is_empty = |of: &Option<Vec<i32>>| of.as_ref().is_some_and(Vec::is_empty);
        if all.len() < self.all.len() || is_empty(&authors) || is_empty(&any) {
            return Ok(None);
        }
        Ok(Some(Known {
            since: self.since.map(|moment| Id::first_of(moment).uuid()),
            before: self.before.map(|moment| Id::first_of(moment).uuid()),
            authors,
            devices: (!self.devices.is_empty()).then(|| self.devices.clone()),
            all,
            any,
            words: self.words.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let texts = |text: &str, count: usize| vec![text.to_owned(); count];
        let numbered = |count: usize| (0..count).map(|number| format!("t{number}")).collect::<Vec<_>>();
        let none = Filter::default;
        let long = |bytes: usize| Some("w".repeat(bytes));
        for (filter, expected) in [
            (none(), None),
            (
                Filter {
                    authors: texts("a\0", 1),
                    ..none()
                },
                Some("user"),
            ),
            (
                Filter {
                    devices: texts("a\0", 1),
                    ..none()
                },
                Some("device"),
            ),
            (
                Filter {
                    words: Some("a\0".to_owned()),
                    ..none()
                },
                Some("q"),
            ),
            (
                Filter {
                    words: long(LONGEST_WORDS),
                    ..none()
                },
                None,
            ),
            (
                Filter {
                    words: long(LONGEST_WORDS + 1),
                    ..none()
                },
                Some("q"),
            ),
            (
                Filter {
                    authors: texts("a", MOST_NAMES),
                    ..none()
                },
                None,
            ),
            (
                Filter {
                    authors: texts("a", MOST_NAMES + 1),
                    ..none()
                },
                Some("user"),
            ),
            (
                Filter {
                    devices: texts("a", MOST_NAMES + 1),
                    ..none()
                },
                Some("device"),
            ),
            // One hashtag, however often it is named.
            (
                Filter {
                    all: texts("Cres", MOST_NAMES + 1),
                    ..none()
                },
                None,
            ),
            (
                Filter {
                    all: numbered(MOST_NAMES + 1),
                    ..none()
                },
                Some("hashtag"),
            ),
            (
                Filter {
                    any: numbered(MOST_NAMES + 1),
                    ..none()
                },
                Some("hashtag"),
            ),
            (
                Filter {
                    any: texts("a b", 1),
                    ..none()
                },
                Some("hashtag"),
            ),
        ] {
            let found = filter.clone().checked().err().map(|(parameter, _)| parameter);
            assert_eq!(found, expected, "{filter:?}");
        }
    }
}
