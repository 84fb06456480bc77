//! Schedules: fleets whose runs EventBridge Scheduler starts, through the one launcher.
//!
//! A schedule is a fleet from the moment it is made: it has a name, an id, a role and a group, and no run yet. At its times Scheduler
//! invokes the starter, which runs the fleet again (see [`crate::rerun`]) with what the schedule says by then. What is to be launched, and
//! when, is one object in the bucket; what became of each start is another.

mod start;

use std::collections::BTreeSet;

use futures::join;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use spawn_model::duration::Seconds;
use spawn_model::error::{Class, Error};
use spawn_model::ids::{FleetId, RunId};
use spawn_model::layout;
use spawn_model::problem::Path;
use spawn_model::record::{FleetRecord, Scheduled};
use spawn_model::schedule::{History, ScheduleRecord, ScheduleReport, ScheduleSpec, ScheduleStatus, Start, TimingSpec};

use crate::claim::{Claimant, caller_identity};
use crate::end;
use crate::engine::{self, CLAIMS_MAX, Engine, Launch};
use crate::fleet::{self, Fleet};
use crate::launch::Launcher;
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::plan::Plan;
use crate::ports::{Calendar, Result, Schedule, Target, Times};
use crate::retry::patiently;
use crate::rights;
use crate::setup::Setup;
use crate::tags;

pub use start::Started;

/// How many starts are reported.
const REPORTED: usize = 10;

/// A schedule at one moment.
#[derive(Clone, Debug)]
pub struct ScheduleLook {
    /// What is launched, and when.
    pub record: ScheduleRecord,
    /// Its times as Scheduler has them, where that is not what is recorded.
    pub timing_seen: TimingSpec,
    /// Its fleet: the last run, if there was one.
    pub fleet: Fleet,
    /// How it stands.
    pub status: ScheduleStatus,
    /// When it starts something next.
    pub next: Option<Timestamp>,
    /// Its last starts.
    pub history: History,
    /// What somebody has changed that putting it again puts right, a clause each.
    pub faults: Vec<String>,
}

impl ScheduleLook {
    /// What the faces show.
    #[must_use]
    pub fn report(&self) -> ScheduleReport {
        let timing = self.record.timing();
        ScheduleReport {
            id: self.record.fleet.to_string(),
            region: self.fleet.record.region.clone(),
            status: self.status.word().to_owned(),
            next_run_at: self.next.map(|at| at.to_string()),
            ends_at: timing.and_then(|timing| timing.until()).map(|at| at.to_string()),
            last_runs: self.starts().take(REPORTED).collect(),
        }
    }

    /// Its starts as far as they are remembered, the latest first.
    pub fn starts(&self) -> impl Iterator<Item = Start> {
        let current = &self.fleet.record;
        self.history.occurrences.iter().rev().map(|occurrence| {
            let is_current = occurrence.run.as_ref() == Some(&current.run);
            let told = Start::from(occurrence);
            if is_current { Start { status: Some(self.fleet.status.to_string()), ..told } } else { told }
        })
    }
}

/// What Scheduler sends the starter.
fn input(fleet: &FleetId) -> String {
    format!(r#"{{"fleet":"{fleet}","time":"<aws.scheduler.scheduled-time>"}}"#)
}

/// A schedule as Scheduler is told; nothing if it is over, and has to tell nothing any more.
fn told(setup: &Setup, record: &ScheduleRecord, now: Timestamp) -> Result<Option<Schedule>> {
    let timing = record.timing().ok_or_else(|| {
        let message = format!("the times of {} cannot be read", record.fleet);
        Error::new(Class::Invalid, "RecordUnreadable", message, "Set them anew, or use the version of spawn that wrote them")
    })?;
    if timing.next(now).is_none() {
        return Ok(None);
    }
    Ok(Some(Schedule {
        name: layout::start_schedule_name(&record.fleet),
        group: setup.schedule_group.clone(),
        times: Times::By(Calendar {
            expression: timing.expression(),
            zone: record.timing.timezone.clone(),
            start: timing.starts_at(now),
            end: timing.ends_at(),
            late_s: u32::try_from(record.timing.start_within.0).unwrap_or(u32::MAX),
        }),
        is_enabled: record.timing.enabled,
        role_arn: setup.scheduler_role_arn.clone(),
        target: Target::Function { arn: setup.starter()?.to_owned(), input: Some(input(&record.fleet)) },
    }))
}

/// What is recorded, as Scheduler has it now; and what of that no field shows.
fn seen(record: &ScheduleRecord, wanted: Option<&Schedule>, found: Option<&Schedule>, now: Timestamp) -> (TimingSpec, Vec<String>) {
    let mut timing = record.timing.clone();
    let Some(wanted) = wanted else { return (timing, Vec::new()) };
    let Some(found) = found else {
        let nothing = TimingSpec { cron: None, rate: None, at: None, ..timing };
        return (nothing, vec![format!("{}, which starts its runs, is not there", wanted.name)]);
    };
    let mut faults = Vec::new();
    if let (Times::By(wanted), Times::By(found)) = (&wanted.times, &found.times) {
        if wanted.expression != found.expression {
            let text = |field: &Option<String>| field.as_ref().map(|_| found.expression.clone());
            (timing.cron, timing.at) = (text(&timing.cron), text(&timing.at));
            timing.rate = timing.rate.and_then(|_| rate(&found.expression));
        }
        timing.timezone.clone_from(&found.zone);
        timing.start_within = Seconds(found.late_s.into());
        let is_started = record.timing().is_some_and(|timing| timing.is_started_by(found.start, now));
        if !is_started || wanted.end != found.end {
            faults.push("its first or last date was changed".to_owned());
        }
    }
    timing.enabled = found.is_enabled;
    if (&wanted.target, &wanted.role_arn) != (&found.target, &found.role_arn) {
        faults.push("what it invokes was changed".to_owned());
    }
    (timing, faults)
}

/// The interval of a rate.
fn rate(expression: &str) -> Option<Seconds> {
    let (count, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let seconds = match unit.trim_end_matches('s') {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(seconds).map(Seconds)
}

fn hash(spec: &ScheduleSpec) -> String {
    let timing = serde_json::to_string(&spec.timing).unwrap_or_default();
    hex::encode(Sha256::digest(format!("schedule {} {timing}", spec.fleet.hash(spec.kind))))
}

fn no_such_schedule(name: &str) -> Error {
    let help = "`spawn ls` lists what there is";
    Error::new(Class::NotFound, "NoSuchSchedule", format!("there is no schedule {name}"), help)
}

/// Refuses a change of what is made with a schedule.
fn is_the_same(spec: &ScheduleSpec, known: &ScheduleRecord) -> Result<()> {
    let Some(field) = spec.takes_another_than(known.kind, &known.spec) else { return Ok(()) };
    let name = &known.spec.name;
    let message = format!("the {field} of {name} cannot be changed: what it starts is launched into what was made with it");
    let help = format!("Give the schedule another name, or end this one first with `spawn down {name}`");
    Err(Error::new(Class::Conflict, "MadeOnce", message, &help))
}

fn changed_meanwhile(name: &str) -> Error {
    Error::new(
        Class::Conflict,
        "RecordChanged",
        format!("the schedule {name} was changed by somebody else meanwhile"),
        "Look at it again, and apply again",
    )
}

/// Refuses what never starts anything.
fn starts_something(record: &ScheduleRecord, now: Timestamp) -> Result<()> {
    if record.standing(now).0 != ScheduleStatus::Over {
        return Ok(());
    }
    let timing = &record.timing;
    let field = if timing.at.is_some() {
        "at"
    } else if timing.end.is_some() {
        "end"
    } else {
        "cron"
    };
    let until = record.timing().and_then(|timing| timing.until());
    let message = match until {
        Some(until) => format!("nothing is started any more: the last moment for it is {until}"),
        None => "nothing is ever started".to_owned(),
    };
    Err(Error::new(Class::Invalid, "ScheduleOver", message, "Write a later time").at(Path::field(field)))
}

impl Engine {
    /// Says what a schedule's runs would leave out, and fails if they could not be launched as things are now, or none would ever be.
    ///
    /// # Errors
    /// Whatever would keep the schedule from being made or its runs from being launched, and can be seen before.
    pub async fn schedule_check(&self, spec: &ScheduleSpec, known: Option<&FleetId>, own: &BTreeSet<FleetId>) -> Result<Vec<String>> {
        let known = match known {
            Some(fleet) => Some(self.schedule_recorded(fleet).await?.1),
            None => None,
        };
        known.iter().try_for_each(|known| is_the_same(spec, known))?;
        if known.is_none_or(|known| !spec.timing.has_times_of(&known.timing)) {
            starts_something(&ScheduleRecord::new(spec, FleetId::from_random([0; 8]), self.now()), self.now())?;
        }
        if let Some(setup) = self.found().await? {
            setup.starter()?;
        }
        let field = Path::field(spec.kind.word());
        self.check(spec.kind, &spec.fleet, own).await.map_err(|error| within(error, &field))
    }

    /// Makes a schedule, or goes on with one whose maker died. Nothing is launched yet.
    ///
    /// # Errors
    /// What failed, after everything it had made was undone; the error says what is left if that failed too.
    pub async fn schedule_create(&self, spec: &ScheduleSpec, operation: &Operation) -> Result<Launch> {
        let mut warnings = Vec::new();
        let (caller, setup) = join!(self.aws().identity.caller(), self.found());
        let caller = caller?;
        let setup = self.set_up(&caller, setup?, &mut warnings, operation).await?;
        setup.starter()?;
        let plan = self.schedule_plan(spec, &setup).await?;
        warnings.extend(plan.notes.iter().cloned());
        let (ledger, name) = (self.ledger(&setup), &spec.fleet.name);
        for _ in 0..CLAIMS_MAX {
            let claimant = Claimant {
                fleet: FleetId::from_random(engine::random()),
                run: RunId::from_random(engine::random()),
                caller: caller_identity(&caller),
                spec_hash: hash(spec),
            };
            let Some((claim, first)) = self.claimed(&ledger, &setup, name, claimant, operation).await? else { continue };
            let kept_alive = claim.keep_alive();
            let (fleet, run) = claim.fleet().await;
            let record = self.record(spec.kind, &spec.fleet, &caller, &plan, (fleet, run));
            let record = FleetRecord { scheduled: Some(Scheduled::default()), ..record };
            let launcher = Launcher {
                aws: self.aws(),
                full: &self.full,
                ledger: &ledger,
                setup: &setup,
                plan: &plan,
                record: &record,
                operation,
                first,
            };
            return match self.schedule_make(spec, &launcher).await {
                Ok(()) => Ok(Launch { record, claim, kept_alive, warnings }),
                Err(error) => Err(self.undo(&ledger, &setup, &record, error, operation).await),
            };
        }
        Err(engine::taken_again(name))
    }

    async fn schedule_plan(&self, spec: &ScheduleSpec, setup: &Setup) -> Result<Plan> {
        let field = Path::field(spec.kind.word());
        self.launchable(spec.kind, &spec.fleet, setup).await.map_err(|error| within(error, &field))
    }

    /// What is recorded comes first, and what starts runs last: until then nothing happens by itself.
    async fn schedule_make(&self, spec: &ScheduleSpec, launcher: &Launcher<'_>) -> Result<()> {
        let Launcher { ledger, setup, record, operation, .. } = launcher;
        operation.say(&format!("recording the schedule: {}", record.fleet));
        // A run that was started meanwhile is recorded in the place of what its maker recorded.
        if launcher.first || !ledger.is_recorded(&record.fleet).await? {
            ledger.fleet_write(record).await?;
        }
        let schedule = ScheduleRecord::new(spec, record.fleet.clone(), engine::whole_second(self.now()));
        starts_something(&schedule, self.now())?;
        launcher.patiently(|| ledger.schedule_begin(&schedule)).await?;
        // An earlier maker's, whose times count.
        let schedule = ledger.schedule(&record.fleet).await?.unwrap_or(schedule);
        operation.go_on()?;
        operation.say("making role, security group and the schedule that starts the runs");
        launcher.surroundings().await?;
        launcher.patiently(|| launcher.placement_group()).await?;
        self.schedule_tell(ledger, setup, &schedule, operation).await.map_err(|e| e.context("making the schedule"))
    }

    /// Tells Scheduler of a schedule. Whoever has ended that meanwhile may have been before this.
    async fn schedule_tell(&self, ledger: &Ledger, setup: &Setup, schedule: &ScheduleRecord, operation: &Operation) -> Result<()> {
        let schedules = &self.aws().schedules;
        // What is over is left as it is: its last start may still have to come, or be tried again.
        if let Some(told) = told(setup, schedule, self.now())? {
            patiently(self.aws(), operation, || async { schedules.put(&told).await }).await?;
        }
        self.schedule_there(ledger, setup, &schedule.fleet, operation).await
    }

    /// Fails if a schedule has been ended, after what is there again was removed.
    async fn schedule_there(&self, ledger: &Ledger, setup: &Setup, fleet: &FleetId, operation: &Operation) -> Result<()> {
        if ledger.fleet(fleet).await?.is_some_and(|record| !record.ended) {
            return Ok(());
        }
        end::end(self.aws(), ledger, setup, fleet, engine::UNDO_TIMEOUT, operation).await?;
        Err(no_such_schedule(fleet.as_str()))
    }

    /// Changes a schedule: its next run is launched from what it says then. Puts right what somebody has changed of it.
    ///
    /// # Errors
    /// `NoSuchSchedule`; what would keep its runs from being launched; else the first write that failed: the same call again finishes it.
    pub async fn schedule_change(&self, fleet: &FleetId, spec: &ScheduleSpec, operation: &Operation) -> Result<Vec<String>> {
        let setup = self.warm().await?;
        let ledger = self.ledger(&setup);
        let (record, known) = self.schedule_recorded(fleet).await?;
        is_the_same(spec, &known)?;
        let is_timed_anew = !spec.timing.has_times_of(&known.timing);
        let counted_from = if is_timed_anew { engine::whole_second(self.now()) } else { known.counted_from };
        let wanted = ScheduleRecord::new(spec, fleet.clone(), counted_from);
        if is_timed_anew {
            starts_something(&wanted, self.now())?;
        }
        let plan = self.schedule_plan(spec, &setup).await?;
        let to_be = rights::noted(FleetRecord { spec: spec.fleet.without_files(), ..record.clone() });
        let (aws, full) = (self.aws(), &*self.full);
        let launcher = Launcher { aws, full, ledger: &ledger, setup: &setup, plan: &plan, record: &to_be, operation, first: false };
        launcher.surroundings_again(&known.spec.tags).await?;
        launcher.patiently(|| launcher.placement_group()).await?;
        let changed = async {
            ledger.fleet_edit(fleet, |record| record.rights_sha256.clone_from(&to_be.rights_sha256)).await?;
            let edit = |schedule: &mut ScheduleRecord| {
                if *schedule != known && *schedule != wanted {
                    return Err(changed_meanwhile(&known.spec.name));
                }
                schedule.clone_from(&wanted);
                Ok(())
            };
            ledger.schedule_edit(fleet, edit).await?.ok_or_else(|| no_such_schedule(fleet.as_str()))
        };
        let written = match changed.await {
            Ok(written) => written,
            // Whoever has ended it meanwhile may have been before what was made again here.
            Err(error) => return Err(self.schedule_there(&ledger, &setup, fleet, operation).await.err().unwrap_or(error)),
        };
        self.schedule_tell(&ledger, &setup, &written, operation).await.map_err(|e| e.context("changing the schedule"))?;
        Ok(plan.notes)
    }

    /// Pauses a schedule, or lets it go on. What would have started meanwhile is left out.
    ///
    /// # Errors
    /// `NoSuchSchedule`, or the write that failed: the same call again finishes it.
    pub async fn schedule_enable(&self, fleet: &FleetId, is_enabled: bool) -> Result<()> {
        let setup = self.warm().await?;
        let ledger = self.ledger(&setup);
        self.schedule_recorded(fleet).await?;
        let edit = |schedule: &mut ScheduleRecord| {
            schedule.timing.enabled = is_enabled;
            Ok(())
        };
        let written = ledger.schedule_edit(fleet, edit).await?;
        let written = written.ok_or_else(|| no_such_schedule(fleet.as_str()))?;
        let told = self.schedule_tell(&ledger, &setup, &written, &Operation::quiet()).await;
        told.map_err(|e| e.context("changing the schedule"))
    }

    /// What is recorded of a schedule whose end has not begun.
    async fn schedule_recorded(&self, fleet: &FleetId) -> Result<(FleetRecord, ScheduleRecord)> {
        let ledger = self.ledger(&self.warm().await?);
        let (record, schedule) = (ledger.fleet(fleet).await?, ledger.schedule(fleet).await?);
        record.filter(|record| !record.ended).zip(schedule).ok_or_else(|| no_such_schedule(fleet.as_str()))
    }

    /// Looks at a schedule; nothing if it is not there any more.
    ///
    /// # Errors
    /// If the bucket, EC2 or Scheduler cannot be read.
    pub async fn schedule_look(&self, fleet: &FleetId) -> Result<Option<ScheduleLook>> {
        let Some(setup) = self.found().await? else { return Ok(None) };
        let ledger = self.ledger(&setup);
        let Some(fleet) = fleet::look(self.aws(), &ledger, fleet).await? else { return Ok(None) };
        let (id, name) = (fleet.record.fleet.clone(), layout::start_schedule_name(&fleet.record.fleet));
        let (mine, role) = (tags::of_fleet(&id), layout::role_name(&id));
        let (schedule, history, found, groups, rights) = join!(
            ledger.schedule(&id),
            ledger.history(&id),
            self.aws().schedules.find(&setup.schedule_group, &name),
            self.aws().instances.groups(&mine),
            self.aws().identity.role_policy(&role),
        );
        let (Some(record), mut history, found, groups) = (schedule?, history?, found?, groups?) else { return Ok(None) };
        let now = self.now();
        let wanted = told(&setup, &record, now)?;
        let (timing_seen, mut faults) = seen(&record, wanted.as_ref(), found.as_ref(), now);
        if groups.is_empty() {
            faults.push("its security group is not there any more, without which nothing can be started".to_owned());
        }
        if rights?.is_none() {
            faults.push(format!("its role {role} may do nothing any more"));
        }
        let (mut status, mut next) =
            ScheduleRecord { timing: TimingSpec { enabled: timing_seen.enabled, ..record.timing.clone() }, ..record.clone() }.standing(now);
        if wanted.is_some() && found.is_none() && status == ScheduleStatus::Active {
            // Nothing invokes the starter.
            (status, next) = (ScheduleStatus::Paused, None);
        }
        start::remember(&mut history, &fleet.record);
        Ok(Some(ScheduleLook { record, timing_seen, fleet, status, next, history, faults }))
    }

    /// The schedule with an id or a name.
    ///
    /// # Errors
    /// `NoSuchSchedule`.
    pub async fn schedule_find(&self, id_or_name: &str) -> Result<ScheduleLook> {
        let ledger = self.ledger(&self.warm().await?);
        let id = fleet::find(&ledger, id_or_name).await?;
        self.schedule_look(&id).await?.ok_or_else(|| no_such_schedule(id_or_name))
    }
}

/// An error about the fleet of a schedule, at its place there.
fn within(error: Error, field: &Path) -> Error {
    let is_own = error.path.0.is_empty() || error.path == Path::field("name");
    let path = if is_own { error.path.clone() } else { Path(field.0.iter().chain(&error.path.0).cloned().collect()) };
    Error { path, ..error }
}
