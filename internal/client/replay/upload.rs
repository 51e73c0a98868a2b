//! Sends the inputs one after another, chunk by chunk.

use std::time::Instant;

use super::client::{Answer, Client};
use super::error::Error;
use super::lines::{Chunk, Output, TooLong};
use super::options::Options;
use super::progress::Progress;
use super::proof::Prover;
use super::rejects::{Record, Rejects};
use super::source::{Input, InputReader};
use super::summary::{Broken, Summary};

/// A running replay.
pub(super) struct Upload {
    client: Client,
    prover: Option<Prover>,
    progress: Progress,
    summary: Summary,
    began: Instant,
    /// Bytes of the finished inputs.
    behind: u64,
    rejects: Option<Rejects>,
}

impl Upload {
    pub(super) fn new(client: Client, prover: Option<Prover>, progress: Progress, summary: Summary) -> Self {
        let began = Instant::now();
        Self {
            client,
            prover,
            progress,
            summary,
            began,
            behind: 0,
            rejects: None,
        }
    }

    /// Sends everything.
    pub(super) async fn all(&mut self, options: &Options) -> Result<(), Error> {
        let total = check(&options.inputs)?;
        for input in &options.inputs {
            // Lines of standard input may exist nowhere else: their file is only appended to.
            if *input != Input::Stdin {
                Rejects::forget(&input.rejects()).await?;
            }
        }
        self.progress.start(total);
        for input in &options.inputs {
            self.summary.inputs += 1;
            self.rejects = Some(Rejects::new(input.rejects()));
            self.input(input, options.chunk_bytes).await?;
            self.keep_rejects().await?;
        }
        if let Some(prover) = &mut self.prover {
            prover.finish().await;
        }
        Ok(())
    }

    /// Syncs the kept lines to disk and returns the counts, also after [`Upload::all`] was cancelled.
    pub(super) async fn finish(mut self) -> (Summary, Result<(), Error>) {
        let kept = self.keep_rejects().await;
        self.progress.finish();
        self.summary.elapsed = self.began.elapsed();
        self.summary.proof = self.prover.as_ref().map(Prover::proof);
        (self.summary, kept)
    }

    async fn input(&mut self, input: &Input, chunk_bytes: usize) -> Result<(), Error> {
        let mut source = match InputReader::open(input, chunk_bytes) {
            Ok(source) => source,
            Err(error) => {
                self.broken(input, &error);
                return Ok(());
            }
        };
        loop {
            match source.next().await {
                Ok(Some(Output::Chunk(chunk))) => self.chunk(&chunk).await?,
                Ok(Some(Output::TooLong(long))) => self.too_long(&long, chunk_bytes).await?,
                Ok(Some(Output::Syntax(_)) | None) => break,
                // The other inputs may be whole.
                Err(error) => self.broken(input, &error),
            }
            self.progress.advanced(&self.summary, self.behind + source.read());
        }
        self.behind += source.read();
        Ok(())
    }

    async fn chunk(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let answer = self.send(chunk).await?;
        self.summary.bytes += chunk.bytes.len() as u64;
        self.summary.accepted += answer.accepted;
        self.summary.rejected += answer.rejected;
        let listed = self.keep(chunk, &answer).await?;
        let unlisted = answer.rejected.saturating_sub(listed.count);
        if unlisted > 0 {
            let found = self.find(chunk, listed.lines()?, unlisted).await?;
            // Lines refused at first and accepted later (with a clock ahead of the server's, say) count as
            // accepted.
            self.summary.rejected -= unlisted - found;
            self.summary.accepted += unlisted - found;
        }
        Ok(())
    }

    /// Finds the rejected lines that an answer was too short to list. All of them are behind the first
    /// `listed` lines. It sends the lines behind them again, which is safe: no line counts twice. The parts
    /// are about as long as the listed one, so that each is sent about once more.
    async fn find(&mut self, chunk: &Chunk, listed: usize, unlisted: u64) -> Result<u64, Error> {
        let mut found = 0;
        let mut span = listed;
        let (_, mut rest) = chunk.split(listed);
        while found < unlisted && !rest.bytes.is_empty() {
            let (part, later) = rest.split(span);
            let answer = self.send(&part).await?;
            let listed = self.keep(&part, &answer).await?;
            found = (found + listed.count).min(unlisted);
            if answer.rejected > listed.count {
                span = listed.lines()?;
                rest = rest.split(span).1;
            } else {
                span = span.saturating_mul(2);
                rest = later;
            }
        }
        Ok(found)
    }

    async fn send(&mut self, chunk: &Chunk) -> Result<Answer, Error> {
        let answer = self
            .client
            .send(&chunk.bytes, &mut self.summary.retries, &mut self.progress)
            .await?;
        if let Some(prover) = &mut self.prover {
            prover.add(&answer).await;
        }
        Ok(answer)
    }

    /// Keeps the lines that an answer lists as rejected.
    async fn keep(&mut self, chunk: &Chunk, answer: &Answer) -> Result<Listed, Error> {
        let mut listed = Listed { count: 0, lines: 0 };
        let mut kept = Vec::new();
        let mut invalid = answer.invalid.iter().peekable();
        for (index, (number, line)) in (1..).zip(chunk.numbered()) {
            if invalid.peek().is_none() {
                break;
            }
            while let Some(next) = invalid.next_if(|next| next.line == index as u64) {
                record(&mut kept, number, &next.reason, line);
                listed = Listed {
                    count: listed.count + 1,
                    lines: index,
                };
            }
        }
        self.write(&kept, listed.count).await?;
        Ok(listed)
    }

    async fn too_long(&mut self, long: &TooLong, chunk_bytes: usize) -> Result<(), Error> {
        let reason = format!("longer than a chunk's {chunk_bytes} bytes: not sent, this is its beginning");
        let mut kept = Vec::new();
        record(&mut kept, long.line, &reason, &long.beginning);
        self.summary.rejected += 1;
        self.write(&kept, 1).await
    }

    async fn write(&mut self, kept: &[u8], count: u64) -> Result<(), Error> {
        match &mut self.rejects {
            Some(rejects) => rejects.write(kept, count).await,
            None => Ok(()),
        }
    }

    async fn keep_rejects(&mut self) -> Result<(), Error> {
        if let Some(rejects) = self.rejects.take() {
            self.summary.rejects.extend(rejects.finish().await?);
        }
        Ok(())
    }

    fn broken(&mut self, input: &Input, error: &std::io::Error) {
        self.summary.broken.push(Broken {
            input: input.clone(),
            reason: error.to_string(),
        });
    }
}

/// The part of an answer's list that was found in the chunk.
struct Listed {
    count: u64,
    /// How many lines of the chunk lie before the end of the last listed one.
    lines: usize,
}

impl Listed {
    /// How many lines are done if the list is not complete.
    fn lines(&self) -> Result<usize, Error> {
        if self.lines == 0 {
            Err(Error::Unlisted)
        } else {
            Ok(self.lines)
        }
    }
}

fn record(kept: &mut Vec<u8>, line: u64, reason: &str, reading: &[u8]) {
    let reading = String::from_utf8_lossy(reading);
    let record = Record {
        line,
        reason,
        reading: &reading,
    };
    // Numbers and strings always serialise, and writing to a vector never fails.
    let _infallible = serde_json::to_writer(&mut *kept, &record);
    kept.push(b'\n');
}

/// The size of all inputs, if known. Fails before anything is sent if an input cannot be opened, or if one
/// input's rejected lines would overwrite another input.
fn check(inputs: &[Input]) -> Result<Option<u64>, Error> {
    let mut total = Some(0_u64);
    let mut seen = Vec::new();
    for input in inputs {
        let length = input.length().map_err(|source| Error::Input {
            input: input.clone(),
            source,
        })?;
        total = total.zip(length).map(|(total, length)| total.saturating_add(length));
        if let Input::File(path) = input {
            seen.push(absolute(path));
        } else {
            seen.push("-".into());
        }
    }
    for (index, path) in seen.iter().enumerate() {
        if seen[..index].contains(path) {
            return Err(Error::Usage(format!("{} is given twice", inputs[index])));
        }
        let rejects = absolute(&inputs[index].rejects());
        if seen.contains(&rejects) {
            return Err(Error::Usage(format!(
                "{} holds the rejected lines of {}: leave it out, or rename it to send it",
                rejects.display(),
                inputs[index]
            )));
        }
    }
    Ok(total)
}

fn absolute(path: &std::path::Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
