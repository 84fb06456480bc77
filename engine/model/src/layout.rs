//! Where things are: S3 keys, log streams and the names of what a fleet makes.

use std::fmt;

use crate::ids::{AlertId, FleetId, InstanceId, RunId};
use crate::queue::Outcome;

/// The key of a name's claim.
#[must_use]
pub fn name_key(name: &str) -> String {
    format!("names/{name}")
}

/// The key that says a fleet was ended for good.
#[must_use]
pub fn ended_key(fleet: &FleetId) -> String {
    format!("fleets/{fleet}/ended.json")
}

/// The prefix of every claimed name.
pub const NAMES_PREFIX: &str = "names/";

/// The key of an agent binary by its SHA-256 in hex.
#[must_use]
pub fn agent_key(sha256: &str) -> String {
    format!("agents/{sha256}")
}

/// The prefix of everything of a fleet, by its id or by what stands for one.
#[must_use]
pub fn fleet_prefix(fleet: &(impl fmt::Display + ?Sized)) -> String {
    format!("fleets/{fleet}/")
}

/// The key of a fleet's record.
#[must_use]
pub fn fleet_key(fleet: &FleetId) -> String {
    format!("fleets/{fleet}/fleet.json")
}

/// The key of what a schedule launches, and when.
#[must_use]
pub fn schedule_key(fleet: &FleetId) -> String {
    format!("fleets/{fleet}/schedule.json")
}

/// The key of the last starts of a schedule.
#[must_use]
pub fn history_key(fleet: &FleetId) -> String {
    format!("fleets/{fleet}/history.json")
}

/// The prefix of what says where fleets have names in DNS. No name of a fleet begins with a dot, and whoever may claim names may write here.
pub const NAMED_PREFIX: &str = "names/.dns/";

/// The key that says where a fleet has, or may have, names in DNS. It is there before the first of them, and goes after the last.
#[must_use]
pub fn named_key(fleet: &FleetId) -> String {
    format!("{NAMED_PREFIX}{fleet}")
}

/// The prefix of everything of alerts.
pub const ALERTS_PREFIX: &str = "alerts/";

/// The key of an alert's record, which is also the claim of its name.
#[must_use]
pub fn alert_key(name: &str) -> String {
    format!("{ALERTS_PREFIX}{name}.json")
}

/// The key of what an alert has told.
#[must_use]
pub fn told_key(alert: &AlertId) -> String {
    format!("told/{alert}.json")
}

/// The alert that a key of [`ALERTS_PREFIX`] is about.
#[must_use]
pub fn alert_of_key(key: &str) -> Option<&str> {
    key.strip_prefix(ALERTS_PREFIX)?.strip_suffix(".json")
}

/// The name of the topic by which an alert sends mail.
#[must_use]
pub fn topic_name(alert: &AlertId) -> String {
    format!("spawn-{alert}")
}

/// What the names of the parameters with an alert's secrets begin with.
#[must_use]
pub fn secrets_prefix(alert: &AlertId) -> String {
    format!("/spawn/alerts/{alert}/")
}

/// The name of the parameter with the secret of one of an alert's channels.
#[must_use]
pub fn secret_name(alert: &AlertId, channel: &str) -> String {
    format!("{}{channel}", secrets_prefix(alert))
}

/// The keys of one run.
#[derive(Clone, Debug)]
pub struct RunKeys {
    prefix: String,
}

impl RunKeys {
    /// The keys of `run` of `fleet`.
    #[must_use]
    pub fn new(fleet: &FleetId, run: &RunId) -> Self {
        Self { prefix: format!("fleets/{fleet}/runs/{run}/") }
    }

    /// The prefix of everything of the run.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The lease object.
    #[must_use]
    pub fn lease(&self) -> String {
        format!("{}lease.json", self.prefix)
    }

    /// What the ranks run.
    #[must_use]
    pub fn payload(&self) -> String {
        format!("{}payload.json", self.prefix)
    }

    /// Where the launcher is about to ask next, once that is not the first pool.
    #[must_use]
    pub fn attempt(&self) -> String {
        format!("{}attempt.json", self.prefix)
    }

    /// How many ranks there are in the end, if fewer than asked for may do.
    #[must_use]
    pub fn settled(&self) -> String {
        format!("{}settled.json", self.prefix)
    }

    /// The prefix of launch records.
    #[must_use]
    pub fn batches(&self) -> String {
        format!("{}batches/", self.prefix)
    }

    /// The record of the batch whose first rank is `base`. Sorts by rank.
    #[must_use]
    pub fn batch(&self, base: u32) -> String {
        format!("{}batches/{base:05}.json", self.prefix)
    }

    /// The prefix of rank claims.
    #[must_use]
    pub fn ranks(&self) -> String {
        format!("{}ranks/", self.prefix)
    }

    /// The claim of a rank.
    #[must_use]
    pub fn rank(&self, rank: u32) -> String {
        format!("{}ranks/{rank:05}.json", self.prefix)
    }

    /// The prefix of completion records.
    #[must_use]
    pub fn completions(&self) -> String {
        format!("{}completions/", self.prefix)
    }

    /// The completion record of a rank.
    #[must_use]
    pub fn completion(&self, rank: u32) -> String {
        format!("{}completions/{rank:05}.json", self.prefix)
    }

    /// That the instance of a rank has stopped, and why.
    #[must_use]
    pub fn stop(&self, rank: u32) -> String {
        format!("{}stops/{rank:05}.json", self.prefix)
    }

    /// The prefix of EC2's notices.
    #[must_use]
    pub fn notices(&self) -> String {
        format!("{}notices/", self.prefix)
    }

    /// EC2's notice to the machine that has a rank. Of a service another one may have it later.
    #[must_use]
    pub fn notice(&self, rank: u32, instance: &InstanceId) -> String {
        format!("{}notices/{rank:05}-{instance}.json", self.prefix)
    }

    /// The prefix of the claims of a queue's jobs.
    #[must_use]
    pub fn job_claims(&self) -> String {
        format!("{}jobs/claims/", self.prefix)
    }

    /// The claim of a job.
    #[must_use]
    pub fn job_claim(&self, job: &str) -> String {
        format!("{}jobs/claims/{job}.json", self.prefix)
    }

    /// The prefix of what says which jobs have ended.
    #[must_use]
    pub fn jobs_ended(&self) -> String {
        format!("{}jobs/ended/", self.prefix)
    }

    /// That a job has ended, and how: who lists these need not read the claims.
    #[must_use]
    pub fn job_ended(&self, job: &str, outcome: Outcome) -> String {
        format!("{}jobs/ended/{job}.{}", self.prefix, outcome.word())
    }

    /// The jobs that earlier runs have done.
    #[must_use]
    pub fn jobs_kept(&self) -> String {
        format!("{}jobs/kept.json", self.prefix)
    }

    /// What an attempt of a job has printed.
    #[must_use]
    pub fn job_output(&self, job: &str, attempt: u32) -> String {
        format!("{}jobs/output/{job}/{attempt:03}.log", self.prefix)
    }

    /// A result of an attempt of a job.
    #[must_use]
    pub fn job_result(&self, job: &str, attempt: u32, path: &str) -> String {
        format!("{}results/{job}/{attempt:03}/{path}", self.prefix)
    }

    /// The claims of all jobs in one object, written by the first reader that found every one ended.
    #[must_use]
    pub fn jobs_outcome(&self) -> String {
        format!("{}jobs.json", self.prefix)
    }

    /// All completion records in one object, written by the first reader that found the run over.
    #[must_use]
    pub fn outcome(&self) -> String {
        format!("{}outcome.json", self.prefix)
    }

    /// The prefix of results.
    #[must_use]
    pub fn results(&self) -> String {
        format!("{}results/", self.prefix)
    }

    /// The key of a result of a rank.
    #[must_use]
    pub fn result(&self, rank: u32, path: &str) -> String {
        format!("{}results/{rank:05}/{path}", self.prefix)
    }
}

/// The rank that a `ranks/` or `completions/` key is about.
#[must_use]
pub fn rank_of_key(key: &str) -> Option<u32> {
    key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()
}

/// The job that the key of a claim is about.
#[must_use]
pub fn job_of_claim(key: &str) -> Option<&str> {
    key.rsplit('/').next()?.strip_suffix(".json")
}

/// The job that has ended, and how, by the key that says so.
#[must_use]
pub fn job_of_ended(key: &str) -> Option<(&str, Outcome)> {
    let (job, word) = key.rsplit('/').next()?.rsplit_once('.')?;
    Some((job, Outcome::ALL.into_iter().find(|outcome| outcome.word() == word)?))
}

/// The log stream of a rank; all of a run share the prefix [`log_stream_prefix`].
#[must_use]
pub fn log_stream(fleet: &FleetId, run: &RunId, rank: u32) -> String {
    format!("{}{rank:05}", log_stream_prefix(fleet, run))
}

/// What the log streams of a run begin with.
#[must_use]
pub fn log_stream_prefix(fleet: &FleetId, run: &RunId) -> String {
    format!("{fleet}/{run}/")
}

/// The IAM path of every role and profile that a fleet makes, so that a launcher's rights can be limited to it.
pub const ROLE_PATH: &str = "/spawn/";

/// What the names of fleets' roles and instance profiles begin with.
pub const FLEET_ROLE_PREFIX: &str = "spawn-fleet-";

/// The name of a fleet's role and instance profile.
#[must_use]
pub fn role_name(fleet: &FleetId) -> String {
    format!("spawn-{fleet}")
}

/// The name of a fleet's security group.
#[must_use]
pub fn group_name(fleet: &FleetId) -> String {
    format!("spawn-{fleet}")
}

/// What the names of services' Auto Scaling groups and launch templates begin with.
pub const SCALING_PREFIX: &str = "spawn-run-";

/// The name of the Auto Scaling group that maintains a service's run, and of its launch template.
#[must_use]
pub fn scaling_name(run: &RunId) -> String {
    format!("spawn-{run}")
}

/// The most members that one schedule ends.
pub const SHARD_SIZE: u32 = 1000;

/// The shard of a rank.
#[must_use]
pub fn shard_of_rank(rank: u32) -> u32 {
    rank / SHARD_SIZE
}

/// What the names of the schedules of all runs begin with.
pub const SCHEDULES_PREFIX: &str = "spawn-run-";

/// The name of the schedule that starts the runs of a fleet.
#[must_use]
pub fn start_schedule_name(fleet: &FleetId) -> String {
    format!("spawn-{fleet}")
}

/// What the names of a run's schedules begin with.
#[must_use]
pub fn schedule_prefix(run: &RunId) -> String {
    format!("spawn-{run}-")
}

/// The name of the schedule that ends a shard of a run.
#[must_use]
pub fn schedule_name(run: &RunId, shard: u32) -> String {
    format!("spawn-{run}-{shard}")
}

/// The name of the schedule that hibernates it before that.
#[must_use]
pub fn hibernate_schedule_name(run: &RunId, shard: u32) -> String {
    format!("spawn-{run}-{shard}-hibernate")
}

/// The name of the schedule that stops it before that.
#[must_use]
pub fn stop_schedule_name(run: &RunId, shard: u32) -> String {
    format!("spawn-{run}-{shard}-stop")
}
