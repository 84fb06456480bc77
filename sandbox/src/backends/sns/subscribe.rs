//! Who listens to a topic, and whether they have said that they want to.

use serde_json::json;

use crate::callers::random_secret;
use crate::form::Form;
use crate::protocol::{Failure, Request};
use crate::times::iso_seconds;
use crate::xml::element;

use super::outbox::Parcel;
use super::state::Subscription;
use super::{Sns, invalid, no_topic, page};

/// What a subscription is called until it is confirmed.
const PENDING: &str = "pending confirmation";

impl Sns {
    pub(super) fn subscribe(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let (arn, protocol, endpoint) = (form.need("TopicArn")?, form.need("Protocol")?, form.need("Endpoint")?);
        let wants_arn = form.take("ReturnSubscriptionArn").as_deref() == Some("true");
        match protocol.as_str() {
            "email" if endpoint.split('@').filter(|part| !part.is_empty()).count() == 2 => {}
            "email" => return Err(invalid("Email address")),
            "http" if endpoint.starts_with("http://") => {}
            "http" => return Err(invalid("Endpoint must match the specified protocol")),
            other => return Err(Failure::gap(format!("sns subscriptions of the protocol {other}"))),
        }
        let mut state = self.lock();
        let topic = state.topics.get_mut(&arn).ok_or_else(no_topic)?;
        topic.forget_unconfirmed(request.now);
        let known = topic.subscriptions.iter().find(|(_, known)| known.protocol == protocol && known.endpoint == endpoint);
        let (subscription, known) = match known {
            Some((arn, known)) => (arn.clone(), known.clone()),
            None => {
                let made = Subscription {
                    protocol,
                    endpoint,
                    token: random_secret().replace(['/', '+'], "-"),
                    is_confirmed: false,
                    asked_at: request.now,
                };
                let subscription = format!("{arn}:{}", uuid::Uuid::new_v4());
                topic.subscriptions.insert(subscription.clone(), made.clone());
                (subscription, made)
            }
        };
        if !known.is_confirmed {
            self.outbox.send(self.confirmation(&arn, &known, request));
        }
        let shown = if known.is_confirmed || wants_arn { subscription.as_str() } else { PENDING };
        Ok(element("SubscriptionArn", shown))
    }

    /// What is sent to whoever is to confirm.
    fn confirmation(&self, topic: &str, subscription: &Subscription, request: &Request) -> Parcel {
        let Subscription { endpoint, token, .. } = subscription;
        let url = format!("{}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}", self.endpoint);
        if subscription.protocol == "email" {
            let text = format!(
                "You have chosen to subscribe to the topic:\n{topic}\n\nTo confirm this subscription, visit this address:\n{url}\n\nIf you did \
                 not ask for it, ignore this mail."
            );
            return Parcel::Mail { to: endpoint.clone(), subject: "AWS Notification - Subscription Confirmation".to_owned(), text };
        }
        let body = json!({
            "Type": "SubscriptionConfirmation", "MessageId": uuid::Uuid::new_v4().to_string(), "Token": token, "TopicArn": topic,
            "Message": format!("You have chosen to subscribe to the topic {topic}."), "SubscribeURL": url,
            "Timestamp": iso_seconds(request.now),
        });
        Parcel::Post { to: endpoint.clone(), kind: "SubscriptionConfirmation", topic: topic.to_owned(), body: body.to_string() }
    }

    pub(super) fn confirm(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let (arn, token) = (form.need("TopicArn")?, form.need("Token")?);
        let mut state = self.lock();
        let topic = state.topics.get_mut(&arn).ok_or_else(no_topic)?;
        topic.forget_unconfirmed(request.now);
        let meant = topic.subscriptions.iter_mut().find(|(_, known)| known.token == token);
        let (subscription, known) = meant.ok_or_else(|| invalid("Token"))?;
        known.is_confirmed = true;
        Ok(element("SubscriptionArn", subscription))
    }

    pub(super) fn unsubscribe(&self, form: &mut Form) -> Result<String, Failure> {
        let subscription = form.need("SubscriptionArn")?;
        if subscription.split(':').count() != 7 {
            return Err(invalid(format!("SubscriptionArn Reason: An ARN must have at least 6 elements, not {subscription}")));
        }
        for topic in self.lock().topics.values_mut() {
            topic.subscriptions.remove(&subscription);
        }
        Ok(String::new())
    }

    pub(super) fn list_subscriptions(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let arn = form.need("TopicArn")?;
        let mut state = self.lock();
        let topic = state.topics.get_mut(&arn).ok_or_else(no_topic)?;
        topic.forget_unconfirmed(request.now);
        let all: Vec<(&String, &Subscription)> = topic.subscriptions.iter().collect();
        let (listed, next) = page(&all, form)?;
        let member = |(subscription, known): &(&String, &Subscription)| {
            let shown = if known.is_confirmed { subscription.as_str() } else { "PendingConfirmation" };
            let parts = [
                element("SubscriptionArn", shown),
                element("Owner", &self.account),
                element("Protocol", &known.protocol),
                element("Endpoint", &known.endpoint),
                element("TopicArn", &arn),
            ];
            format!("<member>{}</member>", parts.concat())
        };
        Ok(format!("<Subscriptions>{}</Subscriptions>{next}", listed.iter().map(member).collect::<String>()))
    }
}
