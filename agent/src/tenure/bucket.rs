//! A service's claims, in the bucket.

use spawn_model::layout::rank_of_key;
use spawn_model::record::RankClaim;

use super::Ranks;
use crate::aws::s3::Condition;
use crate::claims::{BucketClaims, Claims, Found};
use crate::failure::Failure;

impl Claims<u32, RankClaim> for BucketClaims {
    async fn read(&self, rank: &u32) -> Result<Found<RankClaim>, Failure> {
        self.get(&self.keys.rank(*rank), &format!("rank {rank}")).await
    }

    async fn make(&self, rank: &u32, claim: &RankClaim) -> Result<String, Failure> {
        self.put(&self.keys.rank(*rank), claim, Condition::Absent).await
    }

    async fn replace(&self, rank: &u32, tag: &str, claim: &RankClaim) -> Result<String, Failure> {
        self.put(&self.keys.rank(*rank), claim, Condition::Unchanged(tag)).await
    }
}

impl Ranks for BucketClaims {
    async fn claimed(&self) -> Result<Vec<u32>, Failure> {
        Ok(self.list(&self.keys.ranks()).await?.iter().filter_map(|key| rank_of_key(key)).collect())
    }
}
