//! What can be asked without making anything, and what is answered: the data sources of Terraform.

use std::collections::BTreeMap;

use crate::field::Field;
use crate::problem::{Path, Problem};
use crate::read::{FieldType, fields};
use crate::requirements::{Architecture, RequirementsSpec, check_requirements};
use crate::rules::check_ami;
use crate::value::Value;
use crate::words::refused;

fields! {
    /// Which fleet is meant: by one of both.
    pub struct FleetQuery {
        /// The fleet's id. One that was ended for good is found by it too, as long as its records are kept.
        id: Option<String> => Default("null"), InPlace;
        /// Or its name.
        name: Option<String> => Default("null"), InPlace;
    }
}

impl FleetQuery {
    /// Reads it, and says what is wrong with it.
    #[must_use]
    pub fn checked(value: &Value) -> (Option<Self>, Vec<Problem>) {
        let mut problems = Vec::new();
        let query = Self::read(&asked(value, Self::FIELDS), &Path::default(), &mut problems);
        if let Some(Self { id, name }) = &query
            && id.is_some() == name.is_some()
        {
            problems.push(Problem::new(&Path::field("name"), "one fleet is meant", "Write its id or its name"));
        }
        (query.filter(|_| problems.is_empty()), problems)
    }
}

fields! {
    /// What is told of a fleet that somebody else made, beside what spawn reports of every fleet.
    pub struct FleetFacts {
        /// `instance`, `job_array`, `service` or `queue`.
        kind: String => Computed, InPlace;
        /// How many instances it has, or workers.
        size: u32 => Computed, InPlace;
        /// Its tags.
        tags: BTreeMap<String, String> => Computed, InPlace;
        /// When its run was asked for (RFC 3339, UTC).
        asked_at: String => Computed, InPlace;
        /// How many of its instances cost money.
        alive: u32 => Computed, InPlace;
    }
}

fields! {
    /// Which fleets are meant: those that all of these say. Nothing means every one.
    pub struct FleetsQuery {
        /// Fleets that have all of these tags.
        tags: BTreeMap<String, String> => Optional, InPlace;
        /// `instance`, `job_array`, `service` or `queue`.
        kind: Option<String> => Optional, InPlace;
        /// `scheduled`, `launching`, `running`, `succeeded`, `failed`, `stopped`, `expired`, `interrupted` or `lost`.
        status: Option<String> => Optional, InPlace;
    }
}

fields! {
    /// One of the fleets of a region.
    pub struct FleetSummary {
        /// Its id.
        id: String => Computed, InPlace;
        /// Its name.
        name: String => Computed, InPlace;
        /// `instance`, `job_array`, `service` or `queue`.
        kind: String => Computed, InPlace;
        /// `scheduled`, `launching`, `running`, `succeeded`, `failed`, `stopped`, `expired`, `interrupted` or `lost`.
        status: String => Computed, InPlace;
        /// Why, in a sentence.
        status_reason: String => Computed, InPlace;
        /// How many instances it has, or workers.
        size: u32 => Computed, InPlace;
        /// How many of its instances cost money.
        alive: u32 => Computed, InPlace;
        /// When its lease ends (RFC 3339, UTC).
        deadline: String => Computed, InPlace;
        /// Its tags.
        tags: BTreeMap<String, String> => Computed, InPlace;
    }
}

fields! {
    /// The fleets that were meant.
    pub struct FleetsFound {
        /// By name.
        fleets: Vec<FleetSummary> => Computed, InPlace;
        /// Their ids.
        ids: Vec<String> => Computed, InPlace;
    }
}

fields! {
    /// What a fleet would cost and be launched from, as things are now.
    pub struct Estimate {
        /// What an hour of the whole fleet costs at most, in US dollars, by the list prices of the Pricing API, disks included; null if a price is unknown.
        usd_per_hour: Option<f64> => Computed, InPlace;
        /// What it costs at most until its lease ends, in US dollars; null if a price is unknown.
        cost_usd_max: Option<f64> => Computed, InPlace;
        /// What an hour of one instance of the preferred type costs on demand, in US dollars; null if that is unknown.
        price_usd_per_hour: Option<f64> => Computed, InPlace;
        /// What the pool that is asked first costs as spot now, in US dollars an hour; null without spot.
        spot_usd_per_hour: Option<f64> => Computed, InPlace;
        /// How many seconds its lease lasts: as its `ttl` says, or as long as its `budget` lasts.
        lasts_s: i64 => Computed, InPlace;
        /// The types that it would be launched from, in the order in which they are asked.
        instance_types: Vec<String> => Computed, InPlace;
        /// The image that its instances would boot.
        image_id: String => Computed, InPlace;
        /// What would be left out, and why.
        notes: Vec<String> => Computed, InPlace;
    }
}

fields! {
    /// Which instance types are meant.
    pub struct TypesQuery {
        /// What they have to have.
        requirements: RequirementsSpec => Required, InPlace;
        /// Whether they are bought as spot: then they are sorted by that price.
        spot: bool => Default("false"), InPlace;
    }
}

fields! {
    /// An instance type.
    pub struct TypeFacts {
        /// Its name.
        name: String => Computed, InPlace;
        /// vCPUs.
        vcpu: u32 => Computed, InPlace;
        /// Memory in GiB.
        memory_gib: f64 => Computed, InPlace;
        /// GPUs.
        gpu: u32 => Computed, InPlace;
        /// What an hour costs on demand, in US dollars, by the Pricing API; null if that is unknown.
        usd_per_hour: Option<f64> => Computed, InPlace;
        /// What an hour costs as spot now, in US dollars, in the zone where it costs the least; null unless `spot` asks for it.
        spot_usd_per_hour: Option<f64> => Computed, InPlace;
    }
}

fields! {
    /// The instance types that were meant.
    pub struct TypesFound {
        /// Those of the region's current generations that have what is required, the cheapest first, at most 20. Bare metal and types with CPU credits are
        /// none of them.
        types: Vec<TypeFacts> => Computed, InPlace;
        /// Their names, as `instance_types` of a fleet takes them.
        names: Vec<String> => Computed, InPlace;
    }
}

fields! {
    /// Which image is meant.
    pub struct AmiQuery {
        /// As `ami` of a fleet: an id, a distribution such as `al2023` or `ubuntu-24.04`, or `ssm:/…`, a parameter that holds an id.
        ami: String => Default("\"al2023\""), InPlace;
        /// `x86_64` or `arm64`: of which a distribution's image is.
        architecture: Architecture => Default("\"x86_64\""), InPlace;
    }
}

fields! {
    /// The image that was meant.
    pub struct AmiFacts {
        /// Its id.
        id: String => Computed, InPlace;
        /// The name of its root device.
        root_device: String => Computed, InPlace;
        /// How many GiB its root volume has unless a fleet says otherwise; null if the image does not say so.
        root_gib: Option<u32> => Computed, InPlace;
    }
}

impl AmiQuery {
    /// Reads it, and says what is wrong with it.
    #[must_use]
    pub fn checked(value: &Value) -> (Option<Self>, Vec<Problem>) {
        let mut problems = Vec::new();
        let query = Self::read(&asked(value, Self::FIELDS), &Path::default(), &mut problems);
        check_ami(value.get("ami"), &Path::field("ami"), &mut problems);
        (query.filter(|_| problems.is_empty()), problems)
    }
}

impl TypesQuery {
    /// Reads it, and says what is wrong with it.
    #[must_use]
    pub fn checked(value: &Value) -> (Option<Self>, Vec<Problem>) {
        let mut problems = Vec::new();
        let query = Self::read(&asked(value, Self::FIELDS), &Path::default(), &mut problems);
        if !value.get("requirements").is_null() {
            check_requirements(value, &Path::field("requirements"), &mut problems);
        }
        (query.filter(|_| problems.is_empty()), problems)
    }
}

impl FleetsQuery {
    /// Reads it, and says what is wrong with it.
    #[must_use]
    pub fn checked(value: &Value) -> (Option<Self>, Vec<Problem>) {
        let mut problems = Vec::new();
        let query = Self::read(&asked(value, Self::FIELDS), &Path::default(), &mut problems);
        for (field, words) in [("kind", &KINDS[..]), ("status", &STATUSES[..])] {
            if let Some(word) = value.get(field).as_str()
                && !words.contains(&word)
            {
                problems.push(refused(value.get(field), "nothing that a fleet is", words, &Path::field(field)));
            }
        }
        (query.filter(|_| problems.is_empty()), problems)
    }
}

/// The kinds of fleets.
const KINDS: [&str; 4] = ["instance", "job_array", "service", "queue"];

/// Their states.
const STATUSES: [&str; 9] = ["scheduled", "launching", "running", "succeeded", "failed", "stopped", "expired", "interrupted", "lost"];

/// The part of a block that asks.
fn asked(block: &Value, fields: &[Field]) -> Value {
    Value::Map(fields.iter().map(|field| (field.name.to_owned(), block.get(field.name).clone())).collect())
}
