//! `odograph post`: writes an entry.

use super::{client, sent, tries};
use crate::data::{JOURNAL_KEY, kept};
use crate::output::print;
use anyhow::Context;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Write an entry of the journal
///
/// Examples:
///
///   odograph post 'ferry to #Cres, 14 euros'
///   odograph post --device lada --time '2026-11-26 18:30' 'flat tyre' --hashtag help
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// What happened; #words in it are hashtags
    text: Option<String>,

    /// A hashtag beside the text; may be given several times
    #[arg(long)]
    hashtag: Vec<String>,

    /// The device that it is about: the entry then stands where the device was
    #[arg(long)]
    device: Option<String>,

    /// When it happened: 2026-11-26 18:30, in this machine's zone, or 2026-11-26T18:30:00Z [default: now]
    #[arg(long, value_parser = super::time)]
    time: Option<String>,

    /// Where it happened, in degrees: LATITUDE,LONGITUDE
    #[arg(long, value_parser = place, allow_hyphen_values = true, value_name = "PLACE")]
    place: Option<(f64, f64)>,

    /// Idempotency key: the same post, sent again under it, makes no second entry [default: a new key]
    #[arg(long, value_parser = idempotency_key, value_name = "KEY")]
    idempotency_key: Option<String>,

    /// How long to try again while the journal does not answer or is busy
    #[arg(long, default_value = "1m", value_parser = service::duration, value_name = "DURATION")]
    deadline: Duration,

    /// Where the journal is
    #[arg(long, env = "JOURNAL_URL", default_value = "http://127.0.0.1:9000")]
    url: String,

    /// Your key [default: the one in the data folder of odograph up]
    #[arg(long, env = "JOURNAL_KEY", hide_env_values = true)]
    key: Option<SecretString>,

    /// The data folder that has the key
    #[arg(long, env, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

fn place(text: &str) -> Result<(f64, f64), String> {
    let parsed = text
        .split_once(',')
        .and_then(|(latitude, longitude)| Some((latitude.trim().parse().ok()?, longitude.trim().parse().ok()?)));
    parsed.ok_or_else(|| "write degrees, such as 44.95,14.41".to_owned())
}

fn idempotency_key(text: &str) -> Result<String, String> {
    let is_key = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_key = is_key.then(|| text.to_owned());
    is_key.ok_or_else(|| "write 1 to 128 visible ASCII characters, such as a UUID".to_owned())
}

/// The moment of a key that was made up, a `UUIDv7`. So each try sends the same body, as does a new run with that key.
fn moment(request: &str) -> Option<String> {
    let key = uuid::Uuid::try_parse(request).ok();
    let key = key.filter(|key| key.get_version_num() == 7)?;
    let (seconds, nanoseconds) = key.get_timestamp()?.to_unix();
    let moment = jiff::Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?);
    Some(moment.ok()?.to_string())
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let own = || kept(args.data_dir.as_deref(), JOURNAL_KEY).map(SecretString::from);
    let key = args.key.clone().or_else(own).context(
        "there is no key; give it by the variable JOURNAL_KEY, or name the data folder of odograph up with --data-dir",
    )?;
    // Before the body, which has its moment.
    let request = args.idempotency_key.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let mut body = Map::new();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    add("text", args.text.map(Value::from));
    add("hashtags", (!args.hashtag.is_empty()).then(|| json!(args.hashtag)));
    add("device", args.device.map(Value::from));
    let time = args.time.map(|time| sent(&time, &TimeZone::system()));
    add("created_at", time.or_else(|| moment(&request)).map(Value::from));
    add("latitude", args.place.map(|place| json!(place.0)));
    add("longitude", args.place.map(|place| json!(place.1)));
    let (client, url) = client(&args.url)?;
    let posting = client.post(url).bearer_auth(key.expose_secret()).json(&body);
    let data = tries::post(posting, &args.url, &request, args.deadline).await?;
    print(data["id"].as_str().unwrap_or_default())?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_made_up_keeps_the_moment() {
        let made_up = moment("0197a1b2-c3d4-7000-8000-000000000000");
        assert_eq!(made_up.as_deref(), Some("2025-06-24T11:28:56.788Z"));
        for other in ["mine", "0197a1b2-c3d4-4000-8000-000000000000"] {
            assert_eq!(moment(other), None, "{other}");
        }
        assert!(moment(&uuid::Uuid::now_v7().to_string()).is_some());
    }
}
