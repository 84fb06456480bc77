//! How EC2 takes spot instances back: recommendation, notice, end.

use jiff::Timestamp;

use super::prices::Walk;
use super::requests;
use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::model::{Ahead, Instance, InstanceState};
use crate::transition::{Change, after, millis};

/// Between notice and end, on AWS.
const NOTICE_MS: u64 = 120_000;

impl Cloud {
    /// EC2 takes a spot instance back, `notice_ms` after telling it; on AWS that is two minutes.
    ///
    /// # Errors
    /// For an unknown instance, and for one that is not a running spot instance.
    pub fn interrupt_spot(&mut self, now: Timestamp, id: &str, notice_ms: u64) -> Result<(), ApiError> {
        let region = self.running_spot(now, id)?;
        self.give_notice(now, &region, id, notice_ms, false);
        Ok(())
    }

    /// EC2 recommends to move the work of a spot instance elsewhere, because it is more likely now to be taken back.
    ///
    /// # Errors
    /// For an unknown instance, and for one that is not a running spot instance.
    pub fn recommend_rebalance(&mut self, now: Timestamp, id: &str) -> Result<(), ApiError> {
        let region = self.running_spot(now, id)?;
        self.recommend(now, &region, id);
        Ok(())
    }

    fn running_spot(&mut self, now: Timestamp, id: &str) -> Result<String, ApiError> {
        self.settle(now);
        let (region, instance) = self.locate(id)?;
        if instance.spot.is_none() || instance.state != InstanceState::Running {
            return Err(ApiError::new("IncorrectInstanceState", format!("'{id}' is not a running Spot Instance")));
        }
        Ok(region)
    }

    /// Finds out what lies ahead of a spot instance that begins to run.
    pub(crate) fn look_ahead(&mut self, at: Timestamp, region: &str, id: &str) {
        let Some(instance) = self.region(region).instances.get(id).filter(|i| i.spot.is_some()).cloned() else { return };
        let scripted = self.faults.reclaim(region, &instance.availability_zone, &instance.instance_type).map(|rule| {
            let notice_at = after(at, millis(rule.after_ms));
            match rule.rebalance_ms {
                None => (notice_at, Ahead::Notice { notice_ms: rule.notice_ms, outbid: false }),
                Some(earlier) => {
                    let ahead = Ahead::Rebalance { notice_at, notice_ms: rule.notice_ms };
                    ((notice_at - millis(earlier)).max(at), ahead)
                }
            }
        });
        let next = [scripted, self.outbid(at, region, &instance)].into_iter().flatten().min_by_key(|(at, _)| *at);
        self.set_ahead(at, region, id, next);
    }

    /// When the price will be above what the instance may cost.
    fn outbid(&self, at: Timestamp, region: &str, instance: &Instance) -> Option<(Timestamp, Ahead)> {
        let max = instance.spot.as_ref()?.max_price;
        let walk = Walk::of(self.config.seed, region, &instance.availability_zone, &instance.instance_type)?;
        walk.first_above(max, at).map(|at| (at, Ahead::Notice { notice_ms: NOTICE_MS, outbid: true }))
    }

    fn set_ahead(&mut self, now: Timestamp, region: &str, id: &str, next: Option<(Timestamp, Ahead)>) {
        self.region_mut(region).change_instance(now, id, |i| {
            i.due = next.map(|(at, _)| at);
            if let Some(spot) = &mut i.spot {
                spot.ahead = next;
            }
        });
    }

    /// What lay ahead of a running spot instance is there. Says whether its price is why it must end now.
    pub(crate) fn arrive(&mut self, at: Timestamp, region: &str, id: &str) -> Option<bool> {
        let (_, ahead) = self.region(region).instances.get(id)?.spot.as_ref()?.ahead?;
        match ahead {
            Ahead::Rebalance { notice_at, notice_ms } => {
                self.recommend(at, region, id);
                self.set_ahead(at, region, id, Some((notice_at, Ahead::Notice { notice_ms, outbid: false })));
                None
            }
            Ahead::Notice { notice_ms, outbid } => {
                self.give_notice(at, region, id, notice_ms, outbid);
                None
            }
            Ahead::Take { outbid } => Some(outbid),
        }
    }

    fn recommend(&mut self, now: Timestamp, region: &str, id: &str) {
        self.region_mut(region).change_instance(now, id, |i| {
            if let Some(spot) = &mut i.spot {
                spot.rebalance = Some(now);
            }
        });
        self.outbox.push((now, Change::RebalanceRecommendation { id: id.to_owned(), at: now }));
    }

    fn give_notice(&mut self, now: Timestamp, region: &str, id: &str, notice_ms: u64, outbid: bool) {
        let at = after(now, millis(notice_ms));
        self.set_ahead(now, region, id, Some((at, Ahead::Take { outbid })));
        self.region_mut(region).change_instance(now, id, |i| {
            if let Some(spot) = &mut i.spot {
                spot.interruption = Some(at);
            }
        });
        requests::marked(self.region_mut(region), now, id);
        self.outbox.push((now, Change::SpotNotice { id: id.to_owned(), at }));
    }
}
