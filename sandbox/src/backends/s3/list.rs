//! Listings, page by page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, utf8_percent_encode};

use crate::protocol::{Answer, Failure, Request};
use crate::sigv4::STRICT;
use crate::times::iso;
use crate::xml::{element, escape};

use super::state::{Bucket, Object, S3};

/// `encoding-type=url` leaves slashes as they are.
const URL: &AsciiSet = &STRICT.remove(b'/');

/// Which of the two operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// `ListObjects`, with markers.
    One,
    /// `ListObjectsV2`, with continuation tokens.
    Two,
}

struct Page<'a> {
    objects: Vec<(&'a String, &'a Object)>,
    prefixes: Vec<String>,
    /// The last key or common prefix, when there is more.
    next: Option<String>,
}

impl S3 {
    pub(super) fn list_objects(&self, request: &Request, name: &str, version: Version) -> Result<Answer, Failure> {
        let mut state = self.lock();
        let bucket = state.open(&self.account, request, name)?;
        let get = |key: &str| request.query(key).unwrap_or_default();
        let max: usize = match request.query("max-keys") {
            Some(text) => text.parse().map_err(|_| invalid("Provided max-keys not an integer or within integer range"))?,
            None => 1_000,
        };
        let after = match (version, request.query("continuation-token")) {
            (Version::Two, Some(token)) => URL_SAFE_NO_PAD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| invalid("The continuation token provided is incorrect"))?,
            (Version::Two, None) => get("start-after").to_owned(),
            (Version::One, _) => get("marker").to_owned(),
        };
        let page = page(bucket, get("prefix"), get("delimiter"), &after, max.min(1_000));
        Ok(Answer::xml(self.render(request, name, version, max, &page)))
    }

    fn render(&self, request: &Request, name: &str, version: Version, max: usize, page: &Page<'_>) -> String {
        let url = request.query("encoding-type") == Some("url");
        let spell = |text: &str| if url { utf8_percent_encode(text, URL).to_string() } else { escape(text) };
        let owner = version == Version::One || request.query("fetch-owner") == Some("true");
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Name>{name}</Name><Prefix>{}</Prefix><MaxKeys>{max}</MaxKeys><IsTruncated>{}</IsTruncated>",
            spell(request.query("prefix").unwrap_or_default()),
            page.next.is_some()
        );
        for parameter in ["delimiter", "start-after", "marker"] {
            let tag = match parameter {
                "delimiter" => "Delimiter",
                "start-after" => "StartAfter",
                _ => "Marker",
            };
            if let Some(value) = request.query(parameter) {
                xml.push_str(&format!("<{tag}>{}</{tag}>", spell(value)));
            }
        }
        if url {
            xml.push_str("<EncodingType>url</EncodingType>");
        }
        if version == Version::Two {
            xml.push_str(&format!("<KeyCount>{}</KeyCount>", page.objects.len() + page.prefixes.len()));
            if let Some(token) = request.query("continuation-token") {
                xml.push_str(&element("ContinuationToken", token));
            }
        }
        match (&page.next, version) {
            (Some(next), Version::Two) => xml.push_str(&element("NextContinuationToken", &URL_SAFE_NO_PAD.encode(next))),
            (Some(next), Version::One) => xml.push_str(&format!("<NextMarker>{}</NextMarker>", spell(next))),
            (None, _) => {}
        }
        for (key, object) in &page.objects {
            xml.push_str(&contents(&spell(key), object, owner.then_some(self.account.as_str())));
        }
        for prefix in &page.prefixes {
            xml.push_str(&format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", spell(prefix)));
        }
        xml.push_str("</ListBucketResult>");
        xml
    }
}

fn contents(key: &str, object: &Object, owner: Option<&str>) -> String {
    let checksum = object.checksum.as_ref().map_or(String::new(), |(algorithm, _)| {
        format!("<ChecksumAlgorithm>{}</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>", algorithm.to_uppercase())
    });
    let owner = owner.map_or(String::new(), |id| format!("<Owner><ID>{id}</ID></Owner>"));
    format!(
        "<Contents><Key>{key}</Key><LastModified>{}</LastModified><ETag>&quot;{}&quot;</ETag>{checksum}<Size>{}</Size>\
         {owner}<StorageClass>STANDARD</StorageClass></Contents>",
        iso(object.modified),
        object.etag,
        object.data.len()
    )
}

fn page<'a>(bucket: &'a Bucket, prefix: &str, delimiter: &str, after: &str, max: usize) -> Page<'a> {
    let mut page = Page { objects: Vec::new(), prefixes: Vec::new(), next: None };
    if max == 0 {
        return page;
    }
    let start = after.max(prefix).to_owned();
    let mut last: Option<String> = None;
    for (key, object) in bucket.objects.range(start..).take_while(|(key, _)| key.starts_with(prefix)) {
        let common = common_prefix(key, prefix, delimiter);
        // A page that ended with a common prefix goes on behind everything under it.
        if key.as_str() <= after || common.as_deref().is_some_and(|common| common <= after) {
            continue;
        }
        if common.is_some() && page.prefixes.last() == common.as_ref() {
            continue;
        }
        if page.objects.len() + page.prefixes.len() == max {
            page.next = last;
            break;
        }
        last = Some(common.clone().unwrap_or_else(|| key.clone()));
        match common {
            Some(common) => page.prefixes.push(common),
            None => page.objects.push((key, object)),
        }
    }
    page
}

fn common_prefix(key: &str, prefix: &str, delimiter: &str) -> Option<String> {
    if delimiter.is_empty() {
        return None;
    }
    let end = key[prefix.len()..].find(delimiter)?;
    Some(key[..prefix.len() + end + delimiter.len()].to_owned())
}

fn invalid(message: &str) -> Failure {
    Failure::new(400, "InvalidArgument", message)
}
