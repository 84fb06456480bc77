//! S3: reads, lists and writes on one bucket, whose owner every call names.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::fmt::rfc2822;

use super::sign::Service;
use super::xml::{elements, refusal};
use super::{Call, Content, Session};
use crate::failure::{Class, Failure};
use crate::http::Answer;

/// The time a small object may take.
const WITHIN: Duration = Duration::from_secs(15);
/// Slower than this an upload counts as stuck.
const SLOWEST_BYTES_PER_SECOND: u64 = 50_000;

/// The bucket of the set-up.
pub(crate) struct Bucket {
    session: Rc<Session>,
    name: String,
    owner: String,
}

/// Whether a write that makes an object found its place free.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Made {
    Yes,
    /// Somebody was first.
    Taken,
}

/// What has to hold for a write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Condition<'a> {
    /// There is no such object.
    Absent,
    /// The object is the one with this tag.
    Unchanged(&'a str),
}

/// An object as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) content: Bytes,
    pub(crate) tag: String,
    /// How long ago it was written when it was read, both by S3's clock and in whole seconds; nothing if S3 did not tell.
    pub(crate) age: Option<Duration>,
}

impl Bucket {
    pub(crate) fn new(session: Rc<Session>, name: &str, owner: &str) -> Self {
        Self { session, name: name.to_owned(), owner: owner.to_owned() }
    }

    /// Reads an object.
    pub(crate) async fn get(&self, key: &str) -> Result<Bytes, Failure> {
        Ok(self.request(Method::GET, key, vec![], Content::Bytes(Bytes::new())).await?.body)
    }

    /// Reads an object into a file, a block at a time.
    pub(crate) async fn get_file(&self, key: &str, path: &Path) -> Result<(), Failure> {
        let (what, call) = self.call(Method::GET, self.url(key).await?, vec![], Content::Bytes(Bytes::new()));
        taken(&what, self.session.send_to(call, path).await?).map(drop)
    }

    /// Reads an object unless it is the one with the tag `known`. Gives content and tag, or nothing.
    pub(crate) async fn get_changed(&self, key: &str, known: Option<&str>) -> Result<Option<(Bytes, String)>, Failure> {
        let headers = known.map(|tag| ("if-none-match", tag.to_owned())).into_iter().collect();
        let answer = self.request(Method::GET, key, headers, Content::Bytes(Bytes::new())).await?;
        if answer.status == 304 {
            return Ok(None);
        }
        let tag = tag(&answer.headers);
        Ok(Some((answer.body, tag)))
    }

    /// Reads an object, with its tag and age.
    pub(crate) async fn get_object(&self, key: &str) -> Result<Object, Failure> {
        let answer = self.request(Method::GET, key, vec![], Content::Bytes(Bytes::new())).await?;
        Ok(Object { tag: tag(&answer.headers), age: age(&answer.headers), content: answer.body })
    }

    /// Writes an object, over whatever is there.
    pub(crate) async fn put(&self, key: &str, content: Bytes) -> Result<(), Failure> {
        let headers = vec![("content-type", "application/json".to_owned())];
        self.request(Method::PUT, key, headers, Content::Bytes(content)).await.map(drop)
    }

    /// Writes an object if there is none.
    pub(crate) async fn make(&self, key: &str, content: Bytes) -> Result<Made, Failure> {
        match self.put_if(key, content, Condition::Absent).await {
            Ok(_) => Ok(Made::Yes),
            Err(failure) if failure.class == Class::Taken => Ok(Made::Taken),
            Err(failure) => Err(failure),
        }
    }

    /// Writes an object if a condition holds, and gives its new tag. [`Class::Taken`] if the condition does not hold.
    pub(crate) async fn put_if(&self, key: &str, content: Bytes, condition: Condition<'_>) -> Result<String, Failure> {
        let condition = match condition {
            Condition::Absent => ("if-none-match", "*".to_owned()),
            Condition::Unchanged(tag) => ("if-match", tag.to_owned()),
        };
        let headers = vec![("content-type", "application/json".to_owned()), condition];
        Ok(tag(&self.request(Method::PUT, key, headers, Content::Bytes(content)).await?.headers))
    }

    /// Writes a file of `length` bytes, a block at a time.
    pub(crate) async fn put_file(&self, key: &str, path: &Path, length: u64) -> Result<(), Failure> {
        let headers = vec![("content-type", "application/octet-stream".to_owned())];
        self.request(Method::PUT, key, headers, Content::File(path.to_owned(), length)).await.map(drop)
    }

    /// The keys that begin with `prefix`, in order.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let mut keys = Vec::new();
        let mut after = String::new();
        loop {
            // Going on after the last key needs no token to be carried along.
            let start = if after.is_empty() { String::new() } else { format!("&start-after={}", encode(&after, false)) };
            let query = format!("list-type=2&prefix={}{start}", encode(prefix, false));
            let url = format!("{}?{query}", self.url("").await?);
            let answer = self.send(Method::GET, url, vec![], Content::Bytes(Bytes::new())).await?;
            let text = String::from_utf8_lossy(&answer.body);
            let page: Vec<String> = elements(&text, "Key").map(unescape).collect();
            let more = elements(&text, "IsTruncated").next() == Some("true");
            match page.last() {
                Some(last) if more => after.clone_from(last),
                _ => {
                    keys.extend(page);
                    return Ok(keys);
                }
            }
            keys.extend(page);
        }
    }

    async fn url(&self, key: &str) -> Result<String, Failure> {
        let key = encode(key, true);
        if self.session.one_endpoint() {
            return Ok(format!("{}/{}/{key}", self.session.endpoint("s3").await?, self.name));
        }
        Ok(format!("{}/{key}", self.session.endpoint(&format!("{}.s3", self.name)).await?))
    }

    async fn request(&self, method: Method, key: &str, headers: Vec<(&'static str, String)>, content: Content) -> Result<Answer, Failure> {
        let url = self.url(key).await?;
        self.send(method, url, headers, content).await
    }

    async fn send(&self, method: Method, url: String, headers: Vec<(&'static str, String)>, content: Content) -> Result<Answer, Failure> {
        let (what, call) = self.call(method, url, headers, content);
        taken(&what, self.session.send(call).await?)
    }

    /// A call that names the bucket's owner, and what it is in words.
    fn call(&self, method: Method, url: String, mut headers: Vec<(&'static str, String)>, content: Content) -> (String, Call) {
        headers.push(("x-amz-expected-bucket-owner", self.owner.clone()));
        let length = match &content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File(_, length) => *length,
        };
        let within = WITHIN + Duration::from_secs(length / SLOWEST_BYTES_PER_SECOND);
        let what = format!("{method} {url}");
        (what, Call { service: Service::S3, method, url, headers, content, within })
    }
}

/// An answer that is no refusal.
fn taken(what: &str, answer: Answer) -> Result<Answer, Failure> {
    if answer.status.is_success() || answer.status == 304 { Ok(answer) } else { Err(refusal(what, &answer)) }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn tag(headers: &HeaderMap) -> String {
    header(headers, "etag").unwrap_or_default().to_owned()
}

fn age(headers: &HeaderMap) -> Option<Duration> {
    let date = |name| rfc2822::DateTimeParser::new().parse_timestamp(header(headers, name)?).ok();
    Duration::try_from(date("last-modified")?.duration_until(date("date")?)).ok()
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

/// Percent-encodes as a signature wants it.
fn encode(text: &str, keep_slashes: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            b'/' if keep_slashes => encoded.push('/'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read() {
        let xml = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>\
                   <Contents><Key>a/1&amp;2</Key><Size>1</Size></Contents><Contents><Key>b</Key></Contents></ListBucketResult>";
        assert_eq!(elements(xml, "Key").map(unescape).collect::<Vec<_>>(), ["a/1&2", "b"]);
        assert_eq!(elements(xml, "IsTruncated").next(), Some("false"));
        assert_eq!(elements("<Key>open", "Key").next(), None);
    }

    #[test]
    fn an_objects_age_is_told_by_one_clock_or_not_at_all() {
        let (then, now) = ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:31:01 GMT");
        for (modified, date, expected) in [
            (Some(then), Some(now), Some(181)),
            (Some(then), Some(then), Some(0)),
            (Some(now), Some(then), None),
            (Some(then), None, None),
            (None, Some(now), None),
            (Some("yesterday"), Some(now), None),
        ] {
            let headers = [("last-modified", modified), ("date", date)];
            let headers = headers.into_iter().filter_map(|(name, value)| Some((name.parse().unwrap(), value?.parse().unwrap())));
            assert_eq!(age(&headers.collect()), expected.map(Duration::from_secs), "{modified:?} {date:?}");
        }
    }

    #[test]
    fn keys_are_encoded_as_they_are_signed() {
        assert_eq!(encode("results/00000/a b+c%/ü.txt", true), "results/00000/a%20b%2Bc%25/%C3%BC.txt");
        assert_eq!(encode("runs/x/", false), "runs%2Fx%2F");
    }
}
