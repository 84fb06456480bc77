//! The reaper as a function of AWS Lambda, and the schedule that invokes it (hand 4 without anybody).

use super::names::function_log_group;
use super::{FUNCTION, LOG_DAYS, Names, REAPER_SCHEDULE, SCHEDULE_GROUP, ec2_architecture, role, setup_tags};
use crate::artifacts::Reaper;
use crate::operation::Operation;
use crate::ports::{Aws, FunctionRequest, Result, Schedule, Target};
use crate::retry::patiently;

/// How often it reaps.
const EVERY_MINUTES: u32 = 15;

/// How long it may take: less than until it is invoked again.
const TIMEOUT_S: u32 = 840;

/// It lists and waits; what it needs memory for is TLS. Lambda gives processor time by memory.
const MEMORY_MIB: u32 = 256;

/// Deploys the reaper. Without one to deploy it leaves what is there. The function that is there then.
pub(super) async fn ensure(aws: &Aws, names: &Names<'_>, reaper: Option<&Reaper>, operation: &Operation) -> Result<Option<String>> {
    let Some(reaper) = reaper else {
        let found = aws.functions.find(FUNCTION).await?;
        if found.is_none() {
            operation.say("no function that reaps: there is no spawn-reaper beside the agents; `spawn reap` does the same by hand");
        }
        return Ok(found);
    };
    operation.say(&format!("function {FUNCTION}, every {EVERY_MINUTES} minutes"));
    aws.logs.group_ensure(&function_log_group(), LOG_DAYS).await?;
    let role_arn = role(aws, names.reaper_role(), "lambda.amazonaws.com", names.reaper_policy()).await?;
    let schedule_role_arn = role(aws, names.reaper_schedule_role(), "scheduler.amazonaws.com", names.reaper_schedule_policy()).await?;
    let function = FunctionRequest {
        name: FUNCTION.to_owned(),
        description: "Ends what is past its lease, and removes what ended fleets leave.".to_owned(),
        role_arn,
        package: reaper.package()?,
        architecture: ec2_architecture(&reaper.machine),
        memory_mib: MEMORY_MIB,
        timeout_s: TIMEOUT_S,
        tags: setup_tags(),
    };
    let arn = patiently(aws, operation, || async { aws.functions.ensure(&function).await })
        .await
        .map_err(|e| e.context("deploying the reaper"))?;
    let schedule = Schedule {
        name: REAPER_SCHEDULE.to_owned(),
        group: SCHEDULE_GROUP.to_owned(),
        span: None,
        every_minutes: EVERY_MINUTES,
        role_arn: schedule_role_arn,
        target: Target::Function { arn: arn.clone() },
    };
    patiently(aws, operation, || async { aws.schedules.put(&schedule).await })
        .await
        .map_err(|e| e.context("making the schedule of the reaper"))?;
    Ok(Some(arn))
}

/// Removes the reaper.
pub(super) async fn remove(aws: &Aws, names: &Names<'_>, operation: &Operation) -> Result<()> {
    operation.say(&format!("function {FUNCTION}"));
    aws.schedules.delete(SCHEDULE_GROUP, REAPER_SCHEDULE).await?;
    aws.functions.delete(FUNCTION).await?;
    aws.logs.group_delete(&function_log_group()).await?;
    aws.identity.role_delete(&names.reaper_schedule_role()).await?;
    aws.identity.role_delete(&names.reaper_role()).await
}
