//! CloudWatch Logs.

use crate::protocol::Failure;

use super::{Facts, Need, json_tags};

pub(super) fn needs(facts: &Facts<'_>) -> Result<Vec<Need>, Failure> {
    let body = facts.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let group = text("logGroupName");
    let resource = match facts.request.operation.as_str() {
        "CreateLogStream" | "PutLogEvents" | "GetLogEvents" | "DeleteLogStream" => {
            facts.arn(&format!("log-group:{group}:log-stream:{}", text("logStreamName")))
        }
        "DescribeLogGroups" => facts.arn("log-group::log-stream:"),
        _ => facts.arn(&format!("log-group:{group}:log-stream:")),
    };
    let tags = json_tags(&body["tags"]);
    Ok(vec![facts.need(resource).giving(&tags)])
}
