//! What an alert tells by, as it is to be and as it is.

use std::collections::BTreeMap;

use futures::join;
use jiff::SignedDuration;
use spawn_model::alert::{AlertRecord, AlertSpec, SECRETS_OF};
use spawn_model::error::{Class, Error};
use spawn_model::layout;
use spawn_model::problem::Path;

use crate::engine::Engine;
use crate::operation::Operation;
use crate::ports::{Result, Subscription};
use crate::retry::patiently;
use crate::tags;

/// How long a list of parameters may be behind what was put.
const LISTED_WITHIN: SignedDuration = SignedDuration::from_mins(1);
/// After how long it is asked for again.
const LISTED_AGAIN_MS: u64 = 2_000;

/// What there is.
pub(super) struct Channels {
    /// The topic, if it is there.
    pub(super) topic_arn: Option<String>,
    /// Its subscriptions.
    subscriptions: Vec<Subscription>,
    /// The versions of secrets, by channel.
    versions: BTreeMap<String, i64>,
}

impl Channels {
    /// What is recorded, as far as somebody has changed it.
    pub(super) fn seen(&self, record: &AlertRecord) -> AlertSpec {
        let mut seen = record.spec.clone();
        seen.notify.email.retain(|address| self.subscription(address).is_some());
        for Subscription { address, arn } in &self.subscriptions {
            // One that was left out before anybody confirmed it cannot be ended, and SNS forgets it.
            if arn.is_some() && !is_among(address, &seen.notify.email) {
                seen.notify.email.push(address.clone());
            }
        }
        let is_as_put = |channel: &str| record.secrets.get(channel) == self.versions.get(channel);
        if let Some(slack) = seen.notify.slack.as_mut().filter(|_| !(is_as_put("slack") && record.secrets.contains_key("slack"))) {
            slack.webhook_url_version = 0;
        }
        if let Some(webhook) = seen.notify.webhook.as_mut().filter(|_| !is_as_put("webhook")) {
            webhook.secret_version = 0;
        }
        seen
    }

    /// The addresses that nobody has confirmed, or that have said no since.
    pub(super) fn unconfirmed(&self, record: &AlertRecord) -> Vec<String> {
        let is_confirmed = |address: &&String| self.subscription(address).is_some_and(|known| known.arn.is_some());
        record.spec.notify.email.iter().filter(|address| !is_confirmed(address)).cloned().collect()
    }

    fn subscription(&self, address: &str) -> Option<&Subscription> {
        self.subscriptions.iter().find(|known| known.address.eq_ignore_ascii_case(address))
    }
}

fn is_among(address: &str, addresses: &[String]) -> bool {
    addresses.iter().any(|known| known.eq_ignore_ascii_case(address))
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
        let (name, tags) = (layout::topic_name(&record.id), tags::ours());
        patiently(aws, operation, || async { aws.topics.ensure(&name, &tags).await }).await.map_err(|e| e.context("making the topic"))?;
        let known = aws.topics.subscriptions(&arn).await?.unwrap_or_default();
        for address in &spec.notify.email {
            if !known.iter().any(|known| known.address.eq_ignore_ascii_case(address)) {
                let subscribed = patiently(aws, operation, || async { aws.topics.subscribe(&arn, address).await }).await;
                subscribed.map_err(|e| e.context(&format!("subscribing {address}")))?;
            }
        }
        for surplus in known.iter().filter(|known| !is_among(&known.address, &spec.notify.email)) {
            if let Some(arn) = &surplus.arn {
                patiently(aws, operation, || async { aws.topics.unsubscribe(arn).await }).await?;
            }
        }
        Ok(())
    }

    /// Puts the secrets there, and removes those that nothing needs. Whether one is another one than before nobody can tell who may not read it.
    async fn secrets_put(&self, spec: &AlertSpec, record: &AlertRecord, operation: &Operation) -> Result<BTreeMap<String, i64>> {
        let aws = self.aws();
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
            operation.say(&format!("secret of {channel}"));
            let name = layout::secret_name(&record.id, channel);
            let version = patiently(aws, operation, || async { aws.systems.secret_put(&name, secret.reveal()).await }).await;
            put.insert(channel.to_owned(), version.map_err(|e| e.context(&format!("keeping the secret of {channel}")))?);
        }
        self.secrets_remove(record, |channel| !put.contains_key(channel), operation).await?;
        Ok(put)
    }

    /// Removes secrets, whether or not anybody has heard of them: what was put a moment ago is not listed yet.
    async fn secrets_remove(&self, record: &AlertRecord, goes: impl Fn(&str) -> bool, operation: &Operation) -> Result<()> {
        let aws = self.aws();
        for (channel, ..) in SECRETS_OF.into_iter().filter(|(channel, ..)| goes(channel)) {
            let name = layout::secret_name(&record.id, channel);
            patiently(aws, operation, || async { aws.systems.parameter_delete(&name).await }).await?;
        }
        Ok(())
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
        self.secrets_remove(record, |_| true, &quiet).await
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
            let found = self.versions(record).await?;
            if found == record.secrets || self.now() >= record.touched_at + LISTED_WITHIN {
                return Ok(found);
            }
            // What was put a moment ago may not be listed yet.
            self.aws().clock.sleep(LISTED_AGAIN_MS).await;
            self.versions(record).await
        };
        let (subscriptions, versions) = join!(subscriptions, versions);
        let (subscriptions, versions) = (subscriptions?, versions?);
        Ok(Channels { topic_arn: subscriptions.as_ref().map(|_| arn), subscriptions: subscriptions.unwrap_or_default(), versions })
    }
}
