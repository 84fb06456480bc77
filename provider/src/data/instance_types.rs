//! `data "spawn_instance_types"`: the types that have what is required, the cheapest first.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use spawn_model::data::{TypesFound, TypesQuery};
use spawn_model::error::Error;
use spawn_model::field::Field;
use spawn_model::value::Value;

use super::{answered, problems, told};
use crate::provider::Session;
use crate::resources::{error, whole};
use crate::wire::{DataSource, Diagnostic};

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| TypesQuery::FIELDS.iter().chain(TypesFound::FIELDS).copied().collect());

pub(super) struct InstanceTypes(Arc<Session>);

pub(super) fn source(session: &Arc<Session>) -> InstanceTypes {
    InstanceTypes(session.clone())
}

#[async_trait]
impl DataSource for InstanceTypes {
    fn type_name(&self) -> &'static str {
        "spawn_instance_types"
    }

    fn doc(&self) -> &'static str {
        "The instance types of the region that have what is required, the cheapest first: those that a fleet with the same `requirements` would be launched \
         from. Prices change, and with them the order: a fleet that is given `names` is planned anew when they do, one that has `requirements` is not."
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        problems(&TypesQuery::checked(config).1)
    }

    async fn read(&self, config: &Value) -> Result<Value, Vec<Diagnostic>> {
        self.answer(config).await.map_err(|failure| vec![error(&failure)])
    }
}

impl InstanceTypes {
    async fn answer(&self, config: &Value) -> Result<Value, Error> {
        let query = whole(TypesQuery::checked(config))?;
        let types = self.0.configured()?.instance_types(&query.requirements, query.spot).await?;
        let names = types.iter().map(|kind| kind.name.clone()).collect();
        Ok(answered(&FIELDS, config, [told(TypesFound::FIELDS, &TypesFound { types, names })]))
    }
}
