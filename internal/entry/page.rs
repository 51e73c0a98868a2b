//! Pages of entries, the newest first.
//!
//! A page is found along one index that has the entries of one hashtag, author or device in order, so that it costs as
//! much among a million entries as among few. What else is asked for is looked at on the way. Words have an index
//! without an order: `search` finds pages by words.

use crate::entry::COLUMNS;
use crate::filter::Known;
use crate::question::{Question, Value};
use crate::{Entry, Id};
use tokio_postgres::{Error, Row};

/// About how many bytes the texts of a page have at the most. Bounds the memory of an answer.
const MOST_BYTES: usize = 1 << 20;

/// The rows that a page of the usual length asks for.
const SHORT: usize = 101;

/// Some entries, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// At least one, where there are any.
    pub entries: Vec<Entry>,
    /// The cursor of the next page.
    pub next: Option<Id>,
}

impl Page {
    /// Reads a page of `limit` entries from the rows of [`Known::page`].
    ///
    /// # Errors
    /// The rows have other columns.
    pub(crate) fn of_rows(rows: &[Row], limit: usize) -> Result<Self, Error> {
        let found: i64 = rows.first().map_or(Ok(0), |row| row.try_get(10))?;
        let entries: Vec<Entry> = rows.iter().take(limit).map(Entry::of_row).collect::<Result<_, _>>()?;
        let has_more = usize::try_from(found).unwrap_or(usize::MAX) > entries.len();
        let next = entries.last().filter(|_| has_more).map(|last| last.id);
        Ok(Self { entries, next })
    }
}

/// The length of a page in the text of a statement, for its plan: `most` or above. It takes few values, so that the
/// statement has few texts.
pub(crate) fn bound(most: usize) -> usize {
    if most <= SHORT {
        SHORT
    } else {
        most.checked_next_power_of_two().unwrap_or(most)
    }
}

/// Along which index a page is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Along {
    /// The first hashtag of those that an entry has all, or another one where the planner finds it to be rarer.
    Hashtag,
    /// The first hashtag, of each author.
    HashtagOfAuthor,
    /// Each of the hashtags of which an entry has one.
    AnyHashtag,
    Author,
    Device,
    /// All entries.
    Entry,
}

impl Along {
    /// How the statement names an entry's id there.
    fn id(self) -> &'static str {
        match self {
            Self::Hashtag | Self::HashtagOfAuthor | Self::AnyHashtag => "tagged.entry_id",
            Self::Author | Self::Device | Self::Entry => "entry.id",
        }
    }
}

impl Known {
    /// Asks for the newest entries before `cursor`, `limit` at the most: see [`Page::of_rows`].
    pub(crate) fn page(&self, cursor: Option<Id>, limit: usize) -> Question {
        let mut question = Question {
            fixed: self.is_fixed(),
            ..Question::default()
        };
        // One more tells whether there is another page.
        let most = limit.saturating_add(1);
        let limit = question.parameter(Value::Count(i64::try_from(most).unwrap_or(i64::MAX)));
        let ids = if self.words.is_some() {
            self.search(cursor, most, &limit, &mut question)
        } else {
            self.newest(cursor, most, &limit, &mut question)
        };
        // Of long texts, a page has fewer; the first is always there.
        question.sql = format!(
            "SELECT * FROM (
                 SELECT {COLUMNS}, count(*) OVER () AS found,
                     coalesce(sum(octet_length(body) + 200) OVER (ORDER BY entry.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
                 FROM ({ids}) AS page JOIN entry ON entry.id = page.id JOIN author ON author.id = author_id
             ) AS told WHERE before < {MOST_BYTES} ORDER BY id DESC"
        );
        question
    }

    /// The ids of the newest entries, found along an index that has them in order.
    fn newest(&self, cursor: Option<Id>, most: usize, limit: &str, question: &mut Question) -> String {
        let along = self.along();
        let filter = self.range(along.id(), cursor, question) + &self.filter(along, question);
        let from = match along {
            Along::Hashtag | Along::HashtagOfAuthor | Along::AnyHashtag if self.asks_of_entries() => {
                "entry_hashtag AS tagged JOIN entry ON entry.id = tagged.entry_id"
            }
            Along::Hashtag | Along::HashtagOfAuthor | Along::AnyHashtag => "entry_hashtag AS tagged",
            Along::Author | Along::Device | Along::Entry => "entry",
        };
        let id = along.id();
        let newest = |condition: &str, limit: &str| {
            format!("SELECT {id} AS id FROM {from} WHERE {condition} {filter} ORDER BY {id} DESC LIMIT {limit}")
        };
        let is_fixed = question.fixed;
        let of_one = |condition: &str| {
            if is_fixed {
                // PostgreSQL takes a plan for all parameters only if the length of the page is not one of them.
                let newest = newest(condition, &bound(most).to_string());
                format!("SELECT id FROM ({newest}) AS newest ORDER BY id DESC LIMIT {limit}")
            } else {
                newest(condition, limit)
            }
        };
        // Each value has its newest entries; of these, the newest are the page.
        let of_each = |question: &mut Question, values: Value, condition: &dyn Fn(&str) -> String| {
            let is_one = values.count() == 1;
            let values = question.parameter(values);
            if is_one {
                return of_one(&condition(&format!("({values})[1]")));
            }
            format!(
                "SELECT DISTINCT found.id FROM unnest({values}) AS one (value), LATERAL ({}) AS found
                 ORDER BY found.id DESC LIMIT {limit}",
                newest(&condition("one.value"), limit)
            )
        };
        match along {
            Along::Hashtag => {
                let first = question.parameter(Value::Numbers(self.all.iter().take(1).copied().collect()));
                of_one(&format!("tagged.hashtag_id = ({first}::int[])[1]"))
            }
            Along::HashtagOfAuthor => {
                let first = question.parameter(Value::Numbers(self.all.iter().take(1).copied().collect()));
                of_each(question, numbers(self.authors.as_deref()), &|author| {
                    format!("tagged.hashtag_id = ({first}::int[])[1] AND tagged.author_id = {author}")
                })
            }
            Along::AnyHashtag => of_each(question, numbers(self.any.as_deref()), &|tag| {
                format!("tagged.hashtag_id = {tag}")
            }),
            Along::Author => of_each(question, numbers(self.authors.as_deref()), &|author| {
                format!("author_id = {author} AND deleted IS NULL")
            }),
            Along::Device => {
                let devices = Value::Texts(self.devices.clone().unwrap_or_default());
                of_each(question, devices, &|device| {
                    format!("device = {device} AND deleted IS NULL")
                })
            }
            Along::Entry => of_one("deleted IS NULL"),
        }
    }

    /// Whether one plan serves all filters of this form. It does where the index along which a page is found has all that
    /// is asked for, in the page's order; and for words, see [`Self::search`]. There are few such forms.
    fn is_fixed(&self) -> bool {
        if self.all.len() > 1 {
            return false;
        }
        if self.words.is_some() {
            return self.any.is_none();
        }
        let is_of_author = self.along() == Along::HashtagOfAuthor;
        let others = [
            self.any.is_some(),
            self.devices.is_some(),
            self.authors.is_some() && !is_of_author,
            !self.all.is_empty(),
        ];
        others.into_iter().filter(|is_asked| *is_asked).count() <= 1
    }

    fn along(&self) -> Along {
        if !self.all.is_empty() {
            if self.authors.is_some() {
                Along::HashtagOfAuthor
            } else {
                Along::Hashtag
            }
        } else if self.any.is_some() {
            Along::AnyHashtag
        } else if self.authors.is_some() {
            Along::Author
        } else if self.devices.is_some() {
            Along::Device
        } else {
            Along::Entry
        }
    }

    /// Whether something of an entry is asked for that is not beside its hashtag.
    fn asks_of_entries(&self) -> bool {
        self.devices.is_some()
    }

    /// Between which ids an entry is asked for.
    pub(crate) fn range(&self, id: &str, cursor: Option<Id>, question: &mut Question) -> String {
        let mut range = Vec::new();
        let upper = match (self.before, cursor.map(Id::uuid)) {
            (Some(before), Some(cursor)) => Some(before.min(cursor)),
            (before, cursor) => before.or(cursor),
        };
        if let Some(since) = self.since {
            range.push(format!(" AND {id} >= {}", question.parameter(Value::Id(since))));
        }
        if let Some(upper) = upper {
            range.push(format!(" AND {id} < {}", question.parameter(Value::Id(upper))));
        }
        range.concat()
    }

    /// What is asked of an entry beside its range, its words and the index along which it is found.
    pub(crate) fn filter(&self, along: Along, question: &mut Question) -> String {
        let id = along.id();
        let mut conditions = Vec::new();
        // Beside words, each entry is looked up in its hashtags. Else the planner may read all entries of a hashtag.
        let fence = if self.words.is_some() { " OFFSET 0" } else { "" };
        let others = self.all.iter().skip(1).map(|tag| vec![*tag]);
        let any = self.any.iter().filter(|_| along != Along::AnyHashtag).cloned();
        for tags in others.chain(any) {
            let is_one = tags.len() == 1;
            let tags = question.parameter(Value::Numbers(tags));
            // With one number, the planner knows that an entry is found once, and in which order. So it goes along the rarer
            // hashtag, or along both at once.
            let which = if is_one {
                format!("({tags}::int[])[1]")
            } else {
                format!("ANY ({tags})")
            };
            conditions.push(format!(
                "EXISTS (SELECT FROM entry_hashtag AS other WHERE other.hashtag_id = {which} AND other.entry_id = {id}{fence})"
            ));
        }
        let is_along = matches!(along, Along::Author | Along::HashtagOfAuthor);
        if let Some(authors) = self.authors.as_ref().filter(|_| !is_along) {
            let authors = question.parameter(Value::Numbers(authors.clone()));
            let table = if along == Along::AnyHashtag { "tagged" } else { "entry" };
            conditions.push(format!("{table}.author_id = ANY({authors})"));
        }
        if let Some(devices) = self.devices.as_ref().filter(|_| along != Along::Device) {
            let devices = question.parameter(Value::Texts(devices.clone()));
            conditions.push(format!("entry.device = ANY({devices})"));
        }
        conditions.iter().map(|condition| format!(" AND {condition}")).collect()
    }
}

/// The numbers of a filter, as a parameter.
fn numbers(of: Option<&[i32]>) -> Value {
    Value::Numbers(of.unwrap_or_default().to_vec())
}

/// Asks for one entry; also where it is deleted, which its last column says.
pub(crate) fn one(id: Id) -> Question {
    let mut question = Question {
        fixed: true,
        ..Question::default()
    };
    let id = question.parameter(Value::Id(id.uuid()));
    question.sql = format!(
        "SELECT {COLUMNS}, deleted IS NOT NULL FROM entry JOIN author ON author.id = author_id WHERE entry.id = {id}"
    );
    question
}
