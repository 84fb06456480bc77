//! S3 in memory: conditional writes, expected owners, checksums and listings as S3 has them.
//!
//! Versions are not kept: a versioning configuration is stored and returned, but an overwritten object is gone.

mod buckets;
mod list;
mod multipart;
mod objects;
mod state;

use async_trait::async_trait;
use http::Method;
use percent_encoding::percent_decode_str;

use crate::protocol::{Answer, Failure, Request};
use crate::router::Backend;
pub(crate) use state::S3;

/// Sub-resources whose configuration is stored as it was sent and returned.
const CONFIGURATIONS: [(&str, &str); 8] = [
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("encryption", "BucketEncryption"),
    ("policy", "BucketPolicy"),
    ("versioning", "BucketVersioning"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("tagging", "BucketTagging"),
    ("notification", "BucketNotificationConfiguration"),
];

const HEADERS: [&str; 22] = [
    "x-amz-acl",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-checksum-type",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-none-match",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-server-side-encryption",
    "x-amz-source-expected-bucket-owner",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-trailer",
    "x-amz-user-agent",
];

/// Bucket and key that a path names; both may be missing.
pub(crate) fn place(request: &Request) -> (Option<String>, Option<String>) {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let path = request.path.strip_prefix('/').unwrap_or(&request.path);
    let host = request.header("host").unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    if let Some(bucket) = host.strip_suffix(".localhost") {
        let bucket = bucket.strip_suffix(".s3").unwrap_or(bucket);
        return (Some(bucket.to_owned()), Some(decode(path)).filter(|key| !key.is_empty()));
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (Some(decode(bucket)).filter(|name| !name.is_empty()), Some(decode(key)).filter(|key| !key.is_empty()))
}

fn name(request: &Request) -> Option<String> {
    let (bucket, key) = place(request);
    let has = |name: &str| request.query(name).is_some();
    let method = &request.method;
    if bucket.is_none() {
        return (method == Method::GET).then(|| "ListBuckets".to_owned());
    }
    let plain = match (key.is_some(), method) {
        (true, &Method::PUT) if has("uploadId") => "UploadPart",
        (true, &Method::POST) if has("uploadId") => "CompleteMultipartUpload",
        (true, &Method::DELETE) if has("uploadId") => "AbortMultipartUpload",
        (true, &Method::POST) if has("uploads") => "CreateMultipartUpload",
        (false, &Method::GET) if has("uploads") => "ListMultipartUploads",
        (true, &Method::GET) if has("tagging") => "GetObjectTagging",
        (true, &Method::PUT) if has("tagging") => "PutObjectTagging",
        (true, &Method::PUT) if request.headers.contains_key("x-amz-copy-source") => "CopyObject",
        (true, &Method::PUT) => "PutObject",
        (true, &Method::GET) => "GetObject",
        (true, &Method::HEAD) => "HeadObject",
        (true, &Method::DELETE) => "DeleteObject",
        (false, &Method::POST) if has("delete") => "DeleteObjects",
        (false, &Method::HEAD) => "HeadBucket",
        (false, &Method::GET) if has("location") => "GetBucketLocation",
        (false, &Method::GET) if request.query("list-type") == Some("2") => "ListObjectsV2",
        (false, _) => return bucket_configuration(request),
        _ => return None,
    };
    Some(plain.to_owned())
}

fn bucket_configuration(request: &Request) -> Option<String> {
    let verb = match request.method {
        Method::GET => "Get",
        Method::PUT => "Put",
        Method::DELETE => "Delete",
        _ => return None,
    };
    for (query, operation) in CONFIGURATIONS {
        if request.query(query).is_some() {
            // The one whose deletion has a shorter name.
            let operation = if verb == "Delete" && query == "lifecycle" { "BucketLifecycle" } else { operation };
            return Some(format!("{verb}{operation}"));
        }
    }
    if let Some((name, _)) =
        request.query.iter().find(|(name, value)| value.is_empty() && name != "prefix" && name != "delimiter" && name != "marker")
    {
        return Some(format!("{verb}Bucket?{name}"));
    }
    Some(match verb {
        "Get" => "ListObjects".to_owned(),
        "Put" => "CreateBucket".to_owned(),
        _ => "DeleteBucket".to_owned(),
    })
}

fn refuse_unknown(request: &Request) -> Result<(), Failure> {
    for header in request.headers.keys().map(http::HeaderName::as_str) {
        let free = header.starts_with("x-amz-meta-") || header.starts_with("x-amz-checksum-");
        if header.starts_with("x-amz-") && !free && !HEADERS.contains(&header) {
            return Err(Failure::gap(format!("header {header} of s3 {}", request.operation)));
        }
    }
    let listing: &[&str] =
        &["list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after", "encoding-type", "fetch-owner", "marker"];
    let known: &[&str] = match request.operation.as_str() {
        "ListObjectsV2" | "ListObjects" => listing,
        "UploadPart" => &["uploadId", "partNumber"],
        "CompleteMultipartUpload" | "AbortMultipartUpload" => &["uploadId"],
        "CreateMultipartUpload" | "ListMultipartUploads" => &["uploads"],
        "GetObjectTagging" | "PutObjectTagging" => &["tagging"],
        "DeleteObjects" => &["delete"],
        "GetBucketLocation" => &["location"],
        operation => &CONFIGURATIONS.iter().find(|(_, name)| operation.ends_with(&name[1..])).map_or([""], |(query, _)| [query]),
    };
    for (name, _) in &request.query {
        let signing = name.starts_with("X-Amz-") || name == "x-id";
        if !signing && !known.contains(&name.as_str()) {
            return Err(Failure::gap(format!("query parameter {name} of s3 {}", request.operation)));
        }
    }
    for (header, only) in [("x-amz-server-side-encryption", "AES256"), ("x-amz-storage-class", "STANDARD"), ("x-amz-acl", "private")] {
        if request.header(header).is_some_and(|value| value != only && value != "bucket-owner-full-control") {
            return Err(Failure::gap(format!("{header} other than {only} of s3 {}", request.operation)));
        }
    }
    Ok(())
}

#[async_trait]
impl Backend for S3 {
    fn operation(&self, request: &Request) -> String {
        name(request).unwrap_or_else(|| format!("{} {}", request.method, request.path))
    }

    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        refuse_unknown(request)?;
        let (bucket, key) = place(request);
        let bucket = bucket.unwrap_or_default();
        let key = key.unwrap_or_default();
        match request.operation.as_str() {
            "ListBuckets" => self.list_buckets(),
            "CreateBucket" => self.create_bucket(request, &bucket),
            "DeleteBucket" => self.delete_bucket(request, &bucket),
            "HeadBucket" => self.head_bucket(request, &bucket),
            "GetBucketLocation" => self.location(request, &bucket),
            "ListObjectsV2" => self.list_objects(request, &bucket, list::Version::Two),
            "ListObjects" => self.list_objects(request, &bucket, list::Version::One),
            "DeleteObjects" => self.delete_objects(request, &bucket),
            "PutObject" => self.put_object(request, &bucket, &key),
            "CopyObject" => self.copy_object(request, &bucket, &key),
            "GetObject" => self.get_object(request, &bucket, &key, true),
            "HeadObject" => self.get_object(request, &bucket, &key, false),
            "DeleteObject" => self.delete_object(request, &bucket, &key),
            "GetObjectTagging" => self.object_tagging(request, &bucket, &key),
            "PutObjectTagging" => self.put_object_tagging(request, &bucket, &key),
            "CreateMultipartUpload" => self.create_upload(request, &bucket, &key),
            "UploadPart" => self.upload_part(request, &bucket),
            "CompleteMultipartUpload" => self.complete_upload(request, &bucket, &key),
            "AbortMultipartUpload" => self.abort_upload(request, &bucket),
            "ListMultipartUploads" => self.list_uploads(request, &bucket),
            operation => self.configuration(request, &bucket, operation),
        }
    }
}
