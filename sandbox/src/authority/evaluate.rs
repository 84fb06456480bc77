//! Statements of policies: what they allow and deny.

use serde_json::Value;

use super::{Context, conditions};

/// What a set of statements says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is allowed, and nothing denies it.
    Allow,
    /// Something denies it.
    Deny,
    /// Nothing speaks of it.
    Nothing,
}

/// The statements of some policies.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    list: Vec<Value>,
}

impl Statements {
    /// The statements of policy documents.
    pub(crate) fn parse(documents: &[String]) -> Self {
        let mut list = Vec::new();
        for document in documents {
            // Documents were checked when they were written.
            let root: Value = serde_json::from_str(document).unwrap_or_default();
            match &root["Statement"] {
                Value::Array(statements) => list.extend(statements.iter().cloned()),
                Value::Null => {}
                statement => list.push(statement.clone()),
            }
        }
        Self { list }
    }

    /// Decides on one action and resource; an error names what is not known.
    pub(crate) fn decide(&self, action: &str, resource: &str, context: &Context) -> Result<Decision, String> {
        let mut decision = Decision::Nothing;
        for statement in &self.list {
            if !speaks_of(statement, action, resource, context)? {
                continue;
            }
            if statement["Effect"] == "Deny" {
                return Ok(Decision::Deny);
            }
            decision = Decision::Allow;
        }
        Ok(decision)
    }
}

fn speaks_of(statement: &Value, action: &str, resource: &str, context: &Context) -> Result<bool, String> {
    let known = ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    if let Some(key) = statement.as_object().into_iter().flat_map(|map| map.keys()).find(|key| !known.contains(&key.as_str())) {
        return Err(format!("element {key}"));
    }
    // Actions know no case.
    let acts = |list: &Value| texts(list).iter().any(|pattern| matches(&pattern.to_lowercase(), &action.to_lowercase()));
    let about = |list: &Value| texts(list).iter().any(|pattern| matches(&filled(pattern, context), resource));
    let action_fits = match (&statement["Action"], &statement["NotAction"]) {
        (Value::Null, not) => !acts(not),
        (list, _) => acts(list),
    };
    let resource_fits = match (&statement["Resource"], &statement["NotResource"]) {
        (Value::Null, Value::Null) => false,
        (Value::Null, not) => !about(not),
        (list, _) => about(list),
    };
    Ok(action_fits && resource_fits && conditions::hold(&statement["Condition"], context)?)
}

/// One text or a list of them; numbers and booleans are texts too.
pub(super) fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().map(text).collect(),
        other => vec![text(other)],
    }
}

/// A pattern with its variables replaced. A variable without a value makes a pattern that nothing matches.
pub(super) fn filled(pattern: &str, context: &Context) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        out.push_str(before);
        match name {
            // These stand for the characters themselves, and not for wildcards.
            "*" => out.push(LITERAL_STAR),
            "?" => out.push(LITERAL_QUESTION),
            "$" => out.push('$'),
            name => match context.get(&name.to_lowercase()).map(Vec::as_slice) {
                Some([value]) => out.push_str(&value.replace('*', &LITERAL_STAR.to_string()).replace('?', &LITERAL_QUESTION.to_string())),
                _ => out.push(NEVER),
            },
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Characters no ARN has, for what a pattern must not take as its own.
const LITERAL_STAR: char = '\u{1}';
const LITERAL_QUESTION: char = '\u{2}';
const NEVER: char = '\u{3}';

/// Matches a text against a pattern with `*` and `?`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let here = pattern.get(p).copied();
        let same = match here {
            Some('?') => true,
            Some(LITERAL_STAR) => text[t] == '*',
            Some(LITERAL_QUESTION) => text[t] == '?',
            Some('*') => false,
            Some(c) => c == text[t],
            None => false,
        };
        if same {
            p += 1;
            t += 1;
        } else if here == Some('*') {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star {
            // The last star takes one character more.
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn context(pairs: &[(&str, &str)]) -> Context {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect()
    }

    fn decide(statements: Value, action: &str, resource: &str, context: &Context) -> Result<Decision, String> {
        Statements::parse(&[json!({"Statement": statements}).to_string()]).decide(action, resource, context)
    }

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a*b*c", "aXbYbZc", true),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/x/y", true),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn denials_win_and_silence_is_no_right() {
        let statements = json!([
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
            assert_eq!(decide(statements.clone(), action, resource, &none), Ok(expected), "{action} {resource}");
        }
    }

    #[test]
    fn not_action_and_not_resource() {
        let none = Context::new();
        let statement = json!({"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::secret/*"});
        assert_eq!(decide(statement.clone(), "s3:GetObject", "arn:aws:s3:::open/k", &none), Ok(Decision::Allow));
        assert_eq!(decide(statement.clone(), "s3:GetObject", "arn:aws:s3:::secret/k", &none), Ok(Decision::Nothing));
        assert_eq!(decide(statement, "iam:GetRole", "*", &none), Ok(Decision::Nothing));
    }

    #[test]
    fn variables_are_no_wildcards() {
        let statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:userid}/*"});
        let resource = "arn:aws:s3:::b/AROA:i-1/k";
        for (userid, expected) in [("AROA:i-1", Decision::Allow), ("AROA:i-2", Decision::Nothing), ("*", Decision::Nothing)] {
            assert_eq!(decide(statement.clone(), "s3:GetObject", resource, &context(&[("aws:userid", userid)])), Ok(expected), "{userid}");
        }
        assert_eq!(decide(statement, "s3:GetObject", resource, &Context::new()), Ok(Decision::Nothing));
    }

    #[test]
    fn conditions_hold_or_do_not() {
        let tagged = context(&[("aws:resourcetag/team", "blue"), ("s3:prefix", "runs/1/"), ("n", "5")]);
        for (condition, expected) in [
            (json!({"StringEquals": {"aws:ResourceTag/team": "blue"}}), true),
            (json!({"StringEquals": {"aws:ResourceTag/team": ["red", "blue"]}}), true),
            (json!({"StringEquals": {"aws:ResourceTag/team": "red"}}), false),
            (json!({"StringNotEquals": {"aws:ResourceTag/team": ["red", "blue"]}}), false),
            (json!({"StringEquals": {"aws:ResourceTag/none": "x"}}), false),
            (json!({"StringNotEquals": {"aws:ResourceTag/none": "x"}}), true),
            (json!({"StringEqualsIfExists": {"aws:ResourceTag/none": "x"}}), true),
            (json!({"StringLike": {"s3:prefix": "runs/*"}}), true),
            (json!({"Null": {"s3:prefix": "false", "s3:delimiter": "true"}}), true),
            (json!({"NumericLessThanEquals": {"n": 5}}), true),
            (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}), true),
            (json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}), false),
            (json!({"StringEquals": {"aws:ResourceTag/team": "blue"}, "StringLike": {"s3:prefix": "other/*"}}), false),
        ] {
            let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
            let expected = if expected { Decision::Allow } else { Decision::Nothing };
            assert_eq!(decide(statement, "s3:GetObject", "*", &tagged), Ok(expected), "{condition}");
        }
        for condition in [json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), json!({"BinaryEquals": {"k": "x"}})] {
            let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
            assert!(decide(statement, "s3:GetObject", "*", &tagged).is_err());
        }
    }
}
