//! Private databases on the PostgreSQL of this run.

use std::time::Duration;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(60);

/// A fresh database; dropping it removes it.
#[derive(Debug)]
pub struct Database {
    name: String,
    server: String,
}

/// Makes an empty database.
///
/// # Panics
/// Outside `make test`.
pub async fn database() -> Database {
    make("").await
}

/// As [`database`], in this encoding.
///
/// # Panics
/// Outside `make test`.
pub async fn database_in(encoding: &str) -> Database {
    make(&format!("ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")).await
}

async fn make(options: &str) -> Database {
    let server = crate::variable("TEST_DATABASE_URL");
    let name = crate::unique("test");
    let made = timeout(DEADLINE, execute(&server, &format!("CREATE DATABASE {name} {options}"))).await;
    match made {
        Ok(Ok(())) => Database { name, server },
        Ok(Err(error)) => panic!("could not make a database on TEST_DATABASE_URL: {error:?}"),
        Err(_) => panic!("TEST_DATABASE_URL did not make a database within {DEADLINE:?}"),
    }
}

impl Database {
    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        with_name(&self.server, &self.name)
    }

    /// The URL for a role that needs no password.
    #[must_use]
    pub fn url_as(&self, role: &str) -> String {
        url_as(&self.url(), role)
    }

    /// Simulates the loss of the database: closes all its connections and puts an empty one under its URL.
    /// Returns the old database, under another name, to compare with.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn lose(&self) -> Self {
        let (name, kept) = (&self.name, crate::unique("lost"));
        let statements = [
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
            // Waits until the sessions have ended.
            format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"),
            format!("ALTER DATABASE {name} RENAME TO {kept}"),
            format!("ALTER DATABASE {kept} ALLOW_CONNECTIONS true"),
            format!("CREATE DATABASE {name}"),
        ];
        for statement in statements {
            match timeout(DEADLINE, execute(&self.server, &statement)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => panic!("{statement}: {error:?}"),
                Err(_) => panic!("{statement}: not within {DEADLINE:?}"),
            }
        }
        let server = self.server.clone();
        Self { name: kept, server }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, statement) = (
            self.server.clone(),
            format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
        );
        // On a thread of its own, since a runtime cannot block inside another. Best effort: the server
        // is removed at the end of the run.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| {
                runtime.block_on(async { timeout(Duration::from_secs(10), execute(&server, &statement)).await })
            })
        });
        let _ = dropping.join();
    }
}

pub(crate) async fn execute(url: &str, statement: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let done = client.batch_execute(statement).await;
    connection.abort();
    done
}

/// The URL of a database for a role that needs no password.
#[must_use]
pub fn url_as(url: &str, role: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let host = rest.find('/').unwrap_or(rest.len());
    let after_user = rest[..host].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{role}@{}", &rest[after_user..])
}

/// The URL with another database's name in its path.
fn with_name(url: &str, name: &str) -> String {
    let (before, query) = url
        .split_once('?')
        .map_or((url, String::new()), |(before, query)| (before, format!("?{query}")));
    let (scheme, rest) = before.split_once("://").unwrap_or(("postgres", before));
    let host = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{host}/{name}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_changes() {
        for (url, expected) in [
            (
                "postgres://odograph@/odograph?host=/run/x",
                "postgres://odograph@/n?host=/run/x",
            ),
            ("postgresql://u:p@h:5/d", "postgresql://u:p@h:5/n"),
            ("postgres://h", "postgres://h/n"),
        ] {
            assert_eq!(with_name(url, "n"), expected);
        }
    }

    #[test]
    fn only_the_role_changes() {
        for (url, expected) in [
            ("postgres://odograph@/n?host=/run/x@y", "postgres://r@/n?host=/run/x@y"),
            ("postgresql://u:p@h:5/d", "postgresql://r@h:5/d"),
            ("postgres://h", "postgres://r@h"),
        ] {
            assert_eq!(url_as(url, "r"), expected);
        }
    }

    #[tokio::test]
    async fn a_lost_one_is_empty_and_what_was_lost_is_kept() {
        let database = database().await;
        execute(&database.url(), "CREATE TABLE here ()").await.unwrap();
        let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        let lost = database.lose().await;
        assert!(client.simple_query("SELECT 1").await.is_err(), "still connected");
        assert!(execute(&database.url(), "SELECT FROM here").await.is_err());
        execute(&lost.url(), "SELECT FROM here").await.unwrap();
    }

    #[tokio::test]
    async fn each_is_its_own_and_goes_away() {
        let (one, other) = (database().await, database().await);
        execute(&one.url(), "CREATE TABLE here ()").await.unwrap();
        assert!(execute(&other.url(), "SELECT FROM here").await.is_err());
        let url = one.url();
        drop(one);
        assert!(execute(&url, "SELECT 1").await.is_err());
    }
}
