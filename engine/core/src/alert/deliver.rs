//! Tells what has happened, and notes who took it.

use spawn_model::alert::{AlertKind, AlertRecord, Occurrence, Secret, Told};
use spawn_model::error::{Class, Error};
use spawn_model::layout;

use super::watch::Telling;
use crate::engine::{Engine, whole_second};
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::ports::{Note, Result, Webhook};

/// The header by which a receiver knows what it was sent before.
const OCCURRENCE: &str = "X-Spawn-Occurrence";

impl Engine {
    /// Tells what is due, each channel the oldest first. One that refuses is left alone until the next look: it may be slow to say so.
    pub(super) async fn deliver(
        &self,
        ledger: &Ledger,
        alert: &AlertRecord,
        told: &Told,
        telling: &mut Telling,
        operation: &Operation,
    ) -> Result<()> {
        for channel in alert.spec.notify.channels() {
            for occurrence in &told.occurrences {
                let now = whole_second(self.now());
                // A channel that was added later is not told what was before.
                if occurrence.deliveries.get(&channel).is_none_or(|delivery| !delivery.is_due(occurrence.at, now)) {
                    continue;
                }
                operation.go_on()?;
                if !self.begin(ledger, alert, occurrence, &channel).await? {
                    continue;
                }
                let sent = self.send(alert, &channel, occurrence).await;
                let refusal = sent.as_ref().err().map(|error| error.message.clone());
                let now = whole_second(self.now());
                let noted = |told: &mut Told| note(told, &occurrence.id, &channel, |delivery| delivery.ended(refusal.clone(), now));
                ledger.told_edit(&alert.id, noted).await?;
                let name = alert.spec.name.clone();
                if let Err(error) = sent {
                    telling.refused.push((name, format!("{channel}: {}", error.message)));
                    break;
                }
                telling.delivered.push((name, channel.clone()));
            }
        }
        Ok(())
    }

    /// Says that a channel is being told; not if somebody else does that at this moment.
    async fn begin(&self, ledger: &Ledger, alert: &AlertRecord, occurrence: &Occurrence, channel: &str) -> Result<bool> {
        let now = whole_second(self.now());
        let mut is_mine = false;
        let edit = |told: &mut Told| {
            is_mine = false;
            note(told, &occurrence.id, channel, |delivery| {
                is_mine = delivery.is_due(occurrence.at, now);
                if is_mine {
                    delivery.begun(now);
                }
            });
            is_mine
        };
        ledger.told_edit(&alert.id, edit).await?;
        Ok(is_mine)
    }

    async fn send(&self, alert: &AlertRecord, channel: &str, occurrence: &Occurrence) -> Result<()> {
        let (aws, notify) = (self.aws(), &alert.spec.notify);
        let document = occurrence.document.to_string();
        let note = Note { subject: &occurrence.subject, text: &occurrence.text, document: &document };
        match channel {
            "email" => {
                let arn = self.topic_arn(alert);
                let subscriptions = aws.topics.subscriptions(&arn).await?.ok_or_else(|| unheard("its topic is not there any more"))?;
                if subscriptions.iter().all(|subscription| subscription.arn.is_none()) {
                    return Err(unheard("nobody has confirmed yet that they want mail"));
                }
                aws.topics.publish(&arn, note).await
            }
            "slack" => {
                let url = self.secret(alert, channel).await?.ok_or_else(|| unheard("its address is not there any more"))?;
                let body = serde_json::json!({ "text": slack_text(occurrence) }).to_string();
                aws.webhooks.post(&Webhook { url, headers: Vec::new(), body }).await
            }
            "webhook" => {
                let Some(webhook) = &notify.webhook else { return Ok(()) };
                let mut headers = vec![(OCCURRENCE.to_owned(), Secret::new(&occurrence.id))];
                headers.extend(self.secret(alert, channel).await?.map(|secret| (webhook.header.clone(), secret)));
                aws.webhooks.post(&Webhook { url: Secret::new(&webhook.url), headers, body: document }).await
            }
            topic => aws.topics.publish(topic, note).await,
        }
    }

    async fn secret(&self, alert: &AlertRecord, channel: &str) -> Result<Option<Secret>> {
        let found = self.aws().systems.secret(&layout::secret_name(&alert.id, channel)).await?;
        if found.is_none() && alert.secrets.contains_key(channel) {
            return Err(unheard("its secret is not there any more"));
        }
        Ok(found.map(Secret::new))
    }
}

/// Changes what is noted of one delivery; says whether there is one.
fn note(told: &mut Told, occurrence: &str, channel: &str, edit: impl FnOnce(&mut spawn_model::alert::Delivery)) -> bool {
    let known = told.occurrences.iter_mut().find(|known| known.id == occurrence);
    known.and_then(|known| known.deliveries.get_mut(channel)).map(edit).is_some()
}

fn unheard(why: &str) -> Error {
    Error::new(Class::NotFound, "NobodyListens", why, "`spawn alert show` says how its channels are")
}

/// What has happened in bold, and the rest as it stands.
fn slack_text(occurrence: &Occurrence) -> String {
    let escaped = occurrence.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let (first, rest) = escaped.split_once('\n').unwrap_or((&escaped, ""));
    let rest = rest.trim_matches('\n');
    let mark = if matches!(occurrence.kind, AlertKind::Test) { "" } else { "*" };
    if rest.is_empty() { format!("{mark}{first}{mark}") } else { format!("{mark}{first}{mark}\n```{rest}```") }
}
