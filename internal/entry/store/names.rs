//! Authors and hashtags, made when they are first used.
//!
//! They are made and committed before the entry that uses them, in the order of their names. So no transaction holds one
//! while it waits for another, and one that fails later leaves at most a name that is not used yet.

use deadpool_postgres::Object;
use tokio_postgres::Error;

/// The number of an author.
pub(super) async fn author(client: &Object, name: &str) -> Result<i32, Error> {
    let find = client.prepare_cached("SELECT id FROM author WHERE name = $1").await?;
    loop {
        if let Some(row) = client.query_opt(&find, &[&name]).await? {
            return row.try_get(0);
        }
        let make = "INSERT INTO author (name) VALUES ($1) ON CONFLICT DO NOTHING";
        client.execute(make, &[&name]).await?;
    }
}

/// The numbers of hashtags, in the order of `names`.
pub(super) async fn hashtags(client: &Object, names: &[&str]) -> Result<Vec<i32>, Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let find = "SELECT ordinality, id FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, ordinality)
        JOIN hashtag USING (name) ORDER BY ordinality";
    let find = client.prepare_cached(find).await?;
    loop {
        let rows = client.query(&find, &[&names]).await?;
        if rows.len() == names.len() {
            return rows.iter().map(|row| row.try_get(1)).collect();
        }
        let make = "INSERT INTO hashtag (name) SELECT name FROM unnest($1::text[]) AS new (name)
            WHERE NOT EXISTS (SELECT FROM hashtag WHERE hashtag.name = new.name) ORDER BY name ON CONFLICT DO NOTHING";
        client.execute(make, &[&names]).await?;
    }
}
