//! A service's claims, in the bucket.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use spawn_model::layout::{RunKeys, rank_of_key};
use spawn_model::record::RankClaim;

use super::{Claims, Found};
use crate::aws::Session;
use crate::aws::s3::{Bucket, Condition};
use crate::failure::{Class, Failure};
use crate::retry::retry;

/// How long one call is tried while S3 is in trouble. Whoever takes or holds a rank tries again for longer.
const TROUBLE: Duration = Duration::from_secs(10);

/// The claims in the bucket.
#[derive(Clone)]
pub(crate) struct BucketClaims {
    pub(crate) session: Rc<Session>,
    pub(crate) bucket: Rc<Bucket>,
    pub(crate) keys: RunKeys,
}

/// A claim as it is written. Content decides an object's tag, so two signs of life that said the same would have the same tag, and whoever read
/// the first could write over the second.
#[derive(Serialize)]
struct SignOfLife<'a> {
    #[serde(flatten)]
    claim: &'a RankClaim,
    renewed_at: Timestamp,
}

impl BucketClaims {
    async fn put(&self, rank: u32, claim: &RankClaim, condition: Condition<'_>) -> Result<String, Failure> {
        let sign = SignOfLife { claim, renewed_at: Timestamp::now() };
        let content = Bytes::from(serde_json::to_vec(&sign).map_err(|error| Failure::new(Class::Invalid, error.to_string()))?);
        let key = self.keys.rank(rank);
        retry(self.session.patience(TROUBLE), async || self.bucket.put_if(&key, content.clone(), condition).await).await
    }
}

impl Claims for BucketClaims {
    async fn claimed(&self) -> Result<Vec<u32>, Failure> {
        let keys = retry(self.session.patience(TROUBLE), async || self.bucket.list(&self.keys.ranks()).await).await?;
        Ok(keys.iter().filter_map(|key| rank_of_key(key)).collect())
    }

    async fn read(&self, rank: u32) -> Result<Found, Failure> {
        let key = self.keys.rank(rank);
        let object = retry(self.session.patience(TROUBLE), async || self.bucket.get_object(&key).await).await?;
        let claim = serde_json::from_slice(&object.content)
            .map_err(|error| Failure::new(Class::Invalid, format!("the claim of rank {rank} cannot be read: {error}")))?;
        Ok(Found { claim, tag: object.tag, age: object.age })
    }

    async fn make(&self, rank: u32, claim: &RankClaim) -> Result<String, Failure> {
        self.put(rank, claim, Condition::Absent).await
    }

    async fn replace(&self, rank: u32, tag: &str, claim: &RankClaim) -> Result<String, Failure> {
        self.put(rank, claim, Condition::Unchanged(tag)).await
    }
}
