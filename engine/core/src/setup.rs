//! The account set-up: what every fleet of an account and region shares, made once and owned by no fleet.
//!
//! Names come from account and region, "exists and is ours" counts as done, what has versions carries them in its name, and
//! the parameter that says "warm" is written last: so set-up may be interrupted, repeated, and run twice at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use spawn_model::error::{Class, Error};
use spawn_model::layout;
use spawn_model::record::SCHEMA;
use spawn_model::tag;

use crate::artifacts::Agent;
use crate::ports::{Aws, Caller, Condition, Result, RoleRequest, Tags};

/// The SSM parameter that holds the [`Setup`]. Its existence is what "warm" means.
pub const PARAMETER: &str = "/spawn/setup/v1";

/// The automation document that ends a shard of a run. A changed document gets a new name, so that two versions live side by side.
pub const DOCUMENT: &str = "spawn-end-v1";

/// What the names of that document begin with, in whatever version.
pub(crate) const DOCUMENT_FAMILY: &str = "spawn-end-";

/// What the names of the set-up's roles and of its boundary begin with.
pub(crate) const PREFIX: &str = "spawn-setup-";

/// The schedule group of all lease schedules.
pub const SCHEDULE_GROUP: &str = "spawn";

/// The log group of all workloads.
pub const LOG_GROUP: &str = "/spawn/fleets";

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
    /// The role that EventBridge Scheduler assumes to start it.
    pub scheduler_role_arn: String,
    /// The role that the document acts with.
    pub automation_role_arn: String,
    /// The permissions boundary of every fleet's role.
    pub boundary_arn: String,
    /// The schedule group.
    pub schedule_group: String,
    /// The log group.
    pub log_group: String,
}

/// Names and ARNs of the set-up of an account and region.
pub(crate) struct Names<'a> {
    account: &'a str,
    region: &'a str,
}

impl<'a> Names<'a> {
    pub(crate) fn new(account: &'a str, region: &'a str) -> Self {
        Self { account, region }
    }

    pub(crate) fn partition(&self) -> &'static str {
        match self.region {
            region if region.starts_with("us-gov-") => "aws-us-gov",
            region if region.starts_with("cn-") => "aws-cn",
            _ => "aws",
        }
    }

    pub(crate) fn bucket(&self) -> String {
        format!("spawn-{}-{}", self.account, self.region)
    }

    pub(crate) fn scheduler_role(&self) -> String {
        format!("{PREFIX}scheduler-{}", self.region)
    }

    fn automation_role(&self) -> String {
        format!("{PREFIX}automation-{}", self.region)
    }

    fn boundary(&self) -> String {
        format!("{PREFIX}boundary-{}", self.region)
    }

    pub(crate) fn boundary_arn(&self) -> String {
        format!("arn:{}:iam::{}:policy{}{}", self.partition(), self.account, layout::ROLE_PATH, self.boundary())
    }

    fn role_arn(&self, name: &str) -> String {
        format!("arn:{}:iam::{}:role{}{name}", self.partition(), self.account, layout::ROLE_PATH)
    }

    fn bucket_arn(&self) -> String {
        format!("arn:{}:s3:::{}", self.partition(), self.bucket())
    }

    fn log_streams_arn(&self, stream: &str) -> String {
        format!("arn:{}:logs:{}:{}:log-group:{LOG_GROUP}:log-stream:{stream}", self.partition(), self.region, self.account)
    }

    /// Nobody may read or write the bucket without TLS.
    fn bucket_policy(&self) -> String {
        let arn = self.bucket_arn();
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
                "Resource": [arn, format!("{arn}/*")],
                "Condition": { "Bool": { "aws:SecureTransport": "false" } },
            }],
        })
        .to_string()
    }

    /// The most that any fleet's role can ever do, whatever policies it gets.
    fn boundary_policy(&self) -> String {
        let bucket = self.bucket_arn();
        json!({
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": format!("{bucket}/*") },
                { "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket },
                { "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": self.log_streams_arn("*") },
            ],
        })
        .to_string()
    }

    /// What the agents of one fleet may do: read their own records, write their own claims, completions and results, and log.
    pub(crate) fn fleet_policy(&self, fleet: &spawn_model::ids::FleetId) -> String {
        let bucket = self.bucket_arn();
        let prefix = layout::fleet_prefix(fleet);
        json!({
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Action": "s3:GetObject", "Resource": [format!("{bucket}/agents/*"), format!("{bucket}/{prefix}*")] },
                {
                    "Effect": "Allow", "Action": "s3:PutObject",
                    "Resource": [
                        format!("{bucket}/{prefix}runs/*/ranks/*"),
                        format!("{bucket}/{prefix}runs/*/completions/*"),
                        format!("{bucket}/{prefix}runs/*/results/*"),
                    ],
                },
                {
                    "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
                    "Condition": { "StringLike": { "s3:prefix": format!("{prefix}*") } },
                },
                {
                    "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                    "Resource": self.log_streams_arn(&format!("{fleet}/*")),
                },
            ],
        })
        .to_string()
    }

    /// Scheduler may start this one document and hand it this one role, no more.
    fn scheduler_policy(&self) -> String {
        let document = format!("arn:{}:ssm:{}:{}:automation-definition/{DOCUMENT}:*", self.partition(), self.region, self.account);
        let role = self.role_arn(&self.automation_role());
        json!({
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Action": "ssm:StartAutomationExecution", "Resource": document },
                {
                    "Effect": "Allow", "Action": "iam:PassRole", "Resource": role,
                    "Condition": { "StringEquals": { "iam:PassedToService": "ssm.amazonaws.com" } },
                },
            ],
        })
        .to_string()
    }

    /// The document may end what spawn manages, and nothing else.
    fn automation_policy(&self) -> String {
        let instances = format!("arn:{}:ec2:{}:{}:instance/*", self.partition(), self.region, self.account);
        json!({
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*" },
                {
                    "Effect": "Allow", "Action": "ec2:TerminateInstances", "Resource": instances,
                    "Condition": { "StringEquals": { format!("aws:ResourceTag/{}", tag::MANAGED): "true" } },
                },
            ],
        })
        .to_string()
    }
}

/// The document of lease hand 3: find what a shard of a run still has, and end it in one call. Nothing found is a success.
///
/// It looks by tag and never stores ids, because one id that EC2 has forgotten would fail the whole call. Nothing stands between
/// the look and the end: `aws:branch` compares no lists, so an empty find is told by EC2 refusing to end nothing, which is not
/// critical. An end that fails for another reason is tried again by the schedule's next repetition.
#[must_use]
pub fn end_document() -> String {
    json!({
        "schemaVersion": "0.3",
        "description": "Terminates what is left of a shard of a spawn run, found by tag.",
        "assumeRole": "{{ AutomationAssumeRole }}",
        "parameters": {
            "AutomationAssumeRole": { "type": "String", "description": "The role to act with." },
            "Run": { "type": "String", "description": "The run.", "allowedPattern": "^run-[0-9a-f]{16}$" },
            "Shard": { "type": "String", "description": "The shard of the run.", "allowedPattern": "^[0-9]{1,3}$" },
        },
        "mainSteps": [
            {
                "name": "find",
                "action": "aws:executeAwsApi",
                "inputs": {
                    "Service": "ec2",
                    "Api": "DescribeInstances",
                    "Filters": [
                        { "Name": format!("tag:{}", tag::RUN), "Values": ["{{ Run }}"] },
                        { "Name": format!("tag:{}", tag::SHARD), "Values": ["{{ Shard }}"] },
                        { "Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"] },
                    ],
                    "MaxResults": 1000,
                },
                "outputs": [{ "Name": "Ids", "Selector": "$.Reservations..Instances..InstanceId", "Type": "StringList" }],
            },
            {
                "name": "end",
                "action": "aws:executeAwsApi",
                "inputs": { "Service": "ec2", "Api": "TerminateInstances", "InstanceIds": "{{ find.Ids }}" },
                "isCritical": false,
                "onFailure": "Continue",
                "isEnd": true,
            },
        ],
    })
    .to_string()
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
pub async fn ensure(aws: &Aws, caller: &Caller, agents: &[Agent], say: &(dyn Fn(&str) + Sync)) -> Result<Setup> {
    let names = Names::new(&caller.account, &aws.region);
    let bucket = names.bucket();
    let tags = setup_tags();
    say(&format!("bucket {bucket}"));
    aws.objects.bucket_ensure(&bucket, &names.bucket_policy()).await.map_err(|e| e.context("making the bucket"))?;
    for agent in agents {
        let key = layout::agent_key(&agent.sha256);
        if !aws.objects.exists(&bucket, &key).await? {
            say(&format!("agent for {} ({} bytes)", agent.machine, agent.bytes));
            aws.objects.put(&bucket, &key, agent.read()?, Condition::Always).await.map_err(|e| e.context("uploading the agent"))?;
        }
    }
    say("roles and permissions boundary");
    let boundary_arn = aws.identity.policy_ensure(&caller.account, &names.boundary(), &names.boundary_policy()).await?;
    let automation_role_arn = role(aws, names.automation_role(), "ssm.amazonaws.com", names.automation_policy(), &tags).await?;
    let scheduler_role_arn = role(aws, names.scheduler_role(), "scheduler.amazonaws.com", names.scheduler_policy(), &tags).await?;
    say("log group, schedule group and automation document");
    aws.logs.group_ensure(LOG_GROUP, LOG_DAYS).await?;
    aws.schedules.group_ensure(SCHEDULE_GROUP).await?;
    aws.systems.document_ensure(DOCUMENT, &end_document()).await?;
    let setup = Setup {
        schema: SCHEMA,
        account: caller.account.clone(),
        region: aws.region.clone(),
        bucket,
        agents: agents.iter().map(|agent| (agent.machine.clone(), agent.sha256.clone())).collect(),
        document: DOCUMENT.to_owned(),
        scheduler_role_arn,
        automation_role_arn,
        boundary_arn,
        schedule_group: SCHEDULE_GROUP.to_owned(),
        log_group: LOG_GROUP.to_owned(),
    };
    let text = serde_json::to_string(&setup).map_err(|e| Error::new(Class::Bug, "SetupJson", e.to_string(), ""))?;
    aws.systems.parameter_put(PARAMETER, &text).await?;
    Ok(setup)
}

async fn role(aws: &Aws, name: String, service: &str, policy: String, tags: &Tags) -> Result<String> {
    let request = RoleRequest { name, service: service.to_owned(), policy, boundary: None, tags: tags.clone() };
    aws.identity.role_ensure(&request).await.map_err(|e| e.context("making a role"))
}

fn setup_tags() -> Tags {
    Tags::from([(tag::MANAGED.to_owned(), "true".to_owned()), (tag::SCHEMA.to_owned(), SCHEMA.to_string())])
}

/// Removes the set-up: the parameter first, so that nothing is launched on what is going.
///
/// # Errors
/// If a fleet still has a name, or a step fails; a repetition goes on from there.
pub async fn remove(aws: &Aws, caller: &Caller, say: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let names = Names::new(&caller.account, &aws.region);
    let bucket = names.bucket();
    if let Some(setup) = find(aws).await? {
        let living = aws.objects.list(&setup.bucket, layout::NAMES_PREFIX).await?;
        if !living.is_empty() {
            let fleets: Vec<&str> = living.iter().filter_map(|key| key.strip_prefix(layout::NAMES_PREFIX)).collect();
            let help = "End them first, with `spawn down NAME` or `terraform destroy`";
            return Err(Error::new(Class::Conflict, "SetupInUse", format!("fleets are left: {}", fleets.join(", ")), help));
        }
        aws.systems.parameter_delete(PARAMETER).await?;
    }
    say("automation document, schedule group and log group");
    aws.systems.document_delete(DOCUMENT).await?;
    aws.schedules.group_delete(SCHEDULE_GROUP).await?;
    aws.logs.group_delete(LOG_GROUP).await?;
    say("roles and permissions boundary");
    aws.identity.role_delete(&names.scheduler_role()).await?;
    aws.identity.role_delete(&names.automation_role()).await?;
    aws.identity.policy_delete(&names.boundary_arn()).await?;
    say(&format!("bucket {bucket} and everything in it"));
    aws.objects.bucket_delete(&bucket).await
}
