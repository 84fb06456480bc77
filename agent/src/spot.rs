//! What EC2 says before it takes a spot machine back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::metadata::Metadata;

/// The notice comes two minutes ahead, and AWS recommends to look for it this often.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long a machine has from its notice on, if the notice itself does not say.
const NOTICE: SignedDuration = SignedDuration::from_secs(120);

/// Waits for the notice, and puts down when the machine is gone.
pub(crate) async fn notice(metadata: &Metadata, gone_at: &watch::Sender<Option<Timestamp>>) {
    loop {
        // A metadata service that does not answer gives no notice; the next time it may.
        if let Ok(Some(notice)) = metadata.spot_notice().await {
            let at = notice.time.unwrap_or_else(|| Timestamp::now() + NOTICE);
            eprintln!("spored: EC2 takes this machine back at {at}");
            gone_at.send_replace(Some(at));
            return;
        }
        sleep(INTERVAL).await;
    }
}

/// Waits until EC2 says that it is likely to take the machine back.
pub(crate) async fn recommendation(metadata: &Metadata) {
    loop {
        if let Ok(true) = metadata.rebalance_recommended().await {
            eprintln!("spored: EC2 is likely to take this machine back");
            return;
        }
        sleep(INTERVAL).await;
    }
}
