//! Runs a fleet again: the same fleet, id, name, role and group; a new run, with a lease, records and results of its own.
//!
//! The intent is recorded first, beside the run that it is to replace. What still runs of that one is ended, the new run is
//! launched, and with one conditional write it becomes the fleet's. Until then the former run is what everybody sees, so that a
//! launch that fails has destroyed nothing; and whoever finds an intent whose launcher is dead goes on with it, or takes it back.

mod begun;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use spawn_model::error::{Class, Error, Leftover};
use spawn_model::ids::{FleetId, RunId};
use spawn_model::queue::Resumed;
use spawn_model::record::{FleetRecord, Payload, Rerun, Scheduled};
use spawn_model::spec::FleetSpec;

use crate::cost;
use crate::dns::{self, Names};
use crate::end;
use crate::engine::{self, Engine};
use crate::fleet;
use crate::launch::Launcher;
use crate::lease;
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::plan::{Plan, plan};
use crate::ports::{Aws, Result};
use crate::process;
use crate::queue;
use crate::retry::patiently;
use crate::rights;
use crate::service;
use crate::setup::Setup;
use crate::tags;
use begun::{Begun, Standing};

/// How long the end of a run may take that another one takes the place of.
const END_TIMEOUT: SignedDuration = SignedDuration::from_mins(10);

/// How often a run is begun anew after what a dead launcher had begun was taken back.
const BEGINNINGS_MAX: u32 = 3;

/// What running a fleet again came to.
pub struct RunAgain {
    /// The fleet's record now.
    pub record: FleetRecord,
    /// Whether its run is a new one. It is not if the fleet had run as asked for already, for somebody who could not say so.
    pub launched: bool,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// When a run is the one that is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted<'a> {
    /// If its triggers and its lease are: asking twice is asking once.
    ByTriggers,
    /// Never: each time another one, unless one was begun and not finished.
    Anew,
    /// If it is the one of a moment of the fleet's schedule, or of a later one. Role and group are as the schedule's maker made them.
    Occurrence(Timestamp),
    /// Never: each time another one, which goes on with what the jobs of this run have done.
    Resumed {
        /// The run, which has to be the fleet's.
        run: &'a RunId,
        /// The jobs that run again all the same.
        again: &'a BTreeSet<String>,
    },
}

/// What a launch of one fleet's runs needs.
struct Stage<'a> {
    aws: &'a Aws,
    ledger: Ledger,
    setup: Setup,
    operation: &'a Operation,
}

/// Whether a run is begun, and how.
enum Beginning {
    /// There is nothing to begin.
    Done(Box<FleetRecord>),
    /// By this process.
    First(Arc<Begun>),
    /// By one that died: some of it may have been launched.
    GoneOnWith(Arc<Begun>),
}

impl Engine {
    /// Runs a fleet again as `spec` says, or goes on with that if a launcher died over it.
    ///
    /// # Errors
    /// What failed, after everything of the new run was undone: the former run's records and results stay as they were.
    pub async fn rerun(&self, fleet: &FleetId, spec: &FleetSpec, wanted: Wanted<'_>, operation: &Operation) -> Result<RunAgain> {
        let setup = self.warm().await?;
        let stage = Stage { aws: self.aws(), ledger: self.ledger(&setup), setup, operation };
        let (record, etag) = stage.record(fleet).await?;
        let plan = match wanted {
            // Each is a launch of its own: other types may be cheaper by now.
            Wanted::Occurrence(_) => self.priced(record.kind, spec, &stage.setup).await?,
            Wanted::ByTriggers | Wanted::Anew | Wanted::Resumed { .. } => {
                has_run(&record)?;
                if record.scheduled.is_some() {
                    self.settle(&stage.ledger, &record).await?;
                }
                lease::check(Some(&stage.setup), record.kind, &spec.lease)?;
                rights::check(self.aws(), Some(&stage.setup), spec).await?;
                let observed = self.observe(spec, &record.instance_types, stage.setup.architectures()).await?;
                let dns_name = dns::planned(self.aws(), Some(&stage.setup), spec, &observed.subnets).await?;
                let plan = plan(record.kind, spec, &observed)?.named(dns_name).priced(record.price_usd_per_hour);
                cost::budgeted(self.aws(), spec, plan).await?
            }
        };
        let asked = spec.without_files();
        let (begun, first) = match stage.begin((record, etag), &asked, &plan, wanted).await? {
            Beginning::Done(record) => return Ok(RunAgain { record: *record, launched: false, warnings: Vec::new() }),
            Beginning::First(begun) => (begun, true),
            Beginning::GoneOnWith(begun) => {
                operation.say("going on with a run whose launcher died");
                (begun, false)
            }
        };
        let kept_alive = begun.keep_alive();
        // Whoever goes on with a run asks the pools that it began with, in their order.
        let plan = match self.begun(&plan, &begun.run, spec, &stage.setup).await {
            Ok(plan) => plan,
            Err(error) => return Err(stage.take_back(&begun, error).await),
        };
        let Stage { aws, ledger, setup, .. } = &stage;
        let launcher = Launcher { aws, full: &self.full, ledger, setup, plan: &plan, record: &begun.run, operation, first };
        let launched = stage.launch(&begun, &launcher, spec).await;
        let ran = match launched {
            Ok(shortfall) => {
                let warnings = plan.notes.into_iter().chain(shortfall).collect();
                Ok(RunAgain { record: begun.run.clone(), launched: true, warnings })
            }
            Err(error) => Err(stage.take_back(&begun, error).await),
        };
        // Also over taking it back, which may take long.
        drop(kept_alive);
        ran
    }

    /// A fleet's record as it is now, without a run that somebody began and nobody goes on with: that one is taken back.
    ///
    /// # Errors
    /// `RunLost` if its run is another one by now.
    pub(crate) async fn undisturbed(&self, seen: &FleetRecord) -> Result<FleetRecord> {
        let setup = self.warm().await?;
        let quiet = Operation::quiet();
        let stage = Stage { aws: self.aws(), ledger: self.ledger(&setup), setup, operation: &quiet };
        let (mut record, mut etag) = stage.record(&seen.fleet).await?;
        while let Some(next) = record.next.clone() {
            stage.dead(&record.fleet, &next).await?;
            stage.withdraw(&record, &etag, *next.record).await?;
            (record, etag) = stage.record(&record.fleet).await?;
        }
        if record.run == seen.run { Ok(record) } else { Err(begun::lost(&record.fleet)) }
    }
}

impl Stage<'_> {
    /// The record of a fleet whose end has not begun.
    async fn record(&self, fleet: &FleetId) -> Result<(FleetRecord, String)> {
        self.ledger.fleet_held(fleet).await?.filter(|(record, _)| !record.ended).ok_or_else(|| ended(fleet))
    }

    /// Records the intent, or finds it recorded.
    async fn begin(&self, found: (FleetRecord, String), asked: &FleetSpec, plan: &Plan, wanted: Wanted<'_>) -> Result<Beginning> {
        let (mut record, mut etag) = found;
        for _ in 0..BEGINNINGS_MAX {
            let Some(next) = record.next.clone() else {
                if is_done(&record, asked, wanted) {
                    return Ok(Beginning::Done(Box::new(record)));
                }
                if matches!(wanted, Wanted::Resumed { run, .. } if *run != record.run) {
                    return Err(begun::lost(&record.fleet));
                }
                let run = self.new_run(&record, asked, plan, wanted);
                self.operation.say(&format!("recording the next run: {}, until {}", run.run, lease::deadline_of(&run)));
                return self.intend((&record, &etag), run, false).await.map(Beginning::First);
            };
            self.dead(&record.fleet, &next).await?;
            let is_wanted = !next.withdrawn && next.record.spec == *asked && is_for(&next.record, wanted);
            if is_wanted && lease::deadline_of(&next.record) > self.aws.clock.now() {
                return self.intend((&record, &etag), *next.record, false).await.map(Beginning::GoneOnWith);
            }
            self.operation.say(&format!("taking back {}, whose launcher died", next.record.run));
            self.withdraw(&record, &etag, *next.record).await?;
            (record, etag) = self.record(&record.fleet).await?;
        }
        Err(in_progress(&record.fleet))
    }

    fn new_run(&self, record: &FleetRecord, asked: &FleetSpec, plan: &Plan, wanted: Wanted<'_>) -> FleetRecord {
        if let Wanted::Occurrence(at) = wanted {
            return FleetRecord {
                scheduled: Some(Scheduled { occurrence: Some(at), by_hand: false }),
                instance_types: plan.instance_types.clone(),
                price_usd_per_hour: plan.price_usd_per_hour,
                // As its maker gave them.
                rights_sha256: record.rights_sha256.clone(),
                ..self.new_run(record, asked, plan, Wanted::Anew)
            };
        }
        rights::noted(FleetRecord {
            run: RunId::from_random(engine::random()),
            spec: asked.clone(),
            asked_at: engine::whole_second(self.aws.clock.now()),
            started_at: None,
            image: plan.image.clone(),
            dns: plan.dns_name.clone(),
            rate_usd_per_hour: plan.rate.map(|rate| rate.usd_per_hour()),
            next: None,
            resumed: match wanted {
                Wanted::Resumed { run, again } => Some(Resumed { run: run.clone(), again: again.clone() }),
                Wanted::ByTriggers | Wanted::Anew | Wanted::Occurrence(_) => None,
            },
            scheduled: record.scheduled.map(|scheduled| Scheduled { by_hand: true, ..scheduled }),
            ..record.clone()
        })
    }

    async fn intend(&self, held: (&FleetRecord, &str), run: FleetRecord, withdrawn: bool) -> Result<Arc<Begun>> {
        patiently(self.aws, self.operation, || Begun::write(self.aws, &self.ledger, held, run.clone(), withdrawn)).await
    }

    /// Takes back a run whose launcher died: nothing of it runs, and nothing of it is recorded.
    async fn withdraw(&self, record: &FleetRecord, etag: &str, run: FleetRecord) -> Result<()> {
        let begun = self.intend((record, etag), run, true).await?;
        let kept_alive = begun.keep_alive();
        let undone = self.undo(&begun).await;
        drop(kept_alive);
        undone.map_err(end::unproven)
    }

    /// Waits for a launcher that may be dead to show that it is.
    async fn dead(&self, fleet: &FleetId, next: &Rerun) -> Result<()> {
        let Some(mut heartbeat) = next.heartbeat.clone() else { return Ok(()) };
        while !process::is_dead(&heartbeat, self.aws.clock.now()) {
            self.operation.go_on()?;
            self.aws.clock.sleep(1_000).await;
            let there = self.ledger.fleet(fleet).await?.and_then(|record| record.next);
            let Some(there) = there.filter(|there| there.record.run == next.record.run) else { return Err(in_progress(fleet)) };
            match there.heartbeat {
                Some(there) if there.at == heartbeat.at => heartbeat = there,
                _ => return Err(in_progress(fleet)),
            }
        }
        Ok(())
    }

    /// Makes sure that the fleet's first launcher is dead, which has not launched all of it.
    async fn nobody_launches(&self, record: &FleetRecord) -> Result<()> {
        match self.ledger.claim(&record.spec.name).await? {
            Some((claim, _)) if claim.fleet == record.fleet && !process::is_dead(&claim.heartbeat, self.aws.clock.now()) => {
                Err(in_progress(&record.fleet))
            }
            _ => Ok(()),
        }
    }

    /// Ends what runs of the former run, launches the new one, and makes it the fleet's.
    async fn launch(&self, begun: &Begun, launcher: &Launcher<'_>, spec: &FleetSpec) -> Result<Option<String>> {
        let former = begun.former().await;
        // Before anything ends: somebody else may have the name.
        launcher.named().await?;
        self.end_former(&former).await?;
        let names = Names { aws: self.aws, ledger: &self.ledger, operation: self.operation };
        // A name that is lost, or a zone that is gone, keeps nothing from running again.
        if let Err(error) = names.empty(&former).await {
            self.operation.say(&error.message);
        }
        if let Some(resumed) = &begun.run.resumed {
            patiently(self.aws, self.operation, || queue::keep(&self.ledger, &former, &begun.run.run, &resumed.again)).await?;
        }
        let payload = Payload { resumed: begun.run.resumed.is_some(), ..engine::payload(spec) };
        launcher.records(&payload).await?;
        let fleet_tags = tags::of_fleet(&begun.run.fleet);
        let groups = patiently(self.aws, self.operation, || self.aws.instances.groups(&fleet_tags)).await?;
        let group_id = match groups.first() {
            Some(group_id) if is_scheduled(&begun.run) => group_id.clone(),
            None if is_scheduled(&begun.run) => return Err(incomplete(&begun.run)),
            Some(group_id) => {
                if former.spec.tags != spec.tags {
                    tags::change(self.aws, &groups, &former.spec.tags, &spec.tags).await?;
                }
                launcher.rights_again().await?;
                group_id.clone()
            }
            // Somebody has removed it, and perhaps more.
            None => launcher.surroundings().await?,
        };
        let shortfall = match launcher.instances(&group_id).await {
            // Not new, so it is gone: somebody has removed it.
            Err(error) if error.code == "ProfileNotReady" && !is_scheduled(&begun.run) => {
                launcher.instances(&launcher.surroundings().await?).await?
            }
            launched => launched?,
        };
        patiently(self.aws, self.operation, || begun.commit()).await?;
        Ok(shortfall)
    }

    /// Ends the run that another one takes the place of. Its lease goes first: that is the truth about when it ends, and says
    /// afterwards why its instances are gone.
    async fn end_former(&self, former: &FleetRecord) -> Result<()> {
        if former.has_not_run() {
            return Ok(());
        }
        if service::is_service(former) {
            return self.end_former_service(former).await;
        }
        let run_tags = tags::of_run(&former.run);
        let seen = patiently(self.aws, self.operation, || self.aws.instances.describe(&run_tags)).await?;
        let now = self.aws.clock.now();
        let all_gone = seen.iter().all(|instance| instance.gone);
        let size = fleet::size(&self.ledger, former).await? as usize;
        let all_seen = seen.len() >= size || now >= former.asked_at + end::LISTED;
        if !(all_gone && all_seen) {
            self.operation.say(&format!("ending what runs of {}", former.run));
            let launched = end::launched_lately(self.aws, &self.ledger, former).await?;
            let all_known = all_seen || launched.len() >= size;
            if !all_known {
                self.nobody_launches(former).await?;
            }
            self.lease_over(former, now).await?;
            // What was launched last may not be seen yet.
            let settled = if all_known { now } else { now + end::UNSEEN };
            end::terminate(self.aws, &run_tags, launched, settled, END_TIMEOUT, self.operation).await?;
        }
        patiently(self.aws, self.operation, || lease::schedules_drop(self.aws, &self.setup, former)).await
    }

    async fn end_former_service(&self, former: &FleetRecord) -> Result<()> {
        let now = self.aws.clock.now();
        self.operation.say(&format!("ending what runs of {}", former.run));
        self.lease_over(former, now).await?;
        self.remove_service(former, self.operation).await?;
        patiently(self.aws, self.operation, || lease::schedules_drop(self.aws, &self.setup, former)).await
    }

    /// Removes the group of a run, and all that it has launched.
    async fn remove_service(&self, run: &FleetRecord, operation: &Operation) -> Result<()> {
        patiently(self.aws, operation, || service::dismiss(self.aws, &run.run)).await?;
        let settled = self.aws.clock.now() + end::UNSEEN;
        end::terminate(self.aws, &tags::of_run(&run.run), Vec::new(), settled, END_TIMEOUT, operation).await?;
        patiently(self.aws, operation, || service::gone(self.aws, &run.run, END_TIMEOUT)).await
    }

    async fn lease_over(&self, former: &FleetRecord, now: Timestamp) -> Result<()> {
        let Some(mut lease) = self.ledger.lease(&former.fleet, &former.run).await? else { return Ok(()) };
        if lease.deadline <= now {
            return Ok(());
        }
        lease.deadline = engine::whole_second(now);
        lease.generation += 1;
        patiently(self.aws, self.operation, || self.ledger.lease_write(&former.fleet, &former.run, &lease)).await
    }

    /// Undoes a launch that failed, unless somebody else has gone on with it.
    async fn take_back(&self, begun: &Begun, error: Error) -> Error {
        self.operation.say(&format!("undoing the new run: {}", error.message));
        let undone = match begun.standing().await {
            // Its launcher answers for it.
            Ok(Standing::SomebodyElses) => return error.leaving(Leftover::Unknown),
            Ok(Standing::Withdrawn) => self.remove_all(&begun.run).await,
            Ok(Standing::Ours) => match patiently(self.aws, &Operation::quiet(), || begun.withdraw()).await {
                Ok(()) => self.undo(begun).await,
                Err(unwritten) => Err(unwritten),
            },
            Err(unread) => Err(unread),
        };
        match undone {
            Ok(()) => error
                .helped("Nothing of the new run is left; records and results of the former one are as they were")
                .leaving(Leftover::Clear),
            Err(failed) => {
                let left = end::left_by_both(&error.left, failed.left);
                error.helped(&format!("Undoing it failed too ({}); applying or destroying it tries again", failed.message)).leaving(left)
            }
        }
    }

    async fn undo(&self, begun: &Begun) -> Result<()> {
        self.remove(&begun.run).await?;
        patiently(self.aws, &Operation::quiet(), || begun.abandon()).await
    }

    /// Removes a run whose fleet somebody has ended meanwhile, and what was made of that anew.
    async fn remove_all(&self, run: &FleetRecord) -> Result<()> {
        self.remove(run).await?;
        if self.ledger.ended(&run.fleet).await? {
            end::end(self.aws, &self.ledger, &self.setup, &run.fleet, END_TIMEOUT, &Operation::quiet()).await?;
        }
        Ok(())
    }

    /// Removes a run that came to nothing: its instances, then its schedules, then its records.
    async fn remove(&self, run: &FleetRecord) -> Result<()> {
        let quiet = Operation::quiet();
        if service::is_service(run) {
            self.remove_service(run, &quiet).await?;
        } else {
            let launched = end::launched_lately(self.aws, &self.ledger, run).await?;
            let settled = self.aws.clock.now() + end::UNSEEN;
            end::terminate(self.aws, &tags::of_run(&run.run), launched, settled, END_TIMEOUT, &quiet).await?;
        }
        patiently(self.aws, &quiet, || lease::schedules_drop(self.aws, &self.setup, run)).await?;
        self.ledger.run_erase(&run.fleet, &run.run).await
    }
}

/// Whether a run is what is asked for.
fn is_the_run(ran: &FleetSpec, asked: &FleetSpec) -> bool {
    (&ran.triggers, &ran.lease, ran.size) == (&asked.triggers, &asked.lease, asked.size)
}

/// Whether there is nothing to be begun any more.
fn is_done(record: &FleetRecord, asked: &FleetSpec, wanted: Wanted<'_>) -> bool {
    match wanted {
        Wanted::ByTriggers => is_the_run(&record.spec, asked),
        Wanted::Anew | Wanted::Resumed { .. } => false,
        Wanted::Occurrence(at) => record.scheduled.and_then(|scheduled| scheduled.occurrence).is_some_and(|last| last >= at),
    }
}

/// Whether a run that was begun is for what one is wanted for: a moment, or to go on with another one.
fn is_for(run: &FleetRecord, wanted: Wanted<'_>) -> bool {
    match wanted {
        Wanted::ByTriggers | Wanted::Anew => run.resumed.is_none(),
        Wanted::Occurrence(at) => run.started_for() == Some(at),
        Wanted::Resumed { run: before, again } => {
            run.resumed.as_ref().is_some_and(|resumed| resumed.run == *before && resumed.again == *again)
        }
    }
}

/// Whether a schedule starts the run, whose starter makes no role and no group.
fn is_scheduled(run: &FleetRecord) -> bool {
    run.started_for().is_some()
}

/// Refuses the fleet of a schedule that has started nothing yet.
pub(crate) fn has_run(record: &FleetRecord) -> Result<()> {
    if !record.has_not_run() {
        return Ok(());
    }
    let message = format!("{} has not run yet: its schedule starts it", record.spec.name);
    let help = format!("`spawn schedule show {}` says when", record.spec.name);
    Err(Error::new(Class::Conflict, "NotRunYet", message, &help))
}

/// What the starter of a schedule does not make.
fn incomplete(run: &FleetRecord) -> Error {
    let message = format!("the security group of {} is not there any more: somebody has removed it", run.fleet);
    let help = format!("Apply it again, with Terraform or `spawn schedule apply`: that makes what is missing of {}", run.spec.name);
    Error::new(Class::Conflict, "FleetIncomplete", message, &help)
}

fn ended(fleet: &FleetId) -> Error {
    let message = format!("{fleet} is not there any more, or its end has begun");
    Error::new(Class::Conflict, "FleetEnded", message, "Plan again: the next plan launches another one")
}

pub(crate) fn in_progress(fleet: &FleetId) -> Error {
    let help = "Wait until it is done, and try again";
    Error::new(Class::Conflict, "BeingLaunched", format!("another process is launching {fleet} at this moment"), help)
}
