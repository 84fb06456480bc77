//! What an instance of a fleet is, however it comes to be: its disks, its tags, and what it boots with.

use spawn_model::layout;
use spawn_model::market::MarketType;
use spawn_model::record::{AgentConfig, FleetRecord, SCHEMA};
use spawn_model::tag;

use crate::disks;
use crate::lease;
use crate::plan::{Plan, client_token};
use crate::pools::Pool;
use crate::ports::{Disk, LaunchRequest, SpotTerms, Tags, Template};
use crate::setup::Setup;
use crate::tags;
use crate::user_data::UserData;

/// An instance of a run.
pub(crate) struct Machine<'a> {
    pub(crate) record: &'a FleetRecord,
}

impl Machine<'_> {
    /// The launch of so many from a pool, the first of which has the rank `base`, into these groups; but for what they boot with.
    pub(crate) fn launch(&self, plan: &Plan, pool: &Pool, (base, count): (u32, u32), group_ids: Vec<String>) -> LaunchRequest {
        let spec = &self.record.spec;
        LaunchRequest {
            client_token: client_token(&self.record.run, base, pool),
            min_count: if plan.gang { count } else { 1 },
            max_count: count,
            instance_type: pool.instance_type.clone(),
            image_id: plan.image.id.clone(),
            disks: self.disks(),
            subnet_id: pool.subnet_id.clone(),
            public_address: spec.network.public_address,
            group_ids,
            placement_group: spec.placement.map(|_| layout::group_name(&self.record.fleet)),
            key_name: spec.ssh_key.clone(),
            profile: Some(layout::role_name(&self.record.fleet)),
            spot: (pool.market == MarketType::Spot).then_some(SpotTerms { max_usd_per_hour: spec.market.max_price }),
            ends: spec.lease.ends(),
            user_data: Vec::new(),
            tags: self.tags(base),
        }
    }

    /// What a group launches, into these groups; but for what they boot with.
    pub(crate) fn template(&self, group_ids: Vec<String>) -> Template {
        Template {
            name: layout::scaling_name(&self.record.run),
            image_id: self.record.image.id.clone(),
            disks: self.disks(),
            public_address: self.record.spec.network.public_address,
            group_ids,
            key_name: self.record.spec.ssh_key.clone(),
            profile: layout::role_name(&self.record.fleet),
            user_data: Vec::new(),
            tags: self.tags(0),
        }
    }

    /// The root volume as the image names it, and the others.
    fn disks(&self) -> Vec<Disk> {
        disks::asked(self.record)
    }

    /// The fleet's own security group, and those of the user's.
    pub(crate) fn security_groups(&self, own: &str) -> Vec<String> {
        std::iter::once(own.to_owned()).chain(self.record.spec.network.security_groups.iter().cloned()).collect()
    }

    /// The tags of an instance, and of its volumes, in a batch whose first rank is `base`.
    pub(crate) fn tags(&self, base: u32) -> Tags {
        let mut tags = tags::of_parts(self.record);
        tags.extend([
            (tag::RUN.to_owned(), self.record.run.to_string()),
            (tag::SHARD.to_owned(), layout::shard_of_rank(base).to_string()),
            (tag::RANK_BASE.to_owned(), base.to_string()),
            (tag::DEADLINE.to_owned(), lease::end_of(self.record).to_string()),
        ]);
        tags
    }

    /// What it boots with, in a batch whose first rank is `base`.
    pub(crate) fn user_data(&self, setup: &Setup, base: u32) -> Vec<u8> {
        let record = self.record;
        let config = AgentConfig {
            schema: SCHEMA,
            account: record.account.clone(),
            region: record.region.clone(),
            bucket: setup.bucket.clone(),
            fleet: record.fleet.clone(),
            run: record.run.clone(),
            kind: record.kind,
            rank_base: base,
            deadline: lease::deadline_of(record),
            ends: record.spec.lease.ends(),
            log_group: setup.log_group.clone(),
        };
        let agents: Vec<(String, String)> = setup.agents.iter().map(|(machine, sha)| (machine.clone(), sha.clone())).collect();
        UserData { config: &config, agent_sha256: &agents }.render()
    }
}
