//! S3.

mod bucket;

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use spawn_core::ports::{Condition, Objects, Result, Written};
use spawn_model::error::{Class, Error};

use crate::endpoint::{Call, Endpoint};
use crate::error::{Tolerate, refused_item};
use crate::identity::Account;

const PUT: Call = Call::repeatable("s3", "PutObject");
const PUT_IF: Call = Call::once("s3", "PutObject");
const GET: Call = Call::repeatable("s3", "GetObject");
/// Who may not list a bucket is refused an absent key, and an answer to HEAD does not say which of the two rights is missing.
const HEAD: Call = Call::repeatable("s3", "HeadObject").needing("s3:GetObject or s3:ListBucket");
const LIST: Call = Call::repeatable("s3", "ListObjectsV2").needing("s3:ListBucket");
const DELETE: Call = Call::repeatable("s3", "DeleteObject");
const DELETE_IF: Call = Call::once("s3", "DeleteObject");
const DELETE_MANY: Call = Call::repeatable("s3", "DeleteObjects").needing("s3:DeleteObject");

/// The most keys that `DeleteObjects` takes.
const DELETE_MAX: usize = 1000;

/// The buckets of one account.
#[derive(Debug)]
pub(crate) struct S3 {
    client: Client,
    endpoint: Arc<Endpoint>,
    account: Arc<Account>,
    region: String,
}

impl S3 {
    pub(crate) fn new(config: &SdkConfig, region: &str, account: Arc<Account>) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let builder = Builder::from(config).interceptor(endpoint.watch());
        // An endpoint of one's own has no host name for each bucket.
        let builder = if has_own_endpoint(config) { builder.force_path_style(true) } else { builder };
        Self { client: Client::from_conf(builder.build()), endpoint, account, region: region.to_owned() }
    }

    async fn get_once(&self, bucket: &str, key: &str, owner: &str) -> Result<(Vec<u8>, String)> {
        let sent = self.client.get_object().bucket(bucket).key(key).expected_bucket_owner(owner).send().await;
        let answer = sent.map_err(|error| self.endpoint.translate(GET, &error))?;
        let etag = answer.e_tag().unwrap_or_default().to_owned();
        let body = answer.body.collect().await.map_err(|cause| {
            let message = format!("reading s3://{bucket}/{key} broke off: {cause}");
            Error::new(Class::Transient, "NoAnswer", message, "Try again")
        })?;
        Ok((body.to_vec(), etag))
    }

    async fn delete_many(&self, bucket: &str, keys: &[String], owner: &str) -> Result<()> {
        let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build()).collect::<Result<Vec<_>, _>>();
        let delete = objects.and_then(|objects| Delete::builder().set_objects(Some(objects)).quiet(true).build());
        let delete = delete.map_err(|cause| Error::new(Class::Bug, "InvalidRequest", format!("a deletion lacks a part: {cause}"), ""))?;
        let request = self.client.delete_objects().bucket(bucket).delete(delete).expected_bucket_owner(owner);
        self.endpoint
            .repeat(DELETE_MANY, || {
                let sent = request.clone().send();
                async move {
                    let answer = sent.await.map_err(|error| self.endpoint.translate(DELETE_MANY, &error))?;
                    let refused = answer.errors().iter().find(|item| item.code() != Some("NoSuchKey"));
                    refused.map_or(Ok(()), |item| {
                        let words = format!("{}: {}", item.key().unwrap_or_default(), item.message().unwrap_or_default());
                        Err(refused_item(DELETE_MANY, item.code().unwrap_or("InternalError"), &words))
                    })
                }
            })
            .await
    }
}

#[async_trait]
impl Objects for S3 {
    async fn put(&self, bucket: &str, key: &str, body: Vec<u8>, condition: Condition) -> Result<Written> {
        let owner = self.account.id().await?;
        let (call, if_none_match, if_match) = match &condition {
            Condition::Always => (PUT, None, None),
            Condition::Absent => (PUT_IF, Some("*".to_owned()), None),
            Condition::Unchanged(etag) => (PUT_IF, None, Some(etag.clone())),
        };
        let send = || {
            let put = self.client.put_object().bucket(bucket).key(key).expected_bucket_owner(owner).body(ByteStream::from(body.clone()));
            put.set_if_none_match(if_none_match.clone()).set_if_match(if_match.clone()).send()
        };
        // An `If-Match` on an object that is gone is answered with 404.
        let refusals: &[&str] = if call.repeatable { &[] } else { &["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"] };
        let answer = self.endpoint.call(call, send).await.tolerate(refusals)?;
        Ok(answer.map_or(Written::Refused, |answer| Written::Done(answer.e_tag.unwrap_or_default())))
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<(Vec<u8>, String)>> {
        let owner = self.account.id().await?;
        self.endpoint.repeat(GET, || self.get_once(bucket, key, owner)).await.tolerate(&["NoSuchKey"])
    }

    async fn exists(&self, bucket: &str, key: &str) -> Result<bool> {
        let head = self.client.head_object().bucket(bucket).key(key).expected_bucket_owner(self.account.id().await?);
        // An answer to HEAD has no body, and with it no code that would tell a missing bucket from a missing key.
        let answer = self.endpoint.call(HEAD, || head.clone().send()).await.tolerate(&["NotFound", "NoSuchKey", "HTTP404"])?;
        Ok(answer.is_some())
    }

    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>> {
        let list = self.client.list_objects_v2().bucket(bucket).prefix(prefix).expected_bucket_owner(self.account.id().await?);
        let mut keys = Vec::new();
        let mut next = None;
        loop {
            let request = list.clone().set_continuation_token(next.take());
            let page = self.endpoint.call(LIST, || request.clone().send()).await?;
            keys.extend(page.contents().iter().filter_map(|object| object.key()).map(str::to_owned));
            next = page.next_continuation_token;
            if next.is_none() {
                return Ok(keys);
            }
        }
    }

    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<()> {
        let owner = self.account.id().await?;
        if let [key] = keys {
            let delete = self.client.delete_object().bucket(bucket).key(key).expected_bucket_owner(owner);
            self.endpoint.call(DELETE, || delete.clone().send()).await.tolerate(&["NoSuchKey"])?;
            return Ok(());
        }
        for batch in keys.chunks(DELETE_MAX) {
            self.delete_many(bucket, batch, owner).await?;
        }
        Ok(())
    }

    async fn delete_unchanged(&self, bucket: &str, key: &str, etag: &str) -> Result<bool> {
        let owner = self.account.id().await?;
        let delete = self.client.delete_object().bucket(bucket).key(key).expected_bucket_owner(owner).if_match(etag);
        let deleted = self.endpoint.call(DELETE_IF, || delete.clone().send()).await;
        match deleted.map(drop) {
            Err(error) if ["PreconditionFailed", "ConditionalRequestConflict"].contains(&error.code.as_str()) => Ok(false),
            deleted => deleted.tolerate(&["NoSuchKey"]).map(|_| true),
        }
    }

    async fn bucket_ensure(&self, bucket: &str, policy: &str) -> Result<()> {
        self.bucket_make(bucket, policy).await
    }

    async fn bucket_delete(&self, bucket: &str) -> Result<()> {
        self.bucket_remove(bucket).await
    }
}

/// Whether S3 is asked at another place than AWS's own: by an option, a profile or the environment.
fn has_own_endpoint(config: &SdkConfig) -> bool {
    config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some()
}
