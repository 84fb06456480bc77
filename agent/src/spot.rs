//! EC2's notice that it takes a spot machine back.

use std::time::Duration;

use tokio::time::sleep;

use crate::metadata::Metadata;

/// The notice comes two minutes ahead, and AWS recommends to look for it this often.
const INTERVAL: Duration = Duration::from_secs(5);

/// Waits for the notice.
pub(crate) async fn notice(metadata: &Metadata) {
    loop {
        // A metadata service that does not answer gives no notice; the next time it may.
        if let Ok(true) = metadata.spot_notice().await {
            eprintln!("spored: EC2 takes this machine back");
            return;
        }
        sleep(INTERVAL).await;
    }
}
