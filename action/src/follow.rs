//! What the ranks of a fleet print, in the job's log as they print it.
//!
//! Lines of one look stand together by rank, each behind its rank's number if there are several: what one rank says stays in one piece, and nobody
//! waits for the slowest. A page of the log is the most that is held.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use spawn_core::engine::Engine;
use spawn_core::log::Reader;
use spawn_core::ports::LogEvent;
use spawn_model::error::{Class, Error};
use spawn_model::record::FleetRecord;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::ask::script;
use crate::console::Console;

/// Between two reads. `FilterLogEvents` allows some a second in an account.
const PAUSE: Duration = Duration::from_millis(800);
/// What has been quiet for so many reads after its end says no more: CloudWatch Logs promises no time, seconds are usual.
const QUIET_READS: u32 = 3;
/// So long the last words are waited for at most.
const LAST_WORDS: Duration = Duration::from_secs(120);
/// How many of a rank's last lines are remembered, and how much of each, in bytes.
const LAST_LINES: usize = 10;
const LAST_BYTES: usize = 300;

/// Shows what ranks print.
pub(crate) struct Follower<'a> {
    engine: &'a Engine,
    record: &'a FleetRecord,
    reader: Reader,
    shown: Shown,
    /// Whether it was said that it cannot be read.
    is_unread: bool,
}

/// What was shown, as far as it is still of use.
pub(crate) struct Shown {
    console: Console,
    /// How many ranks there are.
    size: u32,
    /// The word by which a rank says that its command has failed, and its machine stays.
    kept_word: Option<String>,
    /// The ranks that have said so, and their exit codes.
    pub(crate) kept: BTreeMap<u32, i64>,
    /// The last lines of each rank.
    last: BTreeMap<u32, VecDeque<String>>,
}

impl<'a> Follower<'a> {
    /// Follows the ranks of a fleet that has been launched.
    pub(crate) fn new(engine: &'a Engine, record: &'a FleetRecord, size: u32, kept_word: Option<String>, console: &Console) -> Self {
        let shown = Shown { console: console.clone(), size, kept_word, kept: BTreeMap::new(), last: BTreeMap::new() };
        Self { engine, record, reader: Reader::new(record.asked_at), shown, is_unread: false }
    }

    /// Shows what there is until it is over, and then what is still to come. `looked` is told after each read how many machines stay.
    pub(crate) async fn follow(mut self, over: &CancellationToken, mut looked: impl AsyncFnMut(usize)) -> Shown {
        let mut quiet = 0;
        let mut last_words = None;
        loop {
            let is_over = over.is_cancelled();
            let lines = self.read().await;
            looked(self.shown.kept.len()).await;
            if is_over {
                quiet = match lines {
                    Some(0) => quiet + 1,
                    Some(_) => 0,
                    // Who could not read does not know.
                    None => quiet,
                };
                let until = *last_words.get_or_insert_with(|| Instant::now() + LAST_WORDS);
                if quiet >= QUIET_READS || Instant::now() > until {
                    return self.shown;
                }
                sleep(PAUSE).await;
            } else {
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    () = over.cancelled() => {}
                }
            }
        }
    }

    /// Shows what is new, page by page; how many lines that was, if they could be read. What cannot be read keeps nobody from ending well.
    async fn read(&mut self) -> Option<usize> {
        let from = self.reader.from();
        let (mut next, mut lines): (Option<String>, usize) = (None, 0);
        loop {
            let page = match self.engine.output(self.record, from, next.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    self.unread(&error);
                    return None;
                }
            };
            let events = self.reader.fresh(page.events);
            lines += events.len();
            self.shown.show(events);
            next = page.next;
            if next.is_none() {
                return Some(lines);
            }
        }
    }

    /// Says once that something is missing; what only fails this time is read the next time.
    fn unread(&mut self, error: &Error) {
        let passes = matches!(error.class, Class::Transient | Class::Throttled | Class::Ambiguous);
        if !passes && !std::mem::replace(&mut self.is_unread, true) {
            self.shown.console.line(&format!("what the ranks print cannot be shown: {error}"));
        }
    }
}

impl Shown {
    fn show(&mut self, events: Vec<LogEvent>) {
        let mut of_ranks: Vec<(Option<u32>, String)> = events.into_iter().map(|event| (rank_of(&event.stream), event.message)).collect();
        of_ranks.sort_by_key(|(rank, _)| *rank);
        let mut text = String::new();
        for (rank, message) in of_ranks {
            let message = message.trim_end_matches('\n');
            if let Some(code) = self.kept_word.as_ref().and_then(|word| script::code_told(message, word)) {
                self.kept.insert(rank.unwrap_or_default(), code);
                continue;
            }
            // A runner begins a new line at each of both, where the rank would be missing.
            for line in message.split(['\r', '\n']).filter(|line| !line.is_empty() || message.is_empty()) {
                if self.size > 1
                    && let Some(rank) = rank
                {
                    let width = self.size.saturating_sub(1).to_string().len();
                    text.push_str(&format!("{rank:>width$} | "));
                }
                text.push_str(line);
                text.push('\n');
                self.remember(rank.unwrap_or_default(), line);
            }
        }
        if !text.is_empty() {
            self.console.lines(&text);
        }
    }

    fn remember(&mut self, rank: u32, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let last = self.last.entry(rank).or_default();
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line[..line.floor_char_boundary(LAST_BYTES)].to_owned());
    }

    /// The last lines of a rank.
    pub(crate) fn last_of(&self, rank: u32) -> String {
        self.last.get(&rank).map(|lines| lines.iter().cloned().collect::<Vec<_>>().join("\n")).unwrap_or_default()
    }
}

/// The rank in the name of a stream, its last part.
fn rank_of(stream: &str) -> Option<u32> {
    stream.rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::console::tests::Said;

    fn shown(said: &Said, size: u32) -> Shown {
        Shown { console: said.console(), size, kept_word: Some("kept-ab".to_owned()), kept: BTreeMap::new(), last: BTreeMap::new() }
    }

    fn events(lines: &[(u32, &str)]) -> Vec<LogEvent> {
        let event = |(at, (rank, line)): (usize, &(u32, &str))| LogEvent {
            at: Timestamp::UNIX_EPOCH,
            stream: format!("fleet-a/run-b/{rank:05}"),
            id: at.to_string(),
            message: (*line).to_owned(),
        };
        lines.iter().enumerate().map(event).collect()
    }

    #[test]
    fn lines_stand_together_by_rank() {
        let said = Said::default();
        let mut of_many = shown(&said, 11);
        of_many.show(events(&[(3, "a"), (10, "b"), (3, " "), (0, "10%\r20%\r::error::x"), (3, "c")]));
        of_many.show(events(&[(10, "kept-ab 7"), (0, "")]));
        of_many.show(Vec::new());
        assert_eq!(said.text(), " 0 | 10%\n 0 | 20%\n 0 | ::error::x\n 3 | a\n 3 |  \n 3 | c\n10 | b\n 0 | \n");
        assert_eq!(of_many.kept, BTreeMap::from([(10, 7)]));
        assert_eq!((of_many.last_of(3).as_str(), of_many.last_of(7).as_str()), ("a\nc", ""));
        let said = Said::default();
        shown(&said, 1).show(events(&[(0, "alone"), (0, "::set-output name=a::b")]));
        assert_eq!(said.text(), "alone\n::set-output name=a::b\n");
    }

    #[test]
    fn of_each_rank_a_little_is_remembered() {
        let mut shown = shown(&Said::default(), 2);
        for number in 0..1000 {
            let line = format!("{number} {}", "ü".repeat(1000));
            shown.show(events(&[(1, line.as_str())]));
        }
        let last = shown.last_of(1);
        let lines: Vec<&str> = last.lines().collect();
        assert_eq!(
            (lines.len(), lines[0].split(' ').next(), lines.iter().all(|line| line.len() <= LAST_BYTES)),
            (LAST_LINES, Some("990"), true)
        );
    }
}
