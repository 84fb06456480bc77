//! Plan, create, read, update, delete and import of a schedule.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use spawn_core::engine::Launch;
use spawn_core::schedule::ScheduleLook;
use spawn_model::error::{Class, Error};
use spawn_model::record::Keeper;
use spawn_model::schedule::{KINDS, Outcome, ScheduleSpec, Start, TimingSpec, read_schedule};
use spawn_model::value::Value;

use super::super::fleet::lifecycle::{DELETE_TIMEOUT, fleet_id, found_warning, not_refreshed, timeout, told, whole};
use super::super::fleet::{messages, state};
use super::{ScheduleResource, spec_part};
use crate::resources::remembered::Remembered;
use crate::wire::{ApplyResponse, Diagnostic, Imported, PlanRequest, PlanResponse, ReadRequest, ReadResponse};

/// What the provider remembers of a schedule beside its state.
#[derive(Default, Serialize, Deserialize)]
struct Private {
    /// Whether the schedule's name is known to be acknowledged, so that not every Read asks.
    acknowledged: bool,
    /// Whether something was wrong that applying again puts right and no field shows: then that is planned.
    #[serde(default)]
    has_faults: bool,
}

impl Remembered for Private {}

impl ScheduleResource {
    /// A schedule is checked against AWS as far as it can be before anything is made or changed.
    pub(super) async fn plan_schedule(&self, request: PlanRequest) -> PlanResponse {
        let mut response = PlanResponse::from(request.clone());
        let Some(planned) = &mut response.planned else { return response };
        if let Some(prior) = &request.prior {
            if let Ok(id) = fleet_id(prior) {
                self.session.seen_in_state(id);
            }
            if response.requires_replace.is_empty() {
                forget(prior, planned, Private::read(&request.private).has_faults);
            }
            if !response.requires_replace.is_empty() || spec_part(prior) == spec_part(planned) {
                return response;
            }
        }
        let (Some(spec), _) = read_schedule(&spec_part(planned)) else { return response };
        if request.prior.is_none()
            && let Err(error) = self.session.to_be_made(&spec.fleet.name)
        {
            response.diagnostics.push(messages::error(&error));
            return response;
        }
        let checked = match self.session.engine() {
            Ok(Some(engine)) => {
                let known = request.prior.as_ref().and_then(|prior| fleet_id(prior).ok());
                engine.schedule_check(&spec, known.as_ref(), &self.session.in_state()).await
            }
            Ok(None) => return response,
            Err(error) => Err(error),
        };
        match checked {
            Ok(notes) => response.diagnostics.extend(told(&notes)),
            Err(error) => response.diagnostics.push(messages::error(&error)),
        }
        response
    }

    pub(super) async fn create(&self, planned: &Value, private: Vec<u8>) -> ApplyResponse {
        match self.try_create(planned).await {
            Ok((state, diagnostics)) => ApplyResponse { state: Some(state), private: Private::default().write(), diagnostics },
            // What was made was undone, so there is nothing to keep a tainted state of.
            Err(error) => ApplyResponse { state: None, private, diagnostics: vec![messages::error(&error)] },
        }
    }

    async fn try_create(&self, planned: &Value) -> Result<(Value, Vec<Diagnostic>), Error> {
        let engine = self.session.configured()?;
        let Launch { record, claim, kept_alive, warnings } = engine.schedule_create(&spec(planned)?, &self.session.operation()).await?;
        self.session.launched(claim, kept_alive);
        self.session.lives_in(&record.account);
        let look = engine.schedule_look(&record.fleet).await?.ok_or_else(|| ended(record.fleet.as_str()))?;
        Ok((state::where_unknown(planned, of_schedule(&look, planned)), told(&warnings)))
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
        let Some(look) = engine.schedule_look(&id).await? else { return Ok(ReadResponse::default()) };
        self.session.lives_in(&look.fleet.record.account);
        let mut private = Private::read(&request.private);
        if !private.acknowledged {
            // Best effort: a role that may only plan may not write, and Shutdown has most likely done it.
            private.acknowledged = engine.acknowledge(&look.fleet.record, Keeper::State).await.is_ok();
        }
        private.has_faults = !look.faults.is_empty();
        let name = &look.record.spec.name;
        let outlook = "It is planned to be applied again, which puts it right.";
        let faults = found_warning(format!("{name} is not what was applied"), &look.faults, Some(outlook));
        let state = of_schedule(&look, &request.state);
        let diagnostics = faults.into_iter().chain(start_warning(name, &request.state, &look)).collect();
        Ok(ReadResponse { state: Some(state), private: private.write(), diagnostics })
    }

    pub(super) async fn update(&self, prior: &Value, planned: &Value, private: Vec<u8>) -> ApplyResponse {
        match self.try_update(prior, planned).await {
            Ok((state, diagnostics)) => {
                let private = Private { has_faults: false, ..Private::read(&private) }.write();
                ApplyResponse { state: Some(state), private, diagnostics }
            }
            // The prior state stays, so that the next plan shows what is still to be done.
            Err(error) => ApplyResponse { state: Some(prior.clone()), private, diagnostics: vec![messages::error(&error)] },
        }
    }

    async fn try_update(&self, prior: &Value, planned: &Value) -> Result<(Value, Vec<Diagnostic>), Error> {
        let engine = self.session.configured()?;
        let id = fleet_id(prior)?;
        let notes = engine.schedule_change(&id, &spec(planned)?, &self.session.operation()).await?;
        let look = engine.schedule_look(&id).await?.ok_or_else(|| ended(id.as_str()))?;
        self.session.lives_in(&look.fleet.record.account);
        Ok((state::where_unknown(planned, of_schedule(&look, planned)), told(&notes)))
    }

    pub(super) async fn delete(&self, prior: &Value, private: Vec<u8>) -> ApplyResponse {
        let ended = async {
            let limit = timeout(prior, "delete").unwrap_or(DELETE_TIMEOUT);
            self.session.configured()?.end(&fleet_id(prior)?, limit, &self.session.operation()).await
        };
        match ended.await {
            Ok(_) => ApplyResponse::default(),
            Err(error) => ApplyResponse { state: Some(prior.clone()), private, diagnostics: vec![messages::error(&error)] },
        }
    }

    pub(super) async fn import_schedule(&self, id: &str) -> Result<Vec<Imported>, Vec<Diagnostic>> {
        let found = async { self.session.configured()?.schedule_find(id).await };
        let look = found.await.map_err(|error| vec![messages::error(&error)])?;
        let record = look.fleet.record;
        self.session.lives_in(&record.account);
        let id = Value::String(record.fleet.to_string());
        let state = Value::Map(BTreeMap::from([("id".to_owned(), id), ("region".to_owned(), Value::String(record.region))]));
        Ok(vec![Imported { state, private: Private::default().write() }])
    }
}

fn spec(block: &Value) -> Result<ScheduleSpec, Error> {
    whole(read_schedule(&spec_part(block)))
}

fn ended(id: &str) -> Error {
    Error::new(Class::Conflict, "FleetEnded", format!("{id} was ended by somebody else meanwhile"), "Plan again")
}

/// What no plan can tell: when it starts something next, if its times change, or something is put right that no field shows.
fn forget(prior: &Value, planned: &mut Value, has_faults: bool) {
    let is_timed_anew = TimingSpec::FIELDS.iter().any(|field| prior.get(field.name) != planned.get(field.name));
    let told = |field: &str| if is_timed_anew || has_faults { Value::Unknown } else { prior.get(field).clone() };
    if let Value::Map(entries) = planned {
        entries.extend(["status", "next_run_at", "ends_at"].map(|field| (field.to_owned(), told(field))));
    }
}

/// The whole state of a schedule. `known` is what Terraform knew or planned: its spelling is kept where it means the same.
fn of_schedule(look: &ScheduleLook, known: &Value) -> Value {
    let kind = look.record.kind;
    let mut entries = state::written(TimingSpec::FIELDS.iter().copied(), &state::json(&look.timing_seen), known);
    entries.insert("name".to_owned(), Value::String(look.record.spec.name.clone()));
    for other in KINDS {
        let name = other.word();
        let fleet = (other == kind).then(|| {
            let recorded = state::json(&look.record.spec);
            Value::Map(state::written(ScheduleSpec::fleet_fields(kind).iter().copied(), &recorded, known.get(name)))
        });
        entries.insert(name.to_owned(), fleet.unwrap_or_default());
    }
    if let Value::Map(report) = state::json(&look.report()) {
        entries.extend(report);
    }
    entries.insert("timeouts".to_owned(), known.get("timeouts").clone());
    Value::Map(entries)
}

/// That the last start came to nothing. Told once: the state remembers.
fn start_warning(name: &str, known: &Value, look: &ScheduleLook) -> Option<Diagnostic> {
    let last: Start = look.starts().next()?;
    let known = match known.get("last_runs") {
        Value::List(starts) => starts.first().map(|start| (start.get("scheduled_at").clone(), start.get("outcome").clone())),
        _ => None,
    };
    let is_told = known == Some((Value::String(last.scheduled_at.clone()), Value::String(last.outcome.clone())));
    let went_wrong = [Outcome::Failed, Outcome::Missed].iter().any(|outcome| outcome.word() == last.outcome);
    (went_wrong && !is_told).then(|| {
        let reason = last.reason.unwrap_or_default();
        let summary =
            format!("{name}: the start of {} {}", last.scheduled_at, if last.outcome == "missed" { "was missed" } else { "failed" });
        Diagnostic::warning(summary, format!("{}. The next start is tried all the same.", messages::sentence(&reason)))
    })
}
