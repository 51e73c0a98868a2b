//! The least-privilege roles of programs in a database.

use crate::Program;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(120);

/// Tries: roles belong to the server, and other tests make them at the same time.
const TRIES: usize = 20;

/// Migrates a database and runs `scripts/roles.sql` there, as the superuser of the URL.
///
/// # Panics
/// Where either fails.
pub async fn give_roles(url: &str) {
    let mut migrated = Program::new("odograph").arg("migrate").env("DATABASE_URL", url).spawn();
    let code = migrated.wait(DEADLINE).await;
    assert_eq!(code, 0, "{}", migrated.output().join("\n"));
    let path = crate::workspace().join("scripts/roles.sql");
    let script = std::fs::read_to_string(path).expect("scripts/roles.sql can be read");
    for attempt in 1.. {
        let made = tokio::time::timeout(DEADLINE, crate::database::execute(url, &script)).await;
        match made.expect("the roles were not made in time") {
            Ok(()) => return,
            Err(error) => assert!(attempt < TRIES, "could not make the roles: {error:?}"),
        }
    }
}

/// The URL of a database for a role that needs no password.
#[must_use]
pub fn url_as(url: &str, role: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let host = rest.find('/').unwrap_or(rest.len());
    let after_user = rest[..host].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{role}@{}", &rest[after_user..])
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
