//! Names that people give to devices, for display.
//!
//! A name may have any characters, so it is encoded as in `text.rs`. Uploads and questions go by the device itself, so
//! a name changes no reading.

use crate::text::{decoded, encoded};
use ::postgres::{Error, Pool};
use tokio_postgres::Row;

/// Characters of a name at the most.
pub const LONGEST: usize = 100;

/// Whether a text can be a name: it has 1 to [`LONGEST`] characters, none of them a control character, and is not
/// blank.
pub fn is_name(text: &str) -> bool {
    let length = text.chars().count();
    (1..=LONGEST).contains(&length) && !text.chars().any(char::is_control) && !text.trim().is_empty()
}

/// Gives a device this name, in place of the one before; with none, removes it. Returns whether that changed a thing.
///
/// # Errors
/// Where the database cannot do that now.
pub async fn set(pool: &Pool, device: &str, name: Option<&str>) -> Result<bool, Error> {
    let client = pool.get().await?;
    let changed = match name.map(encoded) {
        Some(name) => {
            let statement = "INSERT INTO device_name (device, name) VALUES ($1, $2)
                ON CONFLICT (device) DO UPDATE SET name = excluded.name WHERE device_name.name <> excluded.name";
            client.execute(statement, &[&device, &name]).await?
        }
        None => {
            client
                .execute("DELETE FROM device_name WHERE device = $1", &[&device])
                .await?
        }
    };
    Ok(changed > 0)
}

/// The devices after this one, at most `most` of them, in order: those with a series and those with a name. Each has
/// its name.
///
/// # Errors
/// Where the database cannot do that now.
pub async fn list(pool: &Pool, after: Option<&str>, most: u32) -> Result<Vec<(String, Option<String>)>, Error> {
    let statement = "SELECT device, name
        FROM (
            SELECT device FROM series WHERE $1::text IS NULL OR device > $1
            UNION SELECT device FROM device_name WHERE $1::text IS NULL OR device > $1
        ) AS known
        LEFT JOIN device_name USING (device)
        ORDER BY device LIMIT $2";
    let client = pool.get().await?;
    let rows = client.query(statement, &[&after, &i64::from(most)]).await?;
    let device = |row: &Row| {
        let name: Option<&str> = row.try_get(1)?;
        Ok((row.try_get(0)?, name.map(decoded)))
    };
    rows.iter().map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_can_be_a_name() {
        let (longest, longer) = ("\u{17d}".repeat(LONGEST), "x".repeat(LONGEST + 1));
        for name in ["Lada", "Grandpa's Lada", " x", "100%", &longest] {
            assert!(is_name(name), "{name:?}");
        }
        for name in ["", " ", "two\nlines", "a\0", "\u{7f}", &longer] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[tokio::test]
    async fn names_are_given_changed_and_removed() {
        let database = testutil::database().await;
        let pool = ::postgres::open(&database.url(), 1, Duration::from_secs(30)).unwrap();
        schema::prepare(&pool, true).await.unwrap();
        let client = pool.get().await.unwrap();
        client
            .batch_execute("INSERT INTO series (device, sensor) VALUES ('saab', 'speed'), ('saab', 'fuel')")
            .await
            .unwrap();
        drop(client);
        let named = |device: &str, name: Option<&str>| (device.to_owned(), name.map(str::to_owned));
        assert!(set(&pool, "lada", Some("\u{17d}iguli 100%")).await.unwrap());
        assert!(!set(&pool, "lada", Some("\u{17d}iguli 100%")).await.unwrap());
        let all = list(&pool, None, 10).await.unwrap();
        assert_eq!(all, [named("lada", Some("\u{17d}iguli 100%")), named("saab", None)]);
        assert!(set(&pool, "lada", Some("Lada")).await.unwrap());
        assert_eq!(list(&pool, None, 1).await.unwrap(), [named("lada", Some("Lada"))]);
        assert_eq!(list(&pool, Some("lada"), 10).await.unwrap(), [named("saab", None)]);
        assert!(set(&pool, "lada", None).await.unwrap());
        assert!(!set(&pool, "lada", None).await.unwrap());
        assert_eq!(list(&pool, None, 10).await.unwrap(), [named("saab", None)]);
    }
}
