//! The jobs' records, in the bucket.

use std::time::Duration;

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use spawn_model::layout::{job_of_claim, job_of_ended};
use spawn_model::queue::{JobClaim, KeptJobs, Outcome};

use super::Store;
use crate::aws::s3::Condition;
use crate::claims::{BucketClaims, Claims, Found, TROUBLE};
use crate::failure::{Class, Failure};
use crate::retry::retry;

impl Claims<str, JobClaim> for BucketClaims {
    async fn read(&self, job: &str) -> Result<Found<JobClaim>, Failure> {
        self.get(&self.keys.job_claim(job), &format!("job {job}")).await
    }

    async fn make(&self, job: &str, claim: &JobClaim) -> Result<String, Failure> {
        self.put(&self.keys.job_claim(job), claim, Condition::Absent).await
    }

    async fn replace(&self, job: &str, tag: &str, claim: &JobClaim) -> Result<String, Failure> {
        self.put(&self.keys.job_claim(job), claim, Condition::Unchanged(tag)).await
    }
}

impl BucketClaims {
    /// What earlier runs have done, tried for so long while S3 is in trouble.
    pub(crate) async fn kept(&self, trouble: Duration) -> Result<KeptJobs, Failure> {
        let key = self.keys.jobs_kept();
        let content = match retry(self.session.patience(trouble), async || self.bucket.get(&key).await).await {
            Ok(content) => content,
            Err(failure) if failure.class == Class::NotFound => return Ok(KeptJobs::new()),
            Err(failure) => return Err(failure),
        };
        serde_json::from_slice(&content)
            .map_err(|error| Failure::new(Class::Invalid, format!("what earlier runs have done cannot be read: {error}")))
    }
}

impl Store for BucketClaims {
    async fn ended(&self) -> Result<Vec<(String, Outcome)>, Failure> {
        let keys = self.list(&self.keys.jobs_ended()).await?;
        Ok(keys.iter().filter_map(|key| job_of_ended(key)).map(|(job, outcome)| (job.to_owned(), outcome)).collect())
    }

    async fn begun(&self) -> Result<Vec<String>, Failure> {
        let keys = self.list(&self.keys.job_claims()).await?;
        Ok(keys.iter().filter_map(|key| job_of_claim(key)).map(str::to_owned).collect())
    }

    async fn tell_ended(&self, job: &str, outcome: Outcome) -> Result<(), Failure> {
        let key = self.keys.job_ended(job, outcome);
        retry(self.session.patience(TROUBLE), async || self.bucket.put(&key, Bytes::from_static(b"{}")).await).await
    }

    fn boot_time(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
    }
}
