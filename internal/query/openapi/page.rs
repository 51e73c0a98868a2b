//! The page for people: the whole document on one page, plain HTML.

use super::html::rich;
use serde_json::Value;
use std::fmt::Write;
use web::escaped;

/// The style of the page, the only one that a browser lets it have.
pub(super) const STYLE: &str = include_str!("style.css");

/// Where references to structures point.
const STRUCTURES: &str = "#/components/schemas/";

/// The page of a document. Writing to a text cannot fail.
pub(super) fn page(document: &Value) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>The API of Odograph</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>The API of Odograph</h1>\n"
    );
    paragraphs(&mut html, text(&document["info"]["description"]));
    let _written = writeln!(
        html,
        "<p class=\"soft\">Version {}. For programs: <a href=\"/api/openapi.json\">OpenAPI 3.1</a>.</p>",
        escaped(text(&document["info"]["version"]))
    );
    contents(&mut html, document);
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(&tag["name"]);
        let _written = writeln!(
            html,
            "<h2 id=\"{0}\">{0}</h2>\n<p>{1}</p>",
            escaped(name),
            rich(text(&tag["description"]))
        );
        for (path, operation) in operations(document).filter(|(_, operation)| operation["tags"][0] == name) {
            one(&mut html, path, operation);
        }
    }
    html.push_str("<h2 id=\"structures\">structures</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _written = writeln!(html, "<section>\n<h3 id=\"structure-{0}\">{0}</h3>", escaped(name));
        paragraphs(&mut html, text(&schema["description"]));
        structure(&mut html, schema);
        html.push_str("</section>\n");
    }
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

/// The operations with their paths; each reads.
fn operations(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.map(|(path, item)| (path, &item["get"]))
}

fn contents(html: &mut String, document: &Value) {
    html.push_str("<nav aria-label=\"Endpoints\">\n<ul>\n");
    for (path, operation) in operations(document) {
        let _written = writeln!(
            html,
            "<li><a href=\"#{}\"><code>{}</code></a> <span class=\"soft\">{}</span></li>",
            escaped(text(&operation["operationId"])),
            escaped(path),
            rich(text(&operation["summary"]))
        );
    }
    html.push_str("</ul>\n</nav>\n");
}

/// One operation: what it takes, and each of its answers.
fn one(html: &mut String, path: &str, operation: &Value) {
    let id = escaped(text(&operation["operationId"]));
    let _written = writeln!(
        html,
        "<section aria-labelledby=\"{id}\">\n<h3 id=\"{id}\"><code>GET {}</code></h3>",
        escaped(path)
    );
    paragraphs(html, text(&operation["summary"]));
    paragraphs(html, text(&operation["description"]));
    let parameters = operation["parameters"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if !parameters.is_empty() {
        html.push_str("<h4>Parameters</h4>\n<dl>\n");
        for parameter in parameters {
            let must = if parameter["required"] == true { " required" } else { "" };
            member(
                html,
                text(&parameter["name"]),
                must,
                text(&parameter["description"]),
                &parameter["schema"],
            );
        }
        html.push_str("</dl>\n");
    }
    html.push_str("<h4>Answers</h4>\n");
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let _written = writeln!(
            html,
            "<p><strong>{}</strong> {}</p>",
            escaped(status),
            rich(text(&answer["description"]))
        );
        for (kind, content) in answer["content"].as_object().into_iter().flatten() {
            let _written = write!(html, "<p class=\"soft\"><code>{}</code>", escaped(kind));
            if !content["schema"].is_null() {
                let _written = write!(html, ": {}", form_of(&content["schema"]));
            }
            html.push_str("</p>\n");
            example(html, &content["example"]);
            for (_, one) in content["examples"].as_object().into_iter().flatten() {
                example(html, &one["value"]);
            }
        }
    }
    html.push_str("</section>\n");
}

fn example(html: &mut String, example: &Value) {
    let shown = match example {
        Value::Null => return,
        Value::String(text) => text.clone(),
        // It has only what JSON can hold.
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    let _written = writeln!(
        html,
        "<details><summary>Example</summary><pre>{}</pre></details>",
        escaped(&shown)
    );
}

/// The members of a structure, or its form where it has none.
fn structure(html: &mut String, schema: &Value) {
    let Some(members) = schema["properties"].as_object() else {
        let _written = writeln!(html, "<p>{}</p>", form_of(schema));
        return;
    };
    html.push_str("<dl>\n");
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (name, of) in members {
        let may = if required.iter().any(|one| one == name) {
            ""
        } else {
            " may be left out"
        };
        member(html, name, may, text(&of["description"]), of);
    }
    html.push_str("</dl>\n");
}

fn member(html: &mut String, name: &str, must: &str, description: &str, schema: &Value) {
    let _written = writeln!(
        html,
        "<dt><code>{}</code><span class=\"soft\">{must}</span></dt>\n<dd>{} <span class=\"soft\">{}</span></dd>",
        escaped(name),
        rich(description),
        form_of(schema)
    );
}

/// The form of a value, as HTML.
fn form_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|to| to.strip_prefix(STRUCTURES)) {
        return format!("<a href=\"#structure-{0}\">{0}</a>", escaped(name));
    }
    if let Some(several) = schema["oneOf"].as_array() {
        return several.iter().map(form_of).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values = values
            .iter()
            .map(|value| format!("<code>{}</code>", escaped(text(value))));
        return values.collect::<Vec<_>>().join(", ");
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        kind => text(kind).to_owned(),
    };
    let mut form = match kinds.as_str() {
        "array" => format!("list of {}", form_of(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("by name: {}", form_of(&schema["additionalProperties"]))
        }
        "object" => schema["properties"].as_object().map_or("object".to_owned(), |members| {
            let names = members.keys().map(|name| format!("<code>{}</code>", escaped(name)));
            names.collect::<Vec<_>>().join(", ")
        }),
        other => escaped(other),
    };
    if let Some(format) = schema["format"].as_str() {
        let _written = write!(form, ", {}", escaped(format));
    }
    for (bound, word) in [("minimum", "from"), ("maximum", "to")] {
        if schema[bound].is_number() {
            let _written = write!(form, " {word} {}", schema[bound]);
        }
    }
    form
}

fn paragraphs(html: &mut String, text: &str) {
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let _written = writeln!(html, "<p>{}</p>", rich(paragraph));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
