//! Brings entries back from a dump.

use super::names;
use crate::Record;
use crate::hashtag::fold;
use ::postgres::{Error, Failure, Pool, Tries};
use deadpool_postgres::Object;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Error as Failed;
use uuid::Uuid;

/// An entry that is there already changes only if it was edited later in the dump. One that was deleted stays so.
const RESTORE: &str = "INSERT INTO entry (id, author_id, device, body, latitude, longitude, received, edited, words)
    SELECT id, author_id, device, body, latitude, longitude, received, edited, to_tsvector('simple'::regconfig, folded)
    FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::timestamptz[], $8::timestamptz[], $9::text[])
        AS former (id, author_id, device, body, latitude, longitude, received, edited, folded)
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET device = excluded.device, body = excluded.body, latitude = excluded.latitude,
        longitude = excluded.longitude, edited = excluded.edited, words = excluded.words
    WHERE entry.deleted IS NULL AND entry.author_id = excluded.author_id
        AND excluded.edited > coalesce(entry.edited, '-infinity')
    RETURNING id";

/// Whether this role has the rights that [`restore`] needs.
///
/// # Errors
/// Those of the database.
pub async fn may_restore(pool: &Pool) -> Result<bool, Error> {
    let select = "SELECT bool_and(has_table_privilege(name, privilege)) FROM (VALUES
            ('author', 'SELECT'), ('author', 'INSERT'), ('hashtag', 'SELECT'), ('hashtag', 'INSERT'),
            ('entry', 'SELECT'), ('entry', 'INSERT'), ('entry', 'UPDATE'),
            ('entry_hashtag', 'SELECT'), ('entry_hashtag', 'INSERT'), ('entry_hashtag', 'DELETE')
        ) AS needed (name, privilege)";
    Ok(pool.get().await?.query_one(select, &[]).await?.try_get(0)?)
}

/// Stores these entries of a dump, in one transaction: those that are not there, and later edits of those that are. Returns
/// how many. Subscribers are told nothing: they were told when it happened.
///
/// # Errors
/// Those of the database. Repeating it does no harm.
pub async fn restore(pool: &Pool, records: &[Record]) -> Result<u64, Error> {
    let mut tries = Tries::of("restore_entries");
    loop {
        let client = pool.get().await?;
        let timer = tries.timer();
        let tried = attempt(&client, records).await;
        drop(timer);
        match tried {
            Ok(stored) => return Ok(stored),
            Err(error) => {
                // Its transaction may be open.
                drop(Object::take(client));
                let is_conflict = Failure::of(&error) == Failure::Conflict;
                if !is_conflict || !tries.again("another change was first").await {
                    return Err(error.into());
                }
            }
        }
    }
}

async fn attempt(client: &Object, records: &[Record]) -> Result<u64, Failed> {
    // Before the transaction, as a post does.
    let users: BTreeSet<&str> = records.iter().map(|record| &*record.user).collect();
    let mut authors = BTreeMap::new();
    for user in users {
        authors.insert(user, names::author(client, user).await?);
    }
    let tags: Vec<Tag<'_>> = records.iter().flat_map(Tag::of).collect();
    let distinct: BTreeSet<&str> = tags.iter().map(|tag| &*tag.name).collect();
    let distinct: Vec<&str> = distinct.into_iter().collect();
    let numbers = names::hashtags(client, &distinct).await?;
    let hashtags: BTreeMap<&str, i32> = distinct.into_iter().zip(numbers).collect();

    client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    let stored = entries(client, records, &authors).await?;
    let clear = "DELETE FROM entry_hashtag WHERE entry_id = ANY ($1)";
    client.execute(clear, &[&stored]).await?;
    let tag_ids: Vec<i32> = tags.iter().map(|tag| hashtags[&*tag.name]).collect();
    let entry_ids: Vec<Uuid> = tags.iter().map(|tag| tag.record.id.uuid()).collect();
    let author_ids: Vec<i32> = tags.iter().map(|tag| authors[&*tag.record.user]).collect();
    let spellings: Vec<&str> = tags.iter().map(|tag| tag.spelling).collect();
    let positions: Vec<i16> = tags.iter().map(|tag| tag.position).collect();
    let insert = "INSERT INTO entry_hashtag (hashtag_id, entry_id, author_id, spelling, position)
        SELECT hashtag_id, entry_id, author_id, spelling, position
        FROM unnest($1::int[], $2::uuid[], $3::int[], $4::text[], $5::int2[])
            AS tag (hashtag_id, entry_id, author_id, spelling, position)
        WHERE entry_id = ANY ($6) ON CONFLICT DO NOTHING";
    client
        .execute(
            insert,
            &[&tag_ids, &entry_ids, &author_ids, &spellings, &positions, &stored],
        )
        .await?;
    client.batch_execute("COMMIT").await?;
    Ok(stored.len() as u64)
}

/// Stores the entries without their hashtags. Returns the ids of those that it stored.
async fn entries(client: &Object, records: &[Record], authors: &BTreeMap<&str, i32>) -> Result<Vec<Uuid>, Failed> {
    let ids: Vec<Uuid> = records.iter().map(|record| record.id.uuid()).collect();
    let author_ids: Vec<i32> = records.iter().map(|record| authors[&*record.user]).collect();
    let devices: Vec<Option<&str>> = records.iter().map(|record| record.device.as_deref()).collect();
    let texts: Vec<&str> = records.iter().map(|record| &*record.text).collect();
    let latitudes: Vec<Option<f64>> = records
        .iter()
        .map(|record| record.place.map(|place| place.latitude))
        .collect();
    let longitudes: Vec<Option<f64>> = records
        .iter()
        .map(|record| record.place.map(|place| place.longitude))
        .collect();
    let received: Vec<_> = records.iter().map(|record| record.received_at).collect();
    let edited: Vec<_> = records.iter().map(|record| record.edited_at).collect();
    let folded: Vec<String> = records.iter().map(|record| fold(&record.text)).collect();
    let rows = client
        .query(
            RESTORE,
            &[
                &ids,
                &author_ids,
                &devices,
                &texts,
                &latitudes,
                &longitudes,
                &received,
                &edited,
                &folded,
            ],
        )
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// A hashtag of an entry.
struct Tag<'a> {
    record: &'a Record,
    name: String,
    spelling: &'a str,
    position: i16,
}

impl<'a> Tag<'a> {
    fn of(record: &'a Record) -> impl Iterator<Item = Self> {
        let tags = record.hashtags.iter().zip(&record.positions);
        tags.map(move |(spelling, position)| Self {
            record,
            name: fold(spelling),
            spelling,
            position: *position,
        })
    }
}
