//! Objects: written under conditions, read whole or in part.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::checksums;
use crate::protocol::{Answer, Failure, Request};
use crate::sigv4::parse_query;
use crate::times::{http_date, iso};
use crate::xml::{Node, element, escape};

use super::state::{Bucket, Object, S3, no_such_key};

const XMLNS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
/// Header fields of an object that are kept and returned.
const KEPT: [&str; 6] = ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];
const ALGORITHMS: [&str; 4] = ["crc32", "crc32c", "crc64nvme", "sha256"];

impl S3 {
    pub(super) fn put_object(&self, request: &Request, bucket: &str, key: &str) -> Result<Answer, Failure> {
        let checksum = verify_digests(request)?;
        check_key(key)?;
        let object = Object {
            etag: checksums::md5_hex(&request.body),
            data: request.body.clone(),
            modified: request.now,
            headers: kept_headers(request),
            tags: header_tags(request)?,
            checksum,
        };
        let mut state = self.lock();
        let bucket = state.open(&self.account, request, bucket)?;
        write_condition(request, bucket, key)?;
        let mut answer = Answer::empty(200).header("etag", format!("\"{}\"", object.etag)).header("x-amz-server-side-encryption", "AES256");
        if let Some((algorithm, value)) = &object.checksum {
            answer = answer.header(&format!("x-amz-checksum-{algorithm}"), value.clone()).header("x-amz-checksum-type", "FULL_OBJECT");
        }
        bucket.objects.insert(key.to_owned(), object);
        Ok(answer)
    }

    pub(super) fn get_object(&self, request: &Request, bucket: &str, key: &str, body: bool) -> Result<Answer, Failure> {
        let mut state = self.lock();
        let object = state.open(&self.account, request, bucket)?.object(key)?;
        if let Some(not_modified) = read_condition(request, object)? {
            return Ok(not_modified);
        }
        let size = object.data.len();
        let mut answer = Answer::empty(200)
            .header("etag", format!("\"{}\"", object.etag))
            .header("last-modified", http_date(object.modified))
            .header("accept-ranges", "bytes")
            .header("x-amz-server-side-encryption", "AES256");
        for (name, value) in &object.headers {
            answer = answer.header(name, value.clone());
        }
        if !object.tags.is_empty() {
            answer = answer.header("x-amz-tagging-count", object.tags.len().to_string());
        }
        let range = match request.header("range") {
            Some(text) => byte_range(text, size)?,
            None => None,
        };
        let data = match range {
            Some((first, last)) => {
                answer.status = 206;
                answer = answer.header("content-range", format!("bytes {first}-{last}/{size}"));
                object.data.slice(first..=last)
            }
            None => object.data.clone(),
        };
        if let (Some((algorithm, value)), None, Some("ENABLED")) = (&object.checksum, range, request.header("x-amz-checksum-mode")) {
            answer = answer.header(&format!("x-amz-checksum-{algorithm}"), value.clone()).header("x-amz-checksum-type", "FULL_OBJECT");
        }
        answer = answer.header("content-length", data.len().to_string());
        Ok(if body { answer.with_body(data) } else { answer })
    }

    pub(super) fn delete_object(&self, request: &Request, bucket: &str, key: &str) -> Result<Answer, Failure> {
        let mut state = self.lock();
        let bucket = state.open(&self.account, request, bucket)?;
        if let Some(wanted) = request.header("if-match")
            && !matches_tag(wanted, &bucket.object(key)?.etag)
        {
            return Err(precondition("If-Match"));
        }
        bucket.objects.remove(key);
        Ok(Answer::empty(204))
    }

    pub(super) fn delete_objects(&self, request: &Request, bucket: &str) -> Result<Answer, Failure> {
        let checksum = verify_digests(request)?;
        if checksum.is_none() && request.header("content-md5").is_none() {
            return Err(Failure::new(400, "InvalidRequest", "Missing required header for this request: Content-MD5"));
        }
        let malformed = || {
            Failure::new(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
        };
        let node = Node::parse(&request.body).filter(|node| node.name == "Delete").ok_or_else(malformed)?;
        let keys: Vec<&Node> = node.all("Object").collect();
        if keys.is_empty() || keys.len() > 1_000 {
            return Err(malformed());
        }
        let quiet = node.text_of("Quiet") == Some("true");
        let mut state = self.lock();
        let bucket = state.open(&self.account, request, bucket)?;
        let mut xml = String::new();
        for object in keys {
            let key = object.text_of("Key").ok_or_else(malformed)?;
            if let Some(child) = object.children.iter().find(|child| !matches!(child.name.as_str(), "Key" | "ETag")) {
                return Err(Failure::gap(format!("{} of s3 DeleteObjects", child.name)));
            }
            let stale =
                object.text_of("ETag").is_some_and(|tag| bucket.objects.get(key).is_none_or(|object| !matches_tag(tag, &object.etag)));
            if stale {
                let failure = precondition("If-Match");
                xml.push_str(&format!(
                    "<Error>{}{}{}</Error>",
                    element("Key", key),
                    element("Code", &failure.code),
                    element("Message", &failure.message)
                ));
                continue;
            }
            bucket.objects.remove(key);
            if !quiet {
                xml.push_str(&format!("<Deleted>{}</Deleted>", element("Key", key)));
            }
        }
        Ok(Answer::xml(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DeleteResult {XMLNS}>{xml}</DeleteResult>")))
    }

    pub(super) fn copy_object(&self, request: &Request, bucket: &str, key: &str) -> Result<Answer, Failure> {
        check_key(key)?;
        let source = request.header("x-amz-copy-source").unwrap_or_default();
        let source = percent_encoding::percent_decode_str(source).decode_utf8_lossy().into_owned();
        if source.contains("?versionId=") {
            return Err(Failure::gap("a version of the source of s3 CopyObject"));
        }
        let (from_bucket, from_key) = source.trim_start_matches('/').split_once('/').ok_or_else(|| {
            Failure::new(400, "InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
        })?;
        let replace = request.header("x-amz-metadata-directive") == Some("REPLACE");
        if (from_bucket, from_key) == (bucket, key) && !replace {
            return Err(Failure::new(
                400,
                "InvalidRequest",
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
                 metadata, storage class, website redirect location or encryption attributes.",
            ));
        }
        let mut state = self.lock();
        let origin = state.open_as(&self.account, request, from_bucket, "x-amz-source-expected-bucket-owner")?;
        let mut object = origin.object(from_key)?.clone();
        for (header, wanted) in [("x-amz-copy-source-if-match", true), ("x-amz-copy-source-if-none-match", false)] {
            if request.header(header).is_some_and(|tag| matches_tag(tag, &object.etag) != wanted) {
                return Err(precondition(header));
            }
        }
        if replace {
            object.headers = kept_headers(request);
        }
        object.modified = request.now;
        let target = state.open(&self.account, request, bucket)?;
        write_condition(request, target, key)?;
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CopyObjectResult {XMLNS}><LastModified>{}</LastModified>\
             <ETag>&quot;{}&quot;</ETag></CopyObjectResult>",
            iso(object.modified),
            object.etag
        );
        target.objects.insert(key.to_owned(), object);
        Ok(Answer::xml(xml))
    }

    pub(super) fn object_tagging(&self, request: &Request, bucket: &str, key: &str) -> Result<Answer, Failure> {
        let mut state = self.lock();
        let object = state.open(&self.account, request, bucket)?.object(key)?;
        let set: String =
            object.tags.iter().map(|(key, value)| format!("<Tag>{}{}</Tag>", element("Key", key), element("Value", value))).collect();
        Ok(Answer::xml(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Tagging {XMLNS}><TagSet>{set}</TagSet></Tagging>")))
    }

    pub(super) fn put_object_tagging(&self, request: &Request, bucket: &str, key: &str) -> Result<Answer, Failure> {
        verify_digests(request)?;
        let node = Node::parse(&request.body);
        let set = node.as_ref().and_then(|node| node.child("TagSet")).ok_or_else(|| {
            Failure::new(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
        })?;
        let text = |tag: &Node, name: &str| tag.text_of(name).unwrap_or_default().to_owned();
        let tags = set.all("Tag").map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect();
        let mut state = self.lock();
        let bucket = state.open(&self.account, request, bucket)?;
        bucket.objects.get_mut(key).ok_or_else(no_such_key)?.tags = tags;
        Ok(Answer::empty(200))
    }
}

/// `If-None-Match: *` and `If-Match: "etag"` of a write.
pub(super) fn write_condition(request: &Request, bucket: &Bucket, key: &str) -> Result<(), Failure> {
    let existing = bucket.objects.get(key);
    if let Some(condition) = request.header("if-none-match") {
        if condition != "*" {
            return Err(Failure::new(501, "NotImplemented", "A header you provided implies functionality that is not implemented"));
        }
        if existing.is_some() {
            return Err(precondition("If-None-Match"));
        }
    }
    if let Some(condition) = request.header("if-match") {
        let object = existing.ok_or_else(no_such_key)?;
        if !matches_tag(condition, &object.etag) {
            return Err(precondition("If-Match"));
        }
    }
    Ok(())
}

/// The conditions of a read: an error, a 304, or nothing.
fn read_condition(request: &Request, object: &Object) -> Result<Option<Answer>, Failure> {
    if request.header("if-match").is_some_and(|tag| !matches_tag(tag, &object.etag)) {
        return Err(precondition("If-Match"));
    }
    if request.header("if-none-match").is_some_and(|tag| matches_tag(tag, &object.etag)) {
        return Ok(Some(
            Answer::empty(304).header("etag", format!("\"{}\"", object.etag)).header("last-modified", http_date(object.modified)),
        ));
    }
    for header in ["if-modified-since", "if-unmodified-since"] {
        if request.header(header).is_some() {
            return Err(Failure::gap(format!("{header} of s3 {}", request.operation)));
        }
    }
    Ok(None)
}

fn precondition(condition: &str) -> Failure {
    let message = format!("At least one of the pre-conditions you specified did not hold ({})", escape(condition));
    Failure::new(412, "PreconditionFailed", message)
}

fn matches_tag(given: &str, etag: &str) -> bool {
    given == "*" || given.trim_matches('"') == etag
}

/// First and last byte of a range; `None` when the header is to be ignored.
fn byte_range(text: &str, size: usize) -> Result<Option<(usize, usize)>, Failure> {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|spec| spec.split_once('-')) else {
        return Ok(None);
    };
    let unsatisfiable =
        || Failure::new(416, "InvalidRange", "The requested range is not satisfiable").header("content-range", format!("bytes */{size}"));
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if first > last => Ok(None),
        (Ok(first), _) if first >= size => Err(unsatisfiable()),
        (Ok(first), Ok(last)) => Ok(Some((first, last.min(size - 1)))),
        (Ok(first), Err(_)) if last.is_empty() => Ok(Some((first, size - 1))),
        (Err(_), Ok(0)) if first.is_empty() => Err(unsatisfiable()),
        (Err(_), Ok(_)) if first.is_empty() && size == 0 => Err(unsatisfiable()),
        (Err(_), Ok(suffix)) if first.is_empty() => Ok(Some((size.saturating_sub(suffix), size - 1))),
        _ => Ok(None),
    }
}

/// Checks `Content-MD5` and checksums, and answers the checksum that is to be kept.
pub(super) fn verify_digests(request: &Request) -> Result<Option<(String, String)>, Failure> {
    let bad = |name: &str| Failure::new(400, "BadDigest", format!("The {name} you specified did not match the calculated checksum."));
    if request.header("content-md5").is_some_and(|given| given != checksums::md5_base64(&request.body)) {
        return Err(Failure::new(400, "BadDigest", "The Content-MD5 you specified did not match what we received."));
    }
    let mut kept = None;
    for header in request.headers.keys().map(http::HeaderName::as_str) {
        let Some(name) = header.strip_prefix("x-amz-checksum-") else { continue };
        if matches!(name, "mode" | "type" | "algorithm") {
            continue;
        }
        if !ALGORITHMS.contains(&name) {
            return Err(Failure::gap(format!("checksum {name} of s3")));
        }
        let computed = checksums::by_name(name, &request.body);
        if computed.as_deref() != request.header(header) {
            return Err(bad(&name.to_uppercase()));
        }
        kept = computed.map(|value| (name.to_owned(), value));
    }
    Ok(kept)
}

pub(super) fn kept_headers(request: &Request) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = request
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-amz-meta-") || KEPT.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    // aws-chunked is how it travelled, not what it is.
    if let Some(encoding) = headers.remove("content-encoding") {
        let real: Vec<&str> = encoding.split(',').map(str::trim).filter(|part| *part != "aws-chunked" && !part.is_empty()).collect();
        if !real.is_empty() {
            headers.insert("content-encoding".to_owned(), real.join(","));
        }
    }
    headers.entry("content-type".to_owned()).or_insert_with(|| "binary/octet-stream".to_owned());
    headers
}

pub(super) fn header_tags(request: &Request) -> Result<Vec<(String, String)>, Failure> {
    let tags = parse_query(request.header("x-amz-tagging").unwrap_or_default());
    if tags.len() > 10 {
        return Err(Failure::new(400, "BadRequest", "Object tags cannot be greater than 10"));
    }
    Ok(tags)
}

pub(super) fn check_key(key: &str) -> Result<(), Failure> {
    if key.len() > 1_024 {
        return Err(Failure::new(400, "KeyTooLongError", "Your key is too long"));
    }
    Ok(())
}

/// An object made of parts.
pub(super) fn assembled(parts: &[Bytes], headers: BTreeMap<String, String>, tags: Vec<(String, String)>, now: jiff::Timestamp) -> Object {
    let digests: Vec<u8> = parts.iter().flat_map(|part| hex::decode(checksums::md5_hex(part)).unwrap_or_default()).collect();
    Object {
        etag: format!("{}-{}", checksums::md5_hex(&digests), parts.len()),
        data: parts.concat().into(),
        modified: now,
        headers,
        tags,
        checksum: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, size, expected) in [
            ("bytes=0-3", 10, Ok(Some((0, 3)))),
            ("bytes=5-", 10, Ok(Some((5, 9)))),
            ("bytes=-4", 10, Ok(Some((6, 9)))),
            ("bytes=-40", 10, Ok(Some((0, 9)))),
            ("bytes=8-99", 10, Ok(Some((8, 9)))),
            ("bytes=10-", 10, Err(416)),
            ("bytes=0-", 0, Err(416)),
            ("bytes=4-2", 10, Ok(None)),
            ("lines=1-2", 10, Ok(None)),
        ] {
            assert_eq!(byte_range(text, size).map_err(|failure| failure.status), expected, "{text} of {size}");
        }
    }
}
