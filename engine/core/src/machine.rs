//! What an instance of a fleet is, however it comes to be: its disks, its tags, and what it boots with.

use spawn_model::layout;
use spawn_model::record::{AgentConfig, FleetRecord, SCHEMA};
use spawn_model::tag;

use crate::disks;
use crate::lease;
use crate::ports::{Disk, Tags};
use crate::setup::Setup;
use crate::tags;
use crate::user_data::UserData;

/// An instance of a run.
pub(crate) struct Machine<'a> {
    pub(crate) record: &'a FleetRecord,
    pub(crate) setup: &'a Setup,
}

impl Machine<'_> {
    /// The root volume as the image names it, and the others.
    pub(crate) fn disks(&self) -> Vec<Disk> {
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
    pub(crate) fn user_data(&self, base: u32) -> Vec<u8> {
        let (record, setup) = (self.record, self.setup);
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
