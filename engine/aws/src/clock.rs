//! The real time.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use spawn_core::ports::Clock;

/// The system's clock, and the runtime's timer.
#[derive(Debug)]
pub(crate) struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}
