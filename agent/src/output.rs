//! What the workload prints: to a file, and from the file to CloudWatch Logs.
//!
//! The file is the buffer between the two. So the workload is never held up by Logs, and whatever it prints, the agent's memory stays small.

mod channel;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::aws::Session;
use crate::aws::logs::Stream;
use crate::failure::Failure;
use crate::retry::{Patience, retry};

pub(crate) use channel::Channel;

/// The most events of one call.
const BATCH_EVENTS: usize = 10_000;
/// The most bytes of one call, with [`EVENT_OVERHEAD_BYTES`] for each event.
const BATCH_BYTES: usize = 1_048_576;
/// What Logs counts for an event beside its text.
const EVENT_OVERHEAD_BYTES: usize = 26;
/// The longest text of one event: Logs takes 256 KiB, the overhead included.
const EVENT_BYTES: usize = 256 * 1024 - EVENT_OVERHEAD_BYTES;
/// How much output is kept and sent. What is printed beyond it is read and dropped.
const KEPT_BYTES: u64 = 64 << 20;
/// How often output is sent.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// How long one batch is tried.
const TROUBLE: Duration = Duration::from_secs(30);
/// How much of the file is read at once.
const BLOCK_BYTES: usize = 64 << 10;

/// How far the reading has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Bytes in the file.
    kept: u64,
    /// Bytes that were dropped.
    dropped: u64,
    /// Whether nothing follows.
    ended: bool,
}

/// Reads the workload's output into the file at `path`, to its end or until it is told to stop: a process that the command left behind may hold
/// the output open for ever.
async fn collect(mut source: pipe::Receiver, path: PathBuf, progress: watch::Sender<Progress>, mut stop: oneshot::Receiver<()>) {
    let mut file = match tokio::fs::File::create(&path).await {
        Ok(file) => Some(file),
        Err(error) => {
            eprintln!("spored: {}: {error}", path.display());
            None
        }
    };
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let read = tokio::select! {
            biased;
            read = source.read(&mut block) => read.unwrap_or(0),
            _ = &mut stop => break,
        };
        let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        let room = KEPT_BYTES - progress.borrow().kept;
        let keep = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let written = match (&mut file, bytes.get(..keep)) {
            // A full disk must not stop the workload: what cannot be kept is dropped.
            (Some(file), Some(bytes)) => file.write_all(bytes).await.is_ok() && file.flush().await.is_ok(),
            _ => false,
        };
        if !written {
            file = None;
        }
        let kept = if written { keep as u64 } else { 0 };
        progress.send_modify(|progress| {
            progress.kept += kept;
            progress.dropped += bytes.len() as u64 - kept;
        });
    }
    progress.send_modify(|progress| progress.ended = true);
}

/// Sends the file's content to Logs as it grows, until there is no more. Gives what could not be kept, in a sentence each.
async fn forward(session: &Session, stream: &Stream, path: &Path, mut progress: watch::Receiver<Progress>) -> Vec<String> {
    let mut sender = Sender { session, stream, lines: Lines::default(), created: false, last: Timestamp::MIN };
    let mut sent = 0;
    let mut next_flush = Instant::now();
    let failure = loop {
        let known = *progress.borrow_and_update();
        if known.kept > sent && (known.ended || Instant::now() >= next_flush || known.kept - sent >= BATCH_BYTES as u64) {
            match sender.send(path, sent, known.kept).await {
                Ok(()) => sent = known.kept,
                Err(problem) => break Some(problem),
            }
            next_flush = Instant::now() + FLUSH_INTERVAL;
        } else if known.ended {
            break sender.finish().await.err();
        } else if known.kept > sent {
            tokio::select! { _ = progress.changed() => {}, () = sleep_until(next_flush) => {} }
        } else if progress.changed().await.is_err() {
            break sender.finish().await.err();
        }
    };
    let mut notes: Vec<String> = failure.map(|problem| format!("output did not reach CloudWatch Logs: {problem}")).into_iter().collect();
    let dropped = progress.wait_for(|progress| progress.ended).await.map_or(0, |progress| progress.dropped);
    if dropped > 0 {
        notes.push(format!("{dropped} bytes of output after the first {} MiB were not kept", KEPT_BYTES >> 20));
    }
    notes
}

struct Sender<'a> {
    session: &'a Session,
    stream: &'a Stream,
    lines: Lines,
    created: bool,
    last: Timestamp,
}

impl Sender<'_> {
    /// Sends the bytes from `from` to `to`, but for a line that is not complete.
    async fn send(&mut self, path: &Path, from: u64, to: u64) -> Result<(), String> {
        let mut batch = Batch::default();
        let mut left = to - from;
        let mut block = vec![0; BLOCK_BYTES];
        let mut file = tokio::fs::File::open(path).await.map_err(|error| error.to_string())?;
        tokio::io::AsyncSeekExt::seek(&mut file, std::io::SeekFrom::Start(from)).await.map_err(|error| error.to_string())?;
        while left > 0 {
            let most = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
            let read = file.read(block.get_mut(..most).unwrap_or_default()).await.map_err(|error| error.to_string())?;
            if read == 0 {
                return Err(format!("{} became shorter", path.display()));
            }
            left -= read as u64;
            for line in self.lines.push(block.get(..read).unwrap_or_default()) {
                self.add(&mut batch, line).await.map_err(|failure| failure.to_string())?;
            }
        }
        self.flush(&mut batch).await.map_err(|failure| failure.to_string())
    }

    /// Sends what is left when nothing follows.
    async fn finish(&mut self) -> Result<(), String> {
        let mut batch = Batch::default();
        for line in self.lines.finish() {
            self.add(&mut batch, line).await.map_err(|failure| failure.to_string())?;
        }
        self.flush(&mut batch).await.map_err(|failure| failure.to_string())
    }

    async fn add(&mut self, batch: &mut Batch, line: String) -> Result<(), Failure> {
        if let Err(line) = batch.add(line) {
            self.flush(batch).await?;
            batch.add(line).map_err(|_| Failure::new(crate::failure::Class::Invalid, "a line is longer than a batch"))?;
        }
        Ok(())
    }

    async fn flush(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        if batch.events.is_empty() {
            return Ok(());
        }
        let Patience { rights, trouble, .. } = self.session.patience(TROUBLE);
        // A stream that was made a moment ago may not be found yet.
        let patience = Patience { rights, trouble, missing: trouble };
        if !self.created {
            retry(patience, async || self.stream.create().await).await?;
            self.created = true;
        }
        // Logs wants a stream's times in order, and the clock may be set back.
        self.last = self.last.max(Timestamp::now());
        retry(patience, async || self.stream.put(&batch.events, self.last).await).await?;
        *batch = Batch::default();
        Ok(())
    }
}

/// Events of one call.
#[derive(Debug, Default)]
struct Batch {
    events: Vec<String>,
    bytes: usize,
}

impl Batch {
    /// Takes a line, or gives it back if there is no room.
    fn add(&mut self, line: String) -> Result<(), String> {
        let bytes = self.bytes + line.len() + EVENT_OVERHEAD_BYTES;
        if self.events.len() == BATCH_EVENTS || bytes > BATCH_BYTES {
            return Err(line);
        }
        self.bytes = bytes;
        self.events.push(line);
        Ok(())
    }
}

/// Makes lines of blocks of bytes.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line whose end has not come.
    pending: Vec<u8>,
}

impl Lines {
    /// Takes bytes, and gives the lines that they complete.
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(piece);
            if self.pending.ends_with(b"\n") {
                self.pending.pop();
                split(&std::mem::take(&mut self.pending), &mut lines);
            } else if self.pending.len() >= EVENT_BYTES {
                let rest = self.pending.split_off(boundary(&self.pending));
                split(&std::mem::replace(&mut self.pending, rest), &mut lines);
            }
        }
        lines
    }

    /// The line that was begun, when nothing follows.
    fn finish(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.pending.is_empty() {
            split(&std::mem::take(&mut self.pending), &mut lines);
        }
        lines
    }
}

/// Where the last character that is complete ends: a character must not be torn only because a block ends within it.
fn boundary(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    let start = (tail..bytes.len()).rev().find(|at| bytes.get(*at).is_some_and(|byte| *byte >= 0xc0));
    match start {
        Some(start) if std::str::from_utf8(bytes.get(start..).unwrap_or_default()).is_err() => start,
        _ => bytes.len(),
    }
}

/// Makes events of one line: as text, none longer than Logs takes, none empty, because Logs refuses those.
fn split(line: &[u8], events: &mut Vec<String>) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    let mut rest: &str = if text.is_empty() { " " } else { &text };
    while !rest.is_empty() {
        let (event, after) = rest.split_at(rest.floor_char_boundary(EVENT_BYTES));
        events.push(event.to_owned());
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(blocks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut events: Vec<String> = blocks.iter().flat_map(|block| lines.push(block)).collect();
        events.extend(lines.finish());
        events
    }

    #[test]
    fn bytes_become_lines() {
        let cases: [(&[&[u8]], &[&str]); 8] = [
            (&[], &[]),
            (&[b"one\ntwo\n"], &["one", "two"]),
            (&[b"on", b"e\ntw", b"o"], &["one", "two"]),
            (&[b"\n\n"], &[" ", " "]),
            (&[b"dos\r\n"], &["dos"]),
            (&[b"\xff\xfe\n"], &["\u{fffd}\u{fffd}"]),
            (&[b"gr\xc3", b"\xbc\xc3\x9fe\n"], &["grüße"]),
            (&[b"a\0b\n"], &["a\0b"]),
        ];
        for (blocks, expected) in cases {
            assert_eq!(all(blocks), expected, "{blocks:?}");
        }
    }

    #[test]
    fn long_lines_are_split_between_characters() {
        let long = "ü".repeat(EVENT_BYTES);
        for block in [1000, 65_536, long.len()] {
            let blocks: Vec<&[u8]> = long.as_bytes().chunks(block).collect();
            let events = all(&blocks);
            assert!(events.iter().all(|event| event.len() <= EVENT_BYTES && !event.is_empty()));
            assert_eq!(events.concat(), long, "blocks of {block}");
        }
        // Bytes that are no text become three times as long.
        let events = all(&[&vec![0xff; 300_000]]);
        assert!(events.iter().all(|event| event.len() <= EVENT_BYTES));
        assert_eq!(events.concat().chars().count(), 300_000);
    }

    #[test]
    fn a_batch_is_full_by_events_or_by_bytes() {
        for (line, expected) in [(1, BATCH_EVENTS), (EVENT_BYTES, BATCH_BYTES / (EVENT_BYTES + EVENT_OVERHEAD_BYTES)), (974, 1048)] {
            let mut batch = Batch::default();
            let mut taken = 0;
            while batch.add("x".repeat(line)).is_ok() {
                taken += 1;
            }
            assert_eq!(taken, expected, "lines of {line} bytes");
            assert!(batch.bytes <= BATCH_BYTES);
        }
    }
}
