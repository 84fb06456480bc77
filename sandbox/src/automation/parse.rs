//! Automation documents, schema 0.3.

use regex_lite::Regex;
use serde_json::{Map, Value, json};

/// Why a document is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// AWS would refuse it too.
    Invalid(String),
    /// AWS has it, the sandbox has not.
    Gap(String),
}

/// A document.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Description.
    pub(crate) description: String,
    /// Role it runs as: an ARN or a placeholder.
    pub(crate) assume_role: Option<String>,
    /// Parameters in the order they are written.
    pub(crate) parameters: Vec<(String, Parameter)>,
    /// Steps in the order they are written.
    pub(crate) steps: Vec<Step>,
    /// Names of the outputs to show: `step.Output`.
    pub(crate) outputs: Vec<String>,
}

/// A parameter of a document.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// Type.
    pub(crate) kind: Kind,
    /// Description.
    pub(crate) description: String,
    /// Value when none is given.
    pub(crate) default: Option<Value>,
    /// Regular expression every value must match.
    pub(crate) allowed_pattern: Option<Regex>,
    /// Values it may have.
    pub(crate) allowed_values: Vec<Value>,
}

/// Types of parameters and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    String,
    /// List of texts.
    StringList,
    /// Whole number.
    Integer,
    /// True or false.
    Boolean,
}

/// One step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Name.
    pub(crate) name: String,
    /// Action, such as `aws:executeAwsApi`.
    pub(crate) action: String,
    /// Inputs, with placeholders.
    pub(crate) inputs: Map<String, Value>,
    /// Outputs to take from the answer.
    pub(crate) outputs: Vec<Output>,
    /// What a failure means.
    pub(crate) on_failure: OnFailure,
    /// Whether the document ends after this step.
    pub(crate) is_end: bool,
    /// Whether a failure of this step is a failure of the document.
    pub(crate) is_critical: bool,
    /// The step after this one, if it is not the next.
    pub(crate) next: Option<String>,
    /// How often it is tried.
    pub(crate) attempts: u32,
}

/// An output of a step.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// Name.
    pub(crate) name: String,
    /// JSON path.
    pub(crate) selector: String,
    /// Type.
    pub(crate) kind: Kind,
}

/// What happens after a failed step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// The execution ends.
    Abort,
    /// It goes on.
    Continue,
    /// It goes on at this step.
    Step(String),
}

fn invalid(message: impl Into<String>) -> ParseError {
    ParseError::Invalid(message.into())
}

impl Kind {
    fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(match text {
            "String" | "AWS::IAM::Role::Arn" | "AWS::EC2::Instance::Id" | "AWS::S3::Bucket::Name" => Self::String,
            "StringList" | "List<AWS::EC2::Instance::Id>" => Self::StringList,
            "Integer" => Self::Integer,
            "Boolean" => Self::Boolean,
            "StringMap" | "MapList" => return Err(ParseError::Gap(format!("automation type {text}"))),
            other => return Err(invalid(format!("Invalid type: {other}"))),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::StringList => "StringList",
            Self::Integer => "Integer",
            Self::Boolean => "Boolean",
        }
    }
}

impl Parameter {
    /// As `DescribeDocument` shows it.
    pub(crate) fn describe(&self, name: &str) -> Value {
        let mut entry = json!({"Name": name, "Type": self.kind.name(), "Description": self.description});
        if let Some(default) = &self.default {
            let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            entry["DefaultValue"] = text.into();
        }
        entry
    }

    /// The value that a list of texts means, checked.
    pub(crate) fn value(&self, name: &str, given: &[String]) -> Result<Value, String> {
        for text in given {
            if self.allowed_pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
                return Err(format!("Parameter \"{name}\" has value \"{text}\" not matching allowed pattern."));
            }
            if !self.allowed_values.is_empty() && !self.allowed_values.iter().any(|value| as_text(value) == *text) {
                return Err(format!("Parameter \"{name}\" has value \"{text}\" not in the allowed values."));
            }
        }
        let one = || match given {
            [text] => Ok(text.clone()),
            _ => Err(format!("Parameter \"{name}\" must have exactly one value.")),
        };
        match self.kind {
            Kind::StringList => Ok(json!(given)),
            Kind::String => one().map(Value::from),
            Kind::Integer => one()?.parse::<i64>().map(Value::from).map_err(|_| format!("Parameter \"{name}\" must be an integer.")),
            Kind::Boolean => one()?.parse::<bool>().map(Value::from).map_err(|_| format!("Parameter \"{name}\" must be true or false.")),
        }
    }
}

/// A scalar as text; texts without quotes.
pub(super) fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Document {
    /// Reads a document in JSON.
    ///
    /// # Errors
    /// What is not valid, and what the sandbox cannot carry out as a whole.
    pub(crate) fn parse(content: &str) -> Result<Self, ParseError> {
        let root: Value = serde_json::from_str(content).map_err(|error| invalid(format!("Document content is not valid JSON: {error}")))?;
        let map = root.as_object().ok_or_else(|| invalid("Document content must be an object"))?;
        known(
            map,
            &["schemaVersion", "description", "assumeRole", "parameters", "mainSteps", "outputs", "variables", "files"],
            "document",
        )?;
        for part in ["variables", "files"] {
            if map.contains_key(part) {
                return Err(ParseError::Gap(format!("{part} of automation documents")));
            }
        }
        if root["schemaVersion"] != "0.3" {
            return Err(invalid("Unsupported schema version. An Automation document has schemaVersion 0.3."));
        }
        let mut parameters = Vec::new();
        for (name, value) in root["parameters"].as_object().into_iter().flatten() {
            parameters.push((name.clone(), parse_parameter(name, value)?));
        }
        let steps = root["mainSteps"]
            .as_array()
            .filter(|steps| !steps.is_empty())
            .ok_or_else(|| invalid("mainSteps must have at least one step"))?;
        let steps: Vec<Step> = steps.iter().map(parse_step).collect::<Result<_, _>>()?;
        check_names(&steps)?;
        Ok(Self {
            description: text(&root, "description"),
            assume_role: root["assumeRole"].as_str().map(str::to_owned).filter(|role| !role.is_empty()),
            parameters,
            steps,
            outputs: root["outputs"].as_array().into_iter().flatten().map(as_text).collect(),
        })
    }

    /// The position of a step.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == name)
    }
}

fn parse_parameter(name: &str, value: &Value) -> Result<Parameter, ParseError> {
    let map = value.as_object().ok_or_else(|| invalid(format!("Parameter {name} must be an object")))?;
    known(
        map,
        &[
            "type",
            "description",
            "default",
            "allowedPattern",
            "allowedValues",
            "displayType",
            "minItems",
            "maxItems",
            "minChars",
            "maxChars",
        ],
        "parameter",
    )?;
    for limit in ["minItems", "maxItems", "minChars", "maxChars"] {
        if map.contains_key(limit) {
            return Err(ParseError::Gap(format!("{limit} of automation parameters")));
        }
    }
    let pattern = value["allowedPattern"].as_str().map(|text| Regex::new(&format!("^(?:{text})$"))).transpose();
    Ok(Parameter {
        kind: Kind::parse(value["type"].as_str().ok_or_else(|| invalid(format!("Parameter {name} has no type")))?)?,
        description: text(value, "description"),
        default: map.get("default").cloned(),
        allowed_pattern: pattern.map_err(|_| ParseError::Gap(format!("the allowedPattern of automation parameter {name}")))?,
        allowed_values: value["allowedValues"].as_array().cloned().unwrap_or_default(),
    })
}

fn parse_step(value: &Value) -> Result<Step, ParseError> {
    let map = value.as_object().ok_or_else(|| invalid("A step must be an object"))?;
    known(
        map,
        &[
            "name",
            "action",
            "description",
            "inputs",
            "outputs",
            "onFailure",
            "isEnd",
            "isCritical",
            "nextStep",
            "timeoutSeconds",
            "maxAttempts",
            "onCancel",
        ],
        "step",
    )?;
    let name = text(value, "name");
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.len() < 3 || name.len() > 128 || !name.chars().all(valid) {
        return Err(invalid(format!("Step name '{name}' must match ^[a-zA-Z0-9_]{{3,128}}$")));
    }
    if map.contains_key("onCancel") {
        return Err(ParseError::Gap("onCancel of automation steps".to_owned()));
    }
    let mut outputs = Vec::new();
    for output in value["outputs"].as_array().into_iter().flatten() {
        outputs.push(Output {
            name: text(output, "Name"),
            selector: text(output, "Selector"),
            kind: Kind::parse(output["Type"].as_str().unwrap_or("String"))?,
        });
    }
    let on_failure = match value["onFailure"].as_str() {
        None | Some("Abort") => OnFailure::Abort,
        Some("Continue") => OnFailure::Continue,
        Some(other) => match other.strip_prefix("step:") {
            Some(step) => OnFailure::Step(step.to_owned()),
            None => return Err(invalid(format!("Invalid onFailure '{other}' in step {name}"))),
        },
    };
    Ok(Step {
        action: value["action"].as_str().map(str::to_owned).ok_or_else(|| invalid(format!("Step {name} has no action")))?,
        inputs: value["inputs"].as_object().cloned().unwrap_or_default(),
        outputs,
        on_failure,
        is_end: truth(value, "isEnd", false),
        is_critical: truth(value, "isCritical", true),
        next: value["nextStep"].as_str().map(str::to_owned),
        attempts: value["maxAttempts"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(1).max(1),
        name,
    })
}

fn check_names(steps: &[Step]) -> Result<(), ParseError> {
    for (index, step) in steps.iter().enumerate() {
        if steps[..index].iter().any(|other| other.name == step.name) {
            return Err(invalid(format!("Step name '{}' is used twice", step.name)));
        }
        let mut targets: Vec<&str> = step.next.as_deref().into_iter().collect();
        if let OnFailure::Step(name) = &step.on_failure {
            targets.push(name);
        }
        if step.action == "aws:branch" {
            let choices = step.inputs.get("Choices").and_then(Value::as_array);
            targets.extend(choices.into_iter().flatten().filter_map(|choice| choice["NextStep"].as_str()));
            targets.extend(step.inputs.get("Default").and_then(Value::as_str));
        }
        if let Some(unknown) = targets.into_iter().find(|name| !steps.iter().any(|other| other.name == *name)) {
            return Err(invalid(format!("Step '{}' refers to step '{unknown}', which does not exist", step.name)));
        }
    }
    Ok(())
}

fn known(map: &Map<String, Value>, names: &[&str], what: &str) -> Result<(), ParseError> {
    match map.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(invalid(format!("Unknown property '{key}' of a {what}"))),
        None => Ok(()),
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// Booleans are written as booleans or as texts.
fn truth(value: &Value, key: &str, default: bool) -> bool {
    match &value[key] {
        Value::Bool(truth) => *truth,
        Value::String(text) => text == "true",
        _ => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_documents_are_refused() {
        let step = r#"{"name":"one","action":"aws:sleep","inputs":{}}"#;
        for (content, part) in [
            ("{", "not valid JSON"),
            (r#"{"schemaVersion":"2.2","mainSteps":[]}"#, "schema version"),
            (r#"{"schemaVersion":"0.3","mainSteps":[]}"#, "at least one step"),
            (r#"{"schemaVersion":"0.3","mainSteps":[{"name":"one","action":"a","next":"x"}]}"#, "Unknown property 'next'"),
            (r#"{"schemaVersion":"0.3","mainSteps":[{"name":"one","action":"a","nextStep":"two"}]}"#, "does not exist"),
            (&format!(r#"{{"schemaVersion":"0.3","mainSteps":[{step},{step}]}}"#), "used twice"),
        ] {
            match Document::parse(content) {
                Err(ParseError::Invalid(message)) => assert!(message.contains(part), "{message}"),
                other => panic!("{content}: {other:?}"),
            }
        }
    }

    #[test]
    fn parameters_are_checked() {
        let content = r#"{"schemaVersion":"0.3","parameters":{
            "Id":{"type":"String","allowedPattern":"[a-z0-9-]+"},"Count":{"type":"Integer","default":3},
            "Mode":{"type":"String","allowedValues":["stop","end"]},"Ids":{"type":"StringList"}},
            "mainSteps":[{"name":"one","action":"aws:sleep","inputs":{"Duration":"PT1S"}}]}"#;
        let document = Document::parse(content).unwrap();
        let value = |name: &str, given: &[&str]| {
            let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
            let parameter = &document.parameters.iter().find(|(known, _)| known == name).unwrap().1;
            parameter.value(name, &given).ok()
        };
        assert_eq!(value("Id", &["abc-1"]), Some(json!("abc-1")));
        assert_eq!(value("Id", &["ABC"]), None);
        assert_eq!(value("Id", &["a", "b"]), None);
        assert_eq!(value("Count", &["7"]), Some(json!(7)));
        assert_eq!(value("Count", &["x"]), None);
        assert_eq!(value("Mode", &["stop"]), Some(json!("stop")));
        assert_eq!(value("Mode", &["other"]), None);
        assert_eq!(value("Ids", &["a", "b"]), Some(json!(["a", "b"])));
    }
}
