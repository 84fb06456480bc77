//! Plan, create, read, update, delete and import of a fleet.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use spawn_core::engine::{Engine, Launch};
use spawn_core::fleet::Fleet;
use spawn_core::operation::Operation;
use spawn_core::plan::advice;
use spawn_core::rehearsal::Checked;
use spawn_core::rerun::{RunAgain, Wanted};
use spawn_core::wait::Waited;
use spawn_model::duration::Seconds;
use spawn_model::error::{Class, Error};
use spawn_model::ids::FleetId;
use spawn_model::problem::{self, Problem};
use spawn_model::read::FieldType;
use spawn_model::record::{FleetRecord, Keeper};
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec, LeaseSpec};
use spawn_model::status::Status;
use spawn_model::value::Value;

use super::{FleetResource, messages, state, type_name};
use crate::resources::remembered::Remembered;
use crate::wire::{ApplyResponse, Diagnostic, Imported, Path, PlanRequest, PlanResponse, ReadRequest, ReadResponse, forget_run};

/// How long a deletion waits for instances to be gone if `timeouts.delete` does not say.
pub(in crate::resources) const DELETE_TIMEOUT: SignedDuration = SignedDuration::from_mins(10);

/// What the provider remembers of a fleet beside its state.
#[derive(Default, Serialize, Deserialize)]
struct Private {
    /// Whether the fleet's name is known to be acknowledged, so that not every Read asks.
    acknowledged: bool,
    /// Whether something was wrong with what ends it from outside when it was last looked at: then its lease is planned to be applied again,
    /// whatever the configuration says of it or has Terraform ignore.
    #[serde(default)]
    has_lease_faults: bool,
    /// The same of its name in DNS, if it had it no more.
    #[serde(default)]
    has_lost_name: bool,
}

impl Remembered for Private {}

impl FleetResource {
    /// A creation is checked against AWS as far as it can be before anything is made.
    pub(super) async fn plan_fleet(&self, request: PlanRequest) -> PlanResponse {
        let mut response = PlanResponse::from(request.clone());
        let Some(planned) = &mut response.planned else { return response };
        if let Some(prior) = &request.prior {
            if let Ok(id) = fleet_id(prior) {
                self.session.seen_in_state(id);
            }
            if self.runs_again(prior, planned) && response.requires_replace.is_empty() {
                forget_run(self.fields, planned);
                response.diagnostics.extend(ends_first_warning(prior));
                if self.session.is_strict() {
                    let found = self.rehearsed(prior, planned).await;
                    response.diagnostics.extend(found.unwrap_or_else(|error| vec![messages::error(&error)]));
                }
                return response;
            }
            if prior.get("lease") != planned.get("lease")
                && let (Some(spec), _) = read_spec(self.kind, &self.spec_part(planned))
            {
                response.diagnostics.extend(advice(&spec).map(|note| Diagnostic::warning(messages::sentence(&note), "")));
            }
            let is_lost = self.is_kept() && prior.get("status").as_str() == Some("lost");
            if is_lost {
                // Not taken out of the state: only who ends it for good removes what else was made of it.
                response.requires_replace.push(Path::attribute("status"));
            }
            let unknown = match (is_lost, response.requires_replace.is_empty()) {
                (true, _) => vec!["status"],
                (false, true) => self.unknown_until_applied(prior, planned, &Private::read(&request.private)),
                (false, false) => Vec::new(),
            };
            if let Value::Map(entries) = planned {
                entries.extend(unknown.into_iter().map(|field| (field.to_owned(), Value::Unknown)));
            }
            return response;
        }
        let (Some(spec), _) = read_spec(self.kind, &self.spec_part(planned)) else { return response };
        if let Err(error) = self.session.to_be_made(&spec.name) {
            response.diagnostics.push(messages::error(&error));
            return response;
        }
        let engine = match self.session.engine() {
            Ok(Some(engine)) => engine,
            Ok(None) => return response,
            Err(error) => {
                response.diagnostics.push(messages::error(&error));
                return response;
            }
        };
        let own = self.session.in_state();
        let checked = if self.session.is_strict() {
            engine.check_strictly(self.kind, &spec, &own).await.map(|checked| told_of(&checked))
        } else {
            engine.check(self.kind, &spec, &own).await.map(|notes| told(&notes))
        };
        response.diagnostics.extend(checked.unwrap_or_else(|error| vec![messages::error(&error)]));
        response
    }

    /// What a strict plan finds of running a fleet again.
    async fn rehearsed(&self, prior: &Value, planned: &Value) -> Result<Vec<Diagnostic>, Error> {
        let (Some(spec), _) = read_spec(self.kind, &self.spec_part(planned)) else { return Ok(Vec::new()) };
        let Some(engine) = self.session.engine()? else { return Ok(Vec::new()) };
        engine.check_rerun(&fleet_id(prior)?, &spec).await.map(|checked| told_of(&checked))
    }

    pub(super) async fn create(&self, planned: Value, private: Vec<u8>) -> ApplyResponse {
        match self.try_create(&planned).await {
            Ok((state, diagnostics)) => ApplyResponse { state: Some(state), private: Private::default().write(), diagnostics },
            // What a failed launch had made was undone, so there is nothing to keep a tainted state of.
            Err(error) => ApplyResponse { state: None, private, diagnostics: vec![messages::error(&error)] },
        }
    }

    async fn try_create(&self, planned: &Value) -> Result<(Value, Vec<Diagnostic>), Error> {
        let engine = self.session.configured()?;
        let spec = self.spec(planned)?;
        let operation = self.session.operation();
        let Launch { record, claim, kept_alive, warnings } = engine.launch(self.kind, &spec, &operation).await?;
        self.session.launched(claim, kept_alive);
        self.wait(&engine, &record, (planned, spec), told(&warnings), &operation).await
    }

    /// Waits for what `wait_for` says, and answers with the fleet as it is then.
    async fn wait(
        &self,
        engine: &Engine,
        record: &FleetRecord,
        (planned, spec): (&Value, FleetSpec),
        mut diagnostics: Vec<Diagnostic>,
        operation: &Operation,
    ) -> Result<(Value, Vec<Diagnostic>), Error> {
        self.session.lives_in(&record.account);
        let deadline = spawn_core::lease::deadline_of(record);
        let until = match timeout(planned, "create") {
            Some(limit) => engine.now() + limit,
            // The fleet is over a little after its deadline, and then the wait ends by itself.
            None => deadline + SignedDuration::from_mins(10),
        };
        let fleet = match engine.wait(&record.fleet, spec.wait_for, until, operation).await {
            Ok(Some(waited)) => {
                diagnostics.extend(wait_warning(&waited, &spec));
                waited.fleet()
            }
            Ok(None) => {
                let message = format!("{} was ended by somebody else while it was launched", record.fleet);
                return Err(Error::new(Class::Conflict, "FleetEnded", message, "Apply again"));
            }
            Err(error) => {
                let text = format!("{error}. The fleet is launched, and the next refresh looks at it again.");
                diagnostics.push(Diagnostic::warning("The fleet could not be looked at after the launch", text));
                return Ok((state::of_record(record, deadline.to_string(), planned), diagnostics));
            }
        };
        diagnostics.extend(outcome_warning(&fleet));
        diagnostics.extend(unnamed_warning(&fleet));
        Ok((state::of_fleet(self.kind, &fleet, spec.files, planned), diagnostics))
    }

    pub(super) async fn refresh(&self, request: ReadRequest) -> ReadResponse {
        match self.try_refresh(&request).await {
            Ok(response) => response,
            Err(error) => not_refreshed(request, &error),
        }
    }

    async fn try_refresh(&self, request: &ReadRequest) -> Result<ReadResponse, Error> {
        let engine = self.session.configured()?;
        let id = fleet_id(&request.state)?;
        self.session.seen_in_state(id.clone());
        let Some(fleet) = engine.refresh(&id).await? else { return Ok(ReadResponse::default()) };
        self.session.lives_in(&fleet.record.account);
        let mut private = Private::read(&request.private);
        if !private.acknowledged {
            // Best effort: a role that may only plan may not write, and Shutdown has most likely done it.
            private.acknowledged = engine.acknowledge(&fleet.record, Keeper::State).await.is_ok();
        }
        let files = engine.files(&fleet.record).await?;
        let mut diagnostics = Vec::new();
        if self.is_kept() && request.state.get("status").as_str() != Some(&fleet.status.to_string()) {
            diagnostics.extend(ended_warning(&fleet));
        }
        private.has_lease_faults = !fleet.lease_faults.is_empty();
        private.has_lost_name = fleet.stranger.is_some();
        diagnostics.extend(name_warning(&fleet));
        diagnostics.extend(lease_warning(&fleet));
        diagnostics.extend(unseen_warning(&fleet));
        diagnostics.extend(changed_warning(&fleet));
        let state = state::of_fleet(self.kind, &fleet, files, &request.state);
        Ok(ReadResponse { state: Some(state), private: private.write(), diagnostics })
    }

    pub(super) async fn update(&self, prior: &Value, planned: &Value, private: Vec<u8>) -> ApplyResponse {
        let remembered = Private::read(&private);
        match self.try_update(prior, planned, remembered.has_lease_faults).await {
            Ok((state, diagnostics)) => {
                let private = Private { has_lease_faults: false, has_lost_name: false, ..remembered }.write();
                ApplyResponse { state: Some(state), private, diagnostics }
            }
            // The prior state stays, so that the next plan shows what is still to be done.
            Err(error) => ApplyResponse { state: Some(prior.clone()), private, diagnostics: vec![messages::error(&error)] },
        }
    }

    /// Whether a change runs the fleet again: other triggers, or another lease or size of what was kept and is not there any more.
    fn runs_again(&self, prior: &Value, planned: &Value) -> bool {
        // However it is spelled.
        let lease = |block: &Value| LeaseSpec::read(block.get("lease"), &problem::Path::field("lease"), &mut Vec::new());
        let ended = ["expired", "interrupted", "succeeded", "failed"];
        let is_over = self.is_kept() && prior.get("status").as_str().is_some_and(|status| ended.contains(&status));
        let is_other = lease(prior) != lease(planned) || prior.get("size") != planned.get("size");
        prior.get("triggers") != planned.get("triggers") || (is_over && is_other)
    }

    /// What a change in place moves that no plan can tell.
    fn unknown_until_applied(&self, prior: &Value, planned: &Value, remembered: &Private) -> Vec<&'static str> {
        let (moves_deadline, is_resized) = (moves_deadline(prior, planned), self.is_resized(prior, planned));
        // What has stopped may be started by another deadline.
        let moves_members = is_resized || (moves_deadline && prior.get("status").as_str() == Some("stopped"));
        let is_renamed = is_renamed(prior, planned);
        // The same money lasts another time for another size.
        let moves_deadline = moves_deadline || (is_resized && !planned.get("lease").get("budget").is_null());
        let deadline = (moves_deadline || remembered.has_lease_faults).then_some("deadline");
        let of_members = ["status", "status_reason"].into_iter().filter(|_| moves_members);
        let of_names = ["dns_name"].into_iter().filter(|_| is_renamed || remembered.has_lost_name);
        let members = ["members"].into_iter().filter(|_| moves_members || is_renamed);
        deadline.into_iter().chain(of_members).chain(of_names).chain(members).collect()
    }

    /// Whether a change lets the fleet grow or shrink in place.
    fn is_resized(&self, prior: &Value, planned: &Value) -> bool {
        self.kind == FleetKind::Service && prior.get("size") != planned.get("size")
    }

    async fn try_update(&self, prior: &Value, planned: &Value, has_lease_faults: bool) -> Result<(Value, Vec<Diagnostic>), Error> {
        let engine = self.session.configured()?;
        let spec = self.spec(planned)?;
        let id = fleet_id(prior)?;
        if self.runs_again(prior, planned) {
            let operation = self.session.operation();
            let RunAgain { record, launched, warnings } = engine.rerun(&id, &spec, Wanted::ByTriggers, &operation).await?;
            if launched {
                return self.wait(&engine, &record, (planned, spec), told(&warnings), &operation).await;
            }
        }
        let fleet = engine.look(&id).await?.ok_or_else(|| {
            let help = "Plan again: the next plan launches another one";
            Error::new(Class::Conflict, "FleetEnded", format!("{id} is not there any more"), help)
        })?;
        self.session.lives_in(&fleet.record.account);
        // What has ended by itself since it was planned needs none.
        let applied_again = has_lease_faults && !fleet.status.is_over();
        let is_changed = prior.get("lease") != planned.get("lease");
        let deadline = if is_changed || applied_again { engine.lease_change(&fleet, &spec.lease).await? } else { fleet.deadline };
        let is_resized = self.is_resized(prior, planned);
        let operation = self.session.operation();
        if is_resized {
            engine.resize(&fleet, spec.size, &operation).await?;
        }
        engine.update(&fleet, &spec).await?;
        if is_resized {
            let record = FleetRecord { spec: spec.without_files(), ..fleet.record };
            let (grown, diagnostics) = self.wait(&engine, &record, (planned, spec), Vec::new(), &operation).await?;
            return Ok((state::where_unknown(planned, grown), diagnostics));
        }
        // What had stopped may have been started.
        let is_other = fleet.status == Status::Stopped || is_renamed(prior, planned);
        let fleet = if is_other { engine.look(&id).await?.unwrap_or(fleet) } else { fleet };
        let mut reported = state::reported(&fleet);
        reported.insert("deadline".to_owned(), Value::String(deadline.to_string()));
        Ok((state::where_unknown(planned, Value::Map(reported)), Vec::new()))
    }

    pub(super) async fn delete(&self, prior: &Value, private: Vec<u8>) -> ApplyResponse {
        match self.try_delete(prior).await {
            Ok(()) => ApplyResponse::default(),
            Err(error) => ApplyResponse { state: Some(prior.clone()), private, diagnostics: vec![messages::error(&error)] },
        }
    }

    async fn try_delete(&self, prior: &Value) -> Result<(), Error> {
        let limit = timeout(prior, "delete").unwrap_or(DELETE_TIMEOUT);
        self.session.configured()?.end(&fleet_id(prior)?, limit, &self.session.operation()).await.map(drop)
    }

    pub(super) async fn import_fleet(&self, id: &str) -> Result<Vec<Imported>, Vec<Diagnostic>> {
        let found = async {
            let fleet = self.session.configured()?.find(id).await?;
            let is_schedule = fleet.record.scheduled.is_some();
            if fleet.record.kind != self.kind || is_schedule {
                let [found, own] = [fleet.record.kind, self.kind].map(type_name);
                let found = if is_schedule { "spawn_schedule" } else { found };
                let help = format!("Import it as {found}");
                return Err(Error::new(Class::Invalid, "WrongKind", format!("{id:?} is a {found}, not a {own}"), help));
            }
            Ok(fleet)
        };
        let fleet = found.await.map_err(|error| vec![messages::error(&error)])?;
        let record = fleet.record;
        self.session.lives_in(&record.account);
        let state = [("id".to_owned(), Value::String(record.fleet.to_string())), ("region".to_owned(), Value::String(record.region))];
        Ok(vec![Imported { state: Value::Map(state.into()), private: Vec::new() }])
    }

    fn spec(&self, block: &Value) -> Result<FleetSpec, Error> {
        whole(read_spec(self.kind, &self.spec_part(block)))
    }
}

/// Whether a change gives it other names, or none.
fn is_renamed(prior: &Value, planned: &Value) -> bool {
    prior.get("dns") != planned.get("dns")
}

/// Whether a change of the lease may move the deadline: all of it may, but when the fleet is idle.
fn moves_deadline(prior: &Value, planned: &Value) -> bool {
    let (prior, planned) = (prior.get("lease"), planned.get("lease"));
    LeaseSpec::FIELDS.iter().any(|field| field.name != "idle" && prior.get(field.name) != planned.get(field.name))
}

/// What was read of a block of which everything is known.
pub(crate) fn whole<T>((spec, problems): (Option<T>, Vec<Problem>)) -> Result<T, Error> {
    spec.ok_or_else(|| match problems.into_iter().next() {
        Some(problem) => problem.into(),
        None => Error::new(Class::Bug, "UnknownAtApply", "a value is still unknown while applying", ""),
    })
}

/// A state that stays as it is, because what it is of could not be looked at.
pub(in crate::resources) fn not_refreshed(request: ReadRequest, error: &Error) -> ReadResponse {
    // What was just imported has no former state.
    let is_known = !request.state.get("name").is_null();
    let told = if is_known { messages::not_refreshed(error) } else { messages::error(error) };
    ReadResponse { state: Some(request.state), private: request.private, diagnostics: vec![told] }
}

pub(in crate::resources) fn fleet_id(state: &Value) -> Result<FleetId, Error> {
    let id = state.get("id").as_str().unwrap_or_default();
    FleetId::parse(id).ok_or_else(|| Error::new(Class::Bug, "BadId", format!("{id:?} in the state is not a fleet's id"), ""))
}

pub(in crate::resources) fn timeout(block: &Value, operation: &str) -> Option<SignedDuration> {
    let seconds = Seconds::parse(block.get("timeouts").get(operation).as_str()?)?;
    i64::try_from(seconds.0).ok().map(SignedDuration::from_secs)
}

/// A wait that was interrupted is a warning: an error would taint the fleet, and the next apply would run everything again.
fn wait_warning(waited: &Waited, spec: &FleetSpec) -> Option<Diagnostic> {
    let Waited::Interrupted(fleet) = waited else { return None };
    let summary = format!("{} is launched, but the wait for it ended early", spec.name);
    // AWS's own words may end with one.
    let reason = fleet.status_reason.trim_end_matches('.');
    let detail = format!("It goes on until {}: {reason}. The next refresh tells how far it is.", fleet.deadline);
    Some(Diagnostic::warning(summary, detail))
}

/// What is kept, and is not there any more. Told once: the state remembers.
fn ended_warning(fleet: &Fleet) -> Option<Diagnostic> {
    let detail = match fleet.status {
        Status::Expired | Status::Interrupted | Status::Succeeded | Status::Failed => {
            "No action is planned. Another `lease` or other `triggers` start it again."
        }
        Status::Stopped => "No action is planned. A lease that ends later starts it again, and so does `spawn start`.",
        Status::Lost => "It is planned again.",
        Status::Scheduled | Status::Launching | Status::Running => return None,
    };
    Some(Diagnostic::warning(format!("{}: {}", fleet.record.spec.name, fleet.status_reason), detail))
}

/// What somebody has taken away of what ends the fleet. Its deadline is planned to be set again then.
fn lease_warning(fleet: &Fleet) -> Option<Diagnostic> {
    let summary = format!("The lease of {} is not held from outside as it should be", fleet.record.spec.name);
    let outlook = "Until the lease is applied again, which is planned, fewer hands end the fleet at its deadline.";
    found_warning(summary, &fleet.lease_faults, Some(outlook))
}

/// That somebody has taken its name in DNS. It is planned to be claimed again then.
fn name_warning(fleet: &Fleet) -> Option<Diagnostic> {
    let summary = format!("The name of {} in DNS is not its own any more", fleet.record.spec.name);
    let outlook = "Nothing is written under it until it is claimed again, which is planned; without `dns` it is given up.";
    found_warning(summary, fleet.stranger.as_slice(), Some(outlook))
}

/// That its names in DNS are not what they should be yet.
fn unnamed_warning(fleet: &Fleet) -> Option<Diagnostic> {
    let summary = format!("The names of {} in DNS could not be written", fleet.record.spec.name);
    found_warning(summary, fleet.unnamed.as_slice(), Some("The fleet goes on, and a function of the set-up tries again every two minutes."))
}

/// What could not be looked at: what is wrong there, nobody is told.
fn unseen_warning(fleet: &Fleet) -> Option<Diagnostic> {
    found_warning(format!("Not all that {} hangs on could be looked at", fleet.record.spec.name), &fleet.unseen, None)
}

/// What somebody has changed of instances, and of what they hang on. Told as long as it is so.
fn changed_warning(fleet: &Fleet) -> Option<Diagnostic> {
    let outlook = "No action is planned. Change it back, or run the fleet anew with other `triggers`.";
    found_warning(format!("{} is not what was launched", fleet.record.spec.name), &fleet.changed, Some(outlook))
}

/// What a look has found, and what comes of it; nothing if it has found nothing.
pub(in crate::resources) fn found_warning(summary: String, found: &[String], outlook: Option<&str>) -> Option<Diagnostic> {
    let sentences = found.iter().map(|sentence| format!("{}.", messages::sentence(sentence)));
    let detail: Vec<String> = sentences.chain(outlook.map(str::to_owned)).collect();
    (!found.is_empty()).then(|| Diagnostic::warning(summary, detail.join(" ")))
}

/// That something is lost by running again: told before it is done.
fn ends_first_warning(prior: &Value) -> Option<Diagnostic> {
    let text = |name: &str| prior.get(name).as_str().unwrap_or_default().to_owned();
    if !matches!(text("status").as_str(), "launching" | "running") {
        return None;
    }
    let summary = format!("{} still runs, and is ended before it runs again", text("name"));
    let detail =
        format!("When it was last looked at, {}. Results that its ranks have not handed back yet are lost.", text("status_reason"));
    Some(Diagnostic::warning(summary, detail))
}

pub(in crate::resources) fn told(warnings: &[String]) -> Vec<Diagnostic> {
    warnings.iter().map(|line| Diagnostic::warning(messages::sentence(line), "")).collect()
}

/// What a strict plan would leave out, and what it could not know.
fn told_of(checked: &Checked) -> Vec<Diagnostic> {
    told(&checked.notes).into_iter().chain(told(&checked.untried)).collect()
}

fn outcome_warning(fleet: &Fleet) -> Option<Diagnostic> {
    if !fleet.status.goes_no_further() || (fleet.status == Status::Succeeded && fleet.notes.is_empty()) {
        return None;
    }
    let summary = format!("{}: {}", fleet.record.spec.name, fleet.status);
    let mut detail = vec![format!("{}.", messages::sentence(&fleet.status_reason))];
    detail.extend(fleet.notes.iter().take(8).map(|note| format!("{}.", messages::sentence(note))));
    let command = if fleet.record.kind == FleetKind::Queue { "queue logs" } else { "logs" };
    let job = if fleet.record.kind == FleetKind::Queue { " JOB" } else { "" };
    detail.push(format!("`spawn {command} {}{job}` shows the output.", fleet.record.spec.name));
    Some(Diagnostic::warning(summary, detail.join(" ")))
}
