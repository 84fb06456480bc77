//! EventBridge Scheduler.

use crate::protocol::Failure;

use super::{Facts, Need, json_tags};

pub(super) fn needs(facts: &Facts<'_>) -> Result<Vec<Need>, Failure> {
    let name = facts.request.path.rsplit('/').next().unwrap_or_default();
    let body = facts.json();
    let group = body["GroupName"].as_str().or_else(|| facts.request.query("groupName")).unwrap_or("default");
    let resource = match facts.request.operation.as_str() {
        "ListSchedules" | "ListScheduleGroups" => "*".to_owned(),
        "ListTagsForResource" => {
            let (_, arn) = facts.request.path.split_once("/tags/").unwrap_or_default();
            percent_encoding::percent_decode_str(arn).decode_utf8_lossy().into_owned()
        }
        operation if operation.contains("Group") => facts.arn(&format!("schedule-group/{name}")),
        _ => facts.arn(&format!("schedule/{group}/{name}")),
    };
    let tags = json_tags(&body["Tags"]);
    let mut needs = vec![facts.need(resource.clone()).giving(&tags)];
    if !tags.is_empty() {
        needs.push(Need::new("scheduler:TagResource", resource).giving(&tags));
    }
    if let Some(role) = body["Target"]["RoleArn"].as_str() {
        needs.push(Need::pass_role(role, "scheduler.amazonaws.com", None));
    }
    Ok(needs)
}
