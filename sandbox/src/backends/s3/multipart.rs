//! Uploads in parts.

use crate::callers::random_id;
use crate::checksums;
use crate::protocol::{Answer, Failure, Request};
use crate::xml::{Node, element};

use super::objects::{assembled, check_key, header_tags, kept_headers, verify_digests, write_condition};
use super::state::{S3, State, Upload};

const XMLNS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
/// Every part but the last has at least 5 MiB.
const SMALLEST_PART: usize = 5 * 1024 * 1024;

impl S3 {
    pub(super) fn create_upload(&self, request: &Request, bucket: &str, key: &str) -> Result<Answer, Failure> {
        check_key(key)?;
        let mut state = self.lock();
        state.open(&self.account, request, bucket)?;
        let id = random_id(32);
        let upload = Upload {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            headers: kept_headers(request),
            tags: header_tags(request)?,
            parts: std::collections::BTreeMap::new(),
        };
        state.uploads.insert(id.clone(), upload);
        Ok(Answer::xml(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InitiateMultipartUploadResult {XMLNS}>{}{}{}</InitiateMultipartUploadResult>",
            element("Bucket", bucket),
            element("Key", key),
            element("UploadId", &id)
        )))
    }

    pub(super) fn upload_part(&self, request: &Request, bucket: &str) -> Result<Answer, Failure> {
        if request.header("x-amz-copy-source").is_some() {
            return Err(Failure::gap("s3 UploadPartCopy"));
        }
        let checksum = verify_digests(request)?;
        let number = request.query("partNumber").and_then(|text| text.parse::<u32>().ok()).filter(|n| (1..=10_000).contains(n));
        let number =
            number.ok_or_else(|| Failure::new(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive"))?;
        let mut state = self.lock();
        state.open(&self.account, request, bucket)?;
        state.upload(request)?.parts.insert(number, request.body.clone());
        let mut answer = Answer::empty(200).header("etag", format!("\"{}\"", checksums::md5_hex(&request.body)));
        if let Some((algorithm, value)) = checksum {
            answer = answer.header(&format!("x-amz-checksum-{algorithm}"), value);
        }
        Ok(answer)
    }

    pub(super) fn complete_upload(&self, request: &Request, bucket: &str, key: &str) -> Result<Answer, Failure> {
        let node = Node::parse(&request.body).ok_or_else(|| {
            Failure::new(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
        })?;
        let mut state = self.lock();
        state.open(&self.account, request, bucket)?;
        let upload = state.upload(request)?;
        let mut parts = Vec::new();
        for part in node.all("Part") {
            let number = part.text_of("PartNumber").and_then(|text| text.parse::<u32>().ok()).unwrap_or_default();
            let data = upload.parts.get(&number).cloned();
            let etag = part.text_of("ETag").unwrap_or_default().trim_matches('"');
            let data = data.filter(|data| checksums::md5_hex(data) == etag).ok_or_else(|| {
                Failure::new(
                    400,
                    "InvalidPart",
                    "One or more of the specified parts could not be found. The part may not have been uploaded, or the \
                     specified entity tag may not match the part's entity tag.",
                )
            })?;
            parts.push(data);
        }
        if parts.iter().rev().skip(1).any(|part| part.len() < SMALLEST_PART) {
            return Err(Failure::new(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"));
        }
        let object = assembled(&parts, upload.headers.clone(), upload.tags.clone(), request.now);
        let etag = object.etag.clone();
        let target = state.open(&self.account, request, bucket)?;
        write_condition(request, target, key)?;
        target.objects.insert(key.to_owned(), object);
        state.uploads.remove(request.query("uploadId").unwrap_or_default());
        Ok(Answer::xml(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUploadResult {XMLNS}>{}{}<ETag>&quot;{etag}&quot;</ETag>\
             </CompleteMultipartUploadResult>",
            element("Bucket", bucket),
            element("Key", key)
        )))
    }

    pub(super) fn abort_upload(&self, request: &Request, bucket: &str) -> Result<Answer, Failure> {
        let mut state = self.lock();
        state.open(&self.account, request, bucket)?;
        state.upload(request)?;
        state.uploads.remove(request.query("uploadId").unwrap_or_default());
        Ok(Answer::empty(204))
    }

    pub(super) fn list_uploads(&self, request: &Request, bucket: &str) -> Result<Answer, Failure> {
        let mut state = self.lock();
        state.open(&self.account, request, bucket)?;
        let list: String = state
            .uploads
            .iter()
            .filter(|(_, upload)| upload.bucket == bucket)
            .map(|(id, upload)| format!("<Upload>{}{}</Upload>", element("Key", &upload.key), element("UploadId", id)))
            .collect();
        Ok(Answer::xml(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListMultipartUploadsResult {XMLNS}>{}<IsTruncated>false</IsTruncated>\
             {list}</ListMultipartUploadsResult>",
            element("Bucket", bucket)
        )))
    }
}

impl State {
    fn upload(&mut self, request: &Request) -> Result<&mut Upload, Failure> {
        let id = request.query("uploadId").unwrap_or_default();
        self.uploads.get_mut(id).ok_or_else(|| {
            Failure::new(
                404,
                "NoSuchUpload",
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
            )
        })
    }
}
