//! Invoke: waited for, queued, or only tried.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use crate::json::validation;
use crate::protocol::{Answer, Failure, Request};

use super::Lambda;
use super::environment::Invocation;
use super::events::Event;
use super::limits::ACCOUNT;
use super::route::Place;
use super::runner::Share;
use super::state::{State, Version, no_function};

/// The most a payload may be, in bytes; from Lambda's quotas page.
const MOST_SYNCHRONOUS: usize = 6 * 1024 * 1024;
const MOST_ASYNCHRONOUS: usize = 1024 * 1024;

impl State {
    /// What runs when a function is invoked now, and how much of it may at once.
    pub(super) fn resolve(&self, region: &str, account: &str, place: &Place, now: Timestamp) -> Result<(Arc<Version>, Share), Failure> {
        let function = self.function(region, account, place)?;
        let version = function.runnable(place.qualifier.as_deref(), now).ok_or_else(|| no_function(region, account, place))??;
        let reserved = self.functions.iter().filter(|((place, _), _)| place == region).filter_map(|(_, function)| function.reserved);
        let unreserved = ACCOUNT - reserved.sum::<u32>().min(ACCOUNT);
        Ok((version, Share { reserved: function.reserved, unreserved }))
    }
}

impl Lambda {
    pub(super) async fn invoke(&self, request: &Request) -> Result<Answer, Failure> {
        let place = self.place(request)?;
        let kind = request.header("x-amz-invocation-type").unwrap_or("RequestResponse");
        let most = match kind {
            "Event" => MOST_ASYNCHRONOUS,
            "RequestResponse" | "DryRun" => MOST_SYNCHRONOUS,
            other => {
                return Err(validation(format!(
                    "1 validation error detected: Value '{other}' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]"
                )));
            }
        };
        let payload = payload(request, kind, most)?;
        let (version, share) = self.lock().resolve(&request.region, self.account(), &place, request.now)?;
        match kind {
            "DryRun" => Ok(Answer::empty(204)),
            "Event" => Ok(self.accept(request, place, payload)),
            _ => self.wait_for(request, version, share, payload).await,
        }
    }

    fn accept(&self, request: &Request, place: Place, payload: Bytes) -> Answer {
        self.queue(Event {
            region: request.region.clone(),
            place,
            id: request.id.clone(),
            payload,
            received: request.now,
            due: request.now,
            failed: 0,
            refused: 0,
        });
        Answer::empty(202).header("x-amzn-requestid", request.id.clone())
    }

    async fn wait_for(&self, request: &Request, version: Arc<Version>, share: Share, payload: Bytes) -> Result<Answer, Failure> {
        let tail = match request.header("x-amz-log-type") {
            None | Some("None") => false,
            Some("Tail") => true,
            Some(other) => {
                return Err(validation(format!(
                    "1 validation error detected: Value '{other}' at 'logType' failed to satisfy constraint: Member must satisfy enum value set: [None, Tail]"
                )));
            }
        };
        let slot = self.runner.slot(&version, share)?;
        let client_context = request.header("x-amz-client-context").map(str::to_owned);
        let invocation = Invocation { id: request.id.clone(), payload, client_context };
        let label = version.label.clone();
        let runner = Arc::clone(&self.runner);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // On its own: a client that goes away does not take the invocation along.
        self.runner.spawn(async move {
            let finished = runner.invoke(version, &invocation).await;
            drop(slot);
            sender.send(finished).ok();
        });
        let gone = |_| Failure::new(500, "ServiceException", "The invocation ended without an answer");
        let finished = receiver.await.map_err(gone)??;
        let mut answer = Answer::empty(200)
            .header("content-type", "application/json")
            .header("x-amzn-requestid", request.id.clone())
            .header("x-amz-executed-version", label)
            .with_body(finished.payload);
        if finished.failed {
            answer = answer.header("x-amz-function-error", "Unhandled");
        }
        if tail {
            answer = answer.header("x-amz-log-result", STANDARD.encode(finished.tail));
        }
        Ok(answer)
    }
}

/// The event of an invocation: JSON, and an empty object if there is none.
fn payload(request: &Request, kind: &str, most: usize) -> Result<Bytes, Failure> {
    let size = request.body.len();
    if size > most {
        let message = format!("{size} byte payload is too large for the {kind} invocation type (limit {most} bytes)");
        return Err(Failure::new(413, "RequestEntityTooLargeException", message));
    }
    if size == 0 {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<Value>(&request.body) {
        Ok(_) => Ok(request.body.clone()),
        Err(error) => {
            let message = format!("Could not parse request body into json: Could not parse payload into json: {error}");
            Err(Failure::new(400, "InvalidRequestContentException", message))
        }
    }
}
