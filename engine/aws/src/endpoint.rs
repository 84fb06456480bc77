//! One service's endpoint: what became of its host, and the repetition of calls to it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use spawn_core::ports::Result;
use spawn_model::error::{Class, Error};

use crate::error::{UNREACHABLE, translate};

/// How often a call is made before its error is the answer.
const ATTEMPTS: u32 = 4;

/// An operation of AWS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// The service as IAM names it.
    pub(crate) service: &'static str,
    /// The operation.
    pub(crate) operation: &'static str,
    /// The permission it takes, where it is not called `service:operation`.
    permission: Option<&'static str>,
    /// Whether making it twice is as good as making it once.
    pub(crate) repeatable: bool,
}

impl Call {
    /// A call that reads, or that leaves the same when it is made twice.
    pub(crate) const fn repeatable(service: &'static str, operation: &'static str) -> Self {
        Self { service, operation, permission: None, repeatable: true }
    }

    /// A call that is made once: the engine alone may repeat it.
    pub(crate) const fn once(service: &'static str, operation: &'static str) -> Self {
        Self { service, operation, permission: None, repeatable: false }
    }

    /// The same call, which takes a permission of another name.
    pub(crate) const fn needing(self, permission: &'static str) -> Self {
        Self { permission: Some(permission), ..self }
    }

    /// The permission it takes, as policies write it.
    pub(crate) fn permission(&self) -> String {
        self.permission.map_or_else(|| format!("{}:{}", self.service, self.operation), str::to_owned)
    }
}

/// What is known of a service's endpoint.
#[derive(Debug, Default)]
pub(crate) struct Endpoint {
    /// Host and port of the latest request.
    host: Mutex<Option<String>>,
    /// Whether it ever answered.
    answered: AtomicBool,
}

impl Endpoint {
    /// The interceptor that keeps this up to date, for the service's client.
    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        Watch(Arc::clone(self))
    }

    /// Makes a call, and repeats it where that is allowed and promising.
    pub(crate) async fn call<T, E, F>(&self, call: Call, send: impl Fn() -> F + Send + Sync) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    {
        self.repeat(call, || {
            let sent = send();
            async move { sent.await.map_err(|error| self.translate(call, &error)) }
        })
        .await
    }

    /// The same for an attempt that is more than one request and its answer.
    pub(crate) async fn repeat<T, F>(&self, call: Call, attempt: impl Fn() -> F + Send + Sync) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let mut made = 0;
        loop {
            let attempt = attempt();
            let error = match attempt.await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            made += 1;
            if made == ATTEMPTS || !self.promising(call, &error) {
                return Err(error);
            }
            let wait = backoff(error.class, made);
            tracing::debug!(call = %call.permission(), code = error.code, wait_ms = wait.as_millis(), "repeating");
            tokio::time::sleep(wait).await;
        }
    }

    /// What an SDK's error means.
    pub(crate) fn translate<E>(&self, call: Call, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let host = self.host.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let error = translate(call, host.as_deref().unwrap_or(call.service), error);
        tracing::debug!(call = %call.permission(), class = ?error.class, code = error.code, message = error.message, "refused");
        error
    }

    /// Whether the same call may go better in a moment. An endpoint that never answered is not there: that is said at once.
    fn promising(&self, call: Call, error: &Error) -> bool {
        let passing = matches!(error.class, Class::Throttled | Class::Transient);
        let dead = error.code == UNREACHABLE && !self.answered.load(Ordering::Relaxed);
        call.repeatable && passing && !dead
    }
}

/// How long to wait after so many attempts: doubled each time, and no two callers alike.
fn backoff(class: Class, made: u32) -> Duration {
    let first_ms: u64 = if class == Class::Throttled { 500 } else { 100 };
    let whole_ms = first_ms << made.min(8);
    // Seeded anew for every value, which is as random as spreading callers out asks for.
    let random = RandomState::new().build_hasher().finish();
    Duration::from_millis(whole_ms / 2 + random % (whole_ms / 2))
}

/// Tells an [`Endpoint`] what the SDK does.
#[derive(Debug)]
pub(crate) struct Watch(Arc<Endpoint>);

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "EndpointWatch"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let host = host_of(context.request().uri()).to_owned();
        *self.0.host.lock().unwrap_or_else(PoisonError::into_inner) = Some(host);
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.answered.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Host and port of a URI.
fn host_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    const READ: Call = Call::repeatable("ec2", "DescribeInstances");
    const LAUNCH: Call = Call::once("ec2", "RunInstances");

    /// How many attempts are made of a call that always ends so.
    async fn attempts(call: Call, class: Class, code: &str, answered: bool) -> u32 {
        let endpoint = Endpoint::default();
        endpoint.answered.store(answered, Ordering::Relaxed);
        let made = AtomicU32::new(0);
        let result: Result<()> = endpoint
            .repeat(call, || {
                made.fetch_add(1, Ordering::Relaxed);
                async { Err(Error::new(class, code, "it failed", "")) }
            })
            .await;
        assert_eq!(result.expect_err("it always fails").class, class);
        made.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_repeated_by_the_class_of_its_error() {
        for (call, class, code, answered, expected) in [
            (READ, Class::Throttled, "RequestLimitExceeded", true, ATTEMPTS),
            (READ, Class::Transient, "InternalError", true, ATTEMPTS),
            (READ, Class::Transient, UNREACHABLE, true, ATTEMPTS),
            (READ, Class::Transient, UNREACHABLE, false, 1),
            (READ, Class::Denied, "UnauthorizedOperation", true, 1),
            (READ, Class::NotFound, "NoSuchKey", true, 1),
            (LAUNCH, Class::Throttled, "RequestLimitExceeded", true, 1),
            (LAUNCH, Class::Transient, "Unavailable", true, 1),
            (LAUNCH, Class::Ambiguous, "NoAnswer", true, 1),
        ] {
            assert_eq!(attempts(call, class, code, answered).await, expected, "{class:?} {code} {}", call.operation);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeated_call_that_goes_well_is_the_answer() {
        let endpoint = Endpoint::default();
        let made = AtomicU32::new(0);
        let answer = endpoint
            .repeat(READ, || {
                let nth = made.fetch_add(1, Ordering::Relaxed);
                async move { if nth < 2 { Err(Error::new(Class::Throttled, "Throttling", "slower", "")) } else { Ok(nth) } }
            })
            .await;
        assert_eq!(answer, Ok(2));
    }

    #[test]
    fn waits_grow_and_stay_in_their_bounds() {
        for (class, made, least, most) in [
            (Class::Transient, 1, 100, 200),
            (Class::Transient, 3, 400, 800),
            (Class::Throttled, 1, 500, 1000),
            (Class::Throttled, 3, 2000, 4000),
        ] {
            for _ in 0..100 {
                let wait = backoff(class, made).as_millis();
                assert!((least..most).contains(&wait), "{class:?} after {made}: {wait} ms");
            }
        }
    }

    #[test]
    fn a_host_is_read_from_a_uri() {
        for (uri, host) in [
            ("http://127.0.0.1:4566/", "127.0.0.1:4566"),
            ("https://ec2.us-east-1.amazonaws.com/?Action=x", "ec2.us-east-1.amazonaws.com"),
            ("https://b.s3.amazonaws.com/key/x", "b.s3.amazonaws.com"),
        ] {
            assert_eq!(host_of(uri), host);
        }
    }
}
