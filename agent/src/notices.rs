//! EC2's notices to the machines of a run, by which the others learn that one goes.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
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

/// The notices that a command was told of.
#[derive(Default)]
pub(crate) struct Seen {
    has_looked: bool,
    keys: BTreeSet<String>,
    /// Those to machines that were not gone yet at the last look, and those that were new then.
    current: Vec<Notice>,
}

impl Seen {
    /// Looks for notices to other machines than `own`. Says whether there are new ones. What the first look finds of machines that are gone is not
    /// new: it tells of ranks that others have by now.
    pub(crate) async fn look(&mut self, bucket: &Bucket, keys: &RunKeys, own: &InstanceId) -> bool {
        // What cannot be read may be the next time.
        let Ok(found) = bucket.list(&keys.notices()).await else { return false };
        let is_first = !std::mem::replace(&mut self.has_looked, true);
        let mut new = Vec::new();
        for key in found {
            if self.keys.contains(&key) {
                continue;
            }
            let Ok(content) = bucket.get(&key).await else { continue };
            self.keys.insert(key);
            let is_new = |notice: &Notice| notice.instance_id != *own && (!is_first || notice.gone_at > Timestamp::now());
            new.extend(serde_json::from_slice::<Notice>(&content).ok().filter(is_new));
        }
        let has_new = !new.is_empty();
        self.current.retain(|notice| notice.gone_at > Timestamp::now());
        self.current.append(&mut new);
        has_new
    }

    /// Writes the file of `SPAWN_NOTICES`: one JSON object a line. Whoever reads it at that moment reads the former one or this one.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        let lines: serde_json::Result<String> = self.current.iter().map(|notice| Ok(serde_json::to_string(notice)? + "\n")).collect();
        let new = file.with_extension("new");
        std::fs::write(&new, lines?)?;
        std::fs::rename(new, file)
    }
}
