//! Answers to the client of an upload.

use super::body;
use super::end::End;
use crate::Limits;
use crate::counts::Counts;
use crate::rejects::{Invalid, Lost};
use crate::series::NoRoom;
use crate::session::Stop;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use reading::signature::Foreign;
use std::time::Duration;
use uuid::Uuid;
use web::Problem;

/// Retry delay for a client whose series have no room: an operator has to act.
const SERIES_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Retry delay while the server's clock is wrong.
const CLOCK_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Answers an upload by how it ended. `other_charset`: its head names a charset that is not UTF-8.
pub(super) fn answer(limits: &Limits, id: Uuid, end: &End, counts: Counts, other_charset: bool) -> Response {
    let problem = match end {
        End::Whole => read(&counts, other_charset),
        end => Some(broken(limits, end)),
    };
    let Some(problem) = problem else {
        return judged(id, counts);
    };
    let mut problem = problem
        .with("id", id.to_string())
        .with("accepted", counts.accepted)
        .with("rejected", counts.rejects.count);
    for (name, count) in [("deferred", counts.deferred), ("forbidden", counts.forbidden)] {
        if count > 0 {
            problem = problem.with(name, count);
        }
    }
    if !counts.rejects.shown.is_empty() {
        problem = problem.with(
            "invalid",
            serde_json::to_value(&counts.rejects.shown).unwrap_or_default(),
        );
    }
    problem.into_response()
}

/// The reason why the client must not discard an upload that was read to its end; none if it may.
fn read(counts: &Counts, other_charset: bool) -> Option<Problem> {
    let new = |status, detail| Some(Problem::new(status, detail));
    match counts.rejects.lost {
        Some(Lost::Upload) => {
            return new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Too much of this body is not readings (more than 16 MiB, each line counting 64 bytes at least); is it what its Content-Type says? Readings are accepted.",
            );
        }
        Some(Lost::Key(wait)) => {
            let problem = Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many bytes of rejected lines with this key within an hour. Readings are accepted; send the whole body again later.",
            );
            return Some(problem.retry_after(wait));
        }
        None => {}
    }
    match counts.no_room {
        Some(NoRoom::Key) => {
            let problem = Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "This key has brought as many different devices and sensors as it may, so readings of new ones are deferred. All others are accepted; send the whole body again later.",
            );
            return Some(problem.retry_after(SERIES_RETRY_AFTER));
        }
        Some(NoRoom::All) => {
            let problem = Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "There is no room for new devices and sensors, so readings of new ones are deferred. All others are accepted; send the whole body again later.",
            );
            return Some(problem.retry_after(SERIES_RETRY_AFTER));
        }
        None => {}
    }
    if counts.is_wrapped {
        return new(
            StatusCode::FORBIDDEN,
            "An object around some readings names another device than the credentials. The rest is accepted; write the device in each reading, or send those with its name as the user name.",
        );
    }
    if counts.forbidden > 0 {
        return new(
            StatusCode::FORBIDDEN,
            "This key writes for one device only, and some readings are of other devices. The rest is accepted; send those with a key of their own.",
        );
    }
    if other_charset && counts.rejects.altered {
        return new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The Content-Type names a charset that is not UTF-8, and some lines are not UTF-8. Readings are accepted; send the body in UTF-8.",
        );
    }
    None
}

/// The reason why an upload ended early.
fn broken(limits: &Limits, end: &End) -> Problem {
    match end {
        End::Whole => Problem::internal("an upload that was read to its end did not break off"),
        End::Stopped(Stop::Foreign(format)) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            match format {
                Foreign::Gzip => {
                    "A line begins as gzip data does. Readings before it are accepted; send compressed data as a body of its own, with Content-Encoding: gzip."
                }
                Foreign::Zstd => {
                    "A line begins as zstd data does. Readings before it are accepted; send compressed data as a body of its own, with Content-Encoding: zstd."
                }
                Foreign::Compressed => {
                    "A line begins as data of an unsupported compression (xz, bzip2, zip, zlib or the like). Readings before it are accepted; decompress the rest and send it as a body of its own."
                }
                Foreign::Utf16 => {
                    "A line is in UTF-16 or UTF-32. Readings before it are accepted; send the rest in UTF-8."
                }
                Foreign::Coded => {
                    "A line is percent-encoded, in base64 or hexadecimal digits, or a string that holds JSON. Readings before it are accepted; send the rest as it is (curl --data-binary @FILE)."
                }
                Foreign::Binary => {
                    "Hardly any line is a reading, and the body is no text. Readings are accepted. Is it compressed or encrypted? Send lines of JSON, plain, or with Content-Encoding gzip or zstd."
                }
            },
        ),
        End::Stopped(Stop::Torn(line)) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!(
                "Line {line} has too many beginnings of readings, or of long objects around readings, to judge each. Readings before that are accepted; send one reading a line."
            ),
        ),
        End::Stopped(Stop::Syntax(line)) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!(
                "The value that begins on line {line} breaks off, is no object, or has a syntax error, and the JSON document cannot be read behind it. Readings before it are accepted; correct it, or send one reading a line."
            ),
        ),
        End::Body(body::Error::Broken | body::Error::Undecodable) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The body breaks off or cannot be decoded. Readings before that are accepted; send the whole body again.",
        ),
        End::Body(body::Error::Window) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The zstd window is larger than 8 MiB; compress without --long or --ultra.",
        ),
        End::Body(body::Error::Damaged) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body came whole, but its gzip or zstd data breaks off: the file is damaged. Readings before the break are accepted; compress the remaining readings again.",
        ),
        End::Body(body::Error::Mislabelled) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body is not what its Content-Encoding says, nor plain JSON; send it with the header of its own encoding, gzip or zstd.",
        ),
        End::Body(body::Error::Mixed) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Other data follows the gzip or zstd data. Readings before it are accepted; send what follows as a body of its own.",
        ),
        End::Body(body::Error::Foreign(Foreign::Utf16)) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body is UTF-16 or UTF-32; send it as UTF-8 (iconv -f UTF-16 -t UTF-8, or -f UTF-32).",
        ),
        End::Body(body::Error::Foreign(Foreign::Coded)) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body is percent-encoded, in base64 or hexadecimal digits, or a string that holds JSON; send it as it is (curl --data-binary @FILE).",
        ),
        End::Body(body::Error::Foreign(Foreign::Compressed | Foreign::Binary)) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body has an unsupported compression (xz, bzip2, zip, zlib or the like); decompress it, and send it plain, or with Content-Encoding gzip or zstd.",
        ),
        End::Body(body::Error::Foreign(Foreign::Gzip | Foreign::Zstd)) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body has more layers of compression than can be decoded; decompress it, and send it with Content-Encoding gzip or zstd, or plain.",
        ),
        End::Body(body::Error::Bomb) => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body grows more than a thousand times when it is decoded; send it in parts or less compressed.",
        ),
        End::Body(body::Error::TooLarge) => too_large(limits.max_body.unwrap_or_default()),
        End::Late => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "The body came too slowly. Readings that came are accepted; send the rest, or the whole body, again.",
        ),
        End::Stopped(Stop::NoBus) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event bus is not connected yet. Send the whole body again later; nothing is stored twice.",
        )
        .retry_after(Duration::from_secs(2)),
        End::Stopped(Stop::Bus) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event bus cannot take more now. Send the whole body again later; nothing is stored twice.",
        )
        .retry_after(Duration::from_secs(2)),
        End::Stopped(Stop::Clock) => wrong_clock(),
        End::Ending => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This server is being restarted. Send the whole body again; nothing is stored twice.",
        )
        .retry_after(Duration::from_secs(2)),
    }
}

/// The answer while the server's clock is wrong, or not compared yet.
pub(super) fn wrong_clock() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "This server's clock is wrong, or not checked yet, so it rejects nothing. Send the whole body again later; nothing is stored twice.",
    )
    .retry_after(CLOCK_RETRY_AFTER)
}

/// The refusal of a body larger than this.
pub(super) fn too_large(max: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("The body is larger than {max} bytes; send it in parts."),
    )
}

/// The answer to an upload that the client may discard: every value is accepted, or can never be.
fn judged(id: Uuid, counts: Counts) -> Response {
    #[derive(serde::Serialize)]
    struct Answer {
        id: Uuid,
        accepted: u64,
        rejected: u64,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        invalid: Vec<Invalid>,
        #[serde(flatten)]
        problem: Option<Explained>,
    }
    #[derive(serde::Serialize)]
    struct Explained {
        r#type: &'static str,
        title: &'static str,
        status: u16,
        detail: &'static str,
    }
    let bad = counts.rejects.count > 0;
    let answer = Answer {
        id,
        accepted: counts.accepted,
        rejected: counts.rejects.count,
        invalid: counts.rejects.shown,
        problem: bad.then_some(Explained {
            r#type: "about:blank",
            title: "Bad Request",
            status: 400,
            detail: "Some lines are not readings. All others are accepted; the lines listed here would be rejected again.",
        }),
    };
    let (status, kind) = if bad {
        (StatusCode::BAD_REQUEST, "application/problem+json")
    } else {
        (StatusCode::OK, "application/json")
    };
    let body = serde_json::to_vec(&answer).unwrap_or_default();
    (
        status,
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")],
        body,
    )
        .into_response()
}
