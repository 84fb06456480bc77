//! Trouble on request: rules at the router that make calls fail as they fail in the field.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// What happens to a call that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The service's access-denied error, naming the action.
    Deny,
    /// The service's throttling error.
    Throttle,
    /// An error of one's own.
    Error {
        /// AWS error code.
        code: String,
        /// HTTP status.
        status: u16,
        /// Message.
        message: String,
    },
    /// The call takes effect, and the connection closes without an answer.
    LostReply,
    /// Nothing happens and no answer comes until the client gives up.
    Hang,
    /// The call takes effect, and no answer comes until the client gives up.
    HangAfter,
    /// The connection closes before anything happens.
    CloseBefore,
}

/// Which calls fail, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Service name, or `*`.
    pub service: String,
    /// Operation name, or `*`.
    pub operation: String,
    /// Only calls of this caller, in the call log's form (`controller`, `instance i-…`); `instance` alone means any instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// How many calls fail; without it, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// How many matching calls pass first.
    #[serde(default)]
    pub skip: u64,
    /// What happens.
    #[serde(rename = "do")]
    pub action: Fault,
}

/// The rules in force; the first that matches decides.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<FaultRule>>,
}

impl Faults {
    /// Adds a rule.
    pub(crate) fn add(&self, rule: FaultRule) {
        self.rules.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(rule);
    }

    /// Forgets every rule.
    pub(crate) fn clear(&self) {
        self.rules.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    /// The rules still in force.
    pub(crate) fn list(&self) -> Vec<FaultRule> {
        self.rules.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// What happens to this call; counts it.
    pub(crate) fn meet(&self, service: &str, operation: &str, caller: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for rule in rules.iter_mut() {
            if !rule.matches(service, operation, caller) || rule.times == Some(0) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                return None;
            }
            if let Some(times) = &mut rule.times {
                *times -= 1;
            }
            return Some(rule.action.clone());
        }
        None
    }
}

impl FaultRule {
    fn matches(&self, service: &str, operation: &str, caller: &str) -> bool {
        let same = |wanted: &str, is: &str| wanted == "*" || wanted == is;
        same(&self.service, service)
            && same(&self.operation, operation)
            && self
                .caller
                .as_deref()
                .is_none_or(|wanted| wanted == caller || caller.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(' ')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> FaultRule {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn skips_then_fails_then_passes() {
        let faults = Faults::default();
        faults.add(rule(r#"{"service":"ec2","operation":"RunInstances","skip":1,"times":2,"do":"throttle"}"#));
        let met: Vec<bool> = (0..5).map(|_| faults.meet("ec2", "RunInstances", "controller").is_some()).collect();
        assert_eq!(met, [false, true, true, false, false]);
        assert_eq!(faults.meet("ec2", "DescribeInstances", "controller"), None);
    }

    #[test]
    fn a_caller_may_be_a_kind_or_one() {
        let faults = Faults::default();
        faults.add(rule(r#"{"service":"*","operation":"*","caller":"instance","do":{"error":{"code":"X","status":418,"message":"m"}}}"#));
        assert!(faults.meet("s3", "PutObject", "instance i-1").is_some());
        assert!(faults.meet("s3", "PutObject", "controller").is_none());
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(serde_json::from_str::<FaultRule>(r#"{"service":"s3","operation":"*","do":"deny","whn":1}"#).is_err());
    }
}
