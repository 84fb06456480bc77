//! EventBridge Scheduler.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::config::Builder;
use aws_sdk_scheduler::error::BuildError;
use aws_sdk_scheduler::types::{
    self, ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, ScheduleState, ScheduleSummary,
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use serde_json::json;
use spawn_core::ports::{Calendar, Result, Schedule, Scheduled, Schedules, Target, Times};
use spawn_model::error::{Class, Error};

use crate::endpoint::{Call, Endpoint};
use crate::error::Tolerate;
use crate::partition::partition;

const CREATE: Call = Call::once("scheduler", "CreateSchedule");
const UPDATE: Call = Call::repeatable("scheduler", "UpdateSchedule");
const GET: Call = Call::repeatable("scheduler", "GetSchedule");
const DELETE: Call = Call::repeatable("scheduler", "DeleteSchedule");
const LIST: Call = Call::repeatable("scheduler", "ListSchedules");
const GROUP_CREATE: Call = Call::once("scheduler", "CreateScheduleGroup");
const GROUP_DELETE: Call = Call::repeatable("scheduler", "DeleteScheduleGroup");

/// How old an invocation may become. A refused one comes again with the next repetition, so that none need pile up behind it.
const EVENT_AGE_SECONDS: i32 = 300;
/// How often Scheduler tries one invocation again within that age.
const RETRIES: i32 = 2;
/// How often it can (its published limit).
const RETRIES_MAX: i32 = 185;

/// The schedules of one region.
#[derive(Debug)]
pub(crate) struct Scheduler {
    client: Client,
    endpoint: Arc<Endpoint>,
    start_automation_arn: String,
}

impl Scheduler {
    pub(crate) fn new(config: &SdkConfig, region: &str) -> Self {
        let endpoint = Arc::new(Endpoint::default());
        let client = Client::from_conf(Builder::from(config).interceptor(endpoint.watch()).build());
        let start_automation_arn = format!("arn:{}:scheduler:::aws-sdk:ssm:startAutomationExecution", partition(region));
        Self { client, endpoint, start_automation_arn }
    }

    fn target(&self, schedule: &Schedule, asked: &Asked) -> Result<types::Target> {
        let target = match &schedule.target {
            Target::Automation { document, parameters } => {
                types::Target::builder().arn(&self.start_automation_arn).input(automation_input(document, parameters))
            }
            // Without an input of ours Scheduler sends its own event, which tells the time.
            Target::Function { arn, input } => types::Target::builder().arn(arn).set_input(input.clone()),
        };
        let retries = RetryPolicy::builder().maximum_event_age_in_seconds(asked.late_s).maximum_retry_attempts(asked.retries).build();
        target.role_arn(&schedule.role_arn).retry_policy(retries).build().map_err(incomplete)
    }
}

/// When a schedule comes, as Scheduler is asked.
struct Asked {
    expression: String,
    zone: Option<String>,
    start: Option<DateTime>,
    end: Option<DateTime>,
    after: Option<ActionAfterCompletion>,
    late_s: i32,
    retries: i32,
}

impl Asked {
    fn new(times: &Times) -> Self {
        match times {
            Times::Every { minutes, span } => {
                let (start, end) = span.map(|span| (date_time(span.start), date_time(span.end))).unzip();
                // What has no end has nothing after it.
                let after = end.map(|_| ActionAfterCompletion::Delete);
                Self { expression: rate(*minutes), zone: None, start, end, after, late_s: EVENT_AGE_SECONDS, retries: RETRIES }
            }
            Times::By(Calendar { expression, zone, start, end, late_s }) => Self {
                expression: expression.clone(),
                zone: Some(zone.clone()),
                start: start.map(date_time),
                end: end.map(date_time),
                after: Some(ActionAfterCompletion::None),
                late_s: i32::try_from(*late_s).unwrap_or(i32::MAX),
                retries: RETRIES_MAX,
            },
        }
    }
}

#[async_trait]
impl Schedules for Scheduler {
    async fn put(&self, schedule: &Schedule) -> Result<()> {
        let asked = Asked::new(&schedule.times);
        let target = self.target(schedule, &asked)?;
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().map_err(incomplete)?;
        let state = if schedule.is_enabled { ScheduleState::Enabled } else { ScheduleState::Disabled };
        let create = self
            .client
            .create_schedule()
            .name(&schedule.name)
            .group_name(&schedule.group)
            .schedule_expression(&asked.expression)
            .set_schedule_expression_timezone(asked.zone.clone())
            .set_start_date(asked.start)
            .set_end_date(asked.end)
            .state(state.clone())
            .flexible_time_window(window.clone())
            .set_action_after_completion(asked.after.clone())
            .target(target.clone());
        let created =
            self.endpoint.call(CREATE, || create.clone().send()).await.tolerate(&["ConflictException"]).map_err(role_not_ready)?;
        if created.is_some() {
            return Ok(());
        }
        let update = self
            .client
            .update_schedule()
            .name(&schedule.name)
            .group_name(&schedule.group)
            .schedule_expression(&asked.expression)
            .set_schedule_expression_timezone(asked.zone)
            .set_start_date(asked.start)
            .set_end_date(asked.end)
            .state(state)
            .flexible_time_window(window)
            .set_action_after_completion(asked.after)
            .target(target);
        self.endpoint.call(UPDATE, || update.clone().send()).await.map_err(role_not_ready)?;
        Ok(())
    }

    async fn find(&self, group: &str, name: &str) -> Result<Option<Schedule>> {
        let get = self.client.get_schedule().group_name(group).name(name);
        let Some(found) = self.endpoint.call(GET, || get.clone().send()).await.tolerate(&["ResourceNotFoundException"])? else {
            return Ok(None);
        };
        let Some(target) = found.target() else { return Ok(None) };
        let late_s = target.retry_policy().and_then(RetryPolicy::maximum_event_age_in_seconds).unwrap_or_default();
        Ok(Some(Schedule {
            name: name.to_owned(),
            group: group.to_owned(),
            times: Times::By(Calendar {
                expression: found.schedule_expression().unwrap_or_default().to_owned(),
                zone: found.schedule_expression_timezone().unwrap_or("UTC").to_owned(),
                start: found.start_date().and_then(timestamp),
                end: found.end_date().and_then(timestamp),
                late_s: u32::try_from(late_s).unwrap_or_default(),
            }),
            is_enabled: found.state() != Some(&ScheduleState::Disabled),
            role_arn: target.role_arn().to_owned(),
            target: Target::Function { arn: target.arn().to_owned(), input: target.input().map(str::to_owned) },
        }))
    }

    async fn delete(&self, group: &str, name: &str) -> Result<()> {
        let delete = self.client.delete_schedule().group_name(group).name(name);
        self.endpoint.call(DELETE, || delete.clone().send()).await.tolerate(&["ResourceNotFoundException"])?;
        Ok(())
    }

    async fn list(&self, group: &str, name_prefix: &str) -> Result<Vec<Scheduled>> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let mut list = self.client.list_schedules().group_name(group).set_next_token(next.take());
            if !name_prefix.is_empty() {
                list = list.name_prefix(name_prefix);
            }
            let Some(page) = self.endpoint.call(LIST, || list.clone().send()).await.tolerate(&["ResourceNotFoundException"])? else {
                return Ok(found);
            };
            found.extend(page.schedules().iter().filter_map(scheduled));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    async fn group_ensure(&self, group: &str) -> Result<()> {
        let create = self.client.create_schedule_group().name(group);
        self.endpoint.call(GROUP_CREATE, || create.clone().send()).await.tolerate(&["ConflictException"])?;
        Ok(())
    }

    async fn group_delete(&self, group: &str) -> Result<()> {
        let delete = self.client.delete_schedule_group().name(group);
        self.endpoint.call(GROUP_DELETE, || delete.clone().send()).await.tolerate(&["ResourceNotFoundException"])?;
        Ok(())
    }
}

fn scheduled(summary: &ScheduleSummary) -> Option<Scheduled> {
    Some(Scheduled { name: summary.name()?.to_owned(), is_enabled: summary.state() != Some(&ScheduleState::Disabled) })
}

/// A repetition as Scheduler writes it.
fn rate(every_minutes: u32) -> String {
    match every_minutes {
        1 => "rate(1 minute)".to_owned(),
        minutes => format!("rate({minutes} minutes)"),
    }
}

/// The body of `StartAutomationExecution`, as a universal target takes it.
fn automation_input(document: &str, parameters: &BTreeMap<String, Vec<String>>) -> String {
    json!({ "DocumentName": document, "Parameters": parameters }).to_string()
}

fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(at.secs()).ok()
}

/// Whole seconds: Scheduler knows no finer.
fn date_time(at: Timestamp) -> DateTime {
    DateTime::from_secs(at.as_second())
}

/// Scheduler tries the role when it is told of it, and a role is not everywhere in the moment it is made.
fn role_not_ready(error: Error) -> Error {
    if error.code == "ValidationException" && error.message.contains("to assume the role") {
        return Error { class: Class::Transient, code: "RoleNotReady".to_owned(), ..error };
    }
    error
}

fn incomplete(error: BuildError) -> Error {
    Error::new(Class::Bug, "InvalidRequest", format!("a schedule lacks a part: {error}"), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_as_scheduler_reads_it() {
        for (minutes, expected) in [(1, "rate(1 minute)"), (5, "rate(5 minutes)"), (60, "rate(60 minutes)")] {
            assert_eq!(rate(minutes), expected);
        }
    }

    #[test]
    fn the_input_is_what_start_automation_execution_takes() {
        let parameters =
            BTreeMap::from([("Run".to_owned(), vec!["run-0123456789abcdef".to_owned()]), ("Shard".to_owned(), vec!["0".to_owned()])]);
        let input = automation_input("spawn-end-1", &parameters);
        assert_eq!(input, r#"{"DocumentName":"spawn-end-1","Parameters":{"Run":["run-0123456789abcdef"],"Shard":["0"]}}"#);
    }

    #[test]
    fn a_role_that_is_not_there_yet_is_a_passing_fault() {
        let words =
            "scheduler:CreateSchedule failed: The execution role you provide must allow AWS EventBridge Scheduler to assume the role";
        let early = role_not_ready(Error::new(Class::Invalid, "ValidationException", words, ""));
        assert_eq!((early.class, early.code.as_str()), (Class::Transient, "RoleNotReady"));
        let wrong = Error::new(Class::Invalid, "ValidationException", "Invalid Schedule Expression", "");
        assert_eq!(role_not_ready(wrong.clone()), wrong);
    }
}
