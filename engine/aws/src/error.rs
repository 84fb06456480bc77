//! What AWS's errors mean: one table from code to class, and the words for people.

mod words;

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use spawn_core::classes::{class_of, is_about_credentials};
use spawn_core::ports::Result;
use spawn_model::error::{Class, Error};

use crate::endpoint::Call;
use words::{denied_action, denied_principal, one_sentence};

/// The code of an endpoint to which no connection could be made.
pub(crate) const UNREACHABLE: &str = "Unreachable";
/// The code of a call that was sent and not answered.
const NO_ANSWER: &str = "NoAnswer";

const WAYS_TO_CREDENTIALS: &str =
    "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for the sandbox: eval \"$(spawn sandbox env)\"";

/// The answer of an operation for which some errors are as good as success.
pub(crate) trait Tolerate<T> {
    /// Nothing instead of an error with one of these codes.
    fn tolerate(self, codes: &[&str]) -> Result<Option<T>>;
}

impl<T> Tolerate<T> for Result<T> {
    fn tolerate(self, codes: &[&str]) -> Result<Option<T>> {
        match self {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if codes.contains(&error.code.as_str()) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What an SDK's error means. `host` is what the call was sent to.
pub(crate) fn translate<E>(call: Call, host: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    // What our own source of credentials says of itself.
    if let Some(own) = find::<Error>(error) {
        return own.clone();
    }
    if let Some(cause) = find::<CredentialsError>(error) {
        return no_credentials(cause);
    }
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            refused(call, host, status, answer.err().code(), answer.err().message().unwrap_or_default())
        }
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            no_answer(call, host, &format!("the answer of {host} (HTTP {status}) cannot be read"))
        }
        SdkError::DispatchFailure(_) if never_connected(error) => unreachable(host, error),
        SdkError::DispatchFailure(_) => no_answer(call, host, &format!("the connection to {host} broke: {}", root_cause(error))),
        SdkError::TimeoutError(_) => no_answer(call, host, &format!("{host} did not answer in time")),
        _ => {
            let message = format!("{} could not be sent: {}", call.permission(), one_sentence(&root_cause(error)));
            Error::new(Class::Invalid, "InvalidRequest", message, "Check AWS_ENDPOINT_URL and the AWS configuration files")
        }
    }
}

/// What a code in the body of a successful answer means, as S3's `DeleteObjects` and others have it for each item.
pub(crate) fn refused_item(call: Call, code: &str, message: &str) -> Error {
    refused(call, call.service, 400, Some(code), message)
}

fn refused(call: Call, host: &str, status: u16, code: Option<&str>, words: &str) -> Error {
    let mut class = class_of(code, status);
    if class == Class::Transient && !call.repeatable && matches!(status, 500 | 502 | 504) {
        // The service stumbled after it had the request: whatever was asked for may be there.
        class = Class::Ambiguous;
    }
    let code = code.map_or_else(|| format!("HTTP{status}"), str::to_owned);
    let said = one_sentence(words);
    let said = if said.is_empty() { format!("{host} answered {code}") } else { said };
    let permission = call.permission();
    if class == Class::Denied {
        return denied(&permission, &code, &said);
    }
    let message = match class {
        Class::Capacity | Class::Quota => said,
        Class::Throttled => format!("AWS asks for fewer calls of {permission}: {said}"),
        _ => format!("{permission} failed: {said}"),
    };
    Error::new(class, code, message, help(class, host))
}

fn help(class: Class, host: &str) -> String {
    match class {
        Class::Capacity => "Name more instance types, or try again later".to_owned(),
        Class::Quota => "Ask for a higher limit in the Service Quotas console, or ask for less".to_owned(),
        Class::Throttled => "Wait a minute and try again".to_owned(),
        Class::Transient => "Try again".to_owned(),
        Class::Ambiguous => "Look at what is there before trying again".to_owned(),
        Class::Bug => format!("Report this with the log of TF_LOG=debug, and what {host} is if it is not AWS"),
        _ => String::new(),
    }
}

fn denied(permission: &str, code: &str, said: &str) -> Error {
    if is_about_credentials(code) {
        let (message, help) = match code {
            "ExpiredToken" | "ExpiredTokenException" => (format!("the credentials have expired: {said}"), "Renew them and try again"),
            "RequestExpired" | "RequestTimeTooSkewed" => {
                (format!("AWS finds the request too old or too new: {said}"), "Set this host's clock")
            }
            _ => (format!("AWS does not accept the credentials: {said}"), WAYS_TO_CREDENTIALS),
        };
        return Error::new(Class::Denied, code, message, help);
    }
    let action = denied_action(said).unwrap_or(permission);
    let principal = denied_principal(said).unwrap_or("the caller");
    let message = format!("the permission {action} is missing: {said}");
    Error::new(Class::Denied, code, message, format!("Allow {principal} {action}, or use other credentials"))
}

fn no_credentials(cause: &CredentialsError) -> Error {
    if matches!(cause, CredentialsError::CredentialsNotLoaded(_)) {
        return Error::new(Class::Denied, "NoCredentials", "no AWS credentials were found", WAYS_TO_CREDENTIALS);
    }
    let message = format!("the AWS credentials cannot be loaded: {}", one_sentence(&root_cause(cause)));
    Error::new(Class::Denied, "NoCredentials", message, WAYS_TO_CREDENTIALS)
}

fn unreachable(host: &str, error: &(dyn StdError + 'static)) -> Error {
    let message = format!("{host} cannot be reached: {}", one_sentence(&root_cause(error)));
    Error::new(Class::Transient, UNREACHABLE, message, "Check the region, the network and AWS_ENDPOINT_URL")
}

fn no_answer(call: Call, host: &str, what: &str) -> Error {
    let class = if call.repeatable { Class::Transient } else { Class::Ambiguous };
    Error::new(class, NO_ANSWER, format!("{} was sent, but {what}", call.permission()), help(class, host))
}

/// Whether not even a connection was made, so that nothing can have been done.
fn never_connected(error: &(dyn StdError + 'static)) -> bool {
    find::<hyper_util::client::legacy::Error>(error).is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// An error and what caused it, outermost first.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    // An io::Error hides the error inside it from `source`.
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
        None => error.source(),
    })
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|cause| cause.downcast_ref::<E>())
}

fn root_cause(error: &(dyn StdError + 'static)) -> String {
    // The innermost error alone is often too little ("timed out" of a timeout of what), an outer one alone says nothing.
    let last = chain(error).last().map(ToString::to_string);
    last.unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests;
