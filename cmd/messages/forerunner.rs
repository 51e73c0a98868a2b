//! Variables of the forerunner of this program, so that its users need not rename them.

/// The name of the table, which is fixed.
const TABLE: &str = "messages";

/// Variables of the forerunner.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Forerunner {
    /// As DATABASE_URL
    #[arg(long, env = "DB_URI", hide = true, hide_env_values = true)]
    db_uri: Option<String>,

    /// Replaces the database in the URL
    #[arg(long, env = "DB_NAME", hide = true)]
    db_name: Option<String>,

    /// Replaces the user in the URL
    #[arg(long, env = "DB_USERNAME", hide = true)]
    db_username: Option<String>,

    /// Replaces the password in the URL
    #[arg(long, env = "DB_PASSWORD", hide = true, hide_env_values = true)]
    db_password: Option<String>,

    /// The name of the view of messages, which cannot be changed
    #[arg(long, env = "DB_TABLE_NAME", hide = true)]
    db_table_name: Option<String>,

    /// -4, 0, 4 or 8: debug, info, warn or error
    #[arg(long, env = "LOG_LEVEL", hide = true, allow_negative_numbers = true)]
    log_level: Option<i32>,
}

/// Why the variables cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Error {
    #[error("no database is given; write --database-url postgres://USER:PASSWORD@HOST/DATABASE")]
    None,
    #[error(
        "messages are kept in PostgreSQL; write postgres://USER:PASSWORD@HOST/DATABASE in the place of mongodb://…"
    )]
    MongoDb,
    #[error("DB_URI and DATABASE_URL name two databases; give one of them")]
    Two,
    #[error("the database URL cannot be used; write postgres://USER:PASSWORD@HOST/DATABASE")]
    Url,
    #[error("the table of messages is called {TABLE}; leave DB_TABLE_NAME out, or write {TABLE}")]
    Table,
}

impl Forerunner {
    /// The database: `url`, or the variables.
    pub(crate) fn database(&self, url: Option<&str>) -> Result<String, Error> {
        if self.db_table_name.as_deref().is_some_and(|table| table != TABLE) {
            return Err(Error::Table);
        }
        let given = match (url, self.db_uri.as_deref()) {
            (Some(one), Some(other)) if one != other => return Err(Error::Two),
            (url, uri) => url.or(uri).ok_or(Error::None)?,
        };
        if given.starts_with("mongodb") {
            return Err(Error::MongoDb);
        }
        // By hand: a URL of PostgreSQL may name several hosts, a socket, or none.
        let (scheme, rest) = given.split_once("://").ok_or(Error::Url)?;
        let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let (authority, name) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login
            .split_once(':')
            .map_or((login, None), |(user, password)| (user, Some(password)));
        let part = |part: &Option<String>, given: &str| match part {
            Some(part) => percent::encode(part.as_bytes()),
            None => given.to_owned(),
        };
        let (name, user) = (part(&self.db_name, name), part(&self.db_username, user));
        let has_password = self.db_password.is_some() || password.is_some();
        let password = part(&self.db_password, password.unwrap_or_default());
        let login = match (user.is_empty(), has_password) {
            (true, false) => String::new(),
            (_, false) => format!("{user}@"),
            (_, true) => format!("{user}:{password}@"),
        };
        Ok(format!("{scheme}://{login}{hosts}/{name}{query}"))
    }

    /// What is logged, as `RUST_LOG` has it.
    pub(crate) fn log_level(&self) -> Option<&'static str> {
        Some(match self.log_level? {
            ..0 => "debug",
            0..4 => "info",
            4..8 => "warn",
            8.. => "error",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(uri: &str) -> Forerunner {
        Forerunner {
            db_uri: Some(uri.to_owned()),
            db_name: None,
            db_username: None,
            db_password: None,
            db_table_name: None,
            log_level: None,
        }
    }

    #[test]
    fn the_parts_replace_those_of_the_url() {
        let mut given = given("postgres://a:b@host:5433/c?sslmode=disable");
        assert_eq!(
            given.database(None).unwrap(),
            "postgres://a:b@host:5433/c?sslmode=disable"
        );
        given.db_name = Some("messages".to_owned());
        given.db_username = Some("us/er".to_owned());
        given.db_password = Some("p@ss".to_owned());
        let whole = "postgres://us%2Fer:p%40ss@host:5433/messages?sslmode=disable";
        assert_eq!(given.database(None).unwrap(), whole);
        for (uri, whole) in [
            ("postgres://", "postgres://us%2Fer:p%40ss@/messages"),
            (
                "postgres://one:1,two:2?x=a/b",
                "postgres://us%2Fer:p%40ss@one:1,two:2/messages?x=a/b",
            ),
            (
                "postgres://u@%2Frun/?x=1",
                "postgres://us%2Fer:p%40ss@%2Frun/messages?x=1",
            ),
        ] {
            given.db_uri = Some(uri.to_owned());
            assert_eq!(given.database(None).unwrap(), whole);
        }
        given.db_uri = Some("localhost".to_owned());
        assert_eq!(given.database(None), Err(Error::Url));
    }

    #[test]
    fn what_cannot_be_used_says_what_to_write() {
        assert_eq!(given("mongodb+srv://x/y").database(None), Err(Error::MongoDb));
        assert_eq!(
            given("postgres://x/y").database(Some("postgres://x/z")),
            Err(Error::Two)
        );
        let table = |name: &str| Forerunner {
            db_table_name: Some(name.to_owned()),
            ..given("postgres://x/y")
        };
        assert_eq!(table("other").database(None), Err(Error::Table));
        assert!(table("messages").database(None).is_ok());
        let none = Forerunner {
            db_uri: None,
            ..given("")
        };
        assert_eq!(none.database(None), Err(Error::None));
        assert!(none.database(Some("postgres://x/y")).is_ok());
    }

    #[test]
    fn log_levels_are_names() {
        let of = |level| Forerunner {
            log_level: level,
            ..given("")
        };
        let names = [-4, 0, 4, 8].map(|level| of(Some(level)).log_level());
        assert_eq!(names, ["debug", "info", "warn", "error"].map(Some));
        assert_eq!(of(None).log_level(), None);
    }
}
