//! The record that outlives the machine.

use std::time::Duration;

use bytes::Bytes;
use spawn_model::layout::RunKeys;
use spawn_model::record::Completion;

use crate::aws::Session;
use crate::aws::s3::Bucket;
use crate::config::State;
use crate::retry::retry;

/// Under this name the record is kept on the machine: it says after a reboot that there is nothing left to run.
const KEPT: &str = "completion.json";
/// S3 is tried this long; the lease may end the machine before.
const TROUBLE: Duration = Duration::from_secs(24 * 60 * 60);

/// The record of an earlier boot.
pub(crate) fn kept(state: &State) -> Option<Completion> {
    state.recall(KEPT)
}

/// Writes the record, first here, then to the bucket, where it is tried until it is there or the caller's patience ends.
pub(crate) async fn write(session: &Session, bucket: &Bucket, keys: &RunKeys, state: &State, completion: &Completion) {
    if let Err(error) = state.keep(KEPT, completion) {
        eprintln!("spored: the completion record cannot be kept here: {error}");
    }
    let content = match serde_json::to_vec(completion) {
        Ok(content) => Bytes::from(content),
        Err(error) => {
            eprintln!("spored: the completion record cannot be made: {error}");
            return;
        }
    };
    let key = keys.completion(completion.rank);
    if let Err(failure) = retry(session.patience(TROUBLE), async || bucket.put(&key, content.clone()).await).await {
        eprintln!("spored: the completion record could not be written: {failure}");
    }
}
