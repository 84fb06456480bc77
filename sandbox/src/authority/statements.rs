//! Statements of policies: what they allow and deny, and whom.

use serde_json::Value;

use super::conditions::texts;
use super::pattern::{filled, matches, matches_arn};
use super::{Context, conditions};

/// What some statements say of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is allowed, and nothing denies it.
    Allow,
    /// Something denies it.
    Deny,
    /// Nothing speaks of it.
    Nothing,
}

/// What a resource's policy says of a call by somebody of its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grant {
    /// Nothing speaks of it.
    Nothing,
    /// The account is allowed: its identities' own policies decide.
    Account,
    /// The caller is allowed, as a role or as anybody: what limits the role still does.
    Role,
    /// The caller is allowed by name, a user or a session: nothing limits it but denials.
    Caller,
    /// Something denies it.
    Deny,
}

/// One action on one resource, with what is known of the call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// Such as `s3:GetObject`.
    pub(crate) action: &'a str,
    /// ARN, or `*`.
    pub(crate) resource: &'a str,
    /// Condition keys.
    pub(crate) context: &'a Context,
}

/// Whom the `Principal` of a resource's policy may name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// The account's id.
    pub(crate) account: String,
    /// A user's ARN, or a session's.
    pub(crate) caller: Option<String>,
    /// A session's role.
    pub(crate) role: Option<String>,
    /// A service of AWS.
    pub(crate) service: Option<String>,
}

/// The statements of some policies.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    list: Vec<Statement>,
}

#[derive(Debug)]
struct Statement {
    body: Value,
    /// Older versions of the language have no variables.
    variables: bool,
}

const ELEMENTS: [&str; 7] = ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];

impl Statements {
    /// The statements of policy documents.
    pub(crate) fn parse<T: AsRef<str>>(documents: &[T]) -> Self {
        let mut list = Vec::new();
        for document in documents {
            // Documents were checked when they were written.
            let root: Value = serde_json::from_str(document.as_ref()).unwrap_or_default();
            let variables = root["Version"] == "2012-10-17";
            let bodies = match &root["Statement"] {
                Value::Array(statements) => statements.clone(),
                Value::Null => Vec::new(),
                statement => vec![statement.clone()],
            };
            list.extend(bodies.into_iter().map(|body| Statement { body, variables }));
        }
        Self { list }
    }

    /// What they say as policies of an identity; an error names what is not known.
    pub(crate) fn decide(&self, question: Question<'_>) -> Result<Decision, String> {
        let mut decision = Decision::Nothing;
        for statement in &self.list {
            statement.has_only(&[])?;
            if !statement.names_resource(question) || !statement.is_about(question)? {
                continue;
            }
            if statement.denies() {
                return Ok(Decision::Deny);
            }
            decision = Decision::Allow;
        }
        Ok(decision)
    }

    /// What they say as the policy of a resource. A role's, which says who may assume it, names no resource.
    pub(crate) fn grant(&self, question: Question<'_>, names: &Names) -> Result<Grant, String> {
        let mut grant = Grant::Nothing;
        for statement in &self.list {
            statement.has_only(&["Principal", "NotPrincipal"])?;
            let whom = statement.whom(names)?;
            let resource = statement.body.get("Resource").or_else(|| statement.body.get("NotResource"));
            if whom == Grant::Nothing || resource.is_some() && !statement.names_resource(question) || !statement.is_about(question)? {
                continue;
            }
            grant = grant.max(if statement.denies() { Grant::Deny } else { whom });
        }
        Ok(grant)
    }
}

impl Statement {
    fn has_only(&self, more: &[&str]) -> Result<(), String> {
        let unknown = |key: &&String| !ELEMENTS.contains(&key.as_str()) && !more.contains(&key.as_str());
        match self.body.as_object().into_iter().flat_map(|map| map.keys()).find(unknown) {
            Some(key) => Err(format!("element {key}")),
            None => Ok(()),
        }
    }

    fn denies(&self) -> bool {
        self.body["Effect"] == "Deny"
    }

    /// Whether action and conditions fit.
    fn is_about(&self, question: Question<'_>) -> Result<bool, String> {
        // Actions know no case.
        let action = question.action.to_lowercase();
        let acts = |list: &Value| texts(list).iter().any(|pattern| matches(&pattern.to_lowercase(), &action));
        let fits = match (&self.body["Action"], &self.body["NotAction"]) {
            (Value::Null, not) => !acts(not),
            (list, _) => acts(list),
        };
        Ok(fits && conditions::hold(&self.body["Condition"], self.variables, question.context)?)
    }

    fn names_resource(&self, question: Question<'_>) -> bool {
        let fill = |pattern: &str| if self.variables { filled(pattern, question.context) } else { pattern.to_owned() };
        let names = |list: &Value| texts(list).iter().any(|pattern| matches_arn(&fill(pattern), question.resource));
        match (&self.body["Resource"], &self.body["NotResource"]) {
            (Value::Null, Value::Null) => false,
            (Value::Null, not) => !names(not),
            (list, _) => names(list),
        }
    }

    /// How the statement names somebody.
    fn whom(&self, names: &Names) -> Result<Grant, String> {
        if let Some(others) = self.body.get("NotPrincipal") {
            return match (self.denies(), matched(others, names)?) {
                (false, _) => Err("element NotPrincipal that allows".to_owned()),
                (true, Grant::Nothing | Grant::Account) => Ok(Grant::Role),
                (true, _) => Ok(Grant::Nothing),
            };
        }
        matched(&self.body["Principal"], names)
    }
}

/// How a `Principal` names somebody.
fn matched(principal: &Value, names: &Names) -> Result<Grant, String> {
    if principal == "*" {
        return Ok(Grant::Role);
    }
    let mut grant = Grant::Nothing;
    for (kind, list) in principal.as_object().into_iter().flatten() {
        for name in texts(list) {
            let is = |known: &Option<String>| known.as_ref() == Some(&name);
            grant = grant.max(match kind.as_str() {
                "AWS" if names.service.is_some() => Grant::Nothing,
                "AWS" if name == "*" || is(&names.role) => Grant::Role,
                "AWS" if is(&names.caller) => Grant::Caller,
                "AWS" if name == names.account || name == format!("arn:aws:iam::{}:root", names.account) => Grant::Account,
                "Service" if is(&names.service) => Grant::Caller,
                "AWS" | "Service" | "Federated" => Grant::Nothing,
                other => return Err(format!("principal of kind {other}")),
            });
        }
    }
    Ok(grant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn context(pairs: &[(&str, &str)]) -> Context {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect()
    }

    fn statements(list: &Value) -> Statements {
        Statements::parse(&[json!({"Version": "2012-10-17", "Statement": list}).to_string()])
    }

    fn decide(list: &Value, action: &str, resource: &str, context: &Context) -> Result<Decision, String> {
        statements(list).decide(Question { action, resource, context })
    }

    #[test]
    fn denials_win_and_silence_is_no_right() {
        let list = json!([
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "arn:aws:s3:::b/keep/*"},
        ]);
        let none = Context::new();
        for (action, resource, expected) in [
            ("s3:GetObject", "arn:aws:s3:::b/k", Decision::Allow),
            ("S3:getobject", "arn:aws:s3:::b/k", Decision::Allow),
            ("s3:DeleteObject", "arn:aws:s3:::b/k", Decision::Allow),
            ("s3:DeleteObject", "arn:aws:s3:::b/keep/k", Decision::Deny),
            ("ec2:RunInstances", "*", Decision::Nothing),
        ] {
            assert_eq!(decide(&list, action, resource, &none), Ok(expected), "{action} {resource}");
        }
    }

    #[test]
    fn not_action_and_not_resource() {
        let none = Context::new();
        let statement = json!({"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::secret/*"});
        for (action, resource, expected) in [
            ("s3:GetObject", "arn:aws:s3:::open/k", Decision::Allow),
            ("s3:GetObject", "arn:aws:s3:::secret/k", Decision::Nothing),
            ("iam:GetRole", "*", Decision::Nothing),
        ] {
            assert_eq!(decide(&statement, action, resource, &none), Ok(expected), "{action} {resource}");
        }
        let unknown = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"});
        assert_eq!(decide(&unknown, "s3:GetObject", "*", &none), Err("element Principal".to_owned()));
    }

    #[test]
    fn variables_are_no_wildcards_and_came_with_a_version() {
        let statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:userid}/*"});
        let resource = "arn:aws:s3:::b/AROA:i-1/k";
        for (userid, expected) in [("AROA:i-1", Decision::Allow), ("AROA:i-2", Decision::Nothing), ("*", Decision::Nothing)] {
            assert_eq!(decide(&statement, "s3:GetObject", resource, &context(&[("aws:userid", userid)])), Ok(expected), "{userid}");
        }
        assert_eq!(decide(&statement, "s3:GetObject", resource, &Context::new()), Ok(Decision::Nothing));
        let old = Statements::parse(&[json!({"Statement": statement}).to_string()]);
        let question = Question { action: "s3:GetObject", resource: "arn:aws:s3:::b/${aws:userid}/k", context: &Context::new() };
        assert_eq!(old.decide(question), Ok(Decision::Allow));
    }

    #[test]
    fn a_resource_says_whom_it_allows() {
        let names = Names {
            account: "123456789012".to_owned(),
            caller: Some("arn:aws:sts::123456789012:assumed-role/ci/me".to_owned()),
            role: Some("arn:aws:iam::123456789012:role/team/ci".to_owned()),
            service: None,
        };
        let question = Question { action: "sts:AssumeRole", resource: "arn:aws:iam::123456789012:role/x", context: &Context::new() };
        let grant = |effect: &str, principal: &Value| {
            statements(&json!({"Effect": effect, "Action": "sts:AssumeRole", "Principal": principal})).grant(question, &names)
        };
        for (principal, expected) in [
            (json!("*"), Grant::Role),
            (json!({"AWS": "*"}), Grant::Role),
            (json!({"AWS": "123456789012"}), Grant::Account),
            (json!({"AWS": "arn:aws:iam::123456789012:root"}), Grant::Account),
            (json!({"AWS": "arn:aws:iam::999999999999:root"}), Grant::Nothing),
            (json!({"AWS": ["arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:role/team/ci"]}), Grant::Role),
            (json!({"AWS": "arn:aws:sts::123456789012:assumed-role/ci/me"}), Grant::Caller),
            (json!({"AWS": "arn:aws:sts::123456789012:assumed-role/ci/you"}), Grant::Nothing),
            (json!({"Service": "ec2.amazonaws.com"}), Grant::Nothing),
        ] {
            assert_eq!(grant("Allow", &principal), Ok(expected), "{principal}");
            let denied = if expected == Grant::Nothing { Grant::Nothing } else { Grant::Deny };
            assert_eq!(grant("Deny", &principal), Ok(denied), "{principal}");
        }
        assert!(grant("Allow", &json!({"CanonicalUser": "x"})).is_err());
        let service = Names { service: Some("ec2.amazonaws.com".to_owned()), ..Names::default() };
        for (principal, expected) in [
            (json!({"Service": ["ssm.amazonaws.com", "ec2.amazonaws.com"]}), Grant::Caller),
            (json!({"Service": "ec2.amazonaws.com.cn"}), Grant::Nothing),
            (json!({"AWS": "*"}), Grant::Nothing),
        ] {
            let list = statements(&json!({"Effect": "Allow", "Action": "sts:*", "Principal": principal}));
            assert_eq!(list.grant(question, &service), Ok(expected), "{principal}");
        }
    }

    #[test]
    fn a_resource_denies_all_but_some() {
        let names = |caller: &str| Names { account: "1".to_owned(), caller: Some(caller.to_owned()), ..Names::default() };
        let list = statements(&json!([
            {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*", "NotPrincipal": {"AWS": "arn:aws:iam::1:user/ada"}},
            {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/open/*", "Principal": "*"},
        ]));
        for (caller, key, expected) in [
            ("arn:aws:iam::1:user/ada", "open/k", Grant::Role),
            ("arn:aws:iam::1:user/ada", "k", Grant::Nothing),
            ("arn:aws:iam::1:user/bob", "open/k", Grant::Deny),
        ] {
            let resource = format!("arn:aws:s3:::b/{key}");
            let question = Question { action: "s3:GetObject", resource: &resource, context: &Context::new() };
            assert_eq!(list.grant(question, &names(caller)), Ok(expected), "{caller} {key}");
        }
    }
}
