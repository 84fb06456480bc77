//! Signature Version 4, verified: header form and presigned query form.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

/// What AWS percent-encodes: all but letters, digits and `-._~`.
pub(crate) const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How far a client's clock may be off.
const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// Why a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureError {
    /// There is none.
    Missing,
    /// It cannot be read.
    Malformed,
    /// Nobody has this key.
    UnknownKey,
    /// The session token is not the one of the key.
    WrongToken,
    /// The session or the presigned address is over.
    Expired,
    /// It was signed too long ago or in the future.
    Skewed,
    /// It does not match.
    Mismatch,
}

/// The parts of a signed request that the signature covers or names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Access key id.
    pub(crate) access_key_id: String,
    /// `yyyymmdd` of the credential scope.
    pub(crate) date: String,
    /// Region of the credential scope.
    pub(crate) region: String,
    /// Service of the credential scope.
    pub(crate) service: String,
    /// When it was signed, `yyyymmddThhmmssZ`.
    pub(crate) signed_at: String,
    /// Names of the signed header fields, sorted.
    pub(crate) signed_headers: Vec<String>,
    /// The signature itself, in hex.
    pub(crate) signature: String,
    /// The session token that came along.
    pub(crate) session_token: Option<String>,
    /// Presigned: how many seconds it is valid.
    pub(crate) valid_s: Option<i64>,
}

/// A request as it arrived, for verification.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    /// HTTP method.
    pub(crate) method: &'a str,
    /// Path, as sent.
    pub(crate) path: &'a str,
    /// Query, as sent.
    pub(crate) query: &'a str,
    /// Header fields.
    pub(crate) headers: &'a HeaderMap,
}

impl Signature {
    /// Reads the signature of a request.
    ///
    /// # Errors
    /// `Missing` or `Malformed`.
    pub(crate) fn read(request: &Signed<'_>) -> Result<Self, SignatureError> {
        if let Some(header) = header(request.headers, "authorization") {
            return Self::from_header(request, &header);
        }
        let query = parse_query(request.query);
        let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        if get("X-Amz-Algorithm").as_deref() != Some("AWS4-HMAC-SHA256") {
            return Err(SignatureError::Missing);
        }
        let malformed = SignatureError::Malformed;
        let mut signature = Self::scope(&get("X-Amz-Credential").ok_or(malformed)?)?;
        signature.signed_at = get("X-Amz-Date").ok_or(malformed)?;
        signature.signed_headers = split_headers(&get("X-Amz-SignedHeaders").ok_or(malformed)?);
        signature.signature = get("X-Amz-Signature").ok_or(malformed)?;
        signature.session_token = get("X-Amz-Security-Token");
        signature.valid_s = Some(get("X-Amz-Expires").and_then(|s| s.parse().ok()).ok_or(malformed)?);
        Ok(signature)
    }

    fn from_header(request: &Signed<'_>, value: &str) -> Result<Self, SignatureError> {
        let malformed = SignatureError::Malformed;
        let rest = value.strip_prefix("AWS4-HMAC-SHA256").ok_or(malformed)?;
        let part = |name: &str| rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).ok_or(malformed);
        let mut signature = Self::scope(part("Credential")?)?;
        signature.signed_headers = split_headers(part("SignedHeaders")?);
        signature.signature = part("Signature")?.to_owned();
        signature.signed_at = header(request.headers, "x-amz-date").ok_or(malformed)?;
        signature.session_token = header(request.headers, "x-amz-security-token");
        Ok(signature)
    }

    fn scope(credential: &str) -> Result<Self, SignatureError> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [key, date, region, service, "aws4_request"] = parts[..] else {
            return Err(SignatureError::Malformed);
        };
        Ok(Self {
            access_key_id: key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_at: String::new(),
            signed_headers: Vec::new(),
            signature: String::new(),
            session_token: None,
            valid_s: None,
        })
    }

    /// Checks date and signature. `payload` is what `x-amz-content-sha256` says, or the body's hash.
    ///
    /// # Errors
    /// `Malformed`, `Skewed`, `Expired` or `Mismatch`.
    pub(crate) fn verify(&self, request: &Signed<'_>, payload: &str, secret: &str, real_now: Timestamp) -> Result<(), SignatureError> {
        let signed_at = parse_date(&self.signed_at).ok_or(SignatureError::Malformed)?;
        if !self.signed_at.starts_with(&self.date) || !self.signed_headers.iter().any(|name| name == "host") {
            return Err(SignatureError::Malformed);
        }
        let age = real_now.duration_since(signed_at);
        match self.valid_s {
            Some(valid) if age > SignedDuration::from_secs(valid) => return Err(SignatureError::Expired),
            Some(_) if age < -SKEW => return Err(SignatureError::Skewed),
            None if age.abs() > SKEW => return Err(SignatureError::Skewed),
            _ => {}
        }
        let expected = hmac(&self.key(secret), self.string_to_sign(request, payload).as_bytes());
        if same(&hex::encode(expected), &self.signature) { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    /// The signing key of this scope.
    pub(crate) fn key(&self, secret: &str) -> [u8; 32] {
        let date = hmac(format!("AWS4{secret}").as_bytes(), self.date.as_bytes());
        let region = hmac(&date, self.region.as_bytes());
        hmac(&hmac(&region, self.service.as_bytes()), b"aws4_request")
    }

    /// `date/region/service/aws4_request`.
    pub(crate) fn scope_text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }

    fn string_to_sign(&self, request: &Signed<'_>, payload: &str) -> String {
        let canonical = self.canonical(request, payload);
        format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", self.signed_at, self.scope_text(), hex::encode(Sha256::digest(canonical.as_bytes())))
    }

    fn canonical(&self, request: &Signed<'_>, payload: &str) -> String {
        // S3 encodes the path once, every other service encodes what is already encoded.
        let path = if self.service == "s3" {
            encode_path(&percent_decode_str(request.path).decode_utf8_lossy())
        } else {
            encode_path(&normalise(request.path))
        };
        let mut query: Vec<(String, String)> = parse_query(request.query)
            .into_iter()
            .filter(|(key, _)| key != "X-Amz-Signature" || self.valid_s.is_none())
            .map(|(key, value)| (encode(&key), encode(&value)))
            .collect();
        query.sort();
        let query: Vec<String> = query.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut headers = String::new();
        for name in &self.signed_headers {
            let values: Vec<String> =
                request.headers.get_all(name).iter().map(|value| squeeze(&String::from_utf8_lossy(value.as_bytes()))).collect();
            headers.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        format!("{}\n{path}\n{}\n{headers}\n{}\n{payload}", request.method, query.join("&"), self.signed_headers.join(";"))
    }
}

/// Comparison that takes as long for a near miss as for a far one.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.len() == right.len() && left.bytes().zip(right.bytes()).fold(0, |acc, (a, b)| acc | (a ^ b)) == 0
}

/// HMAC-SHA-256.
pub(crate) fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// A query string's parameters, decoded, in order.
pub(crate) fn parse_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
            (decode(key), decode(value))
        })
        .collect()
}

fn split_headers(text: &str) -> Vec<String> {
    text.split(';').map(str::to_ascii_lowercase).collect()
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, STRICT).to_string()
}

fn encode_path(path: &str) -> String {
    path.split('/').map(encode).collect::<Vec<_>>().join("/")
}

/// Removes `.`, `..` and empty segments, as every service but S3 does.
fn normalise(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let slash = if path.len() > 1 && path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

fn squeeze(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's own documentation (GET object, S3).
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn documented() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", "20130524T000000Z"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
                 Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn agrees_with_the_documented_example() {
        let headers = documented();
        let request = Signed { method: "GET", path: "/test.txt", query: "", headers: &headers };
        let signature = Signature::read(&request).unwrap();
        let at: Timestamp = "2013-05-24T00:10:00Z".parse().unwrap();
        assert_eq!(signature.verify(&request, EMPTY, SECRET, at), Ok(()));
        assert_eq!(signature.verify(&request, EMPTY, "another", at), Err(SignatureError::Mismatch));
        assert_eq!(signature.verify(&request, "00", SECRET, at), Err(SignatureError::Mismatch));
        let other = Signed { path: "/test.tx", ..request };
        assert_eq!(signature.verify(&other, EMPTY, SECRET, at), Err(SignatureError::Mismatch));
        let late: Timestamp = "2013-05-24T00:16:00Z".parse().unwrap();
        assert_eq!(signature.verify(&request, EMPTY, SECRET, late), Err(SignatureError::Skewed));
    }

    #[test]
    fn agrees_with_the_documented_presigned_example() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "examplebucket.s3.amazonaws.com".parse().unwrap());
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
            &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
            &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        let request = Signed { method: "GET", path: "/test.txt", query, headers: &headers };
        let signature = Signature::read(&request).unwrap();
        let at: Timestamp = "2013-05-24T20:00:00Z".parse().unwrap();
        assert_eq!(signature.verify(&request, "UNSIGNED-PAYLOAD", SECRET, at), Ok(()));
        let late: Timestamp = "2013-05-25T00:00:01Z".parse().unwrap();
        assert_eq!(signature.verify(&request, "UNSIGNED-PAYLOAD", SECRET, late), Err(SignatureError::Expired));
    }

    #[test]
    fn a_request_without_a_signature_has_none() {
        let headers = HeaderMap::new();
        let request = Signed { method: "GET", path: "/", query: "", headers: &headers };
        assert_eq!(Signature::read(&request), Err(SignatureError::Missing));
    }

    #[test]
    fn paths_are_normalised() {
        for (path, expected) in [("/", "/"), ("/a/./b//c/", "/a/b/c/"), ("/a/../b", "/b"), ("", "/")] {
            assert_eq!(normalise(path), expected, "{path}");
        }
    }
}
