//! The bucket as a ledger: typed records at the keys of [`spawn_model::layout`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use spawn_model::error::{Class, Error};
use spawn_model::ids::{FleetId, RunId};
use spawn_model::layout::{self, RunKeys};
use spawn_model::queue::{JobClaim, KeptJobs, Outcome};
use spawn_model::record::{Attempt, Batch, Completion, Ended, FleetRecord, Lease, NameClaim, Payload, RankClaim, SCHEMA, Settled, Stop};
use spawn_model::schedule::{History, ScheduleRecord};

use crate::ports::{Condition, Objects, Result, Written};
use crate::queue::JobResult;

/// How many objects are read at once: enough to hide the round trips of a thousand records, few enough for S3 and one laptop.
pub(crate) const READS_AT_ONCE: usize = 32;

/// How often a change of a record is made anew because somebody else was faster.
const EDITS_MAX: u32 = 5;

/// The code of what is said of a record that is no record of this version, or is damaged.
const UNREADABLE: &str = "RecordUnreadable";

/// Whether a record is there and cannot be read, which asking again does not change.
#[must_use]
pub fn is_unreadable(error: &Error) -> bool {
    error.code == UNREADABLE
}

/// The records of one set-up's bucket.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) objects: Arc<dyn Objects>,
    bucket: String,
}

impl Ledger {
    /// The ledger in a bucket.
    #[must_use]
    pub fn new(objects: Arc<dyn Objects>, bucket: &str) -> Self {
        Self { objects, bucket: bucket.to_owned() }
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(crate) async fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, String)>> {
        let Some((body, etag)) = self.objects.get(&self.bucket, key).await? else { return Ok(None) };
        let record = serde_json::from_slice(&body).map_err(|error| {
            let help = "Another version of spawn may have written it; use that version, or delete the object if it is damaged";
            Error::new(Class::Invalid, UNREADABLE, format!("s3://{}/{key} cannot be read: {error}", self.bucket), help)
        })?;
        Ok(Some((record, etag)))
    }

    pub(crate) async fn write<T: Serialize + Sync>(&self, key: &str, record: &T, condition: Condition) -> Result<Written> {
        let body = serde_json::to_vec(record).map_err(|e| Error::new(Class::Bug, "RecordJson", e.to_string(), ""))?;
        self.objects.put(&self.bucket, key, body, condition).await
    }

    /// Changes a record, whoever else changes it at the same time; as it is then. One that is not there is made of `absent`, and without that
    /// nothing comes back. An edit that says it has changed nothing is not written.
    pub(crate) async fn edit<T: Clone + DeserializeOwned + Serialize + Sync>(
        &self,
        key: &str,
        what: &str,
        absent: Option<T>,
        mut edit: impl FnMut(&mut T) -> Result<bool>,
    ) -> Result<Option<T>> {
        for _ in 0..EDITS_MAX {
            let (mut record, condition) = match (self.read(key).await?, &absent) {
                (Some((record, etag)), _) => (record, Condition::Unchanged(etag)),
                (None, Some(absent)) => (absent.clone(), Condition::Absent),
                (None, None) => return Ok(None),
            };
            if !edit(&mut record)? {
                return Ok(Some(record));
            }
            if let Written::Done(_) = self.write(key, &record, condition).await? {
                return Ok(Some(record));
            }
        }
        let message = format!("{what} was changed by somebody else, again and again");
        Err(Error::new(Class::Conflict, "RecordChanged", message, "Try again"))
    }

    async fn all<T: DeserializeOwned + Send>(&self, prefix: &str) -> Result<Vec<T>> {
        let keys = self.objects.list(&self.bucket, prefix).await?;
        stream::iter(keys)
            .map(|key| async move { self.read::<T>(&key).await })
            .buffered(READS_AT_ONCE)
            .try_filter_map(|found| async move { Ok(found.map(|(record, _)| record)) })
            .try_collect()
            .await
    }

    /// The claim of a name, and its ETag.
    pub async fn claim(&self, name: &str) -> Result<Option<(NameClaim, String)>> {
        self.read(&layout::name_key(name)).await
    }

    /// Writes the claim of a name under a condition.
    pub async fn claim_write(&self, name: &str, claim: &NameClaim, condition: Condition) -> Result<Written> {
        self.write(&layout::name_key(name), claim, condition).await
    }

    /// Gives a name back if its claim is still the one with this ETag; says whether it was.
    pub async fn claim_delete(&self, name: &str, etag: &str) -> Result<bool> {
        self.objects.delete_unchanged(&self.bucket, &layout::name_key(name), etag).await
    }

    /// The names of all fleets.
    pub async fn names(&self) -> Result<Vec<String>> {
        let keys = self.objects.list(&self.bucket, layout::NAMES_PREFIX).await?;
        Ok(keys
            .iter()
            .filter(|key| !key.starts_with(layout::NAMED_PREFIX))
            .filter_map(|key| key.strip_prefix(layout::NAMES_PREFIX))
            .map(str::to_owned)
            .collect())
    }

    /// A fleet's record.
    pub async fn fleet(&self, fleet: &FleetId) -> Result<Option<FleetRecord>> {
        Ok(self.read(&layout::fleet_key(fleet)).await?.map(|(record, _)| record))
    }

    /// What a schedule launches, and when.
    pub async fn schedule(&self, fleet: &FleetId) -> Result<Option<ScheduleRecord>> {
        Ok(self.read(&layout::schedule_key(fleet)).await?.map(|(record, _)| record))
    }

    /// Writes it, if there is none yet.
    pub async fn schedule_begin(&self, record: &ScheduleRecord) -> Result<()> {
        self.write(&layout::schedule_key(&record.fleet), record, Condition::Absent).await.map(drop)
    }

    /// Changes it, whoever else changes it at the same time; nothing if there is none. As it is then.
    pub async fn schedule_edit(&self, fleet: &FleetId, edit: impl Fn(&mut ScheduleRecord) -> Result<()>) -> Result<Option<ScheduleRecord>> {
        let edit = |record: &mut ScheduleRecord| edit(record).map(|()| true);
        self.edit(&layout::schedule_key(fleet), &format!("the schedule {fleet}"), None, edit).await
    }

    /// The last starts of a schedule.
    pub async fn history(&self, fleet: &FleetId) -> Result<History> {
        Ok(self.read(&layout::history_key(fleet)).await?.map(|(history, _)| history).unwrap_or_default())
    }

    /// Changes what is remembered of a schedule's starts, whoever else changes it at the same time.
    pub async fn history_edit(&self, fleet: &FleetId, edit: impl Fn(&mut History)) -> Result<()> {
        let absent = History { schema: SCHEMA, ..History::default() };
        let edit = |history: &mut History| {
            edit(history);
            Ok(true)
        };
        self.edit(&layout::history_key(fleet), &format!("the history of {fleet}"), Some(absent), edit).await.map(drop)
    }

    /// Whether there is a record of a fleet.
    pub async fn is_recorded(&self, fleet: &FleetId) -> Result<bool> {
        self.objects.exists(&self.bucket, &layout::fleet_key(fleet)).await
    }

    /// A fleet's record, and its ETag.
    pub async fn fleet_held(&self, fleet: &FleetId) -> Result<Option<(FleetRecord, String)>> {
        self.read(&layout::fleet_key(fleet)).await
    }

    /// Writes a fleet's record over the one with an ETag.
    pub async fn fleet_replace(&self, record: &FleetRecord, etag: &str) -> Result<Written> {
        self.write(&layout::fleet_key(&record.fleet), record, Condition::Unchanged(etag.to_owned())).await
    }

    /// Changes a fleet's record, whatever else is changed in it at the same time.
    pub async fn fleet_edit(&self, fleet: &FleetId, edit: impl Fn(&mut FleetRecord)) -> Result<()> {
        for _ in 0..EDITS_MAX {
            let Some((mut record, etag)) = self.fleet_held(fleet).await? else { break };
            edit(&mut record);
            if let Written::Done(_) = self.fleet_replace(&record, &etag).await? {
                return Ok(());
            }
        }
        let message = format!("the record of {fleet} was changed by somebody else, again and again, or is gone");
        Err(Error::new(Class::Conflict, "RecordChanged", message, "Try again"))
    }

    /// Writes a fleet's record.
    pub async fn fleet_write(&self, record: &FleetRecord) -> Result<()> {
        self.write(&layout::fleet_key(&record.fleet), record, Condition::Always).await.map(drop)
    }

    /// Deletes everything of a fleet but what says that it was, and was ended: by that a repetition finds it.
    pub async fn fleet_erase(&self, fleet: &FleetId) -> Result<()> {
        let kept = [layout::fleet_key(fleet), layout::ended_key(fleet)];
        let mut keys = self.objects.list(&self.bucket, &layout::fleet_prefix(fleet)).await?;
        keys.retain(|key| !kept.contains(key));
        if keys.is_empty() { Ok(()) } else { self.objects.delete(&self.bucket, &keys).await }
    }

    /// Deletes what [`Ledger::fleet_erase`] leaves.
    pub async fn fleet_forget(&self, fleet: &FleetId) -> Result<()> {
        self.objects.delete(&self.bucket, &[layout::fleet_key(fleet), layout::ended_key(fleet)]).await
    }

    /// Deletes everything of a run that came to nothing.
    pub async fn run_erase(&self, fleet: &FleetId, run: &RunId) -> Result<()> {
        let keys = self.objects.list(&self.bucket, RunKeys::new(fleet, run).prefix()).await?;
        if keys.is_empty() { Ok(()) } else { self.objects.delete(&self.bucket, &keys).await }
    }

    /// The lease of a run.
    pub async fn lease(&self, fleet: &FleetId, run: &RunId) -> Result<Option<Lease>> {
        Ok(self.read(&RunKeys::new(fleet, run).lease()).await?.map(|(lease, _)| lease))
    }

    /// Writes the lease of a run.
    pub async fn lease_write(&self, fleet: &FleetId, run: &RunId, lease: &Lease) -> Result<()> {
        self.write(&RunKeys::new(fleet, run).lease(), lease, Condition::Always).await.map(drop)
    }

    /// What the ranks of a run execute.
    pub async fn payload(&self, fleet: &FleetId, run: &RunId) -> Result<Option<Payload>> {
        Ok(self.read(&RunKeys::new(fleet, run).payload()).await?.map(|(payload, _)| payload))
    }

    /// Writes what the ranks of a run execute.
    pub async fn payload_write(&self, fleet: &FleetId, run: &RunId, payload: &Payload) -> Result<()> {
        self.write(&RunKeys::new(fleet, run).payload(), payload, Condition::Always).await.map(drop)
    }

    /// What the launches of a run returned, by rank.
    pub async fn batches(&self, fleet: &FleetId, run: &RunId) -> Result<Vec<Batch>> {
        self.all(&RunKeys::new(fleet, run).batches()).await
    }

    /// What the launches of a run returned, without what cannot be read of it: for who finds the instances by their tags as well.
    pub async fn batches_readable(&self, fleet: &FleetId, run: &RunId) -> Result<Vec<Batch>> {
        let keys = self.objects.list(&self.bucket, &RunKeys::new(fleet, run).batches()).await?;
        stream::iter(keys)
            .map(|key| async move { self.read::<Batch>(&key).await })
            .buffered(READS_AT_ONCE)
            .filter_map(|found| async move {
                match found {
                    Err(error) if is_unreadable(&error) => None,
                    found => found.map(|found| found.map(|(batch, _)| batch)).transpose(),
                }
            })
            .try_collect()
            .await
    }

    /// Records what a launch returned.
    pub async fn batch_write(&self, fleet: &FleetId, run: &RunId, batch: &Batch) -> Result<()> {
        self.write(&RunKeys::new(fleet, run).batch(batch.base), batch, Condition::Always).await.map(drop)
    }

    /// How many ranks a run has in the end, if fewer than asked for may do and its launch is over.
    pub async fn settled(&self, fleet: &FleetId, run: &RunId) -> Result<Option<Settled>> {
        Ok(self.read(&RunKeys::new(fleet, run).settled()).await?.map(|(settled, _)| settled))
    }

    /// Says how many ranks a run has in the end.
    pub async fn settled_write(&self, fleet: &FleetId, run: &RunId, settled: &Settled) -> Result<()> {
        self.write(&RunKeys::new(fleet, run).settled(), settled, Condition::Always).await.map(drop)
    }

    /// Where the launcher of a run was about to ask.
    pub async fn attempt(&self, fleet: &FleetId, run: &RunId) -> Result<Option<Attempt>> {
        Ok(self.read(&RunKeys::new(fleet, run).attempt()).await?.map(|(attempt, _)| attempt))
    }

    /// Says where the launcher of a run is about to ask.
    pub async fn attempt_write(&self, fleet: &FleetId, run: &RunId, attempt: &Attempt) -> Result<()> {
        self.write(&RunKeys::new(fleet, run).attempt(), attempt, Condition::Always).await.map(drop)
    }

    /// Whether a fleet was ended for good.
    pub async fn ended(&self, fleet: &FleetId) -> Result<bool> {
        self.objects.exists(&self.bucket, &layout::ended_key(fleet)).await
    }

    /// When a fleet was ended for good; nothing if it was not.
    pub async fn ended_at(&self, fleet: &FleetId) -> Result<Option<Timestamp>> {
        Ok(self.read::<Ended>(&layout::ended_key(fleet)).await?.map(|(ended, _)| ended.at))
    }

    /// Says that a fleet was ended for good. That it was before stays as it is: an end is a moment, however often it is repeated.
    pub async fn ended_write(&self, fleet: &FleetId, ended: &Ended) -> Result<()> {
        self.write(&layout::ended_key(fleet), ended, Condition::Absent).await.map(drop)
    }

    /// How many ranks have begun: one call, whatever the size (a page of 1,000).
    pub async fn ranks_begun(&self, fleet: &FleetId, run: &RunId) -> Result<usize> {
        Ok(self.objects.list(&self.bucket, &RunKeys::new(fleet, run).ranks()).await?.len())
    }

    /// The ranks that have begun, and when.
    pub async fn rank_claims(&self, fleet: &FleetId, run: &RunId) -> Result<Vec<(u32, RankClaim)>> {
        let keys = self.objects.list(&self.bucket, &RunKeys::new(fleet, run).ranks()).await?;
        stream::iter(keys)
            .map(|key| async move { Ok(self.read::<RankClaim>(&key).await?.zip(layout::rank_of_key(&key))) })
            .buffered(READS_AT_ONCE)
            .try_filter_map(|found| async move { Ok(found.map(|((claim, _), rank)| (rank, claim))) })
            .try_collect()
            .await
    }

    /// Whether EC2 has said that it takes a machine of a run back.
    pub async fn is_noticed(&self, fleet: &FleetId, run: &RunId) -> Result<bool> {
        Ok(!self.objects.list(&self.bucket, &RunKeys::new(fleet, run).notices()).await?.is_empty())
    }

    /// That an instance has stopped, and why.
    pub async fn stop(&self, fleet: &FleetId, run: &RunId, rank: u32) -> Result<Option<Stop>> {
        Ok(self.read(&RunKeys::new(fleet, run).stop(rank)).await?.map(|(stop, _)| stop))
    }

    /// How each rank ended, from one object if the run's outcome was gathered, else from every rank's own.
    pub async fn completions(&self, fleet: &FleetId, run: &RunId, size: u32) -> Result<Vec<Completion>> {
        let keys = RunKeys::new(fleet, run);
        if let Some((gathered, _)) = self.read::<Vec<Completion>>(&keys.outcome()).await? {
            return Ok(gathered);
        }
        let completions: Vec<Completion> = self.all(&keys.completions()).await?;
        if completions.len() == size as usize && size > 1 {
            // A reader may have no right to write; then the next one gathers again.
            drop(self.write(&keys.outcome(), &completions, Condition::Absent).await);
        }
        Ok(completions)
    }

    /// The jobs of a queue that have ended, as far as that is told.
    pub async fn jobs_ended(&self, fleet: &FleetId, run: &RunId) -> Result<BTreeMap<String, Outcome>> {
        let keys = self.objects.list(&self.bucket, &RunKeys::new(fleet, run).jobs_ended()).await?;
        Ok(keys.iter().filter_map(|key| layout::job_of_ended(key)).map(|(job, outcome)| (job.to_owned(), outcome)).collect())
    }

    /// Tells that a job has ended.
    pub async fn job_ended_write(&self, fleet: &FleetId, run: &RunId, job: &str, outcome: Outcome) -> Result<()> {
        let key = RunKeys::new(fleet, run).job_ended(job, outcome);
        self.write(&key, &serde_json::json!({}), Condition::Always).await.map(drop)
    }

    /// The jobs of a queue that were ever begun.
    pub async fn jobs_begun(&self, fleet: &FleetId, run: &RunId) -> Result<BTreeSet<String>> {
        let keys = self.objects.list(&self.bucket, &RunKeys::new(fleet, run).job_claims()).await?;
        Ok(keys.iter().filter_map(|key| layout::job_of_claim(key)).map(str::to_owned).collect())
    }

    /// What is recorded of these jobs.
    pub async fn job_claims(&self, fleet: &FleetId, run: &RunId, jobs: &BTreeSet<String>) -> Result<BTreeMap<String, JobClaim>> {
        let names: Vec<String> = jobs.iter().cloned().collect();
        stream::iter(names)
            .map(|job| async move { Ok(self.job_claim(fleet, run, &job).await?.map(|(claim, _)| (job, claim))) })
            .buffered(READS_AT_ONCE)
            .try_filter_map(|found| async move { Ok(found) })
            .try_collect()
            .await
    }

    /// What is recorded of a job, and its ETag.
    pub async fn job_claim(&self, fleet: &FleetId, run: &RunId, job: &str) -> Result<Option<(JobClaim, String)>> {
        self.read(&RunKeys::new(fleet, run).job_claim(job)).await
    }

    /// Records something of a job under a condition.
    pub async fn job_claim_write(
        &self,
        fleet: &FleetId,
        run: &RunId,
        job: &str,
        claim: &JobClaim,
        condition: Condition,
    ) -> Result<Written> {
        self.write(&RunKeys::new(fleet, run).job_claim(job), claim, condition).await
    }

    /// What is recorded of all jobs of a queue that is over, if somebody has gathered it.
    pub async fn jobs_gathered(&self, fleet: &FleetId, run: &RunId) -> Result<Option<BTreeMap<String, JobClaim>>> {
        Ok(self.read(&RunKeys::new(fleet, run).jobs_outcome()).await?.map(|(claims, _)| claims))
    }

    /// Gathers it. A reader may have no right to write; then the next one gathers again.
    pub async fn jobs_gather(&self, fleet: &FleetId, run: &RunId, claims: &BTreeMap<String, JobClaim>) {
        drop(self.write(&RunKeys::new(fleet, run).jobs_outcome(), claims, Condition::Absent).await);
    }

    /// The jobs that earlier runs have done.
    pub async fn jobs_kept(&self, fleet: &FleetId, run: &RunId) -> Result<KeptJobs> {
        Ok(self.read(&RunKeys::new(fleet, run).jobs_kept()).await?.map(|(kept, _)| kept).unwrap_or_default())
    }

    /// Records them, unless somebody has: workers may have read it.
    pub async fn jobs_keep(&self, fleet: &FleetId, run: &RunId, kept: &KeptJobs) -> Result<()> {
        self.write(&RunKeys::new(fleet, run).jobs_kept(), kept, Condition::Absent).await.map(drop)
    }

    /// What an attempt of a job has printed.
    pub async fn job_output(&self, fleet: &FleetId, run: &RunId, job: &str, attempt: u32) -> Result<Option<Vec<u8>>> {
        let key = RunKeys::new(fleet, run).job_output(job, attempt);
        Ok(self.objects.get(&self.bucket, &key).await?.map(|(body, _)| body))
    }

    /// A result of a job.
    pub async fn job_result(&self, fleet: &FleetId, result: &JobResult) -> Result<Option<Vec<u8>>> {
        let key = RunKeys::new(fleet, &result.run).job_result(&result.job, result.attempt, &result.path);
        Ok(self.objects.get(&self.bucket, &key).await?.map(|(body, _)| body))
    }

    /// The results of a run: rank, and path below its directory.
    pub async fn results(&self, fleet: &FleetId, run: &RunId) -> Result<Vec<(u32, String)>> {
        let prefix = RunKeys::new(fleet, run).results();
        let keys = self.objects.list(&self.bucket, &prefix).await?;
        let split = |key: &String| {
            let (rank, path) = key.strip_prefix(&prefix)?.split_once('/')?;
            Some((rank.parse().ok()?, path.to_owned()))
        };
        Ok(keys.iter().filter_map(split).collect())
    }

    /// A result of a rank.
    pub async fn result(&self, fleet: &FleetId, run: &RunId, rank: u32, path: &str) -> Result<Option<Vec<u8>>> {
        let key = RunKeys::new(fleet, run).result(rank, path);
        Ok(self.objects.get(&self.bucket, &key).await?.map(|(body, _)| body))
    }
}
