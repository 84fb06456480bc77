//! S3.

use crate::backends::s3::place;
use crate::protocol::Failure;
use crate::xml::Node;

use super::{Facts, Need};

/// Header fields that are condition keys, each as `s3:` and its own name.
const HEADERS: [&str; 8] = [
    "if-match",
    "if-none-match",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
];

/// Query parameters of listings that are condition keys.
const LISTING: [&str; 3] = ["prefix", "delimiter", "max-keys"];

pub(super) fn needs(facts: &Facts<'_>) -> Result<Vec<Need>, Failure> {
    let request = facts.request;
    let (bucket, key) = place(request);
    let Some(bucket) = bucket else { return Ok(vec![of_call(facts, facts.need("*"))]) };
    let bucket = format!("arn:aws:s3:::{bucket}");
    if let Some(key) = key {
        return Ok(on_object(facts, &bucket, &key).into_iter().map(|need| of_call(facts, need)).collect());
    }
    if request.operation == "DeleteObjects" {
        let node = Node::parse(&request.body).unwrap_or_default();
        let keys = node.all("Object").filter_map(|object| object.text_of("Key"));
        return Ok(keys.map(|key| of_call(facts, facts.need(format!("{bucket}/{key}")))).collect());
    }
    let mut need = of_call(facts, facts.need(bucket));
    if request.operation.starts_with("ListObjects") {
        for name in LISTING {
            need = need.with_some(&format!("s3:{name}"), request.query(name));
        }
    }
    Ok(vec![need])
}

fn on_object(facts: &Facts<'_>, bucket: &str, key: &str) -> Vec<Need> {
    let request = facts.request;
    let object = format!("{bucket}/{key}");
    let mut needs = vec![facts.need(object.clone())];
    if let Some(source) = request.header("x-amz-copy-source") {
        let source = percent_encoding::percent_decode_str(source.trim_start_matches('/')).decode_utf8_lossy();
        needs.push(Need::new("s3:GetObject", format!("arn:aws:s3:::{source}")));
    }
    // Who writes on the condition that an object is still the same learns something of it.
    if request.operation == "PutObject" && request.header("if-match").is_some() {
        needs.push(Need::new("s3:GetObject", object.clone()));
    }
    if request.header("x-amz-tagging").is_some() {
        needs.push(Need::new("s3:PutObjectTagging", object));
    }
    needs
}

/// A right with what every call of S3 has.
fn of_call(facts: &Facts<'_>, need: Need) -> Need {
    let request = facts.request;
    let signed_in = if request.query("X-Amz-Signature").is_some() { "REST-QUERY-STRING" } else { "REST-HEADER" };
    let need =
        need.with("s3:authType", signed_in).with("s3:signatureversion", "AWS4-HMAC-SHA256").with("s3:ResourceAccount", facts.account);
    HEADERS.iter().fold(need, |need, name| need.with_some(&format!("s3:{name}"), request.header(name)))
}
