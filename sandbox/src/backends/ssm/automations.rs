//! Executions of automations: started here, carried out by the driver.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::authority::{Need, trust};
use crate::automation;
use crate::json::{read, validation};
use crate::protocol::{Failure, Request};
use crate::times::epoch;

use super::Ssm;
use super::filters::Filter;
use super::paging::paged;

/// Executions that run at once; further ones wait.
const CONCURRENT: usize = 100;
/// Executions that may wait.
const QUEUE: usize = 5_000;

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecutionStatus {
    /// Waits for its turn.
    Pending,
    /// Runs or sleeps.
    InProgress,
    /// Ended well.
    Success,
    /// Ended badly.
    Failed,
    /// Was stopped.
    Cancelled,
}

impl ExecutionStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }

    fn is_over(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }
}

/// One execution of a document.
#[derive(Debug, Clone)]
pub(crate) struct Execution {
    /// Id.
    pub(crate) id: String,
    /// Name of the document.
    pub(crate) document: String,
    /// Version of the document.
    pub(crate) version: u64,
    /// Region.
    pub(crate) region: String,
    /// Account.
    pub(crate) account: String,
    /// The document as it was when the execution started.
    pub(crate) parsed: automation::Document,
    /// Values of the parameters.
    pub(crate) parameters: BTreeMap<String, Value>,
    /// The parameters as they were given.
    pub(crate) given: BTreeMap<String, Vec<String>>,
    /// ARN of the role it runs as.
    pub(crate) role: Option<String>,
    /// ARN of who started it.
    pub(crate) started_by: String,
    /// When it was started.
    pub(crate) started: Timestamp,
    /// When it ended.
    pub(crate) ended: Option<Timestamp>,
    /// Where it stands.
    pub(crate) status: ExecutionStatus,
    /// Why it failed.
    pub(crate) failure: Option<String>,
    /// The first critical step that failed and was passed over.
    pub(crate) failed_step: Option<String>,
    /// Steps carried out.
    pub(crate) steps: Vec<StepRecord>,
    /// Outputs of steps: `step.Output`.
    pub(crate) outputs: BTreeMap<String, Value>,
    /// The step to come.
    pub(crate) next: Option<usize>,
    /// Not before this.
    pub(crate) wake: Timestamp,
    token: Option<String>,
}

/// A step that was carried out.
#[derive(Debug, Clone)]
pub(crate) struct StepRecord {
    pub(crate) name: String,
    pub(crate) action: String,
    pub(crate) inputs: Value,
    pub(crate) outputs: Map<String, Value>,
    pub(crate) failure: Option<String>,
    pub(crate) at: Timestamp,
}

/// Members of StartAutomationExecution.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Start {
    document_name: String,
    document_version: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, Vec<String>>,
    client_token: Option<String>,
    mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Get {
    automation_execution_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Stop {
    automation_execution_id: String,
    #[serde(rename = "Type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Describe {
    #[serde(default)]
    filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

impl Execution {
    /// The name of its role, for callers and errors.
    pub(crate) fn role_name(&self) -> String {
        let role = self.role.as_deref().unwrap_or(&self.started_by);
        role.rsplit('/').next().unwrap_or(role).to_owned()
    }

    fn summary(&self) -> Value {
        let mut entry = json!({
            "AutomationExecutionId": self.id, "DocumentName": self.document, "DocumentVersion": self.version.to_string(),
            "AutomationExecutionStatus": self.status.name(), "ExecutionStartTime": epoch(self.started),
            "ExecutedBy": self.started_by, "Mode": "Auto", "Targets": [], "Outputs": self.shown_outputs(),
            "ResolvedTargets": {"ParameterValues": [], "Truncated": false},
        });
        if let Some(ended) = self.ended {
            entry["ExecutionEndTime"] = epoch(ended).into();
        }
        if let Some(failure) = &self.failure {
            entry["FailureMessage"] = failure.as_str().into();
        }
        entry
    }

    fn shown_outputs(&self) -> Value {
        let shown = |name: &String| Some((name.clone(), texts(self.outputs.get(name)?)));
        Value::Object(self.parsed.outputs.iter().filter_map(shown).collect())
    }

    fn whole(&self) -> Value {
        let mut entry = self.summary();
        entry["Parameters"] = json!(self.given);
        entry["StepExecutionsTruncated"] = false.into();
        entry["StepExecutions"] = self.steps.iter().enumerate().map(|(n, step)| step.render(&self.id, n)).collect();
        entry
    }
}

impl StepRecord {
    fn render(&self, execution: &str, number: usize) -> Value {
        let inputs: Map<String, Value> =
            self.inputs.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.to_string().into())).collect();
        let outputs: Map<String, Value> = self.outputs.iter().map(|(key, value)| (key.clone(), texts(value))).collect();
        let mut entry = json!({
            "StepName": self.name, "Action": self.action, "ExecutionStartTime": epoch(self.at), "ExecutionEndTime": epoch(self.at),
            "StepStatus": if self.failure.is_some() { "Failed" } else { "Success" }, "Inputs": inputs, "Outputs": outputs,
            "StepExecutionId": format!("{execution}-{number}"), "OverriddenParameters": {},
        });
        if let Some(failure) = &self.failure {
            entry["FailureMessage"] = failure.as_str().into();
        }
        entry
    }
}

/// Outputs are lists of texts.
fn texts(value: &Value) -> Value {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Array(list) => list.iter().map(text).collect(),
        other => json!([text(other)]),
    }
}

impl Ssm {
    pub(super) fn start_automation(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Start = read(request)?;
        if asked.mode.as_deref().is_some_and(|mode| mode != "Auto") {
            return Err(Failure::gap("interactive automations"));
        }
        let mut state = self.lock();
        let key = (request.region.clone(), asked.document_name.clone());
        let document = state.documents.get(&key).ok_or_else(|| {
            let message = format!("Automation definition document {} was not found.", asked.document_name);
            Failure::new(400, "AutomationDefinitionNotFoundException", message)
        })?;
        let (version, found) = document.version(asked.document_version.as_deref()).ok_or_else(|| {
            let message = format!("Automation definition document {} has no such version.", asked.document_name);
            Failure::new(400, "AutomationDefinitionVersionNotFoundException", message)
        })?;
        let parsed = found.parsed.clone();
        let parameters = bind(&parsed, &asked.parameters)
            .map_err(|message| Failure::new(400, "InvalidAutomationExecutionParametersException", message))?;
        let role = self.assume_role(&parsed, &parameters, request)?;
        if let (Some(arn), Some(authority)) = (&role, self.agents.authority.get()) {
            authority.check_need(request, &Need::pass_role(arn, "ssm.amazonaws.com", None))?;
        }
        if asked.client_token.is_some() && state.executions.values().any(|execution| execution.token == asked.client_token) {
            return Err(Failure::new(400, "IdempotentParameterMismatch", "The client token was used before."));
        }
        let waiting = state.executions.values().filter(|execution| execution.status == ExecutionStatus::Pending).count();
        if waiting >= QUEUE {
            return Err(Failure::new(
                400,
                "AutomationExecutionLimitExceededException",
                "The number of simultaneously running Automation executions exceeded the allowable limit.",
            ));
        }
        let id = uuid::Uuid::new_v4().to_string();
        let execution = Execution {
            id: id.clone(),
            document: asked.document_name,
            version,
            region: request.region.clone(),
            account: self.account.clone(),
            parsed,
            parameters,
            given: asked.parameters,
            role,
            started_by: request.caller.arn(&self.account),
            started: request.now,
            ended: None,
            status: ExecutionStatus::Pending,
            failure: None,
            failed_step: None,
            steps: Vec::new(),
            outputs: BTreeMap::new(),
            next: Some(0),
            wake: request.now,
            token: asked.client_token,
        };
        state.executions.insert(id.clone(), execution);
        state.order.push(id.clone());
        Ok(json!({"AutomationExecutionId": id}))
    }

    /// The role a document names must exist, be usable, and trust Systems Manager.
    fn assume_role(
        &self,
        document: &automation::Document,
        parameters: &BTreeMap<String, Value>,
        request: &Request,
    ) -> Result<Option<String>, Failure> {
        let Some(template) = &document.assume_role else { return Ok(None) };
        let name = template.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
        let arn = match name {
            Some(name) => parameters.get(name).and_then(Value::as_str).unwrap_or_default().to_owned(),
            None => template.clone(),
        };
        if arn.is_empty() {
            return Ok(None);
        }
        // Automation says for which executions it acts, not yet for which one.
        let source = format!("arn:aws:ssm:{}:{}:automation-execution/*", request.region, self.account);
        if let Some(role) = self.iam.role_by_arn(&arn).filter(|role| role.usable <= request.now) {
            let trusted = trust::lets(&role, "ssm.amazonaws.com", Some(&source));
            if trusted.map_err(|what| Failure::gap(format!("{what} of a role's trust policy")))? {
                return Ok(Some(arn));
            }
        }
        Err(Failure::new(400, "InvalidAutomationExecutionParametersException", "The defined assume role is unable to be assumed."))
    }

    pub(super) fn get_automation(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Get = read(request)?;
        let state = self.lock();
        let execution = state.executions.get(&asked.automation_execution_id).filter(|execution| execution.region == request.region);
        execution.map(|execution| json!({"AutomationExecution": execution.whole()})).ok_or_else(not_found)
    }

    pub(super) fn stop_automation(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Stop = read(request)?;
        if asked.kind.as_deref().is_some_and(|kind| kind != "Cancel") {
            return Err(Failure::gap("StopAutomationExecution of type Complete"));
        }
        let mut state = self.lock();
        let execution = state.executions.get_mut(&asked.automation_execution_id).ok_or_else(not_found)?;
        if !execution.status.is_over() {
            execution.status = ExecutionStatus::Cancelled;
            execution.ended = Some(request.now);
            execution.next = None;
        }
        Ok(json!({}))
    }

    pub(super) fn describe_automations(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Describe = read(request)?;
        for filter in &asked.filters {
            if !matches!(filter.key.as_str(), "DocumentNamePrefix" | "ExecutionStatus" | "ExecutionId") {
                return Err(Failure::gap(format!("filter {} of ssm DescribeAutomationExecutions", filter.key)));
            }
        }
        let wanted = |execution: &Execution| {
            execution.region == request.region
                && asked.filters.iter().all(|filter| match filter.key.as_str() {
                    "DocumentNamePrefix" => filter.values.iter().any(|value| execution.document.starts_with(value)),
                    "ExecutionStatus" => filter.values.iter().any(|value| execution.status.name() == value),
                    _ => filter.values.contains(&execution.id),
                })
        };
        let state = self.lock();
        let last = state.order.len();
        // The newest first.
        let list: Vec<(String, Value)> = state
            .order
            .iter()
            .enumerate()
            .rev()
            .filter_map(|(n, id)| Some((n, state.executions.get(id)?)))
            .filter(|(_, execution)| wanted(execution))
            .map(|(n, execution)| (format!("{:020}", last - n), execution.summary()))
            .collect();
        paged("AutomationExecutionMetadataList", &list, asked.next_token.as_deref(), asked.max_results, 50)
    }

    /// The executions whose turn it is; the driver carries them out and hands them back with [`Ssm::put_back`].
    pub(crate) fn take_runnable(&self, now: Timestamp) -> Vec<Execution> {
        let mut state = self.lock();
        let running = state.executions.values().filter(|execution| execution.status == ExecutionStatus::InProgress).count();
        let mut free = CONCURRENT.saturating_sub(running);
        let order = state.order.clone();
        let mut runnable = Vec::new();
        for id in order {
            let Some(execution) = state.executions.get_mut(&id).filter(|execution| execution.wake <= now) else { continue };
            match execution.status {
                ExecutionStatus::Pending if free > 0 => free -= 1,
                ExecutionStatus::InProgress => {}
                _ => continue,
            }
            execution.status = ExecutionStatus::InProgress;
            runnable.push(execution.clone());
        }
        runnable
    }

    /// Takes an execution back that was carried on; one that was stopped meanwhile stays stopped.
    pub(crate) fn put_back(&self, execution: Execution) {
        let mut state = self.lock();
        if let Some(known) = state.executions.get_mut(&execution.id)
            && known.status != ExecutionStatus::Cancelled
        {
            *known = execution;
        }
    }

    /// When the next execution can go on.
    pub(super) fn next_automation(&self) -> Option<Timestamp> {
        let state = self.lock();
        let running = state.executions.values().filter(|execution| execution.status == ExecutionStatus::InProgress).count();
        state
            .executions
            .values()
            .filter(|execution| match execution.status {
                ExecutionStatus::Pending => running < CONCURRENT,
                ExecutionStatus::InProgress => true,
                _ => false,
            })
            .map(|execution| execution.wake)
            .min()
    }
}

fn not_found() -> Failure {
    Failure::new(
        400,
        "AutomationExecutionNotFoundException",
        "There is no automation execution information for the requested automation execution ID.",
    )
}

/// The value of every parameter: what was given, or its default.
fn bind(document: &automation::Document, given: &BTreeMap<String, Vec<String>>) -> Result<BTreeMap<String, Value>, String> {
    if let Some(unknown) = given.keys().find(|name| !document.parameters.iter().any(|(known, _)| known == *name)) {
        return Err(format!("Parameter \"{unknown}\" is not defined in the automation document."));
    }
    let mut values = BTreeMap::new();
    for (name, parameter) in &document.parameters {
        let value = match (given.get(name), &parameter.default) {
            (Some(texts), _) => parameter.value(name, texts)?,
            (None, Some(default)) => default.clone(),
            (None, None) => return Err(format!("Parameter \"{name}\" is required.")),
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// The validation a universal target's input goes through before it is ever sent.
pub(crate) fn check_start(input: &str) -> Result<(), Failure> {
    serde_json::from_str::<Start>(input).map(|_| ()).map_err(|error| validation(format!("Invalid Input: {error}")))
}
