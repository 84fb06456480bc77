//! Trouble on request.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::model::Market;

/// Whether a call that fails has done its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing happened.
    #[default]
    Before,
    /// It happened; only the answer is bad.
    After,
}

/// One rule of trouble.
///
/// In JSON the field `kind` chooses: `{"kind": "capacity", "instance_type": "c7i.large", "above": 3}`,
/// `{"kind": "call", "operation": "RunInstances", "code": "InternalError", "status": 500}`,
/// `{"kind": "call", "operation": "RunInstances", "lost": true, "effect": "after"}`,
/// `{"kind": "reclaim", "instance_type": "c7i.large", "after_ms": 60000, "rebalance_ms": 30000}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A pool gives no more than some instances. What is not named means any.
    Capacity {
        /// The region.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
        /// The zone, by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
        /// The instance type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance_type: Option<String>,
        /// Spot or on demand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        market: Option<Market>,
        /// How many instances may live in each pool that fits; 0 is none at all.
        #[serde(default)]
        above: u32,
    },
    /// EC2 takes spot instances back, each so long after it began to run. What is not named means any.
    Reclaim {
        /// The region.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
        /// The zone, by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
        /// The instance type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance_type: Option<String>,
        /// From `running` to the notice.
        #[serde(default)]
        after_ms: u64,
        /// From the notice to the end.
        #[serde(default = "two_minutes")]
        notice_ms: u64,
        /// A recommendation to move its work comes so long before the notice; none is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rebalance_ms: Option<u64>,
        /// So many instances are taken.
        #[serde(default = "once")]
        times: u32,
    },
    /// Calls of one operation fail.
    Call {
        /// The operation's name in the EC2 API.
        operation: String,
        /// Only in this region.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
        /// The error code. `InternalError` if neither this nor `lost` is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// The error's sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// The HTTP status; 400 with a code and 500 without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// The caller's connection breaks instead of an answer.
        #[serde(default)]
        lost: bool,
        /// Whether the call does its work all the same.
        #[serde(default)]
        effect: Effect,
        /// So many calls pass first.
        #[serde(default)]
        skip: u32,
        /// So many calls fail.
        #[serde(default = "once")]
        times: u32,
    },
}

fn once() -> u32 {
    1
}

fn two_minutes() -> u64 {
    120_000
}

/// How a rule takes an instance back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reclaim {
    pub(crate) after_ms: u64,
    pub(crate) notice_ms: u64,
    pub(crate) rebalance_ms: Option<u64>,
}

impl Fault {
    /// The next `times` calls of an operation answer an error code, before they do anything.
    pub fn error(operation: &str, code: &str, times: u32) -> Self {
        Fault::Call {
            operation: operation.to_owned(),
            region: None,
            code: Some(code.to_owned()),
            message: None,
            status: None,
            lost: false,
            effect: Effect::Before,
            skip: 0,
            times,
        }
    }

    /// The next `times` calls of an operation get no answer.
    pub fn lost(operation: &str, effect: Effect, times: u32) -> Self {
        Fault::Call {
            operation: operation.to_owned(),
            region: None,
            code: None,
            message: None,
            status: None,
            lost: true,
            effect,
            skip: 0,
            times,
        }
    }

    /// A type has no capacity anywhere.
    pub fn no_capacity(instance_type: &str) -> Self {
        Fault::Capacity { region: None, zone: None, instance_type: Some(instance_type.to_owned()), market: None, above: 0 }
    }
}

/// The rules in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, rule: Fault) {
        self.rules.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn rules(&self) -> &[Fault] {
        &self.rules
    }

    /// The trouble the next call meets, if any; counts it.
    pub(crate) fn on_call(&mut self, in_region: &str, called: &str) -> Option<(ApiError, Effect)> {
        for rule in &mut self.rules {
            let Fault::Call { operation, region, code, message, status, lost, effect, skip, times } = rule else {
                continue;
            };
            if operation != called || region.as_deref().is_some_and(|r| r != in_region) || *times == 0 {
                continue;
            }
            if *skip > 0 {
                *skip -= 1;
                continue;
            }
            *times -= 1;
            let error = call_error(code.as_deref(), message.as_deref(), *status, *lost);
            let effect = *effect;
            self.drop_used_up();
            return Some((error, effect));
        }
        None
    }

    fn drop_used_up(&mut self) {
        self.rules.retain(|rule| !matches!(rule, Fault::Call { times: 0, .. } | Fault::Reclaim { times: 0, .. }));
    }

    /// Whether and how the next spot instance of a pool that begins to run is taken back; counts it.
    pub(crate) fn reclaim(&mut self, in_region: &str, in_zone: &str, of_type: &str) -> Option<Reclaim> {
        let found = self.rules.iter_mut().find_map(|rule| match rule {
            Fault::Reclaim { region, zone, instance_type, after_ms, notice_ms, rebalance_ms, times }
                if *times > 0
                    && region.as_deref().is_none_or(|r| r == in_region)
                    && zone.as_deref().is_none_or(|z| z == in_zone)
                    && instance_type.as_deref().is_none_or(|t| t == of_type) =>
            {
                *times -= 1;
                Some(Reclaim { after_ms: *after_ms, notice_ms: *notice_ms, rebalance_ms: *rebalance_ms })
            }
            _ => None,
        });
        self.drop_used_up();
        found
    }

    /// How many instances a pool may hold, if a rule says.
    pub(crate) fn pool_limit(&self, in_region: &str, in_zone: &str, of_type: &str, on_market: Market) -> Option<u32> {
        self.rules
            .iter()
            .filter_map(|rule| match rule {
                Fault::Capacity { region, zone, instance_type, market, above }
                    if region.as_deref().is_none_or(|r| r == in_region)
                        && zone.as_deref().is_none_or(|z| z == in_zone)
                        && instance_type.as_deref().is_none_or(|t| t == of_type)
                        && market.is_none_or(|m| m == on_market) =>
                {
                    Some(*above)
                }
                _ => None,
            })
            .min()
    }
}

fn call_error(code: Option<&str>, message: Option<&str>, status: Option<u16>, lost: bool) -> ApiError {
    let fallback = match code {
        Some("RequestLimitExceeded" | "Unavailable" | "ServiceUnavailable") => 503,
        Some("InsufficientInstanceCapacity") | None => 500,
        Some(_) => 400,
    };
    let message = message.map_or_else(|| "An error was scripted for this call.".to_owned(), str::to_owned);
    let error = ApiError::new(code.unwrap_or("InternalError"), message).with_status(status.unwrap_or(fallback));
    ApiError { lost, ..error }
}
