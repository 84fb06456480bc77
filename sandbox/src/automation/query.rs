//! Auto Scaling's operations for `aws:executeAwsApi`: the query protocol, whose answers have the API's names already.

use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value, json};

use crate::sigv4::STRICT;
use crate::xml::Node;

use super::parse::as_text;
use super::run::StepError;

/// The operations documents may call, and the members each may be given.
const OPERATIONS: [(&str, &[&str]); 4] = [
    ("DeleteAutoScalingGroup", &["AutoScalingGroupName", "ForceDelete"]),
    ("DescribeAutoScalingGroups", &["AutoScalingGroupNames", "Filters", "MaxRecords", "NextToken"]),
    ("SetDesiredCapacity", &["AutoScalingGroupName", "DesiredCapacity"]),
    ("UpdateAutoScalingGroup", &["AutoScalingGroupName", "MinSize", "MaxSize", "DesiredCapacity"]),
];

/// The form of a call.
pub(super) fn form(operation: &str, inputs: &Map<String, Value>) -> Result<String, StepError> {
    let missing = || StepError::gap(format!("automation call autoscaling {operation}"));
    let (_, known) = OPERATIONS.iter().find(|(name, _)| *name == operation).ok_or_else(missing)?;
    let mut form = format!("Action={operation}&Version=2011-01-01");
    for (name, value) in inputs {
        if !known.contains(&name.as_str()) {
            return Err(StepError::gap(format!("automation input {name} of autoscaling {operation}")));
        }
        let is_list = matches!(name.as_str(), "AutoScalingGroupNames" | "Filters");
        if is_list != value.is_array() || value.is_object() {
            return Err(StepError::new(format!("{name} must be a {}", if is_list { "list" } else { "scalar" })));
        }
        put(&mut form, name, value);
    }
    Ok(form)
}

/// Adds a value, and whatever is in it, under its name.
fn put(form: &mut String, name: &str, value: &Value) {
    match value {
        Value::Array(items) => items.iter().zip(1..).for_each(|(item, n)| put(form, &format!("{name}.member.{n}"), item)),
        Value::Object(fields) => fields.iter().for_each(|(field, value)| put(form, &format!("{name}.{field}"), value)),
        scalar => form.push_str(&format!("&{name}={}", utf8_percent_encode(&as_text(scalar), STRICT))),
    }
}

/// Lists, which nothing tells from texts when they are empty.
const LISTS: [&str; 11] = [
    "AutoScalingGroups",
    "AvailabilityZones",
    "EnabledMetrics",
    "Instances",
    "LoadBalancerNames",
    "Overrides",
    "SuspendedProcesses",
    "Tags",
    "TargetGroupARNs",
    "TerminationPolicies",
    "TrafficSources",
];

const NUMBERS: [&str; 8] = [
    "DefaultCooldown",
    "DefaultInstanceWarmup",
    "DesiredCapacity",
    "HealthCheckGracePeriod",
    "MaxSize",
    "MinSize",
    "OnDemandBaseCapacity",
    "OnDemandPercentageAboveBaseCapacity",
];

const FLAGS: [&str; 4] = ["CapacityRebalance", "NewInstancesProtectedFromScaleIn", "PropagateAtLaunch", "ProtectedFromScaleIn"];

/// The members of an answer: what is in its result.
pub(super) fn members(answer: &Node) -> Value {
    let result = answer.children.iter().find(|child| child.name.ends_with("Result"));
    result.map_or_else(|| json!({}), structure)
}

fn structure(node: &Node) -> Value {
    Value::Object(node.children.iter().map(|child| (child.name.clone(), value_of(child))).collect())
}

fn value_of(node: &Node) -> Value {
    let name = node.name.as_str();
    if LISTS.contains(&name) {
        return Value::Array(node.all("member").map(value_of).collect());
    }
    if !node.children.is_empty() {
        return structure(node);
    }
    match node.text.parse::<i64>() {
        Ok(number) if NUMBERS.contains(&name) => json!(number),
        _ if FLAGS.contains(&name) => json!(node.text == "true"),
        _ => json!(node.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_become_the_wires_parameters() {
        let inputs = json!({"AutoScalingGroupNames": ["a b"], "Filters": [{"Name": "tag:run", "Values": ["1", "2"]}]});
        assert_eq!(
            form("DescribeAutoScalingGroups", inputs.as_object().unwrap()).unwrap(),
            "Action=DescribeAutoScalingGroups&Version=2011-01-01&AutoScalingGroupNames.member.1=a%20b\
             &Filters.member.1.Name=tag%3Arun&Filters.member.1.Values.member.1=1&Filters.member.1.Values.member.2=2"
        );
        let text = json!({"AutoScalingGroupNames": "a"});
        assert_eq!(
            form("DescribeAutoScalingGroups", text.as_object().unwrap()).unwrap_err().message,
            "AutoScalingGroupNames must be a list"
        );
        assert!(form("DeleteAutoScalingGroup", json!({"Colour": 1}).as_object().unwrap()).unwrap_err().gap.is_some());
        assert!(form("CreateAutoScalingGroup", &Map::new()).unwrap_err().gap.is_some());
    }

    #[test]
    fn answers_have_the_types_of_the_api() {
        let answer = Node::parse(
            b"<R><DescribeAutoScalingGroupsResult><AutoScalingGroups><member><MinSize>1</MinSize><Instances></Instances>\
              <AvailabilityZones><member>us-east-1a</member></AvailabilityZones><AutoScalingGroupName>7</AutoScalingGroupName>\
              </member></AutoScalingGroups></DescribeAutoScalingGroupsResult><ResponseMetadata/></R>",
        );
        let group = json!({"MinSize": 1, "Instances": [], "AvailabilityZones": ["us-east-1a"], "AutoScalingGroupName": "7"});
        assert_eq!(members(&answer.unwrap()), json!({"AutoScalingGroups": [group]}));
    }
}
