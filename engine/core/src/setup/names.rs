//! What the set-up's parts are called, and what its roles may do.

use serde_json::{Value, json};
use spawn_model::ids::FleetId;
use spawn_model::policies::Policy;
use spawn_model::{layout, tag};

use super::{
    DOCUMENT, FUNCTION, GROUP_DOCUMENT, HIBERNATE_DOCUMENT, LOG_GROUP, PREFIX, SHELL_LOG_GROUP, START_FUNCTION, STOP_DOCUMENT,
    WATCH_FUNCTION,
};
use crate::policies::{self, Audience};

/// Where Lambda writes what a function says. It would make the group itself, without a time to keep it for.
pub(super) fn function_log_group(function: &str) -> String {
    format!("/aws/lambda/{function}")
}

/// Names and ARNs of the set-up of an account and region.
pub(crate) struct Names<'a> {
    pub(super) account: &'a str,
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

    /// The role with which Scheduler invokes what is invoked again and again.
    pub(super) fn invoking_role(&self) -> String {
        format!("{PREFIX}reaping-{}", self.region)
    }

    /// The reaper's own role.
    pub(super) fn reaper_role(&self) -> String {
        format!("{PREFIX}reaper-{}", self.region)
    }

    /// The role of what starts the runs of schedules.
    pub(super) fn starter_role(&self) -> String {
        format!("{PREFIX}starter-{}", self.region)
    }

    /// The role of what tells what alerts are for.
    pub(super) fn watcher_role(&self) -> String {
        format!("{PREFIX}watcher-{}", self.region)
    }

    pub(super) fn automation_role(&self) -> String {
        format!("{PREFIX}automation-{}", self.region)
    }

    pub(super) fn boundary(&self) -> String {
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
    pub(super) fn bucket_policy(&self) -> String {
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

    /// What the role of one fleet may do: its agents read their own records, write their own claims, completions and results, and log;
    /// its machines may hibernate themselves, where that is asked for; people come through its channel to Systems Manager, if it lets them; its
    /// commands may do what was asked for.
    pub(crate) fn fleet_policy(&self, fleet: &FleetId, hibernates: bool, lets_in: bool, asked: &[Policy]) -> String {
        let mut statements = self.agent_statements(fleet.as_str());
        statements.extend(hibernates.then(|| self.hibernate_statement(fleet.as_str())));
        if lets_in {
            statements.extend(self.channel_statements());
        }
        statements.extend(asked.iter().flat_map(Policy::statements));
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    }

    /// `fleet` is an id, or a variable that stands for one.
    pub(super) fn agent_statements(&self, fleet: &str) -> Vec<Value> {
        let bucket = self.bucket_arn();
        let prefix = layout::fleet_prefix(fleet);
        vec![
            json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": [format!("{bucket}/agents/*"), format!("{bucket}/{prefix}*")] }),
            json!({
                "Effect": "Allow", "Action": "s3:PutObject",
                "Resource": [
                    format!("{bucket}/{prefix}runs/*/ranks/*"),
                    format!("{bucket}/{prefix}runs/*/completions/*"),
                    format!("{bucket}/{prefix}runs/*/results/*"),
                    format!("{bucket}/{prefix}runs/*/jobs/*"),
                    format!("{bucket}/{prefix}runs/*/stops/*"),
                    format!("{bucket}/{prefix}runs/*/notices/*"),
                ],
            }),
            json!({
                "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
                "Condition": { "StringLike": { "s3:prefix": format!("{prefix}*") } },
            }),
            json!({
                "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": self.log_streams_arn(&format!("{fleet}/*")),
            }),
        ]
    }

    /// Agents may stop the machines of their fleet, which is what hibernating asks for; a fleet that hibernates is one machine. `fleet` is an id,
    /// or a variable that stands for one.
    pub(super) fn hibernate_statement(&self, fleet: &str) -> Value {
        json!({
            "Effect": "Allow", "Action": "ec2:StopInstances",
            "Resource": format!("arn:{}:ec2:{}:{}:instance/*", self.partition(), self.region, self.account),
            "Condition": { "StringEquals": { format!("aws:ResourceTag/{}", tag::FLEET): fleet } },
        })
    }

    /// What the agent of Systems Manager needs to let people in. For its channel it speaks for its own instance only, which those operations
    /// tell by its credentials: none of them knows resources. What people's commands write it sends to one group: it looks for it among all
    /// groups, makes sure of it, and makes streams below the id of a command. It could write to any there, if it guessed its id.
    pub(super) fn channel_statements(&self) -> [Value; 2] {
        let group = format!("arn:{}:logs:{}:{}:log-group:{SHELL_LOG_GROUP}", self.partition(), self.region, self.account);
        [
            json!({
                "Effect": "Allow",
                "Action": [
                    "logs:DescribeLogGroups", "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel",
                    "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
                ],
                "Resource": "*",
            }),
            json!({
                "Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": [group, format!("{group}:*")],
            }),
        ]
    }

    fn function_arn(&self, function: &str) -> String {
        format!("arn:{}:lambda:{}:{}:function:{function}", self.partition(), self.region, self.account)
    }

    /// Scheduler may start these documents and hand them this one role, and start the runs of schedules, no more.
    pub(super) fn scheduler_policy(&self) -> String {
        let definition =
            |name: &str| format!("arn:{}:ssm:{}:{}:automation-definition/{name}:*", self.partition(), self.region, self.account);
        let documents = [DOCUMENT, STOP_DOCUMENT, HIBERNATE_DOCUMENT, GROUP_DOCUMENT].map(definition);
        let role = self.role_arn(&self.automation_role());
        json!({
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Action": "ssm:StartAutomationExecution", "Resource": documents },
                {
                    "Effect": "Allow", "Action": "iam:PassRole", "Resource": role,
                    "Condition": { "StringEquals": { "iam:PassedToService": "ssm.amazonaws.com" } },
                },
                { "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": self.function_arn(START_FUNCTION) },
            ],
        })
        .to_string()
    }

    /// The documents may end and stop what spawn manages, and nothing else.
    pub(super) fn automation_policy(&self) -> String {
        let instances = format!("arn:{}:ec2:{}:{}:instance/*", self.partition(), self.region, self.account);
        let groups = format!(
            "arn:{}:autoscaling:{}:{}:autoScalingGroup:*:autoScalingGroupName/{}*",
            self.partition(),
            self.region,
            self.account,
            layout::SCALING_PREFIX
        );
        let ours = json!({ "StringEquals": { format!("aws:ResourceTag/{}", tag::MANAGED): "true" } });
        json!({
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*" },
                {
                    "Effect": "Allow", "Action": ["ec2:StopInstances", "ec2:TerminateInstances"], "Resource": instances,
                    "Condition": ours,
                },
                { "Effect": "Allow", "Action": "autoscaling:DeleteAutoScalingGroup", "Resource": groups, "Condition": ours },
            ],
        })
        .to_string()
    }

    /// Scheduler may invoke the reaper and what tells, no more.
    pub(super) fn invoking_policy(&self) -> String {
        let functions = [FUNCTION, WATCH_FUNCTION].map(|function| self.function_arn(function));
        json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": functions }],
        })
        .to_string()
    }

    /// The reaper may do in its region what whoever reaps may do, and say what it did.
    pub(super) fn reaper_policy(&self) -> String {
        self.function_policy(Audience::Reaper, FUNCTION)
    }

    /// What starts the runs of schedules may launch, in its region, into what was made before; and say what it did.
    pub(super) fn starter_policy(&self) -> String {
        self.function_policy(Audience::Starter, START_FUNCTION)
    }

    /// What looks every two minutes may look at fleets, read what alerts say and remember what it has told, speak through topics, keep names, and say
    /// how groups are divided between the markets; and say what it did.
    pub(super) fn watcher_policy(&self) -> String {
        self.function_policy(Audience::Watcher, WATCH_FUNCTION)
    }

    fn function_policy(&self, audience: Audience, function: &str) -> String {
        let mut policy = policies::of_region(audience, self.account, self.region);
        let group = function_log_group(function);
        let streams = format!("arn:{}:logs:{}:{}:log-group:{group}:log-stream:*", self.partition(), self.region, self.account);
        let log = json!({ "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": streams });
        if let Some(statements) = policy["Statement"].as_array_mut() {
            statements.push(log);
        }
        policy.to_string()
    }
}
