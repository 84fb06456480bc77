//! What can be asked without making anything: what a fleet would cost, and what it could be launched from.

use std::collections::BTreeMap;

use spawn_model::data::TypeFacts;
use spawn_model::error::Error;
use spawn_model::market::MarketType;
use spawn_model::requirements::{Architecture, RequirementsSpec};
use spawn_model::spec::{FleetKind, FleetSpec};

use crate::cost;
use crate::engine::Engine;
use crate::image;
use crate::plan::Plan;
use crate::ports::{Image, Result};
use crate::types::{self, By};

impl Engine {
    /// Plans a launch with what it costs, whoever has its name. Creates nothing.
    ///
    /// # Errors
    /// Whatever would keep the launch from succeeding and can be seen before.
    pub async fn estimate(&self, kind: FleetKind, spec: &FleetSpec) -> Result<Plan> {
        let plan = self.unpriced(kind, spec, None, By::Price).await?;
        self.costed(spec, plan).await
    }

    /// A plan with what it costs, as far as that is known. An estimate that cannot be made keeps nobody from seeing the plan.
    pub(crate) async fn costed(&self, spec: &FleetSpec, plan: Plan) -> Result<Plan> {
        let Ok(costs) = cost::costs(self.aws(), spec, &plan).await else { return Ok(plan) };
        let preferred = plan.instance_types.first().and_then(|name| costs.listed.get(name)).copied();
        let plan = plan.priced(preferred);
        Ok(match costs.rate {
            Ok(rate) if plan.rate.is_none() => plan.rated(rate, &spec.lease),
            _ => plan,
        })
    }

    /// The instance types that have what is required, the cheapest first.
    ///
    /// # Errors
    /// `NoType` if there is none.
    pub async fn instance_types(&self, requirements: &RequirementsSpec, wants_spot: bool) -> Result<Vec<TypeFacts>> {
        let market = if wants_spot { MarketType::Spot } else { MarketType::OnDemand };
        let names = types::fitting(self.aws(), requirements, market, By::Price).await?;
        let (known, listed) = futures::join!(self.aws().instances.types(&names), types::list_prices(self.aws(), names.clone()));
        let known: BTreeMap<String, _> = known?.into_iter().map(|kind| (kind.name.clone(), kind)).collect();
        let spot = if wants_spot { types::spot_prices(self.aws(), &names).await? } else { BTreeMap::new() };
        let facts = |name: &String| {
            let kind = known.get(name)?;
            #[expect(clippy::cast_precision_loss, reason = "MiB of a machine")]
            let memory_gib = kind.memory_mib as f64 / 1024.0;
            Some(TypeFacts {
                name: name.clone(),
                vcpu: kind.vcpus,
                memory_gib,
                gpu: kind.gpus,
                usd_per_hour: listed.get(name).copied(),
                spot_usd_per_hour: spot.get(name).copied(),
            })
        };
        Ok(names.iter().filter_map(facts).collect())
    }

    /// The image that `ami` of a fleet means now.
    ///
    /// # Errors
    /// If there is no such image or parameter, or it is of another architecture.
    pub async fn image(&self, ami: &str, architecture: Architecture) -> Result<Image> {
        let image = image::find(self.aws(), Some(ami), architecture.word()).await?;
        if image.architecture == architecture.word() {
            return Ok(image);
        }
        let message = format!("{} is an image for {}, not for {}", image.id, image.architecture, architecture.word());
        let help = format!("Write architecture = \"{}\", or another image", image.architecture);
        Err(Error::new(spawn_model::error::Class::Invalid, "NoImage", message, help).at(spawn_model::problem::Path::field("architecture")))
    }
}
