//! `data "spawn_estimate"`: what a fleet would cost.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use spawn_model::data::Estimate as Answer;
use spawn_model::error::Error;
use spawn_model::field::{Change, Field, Kind, Presence};
use spawn_model::problem::{Path, Problem};
use spawn_model::rules::read_spec;
use spawn_model::spec::{FleetKind, FleetSpec};
use spawn_model::value::Value;

use super::{answered, problems, told};
use crate::provider::Session;
use crate::resources::{error, whole};
use crate::wire::{DataSource, Diagnostic};

/// What can be estimated.
const KINDS: [FleetKind; 4] = [FleetKind::Instance, FleetKind::JobArray, FleetKind::Service, FleetKind::Queue];

/// What costs nothing.
const NOT_ASKED: [&str; 3] = ["name", "wait_for", "triggers"];

/// Nobody has this name: it is no name that a fleet could have been given.
const NAME: &str = "estimate";

static OF_FLEETS: LazyLock<[Vec<Field>; 4]> =
    LazyLock::new(|| KINDS.map(|kind| kind.fields().filter(|field| !NOT_ASKED.contains(&field.name)).collect()));

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let fleets = KINDS.into_iter().zip(OF_FLEETS.iter()).map(|(kind, fields)| {
        let doc = match kind {
            FleetKind::Instance => "What is estimated: an instance, with the fields of `spawn_instance`.",
            FleetKind::JobArray => "Or a job array, with the fields of `spawn_job_array`.",
            FleetKind::Service => "Or a service, with the fields of `spawn_service`.",
            FleetKind::Queue => "Or a queue, with the fields of `spawn_queue`.",
        };
        Field {
            name: kind.word(),
            doc,
            kind: Kind::Object(fields),
            presence: Presence::Optional,
            change: Change::InPlace,
            sensitive: false,
        }
    });
    fleets.chain(Answer::FIELDS.iter().copied()).collect()
});

pub(super) struct Estimate(Arc<Session>);

pub(super) fn source(session: &Arc<Session>) -> Estimate {
    Estimate(session.clone())
}

/// The one fleet that is meant.
fn read(config: &Value) -> (Option<(FleetKind, FleetSpec)>, Vec<Problem>) {
    let written: Vec<FleetKind> = KINDS.into_iter().filter(|kind| !config.get(kind.word()).is_null()).collect();
    let (unknown, meant): (Vec<_>, Vec<_>) = written.into_iter().partition(|kind| *config.get(kind.word()) == Value::Unknown);
    if !unknown.is_empty() && meant.len() < 2 {
        // It may turn out to be nothing.
        return (None, Vec::new());
    }
    let [kind] = meant[..] else {
        let path = Path::field(meant.last().copied().unwrap_or(FleetKind::JobArray).word());
        let help = "Write one of \"instance\", \"job_array\", \"service\" and \"queue\"";
        return (None, vec![Problem::new(&path, "one fleet is estimated", help)]);
    };
    let Value::Map(fields) = config.get(kind.word()) else { return (None, Vec::new()) };
    let mut fields = fields.clone();
    fields.insert("name".to_owned(), Value::from(NAME));
    let (spec, problems) = read_spec(kind, &Value::Map(fields));
    let within = |problem: Problem| {
        let path = Path(Path::field(kind.word()).0.into_iter().chain(problem.path.0).collect());
        Problem { path, ..problem }
    };
    (spec.map(|spec| (kind, spec)), problems.into_iter().map(within).collect())
}

#[async_trait]
impl DataSource for Estimate {
    fn type_name(&self) -> &'static str {
        "spawn_estimate"
    }

    fn doc(&self) -> &'static str {
        "What a fleet would cost, and what it would be launched from, before anything of it exists: with the fields, checks and prices of the resource. \
         Nothing is made. An unknown price is null, never zero: a `precondition` on `cost_usd_max` can hold a plan that is too dear."
    }

    fn fields(&self) -> &'static [Field] {
        &FIELDS
    }

    fn validate(&self, config: &Value) -> Vec<Diagnostic> {
        problems(&read(config).1)
    }

    async fn read(&self, config: &Value) -> Result<Value, Vec<Diagnostic>> {
        self.answer(config).await.map_err(|failure| vec![error(&failure)])
    }
}

impl Estimate {
    async fn answer(&self, config: &Value) -> Result<Value, Error> {
        let (kind, spec) = whole(read(config))?;
        let plan = self.0.configured()?.estimate(kind, &spec).await?;
        let answer = Answer {
            usd_per_hour: plan.rate.map(|rate| rate.usd_per_hour()),
            cost_usd_max: plan.cost_usd_max.filter(|_| plan.rate.is_some()),
            price_usd_per_hour: plan.price_usd_per_hour,
            spot_usd_per_hour: plan.spot_usd_per_hour,
            lasts_s: i64::try_from(plan.ttl_s).unwrap_or(i64::MAX),
            instance_types: plan.instance_types,
            image_id: plan.image.id,
            notes: plan.notes,
        };
        let answer: BTreeMap<String, Value> = told(Answer::FIELDS, &answer);
        Ok(answered(&FIELDS, config, [answer]))
    }
}
