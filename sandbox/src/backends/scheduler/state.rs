//! What Scheduler keeps.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::json::validation;
use crate::protocol::Failure;
use crate::schedules::{Expression, Timing};
use crate::times::epoch;

use super::target::{Target, TargetCall};

/// How long ago a start may have been. AWS refuses an earlier one, in whatever way it is put; its documentation does not say so.
const START_AGE_MAX: SignedDuration = SignedDuration::from_mins(5);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) schedules: BTreeMap<Key, Schedule>,
    /// By region and name; `default` is always there.
    pub(super) groups: BTreeMap<(String, String), Group>,
    pub(super) retries: Vec<Firing>,
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) created: Timestamp,
    pub(super) tags: BTreeMap<String, String>,
}

/// Which schedule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Region.
    pub(crate) region: String,
    /// Group.
    pub(crate) group: String,
    /// Name.
    pub(crate) name: String,
}

#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) asked: Asked,
    pub(super) timing: Timing,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) next: Option<Timestamp>,
}

/// A target that is to be invoked.
#[derive(Debug, Clone)]
pub(crate) struct Firing {
    /// The schedule.
    pub(crate) key: Key,
    /// When this attempt is due.
    pub(crate) at: Timestamp,
    /// When the schedule said.
    pub(crate) planned: Timestamp,
    /// From 1.
    pub(crate) attempt: u32,
    /// The call that is made.
    pub(crate) call: TargetCall,
    /// ARN of the role.
    pub(crate) role: String,
    pub(super) max_age: SignedDuration,
    pub(super) max_retries: u32,
    pub(super) last: bool,
    pub(super) delete: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) group_name: Option<String>,
    pub(super) schedule_expression: String,
    schedule_expression_timezone: Option<String>,
    start_date: Option<f64>,
    end_date: Option<f64>,
    description: Option<String>,
    pub(super) state: Option<String>,
    pub(super) target: Target,
    flexible_time_window: Window,
    pub(super) client_token: Option<String>,
    pub(super) action_after_completion: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Window {
    mode: String,
}

impl Asked {
    /// When it fires.
    pub(super) fn timing(&self, now: Timestamp) -> Result<Timing, Failure> {
        let expression = Expression::parse(&self.schedule_expression)
            .ok_or_else(|| validation(format!("Invalid Schedule Expression {}.", self.schedule_expression)))?;
        let zone = match self.schedule_expression_timezone.as_deref() {
            None | Some("UTC") => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| validation(format!("Invalid Timezone {name}")))?,
        };
        let date = |seconds: f64| Timestamp::from_millisecond((seconds * 1_000.0) as i64).map_err(|_| validation("Invalid date"));
        let (start, end) = (self.start_date.map(date).transpose()?, self.end_date.map(date).transpose()?);
        if let (Some(start), Some(end)) = (start, end)
            && end <= start
        {
            return Err(validation("The EndDate you specify must come after the StartDate."));
        }
        if start.is_some_and(|start| start < now.saturating_sub(START_AGE_MAX).unwrap_or(Timestamp::MIN)) {
            return Err(validation("The StartDate you specify cannot be earlier than 5 minutes ago."));
        }
        if end.is_some_and(|end| end <= now) {
            return Err(validation("The EndDate you specify must be in the future."));
        }
        Ok(Timing { expression, zone, start, end, created: now })
    }

    /// Whether the sandbox can carry it out, and AWS would accept it.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.target.check()?;
        match self.flexible_time_window.mode.as_str() {
            "OFF" => {}
            "FLEXIBLE" => return Err(Failure::gap("flexible time windows of scheduler")),
            mode => {
                return Err(validation(format!(
                    "1 validation error detected: Value '{mode}' at 'flexibleTimeWindow.mode' failed to satisfy constraint: Member must satisfy enum value set: [OFF, FLEXIBLE]"
                )));
            }
        }
        let one_of = |value: &Option<String>, known: [&str; 2], name: &str| match value.as_deref() {
            Some(value) if !known.contains(&value) => Err(validation(format!(
                "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must satisfy enum value set: {known:?}"
            ))),
            _ => Ok(()),
        };
        one_of(&self.state, ["ENABLED", "DISABLED"], "state")?;
        one_of(&self.action_after_completion, ["NONE", "DELETE"], "actionAfterCompletion")
    }
}

impl Schedule {
    pub(super) fn state(&self) -> &str {
        self.asked.state.as_deref().unwrap_or("ENABLED")
    }

    pub(super) fn render(&self, key: &Key, arn: &str) -> Value {
        let asked = &self.asked;
        let mut entry = json!({
            "Arn": arn, "Name": key.name, "GroupName": key.group, "State": self.state(),
            "ScheduleExpression": asked.schedule_expression,
            "ScheduleExpressionTimezone": asked.schedule_expression_timezone.as_deref().unwrap_or("UTC"),
            "FlexibleTimeWindow": {"Mode": asked.flexible_time_window.mode},
            "ActionAfterCompletion": asked.action_after_completion.as_deref().unwrap_or("NONE"),
            "CreationDate": epoch(self.created), "LastModificationDate": epoch(self.modified),
            "Target": {
                "Arn": asked.target.arn, "RoleArn": asked.target.role_arn,
                "RetryPolicy": {
                    "MaximumEventAgeInSeconds": asked.target.max_age().as_secs(), "MaximumRetryAttempts": asked.target.max_retries(),
                },
            },
        });
        if let Some(input) = &asked.target.input {
            entry["Target"]["Input"] = input.as_str().into();
        }
        if let Some(text) = &asked.description {
            entry["Description"] = text.as_str().into();
        }
        for (name, date) in [("StartDate", asked.start_date), ("EndDate", asked.end_date)] {
            if let Some(date) = date {
                entry[name] = date.into();
            }
        }
        entry
    }
}

impl State {
    pub(super) fn has_group(&self, region: &str, name: &str) -> bool {
        name == "default" || self.groups.contains_key(&(region.to_owned(), name.to_owned()))
    }

    pub(super) fn group(&self, region: &str, name: &str, now: Timestamp) -> Option<Group> {
        let found = self.groups.get(&(region.to_owned(), name.to_owned())).cloned();
        found.or_else(|| (name == "default").then(|| Group { created: now, tags: BTreeMap::new() }))
    }
}
