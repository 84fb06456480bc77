//! Two streams over one connection: what came in, in order and once, and what went out and was not acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::frame::Frame;

/// Frames that may wait for the one before them.
const ROOM: usize = 100_000;
/// How long an acknowledgement may take before a frame is sent again: at first, and at most.
const PATIENCE: Duration = Duration::from_millis(200);
const MOST_PATIENCE: Duration = Duration::from_secs(1);

/// What to do with a frame that came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was there before: nothing, not even an acknowledgement.
    Again,
    /// It is acknowledged, and waits for others.
    Early,
    /// It is acknowledged; these are next.
    Next(Vec<Frame>),
    /// There is no room for it.
    Refused,
}

/// What comes in.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    expected: i64,
    waiting: BTreeMap<i64, Frame>,
}

impl Inbox {
    /// Takes a frame of the stream.
    pub(super) fn take(&mut self, frame: Frame) -> Taken {
        if frame.sequence < self.expected || self.waiting.contains_key(&frame.sequence) {
            return Taken::Again;
        }
        if frame.sequence > self.expected {
            if self.waiting.len() >= ROOM {
                return Taken::Refused;
            }
            self.waiting.insert(frame.sequence, frame);
            return Taken::Early;
        }
        let mut next = vec![frame];
        self.expected += 1;
        while let Some(frame) = self.waiting.remove(&self.expected) {
            self.expected += 1;
            next.push(frame);
        }
        Taken::Next(next)
    }
}

/// What goes out.
#[derive(Debug)]
pub(super) struct Outbox {
    next: i64,
    /// Sequence number, frame, when it was sent.
    sent: VecDeque<(i64, Vec<u8>, Instant)>,
    patience: Duration,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { next: 0, sent: VecDeque::new(), patience: PATIENCE }
    }
}

impl Outbox {
    /// The number of the next frame; the first one begins the stream.
    pub(super) fn number(&mut self) -> (i64, u64) {
        let number = self.next;
        self.next += 1;
        (number, u64::from(number == 0))
    }

    /// Remembers a frame until it is acknowledged.
    pub(super) fn remember(&mut self, sequence: i64, bytes: Vec<u8>, now: Instant) {
        self.sent.push_back((sequence, bytes, now));
    }

    /// Forgets a frame that has arrived.
    pub(super) fn acknowledged(&mut self, sequence: i64) {
        let before = self.sent.len();
        self.sent.retain(|(sent, ..)| *sent != sequence);
        if self.sent.len() < before {
            self.patience = PATIENCE;
        }
    }

    /// Whether everything has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// How many frames have not arrived.
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    /// When the oldest frame is to be sent again, if any is.
    pub(super) fn due(&self) -> Option<Instant> {
        self.sent.front().map(|(_, _, at)| *at + self.patience)
    }

    /// The oldest frame, if it is time to send it again.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        self.patience = (self.patience * 2).min(MOST_PATIENCE);
        let (_, bytes, at) = self.sent.front_mut()?;
        *at = now;
        Some(bytes.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::ssm::sessions::frame::{INPUT, payload};

    fn frame(sequence: i64) -> Frame {
        Frame::new(INPUT, sequence, 0, payload::DATA, vec![])
    }

    #[test]
    fn what_comes_in_is_taken_once_and_in_order() {
        let mut inbox = Inbox::default();
        let numbers = |taken| match taken {
            Taken::Next(frames) => frames.iter().map(|frame| frame.sequence).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(inbox.take(frame(2)), Taken::Early);
        assert_eq!(inbox.take(frame(2)), Taken::Again);
        assert_eq!(numbers(inbox.take(frame(0))), [0]);
        assert_eq!(inbox.take(frame(0)), Taken::Again);
        assert_eq!(numbers(inbox.take(frame(1))), [1, 2]);
        assert_eq!(inbox.take(frame(2)), Taken::Again);
        assert_eq!(inbox.take(frame(-1)), Taken::Again);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_acknowledged_is_sent_again_less_and_less_often() {
        let mut outbox = Outbox::default();
        assert_eq!((outbox.number(), outbox.number()), ((0, 1), (1, 0)));
        let begin = Instant::now();
        outbox.remember(0, vec![0], begin);
        outbox.remember(1, vec![1], begin);
        let mut waits = Vec::new();
        let mut last = begin;
        for _ in 0..4 {
            assert_eq!(outbox.overdue(last), None);
            let due = outbox.due().unwrap();
            waits.push((due - last).as_millis());
            assert_eq!(outbox.overdue(due), Some(vec![0]));
            last = due;
        }
        assert_eq!(waits, [200, 400, 800, 1_000]);
        outbox.acknowledged(0);
        assert_eq!(outbox.overdue(last), Some(vec![1]));
        outbox.acknowledged(1);
        assert!(outbox.is_empty() && outbox.due().is_none());
    }
}
