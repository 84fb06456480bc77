//! SNS.

use crate::form::Form;
use crate::protocol::Failure;

use super::{Facts, Need, listed_tags};

pub(super) fn needs(facts: &Facts<'_>) -> Result<Vec<Need>, Failure> {
    let form = Form::parse(&facts.request.body);
    let topic = || form.peek("TopicArn").unwrap_or("*").to_owned();
    match facts.request.operation.as_str() {
        "CreateTopic" => {
            let arn = facts.arn(form.peek("Name").unwrap_or_default());
            let tags = listed_tags(&form, "Tags.member");
            let mut needs = vec![facts.need(arn.clone()).giving(&tags)];
            if !tags.is_empty() {
                needs.push(Need::new("sns:TagResource", arn).giving(&tags));
            }
            Ok(needs)
        }
        "Subscribe" => {
            let need = facts.need(topic()).with_some("sns:Protocol", form.peek("Protocol"));
            Ok(vec![need.with_some("sns:Endpoint", form.peek("Endpoint"))])
        }
        "DeleteTopic" | "ListSubscriptionsByTopic" | "Publish" => Ok(vec![facts.need(topic())]),
        "ListTagsForResource" => Ok(vec![facts.need(form.peek("ResourceArn").unwrap_or("*"))]),
        // Neither knows resources.
        "ListTopics" | "Unsubscribe" => Ok(vec![facts.need("*")]),
        // Whoever has the token may.
        "ConfirmSubscription" => Ok(Vec::new()),
        _ => Err(facts.gap()),
    }
}
