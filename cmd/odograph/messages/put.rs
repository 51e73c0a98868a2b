//! Puts messages from files.

use super::json::{Event, Events};
use super::server::Server;
use crate::output::counted;
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use message::Failure;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Messages in one call.
const MESSAGES: usize = 1000;

/// Bytes of messages in one call, unless one has more.
const BYTES: usize = 1024 * 1024;

/// Bytes of a line, at the most: base64 makes a message a third longer.
const LINE: u64 = 8 * 1024 * 1024;

/// Puts all messages of these files.
pub(super) async fn run(server: &mut Server, files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut putter = Putter {
        server,
        batch: Vec::new(),
        bytes: 0,
        put: 0,
        conflicts: 0,
    };
    let events = Events::new()?;
    for file in files {
        let name = file.display();
        let (reader, bar) = open(file)?;
        let mut reader = BufReader::new(reader);
        for number in 1_u64.. {
            let mut line = String::new();
            let read = reader.by_ref().take(LINE).read_line(&mut line);
            let read = read.with_context(|| format!("{name}, line {number}"))?;
            if read == 0 {
                break;
            }
            if read as u64 == LINE {
                bail!("{name}, line {number} is longer than {LINE} bytes");
            }
            bar.inc(read as u64);
            if line.trim().is_empty() {
                continue;
            }
            let event = events.read(line.trim());
            putter
                .take(event.with_context(|| format!("{name}, line {number} is no message"))?)
                .await?;
        }
        putter.flush().await?;
        bar.finish_and_clear();
    }
    let (put, conflicts) = (putter.put, putter.conflicts);
    let _unread = writeln!(io::stdout(), "{} stored", counted(put, "message is", "messages are"));
    if conflicts == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let are = if conflicts == 1 { "is" } else { "are" };
    let _unread = writeln!(io::stderr(), "{conflicts} {are} not");
    Ok(ExitCode::FAILURE)
}

/// A file, or the standard input; and a bar on a terminal.
fn open(file: &Path) -> anyhow::Result<(Box<dyn Read>, ProgressBar)> {
    if file == Path::new("-") {
        return Ok((Box::new(io::stdin()), ProgressBar::hidden()));
    }
    let opened = File::open(file).with_context(|| file.display().to_string())?;
    let length = opened.metadata().with_context(|| file.display().to_string())?.len();
    let bar = if io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}");
        ProgressBar::new(length).with_style(style.context("make the progress bar")?)
    } else {
        ProgressBar::hidden()
    };
    Ok((Box::new(opened), bar))
}

/// Gathers messages, and puts as many at once as one call takes.
struct Putter<'a> {
    server: &'a mut Server,
    batch: Vec<Event>,
    bytes: usize,
    put: u64,
    conflicts: u64,
}

impl Putter<'_> {
    async fn take(&mut self, event: Event) -> anyhow::Result<()> {
        if self.batch.len() >= MESSAGES || self.bytes + event.bytes.len() > BYTES {
            self.flush().await?;
        }
        self.bytes += event.bytes.len();
        self.batch.push(event);
        Ok(())
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        self.bytes = 0;
        let mut waiting = vec![std::mem::take(&mut self.batch)];
        while let Some(mut batch) = waiting.pop() {
            if batch.is_empty() {
                continue;
            }
            let bytes: Vec<_> = batch.iter().map(|event| event.bytes.clone()).collect();
            match self.server.call(async |client| client.put(bytes.clone()).await).await {
                Ok(count) => self.put += u64::from(count),
                Err(Failure::TooLarge(_)) if batch.len() > 1 => {
                    let rest = batch.split_off(batch.len() / 2);
                    waiting.extend([rest, batch]);
                }
                // A put is all or nothing: without those that are named, the others are put.
                Err(Failure::Final {
                    fields, exists: true, ..
                }) if !fields.is_empty() => {
                    let named: Vec<usize> = fields.iter().filter_map(|field| place(&field.path)).collect();
                    for event in named.iter().filter_map(|at| batch.get(*at)) {
                        let _unread = writeln!(
                            io::stderr(),
                            "id {:?}: another message has it, and its source",
                            event.id
                        );
                    }
                    let before = batch.len();
                    let mut at = 0;
                    batch.retain(|_| {
                        at += 1;
                        !named.contains(&(at - 1))
                    });
                    if batch.len() == before {
                        bail!("the server names messages that were not sent");
                    }
                    self.conflicts += (before - batch.len()) as u64;
                    waiting.push(batch);
                }
                Err(Failure::Final { text, fields, .. }) => {
                    let named = fields.iter().filter_map(|field| batch.get(place(&field.path)?));
                    let ids: Vec<_> = named.map(|event| format!("{:?}", event.id)).collect();
                    bail!("{text} Ids: {}", ids.join(", "));
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(())
    }
}

/// The place in `msgs[3].id`.
fn place(path: &str) -> Option<usize> {
    path.strip_prefix("msgs[")?.split(']').next()?.parse().ok()
}
