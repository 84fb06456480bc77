//! The frames of Session Manager's data channel. All numbers are big-endian.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | where the payload's length is, 116: the length of what is before it |
//! | 4 | 32 | the kind, padded with spaces |
//! | 36 | 4 | the version, 1 |
//! | 40 | 8 | when it was made, in milliseconds since 1970 |
//! | 48 | 8 | its number |
//! | 56 | 8 | flags: 1 begins, 2 ends |
//! | 64 | 16 | its id, the less significant half first |
//! | 80 | 32 | SHA-256 of the payload |
//! | 112 | 4 | what the payload is |
//! | 116 | 4 | its length |
//! | 120 | | the payload |
//!
//! Source: `src/message/messageparser.go` of the AWS Session Manager plugin.

use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const HEADER: usize = 116;
const PAYLOAD: usize = 120;
const VERSION: u32 = 1;
/// The flags of a frame that stands for itself.
const ALONE: u64 = 3;

/// The kinds of frames.
pub(super) mod kind {
    pub(in super::super) const ACKNOWLEDGE: &str = "acknowledge";
    pub(in super::super) const CLOSED: &str = "channel_closed";
    pub(in super::super) const INPUT: &str = "input_stream_data";
    pub(in super::super) const OUTPUT: &str = "output_stream_data";
}

/// What payloads are.
pub(super) mod payload {
    pub(in super::super) const BYTES: u32 = 1;
    pub(in super::super) const ERROR: u32 = 2;
    pub(in super::super) const SIZE: u32 = 3;
    pub(in super::super) const HANDSHAKE_REQUEST: u32 = 5;
    pub(in super::super) const HANDSHAKE_RESPONSE: u32 = 6;
    pub(in super::super) const HANDSHAKE_COMPLETE: u32 = 7;
    pub(in super::super) const STANDARD_ERROR: u32 = 11;
}

/// A frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Frame {
    pub(super) kind: String,
    pub(super) number: i64,
    flags: u64,
    id: Uuid,
    made_at_ms: u64,
    pub(super) payload_kind: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// What is sent to the instance.
    pub(super) fn input(number: i64, payload_kind: u32, payload: Vec<u8>) -> Self {
        Self { kind: kind::INPUT.to_owned(), number, flags: 0, id: Uuid::new_v4(), made_at_ms: now_ms(), payload_kind, payload }
    }

    /// That a frame has come.
    pub(super) fn acknowledgement(of: &Self) -> Self {
        let payload = json!({
            "AcknowledgedMessageType": of.kind,
            "AcknowledgedMessageId": of.id.to_string(),
            "AcknowledgedMessageSequenceNumber": of.number,
            "IsSequentialMessage": true,
        });
        Self {
            kind: kind::ACKNOWLEDGE.to_owned(),
            number: 0,
            flags: ALONE,
            id: Uuid::new_v4(),
            made_at_ms: now_ms(),
            payload_kind: 0,
            payload: payload.to_string().into_bytes(),
        }
    }

    /// Which frame of ours has come, if this says so.
    pub(super) fn acknowledged(&self) -> Option<i64> {
        let content: serde_json::Value = serde_json::from_slice(&self.payload).ok()?;
        content["AcknowledgedMessageSequenceNumber"].as_i64()
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PAYLOAD + self.payload.len());
        bytes.extend_from_slice(&u32::try_from(HEADER).unwrap_or_default().to_be_bytes());
        bytes.extend_from_slice(format!("{:<32}", self.kind).as_bytes());
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.made_at_ms.to_be_bytes());
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(&self.flags.to_be_bytes());
        let (more, less) = self.id.as_u64_pair();
        bytes.extend_from_slice(&less.to_be_bytes());
        bytes.extend_from_slice(&more.to_be_bytes());
        bytes.extend_from_slice(&Sha256::digest(&self.payload));
        bytes.extend_from_slice(&self.payload_kind.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Reads a frame; what is wrong with it otherwise.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "it is shorter than its header";
        let part = |at: usize, length: usize| bytes.get(at..at + length).ok_or(SHORT);
        let number = |at: usize| part(at, 8).map(|eight| eight.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)));
        let half = |at: usize| part(at, 4).map(|four| four.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)));
        let header = usize::try_from(half(0)?).unwrap_or(usize::MAX);
        // A later version may have more in its header.
        if header < HEADER || header > bytes.len() {
            return Err("its header has another length");
        }
        let kind = String::from_utf8_lossy(part(4, 32)?).trim_matches(['\0', ' ']).to_owned();
        let length = usize::try_from(half(header)?).unwrap_or(usize::MAX);
        let payload = bytes.get(header + 4..).filter(|payload| payload.len() == length).ok_or("its payload has another length")?;
        if !payload.is_empty() && Sha256::digest(payload).as_slice() != part(80, 32)? {
            return Err("its payload has another digest");
        }
        Ok(Self {
            kind,
            made_at_ms: number(40)?,
            number: number(48)?.cast_signed(),
            flags: number(56)?,
            id: Uuid::from_u64_pair(number(72)?, number(64)?),
            payload_kind: half(112)?,
            payload: payload.to_vec(),
        })
    }
}

fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Frame {
        Frame {
            kind: kind::OUTPUT.to_owned(),
            number: 7,
            flags: 1,
            id: Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
            made_at_ms: 1_700_000_000_000,
            payload_kind: payload::BYTES,
            payload: payload.to_vec(),
        }
    }

    #[test]
    fn a_frame_is_laid_out_as_the_table_says() {
        let bytes = frame(b"hello").write();
        assert_eq!(bytes.len(), 125);
        assert_eq!((&bytes[..4], &bytes[4..36]), (&[0, 0, 0, 116][..], &b"output_stream_data              "[..]));
        assert_eq!((&bytes[48..56], &bytes[56..64]), (&[0, 0, 0, 0, 0, 0, 0, 7][..], &[0, 0, 0, 0, 0, 0, 0, 1][..]));
        assert_eq!(hex(&bytes[64..80]), "8899aabbccddeeff0011223344556677");
        assert_eq!(hex(&bytes[80..112]), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        assert_eq!((&bytes[112..120], &bytes[120..]), (&[0, 0, 0, 1, 0, 0, 0, 5][..], &b"hello"[..]));
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else() {
        for content in [&b""[..], b"hello", &[0xff; 5_000]] {
            assert_eq!(Frame::read(&frame(content).write()), Ok(frame(content)));
        }
        let whole = frame(b"hello").write();
        for length in 0..whole.len() {
            assert!(Frame::read(&whole[..length]).is_err(), "{length} bytes of it");
        }
        let mut other = whole.clone();
        other[122] ^= 1;
        assert_eq!(Frame::read(&other), Err("its payload has another digest"));
        other[3] = 3;
        assert_eq!(Frame::read(&other), Err("its header has another length"));
        // Some write zeros after the kind.
        let zeros: Vec<u8> = whole.iter().enumerate().map(|(at, byte)| if (22..36).contains(&at) { 0 } else { *byte }).collect();
        assert_eq!(Frame::read(&zeros), Ok(frame(b"hello")));
    }

    #[test]
    fn an_acknowledgement_names_the_frame() {
        let acknowledgement = Frame::acknowledgement(&frame(b"hello"));
        assert_eq!(acknowledgement.acknowledged(), Some(7));
        let text = String::from_utf8(acknowledgement.payload).unwrap();
        assert!(text.contains("00112233-4455-6677-8899-aabbccddeeff") && text.contains("output_stream_data"), "{text}");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
