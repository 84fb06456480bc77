//! Replacing instances of one market by those of the other, until a group is divided as it is told to be.

use super::round::Round;
use super::{Lifecycle, Process, purchase};

impl Round<'_> {
    /// Comes closer to how the group is to be divided between the markets: what one lacks is launched before what the other has too much of
    /// ends. Says whether that goes on, so that nothing else has to be made smaller.
    pub(super) fn redistribute(&mut self) -> bool {
        let Some(launched) = self.group.redistributing else { return false };
        let Some(wanted) = purchase::wanted(&self.group) else {
            self.group.redistributing = None;
            return false;
        };
        let excess = self.excess();
        if excess > launched {
            // It was made smaller meanwhile. Which go then, its policies say.
            self.group.redistributing = Some(0);
            return false;
        }
        let in_service = count(&self.members(|i| i.lifecycle == Lifecycle::InService));
        let held = |market| purchase::count(&self.group, market);
        let lacking = wanted.iter().find(|(market, most)| held(*market) < *most).map(|(market, most)| (*market, most - held(*market)));
        let surplus = wanted.iter().find(|(market, most)| held(*market) > *most).map(|(market, _)| *market);
        let replaceable = self.members(|i| Some(i.market) == surplus && !i.protected_from_scale_in);

        // Never below its size, and those that do not serve yet do not count.
        let spare = excess.min(in_service.saturating_sub(self.group.desired_capacity)).min(count(&replaceable));
        if spare > 0 {
            self.take_out(replaceable.into_iter().take(spare as usize).collect());
            self.group.redistributing = Some(self.excess());
            return true;
        }
        if let Some((market, missing)) = lacking {
            let missing = missing.min(self.room()).min(count(&replaceable));
            if missing > 0 && self.group.does(Process::Launch) {
                self.grow_by(market, missing);
                self.group.redistributing = Some(self.excess());
                return true;
            }
        } else if excess == 0 {
            self.group.redistributing = None;
        }
        excess > 0 && !self.members(|i| i.lifecycle == Lifecycle::Pending).is_empty()
    }

    /// How many more than its size it has.
    fn excess(&self) -> u32 {
        self.group.capacity().saturating_sub(self.group.desired_capacity)
    }
}

fn count(ids: &[String]) -> u32 {
    u32::try_from(ids.len()).unwrap_or(u32::MAX)
}
