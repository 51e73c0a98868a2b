//! What the tests of this crate share.

/// A migrated database of the test's own, and a pool of connections to it.
pub(crate) async fn database() -> (testutil::Database, ::postgres::Pool) {
    let database = testutil::database().await;
    let pool = ::postgres::open(&database.url(), 4, std::time::Duration::from_secs(25)).expect("the URL is right");
    schema::prepare(&pool, true).await.expect("the schema is right");
    (database, pool)
}
