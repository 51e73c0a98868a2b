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
