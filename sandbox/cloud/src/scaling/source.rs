//! What a group launches: a template, types, markets.

use serde::Serialize;

use crate::request::NamedTemplate;

/// A launch template, and which of its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TemplateSpecification {
    /// `lt-…`.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// A number, `$Latest` or `$Default`, which is what none means.
    pub version: Option<String>,
}

impl TemplateSpecification {
    /// The default version of the template with this name.
    pub fn by_name(name: impl Into<String>) -> Self {
        TemplateSpecification { id: None, name: Some(name.into()), version: None }
    }

    /// The template alone.
    pub(crate) fn template(&self) -> NamedTemplate {
        NamedTemplate { id: self.id.clone(), name: self.name.clone() }
    }

    /// The same by id alone, of a template that was found.
    pub(crate) fn found(&self) -> Self {
        TemplateSpecification { name: None, ..self.clone() }
    }

    /// The version as it is asked for.
    pub fn version_text(&self) -> &str {
        self.version.as_deref().unwrap_or("$Default")
    }
}

/// In which order types are tried on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDemandStrategy {
    /// As the overrides name them.
    #[default]
    Prioritized,
    /// The cheapest first.
    LowestPrice,
}

impl OnDemandStrategy {
    /// AWS's names of all.
    pub const ALL: [(&'static str, Self); 2] = [("prioritized", Self::Prioritized), ("lowest-price", Self::LowestPrice)];
}

/// In which order types are tried as spot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpotStrategy {
    /// The cheapest first.
    #[default]
    LowestPrice,
    /// What AWS has most of, which here follows from the seed.
    CapacityOptimized,
    /// The same, but as the overrides name them where that does not matter; here: always.
    CapacityOptimizedPrioritized,
    /// A low price, and much of it.
    PriceCapacityOptimized,
}

impl SpotStrategy {
    /// AWS's names of all.
    pub const ALL: [(&'static str, Self); 4] = [
        ("lowest-price", Self::LowestPrice),
        ("capacity-optimized", Self::CapacityOptimized),
        ("capacity-optimized-prioritized", Self::CapacityOptimizedPrioritized),
        ("price-capacity-optimized", Self::PriceCapacityOptimized),
    ];
}

/// How a mixed group divides itself between on demand and spot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// In which order types are tried on demand.
    pub on_demand_strategy: OnDemandStrategy,
    /// The first so many are on demand.
    pub on_demand_base: u32,
    /// So much of the rest is, too.
    pub on_demand_percentage: u32,
    /// In which order types are tried as spot.
    pub spot_strategy: SpotStrategy,
    /// US dollars an hour at most; none is the on-demand price.
    pub spot_max_price: Option<f64>,
}

impl Default for Distribution {
    /// All on demand, as AWS has it.
    fn default() -> Self {
        Distribution {
            on_demand_strategy: OnDemandStrategy::default(),
            on_demand_base: 0,
            on_demand_percentage: 100,
            spot_strategy: SpotStrategy::default(),
            spot_max_price: None,
        }
    }
}

/// What a group launches.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchSource {
    /// What a template says.
    Template(TemplateSpecification),
    /// What a template says, of several types and on both markets.
    Mixed {
        /// The template.
        template: TemplateSpecification,
        /// Types instead of the template's, the preferred ones first.
        overrides: Vec<String>,
        /// On demand or spot.
        distribution: Distribution,
    },
}

impl LaunchSource {
    /// The template.
    pub fn template(&self) -> &TemplateSpecification {
        match self {
            LaunchSource::Template(template) | LaunchSource::Mixed { template, .. } => template,
        }
    }

    pub(crate) fn template_mut(&mut self) -> &mut TemplateSpecification {
        match self {
            LaunchSource::Template(template) | LaunchSource::Mixed { template, .. } => template,
        }
    }
}
