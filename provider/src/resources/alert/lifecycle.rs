//! Plan, create, read, update, delete and import of an alert.
//!
//! Secrets are in the block as it was written, and nowhere else: what is planned and what is stored have none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use spawn_core::alert::AlertLook;
use spawn_model::alert::{AlertRecord, AlertSpec, AlertStatus, read_alert};
use spawn_model::error::{Class, Error};
use spawn_model::ids::AlertId;
use spawn_model::value::Value;

use super::super::fleet::lifecycle::{not_refreshed, whole};
use super::super::fleet::{messages, state};
use super::{AlertResource, OF_CHANNELS, spec_part};
use crate::resources::remembered::Remembered;
use crate::wire::{ApplyResponse, Diagnostic, Imported, PlanRequest, PlanResponse, ReadRequest, ReadResponse};

/// What the provider remembers of an alert beside its state.
#[derive(Default, Serialize, Deserialize)]
struct Private {
    /// Whether it is known that somebody keeps the alert, so that not every Read says so.
    acknowledged: bool,
}

impl Remembered for Private {}

impl AlertResource {
    /// An alert is checked against AWS as far as it can be before anything is made or changed.
    pub(super) async fn plan_alert(&self, request: PlanRequest) -> PlanResponse {
        let mut response = PlanResponse::from(request.clone());
        let Some(planned) = &mut response.planned else { return response };
        if let Some(prior) = &request.prior {
            if let Ok(id) = id_of(prior) {
                self.session.alert_in_state(id);
            }
            if response.requires_replace.is_empty() && prior.get("notify") != planned.get("notify") {
                forget(planned);
            }
            if response.requires_replace.is_empty() && spec_part(prior) == spec_part(planned) {
                return response;
            }
        }
        let (Some(spec), _) = read_alert(&spec_part(&request.config)) else { return response };
        if request.prior.is_none()
            && let Err(error) = self.session.to_be_made(&format!("alert {}", spec.name))
        {
            response.diagnostics.push(messages::error(&error));
            return response;
        }
        let checked = match self.session.engine() {
            Ok(Some(engine)) => engine.alert_check(&spec, &self.session.alerts_in_state()).await,
            Ok(None) => return response,
            Err(error) => Err(error),
        };
        response.diagnostics.extend(checked.err().map(|error| messages::error(&error)));
        response
    }

    pub(super) async fn create(&self, config: &Value, planned: &Value, private: Vec<u8>) -> ApplyResponse {
        let made = async {
            let spec = spec(config)?;
            let look = self.session.configured()?.alert_create(&spec, &self.session.operation()).await?;
            self.session.lives_in(&look.record.account);
            self.session.alert_made(&spec.name, look.record.id.clone());
            Ok::<_, Error>(look)
        };
        match made.await {
            Ok(look) => ApplyResponse {
                state: Some(state::where_unknown(planned, of_alert(&look, planned))),
                private: Private::default().write(),
                diagnostics: pending_warning(&look).into_iter().collect(),
            },
            // What was made was undone, so there is nothing to keep a tainted state of.
            Err(error) => ApplyResponse { state: None, private, diagnostics: vec![messages::error(&error)] },
        }
    }

    pub(super) async fn refresh(&self, request: ReadRequest) -> ReadResponse {
        match self.try_refresh(&request).await {
            Ok(response) => response,
            Err(error) => not_refreshed(request, &error),
        }
    }

    async fn try_refresh(&self, request: &ReadRequest) -> Result<ReadResponse, Error> {
        let engine = self.session.configured()?;
        let (name, id) = (name_of(&request.state), id_of(&request.state)?);
        self.session.alert_in_state(id.clone());
        let Some(look) = engine.alert_look(&name).await?.filter(|look| look.record.id == id) else { return Ok(ReadResponse::default()) };
        self.session.lives_in(&look.record.account);
        let mut private = Private::read(&request.private);
        if !private.acknowledged {
            // Best effort: a role that may only plan may not write, and Shutdown has most likely done it.
            private.acknowledged = engine.alert_keep(&name, &id).await.is_ok();
        }
        let diagnostics = refused_warning(&look).into_iter().collect();
        Ok(ReadResponse { state: Some(of_alert(&look, &request.state)), private: private.write(), diagnostics })
    }

    pub(super) async fn update(&self, config: &Value, prior: &Value, planned: &Value, private: Vec<u8>) -> ApplyResponse {
        let changed = async {
            let (spec, id) = (spec(config)?, id_of(prior)?);
            self.session.configured()?.alert_change(&id, &spec, &self.session.operation()).await
        };
        match changed.await {
            Ok(look) => {
                self.session.lives_in(&look.record.account);
                let diagnostics = if prior.get("notify") == planned.get("notify") { None } else { pending_warning(&look) };
                let state = Some(state::where_unknown(planned, of_alert(&look, planned)));
                ApplyResponse { state, private, diagnostics: diagnostics.into_iter().collect() }
            }
            // The prior state stays, so that the next plan shows what is still to be done.
            Err(error) => ApplyResponse { state: Some(prior.clone()), private, diagnostics: vec![messages::error(&error)] },
        }
    }

    pub(super) async fn delete(&self, prior: &Value, private: Vec<u8>) -> ApplyResponse {
        let ended = async { self.session.configured()?.alert_end(&name_of(prior), &id_of(prior)?, &self.session.operation()).await };
        match ended.await {
            Ok(()) => ApplyResponse::default(),
            Err(error) => ApplyResponse { state: Some(prior.clone()), private, diagnostics: vec![messages::error(&error)] },
        }
    }

    pub(super) async fn import_alert(&self, id: &str) -> Result<Vec<Imported>, Vec<Diagnostic>> {
        let found = async { self.session.configured()?.alert_find(id).await };
        let look = found.await.map_err(|error| vec![messages::error(&error)])?;
        let AlertRecord { id, spec, region, account, .. } = look.record;
        self.session.lives_in(&account);
        let told = [("id", id.to_string()), ("name", spec.name), ("region", region)];
        let state = BTreeMap::from(told.map(|(name, text)| (name.to_owned(), Value::String(text))));
        Ok(vec![Imported { state: Value::Map(state), private: Private::default().write() }])
    }
}

/// The spec with its secrets.
fn spec(config: &Value) -> Result<AlertSpec, Error> {
    whole(read_alert(&spec_part(config)))
}

fn name_of(state: &Value) -> String {
    state.get("name").as_str().unwrap_or_default().to_owned()
}

fn id_of(state: &Value) -> Result<AlertId, Error> {
    let id = state.get("id").as_str().unwrap_or_default();
    AlertId::parse(id).ok_or_else(|| Error::new(Class::Bug, "BadId", format!("{id:?} in the state is not an alert's id"), ""))
}

/// How the channels stand, when they change.
fn forget(planned: &mut Value) {
    if let Value::Map(entries) = planned {
        entries.extend(OF_CHANNELS.iter().map(|field| ((*field).to_owned(), Value::Unknown)));
    }
}

/// The whole state of an alert. `known` is what Terraform knew or planned: its spelling is kept where it means the same.
fn of_alert(look: &AlertLook, known: &Value) -> Value {
    let mut entries = state::written(AlertSpec::FIELDS.iter().copied(), &state::json(&look.seen), known);
    if let Value::Map(report) = state::json(&look.report()) {
        entries.extend(report);
    }
    Value::Map(entries)
}

/// That somebody has to do something before anything arrives.
fn pending_warning(look: &AlertLook) -> Option<Diagnostic> {
    (!look.pending.is_empty()).then(|| {
        let summary = format!("{} reaches nobody at {} yet", look.record.spec.name, look.pending.join(", "));
        let detail = "Amazon SNS has sent a mail with an address that has to be visited within 48 hours. Until then nothing is sent there.";
        Diagnostic::warning(summary, detail)
    })
}

/// That somebody was not told what they should have been.
fn refused_warning(look: &AlertLook) -> Option<Diagnostic> {
    let (status, reason) = look.status();
    (status == AlertStatus::Refused).then(|| {
        let summary = format!("{} could not tell what it had to", look.record.spec.name);
        let detail = format!("{}. `spawn alert history {}` has what it was.", messages::sentence(&reason), look.record.spec.name);
        Diagnostic::warning(summary, detail)
    })
}
