//! Asks again where the class of a failure says that this is right. Only for calls that may be made twice.

use spawn_model::error::{Class, Error};

use crate::bucket::Bucket;
use crate::operation::Operation;
use crate::ports::{Aws, Result};

/// How long what was just made may take until the rest of AWS knows it: roles and profiles take seconds, seldom a minute.
const SETTLE_MS: u64 = 120_000;

/// What AWS answers until it knows them.
const UNSETTLED: [&str; 5] = ["FunctionBusy", "InvalidGroup.NotFound", "InvalidPlacementGroup.Unknown", "ProfileNotReady", "RoleNotReady"];

/// EC2 lets an account launch 1,000 instances at once and then two a second: the next thousand take more than eight minutes.
const THROTTLED_MS: u64 = 900_000;

/// How often a call that failed in passing or got no answer is made.
const ATTEMPTS_MAX: u32 = 6;

/// The first and the longest pause.
const PAUSE_MS: (u64, u64) = (250, 8_000);

/// How long one call has been tried for.
pub(crate) struct Patience<'a> {
    aws: &'a Aws,
    operation: &'a Operation,
    attempts: u32,
    settling_ms: u64,
    throttled_ms: u64,
    pause_ms: u64,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(aws: &'a Aws, operation: &'a Operation) -> Self {
        Self { aws, operation, attempts: 1, settling_ms: 0, throttled_ms: 0, pause_ms: PAUSE_MS.0 }
    }

    /// The same for a call that asks for so many of a bucket: it is made again when the bucket has them, and not before.
    pub(crate) async fn after_asking(&mut self, error: Error, bucket: &Bucket, count: u32) -> Result<()> {
        let refill = bucket.wait_for(count, self.aws.clock.now());
        let refill_ms = u64::try_from(refill.as_millis()).unwrap_or(0);
        if error.class != Class::Throttled || refill_ms <= self.pause_ms {
            return self.after(error).await;
        }
        self.operation.say(&format!("EC2 lets {count} more through in {} s; waiting", refill.as_secs() + 1));
        self.sleep(refill_ms).await;
        Ok(())
    }

    async fn sleep(&self, millis: u64) {
        tokio::select! {
            () = self.aws.clock.sleep(millis) => {}
            () = self.operation.cancel.cancelled() => {}
        }
    }

    /// Waits until it is time to ask again, or gives the error back if it never is.
    pub(crate) async fn after(&mut self, error: Error) -> Result<()> {
        let again = match error.class {
            _ if UNSETTLED.contains(&error.code.as_str()) => {
                self.settling_ms += self.pause_ms;
                self.settling_ms < SETTLE_MS
            }
            Class::Throttled => {
                if self.throttled_ms == 0 {
                    self.operation.say("AWS asks to go more slowly; waiting");
                }
                self.throttled_ms += self.pause_ms;
                self.throttled_ms < THROTTLED_MS
            }
            Class::Transient | Class::Ambiguous => {
                self.attempts += 1;
                self.attempts <= ATTEMPTS_MAX
            }
            _ => false,
        };
        if !again {
            return Err(error);
        }
        self.sleep(self.pause_ms).await;
        self.pause_ms = (self.pause_ms * 2).min(PAUSE_MS.1);
        Ok(())
    }
}

/// Makes a call until it succeeds, fails for good, or the operation is cancelled.
pub(crate) async fn patiently<T, F>(aws: &Aws, operation: &Operation, call: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut patience = Patience::new(aws, operation);
    loop {
        match call().await {
            Ok(done) => return Ok(done),
            Err(error) => patience.after(error).await?,
        }
        operation.go_on()?;
    }
}
