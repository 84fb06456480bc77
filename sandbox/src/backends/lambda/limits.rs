//! How much of a function runs at once, and how often a failed event is tried again.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::json::{read, validation};
use crate::protocol::{Failure, Request};

use super::asked::{Concurrency, EventConfig as AskedEventConfig};
use super::state::EventConfig;
use super::{Lambda, done, invalid, not_found};

/// Invocations at once in an account and region, and what must be left to functions without a share of their own; from Lambda's quotas page.
pub(super) const ACCOUNT: u32 = 1_000;
const LEAST_UNRESERVED: u32 = 100;

impl Lambda {
    pub(super) fn put_concurrency(&self, request: &Request) -> Result<Value, Failure> {
        let asked: Concurrency = read(request)?;
        let place = self.whole(request)?;
        let mut state = self.lock();
        state.function(&request.region, self.account(), &place)?;
        let others: u32 = state
            .functions
            .iter()
            .filter(|((region, name), _)| *region == request.region && *name != place.name)
            .filter_map(|(_, function)| function.reserved)
            .sum();
        let wanted = asked.reserved_concurrent_executions;
        if wanted.saturating_add(others) > ACCOUNT - LEAST_UNRESERVED {
            return Err(invalid(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{LEAST_UNRESERVED}]."
            )));
        }
        state.function_mut(&request.region, self.account(), &place)?.reserved = Some(wanted);
        Ok(json!({"ReservedConcurrentExecutions": wanted}))
    }

    pub(super) fn get_concurrency(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.whole(request)?;
        let state = self.lock();
        let reserved = state.function(&request.region, self.account(), &place)?.reserved;
        Ok(reserved.map_or_else(done, |reserved| json!({"ReservedConcurrentExecutions": reserved})))
    }

    pub(super) fn delete_concurrency(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.whole(request)?;
        self.lock().function_mut(&request.region, self.account(), &place)?.reserved = None;
        Ok(done())
    }

    pub(super) fn put_event_config(&self, request: &Request) -> Result<Value, Failure> {
        let asked: AskedEventConfig = read(request)?;
        let place = self.whole(request)?;
        let within = |name: &str, value: Option<i64>, least: i64, most: i64| match value {
            Some(value) if !(least..=most).contains(&value) => {
                let bound =
                    if value < least { format!("greater than or equal to {least}") } else { format!("less than or equal to {most}") };
                Err(validation(format!(
                    "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must have value {bound}"
                )))
            }
            _ => Ok(()),
        };
        within("maximumRetryAttempts", asked.maximum_retry_attempts.map(i64::from), 0, 2)?;
        within("maximumEventAgeInSeconds", asked.maximum_event_age_in_seconds, 60, 21_600)?;
        if asked.maximum_retry_attempts.is_none() && asked.maximum_event_age_in_seconds.is_none() {
            return Err(invalid("You must specify at least one of error handling or destination setting."));
        }
        let config = EventConfig {
            retries: asked.maximum_retry_attempts,
            max_age: asked.maximum_event_age_in_seconds.map(SignedDuration::from_secs),
            modified: request.now,
        };
        let mut state = self.lock();
        let function = state.function_mut(&request.region, self.account(), &place)?;
        function.event_config = Some(config);
        Ok(render(config, &function.latest.arn()))
    }

    pub(super) fn get_event_config(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.whole(request)?;
        let state = self.lock();
        let function = state.function(&request.region, self.account(), &place)?;
        let arn = function.latest.arn();
        function.event_config.map(|config| render(config, &arn)).ok_or_else(|| no_config(&arn))
    }

    pub(super) fn delete_event_config(&self, request: &Request) -> Result<Value, Failure> {
        let place = self.whole(request)?;
        let mut state = self.lock();
        let function = state.function_mut(&request.region, self.account(), &place)?;
        let arn = function.latest.arn();
        function.event_config.take().map(|_| done()).ok_or_else(|| no_config(&arn))
    }
}

fn render(config: EventConfig, arn: &str) -> Value {
    let mut entry = json!({"LastModified": crate::times::epoch(config.modified), "FunctionArn": format!("{arn}:$LATEST")});
    if let Some(retries) = config.retries {
        entry["MaximumRetryAttempts"] = retries.into();
    }
    if let Some(age) = config.max_age {
        entry["MaximumEventAgeInSeconds"] = age.as_secs().into();
    }
    entry
}

fn no_config(arn: &str) -> Failure {
    not_found(format!("The function {arn}:$LATEST doesn't have an EventInvokeConfig"))
}
