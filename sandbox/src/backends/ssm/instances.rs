//! DescribeInstanceInformation: the managed instances.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::json::{page, read, validation};
use crate::protocol::{Failure, Request};
use crate::times::epoch;

use super::agents::{Agent, Agents};

/// The version of the agent that every image has.
pub(super) const AGENT_VERSION: &str = "3.3.3270.0";
/// The smallest page, the largest, and the usual one.
const PAGES: (usize, usize, usize) = (5, 50, 10);
/// Filters of AWS's that are not known here.
const UNKNOWN: [&str; 5] = ["AgentVersion", "ActivationIds", "IamRole", "ResourceType", "AssociationStatus"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Describe {
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    instance_information_filter_list: Vec<OldFilter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filter {
    key: String,
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OldFilter {
    key: String,
    value_set: Vec<String>,
}

/// Lists the managed instances of a region.
pub(super) fn describe(agents: &Agents, request: &Request) -> Result<Value, Failure> {
    let asked: Describe = read(request)?;
    if !asked.filters.is_empty() && !asked.instance_information_filter_list.is_empty() {
        return Err(validation("You can use either Filters or InstanceInformationFilterList, not both."));
    }
    let old = asked.instance_information_filter_list.into_iter().map(|filter| Filter { key: filter.key, values: filter.value_set });
    let filters: Vec<Filter> = asked.filters.into_iter().chain(old).collect();
    filters.iter().try_for_each(check)?;
    let size = asked.max_results.unwrap_or(PAGES.2);
    if !(PAGES.0..=PAGES.1).contains(&size) {
        return Err(validation(format!("MaxResults must be between {} and {}, but is {size}", PAGES.0, PAGES.1)));
    }
    let all = agents.all(&request.region);
    let found: Vec<&Agent> = all.iter().filter(|agent| filters.iter().all(|filter| passes(filter, agent))).collect();
    let bad = || Failure::new(400, "InvalidNextToken", "The specified token isn't valid.");
    let (listed, next) = page(&found, |agent| agent.machine.id.clone(), asked.next_token.as_deref(), size, bad)?;
    let mut answer = json!({"InstanceInformationList": listed.iter().map(|agent| render(agent, request)).collect::<Vec<_>>()});
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

fn check(filter: &Filter) -> Result<(), Failure> {
    let known: &[&str] = match filter.key.as_str() {
        "InstanceIds" => return Ok(()),
        key if key.starts_with("tag:") => return Ok(()),
        "PingStatus" => &["Online", "ConnectionLost", "Inactive"],
        "PlatformTypes" => &["Linux", "Windows", "MacOS"],
        key if UNKNOWN.contains(&key) || key == "tag-key" => {
            return Err(Failure::gap(format!("filter {key} of ssm DescribeInstanceInformation")));
        }
        _ => return Err(Failure::new(400, "InvalidFilterKey", "The specified key isn't valid.")),
    };
    match filter.values.iter().find(|value| !known.contains(&value.as_str())) {
        None => Ok(()),
        Some(value) => Err(Failure::new(400, "InvalidInstanceInformationFilterValue", format!("The filter value {value} isn't valid."))),
    }
}

fn passes(filter: &Filter, agent: &Agent) -> bool {
    let value = match filter.key.as_str() {
        "InstanceIds" => Some(agent.machine.id.as_str()),
        "PingStatus" => Some(ping(agent)),
        "PlatformTypes" => Some("Linux"),
        key => key.strip_prefix("tag:").and_then(|key| agent.machine.tags.get(key)).map(String::as_str),
    };
    value.is_some_and(|value| filter.values.iter().any(|wanted| wanted == value))
}

fn ping(agent: &Agent) -> &'static str {
    if agent.is_online { "Online" } else { "ConnectionLost" }
}

fn render(agent: &Agent, request: &Request) -> Value {
    let machine = &agent.machine;
    // An agent that is there says so all the time; of one that is not, only its beginning is known.
    let last = if agent.is_online { request.now } else { machine.launch_time };
    json!({
        "InstanceId": machine.id, "PingStatus": ping(agent), "LastPingDateTime": epoch(last), "AgentVersion": AGENT_VERSION,
        "IsLatestVersion": true, "PlatformType": "Linux", "PlatformName": agent.platform.name, "PlatformVersion": agent.platform.version,
        "ResourceType": "EC2Instance", "IPAddress": machine.private_ip, "ComputerName": machine.private_dns_name,
        "SourceId": machine.id, "SourceType": "AWS::EC2::Instance",
    })
}
