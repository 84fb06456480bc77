//! `data "spawn_ami"`: the image that a fleet would boot.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use spawn_model::data::{AmiFacts, AmiQuery};
use spawn_model::error::Error;
use spawn_model::field::Field;
use spawn_model::value::Value;

use super::{answered, problems, told};
use crate::provider::Session;
use crate::resources::{error, whole};
use crate::wire::{DataSource, Diagnostic};

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| AmiQuery::FIELDS.iter().chain(AmiFacts::FIELDS).copied().collect());

pub(super) struct Ami(Arc<Session>);

pub(super) fn source(session: &Arc<Session>) -> Ami {
    Ami(session.clone())
}

#[async_trait]
impl DataSource for Ami {
    fn type_name(&self) -> &'static str {
        "spawn_ami"
    }

    fn doc(&self) -> &'static str {
        "The image that `ami` of a fleet means now: the newest of a distribution, or what a parameter holds. A fleet that is given its `id` boots the \
         same one, whatever is published later."
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        problems(&AmiQuery::checked(config).1)
    }

    async fn read(&self, config: &Value) -> Result<Value, Vec<Diagnostic>> {
        self.answer(config).await.map_err(|failure| vec![error(&failure)])
    }
}

impl Ami {
    async fn answer(&self, config: &Value) -> Result<Value, Error> {
        let query = whole(AmiQuery::checked(config))?;
        let image = self.0.configured()?.image(&query.ami, query.architecture).await?;
        let facts = AmiFacts { id: image.id, root_device: image.root_device, root_gib: image.root_gib };
        Ok(answered(&FIELDS, config, [told(AmiFacts::FIELDS, &facts)]))
    }
}
