//! The account set-up: what every fleet of an account and region shares, made once and owned by no fleet.
//!
//! Names come from account and region, "exists and is ours" counts as done, what has versions carries them in its name, and
//! the parameter that says "warm" is written last: so set-up may be interrupted, repeated, and run twice at once.

mod boundary;
mod document;
mod functions;
mod names;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use spawn_model::error::{Class, Error};
use spawn_model::layout;
use spawn_model::record::SCHEMA;

use crate::artifacts::{Agent, Artifacts};
use crate::operation::Operation;
use crate::ports::{Aws, Caller, Condition, Result, RoleRequest};
use crate::tags;

pub use document::{end_document, group_document, hibernate_document, stop_document};
pub(crate) use names::Names;

/// The SSM parameter that holds the [`Setup`]. Its existence is what "warm" means.
pub const PARAMETER: &str = "/spawn/setup/v1";

/// The automation document that ends a shard of a run. A changed document gets a new name, so that two versions live side by side.
pub const DOCUMENT: &str = "spawn-end-v1";

/// The automation document that stops a shard of a run, whose instances are kept for a while.
pub const STOP_DOCUMENT: &str = "spawn-stop-v1";
/// The automation document that hibernates one.
pub const HIBERNATE_DOCUMENT: &str = "spawn-hibernate-v1";

/// The automation document that ends a service: its Auto Scaling group, and what that has.
pub const GROUP_DOCUMENT: &str = "spawn-end-group-v1";

/// What the names of those documents begin with, in whatever version.
pub(crate) const DOCUMENT_FAMILY: &str = "spawn-";

/// The reaper as a function. One that reads other records gets a new name, so that two versions live side by side.
pub const FUNCTION: &str = "spawn-reaper-v1";

/// What starts the runs of schedules, as a function. One that reads other records gets a new name, so that two versions live side by side.
pub const START_FUNCTION: &str = "spawn-starter-v1";

/// What tells what alerts are for, as a function. One that reads other records gets a new name, so that two versions live side by side.
pub const WATCH_FUNCTION: &str = "spawn-watcher-v1";

/// What the names of functions begin with, in whatever version.
pub(crate) const FUNCTION_FAMILY: &str = "spawn-";

/// The schedule that invokes the reaper.
const REAPER_SCHEDULE: &str = "spawn-reaper";

/// The schedule that invokes what tells.
const WATCHER_SCHEDULE: &str = "spawn-watcher";

/// What the names of the set-up's roles and of its boundary begin with.
pub(crate) const PREFIX: &str = "spawn-setup-";

/// The schedule group of all lease schedules.
pub const SCHEDULE_GROUP: &str = "spawn";

/// The log group of all workloads.
pub const LOG_GROUP: &str = "/spawn/fleets";

/// The log group of what people's commands write on machines. It is none of the workloads': who may launch a fleet may not read here.
pub const SHELL_LOG_GROUP: &str = "/spawn/exec";

/// The services of AWS whose own roles fleets need: without them only who may make them can launch a first spot instance, or a first group.
const SERVICE_ROLES: [&str; 2] = ["autoscaling.amazonaws.com", "spot.amazonaws.com"];

/// Characters of a managed policy (IAM quotas).
pub(crate) const MANAGED_POLICY_MAX: usize = 6_144;

/// How long output is kept, in days.
const LOG_DAYS: u32 = 30;

/// An architecture of `uname -m` as EC2 says it.
pub(crate) fn ec2_architecture(machine: &str) -> String {
    if machine == "aarch64" { "arm64".to_owned() } else { machine.to_owned() }
}

impl Setup {
    /// The architectures that it has an agent for, as EC2 says them.
    pub(crate) fn architectures(&self) -> Vec<String> {
        self.agents.keys().map(|machine| ec2_architecture(machine)).collect()
    }

    /// The document that stops instances.
    ///
    /// # Errors
    /// `SetupOld` if the set-up was made before there was one.
    pub(crate) fn stop_document(&self) -> Result<&str> {
        self.stop_document.as_deref().ok_or_else(|| too_old("the set-up has nothing that stops instances at their deadline"))
    }

    /// The document that hibernates instances.
    ///
    /// # Errors
    /// `SetupOld` if the set-up was made before there was one, or before its boundary let agents hibernate their machines.
    pub(crate) fn hibernate_document(&self) -> Result<&str> {
        self.hibernate_document.as_deref().ok_or_else(|| too_old("the set-up has nothing that hibernates instances"))
    }

    /// The function that starts the runs of schedules.
    ///
    /// # Errors
    /// `SetupOld` if the set-up was made before there was one, or without its program.
    pub(crate) fn starter(&self) -> Result<&str> {
        self.starter_arn.as_deref().ok_or_else(|| {
            let message = "the set-up has no function that starts the runs of schedules";
            let help = "Run `spawn setup` again with spawn-starter beside the agents (see SPAWN_ARTIFACTS): it adds what is missing";
            Error::new(Class::Invalid, "SetupOld", message, help)
        })
    }

    /// Makes sure that its agents and functions can do what [`LEVEL`] says of a level.
    ///
    /// # Errors
    /// `SetupOld` if they are older.
    pub(crate) fn knows(&self, level: u32, what: &str) -> Result<()> {
        if self.level >= level { Ok(()) } else { Err(too_old(&format!("the set-up is older than this version, and {what}"))) }
    }

    /// The document that ends services.
    ///
    /// # Errors
    /// `SetupOld` if the set-up was made before there was one.
    pub(crate) fn group_document(&self) -> Result<&str> {
        self.group_document.as_deref().ok_or_else(|| too_old("the set-up has nothing that ends the Auto Scaling group of a service"))
    }
}

fn too_old(message: &str) -> Error {
    Error::new(Class::Invalid, "SetupOld", message, "Run `spawn setup` again: it adds what is missing")
}

/// What the set-up made, as its SSM parameter tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The bucket for records, results and agents.
    pub bucket: String,
    /// Agents by architecture as `uname -m` says it, with their SHA-256 in hex.
    pub agents: BTreeMap<String, String>,
    /// The automation document of lease hand 3.
    pub document: String,
    /// The automation document that stops instances at their deadline; nothing in a set-up that was made before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_document: Option<String>,
    /// The automation document that hibernates instances at their deadline; nothing in a set-up that was made before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hibernate_document: Option<String>,
    /// The automation document that ends a service; nothing in a set-up that was made before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_document: Option<String>,
    /// The role that EventBridge Scheduler assumes to start them.
    pub scheduler_role_arn: String,
    /// The role that the document acts with.
    pub automation_role_arn: String,
    /// The permissions boundary of every fleet's role.
    pub boundary_arn: String,
    /// The schedule group.
    pub schedule_group: String,
    /// The log group.
    pub log_group: String,
    /// The log group of what people's commands write; nothing in a set-up that was made before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell_log_group: Option<String>,
    /// The function that reaps; nothing if there is none, and somebody has to run `spawn reap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reaper_arn: Option<String>,
    /// The function that starts the runs of schedules; nothing if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starter_arn: Option<String>,
    /// The function that looks every two minutes after alerts, names and services; nothing if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watcher_arn: Option<String>,
    /// How many statements of the boundary say what commands of fleets may get; none of them: nothing.
    #[serde(default)]
    pub workload_statements: usize,
    /// What its agents and functions can do: see [`LEVEL`]. Those of a set-up that says nothing of it: nothing of that.
    #[serde(default)]
    pub level: u32,
}

/// What agents and functions can do that are uploaded now. 1: workers go on with what an earlier run of their queue has done, and services fall back from
/// spot.
const LEVEL: u32 = 1;

/// What can be chosen of a set-up.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// A policy document (JSON) that says what commands of fleets may get at most. Left out: as it was, and nothing in a new set-up.
    pub workload_boundary: Option<String>,
}

/// The set-up that is there, or nothing.
///
/// # Errors
/// If it cannot be read, or another version of spawn made it.
pub async fn find(aws: &Aws) -> Result<Option<Setup>> {
    let Some(text) = aws.systems.parameter(PARAMETER).await? else { return Ok(None) };
    let setup: Setup = serde_json::from_str(&text).map_err(|error| {
        let help = "Run `spawn setup` with the version of spawn that you use";
        Error::new(Class::Invalid, "SetupUnreadable", format!("the set-up in {PARAMETER} cannot be read: {error}"), help)
    })?;
    if setup.schema != SCHEMA {
        let help = "Use a version of spawn that fits, or run `spawn setup` with this one";
        let message = format!("the set-up in {PARAMETER} has version {}, and this spawn knows version {SCHEMA}", setup.schema);
        return Err(Error::new(Class::Invalid, "SetupVersion", message, help));
    }
    Ok(Some(setup))
}

/// Makes whatever of the set-up is not there yet, and says what it is doing.
///
/// # Errors
/// The first step that fails; what was made stays, and the next set-up goes on from there.
pub async fn ensure(aws: &Aws, caller: &Caller, artifacts: &Artifacts, choices: &Choices, operation: &Operation) -> Result<Setup> {
    let names = Names::new(&caller.account, &aws.region);
    let workloads = workloads(aws, &names, choices).await?;
    let boundary = names.boundary_policy(&workloads);
    check_length(&boundary)?;
    let bucket = names.bucket();
    operation.say(&format!("bucket {bucket}"));
    aws.objects.bucket_ensure(&bucket, &names.bucket_policy()).await.map_err(|e| e.context("making the bucket"))?;
    for agent in &artifacts.agents {
        upload(aws, &bucket, agent, operation).await?;
    }
    operation.say("roles and permissions boundary");
    for service in SERVICE_ROLES {
        aws.identity.service_role_ensure(service).await.map_err(|e| e.context("making a role of AWS's own"))?;
    }
    let boundary_arn = aws.identity.policy_ensure(&caller.account, &names.boundary(), &boundary).await?;
    let automation_role_arn = role(aws, names.automation_role(), "ssm.amazonaws.com", names.automation_policy()).await?;
    let scheduler_role_arn = role(aws, names.scheduler_role(), "scheduler.amazonaws.com", names.scheduler_policy()).await?;
    operation.say("log groups, schedule group and automation documents");
    aws.logs.group_ensure(LOG_GROUP, LOG_DAYS).await?;
    aws.logs.group_ensure(SHELL_LOG_GROUP, LOG_DAYS).await?;
    aws.schedules.group_ensure(SCHEDULE_GROUP).await?;
    aws.systems.document_ensure(DOCUMENT, &end_document()).await?;
    aws.systems.document_ensure(STOP_DOCUMENT, &stop_document()).await?;
    aws.systems.document_ensure(HIBERNATE_DOCUMENT, &hibernate_document()).await?;
    aws.systems.document_ensure(GROUP_DOCUMENT, &group_document()).await?;
    let reaper_arn = functions::ensure_reaper(aws, &names, artifacts.reaper.as_ref(), operation).await?;
    let starter_arn = functions::ensure_starter(aws, &names, artifacts.starter.as_ref(), operation).await?;
    let watcher_arn = functions::ensure_watcher(aws, &names, artifacts.watcher.as_ref(), operation).await?;
    let setup = Setup {
        schema: SCHEMA,
        account: caller.account.clone(),
        region: aws.region.clone(),
        bucket,
        agents: artifacts.agents.iter().map(|agent| (agent.machine.clone(), agent.sha256.clone())).collect(),
        document: DOCUMENT.to_owned(),
        stop_document: Some(STOP_DOCUMENT.to_owned()),
        hibernate_document: Some(HIBERNATE_DOCUMENT.to_owned()),
        group_document: Some(GROUP_DOCUMENT.to_owned()),
        scheduler_role_arn,
        automation_role_arn,
        boundary_arn,
        schedule_group: SCHEDULE_GROUP.to_owned(),
        log_group: LOG_GROUP.to_owned(),
        shell_log_group: Some(SHELL_LOG_GROUP.to_owned()),
        reaper_arn,
        starter_arn,
        watcher_arn,
        workload_statements: workloads.len(),
        level: LEVEL,
    };
    let text = serde_json::to_string(&setup).map_err(|e| Error::new(Class::Bug, "SetupJson", e.to_string(), ""))?;
    aws.systems.parameter_put(PARAMETER, &text).await?;
    Ok(setup)
}

/// What commands may get at most: as it is chosen, else as the boundary says.
async fn workloads(aws: &Aws, names: &Names<'_>, choices: &Choices) -> Result<Vec<Value>> {
    let Some(document) = &choices.workload_boundary else {
        let boundary = aws.identity.policy_document(&names.boundary_arn()).await?;
        return Ok(boundary.map(|boundary| Names::workloads_of(&boundary)).unwrap_or_default());
    };
    let bad = |(message, help): (String, String)| Error::new(Class::Invalid, "BadBoundary", message, help);
    let statements = spawn_model::policies::statements(document).map_err(bad)?;
    if let Some(number) = statements.iter().position(|statement| names.reaches_bucket(statement)) {
        let message = format!("statement {} reaches the bucket of spawn itself, in which the records of all fleets are", number + 1);
        return Err(bad((message, "Name your own buckets, such as \"arn:aws:s3:::data/*\"".to_owned())));
    }
    Ok(statements)
}

fn check_length(boundary: &str) -> Result<()> {
    let characters = boundary.chars().count();
    if characters <= MANAGED_POLICY_MAX {
        return Ok(());
    }
    let message = format!("the boundary of all fleets would have {characters} characters, and IAM allows {MANAGED_POLICY_MAX}");
    Err(Error::new(Class::Invalid, "BadBoundary", message, "Say it shorter: with wildcards, or in fewer statements"))
}

async fn upload(aws: &Aws, bucket: &str, agent: &Agent, operation: &Operation) -> Result<()> {
    let key = layout::agent_key(&agent.sha256);
    if aws.objects.exists(bucket, &key).await? {
        return Ok(());
    }
    operation.say(&format!("agent for {} ({} bytes)", agent.machine, agent.bytes));
    aws.objects.put(bucket, &key, agent.read()?, Condition::Always).await.map(drop).map_err(|e| e.context("uploading the agent"))
}

async fn role(aws: &Aws, name: String, service: &str, policy: String) -> Result<String> {
    let request = RoleRequest { name, service: service.to_owned(), policy, managed: Vec::new(), boundary: None, tags: tags::ours() };
    aws.identity.role_ensure(&request).await.map_err(|e| e.context("making a role"))
}

/// Removes the set-up: the parameter first, so that nothing is launched on what is going.
///
/// # Errors
/// If a fleet still has a name, or a step fails; a repetition goes on from there.
pub async fn remove(aws: &Aws, caller: &Caller, operation: &Operation) -> Result<()> {
    let names = Names::new(&caller.account, &aws.region);
    let bucket = names.bucket();
    if let Some(setup) = find(aws).await? {
        let mut living = aws.objects.list(&setup.bucket, layout::NAMES_PREFIX).await?;
        living.retain(|key| !key.starts_with(layout::NAMED_PREFIX));
        if !living.is_empty() {
            let fleets: Vec<&str> = living.iter().filter_map(|key| key.strip_prefix(layout::NAMES_PREFIX)).collect();
            let help = "End them first, with `spawn down NAME` or `terraform destroy`";
            return Err(Error::new(Class::Conflict, "SetupInUse", format!("fleets are left: {}", fleets.join(", ")), help));
        }
        let alerts = aws.objects.list(&setup.bucket, layout::ALERTS_PREFIX).await?;
        if !alerts.is_empty() {
            let names: Vec<&str> = alerts.iter().filter_map(|key| layout::alert_of_key(key)).collect();
            let help = "End them first, with `spawn alert down NAME` or `terraform destroy`";
            return Err(Error::new(Class::Conflict, "SetupInUse", format!("alerts are left: {}", names.join(", ")), help));
        }
        aws.systems.parameter_delete(PARAMETER).await?;
    }
    functions::remove(aws, &names, operation).await?;
    operation.say("automation documents, schedule group and log groups");
    aws.systems.document_delete(DOCUMENT).await?;
    aws.systems.document_delete(STOP_DOCUMENT).await?;
    aws.systems.document_delete(HIBERNATE_DOCUMENT).await?;
    aws.systems.document_delete(GROUP_DOCUMENT).await?;
    aws.schedules.group_delete(SCHEDULE_GROUP).await?;
    aws.logs.group_delete(LOG_GROUP).await?;
    aws.logs.group_delete(SHELL_LOG_GROUP).await?;
    operation.say("roles and permissions boundary");
    aws.identity.role_delete(&names.scheduler_role()).await?;
    aws.identity.role_delete(&names.automation_role()).await?;
    aws.identity.policy_delete(&names.boundary_arn()).await?;
    operation.say(&format!("bucket {bucket} and everything in it"));
    aws.objects.bucket_delete(&bucket).await
}
