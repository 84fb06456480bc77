//! SNS, and other people's addresses.

use std::collections::BTreeMap;

use async_trait::async_trait;
use spawn_core::ports::{Note, Result, Subscription, Tags, Topics, Webhook, Webhooks};
use spawn_model::error::{Class, Error};

use super::door::Door;
use super::{ACCOUNT, REGION, refusal};

/// A topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Topic {
    /// Its tags.
    pub(crate) tags: Tags,
    /// Addresses, and whether somebody has confirmed them.
    pub(crate) addresses: BTreeMap<String, bool>,
    /// Subjects and texts of what was published.
    pub(crate) published: Vec<(String, String)>,
}

/// What was posted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Posted {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

fn arn(name: &str) -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}")
}

fn gone() -> Error {
    refusal("NotFound", 404, "Topic does not exist")
}

#[async_trait]
impl Topics for Door {
    async fn ensure(&self, name: &str, tags: &Tags) -> Result<String> {
        self.call("sns:CreateTopic", |s, _| {
            let topic = s.topics.entry(arn(name)).or_insert_with(|| Topic { tags: tags.clone(), ..Topic::default() });
            if topic.tags == *tags {
                Ok(arn(name))
            } else {
                Err(refusal("InvalidParameter", 400, "Topic already exists with different tags"))
            }
        })
        .await
    }

    async fn delete(&self, arn: &str) -> Result<()> {
        self.call("sns:DeleteTopic", |s, _| {
            s.topics.remove(arn);
            Ok(())
        })
        .await
    }

    async fn subscribe(&self, arn: &str, address: &str) -> Result<()> {
        self.call("sns:Subscribe", |s, _| {
            s.topics.get_mut(arn).ok_or_else(gone)?.addresses.entry(address.to_owned()).or_insert(false);
            Ok(())
        })
        .await
    }

    async fn unsubscribe(&self, subscription: &str) -> Result<()> {
        self.call("sns:Unsubscribe", |s, _| {
            let (topic, address) = subscription.rsplit_once('/').expect("a subscription of ours");
            if let Some(topic) = s.topics.get_mut(topic) {
                topic.addresses.remove(address);
            }
            Ok(())
        })
        .await
    }

    async fn subscriptions(&self, arn: &str) -> Result<Option<Vec<Subscription>>> {
        self.call("sns:ListSubscriptionsByTopic", |s, _| {
            let subscription = |(address, confirmed): (&String, &bool)| Subscription {
                address: address.clone(),
                arn: confirmed.then(|| format!("{arn}/{address}")),
            };
            Ok(s.topics.get(arn).map(|topic| topic.addresses.iter().map(subscription).collect()))
        })
        .await
    }

    async fn publish(&self, arn: &str, note: Note<'_>) -> Result<()> {
        self.call("sns:Publish", |s, _| {
            let topic = s.topics.get_mut(arn).ok_or_else(gone)?;
            topic.published.push((note.subject.to_owned(), note.text.to_owned()));
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Webhooks for Door {
    async fn post(&self, webhook: &Webhook) -> Result<()> {
        let headers = webhook.headers.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
        let posted = Posted { url: webhook.url.reveal().to_owned(), headers, body: webhook.body.clone() };
        self.call("POST", |s, _| match &s.refuses_posts {
            Some(why) => Err(Error::new(Class::Denied, "WebhookRefused", why.clone(), "")),
            None => {
                s.posted.push(posted);
                Ok(())
            }
        })
        .await
    }
}
