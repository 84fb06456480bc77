//! SNS: standard topics, subscriptions of mail and of HTTP, and what is published.
//!
//! Mail goes to the SMTP server that the sandbox was given, or lies in files beside it; HTTP goes to loopback and nowhere else. Both happen:
//! a subscription is confirmed by whoever follows the address in what was sent, and nothing else confirms it.

mod outbox;
mod publish;
mod state;
mod subscribe;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::form::Form;
use crate::protocol::{Answer, Failure, Request};
use crate::router::Backend;
use crate::xml::element;

use outbox::Outbox;
use state::{State, Subscription, Topic};

/// Characters of a topic's name.
const NAME_MAX: usize = 256;

/// Entries of a page.
const PAGE: usize = 100;

/// The topics of an account.
pub(crate) struct Sns {
    account: String,
    endpoint: String,
    state: Mutex<State>,
    outbox: Outbox,
}

/// Where mail goes.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    /// Host and port of an SMTP server on loopback; without one mail lies in files.
    pub(crate) smtp: Option<String>,
    /// Where they lie.
    pub(crate) dir: PathBuf,
}

pub(super) fn invalid(what: impl std::fmt::Display) -> Failure {
    Failure::new(400, "InvalidParameter", format!("Invalid parameter: {what}"))
}

pub(super) fn no_topic() -> Failure {
    Failure::new(404, "NotFound", "Topic does not exist")
}

impl Sns {
    /// Topics whose messages are delivered until the sandbox stops.
    pub(crate) fn new(account: &str, endpoint: &str, mail: Mail, stop: CancellationToken) -> Self {
        Self { account: account.to_owned(), endpoint: endpoint.to_owned(), state: Mutex::default(), outbox: Outbox::open(mail, stop) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the account holds.
    pub(crate) fn snapshot(&self) -> Value {
        let subscription = |s: &Subscription| json!({ "protocol": s.protocol, "endpoint": s.endpoint, "confirmed": s.is_confirmed });
        let topic = |(arn, topic): (&String, &Topic)| {
            let subscriptions: Vec<Value> = topic.subscriptions.values().map(subscription).collect();
            (arn.clone(), json!({ "tags": topic.tags, "subscriptions": subscriptions }))
        };
        Value::Object(self.lock().topics.iter().map(topic).collect())
    }

    fn arn(&self, region: &str, name: &str) -> String {
        format!("arn:aws:sns:{region}:{}:{name}", self.account)
    }

    fn create_topic(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let name = form.need("Name")?;
        if name.ends_with(".fifo") {
            return Err(Failure::gap("FIFO topics of sns"));
        }
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
            return Err(invalid("Topic Name"));
        }
        let tags: BTreeMap<String, String> = form.tags().into_iter().collect();
        let arn = self.arn(&request.region, &name);
        let mut state = self.lock();
        let topic = state.topics.entry(arn.clone()).or_insert_with(|| Topic { tags: tags.clone(), ..Topic::default() });
        if topic.tags != tags {
            return Err(invalid("Tags Reason: Topic already exists with different tags"));
        }
        Ok(element("TopicArn", &arn))
    }

    fn list_topics(&self, request: &Request, form: &mut Form) -> Result<String, Failure> {
        let prefix = self.arn(&request.region, "");
        let all: Vec<String> = self.lock().topics.keys().filter(|arn| arn.starts_with(&prefix)).cloned().collect();
        let (page, next) = page(&all, form)?;
        let topics: String = page.iter().map(|arn| format!("<member>{}</member>", element("TopicArn", arn))).collect();
        Ok(format!("<Topics>{topics}</Topics>{next}"))
    }

    fn list_tags(&self, form: &mut Form) -> Result<String, Failure> {
        let arn = form.need("ResourceArn")?;
        let state = self.lock();
        let topic = state.topics.get(&arn).ok_or_else(|| Failure::new(404, "ResourceNotFound", "Resource does not exist"))?;
        let tag = |(key, value): (&String, &String)| format!("<member>{}{}</member>", element("Key", key), element("Value", value));
        Ok(format!("<Tags>{}</Tags>", topic.tags.iter().map(tag).collect::<String>()))
    }
}

/// A page of what is listed, and the element that leads to the next one.
fn page<'l, T>(all: &'l [T], form: &mut Form) -> Result<(&'l [T], String), Failure> {
    let from: usize = match form.take("NextToken") {
        Some(token) => token.parse().map_err(|_| invalid("NextToken"))?,
        None => 0,
    };
    let rest = all.get(from..).ok_or_else(|| invalid("NextToken"))?;
    let next = if rest.len() > PAGE { element("NextToken", &(from + PAGE).to_string()) } else { String::new() };
    Ok((&rest[..rest.len().min(PAGE)], next))
}

#[async_trait]
impl Backend for Sns {
    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        // Whoever follows the address in a mail sends no form.
        let mut form = if request.method == Method::GET { Form::of(&request.query) } else { Form::parse(&request.body) };
        let operation = request.operation.as_str();
        let result = match operation {
            "CreateTopic" => self.create_topic(request, &mut form)?,
            "DeleteTopic" => {
                let arn = form.need("TopicArn")?;
                self.lock().topics.remove(&arn);
                String::new()
            }
            "ListTopics" => self.list_topics(request, &mut form)?,
            "ListTagsForResource" => self.list_tags(&mut form)?,
            "Subscribe" => self.subscribe(request, &mut form)?,
            "ConfirmSubscription" => self.confirm(request, &mut form)?,
            "Unsubscribe" => self.unsubscribe(&mut form)?,
            "ListSubscriptionsByTopic" => self.list_subscriptions(request, &mut form)?,
            "Publish" => self.publish(request, &mut form)?,
            other => return Err(Failure::gap(format!("sns {other}"))),
        };
        form.finish(operation)?;
        let result = match operation {
            "DeleteTopic" | "Unsubscribe" => String::new(),
            _ => format!("<{operation}Result>{result}</{operation}Result>"),
        };
        Ok(Answer::xml(format!(
            "<{operation}Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">{result}\
             <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{operation}Response>",
            request.id
        )))
    }
}
