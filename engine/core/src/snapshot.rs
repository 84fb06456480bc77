//! What the looks of one refresh share: every instance of spawn's and every schedule of its runs, as they were at one moment, and every
//! volume, if somebody asks for one.
//!
//! Terraform reads each resource by itself, and does not say how many there are. A thousand that ask for their own instances are a
//! thousand calls of `DescribeInstances`, on rates that the whole account shares. So all but the first few of a process share a
//! snapshot: EC2 filters it, so that what is not spawn's costs nothing, and pages it, a thousand instances a call.
//!
//! Only who refreshes is served from it. Whoever waits, ends, runs again, moves a lease or reaps asks EC2 itself.

mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, join};
use jiff::{SignedDuration, Timestamp};
use spawn_model::error::Error;
use spawn_model::ids::{InstanceId, RunId};
use spawn_model::record::Batch;
use spawn_model::tag;

use crate::disks::{self, Volumes};
use crate::lease;
use crate::ports::{Aws, Clock, Instance, Instances, Result, Scheduled, Schedules};
use crate::tags;

pub(crate) use writes::WriteInvalidate;

/// EC2's reads may miss a new instance for a while (eventual consistency): so long, absence is no proof.
pub(crate) const SETTLE: SignedDuration = SignedDuration::from_mins(5);

/// So many looks ask for their own instances: for a handful of fleets that is cheaper, where an account holds thousands.
const ALONE_MAX: u32 = 3;

/// How long a snapshot serves: as long as a refresh of a thousand takes, ten at a time, of five round trips of 50 ms each. Where the
/// way to AWS is three times as long, a thousand still take six calls, and nine where twice as many instances are listed. What was
/// done before the process began is never missed; what is done during a refresh may come after a read of its own just as well.
const AGE_MAX: SignedDuration = SignedDuration::from_secs(30);

/// Something that is being read, or is: whoever needs it moves it on, and all get what it came to.
type Reading<T> = Shared<BoxFuture<'static, Result<Arc<T>>>>;

/// Every instance of spawn's, and every schedule of its runs, at one moment.
pub(crate) struct Snapshot {
    /// When EC2 was asked.
    asked_at: Timestamp,
    runs: BTreeMap<String, Vec<Instance>>,
    /// By name; or why they could not be listed.
    schedules: Result<Vec<Scheduled>>,
    /// Every volume of their instances: read when somebody minds what it is, at most once.
    volumes: Reading<Volumes>,
}

impl Snapshot {
    async fn take(sources: Sources, asked_at: Timestamp) -> Result<Arc<Self>> {
        let any_run = tags::of_any_run();
        let (instances, schedules) = join!(sources.instances.describe(&any_run), lease::schedules_of_all(&*sources.schedules));
        let schedules = schedules.map(|mut schedules| {
            schedules.sort_unstable();
            schedules
        });
        let mut runs: BTreeMap<String, Vec<Instance>> = BTreeMap::new();
        for instance in instances? {
            if let Some(run) = instance.tags.get(tag::RUN) {
                runs.entry(run.clone()).or_default().push(instance);
            }
        }
        let volumes = async move { disks::look(&*sources.instances, &tags::of_any_run()).await }.boxed().shared();
        Ok(Arc::new(Self { asked_at, runs, schedules, volumes }))
    }

    /// The volumes of all runs.
    ///
    /// # Errors
    /// Why they could not be listed.
    pub(crate) async fn volumes(&self) -> Result<Arc<Volumes>> {
        self.volumes.clone().await
    }

    /// The instances of a run.
    pub(crate) fn of_run(&self, run: &RunId) -> &[Instance] {
        self.runs.get(run.as_str()).map_or(&[], Vec::as_slice)
    }

    /// The schedules whose names begin so.
    ///
    /// # Errors
    /// Why they could not be listed.
    pub(crate) fn schedules(&self, name_prefix: &str) -> Result<Vec<Scheduled>> {
        let schedules = self.schedules.as_ref().map_err(Error::clone)?;
        let first = schedules.partition_point(|schedule| schedule.name.as_str() < name_prefix);
        let rest = &schedules[first..];
        Ok(rest[..rest.partition_point(|schedule| schedule.name.starts_with(name_prefix))].to_vec())
    }

    /// Whether it tells of a run of so many ranks what a look of its own would have told at that moment: none of its instances is
    /// younger. One that was recorded long enough before and is missing is gone; EC2 lists what has terminated for an hour.
    pub(crate) fn tells_all_of(&self, run: &RunId, size: u32, batches: &[Batch]) -> bool {
        let listed: BTreeSet<&InstanceId> = self.of_run(run).iter().map(|instance| &instance.launched.instance_id).collect();
        let is_told = |batch: &Batch| {
            batch.recorded_at + SETTLE <= self.asked_at || batch.instances.iter().all(|launched| listed.contains(&launched.instance_id))
        };
        let recorded: usize = batches.iter().map(|batch| batch.instances.len()).sum();
        // Else its launcher may be at work, or have died before it could record what it had launched.
        recorded >= size as usize && batches.iter().all(is_told)
    }
}

#[derive(Default)]
struct Latest {
    /// How many looks have asked for their own instances.
    alone: u32,
    /// Since when the latest snapshot is being taken.
    taking: Option<(Timestamp, Reading<Snapshot>)>,
}

/// Where a snapshot comes from.
#[derive(Clone)]
struct Sources {
    instances: Arc<dyn Instances>,
    schedules: Arc<dyn Schedules>,
}

/// The snapshots of one process.
pub(crate) struct Snapshots {
    sources: Sources,
    clock: Arc<dyn Clock>,
    latest: Mutex<Latest>,
}

impl Snapshots {
    pub(crate) fn new(aws: &Aws) -> Self {
        let sources = Sources { instances: aws.instances.clone(), schedules: aws.schedules.clone() };
        Self { sources, clock: aws.clock.clone(), latest: Mutex::default() }
    }

    /// A snapshot that is valid now; nothing for the few looks that had better ask for their own instances.
    ///
    /// # Errors
    /// That EC2 cannot be read, for everybody who waits for this snapshot; the next one asks again.
    pub(crate) async fn current(&self) -> Result<Option<Arc<Snapshot>>> {
        match self.taking() {
            Some(taking) => taking.await.map(Some),
            None => Ok(None),
        }
    }

    fn taking(&self) -> Option<Reading<Snapshot>> {
        let now = self.clock.now();
        let mut latest = self.latest();
        let serves = |(since, taking): &&(Timestamp, Reading<Snapshot>)| now < *since + AGE_MAX && taking.peek().is_none_or(Result::is_ok);
        if let Some((_, taking)) = latest.taking.as_ref().filter(serves) {
            return Some(taking.clone());
        }
        if latest.alone < ALONE_MAX {
            latest.alone += 1;
            return None;
        }
        let taking = Snapshot::take(self.sources.clone(), now).boxed().shared();
        latest.taking = Some((now, taking.clone()));
        Some(taking)
    }

    /// Something was written: nobody who asks from now on gets what was described before, not even what is being described. Whoever
    /// writes and looks by turns asks for the few instances that it looks at.
    pub(crate) fn invalidate(&self) {
        *self.latest() = Latest::default();
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
