//! The table of rights.

use super::Audience::{self, Administrator, Alerter, Launcher, Namer, Observer, Operator, Reaper, Starter, Watcher};

/// Some actions that somebody may do to some resources, on some conditions.
pub(super) struct Grant {
    /// Who has it.
    pub(super) to: &'static [Audience],
    /// The actions.
    pub(super) actions: &'static [&'static str],
    /// ARNs without `arn:{partition}:`, or `*`. The names in braces are [`super::Filling`]'s.
    pub(super) on: &'static [&'static str],
    /// Operator, key and value; all of them must hold.
    pub(super) when: &'static [(&'static str, &'static str, &'static str)],
}

const ON_WHAT_IS_OURS: (&str, &str, &str) = ("StringEquals", "aws:ResourceTag/{managed}", "true");
const MADE_AS_OURS: (&str, &str, &str) = ("StringEquals", "aws:RequestTag/{managed}", "true");
const WITHIN_THE_BOUNDARY: (&str, &str, &str) = ("StringEquals", "iam:PermissionsBoundary", "{boundary}");

// A group may launch what its maker might launch himself, which AWS looks at when it is told a version. Of the latest one, whichever that will be,
// AWS asks nobody. What says nothing of versions is none of this.
const OF_A_VERSION: (&str, &str, &str) = ("BoolIfExists", "autoscaling:LaunchTemplateVersionSpecified", "true");

const INSTANCES: &str = "ec2:{region}:{account}:instance/*";
const VOLUMES: &str = "ec2:{region}:{account}:volume/*";
const PLACEMENTS: &str = "ec2:{region}:{account}:placement-group/*";
// Where a condition says which they are, and each action knows its own kind: a policy may have only so many characters.
const ANY_OF_EC2: &str = "ec2:{region}:{account}:*/*";
const GROUPS: &str = "ec2:{region}:{account}:security-group/*";
const TEMPLATES: &str = "ec2:{region}:{account}:launch-template/*";
const SCALING: &str = "autoscaling:{region}:{account}:*";
const SERVICE_ROLES: &str = "iam::{account}:role/aws-service-role/*";
const FLEET_ROLES: &str = "iam::{account}:role{path}{fleet-role}*";
const FLEET_PROFILES: &str = "iam::{account}:instance-profile{path}{fleet-role}*";
// IAM knows the path of a role only while it is there. To find one gone must not be forbidden: ending a fleet may be repeated.
const FLEET_ROLES_GONE: &str = "iam::{account}:role/{fleet-role}*";
const FLEET_PROFILES_GONE: &str = "iam::{account}:instance-profile/{fleet-role}*";
const SETUP_ROLES: &str = "iam::{account}:role{path}{setup-role}*";
const SETUP_ROLES_GONE: &str = "iam::{account}:role/{setup-role}*";
const SETUP_PROFILES_GONE: &str = "iam::{account}:instance-profile/{setup-role}*";
const SETUP_POLICIES: &str = "iam::{account}:policy{path}{setup-role}*";
const BUCKET: &str = "s3:::{bucket}";
const NAMES: &str = "s3:::{bucket}/names/*";
const RECORDS: &str = "s3:::{bucket}/fleets/*";
const ALERTS: &str = "s3:::{bucket}/alerts/*";
const NAMED: &str = "s3:::{bucket}/names/.dns/*";
const ZONES: &str = "route53:::hostedzone/*";
const TOLD: &str = "s3:::{bucket}/told/*";
const TOPICS: &str = "sns:{region}:{account}:spawn-alert-*";
const SECRETS: &str = "ssm:{region}:{account}:parameter/spawn/alerts/*";
// Those that end runs.
const RUN_SCHEDULES: &str = "scheduler:{region}:{account}:schedule/{schedules}/spawn-run-*";
// Those, and the ones that start them: the reaper's own is nobody's but the administrator's.
const SCHEDULES: &str = "scheduler:{region}:{account}:schedule/{schedules}/spawn-*-*";
const EVERY_SCHEDULE: &str = "scheduler:{region}:{account}:schedule/{schedules}/*";
const SCHEDULE_GROUPS: &str = "scheduler:{region}:{account}:schedule-group/{schedules}";
const LOGS: &str = "logs:{region}:{account}:log-group:{logs}";
const LOG_STREAMS: &str = "logs:{region}:{account}:log-group:{logs}:*";
const SHELL_LOGS: &str = "logs:{region}:{account}:log-group:{shell-logs}";
const SHELL_LOG_STREAMS: &str = "logs:{region}:{account}:log-group:{shell-logs}:*";
const SETUP: &str = "ssm:{region}:{account}:parameter{parameter}";
const DOCUMENTS: &str = "ssm:{region}:{account}:document/{document}*";
const FUNCTIONS: &str = "lambda:{region}:{account}:function:{function}*";
const FUNCTION_LOGS: &str = "logs:{region}:{account}:log-group:/aws/lambda/{function}*";

/// What only who goes to every region has to ask.
pub(super) const EVERY_REGION: &[&str] = &["ec2:DescribeRegions"];

/// Who may do what.
pub(super) const GRANTS: &[Grant] = &[
    Grant {
        to: &[Launcher, Observer, Operator, Reaper, Watcher],
        actions: &["autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances"],
        on: &["*"],
        when: &[],
    },
    Grant {
        to: &[Launcher, Observer],
        actions: &[
            "autoscaling:DescribeScalingActivities",
            "autoscaling:DescribeScheduledActions",
            "iam:GetPolicy",
            "iam:GetPolicyVersion",
        ],
        on: &["*"],
        when: &[],
    },
    Grant {
        to: &[Launcher, Observer, Starter, Watcher],
        actions: &[
            "ec2:DescribeImages",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeKeyPairs",
            "ec2:DescribeRouteTables",
            "ec2:DescribeSpotPriceHistory",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcEndpoints",
            "pricing:GetProducts",
        ],
        on: &["*"],
        when: &[],
    },
    Grant { to: &[Watcher], actions: &["autoscaling:DescribeScalingActivities"], on: &["*"], when: &[] },
    Grant { to: &[Starter], actions: &["ec2:DescribeInstances"], on: &["*"], when: &[] },
    Grant { to: &[Launcher, Observer, Reaper, Starter, Watcher], actions: &["ec2:DescribeSecurityGroups"], on: &["*"], when: &[] },
    Grant { to: &[Launcher, Observer, Reaper, Watcher], actions: &["scheduler:ListSchedules"], on: &["*"], when: &[] },
    Grant { to: &[Launcher, Observer], actions: &["ec2:DescribeVolumes"], on: &["*"], when: &[] },
    Grant { to: &[Launcher, Reaper], actions: &["ec2:DescribeLaunchTemplates"], on: &["*"], when: &[] },
    Grant { to: &[Reaper], actions: EVERY_REGION, on: &["*"], when: &[] },
    Grant {
        to: &[Administrator, Alerter, Launcher, Observer, Operator, Reaper, Starter, Watcher],
        actions: &["ssm:GetParameter"],
        on: &[SETUP],
        when: &[],
    },
    // What Amazon publishes of its images. A parameter of one's own that names an image takes a right of one's own.
    Grant {
        to: &[Launcher, Observer, Starter, Watcher],
        actions: &["ssm:GetParameter"],
        on: &["ssm:{region}::parameter/aws/service/*"],
        when: &[],
    },
    // On the whole bucket, which is spawn's alone: who may not list it is not told that an object is absent.
    Grant {
        to: &[Administrator, Alerter, Launcher, Observer, Operator, Reaper, Starter, Watcher],
        actions: &["s3:ListBucket"],
        on: &[BUCKET],
        when: &[],
    },
    Grant { to: &[Alerter, Observer, Watcher], actions: &["s3:GetObject"], on: &[ALERTS, TOLD], when: &[] },
    Grant { to: &[Alerter], actions: &["s3:DeleteObject", "s3:PutObject"], on: &[ALERTS, TOLD], when: &[] },
    Grant { to: &[Watcher], actions: &["s3:PutObject"], on: &[TOLD], when: &[] },
    Grant { to: &[Alerter, Observer], actions: &["ssm:DescribeParameters"], on: &["*"], when: &[] },
    Grant { to: &[Alerter], actions: &["ssm:DeleteParameter", "ssm:PutParameter"], on: &[SECRETS], when: &[] },
    Grant { to: &[Watcher], actions: &["ssm:GetParameter"], on: &[SECRETS], when: &[] },
    Grant { to: &[Alerter, Observer, Watcher], actions: &["sns:ListSubscriptionsByTopic"], on: &[TOPICS], when: &[] },
    Grant {
        to: &[Alerter],
        actions: &["sns:CreateTopic", "sns:DeleteTopic", "sns:Subscribe", "sns:TagResource"],
        on: &[TOPICS],
        when: &[],
    },
    // A subscription is no resource that a policy could name.
    Grant { to: &[Alerter], actions: &["sns:Unsubscribe"], on: &["*"], when: &[] },
    // Topics of the user's own, too: an alert names them.
    Grant { to: &[Watcher], actions: &["sns:Publish"], on: &["sns:{region}:{account}:*"], when: &[] },
    Grant { to: &[Namer, Observer], actions: &["route53:ListHostedZonesByName"], on: &["*"], when: &[] },
    Grant { to: &[Namer, Observer], actions: &["route53:GetHostedZone"], on: &[ZONES], when: &[] },
    Grant { to: &[Namer, Observer, Reaper, Watcher], actions: &["route53:ListResourceRecordSets"], on: &[ZONES], when: &[] },
    // Names of this account's fleets alone, in whichever zone: a record that anybody else has made is out of reach.
    Grant {
        to: &[Namer, Reaper, Watcher],
        actions: &["route53:ChangeResourceRecordSets"],
        on: &[ZONES],
        when: &[
            ("ForAllValues:StringLike", "route53:ChangeResourceRecordSetsNormalizedRecordNames", "*.{account-label}.*"),
            ("ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsRecordTypes", "A TXT"),
        ],
    },
    Grant { to: &[Watcher], actions: &["s3:DeleteObject", "s3:PutObject"], on: &[NAMED], when: &[] },
    Grant { to: &[Launcher, Observer, Operator, Reaper, Starter, Watcher], actions: &["s3:GetObject"], on: &[NAMES, RECORDS], when: &[] },
    Grant { to: &[Launcher, Observer], actions: &["logs:FilterLogEvents"], on: &[LOGS, LOG_STREAMS], when: &[] },
    // Whoever may launch comes onto nobody's machine by that: it takes a policy of its own.
    Grant {
        to: &[Operator],
        actions: &["ssm:CancelCommand", "ssm:DescribeInstanceInformation", "ssm:GetCommandInvocation", "ssm:ListCommandInvocations"],
        on: &["*"],
        when: &[],
    },
    Grant { to: &[Operator], actions: &["logs:FilterLogEvents"], on: &[SHELL_LOGS, SHELL_LOG_STREAMS], when: &[] },
    Grant { to: &[Operator], actions: &["ssm:SendCommand", "ssm:StartSession"], on: &[INSTANCES], when: &[ON_WHAT_IS_OURS] },
    Grant { to: &[Operator], actions: &["ssm:SendCommand"], on: &["ssm:{region}::document/AWS-RunShellScript"], when: &[] },
    Grant {
        to: &[Operator],
        actions: &["ssm:StartSession"],
        on: &["ssm:{region}:{account}:document/SSM-SessionManagerRunShell"],
        when: &[],
    },
    // One's own: the id of a user's session begins with the user's name, and anybody else's has a tag that says who opened it.
    Grant { to: &[Operator], actions: &["ssm:TerminateSession"], on: &["ssm:{region}:{account}:session/${aws:username}-*"], when: &[] },
    Grant {
        to: &[Operator],
        actions: &["ssm:TerminateSession"],
        on: &["ssm:{region}:{account}:session/*"],
        when: &[("StringLike", "ssm:resourceTag/aws:ssmmessages:session-id", "${aws:userid}")],
    },
    Grant { to: &[Launcher], actions: &["s3:PutObject"], on: &[NAMES, RECORDS], when: &[] },
    Grant { to: &[Starter], actions: &["s3:DeleteObject", "s3:PutObject"], on: &[RECORDS], when: &[] },
    Grant {
        to: &[Reaper],
        actions: &["s3:PutObject"],
        on: &["s3:::{bucket}/fleets/*/fleet.json", "s3:::{bucket}/fleets/*/ended.json"],
        when: &[],
    },
    Grant { to: &[Launcher, Reaper], actions: &["s3:DeleteObject"], on: &[NAMES, RECORDS], when: &[] },
    // A machine without a deadline is no machine of spawn's.
    Grant {
        to: &[Launcher, Starter],
        actions: &["ec2:RunInstances"],
        on: &[INSTANCES],
        when: &[MADE_AS_OURS, ("Null", "aws:RequestTag/{deadline}", "false"), ("StringEquals", "ec2:MetadataHttpTokens", "required")],
    },
    Grant {
        to: &[Launcher, Starter],
        actions: &["ec2:RunInstances"],
        on: &[VOLUMES],
        when: &[MADE_AS_OURS, ("Bool", "ec2:Encrypted", "true")],
    },
    // Nor a group that launches some. What it launches, its maker must be allowed to launch, which AWS tries when it is made.
    Grant {
        to: &[Launcher],
        actions: &["autoscaling:CreateAutoScalingGroup"],
        on: &[SCALING],
        when: &[
            MADE_AS_OURS,
            ("Null", "aws:RequestTag/{deadline}", "false"),
            ("Bool", "autoscaling:LaunchTemplateVersionSpecified", "true"),
        ],
    },
    // A security group of the user's own takes a right of one's own: being in it may open what the fleet's group does not.
    Grant { to: &[Launcher], actions: &["ec2:RunInstances"], on: &[GROUPS, PLACEMENTS, TEMPLATES], when: &[ON_WHAT_IS_OURS] },
    Grant { to: &[Starter], actions: &["ec2:RunInstances"], on: &[GROUPS, PLACEMENTS], when: &[ON_WHAT_IS_OURS] },
    Grant {
        to: &[Starter],
        actions: &["ec2:RunInstances"],
        on: &[
            "ec2:{region}::image/*",
            "ec2:{region}::snapshot/*",
            "ec2:{region}:{account}:key-pair/*",
            "ec2:{region}:{account}:network-interface/*",
            "ec2:{region}:{account}:subnet/*",
        ],
        when: &[],
    },
    Grant { to: &[Starter], actions: &["ec2:TerminateInstances"], on: &[INSTANCES], when: &[ON_WHAT_IS_OURS] },
    Grant {
        to: &[Launcher],
        actions: &["ec2:CreateSecurityGroup", "ec2:RunInstances"],
        on: &[
            "ec2:{region}::image/*",
            "ec2:{region}::snapshot/*",
            "ec2:{region}:{account}:key-pair/*",
            "ec2:{region}:{account}:network-interface/*",
            "ec2:{region}:{account}:subnet/*",
            "ec2:{region}:{account}:vpc/*",
        ],
        when: &[],
    },
    Grant {
        to: &[Launcher],
        actions: &["ec2:CreateLaunchTemplate", "ec2:CreatePlacementGroup", "ec2:CreateSecurityGroup"],
        on: &[ANY_OF_EC2],
        when: &[MADE_AS_OURS],
    },
    Grant {
        to: &[Launcher, Starter],
        actions: &["ec2:CreateTags"],
        on: &[ANY_OF_EC2],
        // With what it may make, and with nothing else.
        when: &[("Null", "ec2:CreateAction", "false")],
    },
    // What says whose a thing is stays on it. A call that names no key would take them all.
    Grant {
        to: &[Launcher],
        actions: &["autoscaling:DeleteTags", "ec2:DeleteTags"],
        on: &[ANY_OF_EC2, SCALING],
        when: &[ON_WHAT_IS_OURS, ("ForAllValues:StringNotLike", "aws:TagKeys", "{reserved}*"), ("Null", "aws:TagKeys", "false")],
    },
    Grant {
        to: &[Launcher],
        actions: &[
            "autoscaling:CreateOrUpdateTags",
            "autoscaling:PutScheduledUpdateGroupAction",
            "autoscaling:SuspendProcesses",
            "autoscaling:TerminateInstanceInAutoScalingGroup",
            "autoscaling:UpdateAutoScalingGroup",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateLaunchTemplateVersion",
            "ec2:CreateTags",
            "ec2:StartInstances",
            "ec2:StopInstances",
        ],
        on: &[ANY_OF_EC2, SCALING],
        when: &[ON_WHAT_IS_OURS, OF_A_VERSION],
    },
    // How a group is divided between the markets. What it launches takes other rights, which a watcher has not.
    Grant { to: &[Watcher], actions: &["autoscaling:UpdateAutoScalingGroup"], on: &[SCALING], when: &[ON_WHAT_IS_OURS, OF_A_VERSION] },
    Grant {
        to: &[Launcher, Reaper],
        actions: &[
            "autoscaling:DeleteAutoScalingGroup",
            "ec2:DeleteLaunchTemplate",
            "ec2:DeletePlacementGroup",
            "ec2:DeleteSecurityGroup",
            "ec2:TerminateInstances",
        ],
        on: &[ANY_OF_EC2, SCALING],
        when: &[ON_WHAT_IS_OURS, OF_A_VERSION],
    },
    // No role that could do more than the boundary says, whatever policies it gets.
    Grant {
        to: &[Launcher],
        actions: &["iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePolicy"],
        on: &[FLEET_ROLES],
        when: &[WITHIN_THE_BOUNDARY],
    },
    Grant {
        to: &[Launcher],
        actions: &[
            "iam:AddRoleToInstanceProfile",
            "iam:CreateInstanceProfile",
            "iam:GetInstanceProfile",
            "iam:TagInstanceProfile",
            "iam:TagRole",
        ],
        on: &[FLEET_ROLES, FLEET_PROFILES],
        when: &[],
    },
    Grant {
        to: &[Launcher, Starter],
        actions: &["iam:PassRole"],
        on: &[FLEET_ROLES],
        when: &[("StringEquals", "iam:PassedToService", "ec2.amazonaws.com")],
    },
    Grant {
        to: &[Launcher, Starter],
        actions: &["iam:PassRole"],
        on: &["iam::{account}:role{path}{scheduler}"],
        when: &[("StringEquals", "iam:PassedToService", "scheduler.amazonaws.com")],
    },
    Grant {
        to: &[Launcher, Reaper],
        actions: &[
            "iam:DeleteInstanceProfile",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "iam:RemoveRoleFromInstanceProfile",
        ],
        on: &[FLEET_ROLES, FLEET_PROFILES, FLEET_ROLES_GONE, FLEET_PROFILES_GONE],
        when: &[],
    },
    // On profiles they mean nothing, and where launchers may do other things to all of these, they take the fewest characters.
    Grant {
        to: &[Launcher, Observer],
        actions: &["iam:GetRole", "iam:GetRolePolicy"],
        on: &[FLEET_ROLES, FLEET_PROFILES, FLEET_ROLES_GONE, FLEET_PROFILES_GONE],
        when: &[],
    },
    Grant {
        to: &[Observer],
        actions: &["iam:ListAttachedRolePolicies", "iam:ListRolePolicies"],
        on: &[FLEET_ROLES, FLEET_PROFILES, FLEET_ROLES_GONE, FLEET_PROFILES_GONE],
        when: &[],
    },
    Grant { to: &[Launcher], actions: &["scheduler:CreateSchedule", "scheduler:UpdateSchedule"], on: &[SCHEDULES], when: &[] },
    Grant { to: &[Launcher, Observer], actions: &["scheduler:GetSchedule"], on: &[SCHEDULES], when: &[] },
    Grant {
        to: &[Starter],
        actions: &["scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:UpdateSchedule"],
        on: &[RUN_SCHEDULES],
        when: &[],
    },
    Grant { to: &[Launcher, Reaper], actions: &["scheduler:DeleteSchedule"], on: &[SCHEDULES], when: &[] },
    Grant {
        to: &[Administrator],
        actions: &[
            "s3:CreateBucket",
            "s3:DeleteBucket",
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutEncryptionConfiguration",
        ],
        on: &[BUCKET],
        when: &[],
    },
    Grant { to: &[Administrator], actions: &["s3:GetObject", "s3:PutObject"], on: &["s3:::{bucket}/agents/*"], when: &[] },
    Grant { to: &[Administrator], actions: &["s3:DeleteObject"], on: &["s3:::{bucket}/*"], when: &[] },
    Grant {
        to: &[Administrator],
        actions: &[
            "iam:CreateRole",
            "iam:DeleteInstanceProfile",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:GetRole",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "iam:PutRolePolicy",
            "iam:RemoveRoleFromInstanceProfile",
            "iam:TagRole",
        ],
        on: &[SETUP_ROLES, SETUP_ROLES_GONE, SETUP_PROFILES_GONE],
        when: &[],
    },
    Grant {
        to: &[Administrator],
        actions: &["iam:CreateServiceLinkedRole"],
        on: &[SERVICE_ROLES],
        when: &[("StringEquals", "iam:AWSServiceName", "autoscaling.amazonaws.com spot.amazonaws.com")],
    },
    Grant {
        to: &[Administrator],
        actions: &[
            "iam:CreatePolicy",
            "iam:CreatePolicyVersion",
            "iam:DeletePolicy",
            "iam:DeletePolicyVersion",
            "iam:GetPolicy",
            "iam:GetPolicyVersion",
            "iam:ListPolicyVersions",
        ],
        on: &[SETUP_POLICIES],
        when: &[],
    },
    Grant {
        to: &[Administrator],
        actions: &[
            "lambda:CreateFunction",
            "lambda:DeleteFunction",
            "lambda:GetFunctionConfiguration",
            "lambda:TagResource",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
            "logs:CreateLogGroup",
            "logs:DeleteLogGroup",
            "logs:PutRetentionPolicy",
            "scheduler:CreateSchedule",
            "scheduler:CreateScheduleGroup",
            "scheduler:DeleteSchedule",
            "scheduler:DeleteScheduleGroup",
            "scheduler:UpdateSchedule",
            "ssm:CreateDocument",
            "ssm:DeleteDocument",
            "ssm:DeleteParameter",
            "ssm:PutParameter",
        ],
        on: &[
            LOGS,
            LOG_STREAMS,
            SHELL_LOGS,
            SHELL_LOG_STREAMS,
            FUNCTION_LOGS,
            FUNCTIONS,
            SCHEDULE_GROUPS,
            EVERY_SCHEDULE,
            DOCUMENTS,
            SETUP,
        ],
        when: &[],
    },
    Grant {
        to: &[Administrator],
        actions: &["iam:PassRole"],
        on: &[SETUP_ROLES],
        when: &[("StringEquals", "iam:PassedToService", "lambda.amazonaws.com scheduler.amazonaws.com")],
    },
];
