//! Who may invoke a function besides those whose own policies say so: its resource policy.

use serde_json::{Value, json};

use crate::json::{read, validation};
use crate::protocol::{Failure, Request};

use super::asked::Permission;
use super::{Lambda, conflict, done, not_found};

impl Lambda {
    pub(super) fn add_permission(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Permission = read(request)?;
        let place = self.whole(request)?;
        let fit = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if asked.statement_id.is_empty() || asked.statement_id.len() > 100 || !asked.statement_id.chars().all(fit) {
            return Err(validation(format!(
                "1 validation error detected: Value '{}' at 'statementId' failed to satisfy constraint: Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)",
                asked.statement_id
            )));
        }
        if asked.action != "*" && !asked.action.starts_with("lambda:") {
            return Err(validation(format!(
                "1 validation error detected: Value '{}' at 'action' failed to satisfy constraint: Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])",
                asked.action
            )));
        }
        let mut state = self.lock();
        let function = state.function_mut(&request.region, self.account(), &place)?;
        if function.policy.contains_key(&asked.statement_id) {
            let message = format!(
                "The statement id ({}) provided already exists. Please provide a new statement id, or remove the existing statement.",
                asked.statement_id
            );
            return Err(conflict(message));
        }
        let statement = statement(&asked, &function.latest.arn());
        function.policy.insert(asked.statement_id, statement.clone());
        Ok(json!({"Statement": statement.to_string()}))
    }

    pub(super) fn get_policy(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.whole(request)?;
        let state = self.lock();
        let function = state.function(&request.region, self.account(), &place)?;
        if function.policy.is_empty() {
            return Err(not_found("The resource you requested does not exist."));
        }
        let statements: Vec<&Value> = function.policy.values().collect();
        let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": statements});
        Ok(json!({"Policy": policy.to_string(), "RevisionId": function.latest.revision}))
    }

    pub(super) fn remove_permission(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.whole(request)?;
        let id = super::route::last(request);
        let mut state = self.lock();
        let function = state.function_mut(&request.region, self.account(), &place)?;
        let gone = function.policy.remove(&id);
        gone.map(|_| done()).ok_or_else(|| not_found(format!("Statement {id} is not found in resource policy.")))
    }
}

fn statement(asked: &Permission, arn: &str) -> Value {
    let principal = &asked.principal;
    let principal = if principal == "*" {
        json!("*")
    } else if principal.ends_with(".amazonaws.com") {
        json!({"Service": principal})
    } else if principal.len() == 12 && principal.chars().all(|c| c.is_ascii_digit()) {
        json!({"AWS": format!("arn:aws:iam::{principal}:root")})
    } else {
        json!({"AWS": principal})
    };
    let mut statement =
        json!({"Sid": asked.statement_id, "Effect": "Allow", "Principal": principal, "Action": asked.action, "Resource": arn});
    if let Some(source) = &asked.source_arn {
        statement["Condition"]["ArnLike"] = json!({"AWS:SourceArn": source});
    }
    if let Some(account) = &asked.source_account {
        statement["Condition"]["StringEquals"] = json!({"AWS:SourceAccount": account});
    }
    statement
}
