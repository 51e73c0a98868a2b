//! Reports subjects that the server denies to a user.

use crate::address::Nats;
use crate::error::should_log;

/// Logs the subject that a server's error denies to the user, in the form in which the right is given, and
/// seldom. Returns whether the error denies one.
pub(super) fn tell(error: &str, address: &Nats) -> bool {
    let Some((right, subject)) = denied(error, &address.stream(), address.names.reader) else {
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
fn denied(error: &str, stream: &str, reader: &str) -> Option<(&'static str, String)> {
    let (_, what) = error.split_once("Permissions Violation for ")?;
    let right = if what.starts_with("Publish") {
        "publish"
    } else {
        "subscribe"
    };
    let subject = what.split('"').nth(1)?;
    Some((right, general(subject, stream, reader)))
}

/// Generalizes a subject to the form of a right: wildcards replace its random parts.
fn general(subject: &str, stream: &str, reader: &str) -> String {
    if subject.starts_with("_INBOX.") {
        return "_INBOX.>".to_owned();
    }
    let is_ack = subject.starts_with("$JS.ACK.");
    let mut tokens: Vec<&str> = subject.split('.').collect();
    let consumer = tokens.iter().position(|token| *token == stream).map(|at| at + 1);
    if (is_ack || subject.starts_with("$JS.API.CONSUMER."))
        && let Some(at) = consumer.filter(|at| *at < tokens.len())
    {
        if !tokens[at]
            .strip_prefix(reader)
            .is_some_and(|rest| rest.starts_with('_'))
        {
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
                r#"nats: Permissions Violation for Publish to "events.live""#,
                ("publish", "events.live"),
            ),
            (
                r#"nats: Permissions Violation for Subscription to "_INBOX.a1B2.*""#,
                ("subscribe", "_INBOX.>"),
            ),
            (
                r#"Permissions Violation for Publish to "$JS.ACK.EVENTS.reader_live.1.5.5.17.0""#,
                ("publish", "$JS.ACK.EVENTS.reader_live.>"),
            ),
            (
                r#"Permissions Violation for Publish to "$JS.API.CONSUMER.MSG.NEXT.EVENTS.history_x9""#,
                ("publish", "$JS.API.CONSUMER.MSG.NEXT.EVENTS.*"),
            ),
            (
                r#"Permissions Violation for Publish to "$JS.API.CONSUMER.CREATE.EVENTS.reader_bulk.events.bulk""#,
                ("publish", "$JS.API.CONSUMER.CREATE.EVENTS.reader_bulk.events.bulk"),
            ),
            (
                r#"Permissions Violation for Publish to "$JS.API.CONSUMER.CREATE.EVENTS""#,
                ("publish", "$JS.API.CONSUMER.CREATE.EVENTS"),
            ),
        ] {
            let (right, subject) = denied(error, "EVENTS", "reader").unwrap();
            assert_eq!((right, subject.as_str()), expected);
        }
        assert_eq!(denied("Authorization Violation", "EVENTS", "reader"), None);
    }
}
