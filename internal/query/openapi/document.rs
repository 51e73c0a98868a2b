//! The document: the parts that the questions give, and what they have in common.

use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

/// What a reader should know first.
const ABOUT: &str = "Telemetry of vehicles: readings, trends, tracks, trips, the journal and live values.

Answers are JSON. Times are RFC 3339 in UTC. An unknown parameter is refused with 400, which names the one that was \
meant. Errors are `application/problem+json`. Every answer but a stream has a weak `ETag`, and `If-None-Match` is \
answered with 304. `HEAD` works at each address.";

/// Groups of operations, in the order of the page.
const TAGS: [(&str, &str); 7] = [
    ("values", "The latest values and places, and what changes."),
    (
        "readings",
        "Readings as they are stored, and functions of them over time.",
    ),
    ("drives", "Tracks and trips, found in the readings."),
    ("fleet", "The devices and their sensors."),
    ("journal", "Messages beside the readings."),
    ("operation", "Uploads and dumps."),
    ("system", "The state of the system, and this description."),
];

/// Operations that never ask the database.
const WITHOUT_DATABASE: [&str; 2] = ["/api", "/api/openapi.json"];

/// An operation that streams: it has no tag, so it is never answered with 304.
const STREAMS: [&str; 1] = ["/api/live"];

/// The whole document.
pub(super) fn finish(parts: OpenApi) -> Value {
    // It has only what JSON can hold.
    let mut document = serde_json::to_value(parts).unwrap_or_default();
    document["openapi"] = "3.1.0".into();
    document["info"] = json!({
        "title": "Odograph",
        "version": env!("CARGO_PKG_VERSION"),
        "description": ABOUT,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    document["servers"] = json!([{"url": "/", "description": "This server."}]);
    let tags = TAGS.map(|(name, description)| json!({"name": name, "description": description}));
    document["tags"] = json!(tags);
    document["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key that reads, where reading is closed."},
        "basic": {"type": "http", "scheme": "basic", "description": "The same: the key is the user, without a password."},
    });
    document["security"] = json!([{}, {"bearer": []}, {"basic": []}]);
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            if let Some(operation) = item.get_mut("get") {
                add_common(path, operation);
            }
        }
    }
    document
}

/// Adds the answers that each question may give.
fn add_common(path: &str, operation: &mut Value) {
    let refused = problem(
        400,
        "Bad Request",
        "A parameter is unknown or wrong; `detail` names it and says what to write.",
        &refused(operation),
    );
    let answers = &mut operation["responses"];
    answers["400"] = refused;
    answers["401"] = problem(
        401,
        "Unauthorized",
        "Reading is closed, and the request has no key that reads.",
        "Reading needs a key here, one that reads: curl -u KEY: or Authorization: Bearer KEY. Keys that write do not read; odograph key new --read makes one.",
    );
    if !STREAMS.contains(&path) {
        answers["304"] = json!({"description": "The client has this answer: `If-None-Match` names it."});
    }
    if !WITHOUT_DATABASE.contains(&path) {
        let mut busy = problem(
            503,
            "Service Unavailable",
            "The database does not answer, too many questions wait for it, or the server is being restarted.",
            "A service that this one depends on does not answer. Try again.",
        );
        busy["headers"] = json!({
            "Retry-After": {"description": "Seconds until it is worth asking again.", "schema": {"type": "integer", "minimum": 1}},
        });
        answers["503"] = busy;
    }
}

/// What the question says of a parameter that none has.
fn refused(operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let names = parameters.filter(|parameter| parameter["in"] == "query");
    let names: Vec<&str> = names.filter_map(|parameter| parameter["name"].as_str()).collect();
    let all = match &*names {
        [] => "no parameters".to_owned(),
        names => names.join(", "),
    };
    format!("\"x\": unknown parameter. This endpoint takes {all}.")
}

fn problem(status: u16, title: &str, description: &str, detail: &str) -> Value {
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let example = json!({"type": "about:blank", "title": title, "status": status, "detail": detail});
    json!({
        "description": description,
        "content": {"application/problem+json": {"schema": schema, "example": example}},
    })
}
