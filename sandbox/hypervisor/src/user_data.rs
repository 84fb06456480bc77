//! User data: what of it can be run, and by whom.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::GzDecoder;

/// The most user data may grow to when decompressed. Far beyond the 16 KiB that can be sent, well within memory.
const DECOMPRESSED_MAX: u64 = 16 << 20;

/// What a machine's user data asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserData {
    /// Nothing.
    Empty,
    /// A script for an interpreter.
    Script {
        /// The interpreter as its first line names it: a path and perhaps one argument.
        interpreter: Vec<String>,
        /// The whole script, its first line included.
        content: Vec<u8>,
    },
}

impl UserData {
    /// Reads user data.
    ///
    /// # Errors
    /// Says why it cannot be run: an image's cloud-init knows more formats than this does.
    pub(crate) fn read(raw: &[u8]) -> Result<Self, String> {
        let content = decompress(raw)?;
        if content.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::Empty);
        }
        let first = content.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let Some(line) = first.strip_prefix(b"#!") else {
            let shown = String::from_utf8_lossy(&first[..first.len().min(60)]).into_owned();
            return Err(format!("user data is not a script that starts with #!, and other formats are not simulated: {shown:?}"));
        };
        let line = String::from_utf8_lossy(line);
        // As the kernel reads it: a path, and all else one argument.
        let (path, argument) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
        if path.is_empty() {
            return Err("user data names no interpreter after #!".to_owned());
        }
        let interpreter = [path, argument.trim()].into_iter().filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Ok(Self::Script { interpreter, content: content.into_owned() })
    }
}

fn decompress(raw: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !raw.starts_with(&[0x1f, 0x8b]) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut content = Vec::new();
    GzDecoder::new(raw)
        .take(DECOMPRESSED_MAX + 1)
        .read_to_end(&mut content)
        .map_err(|error| format!("user data looks like gzip but is not: {error}"))?;
    if content.len() as u64 > DECOMPRESSED_MAX {
        return Err(format!("user data decompresses to more than {DECOMPRESSED_MAX} bytes"));
    }
    Ok(Cow::Owned(content))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn scripts_run_plain_and_compressed() {
        let script = b"#!/usr/bin/env  -S python3 -u\nprint()\n";
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(script).unwrap();
        let interpreter = vec!["/usr/bin/env".to_owned(), "-S python3 -u".to_owned()];
        let expected = Ok(UserData::Script { interpreter, content: script.to_vec() });
        assert_eq!(UserData::read(script), expected);
        assert_eq!(UserData::read(&encoder.finish().unwrap()), expected);
        assert_eq!(UserData::read(b" \n"), Ok(UserData::Empty));
    }

    #[test]
    fn other_formats_are_refused() {
        for (raw, reason) in [
            (&b"#cloud-config\npackages: []\n"[..], "other formats are not simulated: \"#cloud-config\""),
            (b"Content-Type: multipart/mixed; boundary=x\n", "Content-Type: multipart/mixed"),
            (b"#!\n", "names no interpreter"),
            (b"\x1f\x8bnot gzip", "looks like gzip"),
        ] {
            let error = UserData::read(raw).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
