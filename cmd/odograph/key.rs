//! `odograph key`: keys for the file of keys.

use std::io::Write;
use std::process::ExitCode;

/// Make keys for the file that --api-keys-file names
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print a new key, and its line for the keys file, which holds only the key's hash
    New {
        /// The only device that the key may write as [default: any]
        #[arg(long, value_parser = device)]
        device: Option<String>,

        /// The user who writes in the journal with this key; devices cannot use it
        #[arg(long, value_parser = user)]
        user: Option<String>,

        /// Make a key that reads, where reading is closed, and writes nothing
        #[arg(long, conflicts_with_all = ["device", "user"])]
        read: bool,
    },
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Command::New { device, user, read } = &args.command;
    let (key, line) = if *read {
        access::generate_reader()
    } else {
        access::generate(user.as_deref(), device.as_deref())
    };
    let (whom, program) = match user {
        _ if *read => ("reader", "api"),
        Some(_) => ("user", "journal"),
        None => ("device", "ingestor"),
    };
    let mut out = std::io::stdout();
    writeln!(out, "Give this key to the {whom}; it is not shown again:\n\n  {key}\n")?;
    writeln!(
        out,
        "Add this line to the file that the {program}'s --api-keys-file names:\n\n  {line}"
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The name of a user, checked.
pub(crate) fn user(name: &str) -> Result<String, String> {
    if access::is_user(name) {
        return Ok(name.to_owned());
    }
    Err("a name has 1 to 64 characters, and no control character".to_owned())
}

/// The name of a device, checked.
pub(crate) fn device(name: &str) -> Result<String, String> {
    if reading::is_device(name) {
        return Ok(name.to_owned());
    }
    Err("a name has 1 to 64 characters of A-Z a-z 0-9 _ . : - and begins with a letter or a digit".to_owned())
}
