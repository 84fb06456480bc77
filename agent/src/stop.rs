//! The record that a machine stops, or hibernates, and why.

use std::time::Duration;

use bytes::Bytes;
use spawn_model::layout::RunKeys;
use spawn_model::record::Stop;

use crate::aws::Session;
use crate::aws::s3::Bucket;
use crate::retry::retry;

/// Writes it; gives up after `trouble`, since the machine stops whether it is written or not.
pub(crate) async fn write(session: &Session, bucket: &Bucket, keys: &RunKeys, rank: u32, stop: &Stop, trouble: Duration) {
    let Ok(content) = serde_json::to_vec(stop).map(Bytes::from) else { return };
    let key = keys.stop(rank);
    if let Err(failure) = retry(session.patience(trouble), async || bucket.put(&key, content.clone()).await).await {
        eprintln!("spored: why this machine stops could not be recorded: {failure}");
    }
}
