//! What SendCommand is asked, and whether it may be.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::json::{read, validation};
use crate::protocol::{Failure, Request};

/// The one document that is carried out.
pub(super) const SHELL_SCRIPT: &str = "AWS-RunShellScript";
/// How long a command waits to be delivered unless told otherwise.
const TIMEOUT_S: u32 = 3_600;
/// How long a script may run unless told otherwise.
const EXECUTION_TIMEOUT_S: u64 = 3_600;
/// What the agent believes; less or more counts as nothing said.
const EXECUTION_TIMEOUTS_S: std::ops::RangeInclusive<u64> = 5..=172_800;
/// Instances that may be named, also as values of a target; and targets.
const MOST_INSTANCES: usize = 50;
const MOST_TARGETS: usize = 5;

/// Members of SendCommand.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Send {
    #[serde(default)]
    pub(super) instance_ids: Vec<String>,
    #[serde(default)]
    pub(super) targets: Vec<Target>,
    document_name: String,
    pub(super) document_version: Option<String>,
    timeout_seconds: Option<u32>,
    #[serde(default)]
    pub(super) comment: String,
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, Vec<String>>,
    max_concurrency: Option<String>,
    max_errors: Option<String>,
    cloud_watch_output_config: Option<LogOutput>,
}

/// Which instances a command is for: those with one of the values.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Target {
    pub(super) key: String,
    #[serde(default)]
    pub(super) values: Vec<String>,
}

/// Whether output goes to CloudWatch Logs, and into which group.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub(super) struct LogOutput {
    pub(super) cloud_watch_log_group_name: String,
    pub(super) cloud_watch_output_enabled: bool,
}

/// What a command does on each instance.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// The file's content.
    pub(super) text: String,
    /// Where it starts, if that is said.
    pub(super) directory: Option<String>,
    /// How long it may run.
    pub(super) timeout_s: u64,
}

/// A number of instances, or a share of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Amount {
    /// As it was given.
    pub(super) text: String,
    number: usize,
    percent: bool,
}

impl Amount {
    fn parse(member: &str, text: Option<String>, default: &str, least: usize) -> Result<Self, Failure> {
        let text = text.unwrap_or_else(|| default.to_owned());
        let (digits, percent) = text.strip_suffix('%').map_or((text.as_str(), false), |digits| (digits, true));
        let well_formed = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.len() == 1 || !digits.starts_with('0'));
        let number = digits.parse::<usize>().ok().filter(|number| well_formed && *number >= least && (!percent || *number <= 100));
        match number {
            Some(number) if text.len() <= 7 => Ok(Self { number, percent, text }),
            _ => Err(validation(format!(
                "1 validation error detected: Value '{text}' at '{member}' failed to satisfy constraint: Member must satisfy regular \
                 expression pattern"
            ))),
        }
    }

    /// How many of `all` it is.
    pub(super) fn of(&self, all: usize) -> usize {
        if self.percent { all * self.number / 100 } else { self.number }
    }
}

/// A command that may be sent, but for its instances.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) send: Send,
    pub(super) script: Script,
    pub(super) timeout_s: u32,
    pub(super) concurrency: Amount,
    pub(super) errors: Amount,
    pub(super) output: LogOutput,
}

/// Reads a request and checks everything that does not depend on instances.
pub(super) fn send(request: &Request) -> Result<Checked, Failure> {
    let mut send: Send = read(request)?;
    document(&send.document_name)?;
    if send.document_version.as_deref().is_some_and(|version| !matches!(version, "$DEFAULT" | "$LATEST" | "1")) {
        return Err(Failure::new(400, "InvalidDocumentVersion", "The document version isn't valid or doesn't exist."));
    }
    let timeout_s = send.timeout_seconds.unwrap_or(TIMEOUT_S);
    if !(30..=2_592_000).contains(&timeout_s) {
        return Err(validation(format!(
            "1 validation error detected: Value '{timeout_s}' at 'timeoutSeconds' failed to satisfy constraint: Member must have value \
             greater than or equal to 30 and less than or equal to 2592000"
        )));
    }
    if send.comment.chars().count() > 100 {
        return Err(validation("1 validation error detected: 'comment' must have length less than or equal to 100"));
    }
    instances(&send)?;
    let concurrency = Amount::parse("maxConcurrency", send.max_concurrency.take(), "50", 1)?;
    let errors = Amount::parse("maxErrors", send.max_errors.take(), "0", 0)?;
    let script = script(&send.parameters)?;
    let output = send.cloud_watch_output_config.take().unwrap_or_default();
    Ok(Checked { script, timeout_s, concurrency, errors, output, send })
}

/// Whether a document is the one that is carried out.
fn document(name: &str) -> Result<(), Failure> {
    let name = name.rsplit_once(":document/").map_or(name, |(_, name)| name);
    match name {
        SHELL_SCRIPT => Ok(()),
        name if name.starts_with("AWS") => Err(Failure::gap(format!("document {name} of ssm SendCommand"))),
        name => Err(Failure::new(400, "InvalidDocument", format!("Document with name {name} does not exist."))),
    }
}

fn instances(send: &Send) -> Result<(), Failure> {
    if send.instance_ids.is_empty() && send.targets.is_empty() {
        return Err(validation("Either InstanceIds or Targets must be specified."));
    }
    if send.instance_ids.len() > MOST_INSTANCES || send.targets.iter().any(|target| target.values.len() > MOST_INSTANCES) {
        return Err(validation(format!("Member must have length less than or equal to {MOST_INSTANCES}")));
    }
    if send.targets.len() > MOST_TARGETS {
        return Err(validation(format!("1 validation error detected: 'targets' must have length less than or equal to {MOST_TARGETS}")));
    }
    if send.instance_ids.iter().collect::<BTreeSet<_>>().len() < send.instance_ids.len() {
        return Err(Failure::new(400, "DuplicateInstanceId", "You can't specify a managed node ID in more than one association."));
    }
    match send.targets.iter().find(|target| target.key != "InstanceIds" && !target.key.starts_with("tag:")) {
        Some(target) => Err(Failure::gap(format!("target {} of ssm SendCommand", target.key))),
        None => Ok(()),
    }
}

/// The parameters of the one document.
fn script(parameters: &BTreeMap<String, Vec<String>>) -> Result<Script, Failure> {
    let invalid = |message: String| Failure::new(400, "InvalidParameters", message);
    if let Some(name) = parameters.keys().find(|name| !matches!(name.as_str(), "commands" | "workingDirectory" | "executionTimeout")) {
        return Err(invalid(format!("Parameter {name} is not defined in document {SHELL_SCRIPT}.")));
    }
    let one = |name: &str| match parameters.get(name).map(Vec::as_slice) {
        None => Ok(None),
        Some([value]) => Ok(Some(value.clone()).filter(|value| !value.is_empty())),
        Some(_) => Err(invalid(format!("Parameter {name} takes one value."))),
    };
    let commands = parameters.get("commands").filter(|commands| !commands.is_empty());
    let commands = commands.ok_or_else(|| invalid("Parameter commands is required.".to_owned()))?;
    let timeout_s = match one("executionTimeout")? {
        None => EXECUTION_TIMEOUT_S,
        Some(text) => {
            let number = text.parse::<u64>().ok().filter(|number| *number > 0 && *number <= *EXECUTION_TIMEOUTS_S.end());
            number.ok_or_else(|| invalid(format!("Parameter executionTimeout with value {text} does not match its allowed pattern.")))?
        }
    };
    let timeout_s = if EXECUTION_TIMEOUTS_S.contains(&timeout_s) { timeout_s } else { EXECUTION_TIMEOUT_S };
    Ok(Script { text: commands.join("\n") + "\n", directory: one("workingDirectory")?, timeout_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_numbers_or_shares() {
        let of = |text: &str, all| Amount::parse("m", Some(text.to_owned()), "", 0).map(|amount| amount.of(all));
        assert_eq!((of("7", 50).unwrap(), of("10%", 50).unwrap(), of("10%", 9).unwrap(), of("0", 9).unwrap()), (7, 5, 0, 0));
        for wrong in ["", "%", "-1", "07", "101%", "1.5", "12345678"] {
            assert_eq!(of(wrong, 1).unwrap_err().code, "ValidationException", "{wrong}");
        }
    }

    #[test]
    fn what_the_agent_does_not_believe_is_not_said() {
        let timeout_s = |text: &str| {
            let parameters =
                [("commands", "true"), ("executionTimeout", text)].map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
            script(&BTreeMap::from(parameters)).map(|script| script.timeout_s)
        };
        assert_eq!((timeout_s("5").unwrap(), timeout_s("4").unwrap(), timeout_s("172800").unwrap()), (5, 3_600, 172_800));
        assert_eq!(timeout_s("172801").unwrap_err().code, "InvalidParameters");
        assert_eq!(timeout_s("soon").unwrap_err().code, "InvalidParameters");
    }
}
