//! `odograph journal`: reads the journal.

use super::{answer, client, sent, shown};
use crate::output::{none, print};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::process::ExitCode;

/// Entries of a page.
const PAGE: usize = 100;

/// Read the journal, the newest entries first; times are in this machine's zone
///
/// Examples:
///
///   odograph journal --hashtag cres
///   odograph journal --user anna --device lada --since 2026-11-01 --limit 500
///   odograph journal --words '"flat tyre" -bicycle'
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A hashtag that entries have; of several, all
    #[arg(long)]
    hashtag: Vec<String>,

    /// Who wrote them; of several, any
    #[arg(long)]
    user: Vec<String>,

    /// The device that they are about; of several, any
    #[arg(long)]
    device: Vec<String>,

    /// Words in the text; "of a row" in quotes, -without this one
    #[arg(long, allow_hyphen_values = true)]
    words: Option<String>,

    /// Only entries of this time and later: 2026-11-26, in this machine's zone, or 2026-11-26T18:30:00Z
    #[arg(long, value_parser = super::time, value_name = "TIME")]
    since: Option<String>,

    /// Only entries before this time
    #[arg(long, value_parser = super::time, value_name = "TIME")]
    until: Option<String>,

    /// How many entries at the most
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    limit: usize,

    /// Where the journal is
    #[arg(long, env = "JOURNAL_URL", default_value = "http://127.0.0.1:9000")]
    url: String,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (client, mut url) = client(&args.url)?;
    let zone = TimeZone::system();
    {
        let mut query = url.query_pairs_mut();
        let lists = [
            ("hashtag", &args.hashtag),
            ("user_name", &args.user),
            ("device", &args.device),
        ];
        for (name, values) in lists {
            query.extend_pairs(values.iter().map(|value| (name, value)));
        }
        let moment = |text: &Option<String>| text.as_ref().map(|text| sent(text, &zone));
        let (since, until) = (moment(&args.since), moment(&args.until));
        let single = [("q", &args.words), ("from_date", &since), ("to_date", &until)];
        for (name, value) in single {
            query.extend_pairs(value.iter().map(|value| (name, value)));
        }
    }
    let (mut left, mut cursor, mut is_empty) = (args.limit, None::<String>, args.limit > 0);
    while left > 0 {
        let mut page = url.clone();
        page.query_pairs_mut().append_pair("limit", &left.min(PAGE).to_string());
        if let Some(cursor) = &cursor {
            page.query_pairs_mut().append_pair("cursor", cursor);
        }
        let data = answer(client.get(page), &args.url).await?;
        let entries = data["messages"].as_array().cloned().unwrap_or_default();
        for entry in &entries {
            print(&line(entry, &zone))?;
            is_empty = false;
        }
        left -= entries.len().min(left);
        cursor = data["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || entries.is_empty() {
            break;
        }
    }
    if is_empty {
        none("such entries");
    }
    Ok(ExitCode::SUCCESS)
}

/// `2026-11-26 18:30  anna  lada  ferry to #Cres  (#trip)`: hashtags that the text lacks stand behind it.
fn line(entry: &Value, zone: &TimeZone) -> String {
    let text = |value: &Value| shown(value.as_str().unwrap_or_default());
    let moment = entry["created_at"]
        .as_str()
        .and_then(|moment| moment.parse::<Timestamp>().ok());
    let moment = moment.map(|moment| moment.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string());
    let body = text(&entry["text"]);
    let tags = entry["hashtags"].as_array().cloned().unwrap_or_default();
    let beside: Vec<String> = tags
        .iter()
        .map(|tag| format!("#{}", text(tag)))
        .filter(|tag| !body.contains(tag.as_str()))
        .collect();
    let parts = [
        moment.unwrap_or_default(),
        text(&entry["user"]["name"]),
        text(&entry["device"]),
        // Further lines stand below the first.
        body.replace('\n', "\n    "),
        beside.join(" "),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_has_what_an_entry_says() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let entry = json!({
            "created_at": "2026-11-26T18:30:00Z", "user": {"name": "anna"}, "device": "lada",
            "text": "ferry to #Cres\n14 euros\u{1b}[2J", "hashtags": ["trip", "Cres"],
        });
        let expected = "2026-11-26 19:30  anna  lada  ferry to #Cres\n    14 euros\u{fffd}[2J  #trip";
        assert_eq!(line(&entry, &zone), expected);
        let entry =
            json!({"created_at": "2026-11-26T18:30:00Z", "user": {"name": "anna"}, "text": "", "hashtags": ["a"]});
        assert_eq!(line(&entry, &zone), "2026-11-26 19:30  anna  #a");
    }
}
