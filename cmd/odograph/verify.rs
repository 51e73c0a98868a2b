//! `odograph verify`: compares two sources of readings.

use archive::{Day, Days};
use service::{Arguments, Options, Service};
use std::fmt::Display;
use std::io::Write;
use verify::{Address, Comparing, DayReport, DaysCompared, Verification};

/// Compare two databases, streams or blob stores of dumps, day by day
///
/// Says of every UTC day whether both sources hold the same readings. It prints their number, a
/// checksum that does not depend on their order, and how many only one source has. The exit code is
/// 0 if all days are equal. It is 1 if a day differs or nothing was compared.
///
/// A source is one of:
///
/// - postgres://…: a database, as it stands at this moment
/// - nats://…: all that a stream holds when this begins
/// - s3://…, gs://…, az://… or file:///…: the dumps in force
///
/// A stream lacks what was trimmed: name the days that it should hold in full. If it holds several
/// values of one reading, the other source may have any of them.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The first source
    #[arg(env, hide_env_values = true, value_name = "FIRST_URL")]
    first_url: String,

    /// The second source
    #[arg(env, hide_env_values = true, value_name = "SECOND_URL")]
    second_url: String,

    /// The first UTC day, such as 2024-05-01
    #[arg(long, value_name = "DATE")]
    from: Option<Day>,

    /// The last UTC day
    #[arg(long, value_name = "DATE")]
    to: Option<Day>,

    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,

    #[command(flatten)]
    comparing: Comparing,

    #[command(flatten)]
    service: Options,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A line a day
    Text,
    /// One object
    Json,
}

impl Arguments for Args {
    fn service(&self) -> &Options {
        &self.service
    }
}

/// Compares until the end or a signal, and writes the result to standard output.
pub(crate) async fn run(args: Args, service: Service) -> anyhow::Result<()> {
    let days = Days::new(args.from, args.to).map_err(service::usage)?;
    let first = Address::parse(&args.first_url).map_err(service::usage)?;
    let second = Address::parse(&args.second_url).map_err(service::usage)?;
    let mut answer = Answer {
        format: args.format,
        days: 0,
    };
    let stop = service.stop();
    let compared = stop.run_until_cancelled(async {
        let verification = Verification::open(first, second, days, &args.comparing).await?;
        verification.run(|day| answer.day(day)).await
    });
    let Some(compared) = compared.await else {
        anyhow::bail!("interrupted before the last day; start it again");
    };
    let totals = compared?;
    answer.end(&totals);
    anyhow::ensure!(
        totals.different_days == 0,
        "the two do not hold the same readings on {} days",
        totals.different_days
    );
    anyhow::ensure!(
        totals.equal_days > 0,
        "nothing was compared; are the URLs and the days right?"
    );
    Ok(())
}

/// Writes results as they come. Ignores a closed standard output.
struct Answer {
    format: Format,
    days: u64,
}

impl Answer {
    fn day(&mut self, report: &DayReport) {
        match self.format {
            Format::Text => write_line(report),
            Format::Json => {
                let before = if self.days == 0 { "{\"days\":[\n" } else { ",\n" };
                self.days += 1;
                write(&format_args!("{before}{}", report.json()));
            }
        }
    }

    fn end(&self, totals: &DaysCompared) {
        match self.format {
            Format::Text => write_line(totals),
            Format::Json => {
                let before = if self.days == 0 { "{\"days\":[" } else { "\n" };
                write_line(&format_args!(
                    "{before}],\"equal\":{},\"totals\":{}}}",
                    totals.different_days == 0 && totals.equal_days > 0,
                    totals.json()
                ));
            }
        }
    }
}

fn write(text: &dyn Display) {
    let _unread = write!(std::io::stdout(), "{text}");
}

fn write_line(line: &dyn Display) {
    let _unread = writeln!(std::io::stdout(), "{line}");
}
