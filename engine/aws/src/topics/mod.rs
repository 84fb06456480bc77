//! SNS.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::Builder;
use aws_sdk_sns::types::Tag;
use serde_json::json;
use spawn_core::ports::{Note, Result, Subscription, Tags, Topics};
use spawn_model::error::{Class, Error};

use crate::endpoint::{Call, Endpoint};
use crate::error::Tolerate;

const CREATE: Call = Call::repeatable("sns", "CreateTopic");
const DELETE: Call = Call::repeatable("sns", "DeleteTopic");
const SUBSCRIBE: Call = Call::repeatable("sns", "Subscribe");
const UNSUBSCRIBE: Call = Call::repeatable("sns", "Unsubscribe");
const LIST: Call = Call::repeatable("sns", "ListSubscriptionsByTopic");
const PUBLISH: Call = Call::once("sns", "Publish");

const GONE: &[&str] = &["NotFound", "NotFoundException"];

/// The protocol of mail.
const EMAIL: &str = "email";

/// The topics of one region.
#[derive(Debug)]
pub(crate) struct Sns {
    client: Client,
    endpoint: Arc<Endpoint>,
}

impl Sns {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint }
    }
}

#[async_trait]
impl Topics for Sns {
    async fn ensure(&self, name: &str, tags: &Tags) -> Result<String> {
        let incomplete = |cause| Error::new(Class::Bug, "InvalidRequest", format!("a tag lacks a part: {cause}"), "");
        let tags: Result<Vec<Tag>> =
            tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(incomplete)).collect();
        let create = self.client.create_topic().name(name).set_tags(Some(tags?));
        let answer = self.endpoint.call(CREATE, || create.clone().send()).await?;
        answer.topic_arn.ok_or_else(|| Error::new(Class::Bug, "InvalidAnswer", "SNS made a topic and did not say which", ""))
    }

    async fn delete(&self, arn: &str) -> Result<()> {
        let delete = self.client.delete_topic().topic_arn(arn);
        self.endpoint.call(DELETE, || delete.clone().send()).await.tolerate(GONE)?;
        Ok(())
    }

    async fn subscribe(&self, arn: &str, address: &str) -> Result<()> {
        let subscribe = self.client.subscribe().topic_arn(arn).protocol(EMAIL).endpoint(address);
        self.endpoint.call(SUBSCRIBE, || subscribe.clone().send()).await?;
        Ok(())
    }

    async fn unsubscribe(&self, subscription: &str) -> Result<()> {
        let unsubscribe = self.client.unsubscribe().subscription_arn(subscription);
        self.endpoint.call(UNSUBSCRIBE, || unsubscribe.clone().send()).await.tolerate(GONE)?;
        Ok(())
    }

    async fn subscriptions(&self, arn: &str) -> Result<Option<Vec<Subscription>>> {
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let list = self.client.list_subscriptions_by_topic().topic_arn(arn).set_next_token(token);
            let Some(page) = self.endpoint.call(LIST, || list.clone().send()).await.tolerate(GONE)? else { return Ok(None) };
            for known in page.subscriptions.unwrap_or_default() {
                let (Some(address), Some(state)) = (known.endpoint, known.subscription_arn) else { continue };
                // What was ended is listed for a while.
                if known.protocol.as_deref() == Some(EMAIL) && state != "Deleted" {
                    found.push(Subscription { address, arn: Some(state).filter(|state| state.starts_with("arn:")) });
                }
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(Some(found));
            }
        }
    }

    async fn publish(&self, arn: &str, note: Note<'_>) -> Result<()> {
        let message = json!({ "default": note.document, EMAIL: note.text }).to_string();
        let publish = self.client.publish().topic_arn(arn).subject(note.subject).message(message).message_structure("json");
        self.endpoint.call(PUBLISH, || publish.clone().send()).await?;
        Ok(())
    }
}
