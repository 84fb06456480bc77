//! What a function may be, in AWS's words.

use std::collections::BTreeMap;

use serde_json::json;

use crate::json::validation;
use crate::protocol::Failure;

use super::asked::{Create, UpdateConfiguration};
use super::invalid;
use super::state::Settings;

/// Runtimes that are a program of the function's own. The others bring a language along, which the sandbox has not.
const RUNTIMES: [&str; 2] = ["provided.al2023", "provided.al2"];
/// All environment variables together, in bytes.
const MOST_ENVIRONMENT: usize = 4_096;
const MOST_TAGS: usize = 50;
/// Variables that are Lambda's own, from the developer guide.
const RESERVED: [&str; 18] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// The settings of a new function.
pub(super) fn settings(asked: &Create) -> Result<Settings, Failure> {
    if asked.package_type.as_deref().is_some_and(|kind| kind != "Zip") {
        return Err(Failure::gap("functions made of images"));
    }
    let (Some(runtime), Some(handler)) = (asked.runtime.clone(), asked.handler.clone()) else {
        return Err(invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages."));
    };
    tags(&asked.tags)?;
    let settings = Settings {
        runtime,
        handler,
        role: asked.role.clone(),
        description: asked.description.clone().unwrap_or_default(),
        timeout: asked.timeout.unwrap_or(3),
        memory: asked.memory_size.unwrap_or(128),
        environment: asked.environment.as_ref().map(|environment| environment.variables.clone()).unwrap_or_default(),
        architecture: architecture(asked.architectures.as_deref())?.unwrap_or_else(|| "x86_64".to_owned()),
    };
    check(&settings)?;
    Ok(settings)
}

/// Settings with some of them changed.
pub(super) fn changed(before: &Settings, asked: UpdateConfiguration) -> Result<Settings, Failure> {
    let mut settings = before.clone();
    let text = |to: &mut String, from: Option<String>| {
        if let Some(from) = from {
            *to = from;
        }
    };
    text(&mut settings.role, asked.role);
    text(&mut settings.runtime, asked.runtime);
    text(&mut settings.handler, asked.handler);
    text(&mut settings.description, asked.description);
    settings.timeout = asked.timeout.unwrap_or(settings.timeout);
    settings.memory = asked.memory_size.unwrap_or(settings.memory);
    if let Some(environment) = asked.environment {
        settings.environment = environment.variables;
    }
    check(&settings)?;
    Ok(settings)
}

/// The one architecture of a list, if there is a list.
pub(super) fn architecture(asked: Option<&[String]>) -> Result<Option<String>, Failure> {
    match asked {
        None => Ok(None),
        Some([one]) if matches!(one.as_str(), "x86_64" | "arm64") => Ok(Some(one.clone())),
        Some(other) => Err(validation(format!(
            "1 validation error detected: Value '[{}]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
            other.join(", ")
        ))),
    }
}

/// Tags, all together.
pub(super) fn tags(tags: &BTreeMap<String, String>) -> Result<(), Failure> {
    if tags.len() > MOST_TAGS {
        return Err(invalid(format!("Number of tags exceeds resource tag limit of {MOST_TAGS}.")));
    }
    match tags.keys().find(|key| key.is_empty() || key.len() > 128 || key.starts_with("aws:")) {
        Some(key) => Err(invalid(format!("Tag key '{key}' is not valid: 1 to 128 characters, not beginning with aws:"))),
        None => Ok(()),
    }
}

fn check(settings: &Settings) -> Result<(), Failure> {
    if !RUNTIMES.contains(&settings.runtime.as_str()) {
        return Err(Failure::gap(format!("lambda runtime {}", settings.runtime)));
    }
    bounded("timeout", settings.timeout, 1, 900)?;
    bounded("memorySize", settings.memory, 128, 10_240)?;
    longest("handler", &settings.handler, 128)?;
    longest("description", &settings.description, 256)?;
    if settings.handler.is_empty() || settings.handler.contains(char::is_whitespace) {
        return Err(validation(format!(
            "1 validation error detected: Value '{}' at 'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\\s]+",
            settings.handler
        )));
    }
    environment(&settings.environment)
}

fn environment(variables: &BTreeMap<String, String>) -> Result<(), Failure> {
    let letters = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let fit = |name: &str| name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && letters(name);
    let reserved: Vec<&str> = variables.keys().map(String::as_str).filter(|name| RESERVED.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    if let Some(name) = variables.keys().find(|name| !fit(name)) {
        return Err(validation(format!(
            "1 validation error detected: Value '{name}' at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"
        )));
    }
    if variables.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MOST_ENVIRONMENT {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {}",
            json!(variables)
        )));
    }
    Ok(())
}

fn bounded(name: &str, value: u32, least: u32, most: u32) -> Result<(), Failure> {
    let bound = if value < least {
        format!("greater than or equal to {least}")
    } else if value > most {
        format!("less than or equal to {most}")
    } else {
        return Ok(());
    };
    Err(validation(format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must have value {bound}"
    )))
}

fn longest(name: &str, value: &str, most: usize) -> Result<(), Failure> {
    if value.chars().count() <= most {
        return Ok(());
    }
    Err(validation(format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must have length less than or equal to {most}"
    )))
}

/// Whether a role is named as ARNs of roles are.
pub(super) fn role_arn(arn: &str, account: &str) -> Result<(), Failure> {
    let owner = arn.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/"));
    match owner {
        Some((owner, name)) if owner.len() == 12 && !name.is_empty() => {
            if owner == account {
                Ok(())
            } else {
                Err(Failure::new(403, "AccessDeniedException", "Cross-account pass role is not allowed."))
            }
        }
        _ => Err(validation(format!(
            "1 validation error detected: Value '{arn}' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{{12}}:role/?[a-zA-Z_0-9+=,.@\\-_/]+"
        ))),
    }
}
