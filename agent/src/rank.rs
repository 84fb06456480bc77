//! Which rank this machine is. A claim is an object that can be made only once, so no rank has two holders.

use std::time::Duration;

use bytes::Bytes;
use spawn_model::ids::InstanceId;
use spawn_model::layout::{RunKeys, rank_of_key};
use spawn_model::record::RankClaim;
use tokio::time::sleep;

use crate::aws::Session;
use crate::aws::s3::{Bucket, Made};
use crate::failure::{Class, Failure};
use crate::retry::retry;

/// How long a claim is tried while S3 is in trouble.
const TROUBLE: Duration = Duration::from_secs(120);
/// The pause after another writer was at work at the same moment.
const CONFLICT_PAUSE: Duration = Duration::from_millis(50);
/// More rounds than ranks could be lost to others mean that something is wrong.
const MOST_ROUNDS: u32 = 20_000;

/// The claims of a run. A trait, so that the choice can be tested with every order of events.
pub(crate) trait Claims {
    /// Claims a rank if it is free.
    async fn claim(&self, rank: u32) -> Result<Made, Failure>;
    /// Who has it.
    async fn holder(&self, rank: u32) -> Result<InstanceId, Failure>;
    /// Every rank that is taken, in order.
    async fn taken(&self) -> Result<Vec<u32>, Failure>;
}

/// Chooses a rank below `size`: `wanted`, if it is free or this machine's own already, else the next that is free. Nothing if none is.
pub(crate) async fn choose(claims: &impl Claims, own: &InstanceId, wanted: u32, size: u32) -> Result<Option<u32>, Failure> {
    let mut rank = wanted;
    if rank >= size {
        match next_free(claims, 0, size).await? {
            Some(free) => rank = free,
            None => return Ok(None),
        }
    }
    for _ in 0..MOST_ROUNDS {
        match claims.claim(rank).await {
            Ok(Made::Yes) => return Ok(Some(rank)),
            Ok(Made::Taken) => match claims.holder(rank).await {
                // The answer to our own claim was lost, or the machine has booted before.
                Ok(holder) if holder == *own => return Ok(Some(rank)),
                Ok(_) => match next_free(claims, rank, size).await? {
                    Some(free) => rank = free,
                    None => return Ok(None),
                },
                // Given back between the two calls.
                Err(failure) if failure.class == Class::NotFound => {}
                Err(failure) => return Err(failure),
            },
            Err(failure) if failure.class == Class::Conflict => sleep(CONFLICT_PAUSE).await,
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::new(Class::Conflict, format!("no rank could be claimed in {MOST_ROUNDS} rounds")))
}

/// The first free rank from `from` on, going round.
async fn next_free(claims: &impl Claims, from: u32, size: u32) -> Result<Option<u32>, Failure> {
    let taken = claims.taken().await?;
    Ok((from..size).chain(0..from.min(size)).find(|rank| taken.binary_search(rank).is_err()))
}

/// The claims in the bucket.
pub(crate) struct BucketClaims<'a> {
    pub(crate) session: &'a Session,
    pub(crate) bucket: &'a Bucket,
    pub(crate) keys: &'a RunKeys,
    /// What to claim with.
    pub(crate) claim: &'a RankClaim,
}

impl Claims for BucketClaims<'_> {
    async fn claim(&self, rank: u32) -> Result<Made, Failure> {
        let claim = Bytes::from(serde_json::to_vec(self.claim).map_err(|error| Failure::new(Class::Invalid, error.to_string()))?);
        let key = self.keys.rank(rank);
        // Repeated after a lost reply, it finds its own claim, which counts as won.
        retry(self.session.patience(TROUBLE), async || self.bucket.make(&key, claim.clone()).await).await
    }

    async fn holder(&self, rank: u32) -> Result<InstanceId, Failure> {
        let content = retry(self.session.patience(TROUBLE), async || self.bucket.get(&self.keys.rank(rank)).await).await?;
        let claim: RankClaim = serde_json::from_slice(&content)
            .map_err(|error| Failure::new(Class::Invalid, format!("the claim of rank {rank} cannot be read: {error}")))?;
        Ok(claim.instance_id)
    }

    async fn taken(&self) -> Result<Vec<u32>, Failure> {
        let keys = retry(self.session.patience(TROUBLE), async || self.bucket.list(&self.keys.ranks()).await).await?;
        Ok(keys.iter().filter_map(|key| rank_of_key(key)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, VecDeque};

    use super::*;

    /// A bucket whose answers to claims can be scripted.
    #[derive(Default)]
    struct Scripted {
        held: RefCell<BTreeMap<u32, &'static str>>,
        /// What the next claims answer, before the bucket itself is asked.
        claims: RefCell<VecDeque<Script>>,
        made: RefCell<Vec<u32>>,
    }

    enum Script {
        Fail(Class),
        /// The claim is made, but the answer is that it is taken.
        LostReply,
        /// Another one takes the rank first.
        Beaten,
    }

    impl Claims for Scripted {
        async fn claim(&self, rank: u32) -> Result<Made, Failure> {
            match self.claims.borrow_mut().pop_front() {
                Some(Script::Fail(class)) => return Err(Failure::new(class, "scripted")),
                Some(Script::LostReply) => {
                    self.held.borrow_mut().insert(rank, "i-own");
                }
                Some(Script::Beaten) => {
                    self.held.borrow_mut().insert(rank, "i-other");
                }
                None => {}
            }
            if self.held.borrow().contains_key(&rank) {
                return Ok(Made::Taken);
            }
            self.held.borrow_mut().insert(rank, "i-own");
            self.made.borrow_mut().push(rank);
            Ok(Made::Yes)
        }

        async fn holder(&self, rank: u32) -> Result<InstanceId, Failure> {
            let held = self.held.borrow();
            held.get(&rank).map(|id| InstanceId((*id).to_owned())).ok_or_else(|| Failure::new(Class::NotFound, "nobody"))
        }

        async fn taken(&self) -> Result<Vec<u32>, Failure> {
            Ok(self.held.borrow().keys().copied().collect())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rank_is_found_whatever_happens() {
        use Script::{Beaten, Fail, LostReply};
        type Case = (&'static str, Vec<(u32, &'static str)>, Vec<Script>, u32, u32, Result<Option<u32>, Class>);
        let cases: Vec<Case> = vec![
            ("free", vec![], vec![], 2, 4, Ok(Some(2))),
            ("own from an earlier boot", vec![(2, "i-own")], vec![], 2, 4, Ok(Some(2))),
            ("the reply was lost", vec![], vec![LostReply], 2, 4, Ok(Some(2))),
            ("conflict, then free", vec![], vec![Fail(Class::Conflict), Fail(Class::Conflict)], 2, 4, Ok(Some(2))),
            ("another's, the next is free", vec![(2, "i-other")], vec![], 2, 4, Ok(Some(3))),
            ("round the end", vec![(3, "i-other")], vec![], 3, 4, Ok(Some(0))),
            ("beaten twice", vec![], vec![Beaten, Beaten], 0, 4, Ok(Some(2))),
            ("all taken", vec![(0, "i-a"), (1, "i-b")], vec![], 0, 2, Ok(None)),
            ("launched beyond the size", vec![(0, "i-a")], vec![], 5, 3, Ok(Some(1))),
            ("beyond the size and all taken", vec![(0, "i-a")], vec![], 1, 1, Ok(None)),
            ("no rights", vec![], vec![Fail(Class::Rights)], 0, 1, Err(Class::Rights)),
        ];
        for (name, held, claims, wanted, size, expected) in cases {
            let scripted =
                Scripted { held: RefCell::new(held.into_iter().collect()), claims: RefCell::new(claims.into()), ..Scripted::default() };
            let result = choose(&scripted, &InstanceId("i-own".to_owned()), wanted, size).await;
            assert_eq!(result.map_err(|failure| failure.class), expected, "{name}");
            assert!(scripted.made.borrow().len() <= 1, "{name}: more than one rank was claimed");
        }
    }
}
