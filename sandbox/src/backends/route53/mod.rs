//! Route 53: hosted zones and the simple record sets in them, one state for all regions. Nobody resolves names here.
//!
//! | module | what it holds |
//! |---|---|
//! | `route`, `read`, `batch` | requests: paths, documents, batches of changes |
//! | `names`, `values` | what names and values may be, and how they are kept |
//! | `rules` | what a batch makes of a zone |
//! | `zones`, `vpcs`, `records` | the operations |
//! | `state`, `render` | what there is, and how it is answered |
//! | `throttle` | how often an account may ask |

mod batch;
mod names;
mod read;
mod records;
mod render;
mod route;
mod rules;
#[cfg(test)]
mod rules_tests;
mod state;
mod throttle;
mod values;
mod vpcs;
mod zones;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_cloud::TokenBucket;
use serde_json::Value;

use crate::backends::ec2::Ec2;
use crate::protocol::{Answer, Failure, Protocol, Request};
use crate::refusals;
use crate::router::Backend;

pub(crate) use names::normalized;
pub(crate) use route::resource;
use state::State;

/// The zones of an account.
pub(crate) struct Route53 {
    /// Whose networks see private zones.
    ec2: Arc<Ec2>,
    state: Mutex<State>,
    /// Without one everybody may ask as often as they like.
    bucket: Option<Mutex<TokenBucket>>,
}

fn invalid_input(message: impl Into<String>) -> Failure {
    Failure::new(400, "InvalidInput", message)
}

impl Route53 {
    /// A Route 53 without zones.
    pub(crate) fn new(ec2: Arc<Ec2>, throttle: bool) -> Self {
        Self { ec2, state: Mutex::default(), bucket: throttle.then(|| Mutex::new(throttle::bucket())) }
    }

    /// Zones by id, without the records that every zone has.
    pub(crate) fn snapshot(&self) -> Value {
        self.lock().snapshot()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses who asks too often.
    fn draw(&self, now: Timestamp) -> Result<(), Failure> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        let passes = bucket.lock().unwrap_or_else(PoisonError::into_inner).draw(now, 1.0);
        if passes { Ok(()) } else { Err(refusals::throttled(Protocol::of("route53"), "route53")) }
    }
}

/// How many entries a page may have.
fn most(request: &Request, page: usize) -> Result<usize, Failure> {
    let Some(text) = request.query("maxitems") else { return Ok(page) };
    let asked = text.parse::<usize>().ok().filter(|asked| *asked > 0);
    asked.map(|asked| asked.min(page)).ok_or_else(|| invalid_input(format!("'{text}' is no number of items")))
}

/// A page as XML, and what the next one begins with.
fn page<T>(mut rest: impl Iterator<Item = T>, most: usize, draw: impl Fn(T) -> String) -> (String, Option<T>) {
    let listed = rest.by_ref().take(most).map(draw).collect();
    (listed, rest.next())
}

#[async_trait]
impl Backend for Route53 {
    fn operation(&self, request: &Request) -> String {
        route::operation(request)
    }

    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        self.draw(request.now)?;
        route::refuse_unknown(request)?;
        match request.operation.as_str() {
            "CreateHostedZone" => self.create_zone(request),
            "DeleteHostedZone" => self.delete_zone(request),
            "GetHostedZone" => self.get_zone(request),
            "ListHostedZones" => self.list_zones(request),
            "ListHostedZonesByName" => self.list_zones_by_name(request),
            "AssociateVPCWithHostedZone" => self.associate(request),
            "DisassociateVPCFromHostedZone" => self.disassociate(request),
            "ChangeResourceRecordSets" => self.change_records(request),
            "ListResourceRecordSets" => self.list_records(request),
            "GetChange" => self.get_change(request),
            other => Err(Failure::gap(format!("route53 {other}"))),
        }
    }
}
