//! Systems Manager. That an automation gets its role is the backend's to see: the document says which.

use serde_json::Value;

use crate::protocol::Failure;

use super::{Facts, Need, json_tags};

pub(super) fn needs(facts: &Facts<'_>) -> Result<Vec<Need>, Failure> {
    let body = facts.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let parameter = |name: &str| facts.need(parameter_arn(facts, name));
    let operation = facts.request.operation.as_str();
    let need = match operation {
        "GetParameters" | "DeleteParameters" => {
            return Ok(body["Names"].as_array().into_iter().flatten().filter_map(Value::as_str).map(parameter).collect());
        }
        "GetParametersByPath" => parameter(text("Path")).with("ssm:Recursive", (body["Recursive"] == true).to_string()),
        "PutParameter" => parameter(text("Name")).with("ssm:Overwrite", (body["Overwrite"] == true).to_string()),
        "GetParameter" | "DeleteParameter" => parameter(text("Name")),
        "StartAutomationExecution" => {
            let version = body["DocumentVersion"].as_str().unwrap_or("$DEFAULT");
            facts.need(facts.arn(&format!("automation-definition/{}:{version}", text("DocumentName"))))
        }
        "GetAutomationExecution" | "StopAutomationExecution" => {
            facts.need(facts.arn(&format!("automation-execution/{}", text("AutomationExecutionId"))))
        }
        "AddTagsToResource" | "ListTagsForResource" => match text("ResourceType") {
            "Parameter" => parameter(text("ResourceId")),
            "Document" => facts.need(facts.arn(&format!("document/{}", text("ResourceId")))),
            _ => return Err(facts.gap()),
        },
        "StartSession" | "SendCommand" => return Ok(on_instances(facts, &body)),
        "TerminateSession" | "ResumeSession" => {
            let tags = facts.sessions.map(|sessions| sessions.tags(text("SessionId"))).unwrap_or_default();
            facts.need(facts.arn(&format!("session/{}", text("SessionId")))).on_tagged("ssm", &tags)
        }
        "DescribeParameters"
        | "DescribeAutomationExecutions"
        | "ListDocuments"
        | "DescribeInstanceInformation"
        | "DescribeSessions"
        | "ListCommands"
        | "ListCommandInvocations"
        | "GetCommandInvocation"
        | "CancelCommand" => facts.need("*"),
        name if name.ends_with("Document") || name.ends_with("DocumentDefaultVersion") => {
            facts.need(facts.arn(&format!("document/{}", text("Name"))))
        }
        _ => return Err(facts.gap()),
    };
    let tags = json_tags(&body["Tags"]);
    let mut needs = vec![need.giving(&tags)];
    if !tags.is_empty() && operation != "AddTagsToResource" {
        needs.push(Need::new("ssm:AddTagsToResource", needs[0].resource.clone()).giving(&tags));
    }
    Ok(needs)
}

/// What is done on instances takes the right to each of them, and to the document that says what. A session whose document is not named
/// takes no right to one, unless the policy asks for a check of documents: then only those count that name one.
fn on_instances(facts: &Facts<'_>, body: &Value) -> Vec<Need> {
    let named = body["DocumentName"].as_str();
    let ids: Vec<String> = match body["Target"].as_str() {
        Some(target) => vec![target.to_owned()],
        None => targets(body, |key, values| tagged(facts, key, values)),
    };
    let is_session = facts.request.operation == "StartSession";
    let check = |need: Need| if is_session { need.with("ssm:SessionDocumentAccessCheck", named.is_some().to_string()) } else { need };
    let on_instance = |id: &String| {
        let subject = facts.ec2.with(facts.request.now, |cloud, _| cloud.subject(&facts.request.region, id));
        let arn = format!("arn:aws:ec2:{}:{}:instance/{id}", facts.request.region, facts.account);
        check(facts.need(arn).on_tagged("ssm", &subject.tags))
    };
    ids.iter().map(on_instance).chain(named.map(|name| check(facts.need(document_arn(facts, name))))).collect()
}

/// AWS's own documents belong to no account.
fn document_arn(facts: &Facts<'_>, name: &str) -> String {
    match name {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name if name.starts_with("AWS-") => format!("arn:aws:ssm:{}::document/{name}", facts.request.region),
        name => facts.arn(&format!("document/{name}")),
    }
}

/// The instances that have one of these values of a tag.
fn tagged(facts: &Facts<'_>, key: &str, values: &[&str]) -> Vec<String> {
    facts.ec2.with(facts.request.now, |cloud, _| {
        let machines = cloud.machine_ids().into_iter().filter_map(|id| cloud.machine(&id));
        let here = machines.filter(|machine| machine.region == facts.request.region);
        here.filter(|machine| machine.tags.get(key).is_some_and(|value| values.contains(&value.as_str())))
            .map(|machine| machine.id)
            .collect()
    })
}

/// The instances a command names, and those that all its targets have in common.
fn targets(body: &Value, tagged: impl Fn(&str, &[&str]) -> Vec<String>) -> Vec<String> {
    let strings = |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    let mut common: Option<Vec<String>> = None;
    for target in body["Targets"].as_array().into_iter().flatten() {
        let values = strings(&target["Values"]);
        let found = match target["Key"].as_str().unwrap_or_default().strip_prefix("tag:") {
            Some(key) => tagged(key, &values.iter().map(String::as_str).collect::<Vec<_>>()),
            None => values,
        };
        common = Some(match common {
            Some(before) => before.into_iter().filter(|id| found.contains(id)).collect(),
            None => found,
        });
    }
    let mut ids = strings(&body["InstanceIds"]);
    ids.extend(common.unwrap_or_default());
    ids
}

/// AWS's own parameters belong to no account.
fn parameter_arn(facts: &Facts<'_>, name: &str) -> String {
    let slash = if name.starts_with('/') { "" } else { "/" };
    let account = if name.starts_with("/aws/") { "" } else { facts.account };
    format!("arn:aws:ssm:{}:{account}:parameter{slash}{name}", facts.request.region)
}
