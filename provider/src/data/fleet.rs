//! `data "spawn_fleet"`: a fleet that somebody else made.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use spawn_model::data::{FleetFacts, FleetQuery};
use spawn_model::error::Error;
use spawn_model::field::Field;
use spawn_model::queue::QueueReport;
use spawn_model::spec::FleetReport;
use spawn_model::value::Value;

use super::{answered, problems, told};
use crate::provider::Session;
use crate::resources::{error, whole};
use crate::wire::{DataSource, Diagnostic};

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let reported = FleetReport::FIELDS.iter().filter(|field| field.name != "id").chain(QueueReport::FIELDS);
    FleetQuery::FIELDS.iter().chain(FleetFacts::FIELDS).chain(reported).copied().collect()
});

pub(super) struct Fleet(Arc<Session>);

pub(super) fn source(session: &Arc<Session>) -> Fleet {
    Fleet(session.clone())
}

#[async_trait]
impl DataSource for Fleet {
    fn type_name(&self) -> &'static str {
        "spawn_fleet"
    }

    fn doc(&self) -> &'static str {
        "A fleet as it is now, whoever made it: by `spawn up`, in another workspace, or by a schedule. That there is none is an error."
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        problems(&FleetQuery::checked(config).1)
    }

    async fn read(&self, config: &Value) -> Result<Value, Vec<Diagnostic>> {
        self.answer(config).await.map_err(|failure| vec![error(&failure)])
    }
}

impl Fleet {
    async fn answer(&self, config: &Value) -> Result<Value, Error> {
        let query = whole(FleetQuery::checked(config))?;
        let meant = query.id.or(query.name).unwrap_or_default();
        let fleet = self.0.configured()?.inspect(&meant).await?;
        let facts = FleetFacts {
            kind: fleet.record.kind.word().to_owned(),
            size: fleet.size,
            tags: fleet.record.spec.tags.clone(),
            asked_at: fleet.record.asked_at.to_string(),
            alive: u32::try_from(fleet.alive.len()).unwrap_or(u32::MAX),
        };
        let report = QueueReport { outcomes: fleet.jobs.clone() };
        let name = BTreeMap::from([("name".to_owned(), Value::String(fleet.record.spec.name.clone()))]);
        let answers =
            [name, told(FleetFacts::FIELDS, &facts), told(FleetReport::FIELDS, &fleet.report()), told(QueueReport::FIELDS, &report)];
        Ok(answered(&FIELDS, config, answers))
    }
}
