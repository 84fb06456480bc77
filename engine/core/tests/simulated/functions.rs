//! Lambda: functions that are kept, and never run.

use async_trait::async_trait;
use jiff::Timestamp;
use spawn_core::ports::{FunctionRequest, Functions, Result};
use spawn_model::error::{Class, Error};

use super::door::Door;
use super::{ACCOUNT, REGION, State, refusal};

const CONFLICT: &str = "ResourceConflictException";

impl State {
    fn function_check(&self, function: &FunctionRequest, now: Timestamp) -> Result<()> {
        let role = self.roles.values().find(|role| role.arn == function.role_arn && role.service == "lambda.amazonaws.com");
        if role.is_none_or(|role| now < role.made_at + self.role_delay) {
            let message = "The role defined for the function cannot be assumed by Lambda.";
            let error = refusal("InvalidParameterValueException", 400, message);
            return Err(Error { class: Class::Transient, code: "RoleNotReady".to_owned(), ..error });
        }
        Ok(())
    }

    fn function_create(&mut self, function: &FunctionRequest, now: Timestamp) -> Result<()> {
        if self.functions.contains_key(&function.name) {
            return Err(refusal(CONFLICT, 409, format!("Function already exist: {}", function.name)));
        }
        self.function_check(function, now)?;
        self.functions.insert(function.name.clone(), function.clone());
        Ok(())
    }

    fn function(&mut self, name: &str) -> Result<&mut FunctionRequest> {
        let gone = || refusal("ResourceNotFoundException", 404, format!("Function not found: {}", arn(name)));
        self.functions.get_mut(name).ok_or_else(gone)
    }
}

#[async_trait]
impl Functions for Door {
    async fn find(&self, name: &str) -> Result<Option<String>> {
        self.call("lambda:GetFunctionConfiguration", |s, _| Ok(s.functions.contains_key(name).then(|| arn(name)))).await
    }

    async fn ensure(&self, function: &FunctionRequest) -> Result<String> {
        let name = &function.name;
        let known = self.call("lambda:GetFunctionConfiguration", |s, _| Ok(s.functions.get(name).cloned())).await?;
        let Some(known) = known else {
            return self.call("lambda:CreateFunction", |s, now| s.function_create(function, now)).await.map(|()| arn(name));
        };
        if known.package != function.package {
            self.call("lambda:UpdateFunctionCode", |s, _| {
                s.function(name)?.package.clone_from(&function.package);
                Ok(())
            })
            .await?;
        }
        // Its tags and what it is built for stay as they were made.
        let FunctionRequest { package, architecture, tags, .. } = known.clone();
        let wanted = FunctionRequest { package, architecture, tags, ..function.clone() };
        if known != wanted {
            self.call("lambda:UpdateFunctionConfiguration", |s, now| {
                s.function_check(function, now)?;
                let package = s.function(name)?.package.clone();
                *s.function(name)? = FunctionRequest { package, ..wanted };
                Ok(())
            })
            .await?;
        }
        Ok(arn(name))
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.call("lambda:DeleteFunction", |s, _| {
            s.functions.remove(name);
            Ok(())
        })
        .await
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}
