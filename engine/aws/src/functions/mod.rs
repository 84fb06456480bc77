//! Lambda.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Architecture, FunctionCode, Runtime};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use spawn_core::ports::{FunctionRequest, Functions, Result};
use spawn_model::error::{Class, Error};

use crate::endpoint::{Call, Endpoint};
use crate::error::Tolerate;

const CREATE: Call = Call::once("lambda", "CreateFunction");
const GET: Call = Call::repeatable("lambda", "GetFunctionConfiguration");
const UPDATE_CODE: Call = Call::repeatable("lambda", "UpdateFunctionCode");
const UPDATE: Call = Call::repeatable("lambda", "UpdateFunctionConfiguration");
const DELETE: Call = Call::repeatable("lambda", "DeleteFunction");

const GONE: &[&str] = &["ResourceNotFoundException"];

/// It is there already, or what was asked of it before has not come into effect yet.
const CONFLICT: &str = "ResourceConflictException";

/// What every runtime that brings a `bootstrap` of its own is given as a handler, and does not read.
const HANDLER: &str = "bootstrap";

/// The functions of one region.
#[derive(Debug)]
pub(crate) struct Lambda {
    client: Client,
    endpoint: Arc<Endpoint>,
}

impl Lambda {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        Self { client, endpoint }
    }

    async fn configuration(&self, name: &str) -> Result<Option<GetFunctionConfigurationOutput>> {
        let get = self.client.get_function_configuration().function_name(name);
        self.endpoint.call(GET, || get.clone().send()).await.tolerate(GONE)
    }

    /// The ARN of a new function; nothing if there is one of this name.
    async fn create(&self, function: &FunctionRequest) -> Result<Option<String>> {
        let code = FunctionCode::builder().zip_file(Blob::new(function.package.clone())).build();
        let create = self
            .client
            .create_function()
            .function_name(&function.name)
            .description(&function.description)
            .role(&function.role_arn)
            .runtime(Runtime::Providedal2023)
            .handler(HANDLER)
            .architectures(Architecture::from(function.architecture.as_str()))
            .memory_size(whole(function.memory_mib))
            .timeout(whole(function.timeout_s))
            .set_tags(Some(function.tags.clone().into_iter().collect()))
            .code(code);
        let created = self.endpoint.call(CREATE, || create.clone().send()).await.tolerate(&[CONFLICT]).map_err(role_not_ready)?;
        created.map(|answer| answer.function_arn.ok_or_else(|| unexpected(CREATE))).transpose()
    }

    async fn update_code(&self, function: &FunctionRequest) -> Result<()> {
        let update = self
            .client
            .update_function_code()
            .function_name(&function.name)
            .architectures(Architecture::from(function.architecture.as_str()))
            .zip_file(Blob::new(function.package.clone()));
        self.endpoint.call(UPDATE_CODE, || update.clone().send()).await.map(drop).map_err(busy)
    }

    async fn update(&self, function: &FunctionRequest) -> Result<()> {
        let update = self
            .client
            .update_function_configuration()
            .function_name(&function.name)
            .description(&function.description)
            .role(&function.role_arn)
            .memory_size(whole(function.memory_mib))
            .timeout(whole(function.timeout_s));
        self.endpoint.call(UPDATE, || update.clone().send()).await.map(drop).map_err(|error| role_not_ready(busy(error)))
    }
}

#[async_trait]
impl Functions for Lambda {
    async fn find(&self, name: &str) -> Result<Option<String>> {
        Ok(self.configuration(name).await?.and_then(|known| known.function_arn))
    }

    async fn ensure(&self, function: &FunctionRequest) -> Result<String> {
        // Looked at first: a package is many megabytes, and mostly there already.
        let known = match self.configuration(&function.name).await? {
            Some(known) => known,
            None => match self.create(function).await? {
                Some(arn) => return Ok(arn),
                // Somebody else has made it at this moment.
                None => self.configuration(&function.name).await?.ok_or_else(|| unexpected(GET))?,
            },
        };
        if !has_code(&known, function) {
            self.update_code(function).await?;
        }
        if !is_configured(&known, function) {
            self.update(function).await?;
        }
        known.function_arn.ok_or_else(|| unexpected(GET))
    }

    async fn delete(&self, name: &str) -> Result<()> {
        let delete = self.client.delete_function().function_name(name);
        self.endpoint.call(DELETE, || delete.clone().send()).await.tolerate(GONE)?;
        Ok(())
    }
}

fn has_code(known: &GetFunctionConfigurationOutput, function: &FunctionRequest) -> bool {
    let sha256 = STANDARD.encode(Sha256::digest(&function.package));
    known.code_sha256() == Some(sha256.as_str())
}

fn is_configured(known: &GetFunctionConfigurationOutput, function: &FunctionRequest) -> bool {
    known.role() == Some(function.role_arn.as_str())
        && known.description() == Some(function.description.as_str())
        && known.memory_size() == Some(whole(function.memory_mib))
        && known.timeout() == Some(whole(function.timeout_s))
}

/// Lambda's numbers are signed; its limits are far below either type's.
fn whole(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Lambda looks at the role when it is told of it, and a role is not everywhere in the moment it is made.
fn role_not_ready(error: Error) -> Error {
    if error.code == "InvalidParameterValueException" && error.message.contains("cannot be assumed by Lambda") {
        return Error { class: Class::Transient, code: "RoleNotReady".to_owned(), ..error };
    }
    error
}

/// A function takes one change after the other, seconds each.
fn busy(error: Error) -> Error {
    if error.code == CONFLICT {
        return Error { class: Class::Transient, code: "FunctionBusy".to_owned(), ..error };
    }
    error
}

fn unexpected(call: Call) -> Error {
    let message = format!("{} answered without a function", call.permission());
    Error::new(Class::Bug, "InvalidAnswer", message, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, message: &str) -> Error {
        Error::new(Class::Invalid, code, message, "")
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let early = "lambda:CreateFunction failed: The role defined for the function cannot be assumed by Lambda";
        for (error, class, code) in [
            (role_not_ready(refused("InvalidParameterValueException", early)), Class::Transient, "RoleNotReady"),
            (
                role_not_ready(refused("InvalidParameterValueException", "no such runtime")),
                Class::Invalid,
                "InvalidParameterValueException",
            ),
            (busy(refused(CONFLICT, "an update is in progress")), Class::Transient, "FunctionBusy"),
            (busy(refused("TooManyRequestsException", "slower")), Class::Invalid, "TooManyRequestsException"),
        ] {
            assert_eq!((error.class, error.code.as_str()), (class, code));
        }
    }
}
