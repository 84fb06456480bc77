//! Documents that name whom they speak of: a role's trust policy.

use serde_json::{Value, json};

use super::evaluate::texts;
use super::{Context, Decision, Statements};

/// Whether a trust policy lets a service assume its role; an error names what is not known.
pub(crate) fn trusts(document: &str, service: &str, context: &Context) -> Result<bool, String> {
    let root: Value = serde_json::from_str(document).unwrap_or_default();
    let statements = match &root["Statement"] {
        Value::Array(list) => list.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let mut about = Vec::new();
    for mut statement in statements {
        if statement.get("NotPrincipal").is_some() {
            return Err("element NotPrincipal".to_owned());
        }
        let principal = &statement["Principal"];
        if principal != "*" && !texts(&principal["Service"]).iter().any(|name| name == "*" || name == service) {
            continue;
        }
        // What is left is evaluated like any statement; the role itself is its resource.
        if let Some(map) = statement.as_object_mut() {
            map.remove("Principal");
            map.insert("Resource".to_owned(), json!("*"));
        }
        about.push(statement);
    }
    let document = json!({"Statement": about}).to_string();
    Ok(Statements::parse(&[document]).decide("sts:AssumeRole", "*", context)? == Decision::Allow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_trusted_by_what_names_it_and_under_its_conditions() {
        let context = Context::from([("aws:sourceaccount".to_owned(), vec!["1".to_owned()])]);
        let allow = |principal: Value, condition: Value| {
            let mut statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
            if !condition.is_null() {
                statement["Condition"] = condition;
            }
            statement
        };
        let lambda = json!({"Service": "lambda.amazonaws.com"});
        for (statements, expected) in [
            (json!([allow(lambda.clone(), Value::Null)]), true),
            (json!(allow(json!({"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}), Value::Null)), true),
            (json!([allow(json!({"Service": "ec2.amazonaws.com"}), Value::Null)]), false),
            (json!([allow(json!({"AWS": "arn:aws:iam::1:role/lambda.amazonaws.com"}), Value::Null)]), false),
            (json!([allow(lambda.clone(), json!({"StringEquals": {"aws:SourceAccount": "1"}}))]), true),
            (json!([allow(lambda.clone(), json!({"StringEquals": {"aws:SourceAccount": "2"}}))]), false),
            (json!([{"Effect": "Allow", "Principal": lambda, "Action": "sts:TagSession"}]), false),
            (json!([allow(lambda.clone(), Value::Null), {"Effect": "Deny", "Principal": "*", "Action": "sts:*"}]), false),
            (json!([]), false),
        ] {
            let document = json!({"Statement": statements}).to_string();
            assert_eq!(trusts(&document, "lambda.amazonaws.com", &context), Ok(expected), "{document}");
        }
    }
}
