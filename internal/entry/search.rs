//! Pages of entries by words, the newest first.
//!
//! The index of words has no order: all entries with the words are read from it. That is little for rare words. Of
//! frequent words, the newest entries of the journal hold a page. PostgreSQL does not know how frequent words are: it
//! takes each one that is not among the most frequent for one of every 200 entries. So the statement finds out. It goes
//! through a few of the newest entries. If some of them have the words, but too few for a page, it goes through more.
//! Else, or if these are too few, it reads the index of words.
//!
//! The words are parsed in a subquery, so that the plan does not depend on them. All filters of a form share it.

use crate::Id;
use crate::filter::Known;
use crate::hashtag::fold;
use crate::page::{Along, bound};
use crate::question::{Question, Value};

/// Entries that are gone through first, at least. Words that 24,000 of a million entries have are in none of so many with a
/// probability of one in twenty; rarer words are cheap to read from their index.
const NEAR: usize = 128;

/// How many times as many are gone through after them.
const FARTHER: usize = 32;

impl Known {
    /// The ids of the newest entries with the words.
    pub(crate) fn search(&self, cursor: Option<Id>, most: usize, limit: &str, question: &mut Question) -> String {
        let bound = bound(most);
        // In tests, small journals are searched in all three ways.
        let near = if cfg!(test) { 4 } else { NEAR.max(bound) };
        let far = near * if cfg!(test) { 4 } else { FARTHER };
        let words = self.words.as_deref().unwrap_or_default();
        let words = question.parameter(Value::Text(fold(words)));
        let words = format!(" AND entry.words @@ (SELECT websearch_to_tsquery('simple', {words}))");
        let others = self.filter(Along::Entry, question);
        let columns = "entry.id, entry.author_id, entry.device, entry.words";
        let (newest, order, has_tag) = self.ordered(columns, cursor, question);
        let range = self.range("entry.id", cursor, question);
        // Of the entries with the words, all else is looked at afterwards. Else the planner would read all entries of a
        // common hashtag or of a long span beside a word that few have.
        format!(
            "WITH near AS MATERIALIZED (
                 SELECT entry.id, true{words}{others} AS fits FROM ({newest} ORDER BY {order} DESC LIMIT {near}) AS entry
             ), far AS MATERIALIZED (
                 SELECT entry.id, true{words}{others} AS fits FROM (
                     {newest} AND (SELECT count(*) = {near} AND count(*) FILTER (WHERE fits) BETWEEN 1 AND {limit} - 1 FROM near)
                     ORDER BY {order} DESC LIMIT {far}
                 ) AS entry
             ), rest AS (
                 SELECT entry.id FROM (
                     SELECT {columns} FROM entry WHERE deleted IS NULL{words}
                         AND (SELECT count(*) = {near} AND count(*) FILTER (WHERE fits) < {limit} FROM near)
                         AND (SELECT count(*) IN (0, {far}) AND count(*) FILTER (WHERE fits) < {limit} FROM far)
                     OFFSET 0
                 ) AS entry WHERE true{range}{others}{has_tag}
             )
             SELECT id FROM (
                 SELECT id FROM near WHERE fits UNION SELECT id FROM far WHERE fits UNION SELECT id FROM rest
                 ORDER BY id DESC LIMIT {bound}
             ) AS newest ORDER BY id DESC LIMIT {limit}"
        )
    }

    /// Entries of an index that has them in order, without their words: the statement, the column of the order, and the
    /// condition that an entry has the hashtag of that index.
    fn ordered(&self, columns: &str, cursor: Option<Id>, question: &mut Question) -> (String, &'static str, String) {
        let author = self.authors.as_deref().and_then(one).map(|author| {
            let author = question.parameter(Value::Numbers(vec![author]));
            format!("author_id = ({author}::int[])[1]")
        });
        if let Some(tag) = self.all.first() {
            let tag = question.parameter(Value::Numbers(vec![*tag]));
            let tag = format!("({tag}::int[])[1]");
            let author = author.map_or_else(String::new, |author| format!(" AND tagged.{author}"));
            let range = self.range("tagged.entry_id", cursor, question);
            let newest = format!(
                "SELECT {columns} FROM entry_hashtag AS tagged JOIN entry ON entry.id = tagged.entry_id
                 WHERE tagged.hashtag_id = {tag}{author}{range}"
            );
            let has_tag = format!(
                " AND EXISTS (SELECT FROM entry_hashtag AS first WHERE first.hashtag_id = {tag} AND first.entry_id = entry.id OFFSET 0)"
            );
            return (newest, "tagged.entry_id", has_tag);
        }
        let device = self.devices.as_deref().and_then(one).filter(|_| author.is_none());
        let device = device.map(|device| {
            let device = question.parameter(Value::Texts(vec![device]));
            format!("device = ({device}::text[])[1]")
        });
        let of_one = author.or(device);
        let of_one = of_one.map_or_else(String::new, |condition| format!(" AND entry.{condition}"));
        let range = self.range("entry.id", cursor, question);
        let newest = format!("SELECT {columns} FROM entry WHERE deleted IS NULL{of_one}{range}");
        (newest, "entry.id", String::new())
    }
}

/// The only one.
fn one<T: Clone>(all: &[T]) -> Option<T> {
    match all {
        [only] => Some(only.clone()),
        _ => None,
    }
}
