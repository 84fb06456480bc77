//! Looking at commands, and cancelling them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::json::{read, validation};
use crate::protocol::{Failure, Request};
use crate::times::{epoch, iso};

use super::super::agents::not_valid;
use super::super::filters::BegunFilter;
use super::super::paging::paged;
use super::Commands;
use super::asked::SHELL_SCRIPT;
use super::output::summary;
use super::state::{Command, Invocation, Status};

/// The one step of the one document.
const PLUGIN: &str = "aws:runShellScript";
/// Entries of a page.
const PAGE: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Get {
    command_id: String,
    instance_id: String,
    plugin_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Cancel {
    command_id: String,
    #[serde(default)]
    instance_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct List {
    command_id: Option<String>,
    instance_id: Option<String>,
    #[serde(default)]
    filters: Vec<BegunFilter>,
    max_results: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    details: bool,
}

impl Commands {
    /// GetCommandInvocation.
    pub(in super::super) fn get(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Get = read(request)?;
        check_id(&asked.command_id)?;
        let state = self.lock();
        let command = state.commands.get(&asked.command_id).filter(|command| command.region == request.region);
        let found = command.and_then(|command| Some((command, command.invocations.iter().find(|i| i.instance == asked.instance_id)?)));
        let (command, invocation) = found.ok_or_else(|| Failure::new(400, "InvocationDoesNotExist", ""))?;
        match asked.plugin_name.as_deref() {
            None | Some(PLUGIN) => Ok(whole(command, invocation)),
            Some(_) => Err(Failure::new(400, "InvalidPluginName", "The plugin name isn't valid.")),
        }
    }

    /// ListCommands.
    pub(in super::super) fn list(&self, request: &Request) -> Result<Value, Failure> {
        let asked = list(request)?;
        if asked.details {
            return Err(validation("Details is no member of ListCommands."));
        }
        let here = |command: &Command| match &asked.instance_id {
            Some(id) => command.invocations.iter().any(|invocation| invocation.instance == *id),
            None => true,
        };
        self.entries("Commands", &asked, request, |command| {
            let fits = here(command) && asked.filters.iter().all(|filter| passes(filter, command, command.status(request.now)));
            fits.then(|| render(command, request.now)).into_iter().collect()
        })
    }

    /// ListCommandInvocations.
    pub(in super::super) fn list_invocations(&self, request: &Request) -> Result<Value, Failure> {
        let asked = list(request)?;
        self.entries("CommandInvocations", &asked, request, |command| {
            let fits = |invocation: &&Invocation| {
                asked.instance_id.as_ref().is_none_or(|id| invocation.instance == *id)
                    && asked.filters.iter().all(|filter| passes(filter, command, (invocation.status.name(), invocation.status.details())))
            };
            command.invocations.iter().filter(fits).map(|invocation| entry(command, invocation, asked.details)).collect()
        })
    }

    /// A page of what commands have to show, the newest first.
    fn entries(&self, name: &str, asked: &List, request: &Request, of: impl Fn(&Command) -> Vec<Value>) -> Result<Value, Failure> {
        let state = self.lock();
        let wanted = |command: &&Command| command.region == request.region && asked.command_id.as_ref().is_none_or(|id| command.id == *id);
        let last = state.order.len();
        let newest = state.order.iter().enumerate().rev().filter_map(|(n, id)| Some((last - n, state.commands.get(id)?)));
        let items: Vec<(String, Value)> = newest
            .filter(|(_, command)| wanted(command))
            .flat_map(|(n, command)| of(command).into_iter().enumerate().map(move |(m, value)| (format!("{n:020}-{m:06}"), value)))
            .collect();
        paged(name, &items, asked.next_token.as_deref(), asked.max_results, PAGE)
    }

    /// CancelCommand.
    pub(in super::super) fn cancel(self: &Arc<Self>, request: &Request) -> Result<Value, Failure> {
        let asked: Cancel = read(request)?;
        check_id(&asked.command_id)?;
        let mut state = self.lock();
        let command = state.commands.get_mut(&asked.command_id).filter(|command| command.region == request.region);
        let command = command.ok_or_else(invalid_id)?;
        let known = |id: &&String| command.invocations.iter().any(|invocation| invocation.instance == **id);
        let strangers: Vec<String> = asked.instance_ids.iter().filter(|id| !known(id)).cloned().collect();
        if !strangers.is_empty() {
            return Err(not_valid(&strangers, &self.agents.around.account));
        }
        command.cancelled |= asked.instance_ids.is_empty();
        let chosen = |invocation: &&mut Invocation| asked.instance_ids.is_empty() || asked.instance_ids.contains(&invocation.instance);
        command.invocations.iter_mut().filter(chosen).for_each(|invocation| cancel(invocation, request.now));
        drop(state);
        // Others may have waited for what was not begun.
        self.begin(&asked.command_id);
        Ok(json!({}))
    }
}

fn cancel(invocation: &mut Invocation, now: Timestamp) {
    match invocation.status {
        Status::InProgress if !invocation.lost => {
            invocation.status = Status::Cancelling;
            invocation.cancel.cancel();
        }
        _ => invocation.end(Status::Cancelled, now),
    }
}

fn invalid_id() -> Failure {
    Failure::new(400, "InvalidCommandId", "The specified command ID isn't valid. Verify the ID and try again.")
}

fn check_id(id: &str) -> Result<(), Failure> {
    if id.len() == 36 { Ok(()) } else { Err(invalid_id()) }
}

fn list(request: &Request) -> Result<List, Failure> {
    let asked: List = read(request)?;
    if let Some(id) = &asked.command_id {
        check_id(id)?;
    }
    for filter in &asked.filters {
        filter.check(&["Status", "DocumentName"], "ExecutionStage", request)?;
    }
    Ok(asked)
}

fn passes(filter: &BegunFilter, command: &Command, (name, details): (&str, &str)) -> bool {
    match filter.key.as_str() {
        "Status" => filter.value == name || filter.value == details,
        "DocumentName" => filter.value == SHELL_SCRIPT,
        _ => filter.passes_time(command.requested),
    }
}

/// A command, as SendCommand and ListCommands show it.
pub(super) fn render(command: &Command, now: Timestamp) -> Value {
    let (status, details) = command.status(now);
    json!({
        "CommandId": command.id, "DocumentName": SHELL_SCRIPT, "DocumentVersion": command.version, "Comment": command.comment,
        "ExpiresAfter": epoch(command.expires), "Parameters": command.parameters, "InstanceIds": command.named, "Targets": command.targets,
        "RequestedDateTime": epoch(command.requested), "Status": status, "StatusDetails": details, "OutputS3BucketName": "",
        "OutputS3KeyPrefix": "", "MaxConcurrency": command.concurrency.text, "MaxErrors": command.errors.text,
        "TargetCount": command.invocations.len(), "CompletedCount": command.completed(), "ErrorCount": command.failed(),
        "DeliveryTimedOutCount": command.undelivered(), "ServiceRole": "",
        "NotificationConfig": {"NotificationArn": "", "NotificationEvents": [], "NotificationType": ""},
        "CloudWatchOutputConfig": command.output, "TimeoutSeconds": command.timeout_s,
    })
}

/// An invocation, as GetCommandInvocation shows it.
fn whole(command: &Command, invocation: &Invocation) -> Value {
    let time = |time: Option<Timestamp>| time.map(iso).unwrap_or_default();
    let elapsed = match (invocation.started, invocation.ended) {
        (Some(started), Some(ended)) => duration(ended.duration_since(started)),
        _ => String::new(),
    };
    json!({
        "CommandId": command.id, "InstanceId": invocation.instance, "Comment": command.comment, "DocumentName": SHELL_SCRIPT,
        "DocumentVersion": command.version, "PluginName": PLUGIN, "ResponseCode": invocation.code,
        "ExecutionStartDateTime": time(invocation.started), "ExecutionElapsedTime": elapsed,
        "ExecutionEndDateTime": time(invocation.ended.filter(|_| invocation.started.is_some())),
        "Status": invocation.status.name(), "StatusDetails": invocation.status.details(),
        "StandardOutputContent": invocation.output, "StandardOutputUrl": "", "StandardErrorContent": invocation.errors,
        "StandardErrorUrl": "", "CloudWatchOutputConfig": command.output,
    })
}

/// An invocation, as ListCommandInvocations shows it.
fn entry(command: &Command, invocation: &Invocation, details: bool) -> Value {
    let mut entry = json!({
        "CommandId": command.id, "InstanceId": invocation.instance, "InstanceName": invocation.instance_name, "Comment": command.comment,
        "DocumentName": SHELL_SCRIPT, "DocumentVersion": command.version, "RequestedDateTime": epoch(command.requested),
        "Status": invocation.status.name(), "StatusDetails": invocation.status.details(), "StandardOutputUrl": "",
        "StandardErrorUrl": "", "CommandPlugins": [], "ServiceRole": "",
        "NotificationConfig": {"NotificationArn": "", "NotificationEvents": [], "NotificationType": ""},
        "CloudWatchOutputConfig": command.output,
    });
    if details {
        // A step does not know that it is being cancelled.
        let status = if invocation.status == Status::Cancelling { Status::InProgress } else { invocation.status };
        let mut plugin = json!({
            "Name": PLUGIN, "Status": status.name(), "StatusDetails": status.details(),
            "ResponseCode": invocation.code, "Output": summary(&invocation.output, &invocation.errors), "StandardOutputUrl": "",
            "StandardErrorUrl": "", "OutputS3Region": command.region, "OutputS3BucketName": "", "OutputS3KeyPrefix": "",
        });
        for (name, time) in [("ResponseStartDateTime", invocation.started), ("ResponseFinishDateTime", invocation.ended)] {
            if let Some(time) = time {
                plugin[name] = epoch(time).into();
            }
        }
        entry["CommandPlugins"] = json!([plugin]);
    }
    entry
}

/// `PT1.5S`, as ISO 8601 has it.
fn duration(length: SignedDuration) -> String {
    let millis = length.as_millis().max(0);
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis % 60_000);
    let part = |number: i128, unit: &str| if number > 0 { format!("{number}{unit}") } else { String::new() };
    let fraction = format!("{}.{:03}", seconds / 1_000, seconds % 1_000);
    format!("PT{}{}{}S", part(hours, "H"), part(minutes, "M"), fraction.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let of = |millis| duration(SignedDuration::from_millis(millis));
        assert_eq!([of(0), of(2), of(1_500), of(60_000), of(3_725_030)], ["PT0S", "PT0.002S", "PT1.5S", "PT1M0S", "PT1H2M5.03S"]);
    }
}
