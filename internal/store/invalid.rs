//! The first invalid lines of an upload, kept beside its receipt.

use crate::partition;
use crate::text::encoded;
use crate::{Error, Store, receipts};
use deadpool_postgres::Transaction;
use std::collections::BTreeMap;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// Receipt lines of one upload: the invalid lines that its receipt shows.
pub const RECEIPT_LINES: u32 = 100;

/// Characters kept of a line.
const RECEIPT_LINE_CHARACTERS: usize = 256;

/// A line of an upload that is no reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidLine {
    /// The upload.
    pub upload: Uuid,
    /// Its number among the invalid lines of the upload, from 1 to [`RECEIPT_LINES`].
    pub ordinal: u32,
    /// Its number in the body, from 1.
    pub line: u64,
    /// Its number among the values of that line, where there are several.
    pub value: Option<u64>,
    /// Why it is no reading.
    pub reason: String,
    /// Its beginning; no more than 256 characters of it are kept.
    pub reading: String,
}

impl Store {
    /// Makes the partitions that these lines go into.
    pub(crate) async fn prepare_lines(&self, client: &mut Client, lines: &[InvalidLine]) -> Result<(), Error> {
        let days = lines.iter().filter_map(|line| receipts::day(line.upload)).collect();
        receipts::prepare(client, partition::LINES, &self.lines, days).await
    }
}

/// Writes these lines, unless they are stored. Leaves out those of uploads without a receipt.
pub(crate) async fn write(transaction: &Transaction<'_>, lines: &[InvalidLine]) -> Result<(), tokio_postgres::Error> {
    let mut by_day: BTreeMap<i64, Vec<&InvalidLine>> = BTreeMap::new();
    for line in lines {
        if let Some(day) = receipts::day(line.upload) {
            by_day.entry(day).or_default().push(line);
        }
    }
    for (day, mut rows) in by_day {
        // The same order in all writers, so that they cannot deadlock.
        rows.sort_unstable_by_key(|row| (row.upload, row.ordinal));
        let bigint = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let uploads: Vec<Uuid> = rows.iter().map(|row| row.upload).collect();
        let ordinals: Vec<i32> = rows
            .iter()
            .map(|row| i32::try_from(row.ordinal).unwrap_or(i32::MAX))
            .collect();
        let numbers: Vec<i64> = rows.iter().map(|row| bigint(row.line)).collect();
        let values: Vec<Option<i64>> = rows.iter().map(|row| row.value.map(bigint)).collect();
        let reasons: Vec<String> = rows.iter().map(|row| encoded(&row.reason)).collect();
        let readings: Vec<String> = rows
            .iter()
            .map(|row| encoded(&row.reading.chars().take(RECEIPT_LINE_CHARACTERS).collect::<String>()))
            .collect();
        let table = partition::name_of_day(partition::LINES, day);
        let statement = format!(
            "INSERT INTO {table} (upload, ordinal, line, value, reason, reading)
             SELECT * FROM unnest($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 6] = [
            (&uploads, Type::UUID_ARRAY),
            (&ordinals, Type::INT4_ARRAY),
            (&numbers, Type::INT8_ARRAY),
            (&values, Type::INT8_ARRAY),
            (&reasons, Type::TEXT_ARRAY),
            (&readings, Type::TEXT_ARRAY),
        ];
        transaction.execute_typed(&statement, &parameters).await?;
    }
    Ok(())
}
