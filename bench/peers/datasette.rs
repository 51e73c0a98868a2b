//! Datasette 0.65 over SQLite: the entries of a journal as tables, with an index for pages and a full-text search.

use super::installed::{INSTALL, free, installed};
use crate::http::Connection;
use crate::system::output;
use std::net::SocketAddr;
use std::process::Command;
use tempfile::TempDir;
use testutil::{Running, workspace};

/// What it holds of a journal: id, author, text, hashtags.
const ROWS: &str = "SELECT entry.id, author.name, body, \
    array_to_string(ARRAY(SELECT spelling FROM entry_hashtag WHERE entry_id = entry.id ORDER BY position), ' ') \
    FROM entry JOIN author ON author.id = author_id ORDER BY entry.id";

const PAGE: &str = "SELECT entry.id, entry.author, body, hashtags FROM tagged JOIN entry USING (number)
    WHERE hashtag = :tag AND tagged.author = :author AND tagged.id >= :since AND tagged.id < :before
    ORDER BY tagged.id DESC LIMIT 20";

const SEARCH: &str = "SELECT entry.id, entry.author, entry.body, hashtags FROM words JOIN entry ON number = words.rowid
    WHERE words MATCH :words ORDER BY words.rowid DESC LIMIT 20";

/// A server, killed when this is dropped.
pub(crate) struct Datasette {
    // Declared before its files, so that it is dropped first.
    _server: Running,
    address: SocketAddr,
    _folder: TempDir,
}

impl Datasette {
    /// Starts it over what the journal of this database holds, if it is installed.
    pub(crate) async fn start(database: &str) -> anyhow::Result<Option<Self>> {
        let Some(program) = installed("datasette") else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let (rows, file) = (folder.path().join("rows.csv"), folder.path().join("journal.db"));
        let copy = format!("\\copy ({ROWS}) TO '{}' (FORMAT csv)", rows.display());
        output(Command::new("psql").args(["-qX", "-d", database, "-c", &copy]))?;
        let script = workspace().join("bench/peers/datasette.py");
        output(Command::new("python3").arg(script).arg(&rows).arg(&file))?;
        std::fs::remove_file(&rows)?;
        let address = free()?;
        let mut command = tokio::process::Command::new(program);
        command
            .args(["serve", "--host", "127.0.0.1", "--port", &address.port().to_string()])
            // Else it gives up a statement after a second.
            .args(["--setting", "sql_time_limit_ms", "60000", "--immutable"])
            .arg(&file);
        let log = folder.path().join("datasette.log");
        let mut server = Running::start("datasette", &mut command, &log, INSTALL)?;
        let mut connection = server.until(|| async { Connection::open(address).await.ok() }).await?;
        connection.get("/-/versions.json").await?;
        Ok(Some(Self {
            _server: server,
            address,
            _folder: folder,
        }))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The path of a page: the newest entries of a hashtag and an author between two ids.
pub(crate) fn page(tag: &str, author: &str, since: &str, before: &str) -> String {
    asked(
        PAGE,
        &[("tag", tag), ("author", author), ("since", since), ("before", before)],
    )
}

/// The path of a page: the newest entries with these words.
pub(crate) fn search(words: &str) -> String {
    asked(SEARCH, &[("words", words)])
}

fn asked(sql: &str, parameters: &[(&str, &str)]) -> String {
    let mut path = format!("/journal.json?_shape=array&sql={}", percent::encode(sql.as_bytes()));
    for &(name, value) in parameters {
        path = path + "&" + name + "=" + &percent::encode(value.as_bytes());
    }
    path
}
