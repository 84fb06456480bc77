//! Who may assume a role.

use serde_json::{Value, json};

/// Services that say for which account they act, so that no other account can make them use our role.
const SAY_FOR_WHOM: &[&str] = &["scheduler.amazonaws.com", "ssm.amazonaws.com"];

/// Whether a service's trust policy names the account.
pub(super) fn needs_account(service: &str) -> bool {
    SAY_FOR_WHOM.contains(&service)
}

/// The trust policy of a role for one service.
pub(super) fn trust_policy(service: &str, account: Option<&str>) -> String {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": { "Service": service },
        "Action": "sts:AssumeRole",
    });
    if let Some(account) = account {
        statement["Condition"] = json!({ "StringEquals": { "aws:SourceAccount": account } });
    }
    let policy: Value = json!({ "Version": "2012-10-17", "Statement": [statement] });
    policy.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_policy_names_the_account_where_the_service_does() {
        for (service, account, expected) in [
            (
                "ec2.amazonaws.com",
                None,
                json!({ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" }),
            ),
            (
                "scheduler.amazonaws.com",
                Some("123456789012"),
                json!({ "Effect": "Allow", "Principal": { "Service": "scheduler.amazonaws.com" }, "Action": "sts:AssumeRole",
                        "Condition": { "StringEquals": { "aws:SourceAccount": "123456789012" } } }),
            ),
        ] {
            assert_eq!(needs_account(service), account.is_some(), "{service}");
            let policy: Value = serde_json::from_str(&trust_policy(service, account)).expect("JSON");
            assert_eq!(policy, json!({ "Version": "2012-10-17", "Statement": [expected] }));
        }
        assert!(needs_account("ssm.amazonaws.com"));
    }
}
