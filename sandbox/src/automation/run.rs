//! Carries out an execution until it ends or sleeps.

use async_trait::async_trait;
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::{Map, Value, json};

use crate::backends::ssm::{Execution, ExecutionStatus, StepRecord};

use super::parse::{Kind, OnFailure, Output, Step, as_text};
use super::selector::{Found, select};
use super::template::{Scope, TemplateError, fill};

/// The most an execution's step may put out, in bytes.
const MOST_OUTPUT: usize = 100_000;
/// Steps of one execution; a document that goes round in circles ends here.
const MOST_STEPS: usize = 10_000;

/// What a failed call says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepError {
    /// Code and message.
    pub(crate) message: String,
    /// What the sandbox lacks, if that is why.
    pub(crate) gap: Option<String>,
}

impl StepError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), gap: None }
    }

    pub(crate) fn gap(what: impl Into<String>) -> Self {
        let what = what.into();
        Self { message: format!("The sandbox does not know {what}."), gap: Some(what) }
    }
}

/// Makes the calls of a document.
#[async_trait]
pub(crate) trait Api: Sync {
    /// Calls an operation and answers its result, members named as in the service's API reference.
    async fn call(
        &self,
        execution: &Execution,
        service: &str,
        operation: &str,
        inputs: Map<String, Value>,
        now: Timestamp,
    ) -> Result<Value, StepError>;

    /// Lists something as missing.
    fn record_gap(&self, what: &str);
}

/// What comes after a step.
enum Then {
    Next,
    Jump(String),
    End,
    Sleep(Timestamp),
}

/// Goes on with an execution whose time has come.
pub(crate) async fn run(execution: &mut Execution, api: &dyn Api, now: Timestamp) {
    execution.status = ExecutionStatus::InProgress;
    while let Some(position) = execution.next {
        let Some(step) = execution.parsed.steps.get(position).cloned() else {
            break;
        };
        if execution.steps.len() >= MOST_STEPS {
            finish(execution, ExecutionStatus::Failed, Some(format!("More than {MOST_STEPS} steps.")), now);
            return;
        }
        let mut attempt = 1;
        let (inputs, mut outcome) = attempt_step(execution, &step, api, now).await;
        while outcome.is_err() && attempt < step.attempts {
            attempt += 1;
            outcome = attempt_step(execution, &step, api, now).await.1;
        }
        let failure = outcome.as_ref().err().map(|error| error.message.clone());
        if let Err(StepError { gap: Some(what), .. }) = &outcome {
            api.record_gap(what);
        }
        record(execution, &step, inputs, failure.clone(), now);
        let then = match outcome {
            Ok(then) => then,
            Err(error) => match after_failure(execution, &step, &error) {
                Some(then) => then,
                None => {
                    let message = format!("Step fails when it is Execute/Cancelling action. {}", error.message);
                    finish(execution, ExecutionStatus::Failed, Some(message), now);
                    return;
                }
            },
        };
        if let Then::Sleep(until) = then {
            execution.wake = until;
        }
        execution.next = following(execution, position, &step, &then);
        if matches!(then, Then::Sleep(_)) && execution.next.is_some() {
            return;
        }
        if let (Then::Sleep(until), None) = (&then, execution.next) {
            // The last step sleeps: the execution ends when it wakes.
            execution.next = Some(execution.parsed.steps.len());
            execution.wake = *until;
            return;
        }
    }
    let status = if execution.failed_step.is_some() { ExecutionStatus::Failed } else { ExecutionStatus::Success };
    let failure = execution.failed_step.clone();
    finish(execution, status, failure, now);
}

fn finish(execution: &mut Execution, status: ExecutionStatus, failure: Option<String>, now: Timestamp) {
    execution.status = status;
    execution.failure = failure;
    execution.next = None;
    execution.ended = Some(now);
}

/// `None`: the execution is over.
fn after_failure(execution: &mut Execution, step: &Step, error: &StepError) -> Option<Then> {
    // What the sandbox lacks is never passed over: the rest would prove nothing.
    if error.gap.is_some() {
        return None;
    }
    if step.is_critical && execution.failed_step.is_none() {
        execution.failed_step = Some(format!("Step {} failed: {}", step.name, error.message));
    }
    match &step.on_failure {
        OnFailure::Abort => {
            if step.is_critical {
                return None;
            }
            Some(Then::End)
        }
        OnFailure::Continue => Some(Then::Next),
        OnFailure::Step(name) => Some(Then::Jump(name.clone())),
    }
}

fn following(execution: &Execution, position: usize, step: &Step, then: &Then) -> Option<usize> {
    match then {
        Then::End => None,
        Then::Jump(name) => execution.parsed.position(name),
        Then::Next | Then::Sleep(_) if step.is_end => None,
        Then::Next | Then::Sleep(_) => match &step.next {
            Some(name) => execution.parsed.position(name),
            None => Some(position + 1).filter(|next| *next < execution.parsed.steps.len()),
        },
    }
}

fn record(execution: &mut Execution, step: &Step, inputs: Value, failure: Option<String>, now: Timestamp) {
    let prefix = format!("{}.", step.name);
    let outputs: Map<String, Value> =
        execution.outputs.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.to_owned(), value.clone()))).collect();
    execution.steps.push(StepRecord { name: step.name.clone(), action: step.action.clone(), inputs, outputs, failure, at: now });
}

async fn attempt_step(execution: &mut Execution, step: &Step, api: &dyn Api, now: Timestamp) -> (Value, Result<Then, StepError>) {
    let scope = scope(execution);
    let inputs = match fill(&Value::Object(step.inputs.clone()), &scope) {
        Ok(Value::Object(map)) => map,
        Ok(_) => Map::new(),
        Err(error) => return (Value::Object(step.inputs.clone()), Err(unfilled(&error))),
    };
    let shown = Value::Object(inputs.clone());
    let outcome = match step.action.as_str() {
        "aws:executeAwsApi" => execute_api(execution, step, inputs, api, now).await,
        "aws:assertAwsResourceProperty" => assert_property(execution, inputs, api, now).await,
        "aws:branch" => branch(&inputs),
        "aws:sleep" => sleep(&inputs, now),
        other => Err(StepError::gap(format!("automation action {other}"))),
    };
    (shown, outcome)
}

fn scope(execution: &Execution) -> Scope {
    let mut scope: Scope = execution.parameters.clone();
    scope.extend(execution.outputs.clone());
    scope.insert("automation:EXECUTION_ID".to_owned(), json!(execution.id));
    scope.insert("global:REGION".to_owned(), json!(execution.region));
    scope.insert("global:ACCOUNT_ID".to_owned(), json!(execution.account));
    scope
}

fn unfilled(error: &TemplateError) -> StepError {
    match error {
        TemplateError::Unknown(name) if name.contains(':') => StepError::gap(format!("automation variable {name}")),
        TemplateError::Unknown(name) => StepError::new(format!("Unresolved input: {{{{ {name} }}}}")),
        TemplateError::ListInText(name) => StepError::gap(format!("the list {{{{ {name} }}}} inside a text of an automation")),
    }
}

/// Takes `Service` and `Api` out of the inputs, and leaves the operation's own.
fn service_and_api(inputs: &mut Map<String, Value>) -> Result<(String, String), StepError> {
    let mut take = |name: &str| {
        let value = inputs.remove(name);
        value.and_then(|value| value.as_str().map(str::to_owned)).ok_or_else(|| StepError::new(format!("{name} is required")))
    };
    Ok((take("Service")?, take("Api")?))
}

async fn execute_api(
    execution: &mut Execution,
    step: &Step,
    mut inputs: Map<String, Value>,
    api: &dyn Api,
    now: Timestamp,
) -> Result<Then, StepError> {
    let (service, operation) = service_and_api(&mut inputs)?;
    let answer = api.call(execution, &service, &operation, inputs, now).await?;
    let mut outputs = Vec::new();
    for output in &step.outputs {
        outputs.push((format!("{}.{}", step.name, output.name), take_output(&answer, output)?));
    }
    let size: usize = outputs.iter().map(|(_, value)| value.to_string().len()).sum();
    if size > MOST_OUTPUT {
        return Err(StepError::new(format!("The step's outputs have {size} bytes, more than {MOST_OUTPUT}.")));
    }
    execution.outputs.extend(outputs);
    Ok(Then::Next)
}

fn take_output(answer: &Value, output: &Output) -> Result<Value, StepError> {
    let found = select(answer, &output.selector).ok_or_else(|| StepError::gap(format!("selector {} of an automation", output.selector)))?;
    let wrong = || StepError::new(format!("Output {} with selector {} is not of the declared type.", output.name, output.selector));
    match (output.kind, found) {
        (Kind::StringList, Found::Many(list)) => Ok(Value::Array(list.iter().map(|value| json!(as_text(value))).collect())),
        (Kind::StringList, Found::One(Value::Array(list))) => Ok(Value::Array(list.iter().map(|value| json!(as_text(value))).collect())),
        (_, Found::Nothing) => Err(StepError::new(format!("Output {} with selector {} finds nothing.", output.name, output.selector))),
        (Kind::String, Found::One(value)) if !value.is_object() && !value.is_array() => Ok(json!(as_text(&value))),
        (Kind::Integer, Found::One(value)) if value.is_i64() || value.is_u64() => Ok(value),
        (Kind::Boolean, Found::One(value)) if value.is_boolean() => Ok(value),
        _ => Err(wrong()),
    }
}

async fn assert_property(execution: &Execution, mut inputs: Map<String, Value>, api: &dyn Api, now: Timestamp) -> Result<Then, StepError> {
    let (service, operation) = service_and_api(&mut inputs)?;
    let selector = inputs.remove("PropertySelector").map(|value| as_text(&value)).unwrap_or_default();
    let desired = inputs.remove("DesiredValues").unwrap_or_default();
    let answer = api.call(execution, &service, &operation, inputs, now).await?;
    let found = select(&answer, &selector).ok_or_else(|| StepError::gap(format!("selector {selector} of an automation")))?;
    let values = match found {
        Found::One(value) => vec![value],
        Found::Many(list) => list,
        Found::Nothing => Vec::new(),
    };
    let desired: Vec<String> = desired.as_array().into_iter().flatten().map(as_text).collect();
    if !values.is_empty() && values.iter().all(|value| desired.contains(&as_text(value))) {
        Ok(Then::Next)
    } else {
        Err(StepError::new(format!("Property value {values:?} is not one of {desired:?}")))
    }
}

fn sleep(inputs: &Map<String, Value>, now: Timestamp) -> Result<Then, StepError> {
    let text = |name: &str| inputs.get(name).and_then(Value::as_str);
    let until = match (text("Duration"), text("Timestamp")) {
        (Some(duration), None) => {
            let span: Span = duration.parse().map_err(|_| StepError::new(format!("Invalid Duration {duration}")))?;
            let length = SignedDuration::try_from(span).or_else(|_| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()));
            now.saturating_add(length.map_err(|_| StepError::new(format!("Invalid Duration {duration}")))?).unwrap_or(Timestamp::MAX)
        }
        (None, Some(at)) => at.parse().map_err(|_| StepError::new(format!("Invalid Timestamp {at}")))?,
        _ => return Err(StepError::new("aws:sleep needs either Duration or Timestamp")),
    };
    if until.duration_since(now) > SignedDuration::from_hours(7 * 24) {
        return Err(StepError::new("aws:sleep lasts at most 7 days"));
    }
    Ok(Then::Sleep(until))
}

fn branch(inputs: &Map<String, Value>) -> Result<Then, StepError> {
    let choices = inputs.get("Choices").and_then(Value::as_array).ok_or_else(|| StepError::new("aws:branch needs Choices"))?;
    for choice in choices {
        if holds(choice)? {
            let next = choice["NextStep"].as_str().ok_or_else(|| StepError::new("A choice needs NextStep"))?;
            return Ok(Then::Jump(next.to_owned()));
        }
    }
    Ok(match inputs.get("Default").and_then(Value::as_str) {
        Some(step) => Then::Jump(step.to_owned()),
        None => Then::Next,
    })
}

fn holds(choice: &Value) -> Result<bool, StepError> {
    let map = choice.as_object().ok_or_else(|| StepError::new("A choice must be an object"))?;
    let all = |key: &str| -> Result<Option<Vec<bool>>, StepError> {
        map.get(key).and_then(Value::as_array).map(|list| list.iter().map(holds).collect()).transpose()
    };
    if let Some(list) = all("And")? {
        return Ok(list.into_iter().all(|truth| truth));
    }
    if let Some(list) = all("Or")? {
        return Ok(list.into_iter().any(|truth| truth));
    }
    if let Some(inner) = map.get("Not") {
        return Ok(!holds(inner)?);
    }
    let variable = map.get("Variable").ok_or_else(|| StepError::new("A choice needs Variable"))?;
    // How AWS would compare them is not documented.
    if variable.is_object() || variable.is_array() {
        return Err(StepError::gap("a list or an object as the Variable of aws:branch"));
    }
    let (operator, wanted) = map
        .iter()
        .find(|(key, _)| !matches!(key.as_str(), "Variable" | "NextStep"))
        .ok_or_else(|| StepError::new("A choice needs an operator"))?;
    compare(operator, variable, wanted)
}

fn compare(operator: &str, variable: &Value, wanted: &Value) -> Result<bool, StepError> {
    let (left, right) = (as_text(variable), as_text(wanted));
    let number = |text: &str| text.parse::<f64>().map_err(|_| StepError::new(format!("{text} is not a number")));
    Ok(match operator {
        "StringEquals" => left == right,
        "EqualsIgnoreCase" => left.eq_ignore_ascii_case(&right),
        "StartsWith" => left.starts_with(&right),
        "EndsWith" => left.ends_with(&right),
        "Contains" => left.contains(&right),
        "BooleanEquals" => left == right,
        "NumericEquals" => number(&left)? == number(&right)?,
        "NumericGreater" => number(&left)? > number(&right)?,
        "NumericGreaterOrEquals" => number(&left)? >= number(&right)?,
        "NumericLesser" => number(&left)? < number(&right)?,
        "NumericLesserOrEquals" => number(&left)? <= number(&right)?,
        other => return Err(StepError::gap(format!("operator {other} of aws:branch"))),
    })
}
