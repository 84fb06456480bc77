//! What has become of a fleet: one rule for every face.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::idle::Idleness;
use crate::record::{Completion, Exit};
use crate::spec::FleetKind;
use crate::words::words;

words! {
    /// What a launch waits for.
    pub enum WaitFor, "nothing to wait for" {
        /// The instances are asked for and recorded.
        Launched = "launched",
        /// EC2 reports every instance as running.
        Running = "running",
        /// Every command has started.
        Ready = "ready",
        /// Every command has ended.
        Completed = "completed",
    }
}

/// The state of a member, and of a whole fleet.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing has run yet: a schedule starts it.
    Scheduled,
    /// Asked for, not yet running.
    Launching,
    /// At work, or kept until its lease ends.
    Running,
    /// Every command ended with exit code 0.
    Succeeded,
    /// A command ended with another exit code or a signal.
    Failed,
    /// Not running, and kept: it can be started again.
    Stopped,
    /// The lease ended first.
    Expired,
    /// EC2 took the machine back, and it could say so.
    Interrupted,
    /// Gone before the deadline without a record of why.
    Lost,
}

impl Status {
    /// Whether nothing of the fleet can change any more by itself.
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Launching | Self::Running | Self::Stopped)
    }

    /// Whether nothing of the fleet goes on by itself: it is over, or has stopped until somebody starts it, or waits for its schedule.
    #[must_use]
    pub fn goes_no_further(self) -> bool {
        self.is_over() || matches!(self, Self::Stopped | Self::Scheduled)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheduled => "scheduled",
            Self::Launching => "launching",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Expired => "expired",
            Self::Interrupted => "interrupted",
            Self::Lost => "lost",
        })
    }
}

/// An instance's state as EC2 tells it, or that EC2 no longer knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// `pending`.
    Pending,
    /// `running`.
    Running,
    /// `stopping` or `stopped`.
    Stopped,
    /// The same, with what was in its memory kept.
    Hibernated,
    /// `shutting-down`, `terminated`, or not listed any more.
    Gone,
}

/// When a run's machines end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dates {
    /// When they are terminated, or stop.
    pub deadline: Timestamp,
    /// When what has stopped is terminated; nothing if machines of the run are not to be started again.
    pub kept_until: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// A member, as far as the state of its fleet depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Its rank.
    pub rank: u32,
    /// Its state.
    pub status: Status,
    /// What EC2 says of it.
    pub seen: Seen,
    /// That it ended, or stopped, for being idle.
    pub idle: Option<&'a Idleness>,
}

/// The state of one member.
#[must_use]
pub fn member_status(seen: Seen, completion: Option<&Completion>, dates: Dates) -> Status {
    if matches!(seen, Seen::Stopped | Seen::Hibernated) && dates.kept_until.is_some() {
        return Status::Stopped;
    }
    if let Some(completion) = completion {
        return match completion.exit {
            Exit::Code { code: 0 } => Status::Succeeded,
            Exit::Code { .. } | Exit::Signal { .. } | Exit::NotStarted { .. } => Status::Failed,
            Exit::LeaseEnded | Exit::Idle => Status::Expired,
            Exit::Interrupted => Status::Interrupted,
        };
    }
    match seen {
        Seen::Pending => Status::Launching,
        Seen::Running => Status::Running,
        Seen::Stopped | Seen::Hibernated | Seen::Gone if dates.now >= dates.deadline => Status::Expired,
        Seen::Stopped | Seen::Hibernated | Seen::Gone => Status::Lost,
    }
}

/// The state of a fleet from those of its members, and why.
#[must_use]
pub fn fleet_status(kind: FleetKind, asked: u32, members: &[Standing<'_>], dates: Dates) -> (Status, String) {
    if kind == FleetKind::Instance {
        return instance_status(members, dates);
    }
    debug_assert_ne!(kind, FleetKind::Service, "a service is judged by its strength");
    let Dates { deadline, now, .. } = dates;
    let count = |status: Status| with(members, status).len();
    let missing = (asked as usize).saturating_sub(members.len());
    if missing > 0 {
        return if now >= deadline {
            (Status::Expired, format!("{} never launched before the lease ended", some_of(missing, asked, "instance", ["was", "were"])))
        } else if asked == 1 {
            (Status::Launching, "the instance is not asked for yet".to_owned())
        } else {
            (Status::Launching, format!("{} asked for", some_of(members.len(), asked, "instance", ["is", "are"])))
        };
    }
    if count(Status::Launching) > 0 {
        return (Status::Launching, format!("{} booting", some_of(count(Status::Launching), asked, "rank", ["is", "are"])));
    }
    if count(Status::Running) > 0 {
        return (Status::Running, format!("{} at work", some_of(count(Status::Running), asked, "rank", ["is", "are"])));
    }
    for (status, why) in [
        (Status::Failed, "did not end with exit code 0"),
        (Status::Lost, "vanished before the deadline without a record of why"),
        (Status::Interrupted, "ended when EC2 took the machine back"),
    ] {
        if count(status) > 0 {
            return (status, format!("{} {why}", ranks(&with(members, status))));
        }
    }
    if count(Status::Expired) > 0 {
        return (Status::Expired, expiry(members));
    }
    let all = if asked == 1 { "the rank".to_owned() } else { format!("all {asked} ranks") };
    (Status::Succeeded, format!("{all} ended with exit code 0"))
}

/// A service, as far as its state depends on what Auto Scaling and EC2 say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Strength<'a> {
    /// How many instances it is to have.
    pub asked: u32,
    /// How many run.
    pub running: u32,
    /// How many have not ended: those that run, and those that boot.
    pub alive: u32,
    /// Whether its group is there.
    pub is_maintained: bool,
    /// Whether it was ever seen to have had one.
    pub was_maintained: bool,
    /// Why its group could launch nothing when it last tried.
    pub refusal: Option<&'a str>,
}

/// The state of a service, and why.
#[must_use]
pub fn service_status(strength: Strength<'_>, dates: Dates) -> (Status, String) {
    let Strength { asked, running, alive, is_maintained, was_maintained, refusal } = strength;
    let deadline = dates.deadline;
    let are = if alive == 1 { "1 instance is".to_owned() } else { format!("{alive} instances are") };
    if dates.now >= deadline {
        return match alive {
            0 => (Status::Expired, format!("the lease ended at {deadline}")),
            _ => (Status::Running, format!("the lease ended at {deadline}, and {are} still ending")),
        };
    }
    if !is_maintained {
        return match alive {
            0 if was_maintained => {
                (Status::Lost, "its Auto Scaling group is gone before the deadline, and with it every instance".to_owned())
            }
            0 => (Status::Launching, "its Auto Scaling group is not made yet".to_owned()),
            _ => (Status::Launching, format!("its Auto Scaling group is gone, and {are} left")),
        };
    }
    if asked == 0 {
        return (Status::Launching, "its Auto Scaling group is told to have no instance".to_owned());
    }
    if running >= asked {
        let all = if asked == 1 { "the instance runs".to_owned() } else { format!("all {asked} instances run") };
        return (Status::Running, format!("{all} until {deadline}"));
    }
    let why = refusal.map(|why| format!(": {why}")).unwrap_or_default();
    (Status::Launching, format!("{}{why}", some_of(running as usize, asked, "instance", ["runs", "run"])))
}

fn with<'a>(members: &[Standing<'a>], status: Status) -> Vec<Standing<'a>> {
    members.iter().copied().filter(|member| member.status == status).collect()
}

/// How those members ended that did not live to the end of their work.
fn expiry(members: &[Standing<'_>]) -> String {
    let (idle, others): (Vec<Standing<'_>>, Vec<Standing<'_>>) =
        with(members, Status::Expired).into_iter().partition(|member| member.idle.is_some());
    match (idle.as_slice(), others.as_slice()) {
        // Of several the notes have the rest.
        ([Standing { rank, idle: Some(idle), .. }], []) if members.len() == 1 => format!("rank {rank} was {idle}"),
        (idle, []) => format!("{} ended for being idle", ranks(idle)),
        ([], others) => format!("{} ended with the lease", ranks(others)),
        (idle, others) => format!("{} ended with the lease, and {} for being idle", ranks(others), ranks(idle)),
    }
}

fn ranks(members: &[Standing<'_>]) -> String {
    let ranks: Vec<String> = members.iter().map(|member| member.rank.to_string()).collect();
    match ranks.len() {
        1 => format!("rank {}", ranks[0]),
        n if n <= 8 => format!("ranks {}", ranks.join(", ")),
        n => format!("{n} ranks"),
    }
}

/// So many of all, and the verb for them: `the rank is`, `1 of 3 ranks is`, `2 of 3 ranks are`.
fn some_of(count: usize, all: u32, noun: &str, [one, several]: [&str; 2]) -> String {
    match (count, all) {
        (_, 1) => format!("the {noun} {one}"),
        (1, _) => format!("1 of {all} {noun}s {one}"),
        _ => format!("{count} of {all} {noun}s {several}"),
    }
}

fn instance_status(members: &[Standing<'_>], dates: Dates) -> (Status, String) {
    let Dates { deadline, kept_until, now } = dates;
    let Some(Standing { status, seen, idle, .. }) = members.first() else {
        return if now >= deadline {
            (Status::Expired, "the lease ended before the instance was launched".to_owned())
        } else {
            (Status::Launching, "the instance is not launched yet".to_owned())
        };
    };
    match seen {
        Seen::Pending => (Status::Launching, "the instance is booting".to_owned()),
        Seen::Running => (Status::Running, format!("the instance runs until {deadline}")),
        Seen::Stopped | Seen::Hibernated if let Some(until) = kept_until => {
            let how = if *seen == Seen::Hibernated { "is hibernated" } else { "has stopped" };
            let why = match idle {
                Some(idle) => idle.to_string(),
                None if now >= deadline => format!("its lease ended at {deadline}"),
                None => "somebody stopped it".to_owned(),
            };
            (Status::Stopped, format!("the instance {how} and is kept until {until}: {why}"))
        }
        _ if *status == Status::Interrupted => (*status, "EC2 took the instance back".to_owned()),
        _ if now >= deadline || *status == Status::Expired || idle.is_some() => {
            let why = idle.map_or_else(|| format!("the lease ended at {deadline}"), ToString::to_string);
            (Status::Expired, why)
        }
        // Lost is what is planned again, and how the command ended is recorded: running it anew is for the user to decide.
        _ if *status == Status::Succeeded => {
            (*status, "the command ended with exit code 0, and the instance vanished before the deadline".to_owned())
        }
        _ if *status == Status::Failed => {
            (*status, "the command did not end with exit code 0, and the instance vanished before the deadline".to_owned())
        }
        Seen::Stopped | Seen::Hibernated | Seen::Gone => {
            (Status::Lost, "the instance vanished before the deadline without a record of why".to_owned())
        }
    }
}
