//! Buckets and their configurations.

use crate::protocol::{Answer, Failure, Request};
use crate::times::iso;
use crate::xml::{Node, element};

use super::CONFIGURATIONS;
use super::state::{Bucket, S3};

const XMLNS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

impl S3 {
    pub(super) fn list_buckets(&self) -> Result<Answer, Failure> {
        let state = self.lock();
        let mut list = String::new();
        for (name, bucket) in state.buckets.iter().filter(|(_, bucket)| bucket.owner == self.account) {
            let created = element("CreationDate", &iso(bucket.created));
            list.push_str(&format!("<Bucket>{}{created}{}</Bucket>", element("Name", name), element("BucketRegion", &bucket.region)));
        }
        Ok(Answer::xml(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListAllMyBucketsResult {XMLNS}><Owner>{}</Owner>\
             <Buckets>{list}</Buckets></ListAllMyBucketsResult>",
            element("ID", &self.account)
        )))
    }

    pub(super) fn create_bucket(&self, request: &Request, name: &str) -> Result<Answer, Failure> {
        if !valid_name(name) {
            return Err(Failure::new(400, "InvalidBucketName", "The specified bucket is not valid."));
        }
        if request.header("x-amz-bucket-object-lock-enabled").is_some_and(|value| value != "false") {
            return Err(Failure::gap("object lock of s3 CreateBucket"));
        }
        let (region, tags) = creation(request)?;
        let mut state = self.lock();
        if let Some(bucket) = state.buckets.get(name) {
            if bucket.owner != self.account {
                return Err(Failure::new(
                    409,
                    "BucketAlreadyExists",
                    "The requested bucket name is not available. The bucket namespace is shared by all users of the system. \
                     Please select a different name and try again.",
                ));
            }
            // us-east-1 alone answers a repeated creation with success, as it always has.
            if bucket.region == "us-east-1" && region == "us-east-1" {
                return Ok(Answer::empty(200).header("location", format!("/{name}")));
            }
            return Err(Failure::new(
                409,
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own it.",
            ));
        }
        let mut bucket = Bucket {
            owner: self.account.clone(),
            region,
            created: request.now,
            configurations: defaults(request.header("x-amz-object-ownership")),
            objects: std::collections::BTreeMap::new(),
        };
        if let Some(tags) = tags {
            bucket.configurations.insert("tagging".to_owned(), tags.into());
        }
        state.buckets.insert(name.to_owned(), bucket);
        Ok(Answer::empty(200).header("location", format!("/{name}")))
    }

    pub(super) fn delete_bucket(&self, request: &Request, name: &str) -> Result<Answer, Failure> {
        let mut state = self.lock();
        let bucket = state.open(&self.account, request, name)?;
        if !bucket.objects.is_empty() {
            return Err(Failure::new(409, "BucketNotEmpty", "The bucket you tried to delete is not empty"));
        }
        state.buckets.remove(name);
        state.uploads.retain(|_, upload| upload.bucket != name);
        Ok(Answer::empty(204))
    }

    pub(super) fn head_bucket(&self, request: &Request, name: &str) -> Result<Answer, Failure> {
        let mut state = self.lock();
        let bucket = state.open(&self.account, request, name)?;
        Ok(Answer::empty(200).header("x-amz-bucket-region", bucket.region.clone()).header("x-amz-access-point-alias", "false"))
    }

    pub(super) fn location(&self, request: &Request, name: &str) -> Result<Answer, Failure> {
        let mut state = self.lock();
        // Asked from any region: this is how clients find out.
        let region = state.buckets.get(name).map_or(request.region.clone(), |bucket| bucket.region.clone());
        let request = Request { region, ..request.clone() };
        let bucket = state.open(&self.account, &request, name)?;
        let region = if bucket.region == "us-east-1" { "" } else { &bucket.region };
        Ok(Answer::xml(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint {XMLNS}>{region}</LocationConstraint>")))
    }

    /// Get, Put and Delete of the configurations that are stored as they come.
    pub(super) fn configuration(&self, request: &Request, name: &str, operation: &str) -> Result<Answer, Failure> {
        let known = CONFIGURATIONS.iter().find(|(query, _)| request.query(query).is_some());
        let Some((query, _)) = known else {
            return Err(Failure::gap(format!("s3 {operation}")));
        };
        let mut state = self.lock();
        let bucket = state.open(&self.account, request, name)?;
        if operation.starts_with("Get") {
            let content = if *query == "policy" { "application/json" } else { "application/xml" };
            return match bucket.configurations.get(*query) {
                Some(body) => Ok(Answer::empty(200).header("content-type", content).with_body(body.clone())),
                None => missing(query),
            };
        }
        if operation.starts_with("Delete") {
            bucket.configurations.remove(*query);
            if *query == "encryption" {
                // A bucket always encrypts; deleting goes back to the default.
                bucket.configurations.extend(defaults(None).into_iter().filter(|(key, _)| key == query));
            }
            return Ok(Answer::empty(204));
        }
        super::objects::verify_digests(request)?;
        check_configuration(query, &request.body)?;
        bucket.configurations.insert((*query).to_owned(), request.body.clone());
        Ok(Answer::empty(if *query == "policy" { 204 } else { 200 }))
    }
}

fn check_configuration(query: &str, body: &[u8]) -> Result<(), Failure> {
    if query == "policy" {
        return match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(policy) if policy.get("Statement").is_some() => Ok(()),
            _ => Err(Failure::new(400, "MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")),
        };
    }
    let root = match query {
        "lifecycle" => "LifecycleConfiguration",
        "publicAccessBlock" => "PublicAccessBlockConfiguration",
        "encryption" => "ServerSideEncryptionConfiguration",
        "versioning" => "VersioningConfiguration",
        "ownershipControls" => "OwnershipControls",
        "tagging" => "Tagging",
        _ => "NotificationConfiguration",
    };
    let node = Node::parse(body).filter(|node| node.name == root).ok_or_else(malformed)?;
    if query == "notification" && !node.children.is_empty() {
        return Err(Failure::gap("event notifications of s3 buckets"));
    }
    if query == "lifecycle" && !node.all("Rule").all(|rule| rule.text_of("Status").is_some()) {
        return Err(malformed());
    }
    Ok(())
}

fn malformed() -> Failure {
    Failure::new(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

fn missing(query: &str) -> Result<Answer, Failure> {
    let (code, message) = match query {
        "lifecycle" => ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
        "publicAccessBlock" => ("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"),
        "policy" => ("NoSuchBucketPolicy", "The bucket policy does not exist"),
        "ownershipControls" => ("OwnershipControlsNotFoundError", "The bucket ownership controls were not found"),
        "tagging" => ("NoSuchTagSet", "The TagSet does not exist"),
        other => {
            let root = if other == "versioning" { "VersioningConfiguration" } else { "NotificationConfiguration" };
            return Ok(Answer::xml(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} {XMLNS}/>")));
        }
    };
    Err(Failure::new(404, code, message))
}

/// What a new bucket has without being asked: public access blocked, owner enforced, AES-256.
fn defaults(ownership: Option<&str>) -> std::collections::BTreeMap<String, bytes::Bytes> {
    let ownership = ownership.unwrap_or("BucketOwnerEnforced");
    let block = "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
                 <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>";
    let encryption = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>\
                      </ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>";
    [
        ("publicAccessBlock", format!("<PublicAccessBlockConfiguration {XMLNS}>{block}</PublicAccessBlockConfiguration>")),
        ("encryption", format!("<ServerSideEncryptionConfiguration {XMLNS}>{encryption}</ServerSideEncryptionConfiguration>")),
        (
            "ownershipControls",
            format!("<OwnershipControls {XMLNS}><Rule>{}</Rule></OwnershipControls>", element("ObjectOwnership", ownership)),
        ),
    ]
    .into_iter()
    .map(|(key, body)| (key.to_owned(), body.into()))
    .collect()
}

/// Region and tags of a creation, by the rules of the region's own endpoint.
fn creation(request: &Request) -> Result<(String, Option<String>), Failure> {
    let here = request.region.as_str();
    let body = if request.body.is_empty() { None } else { Some(Node::parse(&request.body).ok_or_else(malformed)?) };
    let mut wanted = None;
    let mut tags = None;
    for child in body.iter().flat_map(|node| &node.children) {
        match child.name.as_str() {
            "LocationConstraint" => wanted = Some(child.text.trim().to_owned()).filter(|text| !text.is_empty()),
            "Tags" => {
                let set: String = child
                    .all("Tag")
                    .map(|tag| {
                        let part = |name| element(name, tag.text_of(name).unwrap_or_default());
                        format!("<Tag>{}{}</Tag>", part("Key"), part("Value"))
                    })
                    .collect();
                tags = Some(format!("<Tagging {XMLNS}><TagSet>{set}</TagSet></Tagging>"));
            }
            other => return Err(Failure::gap(format!("{other} of s3 CreateBucket"))),
        }
    }
    match wanted.as_deref() {
        None if here == "us-east-1" => Ok((here.to_owned(), tags)),
        None => Err(illegal("unspecified")),
        Some("us-east-1") => Err(Failure::new(400, "InvalidLocationConstraint", "The specified location-constraint is not valid")),
        Some(region) if region == here || here == "us-east-1" => Ok((region.to_owned(), tags)),
        Some(region) => Err(illegal(region)),
    }
}

fn illegal(region: &str) -> Failure {
    Failure::new(
        400,
        "IllegalLocationConstraintException",
        format!("The {region} location constraint is incompatible for the region specific endpoint this request was sent to."),
    )
}

fn valid_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
        && edge(name.chars().next())
        && edge(name.chars().last())
        && !name.contains("..")
        && !name.split('.').all(|part| part.parse::<u8>().is_ok())
        && !name.starts_with("xn--")
        && !name.ends_with("-s3alias")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules() {
        for (name, valid) in [
            ("my-bucket.1", true),
            ("ab", false),
            ("Upper", false),
            ("-edge", false),
            ("edge-", false),
            ("a..b", false),
            ("192.168.1.1", false),
            ("xn--bucket", false),
            ("under_score", false),
        ] {
            assert_eq!(valid_name(name), valid, "{name}");
        }
    }
}
