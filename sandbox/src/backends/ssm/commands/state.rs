//! Commands, and what has become of them on each instance.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::asked::{Amount, LogOutput, Script, Target};

/// Where an invocation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Has not reached its instance.
    Pending,
    /// Runs.
    InProgress,
    /// Is being ended.
    Cancelling,
    /// Ended with 0.
    Success,
    /// Ended otherwise.
    Failed,
    /// Was ended because somebody asked.
    Cancelled,
    /// Was ended because it ran too long.
    ExecutionTimedOut,
    /// Nothing was heard of it in time.
    DeliveryTimedOut,
    /// Was not begun, because too many others had failed.
    Terminated,
}

impl Status {
    /// As `Status` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ExecutionTimedOut | Self::DeliveryTimedOut => "TimedOut",
            Self::Terminated => "Failed",
            other => other.details(),
        }
    }

    /// As `StatusDetails` has it.
    pub(super) fn details(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Cancelling => "Cancelling",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::ExecutionTimedOut => "ExecutionTimedOut",
            Self::DeliveryTimedOut => "DeliveryTimedOut",
            Self::Terminated => "Terminated",
        }
    }

    pub(super) fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress | Self::Cancelling)
    }

    /// Whether it counts against `MaxErrors`.
    fn is_error(self) -> bool {
        matches!(self, Self::Failed | Self::ExecutionTimedOut)
    }
}

/// A command on one instance.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) instance: String,
    /// The instance's name, by its tag.
    pub(super) instance_name: String,
    pub(super) status: Status,
    /// Somebody carries it out.
    pub(super) taken: bool,
    /// Its instance went away under it.
    pub(super) lost: bool,
    /// Not tried again before this.
    pub(super) retry: Timestamp,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    /// What the script exited with; -1 if nothing is known of that.
    pub(super) code: i32,
    pub(super) output: String,
    pub(super) errors: String,
    pub(super) cancel: CancellationToken,
}

impl Invocation {
    pub(super) fn new(instance: String, instance_name: String, now: Timestamp) -> Self {
        Self {
            instance,
            instance_name,
            status: Status::Pending,
            taken: false,
            lost: false,
            retry: now,
            started: None,
            ended: None,
            code: -1,
            output: String::new(),
            errors: String::new(),
            cancel: CancellationToken::new(),
        }
    }

    /// Whether no agent will tell how it goes, as things are.
    fn is_unheard(&self) -> bool {
        !self.status.is_over() && (self.status == Status::Pending || self.lost)
    }

    /// Records an end, unless it has one.
    pub(super) fn end(&mut self, status: Status, now: Timestamp) {
        if !self.status.is_over() {
            (self.status, self.ended) = (status, Some(now));
        }
    }
}

/// A command.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) id: String,
    pub(super) region: String,
    pub(super) version: String,
    pub(super) comment: String,
    pub(super) parameters: BTreeMap<String, Vec<String>>,
    pub(super) named: Vec<String>,
    pub(super) targets: Vec<Target>,
    pub(super) requested: Timestamp,
    /// When it is too late to be heard of.
    pub(super) expires: Timestamp,
    pub(super) timeout_s: u32,
    pub(super) concurrency: Amount,
    pub(super) errors: Amount,
    pub(super) output: LogOutput,
    pub(super) script: Script,
    pub(super) invocations: Vec<Invocation>,
    pub(super) cancelled: bool,
}

impl Command {
    fn count(&self, is: impl Fn(Status) -> bool) -> usize {
        self.invocations.iter().filter(|invocation| is(invocation.status)).count()
    }

    pub(super) fn completed(&self) -> usize {
        self.count(Status::is_over)
    }

    pub(super) fn failed(&self) -> usize {
        self.count(Status::is_error)
    }

    pub(super) fn undelivered(&self) -> usize {
        self.count(|status| status == Status::DeliveryTimedOut)
    }

    fn has_too_many_errors(&self) -> bool {
        self.failed() > self.errors.of(self.invocations.len())
    }

    /// `Status` and `StatusDetails` of the whole.
    pub(super) fn status(&self, now: Timestamp) -> (&'static str, &'static str) {
        let all = self.invocations.len();
        let is = |wanted: Status| self.count(|status| status == wanted);
        let plain = |name| (name, name);
        if all == 0 {
            // It takes a moment until that is found.
            return if now > self.requested { ("Success", "NoInstancesInTag") } else { plain("Pending") };
        }
        if self.completed() < all {
            return plain(match () {
                () if self.cancelled => "Cancelling",
                () if is(Status::Pending) == all => "Pending",
                () => "InProgress",
            });
        }
        match () {
            () if is(Status::Success) == all => plain("Success"),
            () if self.cancelled && is(Status::Cancelled) > 0 => plain("Cancelled"),
            () if self.has_too_many_errors() && is(Status::ExecutionTimedOut) == self.failed() => ("TimedOut", "ExecutionTimedOut"),
            () if self.has_too_many_errors() => plain("Failed"),
            () if self.undelivered() == all => ("TimedOut", "DeliveryTimedOut"),
            () => ("Failed", "Incomplete"),
        }
    }

    /// The invocations that are to begin now, if any are; once too many have failed the others never do.
    pub(super) fn take(&mut self, now: Timestamp) -> Vec<usize> {
        if self.has_too_many_errors() {
            for invocation in self.invocations.iter_mut().filter(|invocation| !invocation.taken) {
                invocation.end(Status::Terminated, now);
            }
        }
        let at_once = self.concurrency.of(self.invocations.len()).max(1);
        let running = self.invocations.iter().filter(|invocation| invocation.taken && !invocation.status.is_over()).count();
        let free = at_once.saturating_sub(running);
        let ready = |invocation: &Invocation| invocation.status == Status::Pending && !invocation.taken && invocation.retry <= now;
        let numbers: Vec<usize> = (0..self.invocations.len()).filter(|number| ready(&self.invocations[*number])).take(free).collect();
        for number in &numbers {
            self.invocations[*number].taken = true;
        }
        numbers
    }

    /// When something is next due: that it is too late, or that an instance is tried again.
    pub(super) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let unheard = self.invocations.iter().filter(|invocation| invocation.is_unheard());
        let waits = |invocation: &Invocation| !invocation.taken && invocation.retry > now;
        unheard.map(|invocation| if waits(invocation) { invocation.retry.min(self.expires) } else { self.expires }).min()
    }

    /// Ends what was not heard of in time.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if now >= self.expires {
            let unheard = self.invocations.iter_mut().filter(|invocation| invocation.is_unheard());
            unheard.for_each(|invocation| invocation.end(Status::DeliveryTimedOut, now));
        }
    }
}
