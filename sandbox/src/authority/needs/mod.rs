//! Which rights a call takes, and on what: by AWS's service authorization reference. What is not thought through is a gap, not a yes.

mod autoscaling;
mod ec2;
mod iam;
mod logs;
mod route53;
mod s3;
mod scheduler;
mod sns;
mod ssm;
mod sts;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::backends::ec2::Ec2;
use crate::backends::iam::Iam;
use crate::backends::lambda::function_arn;
use crate::backends::ssm::Sessions;
use crate::protocol::{Failure, Request};
use crate::refusals::action;

use super::Context;

/// One right that a call takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    /// Such as `s3:GetObject`.
    pub(crate) action: String,
    /// ARN, or `*`.
    pub(crate) resource: String,
    /// Keys that come with this resource.
    pub(crate) context: Context,
    /// How the service names the resource in a refusal, if not by its ARN.
    pub(crate) called: Option<String>,
    /// The whole refusal, where a service does not tell what exactly was missing.
    pub(crate) refusal: Option<String>,
}

impl Need {
    /// A right without keys of its own.
    pub(crate) fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: Context::new(), called: None, refusal: None }
    }

    /// The right to hand a role to a service, which uses it for `resource`.
    pub(crate) fn pass_role(role: &str, service: &str, resource: Option<String>) -> Self {
        let need = Self::new("iam:PassRole", role).with("iam:PassedToService", service);
        match resource {
            Some(resource) => need.with("iam:AssociatedResourceArn", resource),
            None => need,
        }
    }

    /// The resource as a refusal names it.
    pub(super) fn shown(&self) -> &str {
        self.called.as_deref().unwrap_or(&self.resource)
    }

    /// The same with a condition key.
    fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.context.insert(key.to_lowercase(), vec![value.into()]);
        self
    }

    /// The same with a condition key, if it has a value.
    fn with_some(self, key: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// The same for a call that gives tags.
    fn giving(mut self, tags: &BTreeMap<String, String>) -> Self {
        if !tags.is_empty() {
            self.context.insert("aws:tagkeys".to_owned(), tags.keys().cloned().collect());
        }
        tags.iter().fold(self, |need, (key, value)| need.with(&format!("aws:RequestTag/{key}"), value))
    }

    /// The same on a resource that has tags, under the global key and the service's own.
    fn on_tagged(self, service: &str, tags: &BTreeMap<String, String>) -> Self {
        tags.iter().fold(self, |need, (key, value)| {
            need.with(&format!("aws:ResourceTag/{key}"), value).with(&format!("{service}:ResourceTag/{key}"), value)
        })
    }
}

/// What the rights of a call follow from.
pub(super) struct Facts<'a> {
    pub(super) request: &'a Request,
    pub(super) account: &'a str,
    pub(super) iam: &'a Iam,
    pub(super) ec2: &'a Ec2,
    pub(super) sessions: Option<&'a Sessions>,
}

/// The rights a call takes; none if everybody may make it.
pub(super) fn needs(facts: &Facts<'_>) -> Result<Vec<Need>, Failure> {
    match facts.request.service.as_str() {
        "autoscaling" => Ok(autoscaling::needs(facts)),
        "ec2" => ec2::needs(facts),
        "iam" => iam::needs(facts),
        "lambda" => Ok(lambda(facts)),
        "logs" => logs::needs(facts),
        "pricing" | "servicequotas" => Ok(vec![facts.need("*")]),
        "route53" => route53::needs(facts),
        "s3" => s3::needs(facts),
        "scheduler" => scheduler::needs(facts),
        "sns" => sns::needs(facts),
        "ssm" => ssm::needs(facts),
        "sts" => sts::needs(facts),
        _ => Err(facts.gap()),
    }
}

/// A function's rights are all named as their operations, and are about the function.
fn lambda(facts: &Facts<'_>) -> Vec<Need> {
    let function = function_arn(facts.request, facts.account);
    let tags: BTreeMap<String, String> = match facts.request.operation.as_str() {
        "CreateFunction" => serde_json::from_value(facts.json()["Tags"].clone()).unwrap_or_default(),
        _ => BTreeMap::new(),
    };
    let mut needs = vec![facts.need(function.clone()).giving(&tags)];
    if !tags.is_empty() {
        needs.push(Need::new("lambda:TagResource", function).giving(&tags));
    }
    needs
}

impl Facts<'_> {
    /// The right that has the operation's name.
    fn need(&self, resource: impl Into<String>) -> Need {
        let service = &self.request.service;
        Need::new(format!("{service}:{}", action(service, &self.request.operation)), resource)
    }

    /// An ARN of the service in this region and account.
    fn arn(&self, rest: &str) -> String {
        format!("arn:aws:{}:{}:{}:{rest}", self.request.service, self.request.region, self.account)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.request.body).unwrap_or_default()
    }

    fn gap(&self) -> Failure {
        Failure::gap(format!("rights to {} {}", self.request.service, self.request.operation))
    }
}

/// Tags as the JSON of several services has them.
fn json_tags(list: &Value) -> BTreeMap<String, String> {
    let pair = |tag: &Value| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned()));
    list.as_array().into_iter().flatten().filter_map(pair).collect()
}

/// The values of `Name.1`, `Name.2`, …
fn listed(form: &crate::form::Form, name: &str) -> Vec<String> {
    (1..).map_while(|n| form.peek(&format!("{name}.{n}")).map(str::to_owned)).collect()
}

/// The pairs of `Name.1.Key` and `Name.1.Value`, ….
fn listed_tags(form: &crate::form::Form, name: &str) -> BTreeMap<String, String> {
    let value = |n: u32| form.peek(&format!("{name}.{n}.Value")).unwrap_or_default().to_owned();
    (1..).map_while(|n| form.peek(&format!("{name}.{n}.Key")).map(|key| (key.to_owned(), value(n)))).collect()
}
