//! EC2's notices to the machines of a run, by which the others learn that one goes.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use spawn_model::ids::InstanceId;
use spawn_model::layout::RunKeys;
use spawn_model::record::Notice;

use crate::aws::Session;
use crate::aws::s3::Bucket;
use crate::retry::retry;

/// How often a rank looks for notices to the others: of two minutes, most are left. It costs a machine a fifth of a cent an hour.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// As long as EC2 leaves the machine.
const TROUBLE: Duration = Duration::from_secs(120);

/// Tells the others that this machine goes.
pub(crate) async fn tell(session: &Session, bucket: &Bucket, keys: &RunKeys, notice: &Notice) {
    let Ok(content) = serde_json::to_vec(notice).map(Bytes::from) else { return };
    let key = keys.notice(notice.rank, &notice.instance_id);
    if let Err(failure) = retry(session.patience(TROUBLE), async || bucket.put(&key, content.clone()).await).await {
        eprintln!("spored: the other ranks could not be told that this one goes: {failure}");
    }
}

/// The notices that were seen.
#[derive(Default)]
pub(crate) struct Seen {
    keys: BTreeSet<String>,
    /// Those to machines that were not gone yet, in the order in which they were seen.
    pub(crate) current: Vec<Notice>,
}

impl Seen {
    /// Looks for notices to other machines than `own`. Says whether there is one more to a machine that is not gone yet: what is older tells of a
    /// rank that another machine has by now.
    pub(crate) async fn look(&mut self, bucket: &Bucket, keys: &RunKeys, own: &InstanceId) -> bool {
        let before = self.current.len();
        // What cannot be read may be the next time.
        for key in bucket.list(&keys.notices()).await.unwrap_or_default() {
            if self.keys.contains(&key) {
                continue;
            }
            let Ok(content) = bucket.get(&key).await else { continue };
            self.keys.insert(key);
            let read = serde_json::from_slice::<Notice>(&content).ok();
            self.current.extend(read.filter(|notice| notice.instance_id != *own && notice.gone_at > Timestamp::now()));
        }
        self.current.len() > before
    }

    /// The file of `SPAWN_NOTICES`: one JSON object a line.
    pub(crate) fn file(&self) -> serde_json::Result<String> {
        self.current.iter().map(|notice| Ok(serde_json::to_string(notice)? + "\n")).collect()
    }
}
