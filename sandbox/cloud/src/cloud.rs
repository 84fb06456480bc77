//! The world, and the dispatch of calls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::buckets::Buckets;
use crate::catalogue::REGIONS;
use crate::config::Config;
use crate::error::ApiError;
use crate::faults::{Effect, Fault, Faults};
use crate::identity::{Generator, mix, stable_hash};
use crate::instances::TokenRecord;
use crate::kms::Keys;
use crate::model::{
    Image, Instance, KeyPair, PlacementGroup, ProfileIdentifier, SecurityGroup, Snapshot, SpotInstanceRequest, Volume, Zone,
};
use crate::network::{self, Network};
use crate::reply::Reply;
use crate::request::Request;
use crate::scaling::{OwnCall, Scaling};
use crate::shelf::Shelf;
use crate::templates::Templates;
use crate::transition::Change;
use crate::{catalogue, groups};

/// Everything in one region.
pub(crate) struct Region {
    pub(crate) name: String,
    pub(crate) zones: Vec<Zone>,
    pub(crate) network: Network,
    pub(crate) images: Vec<Image>,
    pub(crate) instances: Shelf<Instance>,
    pub(crate) volumes: Shelf<Volume>,
    pub(crate) groups: Shelf<SecurityGroup>,
    pub(crate) spot_requests: Shelf<SpotInstanceRequest>,
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    /// By name.
    pub(crate) placement_groups: BTreeMap<String, PlacementGroup>,
    /// By name.
    pub(crate) key_pairs: BTreeMap<String, KeyPair>,
    pub(crate) templates: Templates,
    pub(crate) scaling: Scaling,
    pub(crate) tokens: BTreeMap<String, TokenRecord>,
    /// Instances that something happens to by itself, by when.
    pub(crate) due: BTreeSet<(Timestamp, String)>,
    buckets: Buckets,
}

impl Region {
    /// Changes an instance and keeps the list of what is due in step with it.
    pub(crate) fn change_instance(&mut self, now: Timestamp, id: &str, change: impl FnOnce(&mut Instance)) {
        let concerns_group = |i: &Instance| (i.state, i.spot.as_ref().and_then(|s| s.rebalance));
        let (before, known) = self.instances.get(id).map(|i| (i.due, concerns_group(i))).unzip();
        self.instances.change(now, id, change);
        let (after, since) = self.instances.get(id).map(|i| (i.due, concerns_group(i))).unzip();
        if let Some(instance) = self.instances.get(id).filter(|_| known != since) {
            self.scaling.noticed(now, instance);
        }
        let (before, after) = (before.flatten(), after.flatten());
        if before != after {
            if let Some(at) = before {
                self.due.remove(&(at, id.to_owned()));
            }
            if let Some(at) = after {
                self.due.insert((at, id.to_owned()));
            }
        }
    }
}

/// A simulated EC2 of one account, in several regions.
pub struct Cloud {
    pub(crate) config: Config,
    pub(crate) regions: BTreeMap<String, Region>,
    pub(crate) generator: Generator,
    pub(crate) faults: Faults,
    /// Instance profiles by name.
    pub(crate) profiles: BTreeMap<String, ProfileIdentifier>,
    /// What volumes are encrypted with.
    pub(crate) keys: Keys,
    /// What has happened and was not yet told by [`Cloud::advance`].
    pub(crate) outbox: Vec<(Timestamp, Change)>,
    pub(crate) next_public_ip: u32,
    /// What services did by themselves and nobody has asked for yet.
    pub(crate) own_calls: VecDeque<OwnCall>,
    pub(crate) calls: u64,
}

impl Cloud {
    /// A cloud with nothing in it but what every account has: a default network in each region.
    pub fn new(config: Config) -> Self {
        let regions = REGIONS.iter().map(|seed| (seed.name.to_owned(), new_region(&config, seed))).collect();
        Cloud {
            generator: Generator::new(config.seed),
            faults: Faults::default(),
            profiles: BTreeMap::new(),
            keys: Keys::new(&config.account_id),
            outbox: Vec::new(),
            next_public_ip: 0,
            own_calls: VecDeque::new(),
            calls: 0,
            regions,
            config,
        }
    }

    /// The settings it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Does one call.
    ///
    /// # Errors
    /// What EC2 would answer, and what [`Cloud::fault`] scripts. With [`ApiError::lost`] the caller must get no answer
    /// at all; with [`ApiError::gap`] the call asked for something that is not simulated.
    pub fn call(&mut self, now: Timestamp, region: &str, request: Request) -> Result<Reply, ApiError> {
        self.settle(now);
        self.calls += 1;
        let operation = request.operation();
        let Some(here) = self.regions.get_mut(region) else {
            return Err(ApiError::gap("InvalidRegion", format!("The region '{region}' is not simulated")));
        };
        if let Some((error, effect)) = self.faults.on_call(region, operation) {
            if effect == Effect::After {
                // The caller hears of the scripted trouble, whatever became of the call.
                let _unheard = self.dispatch(now, region, request);
            }
            return Err(error);
        }
        if self.config.throttle {
            here.buckets.take(now, &request, &self.config.account_id)?;
        }
        self.dispatch(now, region, request)
    }

    /// Adds a rule of trouble.
    pub fn fault(&mut self, rule: Fault) {
        self.faults.add(rule);
    }

    /// The rules in force. Rules about calls go away once they have been used up.
    pub fn faults(&self) -> &[Fault] {
        self.faults.rules()
    }

    /// Ends all trouble.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// From now on instances may be given this instance profile.
    pub fn profile_known(&mut self, name: &str, arn: &str) {
        let hash = stable_hash(&[name, arn]);
        let id = format!("AIPA{}", base32(hash));
        self.profiles.insert(name.to_owned(), ProfileIdentifier { arn: arn.to_owned(), id });
    }

    /// From now on volumes may be encrypted with this key.
    pub fn kms_key_known(&mut self, arn: &str) {
        self.keys.add(arn);
    }

    /// From now on launches with this instance profile are refused.
    pub fn profile_forgotten(&mut self, name: &str) {
        self.profiles.remove(name);
    }

    /// How far behind the truth this call reads about an id: drawn anew for each, between nothing and the configured lag.
    pub(crate) fn lateness(&self) -> impl Fn(&str) -> SignedDuration + use<> {
        let (lag, salt) = (self.config.reads_lag_ms, mix(self.config.seed ^ self.calls.rotate_left(32)));
        move |id| {
            let draw = mix(stable_hash(&[id]) ^ salt) % (lag + 1);
            SignedDuration::from_millis(i64::try_from(draw).unwrap_or(i64::MAX))
        }
    }

    pub(crate) fn region(&self, name: &str) -> &Region {
        &self.regions[name]
    }

    pub(crate) fn region_mut(&mut self, name: &str) -> &mut Region {
        self.regions.get_mut(name).expect("the call was checked to name a region that exists")
    }
}

fn new_region(config: &Config, seed: &catalogue::RegionSeed) -> Region {
    let zones = network::zones(seed);
    let network = Network::new(&config.account_id, seed, &zones);
    let mut groups = Shelf::new(config.reads_lag_ms);
    for vpc in network.vpcs.values() {
        let group = groups::default_group(&config.account_id, seed.name, &vpc.id);
        groups.insert(Timestamp::MIN, group.id.clone(), group);
    }
    Region {
        name: seed.name.to_owned(),
        zones,
        network,
        images: catalogue::images(seed.name),
        instances: Shelf::new(config.reads_lag_ms),
        volumes: Shelf::new(config.reads_lag_ms),
        groups,
        spot_requests: Shelf::new(config.reads_lag_ms),
        snapshots: BTreeMap::new(),
        placement_groups: BTreeMap::new(),
        key_pairs: BTreeMap::new(),
        templates: Templates::default(),
        scaling: Scaling::new(config.reads_lag_ms),
        tokens: BTreeMap::new(),
        due: BTreeSet::new(),
        buckets: Buckets::default(),
    }
}

/// Seventeen characters of the alphabet that IAM ids use.
fn base32(mut number: u64) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    (0..17)
        .map(|_| {
            let letter = ALPHABET[(number % 32) as usize];
            number = mix(number);
            char::from(letter)
        })
        .collect()
}
