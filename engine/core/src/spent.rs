//! What a fleet has cost so far, at the price that was known when it was launched.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use spawn_model::spec::{FleetKind, Member};
use spawn_model::status::Status;

use crate::fleet::Fleet;

impl Fleet {
    /// How long each member has cost money so far: from the moment it was asked for to its end. Nothing if it has stopped or is a service: for how
    /// long, or what was there before its members, nobody has written down.
    #[must_use]
    pub fn lived(&self, now: Timestamp) -> Option<Vec<(&Member, SignedDuration)>> {
        if self.status == Status::Stopped || self.record.started_at.is_some() || self.record.kind == FleetKind::Service {
            return None;
        }
        let alive: BTreeSet<&str> = self.alive.iter().map(|id| id.0.as_str()).collect();
        let lived = |member: &Member| {
            let end = match member.ended_at.as_ref().and_then(|at| at.parse::<Timestamp>().ok()) {
                _ if alive.contains(member.instance_id.as_str()) => now,
                Some(ended) => ended,
                None => now.min(self.deadline),
            };
            self.record.asked_at.duration_until(end).max(SignedDuration::ZERO)
        };
        Some(self.members.iter().map(|member| (member, lived(member))).collect())
    }

    /// What it has cost at the on-demand price of its preferred type. Nothing if that price is unknown or not every member's, or if it is not known how
    /// long they have lived.
    #[must_use]
    pub fn cost_usd_so_far(&self, now: Timestamp) -> Option<f64> {
        let price = self.record.price_usd_per_hour?;
        let preferred = self.record.instance_types.first()?;
        let lived = self.lived(now)?;
        if lived.iter().any(|(member, _)| member.instance_type != *preferred) {
            return None;
        }
        let total: SignedDuration = lived.into_iter().map(|(_, lived)| lived).sum();
        Some(price * total.as_secs_f64() / 3600.0)
    }
}
