//! EC2: the simulated cloud behind the wire protocol.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_cloud::Cloud;

use crate::protocol::{Answer, Failure, Request};
use crate::router::{Backend, operation_by_protocol};

/// The cloud, and the latest time it has seen.
pub(crate) struct Ec2 {
    state: Mutex<(Cloud, Timestamp)>,
}

impl Ec2 {
    /// Serves this cloud.
    pub(crate) fn new(cloud: Cloud, now: Timestamp) -> Self {
        Self { state: Mutex::new((cloud, now)) }
    }

    /// Works on the cloud at `now`, or at the latest time it has seen: calls may arrive out of order, time does not.
    pub(crate) fn with<T>(&self, now: Timestamp, work: impl FnOnce(&mut Cloud, Timestamp) -> T) -> T {
        let mut state = self.lock();
        let now = now.max(state.1);
        state.1 = now;
        work(&mut state.0, now)
    }

    fn lock(&self) -> MutexGuard<'_, (Cloud, Timestamp)> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Ec2 {
    fn operation(&self, request: &Request) -> String {
        operation_by_protocol(request)
    }

    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        let done = self.with(request.now, |cloud, now| sandbox_ec2::handle(cloud, now, &request.region, &request.body));
        Ok(Answer {
            status: done.status,
            headers: vec![("content-type".to_owned(), done.content_type.to_owned())],
            body: done.body.into(),
            code: match &done.outcome {
                sandbox_ec2::Outcome::Err(code) => Some(code.clone()),
                _ => None,
            },
            gap: done.gap,
            lost: done.outcome == sandbox_ec2::Outcome::Lost,
        })
    }
}
