//! `odograph tail`: latest values, as they change.

mod events;
mod screen;
mod value;

use crate::api::{Api, Source};
use crate::output::closed;
use anyhow::{Context, bail};
use events::Events;
use jiff::tz::TimeZone;
use repeat::Pauses;
use screen::Screen;
use service::Signals;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tokio::time::sleep;
use value::Value;

/// Watch the latest values of sensors
///
/// On a terminal, each sensor has a line, which is drawn again with each new
/// value. In a pipe, each new value is a line: device, sensor, value, unit (- if
/// unknown) and time. A lost connection is made again, and no last value is
/// missed.
///
/// Examples:
///
///   odograph tail
///   odograph tail --device lada --sensor speed --sensor fuel
///   odograph tail --sensor speed | awk '$3 > 120'
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Only this device; of several, any
    #[arg(long)]
    device: Vec<String>,

    /// Only this sensor; of several, any
    #[arg(long)]
    sensor: Vec<String>,

    #[command(flatten)]
    api: Source,
}

/// Where values go.
enum Output {
    Screen(Screen),
    Lines,
}

impl Output {
    /// Shows a value. Returns whether anyone still reads.
    fn show(&mut self, value: &Value) -> bool {
        match self {
            Self::Screen(screen) => {
                screen.show(value);
                true
            }
            Self::Lines => {
                let mut out = std::io::stdout();
                writeln!(out, "{}", value.plain()).and_then(|()| out.flush()).is_ok()
            }
        }
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen().context("listen for signals")?;
    let devices = args.device.iter().map(|device| ("device", device.as_str()));
    let sensors = args.sensor.iter().map(|sensor| ("sensor", sensor.as_str()));
    let filter: Vec<(&str, &str)> = devices.chain(sensors).collect();
    let api = Api::new(args.api)?;
    let mut output = if std::io::stdout().is_terminal() {
        Output::Screen(Screen::new(TimeZone::system()))
    } else {
        Output::Lines
    };
    let ended = tokio::select! {
        ended = follow(&api, &filter, &mut output) => ended,
        // While no value comes, no write fails.
        () = closed() => Ok(()),
        _signal = signals.next() => Ok(()),
    };
    if let Output::Screen(screen) = output {
        screen.leave();
    }
    ended.map(|()| ExitCode::SUCCESS)
}

/// Follows the stream until its reader is gone.
async fn follow(api: &Api, filter: &[(&str, &str)], output: &mut Output) -> anyhow::Result<()> {
    let (mut events, mut pauses) = (Events::default(), Pauses::outage());
    let (mut was_there, mut is_told) = (false, false);
    loop {
        let mut request = api.get(&["live"], filter);
        if let Some(id) = events.id() {
            request = request.header("last-event-id", id);
        }
        let answer = if was_there {
            api.try_open(request).await?
        } else {
            // A wrong address must not look like a silent car.
            Some(api.open(request).await?)
        };
        if let Some(mut answer) = answer {
            (was_there, is_told) = (true, false);
            events.begin();
            // An error is a lost connection.
            while let Ok(Some(bytes)) = answer.chunk().await {
                pauses.reset();
                let Ok(found) = events.take(&bytes) else {
                    bail!("the answer is no stream of events; is --url the address of an api?");
                };
                for event in found.iter().filter(|event| event.name == "latest") {
                    if let Some(value) = Value::parse(&event.data)
                        && !output.show(&value)
                    {
                        return Ok(());
                    }
                }
            }
        }
        if !is_told {
            is_told = true;
            let _unread = writeln!(std::io::stderr(), "odograph: the connection is lost; trying again");
        }
        sleep(pauses.grow()).await;
    }
}
