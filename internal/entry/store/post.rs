//! Posts.

use super::names;
use super::publish::{Event, TOPIC, has_no_partition, make_partitions};
use super::{NotStored, Store, broken};
use crate::Id;
use crate::draft::Draft;
use crate::hashtag::fold;
use ::postgres::{Error, Failure, Timer};
use deadpool_postgres::Object;
use tokio_postgres::Error as Failed;

/// A post.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) author: String,
    /// The moment that it tells of, in milliseconds since 1970.
    pub(crate) moment: i64,
    pub(crate) draft: Draft,
    /// What the client calls it, so that the same again is found.
    pub(crate) request: Option<String>,
    pub(crate) digest: [u8; 32],
}

/// What became of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    New(Id),
    /// The same was posted before.
    Before(Id),
    /// Something else was posted before, with the same `Idempotency-Key`.
    Other,
    /// The same was posted before, and deleted.
    Deleted,
}

/// One statement is one transaction, and one way to the server and back: the entry, its hashtags, and what subscribers
/// are told. An entry that is there already adds nothing.
const POST: &str = "WITH made AS (
        INSERT INTO entry (id, author_id, device, body, latitude, longitude, request, digest, words)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, to_tsvector('simple'::regconfig, $17))
        ON CONFLICT (author_id, request) DO NOTHING RETURNING id
    ), tagged AS (
        INSERT INTO entry_hashtag (hashtag_id, entry_id, author_id, spelling, position)
        SELECT hashtag_id, made.id, $2, spelling, position
        FROM made, unnest($9::int[], $10::text[], $11::int2[]) AS tag (hashtag_id, spelling, position)
    ), told AS (
        INSERT INTO published (topic, id, key, author, data)
        SELECT $12, $13, $14, $15, $16 FROM made
    )
    SELECT id FROM made";

impl Store {
    /// Stores a post. It is committed when this returns.
    ///
    /// # Errors
    /// See [`NotStored`]. A post without a name that was not stored may have been: the answer was lost.
    pub(crate) async fn post(&self, post: &Post) -> Result<Posted, NotStored> {
        let id = Id::new(post.moment);
        let mut has_partition = false;
        let mut is_again = false;
        loop {
            let client = self.pool.get().await.map_err(Error::from)?;
            let timer = Timer::of("post_entry");
            let tried = attempt(&client, id, post).await;
            drop(timer);
            match tried {
                Ok(posted) => return Ok(posted),
                Err(error) if has_no_partition(&error) && !has_partition => {
                    has_partition = true;
                    make_partitions(&client).await.map_err(|error| broken(client, error))?;
                }
                // Two of the same at one moment, or a deadlock: the second finds what the first has made.
                Err(error) if Failure::of(&error) == Failure::Conflict && !is_again => is_again = true,
                Err(error) => return Err(broken(client, error)),
            }
        }
    }

    /// What became of an earlier post that its author has called so; none where there was none.
    ///
    /// # Errors
    /// See [`NotStored`].
    pub(crate) async fn posted(&self, author: &str, request: &str, digest: &[u8]) -> Result<Option<Posted>, NotStored> {
        let client = self.pool.get().await.map_err(Error::from)?;
        let found = before(&client, author, request, digest).await;
        found.map_err(|error| broken(client, error))
    }
}

async fn attempt(client: &Object, id: Id, post: &Post) -> Result<Posted, Failed> {
    let Post { author, draft, .. } = post;
    let tags: Vec<&str> = draft.hashtags.iter().map(|placed| &*placed.hashtag.name).collect();
    let (author_id, tag_ids) = tokio::try_join!(biased; names::author(client, author), names::hashtags(client, &tags))?;
    let spellings: Vec<&str> = draft.hashtags.iter().map(|placed| &*placed.hashtag.spelling).collect();
    let positions: Vec<i16> = draft.hashtags.iter().map(|placed| placed.position).collect();
    let (latitude, longitude) = draft.place.unzip();
    let digest = post.request.as_ref().map(|_| &post.digest[..]);
    let data = Event::Created.data(id, author, Some(draft));
    let key = draft.device.as_ref().unwrap_or(author);
    let statement = client.prepare_cached(POST).await?;
    let row = client
        .query_opt(
            &statement,
            &[
                &id.uuid(),
                &author_id,
                &draft.device,
                &draft.text,
                &latitude,
                &longitude,
                &post.request,
                &digest,
                &tag_ids,
                &spellings,
                &positions,
                &TOPIC,
                &Event::Created.id(id),
                key,
                author,
                &data,
                &fold(&draft.text),
            ],
        )
        .await?;
    if row.is_some() {
        return Ok(Posted::New(id));
    }
    let request = post.request.as_deref().unwrap_or_default();
    // It is there: it was in the way.
    let before = before(client, author, request, &post.digest).await?;
    Ok(before.unwrap_or(Posted::Other))
}

/// What became of the post that this author has called so.
async fn before(client: &Object, author: &str, request: &str, digest: &[u8]) -> Result<Option<Posted>, Failed> {
    let select = "SELECT entry.id, digest, deleted IS NOT NULL FROM entry JOIN author ON author.id = author_id
        WHERE author.name = $1 AND request = $2";
    let Some(row) = client.query_opt(select, &[&author, &request]).await? else {
        return Ok(None);
    };
    let (id, found, is_deleted) = (
        row.try_get::<_, uuid::Uuid>(0)?,
        row.try_get::<_, Option<&[u8]>>(1)?,
        row.try_get(2)?,
    );
    Ok(Some(if found != Some(digest) {
        Posted::Other
    } else if is_deleted {
        Posted::Deleted
    } else {
        Posted::Before(id.into())
    }))
}
