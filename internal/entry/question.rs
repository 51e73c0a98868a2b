//! A statement that reads the journal, with its parameters. Each program asks it over its own connections.

use ::postgres::{Database, Error, Failure};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// A value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Id(Uuid),
    Ids(Vec<Uuid>),
    Numbers(Vec<i32>),
    Text(String),
    Texts(Vec<String>),
    Count(i64),
}

impl Value {
    /// How many values these are: those of an array, or one.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Ids(ids) => ids.len(),
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.len(),
            Self::Id(_) | Self::Text(_) | Self::Count(_) => 1,
        }
    }

    fn as_sql(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Id(id) => (id, Type::UUID),
            Self::Ids(ids) => (ids, Type::UUID_ARRAY),
            Self::Numbers(numbers) => (numbers, Type::INT4_ARRAY),
            Self::Text(text) => (text, Type::TEXT),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
            Self::Count(count) => (count, Type::INT8),
        }
    }
}

/// A statement and its parameters. It is planned for these very parameters, unless it is `fixed`: two hashtags that many
/// entries have and two that few have are found in different ways.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Question {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
    /// Whether one plan serves all parameters. Then a connection parses and plans the statement once, which costs more
    /// than to run it. Each connection keeps these statements, so they have few texts.
    pub(crate) fixed: bool,
}

impl Question {
    /// The statement.
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// Its parameters and their types.
    pub(crate) fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(Value::as_sql).collect()
    }

    /// Asks it. A text that the database's encoding lacks is in no entry.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn ask(&self, database: &Database) -> Result<Vec<Row>, Error> {
        let answer = if self.fixed {
            database.query_typed_planned(&self.sql, &self.parameters()).await
        } else {
            database.query(&self.sql, &self.parameters()).await
        };
        match answer {
            Err(Error::Refused(error)) if Failure::of(&error) == Failure::Data => Ok(Vec::new()),
            answer => answer,
        }
    }

    /// Adds a parameter. Returns how the statement names it.
    pub(crate) fn parameter(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }
}
