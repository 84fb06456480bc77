//! AWS without an SDK: signed requests with the machine's own credentials.

pub(crate) mod ec2;
pub(crate) mod logs;
pub(crate) mod s3;
pub(crate) mod sign;
mod xml;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::failure::{Class, Failure};
use crate::http::{Answer, Body, Http, bytes, file};
use crate::metadata::Metadata;
use crate::retry::Patience;
use sign::{Service, Signed};

/// Rights of a role that was just made arrive within this time of the boot.
const RIGHTS_ARRIVE_WITHIN: Duration = Duration::from_secs(180);
/// How long before credentials expire new ones are asked for; the metadata service has them 5 minutes ahead.
const REFRESH_BEFORE: SignedDuration = SignedDuration::from_mins(4);

/// A request to a service, before it is signed.
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content: Content,
    pub(crate) within: Duration,
}

/// What a request carries.
pub(crate) enum Content {
    Bytes(Bytes),
    /// A file and how many bytes of it.
    File(PathBuf, u64),
}

/// What every call needs.
pub(crate) struct Session {
    http: Rc<Http>,
    metadata: Rc<Metadata>,
    region: String,
    /// One endpoint for every service, if the environment names one.
    endpoint: Option<String>,
    domain: RefCell<Option<String>>,
    credentials: RefCell<Option<(Credentials, Timestamp)>>,
    /// The log streams that were made.
    made: RefCell<BTreeSet<String>>,
    started: Instant,
}

impl Session {
    pub(crate) fn new(http: Rc<Http>, metadata: Rc<Metadata>, region: &str) -> Self {
        let endpoint = std::env::var("AWS_ENDPOINT_URL").ok().filter(|endpoint| !endpoint.is_empty());
        Self {
            http,
            metadata,
            region: region.to_owned(),
            endpoint: endpoint.map(|endpoint| endpoint.trim_end_matches('/').to_owned()),
            domain: RefCell::new(None),
            credentials: RefCell::new(None),
            made: RefCell::default(),
            started: Instant::now(),
        }
    }

    /// How long to try: `trouble` from now, and with late rights also until a new role's must have arrived.
    pub(crate) fn patience(&self, trouble: Duration) -> Patience {
        let trouble = Instant::now() + trouble;
        Patience { rights: trouble.max(self.started + RIGHTS_ARRIVE_WITHIN), trouble, missing: Instant::now() }
    }

    /// The endpoint of a service: the one of the environment, or AWS's, made from `host` and the region.
    pub(crate) async fn endpoint(&self, host: &str) -> Result<String, Failure> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        let known = self.domain.borrow().clone();
        let domain = match known {
            Some(domain) => domain,
            None => self.metadata.domain().await?,
        };
        *self.domain.borrow_mut() = Some(domain.clone());
        Ok(format!("https://{host}.{}.{domain}", self.region))
    }

    /// Whether every service is at one endpoint, where buckets are named in the path.
    pub(crate) fn one_endpoint(&self) -> bool {
        self.endpoint.is_some()
    }

    /// Whether a log stream was made already.
    pub(crate) fn has_made(&self, stream: &str) -> bool {
        self.made.borrow().contains(stream)
    }

    /// Keeps that a log stream was made.
    pub(crate) fn keep_made(&self, stream: &str) {
        self.made.borrow_mut().insert(stream.to_owned());
    }

    /// Makes a call once.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, Failure> {
        let request = self.signed(&call).await?;
        self.answered(self.http.send(request, call.within).await?)
    }

    /// Makes a call once, and writes what is answered to a file; `within` is for each block of it.
    pub(crate) async fn send_to(&self, call: Call, path: &Path) -> Result<Answer, Failure> {
        let request = self.signed(&call).await?;
        self.answered(self.http.send_to(request, path, call.within).await?)
    }

    async fn signed(&self, call: &Call) -> Result<Request<Body>, Failure> {
        let credentials = self.credentials().await?;
        let invalid = |error: &dyn std::fmt::Display| Failure::new(Class::Invalid, format!("{} {}: {error}", call.method, call.url));
        let mut headers = HeaderMap::new();
        for (name, value) in &call.headers {
            headers.insert(*name, value.parse().map_err(|error: http::header::InvalidHeaderValue| invalid(&error))?);
        }
        let (body, signed) = match &call.content {
            Content::Bytes(content) => (bytes(content.clone()), Signed::Bytes(content)),
            Content::File(path, length) => (file(path, *length).await.map_err(|error| invalid(&error))?, Signed::Not),
        };
        let mut request = Request::builder().method(&call.method).uri(&call.url).body(body).map_err(|error| invalid(&error))?;
        *request.headers_mut() = headers;
        sign::sign(&mut request, signed, call.service, &self.region, &credentials, Timestamp::now())?;
        Ok(request)
    }

    fn answered(&self, answer: Answer) -> Result<Answer, Failure> {
        if answer.status.as_u16() == 403 || answer.status.as_u16() == 400 {
            // They may have been replaced, or be those of before the rights arrived.
            *self.credentials.borrow_mut() = None;
        }
        Ok(answer)
    }

    async fn credentials(&self) -> Result<Credentials, Failure> {
        let held = self.credentials.borrow().clone();
        let now = Timestamp::now();
        match held {
            Some((credentials, expire)) if now.duration_until(expire) > REFRESH_BEFORE => Ok(credentials),
            held => match (self.metadata.credentials().await, held) {
                (Ok(new), _) => {
                    *self.credentials.borrow_mut() = Some(new.clone());
                    Ok(new.0)
                }
                (Err(_), Some((credentials, expire))) if now < expire => Ok(credentials),
                (Err(failure), _) => Err(failure),
            },
        }
    }
}
