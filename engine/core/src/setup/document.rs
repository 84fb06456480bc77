//! The automation documents of lease hand 3.

use serde_json::{Value, json};
use spawn_model::tag;

/// The states of what has not ended.
const LIVING: [&str; 4] = ["pending", "running", "stopping", "stopped"];

/// The document of lease hand 3: find what a shard of a run still has, and end it in one call. Nothing found is a success.
///
/// It looks by tag and never stores ids, because one id that EC2 has forgotten would fail the whole call. Nothing stands between
/// the look and the end: `aws:branch` compares no lists, so an empty find is told by EC2 refusing to end nothing, which is not
/// critical. An end that fails for another reason is tried again by the schedule's next repetition.
#[must_use]
pub fn end_document() -> String {
    let steps = find_and_end("TerminateInstances", &LIVING);
    document("Terminates what is left of a shard of a spawn run, found by tag.", steps.into())
}

/// The document that ends a service: its Auto Scaling group, and then as [`end_document`] what the group does not end. A group that is gone,
/// or that somebody deletes at this moment, is refused, and that is not critical.
#[must_use]
pub fn group_document() -> String {
    let delete = json!({
        "name": "group",
        "action": "aws:executeAwsApi",
        "inputs": {
            "Service": "autoscaling",
            "Api": "DeleteAutoScalingGroup",
            // `layout::scaling_name` of the run.
            "AutoScalingGroupName": "spawn-{{ Run }}",
            "ForceDelete": true,
        },
        "isCritical": false,
        "onFailure": "Continue",
    });
    let description = "Deletes the Auto Scaling group of a spawn run, and terminates what is left of it, found by tag.";
    document(description, std::iter::once(delete).chain(find_and_end("TerminateInstances", &LIVING)).collect())
}

/// The document that stops what a shard of a run still runs, where instances are kept for a while after their deadline. EC2 refuses to stop what
/// is not running yet, and with it all the others.
#[must_use]
pub fn stop_document() -> String {
    document("Stops what still runs of a shard of a spawn run, found by tag.", find_and_end("StopInstances", &["running"]).into())
}

/// The document that hibernates what a shard of a run still runs. What EC2 does not hibernate yet is asked for again by the schedule's next
/// repetition, and stopped by a schedule of its own.
#[must_use]
pub fn hibernate_document() -> String {
    let [find, mut hibernate] = find_and_end("StopInstances", &["running"]);
    hibernate["inputs"]["Hibernate"] = json!(true);
    document("Hibernates what still runs of a shard of a spawn run, found by tag.", vec![find, hibernate])
}

fn document(description: &str, steps: Vec<Value>) -> String {
    json!({
        "schemaVersion": "0.3",
        "description": description,
        "assumeRole": "{{ AutomationAssumeRole }}",
        "parameters": {
            "AutomationAssumeRole": { "type": "String", "description": "The role to act with." },
            "Run": { "type": "String", "description": "The run.", "allowedPattern": "^run-[0-9a-f]{16}$" },
            "Shard": { "type": "String", "description": "The shard of the run.", "allowedPattern": "^[0-9]{1,3}$" },
        },
        "mainSteps": steps,
    })
    .to_string()
}

/// Finds what is in one of these states, and does this to it.
fn find_and_end(operation: &str, states: &[&str]) -> [Value; 2] {
    [
        json!({
            "name": "find",
            "action": "aws:executeAwsApi",
            "inputs": {
                "Service": "ec2",
                "Api": "DescribeInstances",
                "Filters": [
                    { "Name": format!("tag:{}", tag::RUN), "Values": ["{{ Run }}"] },
                    { "Name": format!("tag:{}", tag::SHARD), "Values": ["{{ Shard }}"] },
                    { "Name": "instance-state-name", "Values": states },
                ],
                "MaxResults": 1000,
            },
            "outputs": [{ "Name": "Ids", "Selector": "$.Reservations..Instances..InstanceId", "Type": "StringList" }],
        }),
        json!({
            "name": "end",
            "action": "aws:executeAwsApi",
            "inputs": { "Service": "ec2", "Api": operation, "InstanceIds": "{{ find.Ids }}" },
            "isCritical": false,
            "onFailure": "Continue",
            "isEnd": true,
        }),
    ]
}
