//! `data "spawn_fleets"`: the fleets of a region.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use spawn_core::fleet::Fleet;
use spawn_model::data::{FleetSummary, FleetsFound, FleetsQuery};
use spawn_model::error::Error;
use spawn_model::field::Field;
use spawn_model::value::Value;

use super::{answered, problems, told};
use crate::provider::Session;
use crate::resources::{error, whole};
use crate::wire::{DataSource, Diagnostic};

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| FleetsQuery::FIELDS.iter().chain(FleetsFound::FIELDS).copied().collect());

pub(super) struct Fleets(Arc<Session>);

pub(super) fn source(session: &Arc<Session>) -> Fleets {
    Fleets(session.clone())
}

#[async_trait]
impl DataSource for Fleets {
    fn type_name(&self) -> &'static str {
        "spawn_fleets"
    }

    fn doc(&self) -> &'static str {
        "The fleets of the region that have a name, whoever made them. One whose records cannot be read is an error: a list without it would not say so."
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        problems(&FleetsQuery::checked(config).1)
    }

    async fn read(&self, config: &Value) -> Result<Value, Vec<Diagnostic>> {
        self.answer(config).await.map_err(|failure| vec![error(&failure)])
    }
}

impl Fleets {
    async fn answer(&self, config: &Value) -> Result<Value, Error> {
        let query = whole(FleetsQuery::checked(config))?;
        let (fleets, errors) = self.0.configured()?.list().await?;
        if let Some(error) = errors.into_iter().next() {
            return Err(error);
        }
        let mut fleets: Vec<FleetSummary> = fleets.iter().map(summary).filter(|fleet| is_meant(&query, fleet)).collect();
        fleets.sort_by(|one, other| one.name.cmp(&other.name));
        let ids = fleets.iter().map(|fleet| fleet.id.clone()).collect();
        Ok(answered(&FIELDS, config, [told(FleetsFound::FIELDS, &FleetsFound { fleets, ids })]))
    }
}

fn summary(fleet: &Fleet) -> FleetSummary {
    FleetSummary {
        id: fleet.record.fleet.to_string(),
        name: fleet.record.spec.name.clone(),
        kind: fleet.record.kind.word().to_owned(),
        status: fleet.status.to_string(),
        status_reason: fleet.status_reason.clone(),
        size: fleet.size,
        alive: u32::try_from(fleet.alive.len()).unwrap_or(u32::MAX),
        deadline: fleet.deadline.to_string(),
        tags: fleet.record.spec.tags.clone(),
    }
}

fn is_meant(query: &FleetsQuery, fleet: &FleetSummary) -> bool {
    query.tags.iter().all(|(key, value)| fleet.tags.get(key) == Some(value))
        && query.kind.as_ref().is_none_or(|kind| *kind == fleet.kind)
        && query.status.as_ref().is_none_or(|status| *status == fleet.status)
}
