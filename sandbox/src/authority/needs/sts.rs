//! STS.

use crate::form::Form;
use crate::protocol::Failure;

use super::{Facts, Need, listed, listed_tags};

pub(super) fn needs(facts: &Facts<'_>) -> Result<Vec<Need>, Failure> {
    match facts.request.operation.as_str() {
        // Everybody may know who they are, whatever any policy says.
        "GetCallerIdentity" => Ok(Vec::new()),
        "AssumeRole" => Ok(assume_role(facts)),
        "DecodeAuthorizationMessage" => Ok(vec![facts.need("*")]),
        _ => Err(facts.gap()),
    }
}

fn assume_role(facts: &Facts<'_>) -> Vec<Need> {
    let form = Form::parse(&facts.request.body);
    let role = form.peek("RoleArn").unwrap_or("*");
    let tags = listed_tags(&form, "Tags.member");
    let role_tags = facts.iam.role_by_arn(role).map(|role| role.tags).unwrap_or_default();
    let mut keys = Need::new("", "")
        .giving(&tags)
        .on_tagged("iam", &role_tags)
        .with_some("sts:RoleSessionName", form.peek("RoleSessionName"))
        .with_some("sts:ExternalId", form.peek("ExternalId"));
    let transitive = listed(&form, "TransitiveTagKeys.member");
    if !transitive.is_empty() {
        keys.context.insert("sts:transitivetagkeys".to_owned(), transitive);
    }
    let mut actions = vec!["sts:AssumeRole"];
    if !tags.is_empty() {
        actions.push("sts:TagSession");
    }
    actions.into_iter().map(|action| Need { action: action.to_owned(), resource: role.to_owned(), ..keys.clone() }).collect()
}
