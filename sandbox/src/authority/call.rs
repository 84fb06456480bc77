//! Which rights a call needs, and on what.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::backends::lambda::function_arn;
use crate::backends::s3::place;
use crate::form::Form;
use crate::protocol::{Failure, Request};
use crate::refusals::action;
use crate::xml::Node;

use super::{Context, Need};

/// The rights of a call.
#[derive(Debug)]
pub(super) enum Needs {
    /// Everybody may.
    Nothing,
    /// All of these.
    All(Vec<Need>),
}

/// Looks up the tags of an instance.
pub(super) type TagsOf<'a> = &'a dyn Fn(&str) -> Option<BTreeMap<String, String>>;

/// The rights a call needs. What has not been thought through is a gap, not a yes.
pub(super) fn needs(request: &Request, account: &str, tags: TagsOf<'_>) -> Result<Needs, Failure> {
    let place = Place { request, account };
    Ok(Needs::All(match request.service.as_str() {
        "s3" => place.s3(),
        "logs" => place.logs(),
        "ssm" => place.ssm()?,
        "scheduler" => place.scheduler(),
        "lambda" => vec![place.need(function_arn(request, account))],
        "iam" => place.iam(),
        "ec2" => place.ec2(tags)?,
        "sts" if request.operation == "GetCallerIdentity" => return Ok(Needs::Nothing),
        "sts" => vec![place.need(Form::parse(&request.body).peek("RoleArn").unwrap_or("*").to_owned())],
        _ => vec![place.need("*".to_owned())],
    }))
}

struct Place<'a> {
    request: &'a Request,
    account: &'a str,
}

fn one(key: &str, value: &str) -> (String, Vec<String>) {
    (key.to_owned(), vec![value.to_owned()])
}

impl Place<'_> {
    fn need(&self, resource: String) -> Need {
        let service = &self.request.service;
        Need { action: format!("{service}:{}", action(service, &self.request.operation)), resource, context: Context::new() }
    }

    fn arn(&self, rest: &str) -> String {
        format!("arn:aws:{}:{}:{}:{rest}", self.request.service, self.request.region, self.account)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.request.body).unwrap_or_default()
    }

    fn s3(&self) -> Vec<Need> {
        let (bucket, key) = place(self.request);
        let bucket = bucket.map_or_else(|| "*".to_owned(), |name| format!("arn:aws:s3:::{name}"));
        if let Some(key) = key {
            let mut needs = vec![self.need(format!("{bucket}/{key}"))];
            if let Some(source) = self.request.header("x-amz-copy-source") {
                let source = percent_encoding::percent_decode_str(source.trim_start_matches('/')).decode_utf8_lossy();
                let resource = format!("arn:aws:s3:::{source}");
                needs.push(Need { action: "s3:GetObject".to_owned(), resource, context: Context::new() });
            }
            return needs;
        }
        if self.request.operation == "DeleteObjects" {
            let node = Node::parse(&self.request.body).unwrap_or_default();
            let keys = node.all("Object").filter_map(|object| object.text_of("Key"));
            return keys.map(|key| self.need(format!("{bucket}/{key}"))).collect();
        }
        let mut need = self.need(bucket);
        if self.request.operation.starts_with("ListObjects") {
            for (query, key) in [("prefix", "s3:prefix"), ("delimiter", "s3:delimiter"), ("max-keys", "s3:max-keys")] {
                if let Some(value) = self.request.query(query) {
                    need.context.extend([one(key, value)]);
                }
            }
        }
        vec![need]
    }

    fn logs(&self) -> Vec<Need> {
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let group = text("logGroupName");
        let resource = match self.request.operation.as_str() {
            "CreateLogStream" | "PutLogEvents" | "GetLogEvents" | "DeleteLogStream" => {
                self.arn(&format!("log-group:{group}:log-stream:{}", text("logStreamName")))
            }
            "DescribeLogGroups" => self.arn("log-group::log-stream:"),
            _ => self.arn(&format!("log-group:{group}:log-stream:")),
        };
        vec![self.need(resource)]
    }

    fn ssm(&self) -> Result<Vec<Need>, Failure> {
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let parameter = |name: &str| self.need(self.arn(&format!("parameter{}{name}", if name.starts_with('/') { "" } else { "/" })));
        let operation = self.request.operation.as_str();
        Ok(match operation {
            "GetParameters" | "DeleteParameters" => {
                body["Names"].as_array().into_iter().flatten().filter_map(Value::as_str).map(parameter).collect()
            }
            "GetParametersByPath" => vec![parameter(text("Path"))],
            "GetParameter" | "PutParameter" | "DeleteParameter" => vec![parameter(text("Name"))],
            "StartAutomationExecution" => {
                let version = body["DocumentVersion"].as_str().unwrap_or("$DEFAULT");
                vec![self.need(self.arn(&format!("automation-definition/{}:{version}", text("DocumentName"))))]
            }
            "GetAutomationExecution" | "StopAutomationExecution" => {
                vec![self.need(self.arn(&format!("automation-execution/{}", text("AutomationExecutionId"))))]
            }
            "DescribeParameters" | "DescribeAutomationExecutions" | "ListDocuments" => vec![self.need("*".to_owned())],
            name if name.ends_with("Document") || name.ends_with("DocumentDefaultVersion") => {
                vec![self.need(self.arn(&format!("document/{}", text("Name"))))]
            }
            other => return Err(Failure::gap(format!("rights of a role to ssm {other}"))),
        })
    }

    fn scheduler(&self) -> Vec<Need> {
        let name = self.request.path.rsplit('/').next().unwrap_or_default();
        let body = self.json();
        let group = body["GroupName"].as_str().or_else(|| self.request.query("groupName")).unwrap_or("default");
        let resource = match self.request.operation.as_str() {
            "ListSchedules" | "ListScheduleGroups" => "*".to_owned(),
            operation if operation.contains("Group") => self.arn(&format!("schedule-group/{name}")),
            _ => self.arn(&format!("schedule/{group}/{name}")),
        };
        vec![self.need(resource)]
    }

    fn iam(&self) -> Vec<Need> {
        let form = Form::parse(&self.request.body);
        let path = form.peek("Path").unwrap_or("/");
        let named = |name: &str, kind: &str| form.peek(name).map(|value| format!("arn:aws:iam::{}:{kind}{path}{value}", self.account));
        let resource = named("InstanceProfileName", "instance-profile")
            .or_else(|| named("RoleName", "role"))
            .or_else(|| form.peek("PolicyArn").map(str::to_owned))
            .or_else(|| named("PolicyName", "policy"))
            .unwrap_or_else(|| "*".to_owned());
        let mut need = self.need(resource);
        if let Some(boundary) = form.peek("PermissionsBoundary") {
            need.context.extend([one("iam:permissionsboundary", boundary)]);
        }
        vec![need]
    }

    fn ec2(&self, tags: TagsOf<'_>) -> Result<Vec<Need>, Failure> {
        let operation = self.request.operation.as_str();
        if operation.starts_with("Describe") {
            return Ok(vec![self.need("*".to_owned())]);
        }
        let form = Form::parse(&self.request.body);
        let listed = |stem: &str| -> Vec<String> { (1..).map_while(|n| form.peek(&format!("{stem}.{n}")).map(str::to_owned)).collect() };
        let on_instance = |id: &String| {
            let mut need = self.need(self.arn(&format!("instance/{id}")));
            for (key, value) in tags(id).unwrap_or_default() {
                let key = key.to_lowercase();
                need.context.extend([one(&format!("aws:resourcetag/{key}"), &value), one(&format!("ec2:resourcetag/{key}"), &value)]);
            }
            need
        };
        Ok(match operation {
            "TerminateInstances" | "StopInstances" | "StartInstances" | "RebootInstances" => {
                listed("InstanceId").iter().map(on_instance).collect()
            }
            "CreateTags" | "DeleteTags" => {
                let mut keys: Vec<String> = Vec::new();
                let mut request_tags = Context::new();
                for n in 1.. {
                    let Some(key) = form.peek(&format!("Tag.{n}.Key")) else { break };
                    keys.push(key.to_owned());
                    let value = form.peek(&format!("Tag.{n}.Value")).unwrap_or_default();
                    request_tags.extend([one(&format!("aws:requesttag/{}", key.to_lowercase()), value)]);
                }
                let ids = listed("ResourceId");
                if let Some(other) = ids.iter().find(|id| !id.starts_with("i-")) {
                    return Err(Failure::gap(format!("rights of a role to tag {other}")));
                }
                let mut needs: Vec<Need> = ids.iter().map(on_instance).collect();
                for need in &mut needs {
                    need.context.extend(request_tags.clone());
                    need.context.insert("aws:tagkeys".to_owned(), keys.clone());
                }
                needs
            }
            other => return Err(Failure::gap(format!("rights of a role to ec2 {other}"))),
        })
    }
}
