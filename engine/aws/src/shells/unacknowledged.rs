//! What was sent to the instance and may have to be sent again: nobody has said yet that it has come.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::frame::Frame;

/// What is not acknowledged within this is sent again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// If nothing at all is acknowledged within this, nothing will be. It is as long as AWS's client waits: the agent acknowledges what the
/// terminal has taken, and a terminal takes little while a program runs that does not read.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(300);

/// Frames that are not acknowledged, in order.
pub(super) struct Unacknowledged {
    sent: VecDeque<Sent>,
    /// The number of the next frame.
    next: i64,
    /// Since when an acknowledgement is waited for.
    waits_since: Instant,
}

struct Sent {
    number: i64,
    message: Message,
    latest: Instant,
}

impl Unacknowledged {
    pub(super) fn new() -> Self {
        Self { sent: VecDeque::new(), next: 0, waits_since: Instant::now() }
    }

    /// Numbers and keeps a frame. The message that it is sent in.
    pub(super) fn add(&mut self, payload_kind: u32, payload: Vec<u8>) -> Message {
        let now = Instant::now();
        if self.sent.is_empty() {
            self.waits_since = now;
        }
        let message = Message::binary(Frame::input(self.next, payload_kind, payload).write());
        self.sent.push_back(Sent { number: self.next, message: message.clone(), latest: now });
        self.next += 1;
        message
    }

    /// Forgets the frame of a number, which has come.
    pub(super) fn acknowledge(&mut self, number: i64) {
        let before = self.sent.len();
        self.sent.retain(|sent| sent.number != number);
        if self.sent.len() < before {
            self.waits_since = Instant::now();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    /// When the oldest frame is sent again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.sent.front().map(|oldest| oldest.latest + AGAIN_AFTER)
    }

    /// The oldest frame, if it is time to send it again. It holds up all others, so that no other has to be.
    pub(super) fn again(&mut self) -> Option<Message> {
        let now = Instant::now();
        let oldest = self.sent.front_mut().filter(|oldest| now >= oldest.latest + AGAIN_AFTER)?;
        oldest.latest = now;
        Some(oldest.message.clone())
    }

    /// Whether nobody acknowledges anything any more.
    pub(super) fn is_lost(&self) -> bool {
        !self.sent.is_empty() && self.waits_since.elapsed() >= LOST_AFTER
    }
}
