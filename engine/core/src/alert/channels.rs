//! What an alert tells by, as it is to be and as it is.

use std::collections::BTreeMap;

use futures::join;
use spawn_model::alert::{AlertRecord, AlertSpec};
use spawn_model::error::{Class, Error};
use spawn_model::layout;
use spawn_model::problem::Path;
use spawn_model::record::SCHEMA;
use spawn_model::tag;

use crate::engine::Engine;
use crate::operation::Operation;
use crate::ports::{Result, Subscription, Tags};
use crate::retry::patiently;

/// What there is.
pub(super) struct Channels {
    /// The topic, if it is there.
    pub(super) topic_arn: Option<String>,
    /// Its subscriptions.
    pub(super) subscriptions: Vec<Subscription>,
    /// The versions of secrets, by channel.
    versions: BTreeMap<String, i64>,
}

impl Channels {
    /// What is recorded, as far as somebody has changed it.
    pub(super) fn seen(&self, record: &AlertRecord) -> AlertSpec {
        let mut seen = record.spec.clone();
        let is_subscribed = |address: &String| self.subscriptions.iter().any(|known| known.address == *address);
        let mut addresses: Vec<String> = record.spec.notify.email.iter().filter(|address| is_subscribed(address)).cloned().collect();
        for Subscription { address, arn } in &self.subscriptions {
            // One that was left out before anybody confirmed it cannot be ended, and SNS forgets it.
            if arn.is_some() && !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        seen.notify.email = addresses;
        let is_as_put = |channel: &str| record.secrets.get(channel) == self.versions.get(channel);
        if let Some(slack) = seen.notify.slack.as_mut().filter(|_| !(is_as_put("slack") && record.secrets.contains_key("slack"))) {
            slack.webhook_url_version = 0;
        }
        if let Some(webhook) = seen.notify.webhook.as_mut().filter(|_| !is_as_put("webhook")) {
            webhook.secret_version = 0;
        }
        seen
    }
}

impl Engine {
    /// Makes what an alert tells by; the versions of its secrets.
    pub(super) async fn channels_put(
        &self,
        spec: &AlertSpec,
        record: &AlertRecord,
        operation: &Operation,
    ) -> Result<BTreeMap<String, i64>> {
        operation.go_on()?;
        self.mail_put(spec, record, operation).await?;
        self.secrets_put(spec, record, operation).await
    }

    async fn mail_put(&self, spec: &AlertSpec, record: &AlertRecord, operation: &Operation) -> Result<()> {
        let (aws, arn) = (self.aws(), self.topic_arn(record));
        if spec.notify.email.is_empty() {
            return patiently(aws, operation, || async { aws.topics.delete(&arn).await }).await;
        }
        operation.say("topic and subscriptions for mail");
        let (name, tags) = (layout::topic_name(&record.id), tags());
        patiently(aws, operation, || async { aws.topics.ensure(&name, &tags).await }).await.map_err(|e| e.context("making the topic"))?;
        let known = aws.topics.subscriptions(&arn).await?.unwrap_or_default();
        for address in &spec.notify.email {
            if !known.iter().any(|known| known.address == *address) {
                let subscribed = patiently(aws, operation, || async { aws.topics.subscribe(&arn, address).await }).await;
                subscribed.map_err(|e| e.context(&format!("subscribing {address}")))?;
            }
        }
        for surplus in known.iter().filter(|known| !spec.notify.email.contains(&known.address)) {
            if let Some(arn) = &surplus.arn {
                patiently(aws, operation, || async { aws.topics.unsubscribe(arn).await }).await?;
            }
        }
        Ok(())
    }

    /// Puts secrets where they are not what was put there, and removes those that nothing needs.
    async fn secrets_put(&self, spec: &AlertSpec, record: &AlertRecord, operation: &Operation) -> Result<BTreeMap<String, i64>> {
        let (aws, found) = (self.aws(), self.versions(record).await?);
        let mut put = BTreeMap::new();
        for (channel, _, secret) in spec.notify.secrets() {
            let Some(secret) = secret else {
                if channel == "slack" {
                    let path = Path::field("notify").key(channel).key("webhook_url");
                    let message = "the address of the incoming webhook is not known";
                    return Err(Error::new(Class::Invalid, "NoSecret", message, "Write webhook_url").at(path));
                }
                continue;
            };
            let recorded = record.secrets.get(channel);
            let version = match recorded.filter(|recorded| found.get(channel) == Some(recorded)) {
                Some(version) => *version,
                None => {
                    operation.say(&format!("secret of {channel}"));
                    let name = layout::secret_name(&record.id, channel);
                    let version = patiently(aws, operation, || async { aws.systems.secret_put(&name, secret.reveal()).await }).await;
                    version.map_err(|e| e.context(&format!("keeping the secret of {channel}")))?
                }
            };
            put.insert(channel.to_owned(), version);
        }
        for channel in found.keys().filter(|channel| !put.contains_key(*channel)) {
            let name = layout::secret_name(&record.id, channel);
            patiently(aws, operation, || async { aws.systems.parameter_delete(&name).await }).await?;
        }
        Ok(put)
    }

    /// The versions of the secrets that are there, by channel.
    async fn versions(&self, record: &AlertRecord) -> Result<BTreeMap<String, i64>> {
        let prefix = layout::secrets_prefix(&record.id);
        let versions = self.aws().systems.versions(&prefix).await?;
        let channel = |(name, version): (String, i64)| Some((name.strip_prefix(&prefix)?.to_owned(), version));
        Ok(versions.into_iter().filter_map(channel).collect())
    }

    /// Removes all of it.
    pub(super) async fn channels_remove(&self, record: &AlertRecord) -> Result<()> {
        let (aws, quiet) = (self.aws(), Operation::quiet());
        let arn = self.topic_arn(record);
        patiently(aws, &quiet, || async { aws.topics.delete(&arn).await }).await?;
        for channel in self.versions(record).await?.keys() {
            let name = layout::secret_name(&record.id, channel);
            patiently(aws, &quiet, || async { aws.systems.parameter_delete(&name).await }).await?;
        }
        Ok(())
    }

    /// What there is of it.
    pub(super) async fn channels_seen(&self, record: &AlertRecord) -> Result<Channels> {
        let arn = self.topic_arn(record);
        let subscriptions = async {
            if record.spec.notify.email.is_empty() {
                return Ok(None);
            }
            self.aws().topics.subscriptions(&arn).await
        };
        let versions = async {
            if record.spec.notify.secrets().is_empty() {
                return Ok(BTreeMap::new());
            }
            self.versions(record).await
        };
        let (subscriptions, versions) = join!(subscriptions, versions);
        let (subscriptions, versions) = (subscriptions?, versions?);
        Ok(Channels { topic_arn: subscriptions.as_ref().map(|_| arn), subscriptions: subscriptions.unwrap_or_default(), versions })
    }
}

fn tags() -> Tags {
    Tags::from([(tag::MANAGED.to_owned(), "true".to_owned()), (tag::SCHEMA.to_owned(), SCHEMA.to_string())])
}
