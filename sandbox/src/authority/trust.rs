//! Which service of AWS may assume a role.

use super::Context;
use super::statements::{Grant, Names, Question, Statements};
use crate::backends::iam::Role;

/// Whether a role lets a service assume it on behalf of a resource of its own account; an error names what is not known.
///
/// `source` is the ARN of that resource, for services that say for whom they act.
pub(crate) fn lets(role: &Role, service: &str, source: Option<&str>) -> Result<bool, String> {
    let mut context = Context::from([("aws:principalisawsservice".to_owned(), vec!["true".to_owned()])]);
    if let Some(source) = source {
        let account = source.split(':').nth(4).unwrap_or_default();
        context.insert("aws:sourcearn".to_owned(), vec![source.to_owned()]);
        context.insert("aws:sourceaccount".to_owned(), vec![account.to_owned()]);
    }
    let question = Question { action: "sts:AssumeRole", resource: &role.arn, context: &context };
    let names = Names { service: Some(service.to_owned()), ..Names::default() };
    Ok(Statements::parse(&[&role.trust]).grant(question, &names)? == Grant::Caller)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn role(trust: &Value) -> Role {
        Role {
            name: "r".to_owned(),
            id: "AROA".to_owned(),
            path: "/".to_owned(),
            arn: "arn:aws:iam::123456789012:role/r".to_owned(),
            created: jiff::Timestamp::UNIX_EPOCH,
            usable: jiff::Timestamp::UNIX_EPOCH,
            trust: json!({"Version": "2012-10-17", "Statement": trust}).to_string(),
            description: String::new(),
            max_session: 3_600,
            boundary: None,
            tags: Default::default(),
            inline: Default::default(),
            attached: Default::default(),
        }
    }

    #[test]
    fn a_role_is_for_those_it_names() {
        let group = "arn:aws:scheduler:us-east-1:123456789012:schedule-group/g";
        let allow = |service: &str, condition: Value| json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}, "Condition": condition});
        let account = |id: &str| json!({"StringEquals": {"aws:SourceAccount": id}});
        for (trust, source, expected) in [
            (allow("scheduler.amazonaws.com", json!({})), Some(group), true),
            (allow("ssm.amazonaws.com", json!({})), Some(group), false),
            (allow("scheduler.amazonaws.com", account("123456789012")), Some(group), true),
            (allow("scheduler.amazonaws.com", account("999999999999")), Some(group), false),
            (allow("scheduler.amazonaws.com", account("123456789012")), None, false),
            (
                allow("scheduler.amazonaws.com", json!({"ArnLike": {"aws:SourceArn": "arn:aws:scheduler:*:*:schedule-group/g"}})),
                Some(group),
                true,
            ),
            (
                allow("scheduler.amazonaws.com", json!({"ArnLike": {"aws:SourceArn": "arn:aws:scheduler:*:*:schedule-group/h"}})),
                Some(group),
                false,
            ),
            // The name of a service in another place is no trust.
            (
                json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Sid": "scheduler.amazonaws.com", "Principal": {"AWS": "*"}}),
                Some(group),
                false,
            ),
            (
                json!({"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": {"Service": "scheduler.amazonaws.com"}}),
                Some(group),
                false,
            ),
            (
                json!({"Effect": "Allow", "Action": "sts:TagSession", "Principal": {"Service": "scheduler.amazonaws.com"}}),
                Some(group),
                false,
            ),
        ] {
            assert_eq!(lets(&role(&trust), "scheduler.amazonaws.com", source), Ok(expected), "{trust}");
        }
        let unknown = allow("scheduler.amazonaws.com", json!({"StringEquals": {"aws:Weather": "fine"}}));
        assert!(lets(&role(&unknown), "scheduler.amazonaws.com", Some(group)).is_err());
    }
}
