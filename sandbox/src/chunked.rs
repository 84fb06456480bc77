//! aws-chunked bodies: how SDKs stream to S3 with a checksum at the end.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::sigv4::{Signature, hmac, same};

/// A decoded body and the header fields that came after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// The data.
    pub(crate) body: Bytes,
    /// Trailing header fields, names in lower case.
    pub(crate) trailers: Vec<(String, String)>,
}

/// Why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkError {
    /// The framing is broken.
    Malformed,
    /// A chunk's signature does not match.
    Signature,
}

/// How the chunks of a signed stream are checked.
pub(crate) struct ChunkSigner<'a> {
    signature: &'a Signature,
    key: [u8; 32],
    previous: String,
}

impl<'a> ChunkSigner<'a> {
    /// Starts from the request's own signature.
    pub(crate) fn new(signature: &'a Signature, secret: &str) -> Self {
        Self { key: signature.key(secret), previous: signature.signature.clone(), signature }
    }

    fn check(&mut self, data: &[u8], given: &str) -> Result<(), ChunkError> {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{}\n{}",
            self.signature.signed_at,
            self.signature.scope_text(),
            self.previous,
            hex::encode(Sha256::digest(b"")),
            hex::encode(Sha256::digest(data)),
        );
        self.accept(&text, given)
    }

    fn check_trailers(&mut self, trailers: &[(String, String)]) -> Result<(), ChunkError> {
        let mut text = String::new();
        let mut given = None;
        for (name, value) in trailers {
            if name == "x-amz-trailer-signature" {
                given = Some(value.as_str());
            } else {
                text.push_str(&format!("{name}:{value}\n"));
            }
        }
        let Some(given) = given else {
            return if trailers.is_empty() { Ok(()) } else { Err(ChunkError::Signature) };
        };
        let text = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}",
            self.signature.signed_at,
            self.signature.scope_text(),
            self.previous,
            hex::encode(Sha256::digest(text.as_bytes())),
        );
        self.accept(&text, given)
    }

    fn accept(&mut self, text: &str, given: &str) -> Result<(), ChunkError> {
        let expected = hex::encode(hmac(&self.key, text.as_bytes()));
        if !same(&expected, given) {
            return Err(ChunkError::Signature);
        }
        self.previous = expected;
        Ok(())
    }
}

/// Takes the framing off. With a signer, each chunk must be signed.
///
/// # Errors
/// Broken framing, or a chunk whose signature does not match.
pub(crate) fn decode(raw: &[u8], mut signer: Option<ChunkSigner<'_>>) -> Result<Decoded, ChunkError> {
    let mut body = Vec::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        let (line, after) = split_line(rest).ok_or(ChunkError::Malformed)?;
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| ChunkError::Malformed)?;
        let data = after.get(..size).ok_or(ChunkError::Malformed)?;
        if let Some(signer) = &mut signer {
            let given = extension.strip_prefix("chunk-signature=").ok_or(ChunkError::Signature)?;
            signer.check(data, given)?;
        }
        body.extend_from_slice(data);
        rest = &after[size..];
        if size == 0 {
            break;
        }
        rest = rest.strip_prefix(b"\r\n").ok_or(ChunkError::Malformed)?;
    }
    let trailers = read_trailers(rest)?;
    if let Some(mut signer) = signer {
        signer.check_trailers(&trailers)?;
    }
    Ok(Decoded { body: body.into(), trailers })
}

fn read_trailers(mut rest: &[u8]) -> Result<Vec<(String, String)>, ChunkError> {
    let mut trailers = Vec::new();
    while !rest.is_empty() {
        let Some((line, after)) = split_line(rest) else { return Err(ChunkError::Malformed) };
        rest = after;
        if line.is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(ChunkError::Malformed)?;
        trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(trailers)
}

fn split_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsigned_stream_with_a_trailer() {
        let raw = b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
        let decoded = decode(raw, None).unwrap();
        assert_eq!(&decoded.body[..], b"hello world");
        assert_eq!(decoded.trailers, [("x-amz-checksum-crc32".to_owned(), "DUoRhQ==".to_owned())]);
    }

    #[test]
    fn broken_framing_is_refused() {
        for raw in [&b"5\r\nhel"[..], b"z\r\n", b"", b"5\r\nhelloX\r\n0\r\n\r\n", b"ffffffffffffffff\r\n"] {
            assert_eq!(decode(raw, None), Err(ChunkError::Malformed), "{raw:?}");
        }
    }

    /// The documented example: 65,536 and 1,024 letters a in chunks.
    #[test]
    fn a_signed_stream_agrees_with_the_documented_example() {
        let signature = Signature {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            date: "20130524".into(),
            region: "us-east-1".into(),
            service: "s3".into(),
            signed_at: "20130524T000000Z".into(),
            signed_headers: vec!["host".into()],
            signature: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9".into(),
            session_token: None,
            valid_s: None,
        };
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let mut raw = Vec::new();
        for (size, signature) in [
            (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
            (1_024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
            (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
        ] {
            raw.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
            raw.extend(std::iter::repeat_n(b'a', size));
            raw.extend_from_slice(b"\r\n");
        }
        let decoded = decode(&raw, Some(ChunkSigner::new(&signature, secret))).unwrap();
        assert_eq!(decoded.body.len(), 66_560);
        raw[100] = b'b';
        assert_eq!(decode(&raw, Some(ChunkSigner::new(&signature, secret))), Err(ChunkError::Signature));
    }
}
