//! How people are told: topics of SNS, and addresses that are posted to.

use async_trait::async_trait;
use spawn_model::alert::Secret;

use super::{Result, Tags};

/// A subscription of an address of mail.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Subscription {
    /// The address.
    pub address: String,
    /// Its ARN; nothing while nobody has confirmed it, and then nobody can end it: SNS forgets it after 48 hours.
    pub arn: Option<String>,
}

/// What is published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Note<'a> {
    /// The subject of a mail: ASCII, at most 100 characters.
    pub subject: &'a str,
    /// What a mail says.
    pub text: &'a str,
    /// What everybody else gets: JSON.
    pub document: &'a str,
}

/// SNS.
#[async_trait]
pub trait Topics: Send + Sync {
    /// `CreateTopic`. It exists with the same tags counts as done. The ARN.
    async fn ensure(&self, name: &str, tags: &Tags) -> Result<String>;
    /// `DeleteTopic`, with its subscriptions. Gone is gone.
    async fn delete(&self, arn: &str) -> Result<()>;
    /// `Subscribe`: an address of mail, which is asked whether it agrees.
    async fn subscribe(&self, arn: &str, address: &str) -> Result<()>;
    /// `Unsubscribe`. Gone is gone.
    async fn unsubscribe(&self, subscription: &str) -> Result<()>;
    /// `ListSubscriptionsByTopic`: those of mail, one call a page of 100; nothing if there is no such topic.
    async fn subscriptions(&self, arn: &str) -> Result<Option<Vec<Subscription>>>;
    /// `Publish`.
    async fn publish(&self, arn: &str, note: Note<'_>) -> Result<()>;
}

/// Something that is posted.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The address, which may be a secret.
    pub url: Secret,
    /// Headers beside those of every JSON document.
    pub headers: Vec<(String, Secret)>,
    /// A JSON document.
    pub body: String,
}

/// Addresses of other people's programs.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// `POST`. `WebhookRefused` unless the answer is a success, without the address: nobody follows where it leads elsewhere.
    async fn post(&self, webhook: &Webhook) -> Result<()>;
}
