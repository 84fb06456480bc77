//! From what is asked for and what is there to what will be done: plain data, made without any client.

use serde::Serialize;
use sha2::{Digest, Sha256};
use spawn_model::error::{Class, Error};
use spawn_model::ids::RunId;
use spawn_model::layout::SHARD_SIZE;
use spawn_model::problem::Path;
use spawn_model::record::BootImage;
use spawn_model::spec::{FleetKind, FleetSpec};

use crate::ports::{Image, InstanceType, Result, Subnet};

/// What was seen before planning.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The types that were asked for.
    pub types: Vec<InstanceType>,
    /// The image.
    pub image: Image,
    /// Subnets of the default network, by zone.
    pub subnets: Vec<Subnet>,
    /// Architectures, as EC2 says them, that the set-up has an agent for.
    pub architectures: Vec<String>,
}

/// A place to launch: instance type and subnet, and with it the zone.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Pool {
    /// The instance type.
    pub instance_type: String,
    /// The availability zone.
    pub zone: String,
    /// The subnet.
    pub subnet_id: String,
}

/// What a launch will do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The fleet's name.
    pub name: String,
    /// Its kind.
    pub kind: FleetKind,
    /// How many instances.
    pub size: u32,
    /// Where to ask, in this order.
    pub pools: Vec<Pool>,
    /// The image.
    pub image: BootImage,
    /// The network of every pool.
    pub vpc_id: String,
    /// How many seconds the lease runs, from the recorded intent.
    pub ttl_s: u64,
    /// Schedules that end it from outside, one for every 1,000 ranks.
    pub schedules: u32,
    /// On-demand price of an instance-hour of the preferred type in US dollars; unknown stays unknown.
    pub price_usd_per_hour: Option<f64>,
    /// What the whole fleet costs at most, until the lease ends, in US dollars.
    pub cost_usd_max: Option<f64>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

impl Plan {
    /// The same plan with the image that a run has begun with.
    #[must_use]
    pub fn booting(self, image: &BootImage) -> Self {
        Self { image: image.clone(), ..self }
    }

    /// The same plan, with what it costs.
    #[must_use]
    pub fn priced(self, price_usd_per_hour: Option<f64>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "seconds of at most 30 days")]
        let hours = self.ttl_s as f64 / 3600.0;
        let cost_usd_max = price_usd_per_hour.map(|price| price * hours * f64::from(self.size));
        Self { price_usd_per_hour, cost_usd_max, ..self }
    }
}

/// Plans a launch, without its price.
///
/// # Errors
/// If no pool is left, with the reason for each that was left out.
pub fn plan(kind: FleetKind, spec: &FleetSpec, observed: &Observed) -> Result<Plan> {
    let mut notes = Vec::new();
    let mut pools = Vec::new();
    for name in &spec.instance_types {
        let Some(found) = observed.types.iter().find(|t| t.name == *name) else { continue };
        if found.architecture != observed.image.architecture {
            notes.push(format!(
                "{name} is left out: it is {}, and the image {} is {}",
                found.architecture, observed.image.id, observed.image.architecture
            ));
        } else if !observed.architectures.contains(&found.architecture) {
            notes.push(format!("{name} is left out: the set-up has no agent for {}", found.architecture));
        } else {
            pools.extend(observed.subnets.iter().map(|subnet| Pool {
                instance_type: name.clone(),
                zone: subnet.zone.clone(),
                subnet_id: subnet.id.clone(),
            }));
        }
    }
    if observed.subnets.is_empty() {
        let help = "Make one with `aws ec2 create-default-vpc`, or use a region that has one";
        return Err(Error::new(Class::Invalid, "NoDefaultNetwork", "the region has no default network with subnets", help));
    }
    if pools.is_empty() {
        let help = "Name types of one architecture that the image and the set-up's agent have";
        return Err(Error::new(Class::Invalid, "NoPool", notes.join("; "), help).at(Path::field("instance_types")));
    }
    Ok(Plan {
        name: spec.name.clone(),
        kind,
        size: spec.size,
        pools,
        image: BootImage { id: observed.image.id.clone(), root_device: observed.image.root_device.clone() },
        vpc_id: observed.subnets[0].vpc_id.clone(),
        ttl_s: spec.lease.ttl.0,
        schedules: spec.size.div_ceil(SHARD_SIZE),
        price_usd_per_hour: None,
        cost_usd_max: None,
        notes,
    })
}

/// How many instances the next call asks for: all that are missing, but never across a shard's border, so that one schedule
/// never has more to end than one call can.
#[must_use]
pub fn batch_size(base: u32, size: u32) -> u32 {
    (size - base).min(SHARD_SIZE - base % SHARD_SIZE)
}

/// The client token of a launch: the same run, base and pool always have the same one, so a repeated call launches nothing twice.
#[must_use]
pub fn client_token(run: &RunId, base: u32, pool: &Pool) -> String {
    let digest = Sha256::digest(format!("{run} {base} {} {}", pool.instance_type, pool.subnet_id));
    hex::encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn batches_cover_every_rank_once_and_cross_no_shard(size in 1..10_000_u32, given in 1..1_000_u32) {
            let mut base = 0;
            while base < size {
                let asked = batch_size(base, size);
                prop_assert!(asked >= 1 && base + asked <= size);
                prop_assert_eq!(base / SHARD_SIZE, (base + asked - 1) / SHARD_SIZE);
                base += asked.min(given);
            }
            prop_assert_eq!(base, size);
        }
    }

    #[test]
    fn a_client_token_fits_ec2() {
        let pool = Pool { instance_type: "c7i.large".into(), zone: "us-east-1a".into(), subnet_id: "subnet-1".into() };
        assert_eq!(client_token(&RunId::from_random([1; 8]), 0, &pool).len(), 64);
    }
}
