//! The calls of `aws:executeAwsApi`: from the API's members to the wire and back.

use async_trait::async_trait;
use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value, json};

use crate::backends::ssm::Execution;
use crate::callers::Caller;
use crate::protocol::Request;
use crate::router::{Outcome, Router};
use crate::sigv4::STRICT;
use crate::xml::Node;

use super::parse::as_text;
use super::query;
use super::run::{Api, StepError};

/// Calls through the router, so that they are logged and meet faults like anybody's.
pub(crate) struct RouterApi<'a> {
    pub(crate) router: &'a Router,
}

/// The operations documents may call, and the members each may be given.
const OPERATIONS: [(&str, &[&str]); 5] = [
    ("DescribeInstances", &["Filters", "InstanceIds", "MaxResults", "NextToken"]),
    ("TerminateInstances", &["InstanceIds"]),
    ("StopInstances", &["InstanceIds", "Force", "Hibernate"]),
    ("StartInstances", &["InstanceIds"]),
    ("DescribeInstanceStatus", &["Filters", "InstanceIds", "IncludeAllInstances", "MaxResults", "NextToken"]),
];

#[async_trait]
impl Api for RouterApi<'_> {
    async fn call(
        &self,
        execution: &Execution,
        service: &str,
        operation: &str,
        inputs: Map<String, Value>,
        now: Timestamp,
    ) -> Result<Value, StepError> {
        let (service, body) = match service {
            "ec2" => ("ec2", ec2_form(operation, &inputs)?),
            "autoscaling" => ("autoscaling", query::form(operation, &inputs)?),
            other => return Err(StepError::gap(format!("automation service {other} ({operation})"))),
        };
        let caller = Caller::Automation { document: execution.document.clone(), role: execution.role_name() };
        let request = Request::own(service, &execution.region, caller, body.into(), None, now);
        match self.router.dispatch(request).await {
            Outcome::Answer(answer) => {
                let node = Node::parse(&answer.body).ok_or_else(|| StepError::new("The answer cannot be read."))?;
                if answer.status >= 300 {
                    return Err(error_of(service, &node));
                }
                if service == "autoscaling" {
                    return Ok(query::members(&node));
                }
                members(&node).map_err(StepError::gap)
            }
            Outcome::Close | Outcome::Hang => Err(StepError::new("Unable to execute HTTP request: the connection was closed.")),
        }
    }

    fn record_gap(&self, what: &str) {
        self.router.gaps().record(what);
    }
}

fn error_of(service: &str, node: &Node) -> StepError {
    let error = node.child("Errors").unwrap_or(node).child("Error");
    let service = if service == "ec2" { "Ec2" } else { "AutoScaling" };
    let part = |name| error.and_then(|error| error.text_of(name)).unwrap_or_default();
    let message = format!("{} (Service: {service}, Error Code: {})", part("Message"), part("Code"));
    if part("Code") == "NotImplemented" { StepError { message, gap: Some(part("Message").to_owned()) } } else { StepError::new(message) }
}

fn ec2_form(operation: &str, inputs: &Map<String, Value>) -> Result<String, StepError> {
    let (_, known) =
        OPERATIONS.iter().find(|(name, _)| *name == operation).ok_or_else(|| StepError::gap(format!("automation call ec2 {operation}")))?;
    let mut form = format!("Action={operation}&Version=2016-11-15");
    let mut put = |name: &str, value: &Value| {
        form.push_str(&format!("&{name}={}", utf8_percent_encode(&as_text(value), STRICT)));
    };
    for (name, value) in inputs {
        if !known.contains(&name.as_str()) {
            return Err(StepError::gap(format!("automation input {name} of ec2 {operation}")));
        }
        match (name.as_str(), value) {
            ("InstanceIds", Value::Array(ids)) => ids.iter().zip(1..).for_each(|(id, n)| put(&format!("InstanceId.{n}"), id)),
            ("Filters", Value::Array(filters)) => {
                for (filter, n) in filters.iter().zip(1..) {
                    put(&format!("Filter.{n}.Name"), &filter["Name"]);
                    let values = filter["Values"].as_array().ok_or_else(|| StepError::new("Values of a filter must be a list"))?;
                    values.iter().zip(1..).for_each(|(value, m)| put(&format!("Filter.{n}.Value.{m}"), value));
                }
            }
            (_, Value::Array(_) | Value::Object(_)) => return Err(StepError::new(format!("{name} must be a scalar"))),
            ("InstanceIds" | "Filters", _) => return Err(StepError::new(format!("{name} must be a list"))),
            _ => put(name, value),
        }
    }
    Ok(form)
}

/// Lists on the wire, and what the API calls them.
const LISTS: [(&str, &str); 12] = [
    ("reservationSet", "Reservations"),
    ("instancesSet", "Instances"),
    ("instanceStatusSet", "InstanceStatuses"),
    ("tagSet", "Tags"),
    ("groupSet", "SecurityGroups"),
    ("blockDeviceMapping", "BlockDeviceMappings"),
    ("networkInterfaceSet", "NetworkInterfaces"),
    ("privateIpAddressesSet", "PrivateIpAddresses"),
    ("productCodes", "ProductCodes"),
    ("ipv6AddressesSet", "Ipv6Addresses"),
    ("eventsSet", "Events"),
    ("details", "Details"),
];

/// Members whose name on the wire is another one.
const RENAMED: [(&str, &str); 4] =
    [("dnsName", "PublicDnsName"), ("ipAddress", "PublicIpAddress"), ("instanceState", "State"), ("reason", "StateTransitionReason")];

/// An answer's members under the names of the API reference.
fn members(node: &Node) -> Result<Value, String> {
    let mut map = Map::new();
    for child in &node.children {
        let wire = child.name.as_str();
        if wire == "requestId" {
            continue;
        }
        // The answers of stop, start and terminate list what changes under the wire's name for instances.
        let state_change = wire == "instancesSet" && node.name.ends_with("InstancesResponse") && node.name != "DescribeInstancesResponse";
        let (name, is_list) = match LISTS.iter().find(|(known, _)| *known == wire) {
            Some(_) if state_change => (format!("{}Instances", state_verb(&node.name)), true),
            Some((_, name)) => ((*name).to_owned(), true),
            None if child.children.iter().any(|grandchild| grandchild.name == "item") => {
                return Err(format!("the list {wire} in an answer to an automation"));
            }
            None => (member_name(wire), false),
        };
        let value = if is_list {
            let items = child.all("item").map(value_of).collect::<Result<Vec<Value>, String>>()?;
            Value::Array(items)
        } else {
            value_of(child)?
        };
        map.insert(name, value);
    }
    Ok(Value::Object(map))
}

fn state_verb(response: &str) -> &'static str {
    match response {
        "TerminateInstancesResponse" => "Terminating",
        "StopInstancesResponse" => "Stopping",
        _ => "Starting",
    }
}

fn value_of(node: &Node) -> Result<Value, String> {
    if node.children.is_empty() { Ok(scalar(&node.name, &node.text)) } else { members(node) }
}

/// Numbers and booleans become such only where the API has them, so that ids of digits stay text.
fn scalar(name: &str, text: &str) -> Value {
    match (name, text) {
        (_, "true") => json!(true),
        (_, "false") => json!(false),
        (
            "code" | "amiLaunchIndex" | "deviceIndex" | "networkCardIndex" | "httpPutResponseHopLimit" | "coreCount" | "threadsPerCore",
            number,
        ) => number.parse::<i64>().map_or_else(|_| json!(number), |number| json!(number)),
        _ => json!(text),
    }
}

fn member_name(wire: &str) -> String {
    if let Some((_, name)) = RENAMED.iter().find(|(known, _)| *known == wire) {
        return (*name).to_owned();
    }
    let mut letters = wire.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_become_the_wires_parameters() {
        let inputs = json!({
            "Filters": [{"Name": "tag:run", "Values": ["r 1"]}, {"Name": "instance-state-name", "Values": ["pending", "running"]}],
            "MaxResults": 1000,
        });
        assert_eq!(
            ec2_form("DescribeInstances", inputs.as_object().unwrap()).unwrap(),
            "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag%3Arun&Filter.1.Value.1=r%201\
             &Filter.2.Name=instance-state-name&Filter.2.Value.1=pending&Filter.2.Value.2=running&MaxResults=1000"
        );
        let unknown = json!({"Colour": 1});
        assert!(ec2_form("DescribeInstances", unknown.as_object().unwrap()).unwrap_err().gap.is_some());
        assert!(ec2_form("RebootInstances", &Map::new()).unwrap_err().gap.is_some());
    }

    #[test]
    fn answers_get_the_names_of_the_api() {
        let node = Node::parse(
            b"<DescribeInstancesResponse><requestId>r</requestId><reservationSet><item><instancesSet><item>\
              <instanceId>i-1</instanceId><instanceState><code>16</code><name>running</name></instanceState>\
              </item></instancesSet></item></reservationSet></DescribeInstancesResponse>",
        )
        .unwrap();
        assert_eq!(
            members(&node).unwrap(),
            json!({"Reservations": [{"Instances": [{"InstanceId": "i-1", "State": {"Code": 16, "Name": "running"}}]}]})
        );
        let node = Node::parse(b"<TerminateInstancesResponse><instancesSet><item><instanceId>i-1</instanceId></item></instancesSet></TerminateInstancesResponse>").unwrap();
        assert_eq!(members(&node).unwrap(), json!({"TerminatingInstances": [{"InstanceId": "i-1"}]}));
    }
}
