//! The engine as functions of AWS Lambda, for what nobody is there to do: the reaper (hand 4 without anybody) and the watcher, which
//! tells what alerts are for, keeps names in DNS right and has services fall back from spot to on demand, with the schedules that invoke them; and the
//! starter, which the schedules of users invoke.

use super::names::function_log_group;
use super::{
    FUNCTION, LOG_DAYS, Names, REAPER_SCHEDULE, SCHEDULE_GROUP, START_FUNCTION, WATCH_FUNCTION, WATCHER_SCHEDULE, ec2_architecture, role,
};
use crate::artifacts::Handler;
use crate::operation::Operation;
use crate::ports::{Aws, FunctionRequest, Result, Schedule, Target, Times};
use crate::retry::patiently;
use crate::tags;

/// How often it reaps.
const REAPS_EVERY_MINUTES: u32 = 15;

/// How often it looks what there is to tell. Without an alert, a name or a service that lacks something, a look is four calls.
const WATCHES_EVERY_MINUTES: u32 = 2;

/// How long a reaper may take: less than until it is invoked again.
const REAPER_TIMEOUT_S: u32 = 840;

/// How long a look may take. Two at once do no harm.
const WATCHER_TIMEOUT_S: u32 = 300;

/// How long a start may take: the most that Lambda gives.
const STARTER_TIMEOUT_S: u32 = 900;

/// They list and wait; what they need memory for is TLS. Lambda gives processor time by memory.
const MEMORY_MIB: u32 = 256;

/// A function of the set-up.
struct Function<'a> {
    name: &'static str,
    description: &'static str,
    role: (String, String),
    timeout_s: u32,
    handler: &'a Handler,
}

async fn deploy(aws: &Aws, function: Function<'_>, operation: &Operation) -> Result<String> {
    aws.logs.group_ensure(&function_log_group(function.name), LOG_DAYS).await?;
    let (role_name, policy) = function.role;
    let request = FunctionRequest {
        name: function.name.to_owned(),
        description: function.description.to_owned(),
        role_arn: role(aws, role_name, "lambda.amazonaws.com", policy).await?,
        package: function.handler.package()?,
        architecture: ec2_architecture(&function.handler.machine),
        memory_mib: MEMORY_MIB,
        timeout_s: function.timeout_s,
        tags: tags::ours(),
    };
    let deployed = patiently(aws, operation, || async { aws.functions.ensure(&request).await }).await;
    deployed.map_err(|e| e.context(&format!("deploying {}", function.name)))
}

/// Deploys the reaper. Without one to deploy it leaves what is there. The function that is there then.
pub(super) async fn ensure_reaper(aws: &Aws, names: &Names<'_>, reaper: Option<&Handler>, operation: &Operation) -> Result<Option<String>> {
    let Some(handler) = reaper else {
        let found = aws.functions.find(FUNCTION).await?;
        if found.is_none() {
            operation.say("no function that reaps: there is no spawn-reaper beside the agents; `spawn reap` does the same by hand");
        }
        return Ok(found);
    };
    operation.say(&format!("function {FUNCTION}, every {REAPS_EVERY_MINUTES} minutes"));
    let function = Function {
        name: FUNCTION,
        description: "Ends what is past its lease, and removes what ended fleets leave.",
        role: (names.reaper_role(), names.reaper_policy()),
        timeout_s: REAPER_TIMEOUT_S,
        handler,
    };
    let arn = deploy(aws, function, operation).await?;
    invoke_every(aws, names, (REAPER_SCHEDULE, REAPS_EVERY_MINUTES), &arn, operation).await?;
    Ok(Some(arn))
}

/// Makes the schedule that invokes a function again and again.
async fn invoke_every(aws: &Aws, names: &Names<'_>, (name, minutes): (&str, u32), function: &str, operation: &Operation) -> Result<()> {
    let role_arn = role(aws, names.invoking_role(), "scheduler.amazonaws.com", names.invoking_policy()).await?;
    let schedule = Schedule {
        name: name.to_owned(),
        group: SCHEDULE_GROUP.to_owned(),
        times: Times::Every { minutes, span: None },
        is_enabled: true,
        role_arn,
        target: Target::Function { arn: function.to_owned(), input: None },
    };
    let put = patiently(aws, operation, || async { aws.schedules.put(&schedule).await }).await;
    put.map_err(|e| e.context(&format!("making the schedule {name}")))
}

/// Deploys what looks every two minutes: after alerts, names and services. Without one to deploy it leaves what is there. The function that is there then.
pub(super) async fn ensure_watcher(
    aws: &Aws,
    names: &Names<'_>,
    watcher: Option<&Handler>,
    operation: &Operation,
) -> Result<Option<String>> {
    let Some(handler) = watcher else { return aws.functions.find(WATCH_FUNCTION).await };
    operation.say(&format!("function {WATCH_FUNCTION}, every {WATCHES_EVERY_MINUTES} minutes"));
    let function = Function {
        name: WATCH_FUNCTION,
        description: "Tells what alerts are for, keeps names in DNS right, and has services fall back from spot to on demand.",
        role: (names.watcher_role(), names.watcher_policy()),
        timeout_s: WATCHER_TIMEOUT_S,
        handler,
    };
    let arn = deploy(aws, function, operation).await?;
    invoke_every(aws, names, (WATCHER_SCHEDULE, WATCHES_EVERY_MINUTES), &arn, operation).await?;
    Ok(Some(arn))
}

/// Deploys what starts the runs of schedules. Without one to deploy it leaves what is there. The function that is there then.
pub(super) async fn ensure_starter(
    aws: &Aws,
    names: &Names<'_>,
    starter: Option<&Handler>,
    operation: &Operation,
) -> Result<Option<String>> {
    let Some(handler) = starter else { return aws.functions.find(START_FUNCTION).await };
    operation.say(&format!("function {START_FUNCTION}, for schedules"));
    let function = Function {
        name: START_FUNCTION,
        description: "Launches the runs of schedules.",
        role: (names.starter_role(), names.starter_policy()),
        timeout_s: STARTER_TIMEOUT_S,
        handler,
    };
    deploy(aws, function, operation).await.map(Some)
}

/// Removes all of them.
pub(super) async fn remove(aws: &Aws, names: &Names<'_>, operation: &Operation) -> Result<()> {
    operation.say(&format!("functions {FUNCTION}, {START_FUNCTION} and {WATCH_FUNCTION}"));
    for schedule in [REAPER_SCHEDULE, WATCHER_SCHEDULE] {
        aws.schedules.delete(SCHEDULE_GROUP, schedule).await?;
    }
    for function in [FUNCTION, START_FUNCTION, WATCH_FUNCTION] {
        aws.functions.delete(function).await?;
        aws.logs.group_delete(&function_log_group(function)).await?;
    }
    for role in [names.invoking_role(), names.reaper_role(), names.starter_role(), names.watcher_role()] {
        aws.identity.role_delete(&role).await?;
    }
    Ok(())
}
