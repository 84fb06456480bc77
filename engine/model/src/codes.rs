//! Every error code of spawn's own: what it means, what it leaves behind, and the way out. The pages in `docs/errors` are made of this.
//!
//! AWS's codes keep their own names; `spawn_core::classes` says what class each has.

use crate::error::Class;

/// A stable code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// As it is shown, in brackets after a message and as `code` in JSON.
    pub name: &'static str,
    /// The classes it can have: they decide about retry and exit code.
    pub classes: &'static [Class],
    /// What has happened.
    pub meaning: &'static str,
    /// What is left in the account.
    pub left: Left,
    /// What to do.
    pub way_out: &'static str,
}

/// What an operation that failed with a code has left behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Left {
    /// It failed before anything was made.
    Nothing,
    /// What was made was undone; the message says so if that failed too.
    Undone,
    /// What was there before is as it was.
    Unchanged,
    /// The message names what is left; its lease ends it.
    Named,
}

impl Left {
    /// In a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Nothing => "Nothing: it is found before anything is made.",
            Self::Undone => {
                "Nothing: what had been made is undone before the error is shown. If undoing fails too, the message names what is left, and its lease ends it."
            }
            Self::Unchanged => "What was there before, unchanged.",
            Self::Named => "What the message names. It has a lease, which ends it.",
        }
    }
}

const fn code(name: &'static str, classes: &'static [Class], left: Left, meaning: &'static str, way_out: &'static str) -> Code {
    Code { name, classes, meaning, left, way_out }
}

const BUG: &str = "This is a fault in spawn. Report it with the output of the same command under `TF_LOG=debug` or `SPAWN_LOG=debug`; what it was about to do can be tried again.";

/// All of them, by name.
pub const CODES: &[Code] = &[
    code(
        "AlreadyRuns",
        &[Class::Conflict],
        Left::Unchanged,
        "`spawn start` starts what has stopped, and this has not.",
        "`spawn extend NAME` gives it more time.",
    ),
    code(
        "AnotherSandbox",
        &[Class::Conflict],
        Left::Unchanged,
        "The environment points at a sandbox, and it is not the one that the command means: its directory is another.",
        "Take the environment of the sandbox that is meant: `eval \"$(spawn sandbox env)\"`, with the same `--dir`.",
    ),
    code(
        "ArtifactUnreadable",
        &[Class::Invalid],
        Left::Nothing,
        "A program that the account set-up uploads, such as the agent, is there and cannot be read.",
        "Make the file readable, or point `SPAWN_ARTIFACTS` at a directory with the programs of this version.",
    ),
    code(
        "BadBoundary",
        &[Class::Invalid],
        Left::Nothing,
        "What `spawn setup --workload-boundary` was given is no policy document, denies something, reaches the bucket in which spawn keeps the records of all fleets, or is too long for the managed policy that it becomes part of.",
        "Write a policy document of IAM's that allows (and denies nothing), with `Effect`, `Action` and `Resource` in each statement, names your own buckets, and has fewer than 6,144 characters with the statements of the agents.",
    ),
    code(
        "BadCommand",
        &[Class::Invalid],
        Left::Unchanged,
        "`spawn exec` was given no command, or a word that no program can be given.",
        "Write the program and its arguments after `--`.",
    ),
    code(
        "BadEndpoint",
        &[Class::Invalid],
        Left::Nothing,
        "A setting names an endpoint that is no URL: most often the scheme is missing.",
        "Write it with its scheme, such as `http://127.0.0.1:4566`, or leave `AWS_ENDPOINT_URL` out for AWS's own endpoints.",
    ),
    code("BadId", &[Class::Bug], Left::Unchanged, "Terraform's state holds a fleet id that spawn did not write.", BUG),
    code(
        "BeingLaunched",
        &[Class::Conflict],
        Left::Unchanged,
        "Another process is starting a run of the fleet at this moment, or somebody ends it: two at once would launch it twice.",
        "Wait until the other one is done, and try again.",
    ),
    code(
        "BudgetTooSmall",
        &[Class::Invalid],
        Left::Nothing,
        "The budget of a lease would not last a minute at the highest price that the fleet could have.",
        "Raise `lease.budget`, or ask for fewer or cheaper instances.",
    ),
    code(
        "Cancelled",
        &[Class::Cancelled],
        Left::Undone,
        "Somebody pressed Ctrl-C, or Terraform told the provider to stop.",
        "Do it again when it is wanted: a launch begins anew, a change is finished, an end goes on where it was.",
    ),
    code(
        "ChannelBroken",
        &[Class::Transient],
        Left::Unchanged,
        "The channel of a session to an instance could not be opened, or was lost: the network, or the instance, is gone. The session was ended.",
        "Connect again. The way from your machine to `ssmmessages` has to be open on port 443; a proxy is not used.",
    ),
    code(
        "ClaimLost",
        &[Class::Conflict],
        Left::Unchanged,
        "The claim of a name was changed by somebody else while this process held it.",
        "Look who has the name with `spawn status NAME`; then import that fleet, end it, or choose another name.",
    ),
    code(
        "CommandLost",
        &[Class::Transient],
        Left::Unchanged,
        "Systems Manager told no end of a command of `spawn exec` long after it had to have one. It was cancelled.",
        "See what `aws ssm list-command-invocations --details` says of it.",
    ),
    code(
        "ConnectOff",
        &[Class::Invalid],
        Left::Unchanged,
        "The fleet lets nobody onto its instances: `connect` is off, as it is for job arrays unless asked for. Their role has no channel to Systems Manager.",
        "Set `connect = true`. It can be changed while the fleet runs; the instances' agents notice within minutes.",
    ),
    code(
        "EndedMeanwhile",
        &[Class::Conflict],
        Left::Nothing,
        "Somebody ended the fleet while this command waited for it.",
        "Launch it again if it is still wanted.",
    ),
    code(
        "FileUnreadable",
        &[Class::Invalid],
        Left::Nothing,
        "A file that the command line names cannot be read.",
        "Name a file that is there and readable.",
    ),
    code(
        "FleetEnded",
        &[Class::Conflict],
        Left::Nothing,
        "Terraform was about to change a fleet that has been ended for good since the plan was made.",
        "Plan again: the next plan creates it anew.",
    ),
    code(
        "FleetOver",
        &[Class::Conflict],
        Left::Unchanged,
        "The fleet has run, its machines are gone, or its lease is over: a longer lease cannot bring them back.",
        "Run it again: `spawn rerun NAME`; in Terraform, change `triggers`.",
    ),
    code(
        "FunctionBusy",
        &[Class::Transient],
        Left::Unchanged,
        "Lambda has not finished the last change of the reaper's function, and takes one after the other. `spawn setup` waits for it for two minutes.",
        "Run `spawn setup` again.",
    ),
    code(
        "InvalidAnswer",
        &[Class::Bug, Class::Transient],
        Left::Unchanged,
        "AWS, or what stands in its place, answered something that its interface does not allow.",
        "If `AWS_ENDPOINT_URL` points at an emulator, that is where to look; else try again, and report it if it stays.",
    ),
    code(
        "InvalidRequest",
        &[Class::Bug, Class::Invalid],
        Left::Unchanged,
        "A request could not be made: it was put together wrongly, or the AWS configuration files or `AWS_ENDPOINT_URL` do not fit.",
        "Check `AWS_ENDPOINT_URL` and the configuration files; if they are right, report it.",
    ),
    code(
        "InvalidSpec",
        &[Class::Invalid],
        Left::Nothing,
        "A field of a fleet breaks its rule. The message names the field, the value and the rule.",
        "Change the field as the message says.",
    ),
    code(
        "JobBusy",
        &[Class::Conflict],
        Left::Unchanged,
        "The worker of a job wrote its record each time between looking and cancelling.",
        "Cancel it again; `spawn queue status NAME` shows how it is.",
    ),
    code(
        "LeaseInPast",
        &[Class::Invalid],
        Left::Unchanged,
        "The lease would have ended already: a ttl counts from when the fleet was asked for, not from now.",
        "Ask for a longer one, or end the fleet.",
    ),
    code(
        "LeaseOver",
        &[Class::Invalid],
        Left::Undone,
        "The lease ended before every instance was launched. EC2 launches 1,000 at once and then two a second.",
        "Ask for a longer lease or for fewer instances.",
    ),
    code(
        "NameInUse",
        &[Class::Conflict],
        Left::Unchanged,
        "Another fleet of this account and region has the name. Names are never taken away: a fleet is only gone on with if its launcher is dead, it was launched by the same caller, and nobody has stored it.",
        "Choose another name, end that fleet with `spawn down NAME`, or import it: `terraform import ADDRESS NAME`.",
    ),
    code(
        "NeverStops",
        &[Class::Invalid],
        Left::Unchanged,
        "The fleet's instances end when they are powered off: they can neither be stopped nor started again.",
        "Set `on_expiry` or `on_idle` to `stop` or `hibernate` in the lease of an instance; `spawn rerun NAME` runs this one again.",
    ),
    code(
        "NoAgent",
        &[Class::Invalid],
        Left::Nothing,
        "The account set-up needs an agent to upload, and none was found beside the program or in `SPAWN_ARTIFACTS`.",
        "Point `SPAWN_ARTIFACTS` at the directory that holds `spored`.",
    ),
    code(
        "NoAnswer",
        &[Class::Ambiguous, Class::Transient],
        Left::Named,
        "A call was sent, and no answer came: it may have been done. Whatever may be repeated was repeated; this one was asked again as often as is sensible.",
        "Do the operation again: it finds what was made and goes on with it, and launches nothing twice.",
    ),
    code(
        "NoCapacity",
        &[Class::Capacity, Class::Quota],
        Left::Undone,
        "No pool (type, zone) had room for every instance that was asked for. The message lists each pool and its answer.",
        "Name more instance types, ask for fewer, or use another region. Where the answers speak of a limit of the account, raise it in Service Quotas.",
    ),
    code(
        "NoCertificates",
        &[Class::Invalid],
        Left::Nothing,
        "`AWS_CA_BUNDLE` or `SSL_CERT_FILE` names a file of certificates that cannot be read.",
        "Name a file of certificates in PEM, or unset the variable.",
    ),
    code(
        "NoCredentials",
        &[Class::Denied],
        Left::Nothing,
        "No AWS credentials were found, or those that were found could not be loaded.",
        "Set `AWS_PROFILE`, or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`; for the sandbox: `eval \"$(spawn sandbox env)\"`.",
    ),
    code(
        "NoDefaultNetwork",
        &[Class::Invalid],
        Left::Nothing,
        "The region has no default network with subnets to launch into.",
        "Make one with `aws ec2 create-default-vpc`, or use a region that has one.",
    ),
    code(
        "NoDirectory",
        &[Class::Invalid],
        Left::Nothing,
        "There is no place for a sandbox's files: neither `XDG_RUNTIME_DIR` nor a home directory is known.",
        "Say where with `--dir` or `SPAWN_SANDBOX_DIR`.",
    ),
    code(
        "NoImage",
        &[Class::Invalid],
        Left::Nothing,
        "`ami` refers to an image that this region does not have, or to a parameter that holds none.",
        "Image ids differ between regions: write one of this region, a parameter that holds one, or leave `ami` out.",
    ),
    code(
        "NoKeyPair",
        &[Class::Invalid],
        Left::Nothing,
        "The key pair that `ssh_key` names does not exist in this region.",
        "Import the public key with `aws ec2 import-key-pair`, or leave `ssh_key` out.",
    ),
    code(
        "NoOutput",
        &[Class::NotFound],
        Left::Unchanged,
        "No output is kept of that attempt of the job: it has not ended, or there was none, or its machine was lost before it could be kept.",
        "`spawn queue status NAME` shows the attempts; `spawn logs NAME` has what its workers wrote.",
    ),
    code(
        "NoPolicy",
        &[Class::Invalid],
        Left::Nothing,
        "A managed policy that `policies` names does not exist.",
        "Check the ARN, or write the rights themselves: `s3:ReadOnly:arn:aws:s3:::data/*`.",
    ),
    code(
        "NoPool",
        &[Class::Invalid],
        Left::Nothing,
        "Every instance type was left out: it is of another architecture than the image, the set-up has no agent for it, or EC2 does not do with it what `placement` or `lease` ask for: it puts none of its instances into a cluster, or hibernates none.",
        "Name types of one architecture that the image and the set-up's agent have, and that `placement` and `lease` allow.",
    ),
    code(
        "NoPrice",
        &[Class::Invalid],
        Left::Nothing,
        "A lease has a budget, and the Pricing API does not tell what something of the fleet costs. An unknown price is never guessed, so the budget could not be kept.",
        "Leave `lease.budget` out, or use types and volumes whose price the Pricing API knows.",
    ),
    code(
        "NoProfile",
        &[Class::Invalid],
        Left::Nothing,
        "The profile that a setting names is in none of the shared AWS configuration files.",
        "Name one that is there, which the message lists, or leave the setting out: the provider's `profile`, `--profile` or `AWS_PROFILE`.",
    ),
    code(
        "NoQueue",
        &[Class::Invalid],
        Left::Unchanged,
        "The fleet is none whose jobs could be looked at: only a queue has jobs.",
        "`spawn status NAME` shows what it is; `spawn ls` lists all fleets with their kinds.",
    ),
    code(
        "NoRegion",
        &[Class::Invalid],
        Left::Nothing,
        "Neither the configuration nor the environment names a region.",
        "Set the provider's `region`, `--region` or `AWS_REGION`, such as us-east-1.",
    ),
    code(
        "NoRoute",
        &[Class::Invalid],
        Left::Nothing,
        "Instances in a subnet that `network.subnets` names would not reach S3 or CloudWatch Logs, or EC2 where they hibernate: they have no public address with a route to an internet gateway, no NAT gateway, and no endpoint.",
        "Add the endpoints that the message names, or a NAT gateway, or set `network.public_address` in a subnet that leads to an internet gateway.",
    ),
    code(
        "NoRuntime",
        &[Class::Transient],
        Left::Nothing,
        "The operating system would not give the command the threads or files it needs to start.",
        "Raise the limit that the message names (`ulimit`), or free memory.",
    ),
    code(
        "NoSandbox",
        &[Class::NotFound],
        Left::Nothing,
        "No sandbox runs in the directory that was meant.",
        "Start one with `spawn sandbox up`.",
    ),
    code(
        "NoSetup",
        &[Class::NotFound],
        Left::Nothing,
        "The account set-up of this region is not there, so there are no fleets either.",
        "The first launch makes it; `spawn setup` does too.",
    ),
    code("NoSignals", &[Class::Bug], Left::Nothing, "The operating system would not tell the command about Ctrl-C.", BUG),
    code(
        "NoSuchFleet",
        &[Class::NotFound],
        Left::Nothing,
        "No fleet of this account and region has that id or name. One that was ended for good has given its name back, and its id leads only to what it left, unless that was deleted with it.",
        "`spawn ls` lists the fleets of a region; `--region` or `AWS_REGION` chooses another. `spawn results`, `logs` and `status` take the id of a fleet that was ended.",
    ),
    code(
        "NoSuchJob",
        &[Class::NotFound],
        Left::Unchanged,
        "The queue has no job of that name.",
        "`spawn queue status NAME` lists its jobs.",
    ),
    code(
        "NoSuchRank",
        &[Class::Invalid],
        Left::Unchanged,
        "The fleet has no rank of this number.",
        "`spawn status NAME` shows its ranks: they are numbered from 0.",
    ),
    code(
        "NoType",
        &[Class::Invalid],
        Left::Nothing,
        "No instance type that the region offers has what `requirements` says. Bare metal and types that earn CPU credits are never chosen.",
        "Widen a range or exclude less, or name types with `instance_types`.",
    ),
    code(
        "NoWorkloadBoundary",
        &[Class::Denied],
        Left::Nothing,
        "The fleet asks for rights in AWS (`policies`), and the account set-up lets no fleet have more than its agent needs.",
        "An administrator says once what fleets may get at most: `spawn setup --workload-boundary FILE`, with a policy document of IAM's. It becomes part of the permissions boundary of every fleet's role.",
    ),
    code(
        "NotAService",
        &[Class::Invalid],
        Left::Unchanged,
        "Only a service changes its size while it runs: the ranks of an array are a whole, and an instance is one.",
        "Make an array of another size, or a service: `spawn_service` in Terraform, `--kind service` on the command line.",
    ),
    code(
        "NotConnected",
        &[Class::Transient],
        Left::Unchanged,
        "The agent of Systems Manager did not answer on an instance for two minutes. It comes with the image, starts with the instance, and speaks to the region's endpoints.",
        "Use an image that has it, such as Amazon Linux or Ubuntu, and a subnet with a way to `ssm`, `ssmmessages` and `ec2messages`. Set-ups made by an earlier version do not let it speak: run `spawn setup` again.",
    ),
    code(
        "NotWritten",
        &[Class::Invalid],
        Left::Unchanged,
        "A result could not be written to the local directory.",
        "Choose a directory that can be written with `--to`.",
    ),
    code(
        "OutputFailed",
        &[Class::Transient],
        Left::Unchanged,
        "What the command wanted to say could not be written to its output.",
        "Whatever it had to do is done; look with `spawn status`.",
    ),
    code(
        "PolicyDenies",
        &[Class::Invalid],
        Left::Nothing,
        "A managed policy that `policies` names denies something. Whatever it is, the role would be denied it too, and with that perhaps what the agent follows the lease by.",
        "Name a policy that only allows. A fleet's role may do nothing that is not allowed, so there is nothing to deny.",
    ),
    code(
        "ProfileNotReady",
        &[Class::Transient],
        Left::Undone,
        "EC2 does not know the fleet's instance profile two minutes after IAM made it.",
        "Try again. If it stays, somebody deletes the fleet's role: CloudTrail says who.",
    ),
    code(
        "ProfileTaken",
        &[Class::Conflict],
        Left::Undone,
        "There is an instance profile of the fleet's name with a role of somebody else in it.",
        "Launch again: names carry a new id each time.",
    ),
    code(
        "ProviderUnknown",
        &[Class::Invalid],
        Left::Nothing,
        "The provider's own configuration depends on something that is not known yet, so the operation cannot be made.",
        "Give `region` and `profile` values that are known when Terraform plans.",
    ),
    code(
        "QueueOver",
        &[Class::Conflict],
        Left::Unchanged,
        "A job was to be cancelled of a queue of which nothing runs any more.",
        "There is nothing to do; `spawn queue status NAME` shows how each job went.",
    ),
    code(
        "RankOver",
        &[Class::Conflict],
        Left::Unchanged,
        "The instance of this rank is gone, so nobody can come onto it.",
        "`spawn logs NAME --rank RANK` shows what it wrote, `spawn results NAME` what it left.",
    ),
    code("ReadinessJson", &[Class::Bug], Left::Nothing, "A sandbox could not say that it is ready.", BUG),
    code(
        "RecordChanged",
        &[Class::Conflict],
        Left::Unchanged,
        "The fleet's record was changed by somebody else between looking and writing.",
        "Plan or look again, and do what is still wanted.",
    ),
    code("RecordJson", &[Class::Bug], Left::Unchanged, "A record could not be written as JSON.", BUG),
    code(
        "RecordUnreadable",
        &[Class::Invalid],
        Left::Unchanged,
        "An object in the bucket is no record that this version can read. It keeps no machine running: ending a fleet ends its instances all the same.",
        "Another version of spawn may have written it: use that version, or delete the object if it is damaged.",
    ),
    code("ResultJson", &[Class::Bug], Left::Unchanged, "What the command found could not be written as JSON.", BUG),
    code(
        "ResultOutside",
        &[Class::Invalid],
        Left::Unchanged,
        "A result's name would lead out of the directory that results are written to.",
        "Fetch that one with the aws command, if it is wanted; the machine that wrote it is not to be trusted.",
    ),
    code(
        "RoleNotReady",
        &[Class::Transient],
        Left::Undone,
        "Scheduler cannot assume its role two minutes after IAM made it.",
        "Try again; `spawn setup` makes the role anew if somebody deleted it.",
    ),
    code(
        "RootTooSmall",
        &[Class::Invalid],
        Left::Nothing,
        "The root volume that is asked for is smaller than the image, or has no room for the memory of an instance that hibernates.",
        "Write at least the size that the message names, or leave `root_volume.size_gib` out.",
    ),
    code(
        "RunLost",
        &[Class::Conflict],
        Left::Undone,
        "Somebody else took over the run that this process was starting, or ended the fleet.",
        "Look at the fleet with `spawn status NAME`; what they did counts.",
    ),
    code(
        "SandboxFailed",
        &[Class::Transient, Class::Bug, Class::Invalid],
        Left::Nothing,
        "The sandbox's process did not start, or ended by itself.",
        "The message names its log.",
    ),
    code(
        "SandboxRefused",
        &[Class::Invalid],
        Left::Unchanged,
        "The sandbox does not accept what was asked of it.",
        "Change what the message names.",
    ),
    code(
        "SandboxRuns",
        &[Class::Conflict],
        Left::Unchanged,
        "A sandbox runs already in this directory.",
        "Use it, or end it with `spawn sandbox down`; `--dir` puts a second one elsewhere.",
    ),
    code(
        "SandboxStuck",
        &[Class::Transient],
        Left::Named,
        "The sandbox was told to end, and its process is still there.",
        "The message names the process and its log.",
    ),
    code(
        "SandboxUnknown",
        &[Class::Conflict],
        Left::Unchanged,
        "What listens at the sandbox's address is not the sandbox that was started there.",
        "Remove what the message names, and start a new one.",
    ),
    code(
        "SecurityGroupGone",
        &[Class::Conflict],
        Left::Unchanged,
        "Somebody has deleted the security group of a service, so that nothing can be launched for it any more.",
        "Run it again: `spawn rerun NAME`; in Terraform, change `triggers`.",
    ),
    code(
        "SessionRefused",
        &[Class::Denied],
        Left::Unchanged,
        "The agent of Systems Manager ended the session before it began; the message has its words. Most often the Session Manager preferences of the account demand encryption with a key of KMS, which is not supported.",
        "Leave KMS encryption out of the account's Session Manager preferences (the channel is encrypted by TLS all the same), or open the session with AWS's own client: `aws ssm start-session --target INSTANCE`. If they name a user to run as, the instance has to have it.",
    ),
    code(
        "SetupInUse",
        &[Class::Conflict],
        Left::Unchanged,
        "The account set-up cannot be removed while a fleet has a name: its records, its lease and its end depend on it.",
        "End the fleets that the message names with `spawn down`, then remove the set-up.",
    ),
    code("SetupJson", &[Class::Bug], Left::Unchanged, "The account set-up's parameter could not be written as JSON.", BUG),
    code(
        "SetupOld",
        &[Class::Invalid],
        Left::Nothing,
        "The account set-up was made by an earlier version, which knew nothing of what is asked for.",
        "Run `spawn setup` again: it adds what is missing, and changes nothing for what runs.",
    ),
    code(
        "SetupUnreadable",
        &[Class::Invalid],
        Left::Unchanged,
        "The parameter that says where the account set-up is cannot be read.",
        "`spawn setup` writes it again.",
    ),
    code(
        "SetupVersion",
        &[Class::Invalid],
        Left::Unchanged,
        "The account set-up was made by a newer version of spawn.",
        "Use that version, or a newer one.",
    ),
    code(
        "SeveralNetworks",
        &[Class::Invalid],
        Left::Nothing,
        "The subnets and security groups of `network` are not all of one VPC.",
        "Name subnets and groups of one network.",
    ),
    code(
        "SpotPriceTooLow",
        &[Class::Invalid],
        Left::Nothing,
        "Every spot pool costs more than `market.max_price` now. The message lists each pool, its price and since when.",
        "Raise `max_price`, leave it out, name other instance types, or set `fallback = \"on_demand\"`.",
    ),
    code(
        "SpreadTooLarge",
        &[Class::Invalid],
        Left::Nothing,
        "EC2 keeps at most 7 running instances of a spread placement group in a zone, and there are too few zones for the fleet.",
        "Ask for fewer instances, name subnets in more zones, or leave `placement` out.",
    ),
    code(
        "Timeout",
        &[Class::Transient],
        Left::Named,
        "The instances did not go away in the time that the operation had.",
        "Do it again: it goes on where it was. A longer `timeouts.delete` gives EC2 more time.",
    ),
    code("UnknownAtApply", &[Class::Bug], Left::Nothing, "Terraform applied a value that it did not know yet.", BUG),
    code(
        "Unreachable",
        &[Class::Transient],
        Left::Unchanged,
        "No connection to a service of AWS could be made.",
        "Check the region, the network and `AWS_ENDPOINT_URL`.",
    ),
    code(
        "WhichRank",
        &[Class::Invalid],
        Left::Unchanged,
        "A terminal is opened on one instance, and the fleet has several.",
        "Choose one with `--rank`.",
    ),
    code(
        "WrongKind",
        &[Class::Invalid],
        Left::Unchanged,
        "A fleet of another kind was imported: `spawn_instance` takes single instances, `spawn_job_array` arrays, `spawn_service` services.",
        "Import it into a resource of its own kind.",
    ),
];

/// The code of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Code> {
    CODES.iter().find(|code| code.name == name)
}

impl Code {
    /// Its page, in Markdown.
    #[must_use]
    pub fn page(&self) -> String {
        let classes: Vec<String> =
            self.classes.iter().map(|class| format!("| `{class:?}` | {} | {} |", class.exit_code(), class.retry())).collect();
        format!(
            "# {}\n\n{}\n\n**What to do.** {}\n\n**What is left.** {}\n\n| class | exit code of `spawn` | asked again by itself |\n|---|---|---|\n{}\n",
            self.name,
            self.meaning,
            self.way_out,
            self.left.sentence(),
            classes.join("\n")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_each_is_there_once() {
        for pair in CODES.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
        }
    }

    #[test]
    fn a_page_reads_well() {
        insta::assert_snapshot!(find("NoCapacity").map(Code::page).unwrap_or_default());
    }
}
