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
        "DescribeParameters" | "DescribeAutomationExecutions" | "ListDocuments" => facts.need("*"),
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

/// AWS's own parameters belong to no account.
fn parameter_arn(facts: &Facts<'_>, name: &str) -> String {
    let slash = if name.starts_with('/') { "" } else { "/" };
    let account = if name.starts_with("/aws/") { "" } else { facts.account };
    format!("arn:aws:ssm:{}:{account}:parameter{slash}{name}", facts.request.region)
}
