//! Which rank a machine of a service takes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use spawn_model::ids::InstanceId;
use spawn_model::record::RankClaim;
use tokio::time::Instant;

use super::{Held, Ranks, STALE_AFTER};
use crate::claims::{Claims, Found};
use crate::failure::{Class, Failure};

/// More rounds than these are not lost by chance.
const MOST_ROUNDS: u32 = 40;

/// Takes a rank below `size`: the one of `hint`, if this machine has it already, else a free one, else one that was given back or whose holder
/// gives no sign of life. Nothing if every rank has its holder. `hint` is left at what may have been claimed, whatever happens.
pub(crate) async fn take(
    claims: &impl Ranks,
    claim: &RankClaim,
    hint: &mut Option<u32>,
    size: u32,
    interval: Duration,
) -> Result<Option<Held>, Failure> {
    let own = |found: &Found<RankClaim>| found.claim.instance_id == claim.instance_id;
    if let Some(rank) = *hint
        && let Some(held) = take_over(claims, claim, rank, own).await?
    {
        return Ok(Some(held));
    }
    for round in 0..MOST_ROUNDS {
        let claimed = claims.claimed().await?;
        let free: Vec<u32> = (0..size).filter(|rank| claimed.binary_search(rank).is_err()).collect();
        let Some(rank) = one_of_the_first(&free, &claim.instance_id, round) else { break };
        *hint = Some(rank);
        let heard_at = Instant::now();
        match claims.make(&rank, claim).await {
            Ok(tag) => return Ok(Some(Held { rank, tag, heard_at })),
            // The answer to our own claim may have been lost.
            Err(failure) if failure.class == Class::Taken => {
                if let Some(held) = take_over(claims, claim, rank, own).await? {
                    return Ok(Some(held));
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    let stale_after = interval * STALE_AFTER;
    let is_given_up = |found: &Found<RankClaim>| {
        own(found) || found.claim.service.as_ref().is_some_and(|service| service.released) || found.age.is_some_and(|age| age > stale_after)
    };
    let first = number(&claim.instance_id, 0).checked_rem(size).unwrap_or_default();
    for rank in (first..size).chain(0..first) {
        if let Some(held) = take_over(claims, claim, rank, is_given_up).await? {
            *hint = Some(rank);
            return Ok(Some(held));
        }
    }
    Ok(None)
}

/// Writes over a claim as long as `may` allows it. Nothing if it does not, or there is none.
async fn take_over(
    claims: &impl Claims<u32, RankClaim>,
    claim: &RankClaim,
    rank: u32,
    may: impl Fn(&Found<RankClaim>) -> bool,
) -> Result<Option<Held>, Failure> {
    loop {
        let found = match claims.read(&rank).await {
            Ok(found) => found,
            // Nobody can tell whose it is: it is left alone.
            Err(failure) if matches!(failure.class, Class::NotFound | Class::Invalid) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        if found.claim.instance_id != claim.instance_id && !may(&found) {
            return Ok(None);
        }
        let heard_at = Instant::now();
        match claims.replace(&rank, &found.tag, claim).await {
            Ok(tag) => return Ok(Some(Held { rank, tag, heard_at })),
            // Somebody was faster; or it was we, and the answer was lost.
            Err(failure) if matches!(failure.class, Class::Taken | Class::NotFound) => {}
            Err(failure) => return Err(failure),
        }
    }
}

/// One of the first free ranks: the lowest at first, and with every round that was lost to others one of twice as many, so that a thousand
/// machines that begin together do not all want the same.
fn one_of_the_first(free: &[u32], own: &InstanceId, round: u32) -> Option<u32> {
    let most = u32::try_from(free.len()).unwrap_or(u32::MAX).min(1_u32.checked_shl(round).unwrap_or(u32::MAX));
    free.get(number(own, round).checked_rem(most)? as usize).copied()
}

/// A number that differs from machine to machine and from round to round.
fn number(own: &InstanceId, round: u32) -> u32 {
    let mut hasher = DefaultHasher::new();
    (&own.0, round).hash(&mut hasher);
    (hasher.finish() & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenure::scripted::{Event, Scripted, claim_of};

    const INTERVAL: Duration = Duration::from_secs(30);

    async fn taken(claims: &Scripted, hint: &mut Option<u32>, size: u32) -> Result<Option<u32>, Class> {
        let held = take(claims, &claim_of("i-own"), hint, size, INTERVAL).await;
        held.map(|held| held.map(|held| held.rank)).map_err(|failure| failure.class)
    }

    #[tokio::test(start_paused = true)]
    async fn a_rank_is_taken_whatever_happens() {
        use Event::{Beaten, Fail, LostReply, Renewed};
        type Claimed = (u32, &'static str, u64);
        type Case = (&'static str, Vec<Claimed>, Vec<Event>, Option<u32>, u32, Result<Option<u32>, Class>);
        let cases: Vec<Case> = vec![
            ("free", vec![], vec![], None, 2, Ok(Some(0))),
            ("the lowest that is free", vec![(0, "i-a", 1), (2, "i-b", 1)], vec![], None, 4, Ok(Some(1))),
            ("a free one is preferred to a stale one", vec![(0, "i-a", 999)], vec![], None, 2, Ok(Some(1))),
            ("the reply was lost", vec![], vec![LostReply], None, 2, Ok(Some(0))),
            ("beaten, and another is free", vec![], vec![Beaten], None, 2, Ok(Some(1))),
            ("beaten, and none is free", vec![], vec![Beaten], None, 1, Ok(None)),
            ("own from an earlier boot", vec![(2, "i-own", 20)], vec![], Some(2), 4, Ok(Some(2))),
            ("own, and beyond the size", vec![(5, "i-own", 20)], vec![], Some(5), 4, Ok(Some(5))),
            ("lost since the earlier boot", vec![(0, "i-a", 20)], vec![], Some(0), 2, Ok(Some(1))),
            ("own that nobody remembers", vec![(0, "i-a", 1), (1, "i-own", 20)], vec![], None, 2, Ok(Some(1))),
            ("fresh", vec![(0, "i-a", 180)], vec![], None, 1, Ok(None)),
            ("stale", vec![(0, "i-a", 181)], vec![], None, 1, Ok(Some(0))),
            ("one of them is stale", vec![(0, "i-a", 30), (1, "i-b", 200), (2, "i-c", 30)], vec![], None, 3, Ok(Some(1))),
            ("stale, and another is faster", vec![(0, "i-a", 200)], vec![Beaten], None, 1, Ok(None)),
            ("stale, and its holder lives after all", vec![(0, "i-a", 200)], vec![Renewed], None, 1, Ok(None)),
            ("stale, and the reply was lost", vec![(0, "i-a", 200)], vec![LostReply], None, 1, Ok(Some(0))),
            ("beyond the size", vec![(0, "i-a", 1), (1, "i-b", 999)], vec![], None, 1, Ok(None)),
            ("no rank at all", vec![], vec![], None, 0, Ok(None)),
            ("no rights", vec![], vec![Fail(Class::Rights)], None, 1, Err(Class::Rights)),
        ];
        for (name, claimed, events, hint, size, expected) in cases {
            let claims = Scripted::new(&claimed, events);
            assert_eq!(taken(&claims, &mut hint.clone(), size).await, expected, "{name}");
            let own = claims.held_by("i-own");
            assert_eq!(own, expected.ok().flatten().into_iter().collect::<Vec<_>>(), "{name}");
        }
    }

    #[tokio::test]
    async fn what_was_given_back_is_taken_at_once() {
        let claims = Scripted::new(&[(0, "i-a", 1), (1, "i-b", 1)], vec![]);
        claims.release(1);
        assert_eq!(taken(&claims, &mut None, 2).await, Ok(Some(1)));
        assert!(!claims.service(1).released);
    }

    #[tokio::test]
    async fn an_age_that_is_not_known_is_fresh() {
        let claims = Scripted::new(&[(0, "i-a", 999)], vec![]);
        claims.forget_ages();
        assert_eq!(taken(&claims, &mut None, 1).await, Ok(None));
    }

    #[tokio::test]
    async fn who_finds_none_has_one_when_there_are_more() {
        let claims = Scripted::new(&[(0, "i-a", 1)], vec![]);
        let mut hint = None;
        assert_eq!(taken(&claims, &mut hint, 1).await, Ok(None));
        assert_eq!(taken(&claims, &mut hint, 2).await, Ok(Some(1)));
    }

    /// Not a second one beside the one that it does not know to have.
    #[tokio::test]
    async fn a_claim_whose_answer_never_came_is_found_by_the_next_look() {
        let claims = Scripted::new(&[], vec![Event::Unanswered]);
        let mut hint = None;
        assert_eq!(taken(&claims, &mut hint, 3).await, Err(Class::Transient));
        assert_eq!(hint, Some(0));
        assert_eq!(taken(&claims, &mut hint, 3).await, Ok(Some(0)));
        assert_eq!(claims.held_by("i-own"), [0]);
    }

    /// Each looks, and then each tries, a thousand at a time.
    #[test]
    fn a_thousand_that_begin_together_soon_want_different_ranks() {
        let mut free: Vec<u32> = (0..1000).collect();
        let mut waiting: Vec<InstanceId> = (0..1000).map(|index| InstanceId(format!("i-{index:017x}"))).collect();
        let mut rounds = 0;
        while !waiting.is_empty() {
            let seen = free.clone();
            waiting.retain(|own| {
                let wanted = one_of_the_first(&seen, own, rounds).unwrap();
                let at = free.binary_search(&wanted);
                at.map(|at| free.remove(at)).is_err()
            });
            rounds += 1;
        }
        assert!(rounds < MOST_ROUNDS, "{rounds}");
    }
}
