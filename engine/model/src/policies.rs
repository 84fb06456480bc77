//! What the command of a fleet may do in AWS: `policies`.
//!
//! An entry is a right in three words (`s3:ReadOnly:arn:…`), the ARN of a managed policy, or a whole policy document. A right is always
//! about something that is named: none of them reaches all buckets or all secrets of an account.

use serde_json::{Value as Json, json};

use crate::problem::{Path, Problem};
use crate::value::Value;

/// The most entries that are managed policies: IAM's default quota of what can be attached to a role.
pub const MANAGED_MAX: usize = 10;

/// The most characters of all documents together: what IAM lets a role hold in line (10,240, white space not counted), less what the
/// agent's own rights take.
pub const DOCUMENTS_MAX: usize = 8_192;

/// An entry of `policies`.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// A right to something.
    Right {
        /// What it allows.
        right: &'static Right,
        /// To what.
        arn: String,
    },
    /// A managed policy, by its ARN.
    Managed(String),
    /// A document's statements.
    Document(Vec<Json>),
}

/// What a service and a level stand for.
#[derive(Debug, PartialEq)]
pub struct Right {
    /// The service, as in ARNs.
    pub service: &'static str,
    /// `ReadOnly`, `WriteOnly` or `ReadWrite`.
    pub level: &'static str,
    /// Actions on what the ARN names.
    actions: &'static [&'static str],
    /// Actions on the bucket that holds it.
    on_bucket: &'static [&'static str],
    /// What else of it the actions are about, after its ARN.
    below: Option<&'static str>,
    /// Actions that are about nothing in particular.
    anywhere: &'static [&'static str],
}

const fn right(service: &'static str, level: &'static str, actions: &'static [&'static str]) -> Right {
    Right { service, level, actions, on_bucket: &[], below: None, anywhere: &[] }
}

impl Right {
    const fn on_bucket(self, actions: &'static [&'static str]) -> Self {
        Self { on_bucket: actions, ..self }
    }

    const fn below(self, below: &'static str) -> Self {
        Self { below: Some(below), ..self }
    }

    const fn anywhere(self, actions: &'static [&'static str]) -> Self {
        Self { anywhere: actions, ..self }
    }
}

const S3_READ: [&str; 2] = ["s3:GetObject", "s3:GetObjectVersion"];
const S3_LIST: [&str; 1] = ["s3:ListBucket"];

/// Every right there is: the actions that a program needs which reads the data, writes it, or both, and none that changes the thing itself
/// or who may reach it. Taking a message from a queue for good is writing.
pub static RIGHTS: [Right; 18] = [
    right(
        "dynamodb",
        "ReadOnly",
        &["dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"],
    )
    .below("/index/*"),
    right("dynamodb", "WriteOnly", &["dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]),
    right(
        "dynamodb",
        "ReadWrite",
        &[
            "dynamodb:BatchGetItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:ConditionCheckItem",
            "dynamodb:DeleteItem",
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        ],
    )
    .below("/index/*"),
    right("ecr", "ReadOnly", &["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"])
        .anywhere(&["ecr:GetAuthorizationToken"]),
    right("kms", "ReadOnly", &["kms:Decrypt", "kms:DescribeKey"]),
    right("kms", "WriteOnly", &["kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]),
    right("kms", "ReadWrite", &["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]),
    right("logs", "ReadOnly", &["logs:FilterLogEvents", "logs:GetLogEvents"]).below(":*"),
    right("logs", "WriteOnly", &["logs:CreateLogStream", "logs:PutLogEvents"]).below(":*"),
    right("s3", "ReadOnly", &S3_READ).on_bucket(&S3_LIST),
    right("s3", "WriteOnly", &["s3:AbortMultipartUpload", "s3:PutObject"]),
    right("s3", "ReadWrite", &["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"])
        .on_bucket(&S3_LIST),
    right("secretsmanager", "ReadOnly", &["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]),
    right("sns", "WriteOnly", &["sns:Publish"]),
    right("sqs", "ReadOnly", &["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]),
    right("sqs", "WriteOnly", &["sqs:GetQueueUrl", "sqs:SendMessage"]),
    right(
        "sqs",
        "ReadWrite",
        &[
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        ],
    ),
    right("ssm", "ReadOnly", &["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]),
];

impl Policy {
    /// Reads an entry.
    ///
    /// # Errors
    /// What is wrong with it, and the way out.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        if text.trim_start().starts_with('{') {
            return statements(text).map(Self::Document);
        }
        if is_managed(text) {
            return Ok(Self::Managed(text.to_owned()));
        }
        if text.starts_with("arn:") {
            return Err((format!("{text:?} is not the ARN of a managed policy"), FORMS.to_owned()));
        }
        let mut words = text.splitn(3, ':');
        let (Some(service), Some(level), Some(arn)) = (words.next(), words.next(), words.next()) else {
            return Err((format!("{text:?} is no policy"), FORMS.to_owned()));
        };
        let levels: Vec<&str> = RIGHTS.iter().filter(|right| right.service == service).map(|right| right.level).collect();
        if levels.is_empty() {
            let mut services: Vec<&str> = RIGHTS.iter().map(|right| right.service).collect();
            services.dedup();
            let help = format!("Write one of {}; for another service, a policy document or a managed policy", services.join(", "));
            return Err((format!("{service:?} is no service that a right can be named for"), help));
        }
        let Some(right) = RIGHTS.iter().find(|right| right.service == service && right.level == level) else {
            return Err((format!("{level:?} is no right to {service}"), format!("Write one of {}", levels.join(", "))));
        };
        if !is_arn_of(arn, service) {
            let help = format!("Name what it is about, such as \"{service}:{level}:{}\"", example(service));
            return Err((format!("{arn:?} is not the ARN of something of {service}"), help));
        }
        if names_everything(arn) {
            let help = format!("Name what it is about, such as \"{}\"; for everything, write a policy document", example(service));
            return Err((format!("{arn:?} is everything that {service} has"), help));
        }
        Ok(Self::Right { right, arn: arn.to_owned() })
    }

    /// The ARN of the managed policy that it is.
    #[must_use]
    pub fn managed(&self) -> Option<&str> {
        if let Self::Managed(arn) = self { Some(arn) } else { None }
    }

    /// The statements that it adds to the role's own policy.
    #[must_use]
    pub fn statements(&self) -> Vec<Json> {
        match self {
            Self::Managed(_) => Vec::new(),
            Self::Document(statements) => statements.clone(),
            Self::Right { right, arn } => right.statements(arn),
        }
    }
}

impl Right {
    fn statements(&self, arn: &str) -> Vec<Json> {
        // A bucket stands for all that is in it: nothing of the data is the bucket's own.
        let whole = self.service == "s3" && !arn.contains('/');
        let mut resources = vec![if whole { format!("{arn}/*") } else { arn.to_owned() }];
        resources.extend(self.below.filter(|below| !arn.ends_with(below)).map(|below| format!("{arn}{below}")));
        let mut statements = vec![json!({ "Effect": "Allow", "Action": self.actions, "Resource": resources })];
        if !self.on_bucket.is_empty() {
            let (bucket, key) = arn.split_once('/').unwrap_or((arn, "*"));
            let mut statement = json!({ "Effect": "Allow", "Action": self.on_bucket, "Resource": bucket });
            if key != "*" {
                statement["Condition"] = json!({ "StringLike": { "s3:prefix": key } });
            }
            statements.push(statement);
        }
        if !self.anywhere.is_empty() {
            statements.push(json!({ "Effect": "Allow", "Action": self.anywhere, "Resource": "*" }));
        }
        statements
    }
}

/// The version of the language that policies are written in.
const VERSION: &str = "2012-10-17";

const FORMS: &str = "Write a right such as \"s3:ReadOnly:arn:aws:s3:::data/*\", the ARN of a managed policy, or a policy document";

/// The statements of a policy document for a role, without their names: several documents become one, in which a name may be only once.
///
/// # Errors
/// What is wrong with it, and the way out.
pub fn statements(text: &str) -> Result<Vec<Json>, (String, String)> {
    let wrong = |what: String| (format!("the policy document {what}"), "Write a policy of IAM's, as JSON".to_owned());
    let document: Json = serde_json::from_str(text).map_err(|error| wrong(format!("is no JSON: {error}")))?;
    if document["Version"].as_str().is_some_and(|version| version != VERSION) {
        return Err(wrong(format!("has another Version than {VERSION}")));
    }
    if !document["Statement"].is_array() && !document["Statement"].is_object() {
        return Err(wrong("has no Statement".to_owned()));
    }
    let mut statements = parts(&document["Statement"]).to_vec();
    for (number, statement) in statements.iter().enumerate() {
        let has = |names: [&str; 2]| names.iter().any(|name| !statement[*name].is_null());
        let effect = statement["Effect"].as_str();
        if !matches!(effect, Some("Allow" | "Deny")) || !has(["Action", "NotAction"]) || !has(["Resource", "NotResource"]) {
            return Err(wrong(format!("lacks Effect, Action or Resource in statement {}", number + 1)));
        }
        if has(["Principal", "NotPrincipal"]) {
            return Err(wrong(format!("names a principal in statement {}: the fleet is the one it is for", number + 1)));
        }
    }
    if denies(&statements) {
        // It could deny agents what they follow the lease by.
        let help = "Leave it out: a role may do nothing that is not allowed".to_owned();
        return Err(("the policy document denies something".to_owned(), help));
    }
    for statement in statements.iter_mut().filter_map(Json::as_object_mut) {
        statement.remove("Sid");
    }
    Ok(statements)
}

/// The parts of something in a policy document, of which IAM takes one by itself or several as a list; none of what is not there.
#[must_use]
pub fn parts(of: &Json) -> &[Json] {
    match of {
        Json::Array(several) => several,
        Json::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// Whether any of these statements denies something.
#[must_use]
pub fn denies(statements: &[Json]) -> bool {
    statements.iter().any(|statement| statement["Effect"] == "Deny")
}

/// Whether this is the ARN of a managed policy, the account's or AWS's own.
fn is_managed(text: &str) -> bool {
    let words: Vec<&str> = text.splitn(6, ':').collect();
    matches!(words.as_slice(), ["arn", partition, "iam", "", account, rest]
        if partition.starts_with("aws") && (*account == "aws" || account.len() == 12) && rest.starts_with("policy/"))
}

fn is_arn_of(arn: &str, service: &str) -> bool {
    let words: Vec<&str> = arn.splitn(6, ':').collect();
    matches!(words.as_slice(), ["arn", partition, of, _, _, rest] if partition.starts_with("aws") && *of == service && !rest.is_empty())
}

/// Whether an ARN stands for all that a service has: not even the beginning of a name is told.
fn names_everything(arn: &str) -> bool {
    let rest = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let kinds = ["table", "repository", "key", "log-group", "secret", "parameter"];
    let name = kinds.iter().find_map(|kind| rest.strip_prefix(kind)).unwrap_or(rest);
    name.trim_start_matches([':', '/']).starts_with(['*', '?', '$'])
}

fn example(service: &str) -> &'static str {
    match service {
        "dynamodb" => "arn:aws:dynamodb:us-east-1:123456789012:table/scores",
        "ecr" => "arn:aws:ecr:us-east-1:123456789012:repository/tools",
        "kms" => "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "logs" => "arn:aws:logs:us-east-1:123456789012:log-group:/team/app",
        "secretsmanager" => "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-a1b2c3",
        "sns" => "arn:aws:sns:us-east-1:123456789012:done",
        "sqs" => "arn:aws:sqs:us-east-1:123456789012:jobs",
        "ssm" => "arn:aws:ssm:us-east-1:123456789012:parameter/team/token",
        _ => "arn:aws:s3:::data/*",
    }
}

/// The rules of `policies`.
pub(crate) fn check_policies(policies: &[Value], path: &Path, problems: &mut Vec<Problem>) {
    let (mut managed, mut characters) = (0, 0);
    // What is not known before the apply is judged then.
    for (number, text) in policies.iter().enumerate().filter_map(|(number, policy)| Some((number, policy.as_str()?))) {
        match Policy::parse(text) {
            Err((message, help)) => problems.push(Problem::new(&path.index(number), message, help)),
            Ok(Policy::Managed(_)) => managed += 1,
            Ok(policy) => characters += policy.statements().iter().map(|statement| statement.to_string().len()).sum::<usize>(),
        }
    }
    if managed > MANAGED_MAX {
        let help = format!("Use at most {MANAGED_MAX}, or put their statements into a document");
        problems.push(Problem::new(path, format!("{managed} managed policies are too many for one role"), help));
    }
    if characters > DOCUMENTS_MAX {
        let help = format!("Use at most {DOCUMENTS_MAX}, or make a managed policy and name its ARN");
        problems.push(Problem::new(path, format!("rights and documents come to {characters} characters"), help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_becomes_statements_about_what_is_named() {
        let shown: Vec<String> = [
            "s3:ReadOnly:arn:aws:s3:::data/raw/*",
            "s3:ReadWrite:arn:aws:s3:::data/*",
            "s3:ReadOnly:arn:aws:s3:::data",
            "s3:WriteOnly:arn:aws:s3:::data/out/*",
            "dynamodb:ReadOnly:arn:aws:dynamodb:us-east-1:123456789012:table/scores",
            "ecr:ReadOnly:arn:aws:ecr:us-east-1:123456789012:repository/tools",
            "logs:WriteOnly:arn:aws:logs:us-east-1:123456789012:log-group:/team/app",
            "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
            r#"{"Version":"2012-10-17","Statement":{"Sid":"Queues","Effect":"Allow","Action":"sqs:*","Resource":"*"}}"#,
        ]
        .iter()
        .flat_map(|text| {
            let policy = Policy::parse(text).expect(text);
            let statements = policy.statements();
            std::iter::once((*text).to_owned()).chain(statements.into_iter().map(|statement| format!("  {statement}")))
        })
        .collect();
        insta::assert_snapshot!("rights", shown.join("\n"));
    }

    #[test]
    fn what_is_no_policy_is_refused_with_the_way_out() {
        let shown: Vec<String> = [
            "",
            "s3",
            "s3:ReadOnly",
            "s4:ReadOnly:arn:aws:s3:::data/*",
            "s3:FullAccess:arn:aws:s3:::data/*",
            "s3:ReadOnly:data",
            "s3:ReadOnly:arn:aws:sqs:us-east-1:123456789012:jobs",
            "s3:ReadOnly:arn:aws:s3:::*",
            "secretsmanager:ReadOnly:arn:aws:secretsmanager:us-east-1:123456789012:secret:*",
            "ssm:ReadOnly:arn:aws:ssm:us-east-1:123456789012:parameter/*",
            "arn:aws:iam::123456789012:role/other",
            "{",
            "{}",
            r#"{"Statement":[{"Effect":"Allow","Action":"s3:*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#,
            r#"{"Version":"2008-10-17","Statement":[]}"#,
            "s3:ReadOnly:arn:aws:s3:::?*",
        ]
        .iter()
        .map(|text| match Policy::parse(text) {
            Err((message, help)) => format!("{text}\n  {message}\n  {help}"),
            Ok(policy) => format!("{text}\n  is {policy:?}"),
        })
        .collect();
        insta::assert_snapshot!("refused", shown.join("\n"));
    }

    #[test]
    fn rights_are_sorted_and_only_what_their_level_says() {
        for right in &RIGHTS {
            assert!(right.actions.is_sorted(), "{right:?}");
            let own = format!("{}:", right.service);
            let all = right.actions.iter().chain(right.on_bucket).chain(right.anywhere);
            assert!(all.into_iter().all(|action| action.starts_with(&own) && !action.contains('*')), "{right:?}");
            assert!(["ReadOnly", "WriteOnly", "ReadWrite"].contains(&right.level), "{right:?}");
        }
    }

    #[test]
    fn too_much_for_a_role_is_refused() {
        let problems = |policies: Vec<String>| {
            let values: Vec<Value> = policies.into_iter().map(Value::String).collect();
            let mut problems = Vec::new();
            check_policies(&values, &Path::field("policies"), &mut problems);
            problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
        };
        let managed = |count: usize| (0..count).map(|n| format!("arn:aws:iam::123456789012:policy/p{n}")).collect::<Vec<_>>();
        assert_eq!(problems(managed(MANAGED_MAX)), [""; 0]);
        assert_eq!(problems(managed(MANAGED_MAX + 1)), ["11 managed policies are too many for one role"]);
        let right = "s3:WriteOnly:arn:aws:s3:::data/out/*".to_owned();
        assert_eq!(problems(vec![right.clone(); 60]), [""; 0]);
        assert_eq!(problems(vec![right; 90]).len(), 1);
    }
}
