//! Reports subjects that the server denies to a user.

use crate::address::Nats;
use crate::repeated::should_log;

/// Logs the subject that a server's error denies to the user, in the form in which the right is given, and
/// seldom. Returns whether the error denies one.
pub(super) fn tell(error: &str, address: &Nats) -> bool {
    let Some((right, subject)) = denied(error, &address.stream()) else {
        return false;
    };
    if should_log(&format!("{right} {subject}")) {
        tracing::error!(
            right,
            subject,
            "the event bus denies this user a subject; SECURITY.md lists the rights that each program needs"
        );
    }
    true
}

/// The right and the subject in `Permissions Violation for Publish to "subject"`.
fn denied(error: &str, stream: &str) -> Option<(&'static str, String)> {
    let (_, what) = error.split_once("Permissions Violation for ")?;
    let right = if what.starts_with("Publish") {
        "publish"
    } else {
        "subscribe"
    };
    let subject = what.split('"').nth(1)?;
    Some((right, general(subject, stream)))
}

/// Generalizes a subject to the form of a right: wildcards replace its random parts.
fn general(subject: &str, stream: &str) -> String {
    if subject.starts_with("_INBOX.") {
        return "_INBOX.>".to_owned();
    }
    let is_ack = subject.starts_with("$JS.ACK.");
    let mut tokens: Vec<&str> = subject.split('.').collect();
    let consumer = tokens.iter().position(|token| *token == stream).map(|at| at + 1);
    if (is_ack || subject.starts_with("$JS.API.CONSUMER."))
        && let Some(at) = consumer.filter(|at| *at < tokens.len())
    {
        if !tokens[at].starts_with("persistor_") {
            tokens[at] = "*";
        }
        if is_ack {
            tokens.truncate(at + 1);
            tokens.push(">");
        }
    }
    tokens.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_named_as_its_right_is() {
        for (error, expected) in [
            (
                r#"nats: Permissions Violation for Publish to "readings.live""#,
                ("publish", "readings.live"),
            ),
            (
                r#"nats: Permissions Violation for Subscription to "_INBOX.a1B2.*""#,
                ("subscribe", "_INBOX.>"),
            ),
            (
                r#"Permissions Violation for Publish to "$JS.ACK.READINGS.persistor_live.1.5.5.17.0""#,
                ("publish", "$JS.ACK.READINGS.persistor_live.>"),
            ),
            (
                r#"Permissions Violation for Publish to "$JS.API.CONSUMER.MSG.NEXT.READINGS.history_x9""#,
                ("publish", "$JS.API.CONSUMER.MSG.NEXT.READINGS.*"),
            ),
            (
                r#"Permissions Violation for Publish to "$JS.API.CONSUMER.CREATE.READINGS.persistor_bulk.readings.bulk""#,
                (
                    "publish",
                    "$JS.API.CONSUMER.CREATE.READINGS.persistor_bulk.readings.bulk",
                ),
            ),
            (
                r#"Permissions Violation for Publish to "$JS.API.CONSUMER.CREATE.READINGS""#,
                ("publish", "$JS.API.CONSUMER.CREATE.READINGS"),
            ),
        ] {
            let (right, subject) = denied(error, "READINGS").unwrap();
            assert_eq!((right, subject.as_str()), expected);
        }
        assert_eq!(denied("Authorization Violation", "READINGS"), None);
    }
}
