//! The frames of a data channel: a header of 120 bytes, all numbers big-endian, and a payload.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | length of the header before the payload's length: 116 |
//! | 4..36 | type, padded with spaces |
//! | 36..40 | version of the schema: 1 |
//! | 40..48 | milliseconds since 1970 |
//! | 48..56 | sequence number |
//! | 56..64 | flags: 1 begins a stream, 2 ends it |
//! | 64..80 | id: the lower half of the UUID, then the upper one |
//! | 80..112 | SHA-256 of the payload |
//! | 112..116 | type of the payload |
//! | 116..120 | length of the payload |

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Where the payload's length is; the header's length does not count it.
const HEADER: usize = 116;
/// Where the payload begins.
const WHOLE_HEADER: usize = HEADER + 4;
const SCHEMA: u32 = 1;

/// From the client to the agent, in order.
pub(super) const INPUT: &str = "input_stream_data";
/// From the agent to the client, in order.
pub(super) const OUTPUT: &str = "output_stream_data";
/// That something has arrived, in either direction.
pub(super) const ACKNOWLEDGE: &str = "acknowledge";
/// The session is over.
pub(super) const CHANNEL_CLOSED: &str = "channel_closed";
/// The other side is there, and may be sent to.
pub(super) const START_PUBLICATION: &str = "start_publication";
/// The other side is not there for the moment.
pub(super) const PAUSE_PUBLICATION: &str = "pause_publication";

/// What a payload is.
pub(super) mod payload {
    /// What is typed, or what is written.
    pub(in super::super) const DATA: u32 = 1;
    /// The size of the client's terminal.
    pub(in super::super) const SIZE: u32 = 3;
    /// What the agent asks of the client before anything else.
    pub(in super::super) const HANDSHAKE_REQUEST: u32 = 5;
    /// The client's answer.
    pub(in super::super) const HANDSHAKE_RESPONSE: u32 = 6;
    /// The agent agrees: from now on there is data.
    pub(in super::super) const HANDSHAKE_COMPLETE: u32 = 7;
    /// A wish of the client's.
    pub(in super::super) const FLAG: u32 = 10;
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: String,
    pub(super) sequence: i64,
    pub(super) flags: u64,
    pub(super) id: Uuid,
    pub(super) payload_type: u32,
    pub(super) payload: Vec<u8>,
}

/// Why something is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// It ends before its header says.
    #[error("the frame has {0} bytes, which is not what its header says")]
    Length(usize),
    /// It has no type.
    #[error("the frame has no type")]
    Type,
    /// Its payload is not what was sent.
    #[error("the payload is not what its digest says")]
    Digest,
}

impl Frame {
    /// A frame with an id of its own.
    pub(super) fn new(kind: &str, sequence: i64, flags: u64, payload_type: u32, payload: Vec<u8>) -> Self {
        Self { kind: kind.to_owned(), sequence, flags, id: Uuid::new_v4(), payload_type, payload }
    }

    /// The frame as it is sent.
    pub(super) fn encode(&self, now: Timestamp) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(WHOLE_HEADER + self.payload.len());
        bytes.extend((HEADER as u32).to_be_bytes());
        bytes.extend(format!("{:<32}", self.kind).as_bytes());
        bytes.extend(SCHEMA.to_be_bytes());
        bytes.extend(now.as_millisecond().to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.flags.to_be_bytes());
        let (upper, lower) = self.id.as_u64_pair();
        bytes.extend(lower.to_be_bytes());
        bytes.extend(upper.to_be_bytes());
        bytes.extend(Sha256::digest(&self.payload));
        bytes.extend(self.payload_type.to_be_bytes());
        bytes.extend(u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Reads a frame.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let wrong = || FrameError::Length(bytes.len());
        let header = number(bytes, 0).ok_or_else(wrong)? as usize;
        let payload = bytes.get(header.saturating_add(4)..).filter(|_| header >= HEADER).ok_or_else(wrong)?;
        if number(bytes, header).ok_or_else(wrong)? as usize != payload.len() {
            return Err(wrong());
        }
        let kind = String::from_utf8_lossy(&bytes[4..36]).trim_matches(['\0', ' ']).to_owned();
        if kind.is_empty() {
            return Err(FrameError::Type);
        }
        if Sha256::digest(payload).as_slice() != &bytes[80..112] {
            return Err(FrameError::Digest);
        }
        let long = |at| long(bytes, at).ok_or_else(wrong);
        Ok(Self {
            kind,
            sequence: long(48)?.cast_signed(),
            flags: long(56)?,
            id: Uuid::from_u64_pair(long(72)?, long(64)?),
            payload_type: number(bytes, 112).ok_or_else(wrong)?,
            payload: payload.to_vec(),
        })
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_what_was_sent_or_none() {
        let frame = Frame::new(INPUT, 7, 3, payload::SIZE, b"{}".to_vec());
        let bytes = frame.encode(Timestamp::UNIX_EPOCH);
        assert_eq!(bytes.len(), 122);
        assert_eq!(Frame::decode(&bytes), Ok(frame));
        for length in 0..bytes.len() {
            assert_eq!(Frame::decode(&bytes[..length]), Err(FrameError::Length(length)));
        }
        let mut changed = bytes.clone();
        changed[121] = b'!';
        assert_eq!(Frame::decode(&changed), Err(FrameError::Digest));
        let mut nameless = bytes;
        nameless[4..36].fill(0);
        assert_eq!(Frame::decode(&nameless), Err(FrameError::Type));
    }
}
