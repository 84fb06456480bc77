//! From a raw HTTP request to a backend and back: signature, faults, log.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::authority::Authority;
use crate::callers::{Caller, Callers};
use crate::calls::{Call, CallLog};
use crate::chunked::{self, ChunkError, ChunkSigner};
use crate::clock::Clock;
use crate::faults::{Fault, Faults};
use crate::gaps::Gaps;
use crate::protocol::{Answer, Failure, Protocol, Request};
use crate::refusals;
use crate::sigv4::{Signature, SignatureError, Signed, parse_query};

/// A service behind the router.
#[async_trait]
pub(crate) trait Backend: Send + Sync + 'static {
    /// Names the operation a request asks for.
    fn operation(&self, request: &Request) -> String {
        operation_by_protocol(request)
    }

    /// Does what is asked.
    async fn handle(&self, request: &Request) -> Result<Answer, Failure>;
}

/// What becomes of a connection's request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An answer is sent.
    Answer(Answer),
    /// The connection closes without one.
    Close,
    /// Nothing comes.
    Hang,
}

/// A request as it came from the socket.
#[derive(Debug)]
pub(crate) struct Raw {
    /// HTTP method.
    pub(crate) method: Method,
    /// Path as sent.
    pub(crate) path: String,
    /// Query as sent.
    pub(crate) query: String,
    /// Header fields.
    pub(crate) headers: HeaderMap,
    /// Body as sent.
    pub(crate) body: Bytes,
}

/// The services and what happens around every call.
pub(crate) struct Router {
    backends: HashMap<String, Arc<dyn Backend>>,
    account: String,
    callers: Arc<Callers>,
    clock: Arc<Clock>,
    calls: CallLog,
    gaps: Arc<Gaps>,
    faults: Faults,
    /// Evaluates policies; without it everybody may do everything.
    authority: Option<Arc<Authority>>,
}

impl Router {
    /// A router without services.
    pub(crate) fn new(account: &str, callers: Arc<Callers>, clock: Arc<Clock>, calls: CallLog) -> Self {
        Self {
            backends: HashMap::new(),
            account: account.to_owned(),
            callers,
            clock,
            calls,
            gaps: Arc::default(),
            faults: Faults::default(),
            authority: None,
        }
    }

    /// From now on callers may only do what their policies allow.
    pub(crate) fn enforce(&mut self, authority: Arc<Authority>) {
        self.authority = Some(authority);
    }

    /// Gives a service its backend, by its name in the credential scope.
    pub(crate) fn register(&mut self, service: &str, backend: Arc<dyn Backend>) {
        self.backends.insert(service.to_owned(), backend);
    }

    /// The call log.
    pub(crate) fn calls(&self) -> &CallLog {
        &self.calls
    }

    /// The list of gaps.
    pub(crate) fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// The fault rules.
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Serves one request from the socket.
    pub(crate) async fn serve(&self, raw: Raw) -> Outcome {
        let signed = Signed { method: raw.method.as_str(), path: &raw.path, query: &raw.query, headers: &raw.headers };
        let id = uuid::Uuid::new_v4().to_string();
        let signature = match Signature::read(&signed) {
            Ok(signature) => signature,
            Err(_) if follows_an_address(&raw) => return self.dispatch(followed(raw, self.clock.now(), id)).await,
            Err(error) => return self.unsigned(&raw, error, &id),
        };
        match self.authenticate(&raw, &signed, &signature) {
            Ok((caller, body)) => {
                let mut headers = raw.headers.clone();
                for (name, value) in body.trailers {
                    if let (Ok(name), Ok(value)) = (http::header::HeaderName::try_from(name), http::HeaderValue::try_from(value)) {
                        headers.insert(name, value);
                    }
                }
                let request = Request {
                    service: service_name(&signature.service).to_owned(),
                    region: signature.region.clone(),
                    operation: String::new(),
                    method: raw.method,
                    path: raw.path,
                    query: parse_query(&raw.query),
                    headers,
                    body: body.body,
                    caller,
                    now: self.clock.now(),
                    id,
                };
                self.dispatch(request).await
            }
            Err(failure) => {
                let protocol = Protocol::of(service_name(&signature.service));
                self.log(&signature.service, &signature.region, &failure.code);
                Outcome::Answer(failure.answer(protocol, &id, &raw.path))
            }
        }
    }

    /// Routes a call whose caller is known; the sandbox's own calls start here.
    pub(crate) async fn dispatch(&self, mut request: Request) -> Outcome {
        let started = Instant::now();
        let protocol = Protocol::of(&request.service);
        let backend = self.backends.get(&request.service);
        request.operation = match backend {
            Some(backend) => backend.operation(&request),
            None => operation_by_protocol(&request),
        };
        let caller = request.caller.to_string();
        let mut rights = Vec::new();
        let fault = self.faults.meet(&request.service, &request.operation, &caller);
        let outcome = match (fault, backend) {
            (Some(Fault::CloseBefore), _) => (Outcome::Close, "connection closed".to_owned()),
            (Some(Fault::Hang), _) => (Outcome::Hang, "no answer".to_owned()),
            (Some(Fault::Deny), _) => self.fail(&request, &refusals::denied(&request, &self.account), protocol),
            (Some(Fault::Throttle), _) => self.fail(&request, &refusals::throttled(protocol, &request.service), protocol),
            (Some(Fault::Error { code, status, message }), _) => self.fail(&request, &Failure::new(status, &code, message), protocol),
            (_, None) => {
                let failure = Failure::gap(format!("{} {}", request.service, request.operation));
                self.fail(&request, &failure, protocol)
            }
            (fault, Some(backend)) => {
                let done = match self.authorized(&request, backend.as_ref(), &mut rights).await {
                    Ok(answer) => {
                        if let Some(gap) = &answer.gap {
                            self.gaps.record(gap);
                        }
                        let code = answer.code.clone().unwrap_or_else(|| "ok".to_owned());
                        if answer.lost { (Outcome::Close, "reply lost".to_owned()) } else { (Outcome::Answer(answer), code) }
                    }
                    Err(failure) => self.fail(&request, &failure, protocol),
                };
                match fault {
                    Some(Fault::LostReply) => (Outcome::Close, format!("{} (reply lost)", done.1)),
                    Some(Fault::HangAfter) => (Outcome::Hang, format!("{} (no answer)", done.1)),
                    _ => done,
                }
            }
        };
        self.calls.record(Call {
            time: self.clock.now(),
            service: request.service,
            operation: request.operation,
            region: request.region,
            caller,
            outcome: outcome.1,
            duration_ms: started.elapsed().as_secs_f64() * 1_000.0,
            rights,
        });
        outcome.0
    }

    /// Lets a backend do what its caller may do, and tells the rights that this took.
    async fn authorized(&self, request: &Request, backend: &dyn Backend, rights: &mut Vec<String>) -> Result<Answer, Failure> {
        let Some(authority) = &self.authority else { return backend.handle(request).await };
        *rights = authority.check(request)?;
        let answer = backend.handle(request).await;
        match answer {
            // Who may not list a bucket is not told whether a key is there.
            Err(failure) if failure.code == "NoSuchKey" => authority.check_list(request).and(Err(failure)),
            other => other,
        }
    }

    fn fail(&self, request: &Request, failure: &Failure, protocol: Protocol) -> (Outcome, String) {
        if let Some(gap) = &failure.gap {
            self.gaps.record(gap);
        }
        let mut answer = failure.answer(protocol, &request.id, &request.path);
        if request.method == Method::HEAD {
            answer.body = Bytes::new();
        }
        (Outcome::Answer(answer), failure.code.clone())
    }

    fn unsigned(&self, raw: &Raw, error: SignatureError, id: &str) -> Outcome {
        let protocol = if raw.headers.contains_key("x-amz-target") {
            Protocol::Json
        } else if raw.method == Method::POST && raw.path == "/" {
            Protocol::Query
        } else {
            Protocol::RestXml
        };
        let service = if protocol == Protocol::RestXml { "s3" } else { "-" };
        let failure = refusals::signature(error, protocol);
        self.log(service, "-", &failure.code);
        Outcome::Answer(failure.answer(protocol, id, &raw.path))
    }

    fn authenticate(&self, raw: &Raw, signed: &Signed<'_>, signature: &Signature) -> Result<(Caller, chunked::Decoded), Failure> {
        let protocol = Protocol::of(service_name(&signature.service));
        let refuse = |error| refusals::signature(error, protocol);
        let (caller, credentials) = self.callers.find(&signature.access_key_id).ok_or_else(|| refuse(SignatureError::UnknownKey))?;
        if credentials.session_token != signature.session_token {
            return Err(refuse(SignatureError::WrongToken));
        }
        if credentials.expires.is_some_and(|end| end <= self.clock.real_now()) {
            return Err(refuse(SignatureError::Expired));
        }
        let declared = raw.headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
        let hash = crate::checksums::sha256_hex(&raw.body);
        let payload = match declared {
            Some(text) => text,
            None if signature.valid_s.is_some() && signature.service == "s3" => "UNSIGNED-PAYLOAD",
            None => &hash,
        };
        let secret = &credentials.secret_access_key;
        signature.verify(signed, payload, secret, self.clock.real_now()).map_err(refuse)?;
        let body = decode_body(raw, signature, secret, payload, &hash).map_err(|error| match error {
            ChunkError::Signature => refuse(SignatureError::Mismatch),
            ChunkError::Malformed => Failure::new(400, "IncompleteBody", "The request body is not framed as its headers say."),
        })?;
        match body {
            Some(body) => Ok((caller, body)),
            None => Err(Failure::new(
                400,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )),
        }
    }

    /// Records a call whose caller is not known.
    fn log(&self, service: &str, region: &str, outcome: &str) {
        self.calls.record(Call {
            time: self.clock.now(),
            service: service.to_owned(),
            operation: "-".to_owned(),
            region: region.to_owned(),
            caller: "unknown".to_owned(),
            outcome: outcome.to_owned(),
            duration_ms: 0.0,
            rights: Vec::new(),
        });
    }
}

/// Makes a call of the sandbox's own through a router, as long as there is one; an error is the call's code.
pub(crate) async fn call(router: Option<&Weak<Router>>, request: Request) -> Result<(), String> {
    let router = router.and_then(Weak::upgrade).ok_or_else(|| "no router".to_owned())?;
    match router.dispatch(request).await {
        Outcome::Answer(answer) if answer.status < 300 => Ok(()),
        Outcome::Answer(answer) => Err(answer.code.unwrap_or_default()),
        Outcome::Close | Outcome::Hang => Err("no answer".to_owned()),
    }
}

/// Whether somebody follows the address in a mail of SNS.
fn follows_an_address(raw: &Raw) -> bool {
    raw.method == Method::GET
        && raw.path == "/"
        && parse_query(&raw.query).contains(&("Action".to_owned(), "ConfirmSubscription".to_owned()))
}

fn followed(raw: Raw, now: jiff::Timestamp, id: String) -> Request {
    let query = parse_query(&raw.query);
    let topic = query.iter().find(|(name, _)| name == "TopicArn").map_or("", |(_, arn)| arn);
    let region = topic.split(':').nth(3).unwrap_or_default();
    let own = Request::own("sns", region, Caller::Anonymous, raw.body, None, now);
    Request { method: raw.method, query, headers: raw.headers, id, ..own }
}

/// The body without framing; `None` when its hash is not the declared one.
fn decode_body(raw: &Raw, signature: &Signature, secret: &str, payload: &str, hash: &str) -> Result<Option<chunked::Decoded>, ChunkError> {
    let plain = || chunked::Decoded { body: raw.body.clone(), trailers: Vec::new() };
    match payload {
        "UNSIGNED-PAYLOAD" => Ok(Some(plain())),
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => chunked::decode(&raw.body, None).map(Some),
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" | "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => {
            chunked::decode(&raw.body, Some(ChunkSigner::new(signature, secret))).map(Some)
        }
        _ if payload == hash => Ok(Some(plain())),
        _ => Ok(None),
    }
}

/// One name for services that sign with several.
fn service_name(scope: &str) -> &str {
    match scope {
        "api.pricing" => "pricing",
        other => other,
    }
}

/// `X-Amz-Target`, the form's `Action`, or method and path.
pub(crate) fn operation_by_protocol(request: &Request) -> String {
    if let Some(target) = request.header("x-amz-target") {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let form = std::str::from_utf8(&request.body).unwrap_or_default();
    let action = form.split('&').find_map(|pair| pair.strip_prefix("Action="));
    match action.or_else(|| request.query("Action")) {
        Some(action) => action.to_owned(),
        None => format!("{} {}", request.method, request.path),
    }
}
