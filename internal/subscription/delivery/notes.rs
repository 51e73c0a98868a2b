//! What people are told about endpoints that fail.

use super::attempts::timestamp;
use super::database::Database;
use super::feed::Failing;
use super::now::Now;
use crate::subscription::Subscription;
use ::postgres::Error;
use reading::time::DAY;
use serde_json::json;
use std::time::Duration;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// The topic that tells of endpoints that fail.
pub const TROUBLES: &str = "odograph.subscriptions";

/// After this time without success, [`TROUBLES`] tells of it.
const TOLD_AFTER: i64 = DAY;

/// After this time without success, a subscription is disabled.
const DISABLED_AFTER: i64 = 5 * DAY;

/// A note on a subscription that is still to be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Note {
    /// Disables it, unless it names another target by now, and says why.
    Disable {
        subscription: Uuid,
        target_url: String,
        problem: String,
    },
    /// Publishes a message, once.
    Tell {
        id: String,
        key: String,
        data: serde_json::Value,
    },
}

/// What to note after a failure of an endpoint, and whether the subscription is to be disabled. `proven`: see
/// [`super::Limits`].
pub(super) fn after_failure(
    subscription: &Subscription,
    failing: &mut Failing,
    reason: &str,
    proven: Duration,
    now: Now,
) -> (Vec<Note>, bool) {
    let since = *failing.since.get_or_insert(now.wall);
    let seen = *failing.seen.get_or_insert(now.instant);
    let lasts = now.wall - since;
    if lasts >= DISABLED_AFTER && now.instant.saturating_duration_since(seen) >= proven {
        let problem = format!(
            "nothing was delivered for five days ({reason}); correct the endpoint, then resume the subscription"
        );
        return (disable(subscription, problem, since), true);
    }
    if lasts >= TOLD_AFTER && !failing.told {
        failing.told = true;
        let problem = format!("nothing was delivered for a day ({reason})");
        return (vec![tell(subscription, "failing", &problem, since)], false);
    }
    (Vec::new(), false)
}

/// What to note after an endpoint has said that it is gone.
pub(super) fn gone(subscription: &Subscription, now: i64) -> Vec<Note> {
    let problem = "the endpoint answered 410, it is gone; name another one, then resume the subscription";
    disable(subscription, problem.to_owned(), now)
}

fn disable(subscription: &Subscription, problem: String, since: i64) -> Vec<Note> {
    let told = tell(subscription, "disabled", &problem, since);
    let disabled = Note::Disable {
        subscription: subscription.id,
        target_url: subscription.target_url.clone(),
        problem,
    };
    vec![disabled, told]
}

/// The id is the same for one span of failures, so that another sender tells nothing twice.
fn tell(subscription: &Subscription, state: &str, problem: &str, since: i64) -> Note {
    Note::Tell {
        id: format!("{}-{since:x}-{state}", subscription.id.simple()),
        key: subscription.name.clone(),
        data: json!({
            "body": {
                "subscription": subscription.name,
                "state": state,
                "since": timestamp(since).to_string(),
                "problem": problem,
            },
        }),
    }
}

/// Writes a note. `now` in microseconds since 1970.
pub(super) async fn write(database: &Database, note: &Note, now: i64) -> Result<(), Error> {
    match note {
        Note::Disable {
            subscription,
            target_url,
            problem,
        } => {
            let statement = "UPDATE subscription SET enabled = false, problem = $2
                WHERE id = $1 AND enabled AND target_url = $3";
            let parameters = &[
                (subscription as _, Type::UUID),
                (problem as _, Type::TEXT),
                (target_url as _, Type::TEXT),
            ];
            database.query(statement, parameters).await?;
        }
        Note::Tell { id, key, data } => {
            database.make_partition("published", now).await?;
            let statement = "
                INSERT INTO published (topic, id, key, author, data, at) SELECT $1, $2, $3, 'odograph', $4, $5
                WHERE NOT EXISTS (SELECT FROM published WHERE topic = $1 AND id = $2)";
            let parameters = &[
                (&TROUBLES as _, Type::TEXT),
                (id as _, Type::TEXT),
                (key as _, Type::TEXT),
                (data as _, Type::JSONB),
                (&timestamp(now) as _, Type::TIMESTAMPTZ),
            ];
            database.query(statement, parameters).await?;
        }
    }
    Ok(())
}
