//! Puts that wait at one moment share a transaction, and none of them spoils the others.

use super::*;
use crate::gather::Gatherer;
use ::postgres::Error;
use tokio_util::sync::CancellationToken;

/// Puts a message under each of these ids, all at one moment. On the runtime of a test, all of them wait before the
/// first one is taken.
async fn put_at_once(gatherer: &Gatherer, ids: &[String]) -> Vec<Result<Verdict, Error>> {
    join_all(ids.iter().map(|id| gatherer.put(vec![event(id, "x", "1")]))).await
}

#[tokio::test]
async fn a_put_that_is_refused_spoils_no_other() {
    let setting = Setting::start().await;
    setting.store.open().await.unwrap();
    let (gatherer, gathering) = Gatherer::new(setting.store.clone(), CancellationToken::new());
    let gathering = tokio::spawn(gathering);
    let ids: Vec<String> = (0..20).map(|number| format!("good {number}")).collect();
    let verdicts = put_at_once(&gatherer, &ids).await;
    assert!(
        verdicts.iter().all(|verdict| matches!(verdict, Ok(Ok(())))),
        "{verdicts:?}"
    );
    let client = setting.store.pool.get().await.unwrap();
    let transactions = "SELECT count(DISTINCT xmin::text) FROM message";
    let transactions: i64 = client.query_one(transactions, &[]).await.unwrap().get(0);
    assert_eq!(transactions, 1);

    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.id = 'refused' THEN RAISE EXCEPTION 'no' USING ERRCODE = '22023'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION refuse()";
    client.batch_execute(refuse).await.unwrap();
    let ids = ["one", "refused", "other"].map(str::to_owned);
    let verdicts = put_at_once(&gatherer, &ids).await;
    assert!(
        matches!(&*verdicts, [Ok(Ok(())), Err(Error::Refused(_)), Ok(Ok(()))]),
        "{verdicts:?}"
    );
    assert_eq!(get(&setting.store, &["one", "refused", "other"]).await, ["1", "1"]);
    drop(gatherer);
    gathering.await.unwrap();
}
