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

/// The service that a trust policy of an account lets assume a role, if it is one of ours.
pub(super) fn trusted(document: &str, account: &str) -> Option<String> {
    let document: Value = serde_json::from_str(document).ok()?;
    let service = document["Statement"][0]["Principal"]["Service"].as_str()?;
    let ours = trust_policy(service, needs_account(service).then_some(account));
    let ours: Value = serde_json::from_str(&ours).ok()?;
    (document == ours).then(|| service.to_owned())
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

    #[test]
    fn a_role_is_trusted_to_a_service_only_by_a_policy_like_ours() {
        let account = "123456789012";
        let ours = |service: &str| trust_policy(service, needs_account(service).then_some(account));
        let (ec2, ssm) = ("ec2.amazonaws.com", "ssm.amazonaws.com");
        let spaced = ours(ec2).replace("\":", "\" : ");
        let shared = ours(ec2).replace(r#"{"Service":"ec2.amazonaws.com"}"#, r#"{"AWS":"*","Service":"ec2.amazonaws.com"}"#);
        let two = ours(ec2).replace("}]", r#"},{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"AWS":"*"}}]"#);
        for (document, expected) in [
            (ours(ec2), Some(ec2)),
            (ours(ssm), Some(ssm)),
            (spaced, Some(ec2)),
            (ours(ssm).replace(account, "210987654321"), None),
            (trust_policy(ssm, None), None),
            (trust_policy(ec2, Some(account)), None),
            (ours(ec2).replace("Allow", "Deny"), None),
            (shared, None),
            (two, None),
            ("{}".to_owned(), None),
            ("{".to_owned(), None),
        ] {
            assert_eq!(trusted(&document, account).as_deref(), expected, "{document}");
        }
    }
}
